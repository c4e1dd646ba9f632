"""What holds for the project as a whole: public names, versions, light imports."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

import elman

ROOT = Path(__file__).parent.parent
HELP = """
from elman.cli import main
try:
    main(["--help"])
except SystemExit:
    pass
"""
MODULES = sorted((ROOT / "src" / "elman").rglob("*.py"))


def modules_after(code: str) -> set[str]:
    """Top-level names in ``sys.modules`` after ``code`` ran in a fresh process."""
    tell = "\nimport sys; print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code + tell], capture_output=True, encoding="utf-8", check=True
    )
    return set(done.stderr.split())


def test_public_names() -> None:
    assert elman.__all__ == sorted(elman.__all__, key=lambda name: (name.islower(), name))
    assert elman.__all__ == [
        "ElmanError",
        "Model",
        "SequenceClassifier",
        "SequenceForecaster",
        "SequenceGenerator",
        "SequenceRegressor",
        "SequenceTagger",
        "cells",
        "data",
        "load",
        "nn",
        "ops",
    ]
    for name in elman.__all__:
        assert getattr(elman, name).__name__.rpartition(".")[2] == name
    assert set(dir(elman)) == {*elman.__all__, "__version__"}
    with pytest.raises(AttributeError, match="no attribute 'torch'"):
        _ = elman.torch


def test_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    newest = re.search(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert newest is not None
    assert project["version"] == elman.__version__ == newest[1]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_module_says_what_it_is_for(path: Path) -> None:
    sentence = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    assert sentence, "no docstring"
    assert sentence.split("\n\n")[0].rstrip()[-1] in ".?!:"


def test_no_module_is_called_utils() -> None:
    assert len(MODULES) > 40
    assert [path for path in MODULES if re.search("utils?|helpers?|misc|common", path.stem)] == []


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        (
            "import elman",
            {"numpy", "torch", "sklearn", "pandas", "pyarrow", "matplotlib", "rich", "safetensors"},
        ),
        (
            "import elman.models.saving, elman.models.evaluation, elman.cli",
            {"torch", "sklearn", "pandas", "pyarrow", "matplotlib", "rich"},
        ),
        (
            "import elman.models.stream_state, elman.models.trace, elman.cli.stream, elman.cli.trace",
            {"torch", "sklearn", "pandas", "pyarrow", "matplotlib", "rich"},
        ),
        (
            "import elman.data, elman.cells, elman.kernels, elman.ops, elman.train.metrics",
            {"torch", "sklearn"},
        ),
        (
            "import elman.models.export, elman.models.onnx_graph, elman.models.onnx_check, elman.cli.export",
            {"torch", "sklearn", "pandas", "matplotlib", "rich", "onnx", "onnxruntime"},
        ),
        (
            "import elman.models.verify, elman.cli.verify",
            {"torch", "sklearn", "pandas", "pyarrow", "matplotlib", "rich", "onnx", "onnxruntime"},
        ),
        (HELP, {"numpy", "torch", "sklearn", "rich"}),
    ],
)
def test_imports_are_light(code: str, absent: set[str]) -> None:
    modules = modules_after(code)
    assert "elman" in modules
    assert modules & absent == set()


def test_help_is_quick(capsys: pytest.CaptureFixture[str]) -> None:
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", "from elman.cli import main; main(['--help'])"],
        capture_output=True,
        encoding="utf-8",
    )
    seconds = time.perf_counter() - start
    assert done.returncode == 0
    assert done.stdout.startswith("usage: elman COMMAND")
    with capsys.disabled():
        print(f" elman --help: {seconds:.2f} s ", end="")


def test_no_pickle_is_read_anywhere() -> None:
    """Nothing in the source opens a pickle, by whatever name."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"} & set(names), path
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in {("torch", "load"), ("torch", "save")}, path
