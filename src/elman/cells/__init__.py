"""What a recurrence is: the equations and one pure step, on NumPy arrays or torch tensors alike."""

from __future__ import annotations

import difflib
import inspect
from dataclasses import fields
from typing import Any, TypeVar

from elman.cells.cell import Cell, Init, Params, State, draw, draw_parameters, main_state
from elman.cells.check import check_cell, check_step
from elman.cells.gru import GRU
from elman.cells.lstm import LSTM
from elman.cells.names import Names
from elman.cells.rnn import RNN
from elman.cells.sine import Sine
from elman.errors import UsageError

__all__ = [
    "CELLS",
    "GRU",
    "LSTM",
    "RNN",
    "Cell",
    "Init",
    "Names",
    "Params",
    "Sine",
    "State",
    "cell_class",
    "check_cell",
    "check_step",
    "draw",
    "draw_parameters",
    "main_state",
    "make_cell",
    "options_of",
    "register",
]

C = TypeVar("C", bound=type[Cell])


def register(cls: C) -> C:
    """Make a cell known by its ``name``; a decorator.

    The same class may be registered again (a notebook runs its lines twice); another class of the same
    name may not.

    Raises
    ------
    UsageError
        If it is no finished ``Cell``, has no name, or the name is taken.
    """
    _check_cell(cls)
    taken = CELLS.get(cls.name)
    if taken is not None and (taken.__module__, taken.__qualname__) != (cls.__module__, cls.__qualname__):
        message = f"the cell name {cls.name!r} is taken by {taken.__module__}.{taken.__qualname__}"
        raise UsageError(message, code="E161", help="give the new cell another name")
    CELLS[cls.name] = cls
    return cls


def make_cell(name: str, hidden_size: int, **options: Any) -> Cell:
    """Build the registered cell ``name`` with its options, such as ``nonlinearity="relu"``."""
    cls = cell_class(name)
    for option in options:
        if option not in options_of(name):
            known = ", ".join(options_of(name)) or "none"
            raise UsageError(f"{name} has no option {option!r}", code="E162", help=f"its options: {known}")
    return cls(hidden_size, **options)


def cell_class(name: str) -> type[Cell]:
    """Look a cell up by its name; the nearest name stands in the error."""
    if name in CELLS:
        return CELLS[name]
    near = difflib.get_close_matches(str(name).lower(), CELLS, n=1)
    hint = f"did you mean {near[0]} ?" if near else f"known cells: {', '.join(CELLS)}"
    raise UsageError(f"there is no recurrence {name!r}", code="E160", help=hint)


def options_of(name: str) -> tuple[str, ...]:
    """The options that a cell takes beside its ``hidden_size``."""
    return tuple(item.name for item in fields(cell_class(name)) if item.init and item.name != "hidden_size")


def _check_cell(cls: Any) -> None:
    label = getattr(cls, "__name__", repr(cls))
    if not (isinstance(cls, type) and issubclass(cls, Cell)):
        raise UsageError(f"{label} is not a subclass of elman.cells.Cell", code="E161")
    if inspect.isabstract(cls):
        missing = " and ".join(sorted(cls.__abstractmethods__))
        raise UsageError(f"the cell {label} lacks {missing}", code="E161", help=f"define {missing}")
    if not (isinstance(cls.name, str) and cls.name):
        raise UsageError(f"the cell {label} has no name", code="E161", help='write name = "..." in the class')


CELLS: dict[str, type[Cell]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU, "names": Names, "sine": Sine}
