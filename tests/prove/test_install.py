"""A machine without a compiler and without CMake still installs elman, and it still computes."""

import os
import shutil
import subprocess
import sys
import venv
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from elman import kernels
from elman.cells import GRU, draw_parameters

REPOSITORY = Path(__file__).parents[2]
SHELL = ("sh", "uname", "env")

RUN = """
import sys, numpy as np
from elman import kernels
from elman.cells import GRU
with np.load(sys.argv[1]) as case:
    params = {name: case[name] for name in case.files if "_" in name}
    outputs, _ = kernels.scan(GRU(7), case["inputs"], case["lengths"], params)
np.save(sys.argv[2], outputs)
print(kernels.__file__, kernels.info()["native"], kernels.info()["reason"], sep="\\n")
"""


@pytest.fixture
def bare_python(tmp_path):
    """A fresh environment that sees this one's libraries but not its elman, on a PATH without a compiler."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip())
    (packages / "libraries.pth").write_text(str(Path(np.__file__).parents[1]))
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in SHELL:
        (tools / name).symlink_to(shutil.which(name))
    return python, {**os.environ, "PATH": f"{python.parent}:{tools}", "CC": "", "CXX": ""}


def copy_repository(target):
    """Copy what git would: no build folder, no environment."""
    ask = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(ask, capture_output=True, text=True, check=True, cwd=REPOSITORY).stdout
    for name in listed.splitlines():
        if (REPOSITORY / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, target / name)


@contextmanager
def plain_twins():
    """What computes where nothing is compiled."""
    path = kernels.info()["path"]
    kernels.use("numpy")
    try:
        yield
    finally:
        kernels.use(path)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt" or not shutil.which("git"), reason="needs a Unix shell and git")
def test_without_a_compiler_it_installs_and_gives_the_same_numbers(bare_python, tmp_path):
    python, environment = bare_python
    copy_repository(tmp_path / "copy")
    install = [python, "-m", "pip", "install", "--no-deps", tmp_path / "copy"]
    installed = subprocess.run(install, capture_output=True, text=True, env=environment)
    assert installed.returncode == 0, installed.stdout + installed.stderr

    rng = np.random.default_rng(0)
    case = {"inputs": rng.normal(size=(5, 3, 2)).astype(np.float32), "lengths": np.array([5, 0, 2])}
    params = draw_parameters(GRU(7), 2, 1, rng)
    np.savez(tmp_path / "case.npz", **case, **params)
    ran = subprocess.run(
        [python, "-c", RUN, tmp_path / "case.npz", tmp_path / "outputs.npy"],
        capture_output=True, text=True, env=environment, check=True, cwd=tmp_path,
    )  # fmt: skip
    place, native, reason = ran.stdout.splitlines()
    assert place.startswith(str(tmp_path))
    assert native == "False"
    assert reason.startswith("the compiled module is not there")
    with plain_twins():
        expected, _ = kernels.scan(GRU(7), case["inputs"], case["lengths"], params)
    np.testing.assert_array_equal(np.load(tmp_path / "outputs.npy"), expected)
    assert sys.prefix not in place
