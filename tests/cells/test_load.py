"""Cells from a file: what is loaded, what stays behind, and one sentence for each way to fail."""

import sys

import numpy as np
import pytest

from elman import cells
from elman.cells import make_cell
from elman.cells.load import load_cell
from elman.errors import UsageError

LEAKY = '''
from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from elman.cells import Cell, register


@register
@dataclass(frozen=True)
class Leaky(Cell):
    """h' = keep h + W x."""

    name: ClassVar[str] = "leaky"
    keep: float = 0.5

    def parameters(self, input_size, hidden_size, output_size):
        return {"W": ((hidden_size, input_size), 1.0)}

    def step(self, x, state, params):
        h = self.keep * state + x @ params["W"].T
        return h, h
'''


@pytest.fixture(autouse=True)
def same_modules(registry, monkeypatch):
    """A cell that a test loads is gone after it, and its module too."""
    monkeypatch.setattr(sys, "modules", dict(sys.modules))


def write(folder, text, name="leaky.py"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_of_ten_lines_gives_its_cell(tmp_path):
    (cls,) = load_cell(write(tmp_path, LEAKY))
    assert (cls.__name__, cls.name, cells.CELLS["leaky"]) == ("Leaky", "leaky", cls)
    output, _ = make_cell("leaky", 1, keep=0.25).step(
        np.array([[3.0]]), np.array([[4.0]]), {"W": np.array([[2.0]])}
    )
    np.testing.assert_array_equal(output, [[7.0]])
    assert [path.name for path in tmp_path.iterdir()] == ["leaky.py"]


def test_several_cells_come_in_the_order_in_which_they_are_registered(tmp_path):
    more = "\n\n@register\nclass Again(Leaky):\n    name = 'again'\n"
    assert [cls.name for cls in load_cell(write(tmp_path, LEAKY + more))] == ["leaky", "again"]


def test_a_file_may_be_loaded_again_after_it_was_changed(tmp_path):
    load_cell(write(tmp_path, LEAKY))
    (again,) = load_cell(write(tmp_path, LEAKY.replace("0.5", "0.75")))
    assert again(1).keep == make_cell("leaky", 1).keep == 0.75


def test_another_file_may_not_take_its_name(tmp_path):
    (cls,) = load_cell(write(tmp_path, LEAKY))
    (tmp_path / "other").mkdir()
    with pytest.raises(UsageError, match="the cell name 'leaky' is taken by leaky") as caught:
        load_cell(write(tmp_path / "other", LEAKY))
    assert (caught.value.code, cells.CELLS["leaky"]) == ("E161", cls)
    assert caught.value.where == f"{tmp_path / 'other' / 'leaky.py'}, line 10"


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        ("x = 1\n\ny = tanhh(x)\n", "raises NameError: name 'tanhh' is not defined", ", line 3"),
        ("def f():\n    return 1 / 0\n\nf()\n", "raises ZeroDivisionError: division by zero", ", line 2"),
        ("class Leaky(:\n", "raises SyntaxError: ", ", line 1"),
        ("import nothing_of_that_name\n", "raises ModuleNotFoundError: No module named", ", line 1"),
        ("import sys\nsys.exit(3)\n", "raises SystemExit: 3", ", line 2"),
        ("x = 1\n\0", "raises SyntaxError: ", ""),
    ],
)
def test_a_file_that_raises_is_refused_with_its_line(tmp_path, text, message, where):
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        load_cell(path)
    assert caught.value.message.startswith(f"the cell file {path} {message}")
    assert caught.value.code == "E168"
    assert caught.value.where == f"{path}{where}"
    assert "\n" not in str(caught.value)


def test_what_raises_leaves_nothing_registered(tmp_path):
    before = dict(cells.CELLS)
    with pytest.raises(UsageError, match="raises RuntimeError: enough"):
        load_cell(write(tmp_path, LEAKY + "\nraise RuntimeError('enough')\n"))
    assert before == cells.CELLS


def test_a_file_without_a_registered_cell_is_refused(tmp_path):
    with pytest.raises(UsageError, match="registers no cell") as caught:
        load_cell(write(tmp_path, "x = 1\n"))
    assert caught.value.code == "E168"
    assert caught.value.help.startswith("write a subclass of elman.cells.Cell, and write @elman.cells.reg")
    with pytest.raises(UsageError, match="registers no cell") as caught:
        load_cell(write(tmp_path, LEAKY.replace("@register", "")))
    assert caught.value.help == "write @elman.cells.register above its class Leaky"


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no\.py: there is no such file") as caught:
        load_cell(tmp_path / "no.py")
    assert (caught.value.code, caught.value.help) == ("E168", "check the path")
    with pytest.raises(UsageError, match="cannot read the cell file"):
        load_cell(tmp_path)
