"""Shown code is run code: every page's Python, every shown command, every code and link."""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

from elman import cells
from elman.cli.parser import COMMANDS, command_parser, main_parser
from elman.data.codes import CODES

ROOT = Path(__file__).parent.parent
LANGUAGES = ("ko", "vi", "zh")
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *(ROOT / f"README.{language}.md" for language in LANGUAGES),
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if "_build" not in page.parts),
]
FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OF_OTHER_TOOLS = {"--index-url", "--no-deps"}

ENDINGS = {"Italian": ["ini", "etti", "elli"], "Polish": ["ski", "wicz", "czak"]}
STEMS = ["Bar", "Kol", "Mar", "Ros", "Tam", "Wit", "Zan", "Gor", "Pal", "Sam"]


def page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def fences(page: Path, kind: str) -> list[str]:
    return [body for found, body in FENCE.findall(page.read_text("utf-8")) if found == kind]


def shown_commands(page: Path) -> list[str]:
    lines = [line for body in fences(page, "console") for line in body.splitlines()]
    return [line.removeprefix("$ ").split("  #")[0] for line in lines if line.startswith("$ ")]


def elman_commands(page: Path) -> list[list[str]]:
    words = [shlex.split(line.rpartition("|")[2]) for line in shown_commands(page)]
    return [line[1:] for line in words if line[0] == "elman"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with the small files that the pages speak of."""
    rows = [(stem + end, origin) for origin, ends in ENDINGS.items() for end in ends for stem in STEMS]
    for name, chosen in {"names.csv": rows, "other.csv": rows[::7]}.items():
        lines = ["name,origin", *(",".join(row) for row in chosen)]
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])  # what a page puts there is gone after it
    return tmp_path


def run_elman(*words: str) -> subprocess.CompletedProcess[str]:
    start = "import sys; from elman.cli import main; sys.exit(main(sys.argv[1:]))"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, "-c", start, *words], capture_output=True, encoding="utf-8", env=environment
    )


WITH_PYTHON = [page for page in PAGES if fences(page, "python")]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=page_name)
def test_python_of_a_page_runs(page: Path, folder: Path, registry: None) -> None:
    document = Sybil([PythonCodeBlockParser()]).parse(page)
    examples = list(document.examples())
    assert len(examples) == len(fences(page, "python"))
    for example in examples:  # in one test, for they share a namespace, and workers deal tests
        with contextlib.redirect_stdout(io.StringIO()):
            example.evaluate()


def test_many_pages_show_python() -> None:
    assert len(WITH_PYTHON) >= 10


@pytest.mark.parametrize("page", [page for page in PAGES if elman_commands(page)], ids=page_name)
def test_every_shown_command_is_one(page: Path) -> None:
    for words in elman_commands(page):
        if "--help" in words:
            assert words == ["--help"] or words[0] in COMMANDS
            continue
        parser = command_parser(words[0])
        importlib.import_module(f"elman.cli.{COMMANDS[words[0]].module}").add_arguments(parser)
        parser.parse_args(words[1:])  # UsageError, if an option is none or a value is missing


def test_every_option_in_the_text_exists() -> None:
    parsers = [main_parser(), *map(command_parser, COMMANDS)]
    for parser, command in zip(parsers[1:], COMMANDS.values(), strict=True):
        importlib.import_module(f"elman.cli.{command.module}").add_arguments(parser)
    known = {option for parser in parsers for action in parser._actions for option in action.option_strings}
    shown = {
        (page_name(page), option)
        for page in PAGES
        if "decisions" not in page.parts
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", page.read_text("utf-8"))
    }
    assert len(shown) > 10
    assert {each for each in shown if each[1] not in known | OF_OTHER_TOOLS} == set()


def test_every_make_target_and_extra_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    extras = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    )
    for page in PAGES:
        text = page.read_text("utf-8")
        assert set(re.findall(r"(?:^\$ |`)make ([a-z]+)", text, re.MULTILINE)) <= targets, page
        assert set(re.findall(r"(?:elman|\.)\[([a-z]+)\]", text)) <= extras, page


def test_the_way_of_a_file_in_the_readme(folder: Path) -> None:
    """The README's own commands, one after the other, and the form of what they print."""
    shown = {body.split(maxsplit=1)[0]: body for body in fences(ROOT / "README.md", "text")}
    results = {words[0]: run_elman(*words) for words in elman_commands(ROOT / "README.md") if len(words) > 2}
    assert list(results) == ["train", "evaluate", "predict"]
    for result in results.values():
        assert result.returncode == 0, result.stderr
    assert {path.name for path in folder.iterdir()} == {
        *("names.csv", "other.csv", "names.safetensors"),
        *("names-confusion.png", "names-learning.png"),
    }
    for name in ("majority class", "n-gram logistic regression", "best that the data allows"):
        assert name in results["train"].stdout
        assert name in results["evaluate"].stdout
    assert "9 of 9 rows stand in training too (leaked)" in results["evaluate"].stdout
    answers = results["predict"].stdout.splitlines()
    assert [line.split(",")[0] for line in answers] == ["name", "Martini", "Kowalski"]
    assert answers == shown["name,prediction"].splitlines()
    info = run_elman("info", "names.safetensors")
    assert labels(info.stdout)[:14] == labels(shown["file:"])
    assert results["train"].stdout.splitlines()[1].split() == shown_headings(shown)


def labels(text: str) -> list[str]:
    return re.findall(r"^(\w+):", text, re.MULTILINE)


def shown_headings(shown: dict[str, str]) -> list[str]:
    return shown["12"].splitlines()[1].split()


def raised_codes() -> set[tuple[str, str]]:
    """Every error code of the source with the part that raises it; a table of codes is no raise."""
    found = set()
    for file in (ROOT / "src" / "elman").rglob("*.py"):
        if file.name == "codes.py":
            continue
        part = file.relative_to(ROOT / "src" / "elman").parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and re.fullmatch(r"E\d{3}", str(node.value)):
                found.add((str(node.value), part))
    return found


def listed_codes() -> dict[tuple[str, str], str]:
    rows = re.findall(
        r"^\| (E\d{3}) \| (\w+) \| (.+?) \|$", (ROOT / "docs/errors.md").read_text("utf-8"), re.M
    )
    assert len(rows) == len({row[:2] for row in rows}), "a code stands twice"
    return {(code, part): sentence for code, part, sentence in rows}


def test_every_code_is_in_the_page_of_errors_and_none_more() -> None:
    examples_in_docstrings = {("E201", "errors")}
    assert raised_codes() - examples_in_docstrings == set(listed_codes())


def test_the_page_of_errors_says_what_data_says() -> None:
    listed = {code: sentence for (code, part), sentence in listed_codes().items() if part == "data"}
    assert listed == {code: CODES[code] for code in listed}
    assert len(listed) > 30


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text("utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page_name(page)}: {link}"
        assert not anchor or anchor in anchors(target), f"{page_name(page)}: {link}"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.slow
def test_the_site_is_clean_and_asks_the_network_for_nothing(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", ROOT / "docs", tmp_path / "site"],
        capture_output=True,
        encoding="utf-8",
    )
    assert built.returncode == 0, built.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        assert remote_assets(page.read_text("utf-8")) == [], page


def remote_assets(html: str) -> list[str]:
    loaded = re.findall(r"<(?:script|img|iframe|link)\b[^>]*>", html)
    loaded = [tag for tag in loaded if 'rel="canonical"' not in tag]
    return [tag for tag in loaded if re.search(r"""(?:src|href)=["'](?:https?:)?//""", tag)]


def test_remote_assets_are_found() -> None:
    assert remote_assets('<script src="https://a.b/c.js"></script><a href="https://a.b">x</a>') == [
        '<script src="https://a.b/c.js">'
    ]
    assert remote_assets("<link rel='stylesheet' href='//a.b/c.css'><img src='_static/x.png'>") == [
        "<link rel='stylesheet' href='//a.b/c.css'>"
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_shows_the_commands_of_the_readme(language: str) -> None:
    english, other = ROOT / "README.md", ROOT / f"README.{language}.md"
    assert shown_commands(other) == shown_commands(english)
    demos = re.compile(r"`elman demo ([a-z-]+)`")
    assert demos.findall(other.read_text("utf-8")) == demos.findall(english.read_text("utf-8"))
    assert f"README.{language}.md" in english.read_text("utf-8")


def test_every_demo_of_the_readme_is_one() -> None:
    from elman.cli.demo import DEMOS

    shown = set(re.findall(r"elman demo ([a-z-]+)", (ROOT / "README.md").read_text("utf-8")))
    assert shown == set(DEMOS) - {"names"}


def test_every_cell_has_its_page_and_its_test() -> None:
    for name in ("rnn", "lstm", "gru", "names", "sine"):
        assert name in cells.CELLS
        assert (ROOT / "docs" / "recurrences" / f"{name}.md").exists()
        assert (ROOT / "tests" / "cells" / f"test_{name}.py").exists()
