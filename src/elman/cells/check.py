"""Whether a cell of one's own can be used, said in one sentence before anything is learnt."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from elman.cells.cell import Cell, Params, State, draw
from elman.errors import UsageError
from elman.ops import Array

ROWS = 2
WRITE = "write it with @, arithmetic, slices and elman.ops"


def check_cell(cell: Cell, input_size: int, output_size: int) -> None:
    """Run one step of ``cell`` on noughts (2, ``input_size``) in NumPy.

    Raises
    ------
    UsageError
        If the cell raises, or an output, a state or a weight has another shape than the cell must give.
    """
    params = _first_weights(cell, input_size, output_size)
    try:
        state = cell.initial_state(ROWS)
    except Exception as error:  # whatever a user's lines may raise
        _refuse(f"{cell.name} has an initial_state that raises {_said(error)}", error=error)
    _check_state(cell, state, "initial_state")
    check_step(cell, np.zeros((ROWS, input_size), np.float32), state, params, output_size)


def check_step(cell: Cell, x: Array, state: State, params: Params, output_size: int) -> None:
    """Take one step on these arrays, NumPy's or torch's, and look at the shapes that come."""
    try:
        given = cell.step(x, state, params)
    except Exception as error:  # whatever a user's lines may raise
        kind = "NumPy arrays" if isinstance(x, np.ndarray) else "torch tensors"
        _refuse(f"{cell.name} has a step that raises {_said(error)} on {kind}", WRITE, error)
    if not (isinstance(given, tuple) and len(given) == 2):
        _refuse(f"{cell.name} has a step that gives no pair", "end it with: return output, state")
    width, what = (output_size, "answers") if cell.answers else (cell.hidden_size, "hidden_size")
    _check_shape(cell, given[0], (len(x), width), "step gives an output", f"rows, {what}")
    _check_state(cell, given[1], "step")


def _first_weights(cell: Cell, input_size: int, output_size: int) -> Params:
    try:
        wanted = cell.parameters(input_size, cell.hidden_size, output_size)
        drawn = {
            name: (shape, draw(init, shape, np.random.default_rng(0)).astype(np.float32))
            for name, (shape, init) in wanted.items()
        }
    except Exception as error:  # whatever a user's lines may raise
        hint = "it gives {name: (shape, first values)}, first values being a bound or a function"
        _refuse(f"{cell.name} has parameters that raise {_said(error)}", hint, error)
    if cell.answers and not drawn:
        _refuse(f"{cell.name} answers itself but names no weights, so there is nothing to learn")
    for name, (shape, array) in drawn.items():
        if not (isinstance(name, str) and name.isidentifier()):
            _refuse(f"{cell.name} has a parameter called {name!r}", "use letters, digits and _")
        _check_shape(cell, array, tuple(shape), f"parameters draw {name}", "as they say")
    return {name: array for name, (_, array) in drawn.items()}


def _check_state(cell: Cell, state: Any, of: str) -> None:
    names, parts = cell.state_names, state if isinstance(state, tuple) else (state,)
    if len(parts) != len(names) or isinstance(state, tuple) != (len(names) > 1):
        count = "one array" if len(names) == 1 else f"a tuple of {len(names)} arrays"
        _refuse(f"{cell.name} has a state {', '.join(names)}, but its {of} does not give {count}")
    for name, part in zip(names, parts, strict=True):
        _check_shape(cell, part, (ROWS, cell.hidden_size), f"{of} gives a state {name}", "rows, hidden_size")


def _check_shape(cell: Cell, array: Any, wanted: tuple[int, ...], what: str, meaning: str) -> None:
    shape = getattr(array, "shape", None)
    if shape is None:
        _refuse(f"{cell.name}: its {what} that is no array but {type(array).__name__}", WRITE)
    if tuple(shape) != wanted:
        _refuse(f"{cell.name}: its {what} of shape {tuple(shape)}, not {wanted} ({meaning})")


def _said(error: Exception) -> str:
    """The error's kind and first line."""
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _refuse(reason: str, hint: str = "", error: Exception | None = None) -> NoReturn:
    raise UsageError(f"the cell {reason}", code="E169", help=hint) from error
