"""The pages of the four systems: drawings are as their script draws them, legible and read out."""

from __future__ import annotations

import importlib.util
import re
import sys
from itertools import combinations
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

DOCS = Path(__file__).parent.parent / "docs"
FOLDER = DOCS / "_static" / "systems"
PAGES = ["names-from-scratch", "names-stacked", "sine", "sine-to-cosine"]
DRAWINGS = [*PAGES, "reach"]
SVG = "{http://www.w3.org/2000/svg}"
SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉"

Area = tuple[float, float, float, float]


@pytest.fixture(scope="module")
def diagrams() -> ModuleType:
    spec = importlib.util.spec_from_file_location("_diagrams", DOCS / "_diagrams.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["_diagrams"] = module  # a dataclass looks its module up
    spec.loader.exec_module(module)
    return module


def drawing(name: str) -> ET.Element:
    return ET.fromstring((FOLDER / f"{name}.svg").read_text("utf-8"))


def number(part: ET.Element, name: str) -> float:
    return float(part.attrib[name])


def width_of(words: str) -> float:
    """In units, at size 13, in a wide font (DejaVu Sans); bold is wider still."""
    return sum(4.5 if letter in f"{SUBSCRIPTS} ,.()[]{{}}ilt…" else 8.2 for letter in words)


def area_of_text(part: ET.Element) -> Area:
    width = width_of(part.text or "")
    left = number(part, "x") - {"start": 0, "middle": width / 2, "end": width}[part.attrib["text-anchor"]]
    middle = number(part, "y") - 4.5
    return left, middle - 6, left + width, middle + 6


def area_of_box(part: ET.Element) -> Area:
    x, y = number(part, "x"), number(part, "y")
    return x, y, x + number(part, "width"), y + number(part, "height")


def overlap(a: Area, b: Area) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def inside(a: Area, b: Area) -> bool:
    return b[0] <= a[0] and b[1] <= a[1] and a[2] <= b[2] and a[3] <= b[3]


def test_the_script_draws_the_committed_drawings(diagrams: ModuleType) -> None:
    committed = {path.stem: path.read_text("utf-8") for path in FOLDER.iterdir()}
    assert diagrams.draw_all() == committed
    assert sorted(committed) == sorted(DRAWINGS)


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_reads_itself_out(name: str) -> None:
    svg = drawing(name)
    assert svg.attrib["role"] == "img"
    named = [(svg.find(f"{SVG}{kind}"), f"{name}-{kind}") for kind in ("title", "desc")]
    assert svg.attrib["aria-labelledby"].split() == [label for _, label in named]
    for part, label in named:
        assert part is not None
        assert part.attrib["id"] == label
        assert len(part.text or "") > 30


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_takes_its_colours_from_the_page(name: str) -> None:
    svg = drawing(name)
    inks = {part.attrib[kind] for part in svg.iter() for kind in ("fill", "stroke") if kind in part.attrib}
    variables = {
        "var(--color-brand-content, currentColor)",
        "var(--color-problematic, currentColor)",
    }
    assert "currentColor" in inks
    assert inks <= {"none", "currentColor", *variables}
    style = svg.findtext(f"{SVG}style") or ""
    rules = re.findall(r"([^{}\n]+) \{ ", style.replace("@media (prefers-color-scheme: dark) {", ""))
    assert {rule.strip() for rule in rules} == {"svg:root"}  # which is none inside a page


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_is_read_on_a_narrow_page(name: str) -> None:
    """No smaller than 13 of 360; no text outside, across another text or over the side of a box."""
    svg = drawing(name)
    _, _, width, height = map(float, svg.attrib["viewBox"].split())
    assert width == 360
    assert [part.attrib["font-size"] for part in svg.iter() if "font-size" in part.attrib] == ["13"]
    texts = {f"{n} {part.text}": area_of_text(part) for n, part in enumerate(svg.iter(f"{SVG}text"))}
    assert len(texts) >= 8
    for label, area in texts.items():
        assert inside(area, (0, 0, width, height)), label
    for one, other in combinations(texts, 2):
        assert not overlap(texts[one], texts[other]), (one, other)
    for side in map(area_of_box, svg.iter(f"{SVG}rect")):
        for label, area in texts.items():
            assert inside(area, side) or not overlap(area, side), label


def test_an_overlap_is_found() -> None:
    assert overlap((0, 0, 10, 10), (9, 9, 20, 20))
    assert not overlap((0, 0, 10, 10), (10, 0, 20, 10))
    assert inside((1, 1, 2, 2), (0, 0, 3, 3))
    assert not inside((1, 1, 4, 2), (0, 0, 3, 3))


@pytest.mark.parametrize("name", DRAWINGS)
def test_each_drawing_stands_in_its_page(name: str) -> None:
    page = DOCS / "systems" / f"{'index' if name == 'reach' else name}.md"
    shown = re.findall(r"^```\{raw\} html\n:file: (\S+)\n```$", page.read_text("utf-8"), re.MULTILINE)
    assert [(page.parent / path).resolve() for path in shown] == [(FOLDER / f"{name}.svg").resolve()]


@pytest.mark.parametrize("name", PAGES)
def test_each_page_answers_the_same_questions(name: str) -> None:
    text = (DOCS / "systems" / f"{name}.md").read_text("utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    wanted = ["The equations", "What the usual tutorial text gets wrong", "What it leaves out"]
    assert [heading for heading in headings if heading in wanted] == wanted
    compares = "A whole-sequence layer against a single step" in headings
    assert compares == (name in {"names-stacked", "sine-to-cosine"})
