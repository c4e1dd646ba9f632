"""One step at a time: every layer and the head in one call, the state kept between the calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from elman.cells import Cell
from elman.errors import UsageError
from elman.kernels import twins
from elman.kernels.answer import linear
from elman.kernels.forward import Shape, Tensors, cell_of, directions, layer_params
from elman.kernels.native import compiled
from elman.kernels.scan import KERNELS, weights


class Stepper:
    """Runs a network step by step for ``sessions`` sessions side by side.

    A step gives the bits that ``run`` gives for the whole sequence up to there.

    Parameters
    ----------
    settings, tensors
        A network as ``run`` takes it. The weights are copied, so later changes do not reach the stepper.
    task
        ``"classify"``: each step answers for the sequence so far; ``"tag"``: for itself.
    sessions
        How many sequences move on together, S.

    Raises
    ------
    UsageError
        If the network reads backwards, or its cell answers itself.
    """

    def __init__(
        self, settings: Shape, tensors: Tensors, *, task: str = "classify", sessions: int = 1
    ) -> None:
        cell = cell_of(settings)
        if not settings.causal:
            raise UsageError("a network that reads both ways has no single steps", code="E129", help="causal")
        if isinstance(sessions, bool) or not hasattr(sessions, "__index__") or sessions < 1:
            raise UsageError(f"sessions must be a whole number of at least 1, not {sessions!r}", code="E110")
        self.sessions, self.cell = sessions, cell
        first = layer_params(cell, tensors, "_l0")
        self.features = int(first["weight_ih"].shape[1]) if "weight_ih" in first else None
        self._compiled = type(cell) in KERNELS and compiled(*tensors.values())
        if self._compiled:
            as_rows = partial(as_steps, sessions=sessions, features=self.features)
            self._impl: Any = _packed(settings, tensors, cell, task, sessions, as_rows)
            self.step = self._impl.step  # type: ignore[method-assign]  # a call in Python costs as much as a step
        else:
            self._impl = twins.Stepper(settings, tensors, cell, task, sessions, linear)
        pooled = task == "classify" and not cell.answers
        self._width = cell.hidden_size if self._compiled else None  # a compiled c is padded
        self._names = _part_names(settings, cell, pooled=pooled)

    def step(self, x: np.ndarray) -> np.ndarray:
        """Take one step of every session: float32 (S, D) -> (S, K), logits or numbers."""
        said: np.ndarray = self._impl.step(self._checked(x))
        return said

    def peek(self, x: np.ndarray) -> np.ndarray:
        """Say what ``step`` would say to (S, D), and stay as it was."""
        said: np.ndarray
        if self._compiled:
            said = self._impl.peek(x)
        else:
            said = self._impl.step_rows(self._checked(x), np.arange(self.sessions), keep=False)
        return said

    def look_up_in(self, tables: Sequence[np.ndarray]) -> bool:
        """Take the tables (V, D) that ``read`` looks symbols up in; False if there is no kernel for it."""
        fits = self._compiled and self.sessions == 1 and len(tables) > 0 and compiled(*tables)
        if fits:
            self._impl.look_up_in(tuple(tables))
        return fits

    def read(
        self, ids: tuple[int, ...], ends: tuple[int, ...] | None = None, *, shares: bool = False
    ) -> np.ndarray:
        """Take one step of the only session: a symbol by its ids, one for each table -> (1, K).

        Parameters
        ----------
        ends
            The ids of a text's end, which is read behind the symbol to answer; the state does not see it.
        shares
            Whether to answer with probabilities.
        """
        said: np.ndarray = self._impl.read(ids, ends, shares)
        return said

    def step_rows(self, x: np.ndarray, rows: np.ndarray, *, keep: bool = True) -> np.ndarray:
        """Take one step of some sessions: float32 (R, D) -> (R, K); the others stay as they are.

        Parameters
        ----------
        rows
            (R,) int64: the sessions, each once; R is at least 1.
        keep
            False: say what would be said, and stay as it was.
        """
        x, rows = self._checked(x, len(rows)), self._checked_rows(rows)
        if not self._compiled:
            said: np.ndarray = self._impl.step_rows(x, rows, keep=keep)
            return said
        answer = np.empty((len(rows), self._impl.outputs), np.float32)
        self._impl.step_rows(x, rows, answer, keep)
        return answer

    def reset(self, session: int | None = None) -> None:
        """Begin anew: one session, or all of them."""
        if session is None:
            self._impl.reset()
        elif not 0 <= session < self.sessions:
            raise UsageError(f"there is no session {session}, only 0 to {self.sessions - 1}", code="E110")
        else:
            self._impl.reset_one(session)

    @property
    def state(self) -> np.ndarray:
        """All that is carried from step to step, as one block (1, N); a copy. Set it to go on from there."""
        block: np.ndarray = self._impl.get_state()
        return block

    @state.setter
    def state(self, block: np.ndarray) -> None:
        block = np.ascontiguousarray(block, np.float32)
        wanted = self._impl.get_state().shape
        if block.shape != wanted:
            message = f"the state has shape {block.shape}, this network's has {wanted}"
            raise UsageError(message, code="E165", help="take it from a stepper of the same network")
        self._impl.set_state(block)

    @property
    def parts(self) -> dict[str, np.ndarray]:
        """The state by the names of its arrays, (S, width) each; copies. Set it to go on from there.

        ``layers.{n}.h`` and for an LSTM ``layers.{n}.c``; to classify also what is pooled of the steps so
        far: ``sums``, ``most``, ``direct`` (the summed inputs) and ``count``.
        """
        pairs = zip(self._names, self._cut(self.state), strict=True)
        return {name: np.array(self._own(name, array)) for name, array in pairs}

    @parts.setter
    def parts(self, parts: Mapping[str, np.ndarray]) -> None:
        block = np.zeros_like(self.state)
        for name, array in zip(self._names, self._cut(block), strict=True):
            place = self._own(name, array)
            given = np.asarray(parts.get(name, ()), np.float32)
            if given.shape != place.shape:
                message = f"the state's {name} has shape {given.shape}, this network's has {place.shape}"
                raise UsageError(message, code="E165", help="take it from a stream of the same model")
            place[...] = given
        self.state = block

    def _own(self, name: str, array: np.ndarray) -> np.ndarray:
        """An array without its padding."""
        return array[:, : self._width] if name.startswith("layers.") else array

    def _cut(self, block: np.ndarray) -> list[np.ndarray]:
        """The arrays (S, width) of a block, as views."""
        widths = [int(width) for width in self._impl.widths]
        ends = np.cumsum(widths) * self.sessions
        pieces = np.split(block[0], ends[:-1])
        return [piece.reshape(self.sessions, width) for piece, width in zip(pieces, widths, strict=True)]

    def _checked_rows(self, rows: np.ndarray) -> np.ndarray:
        rows = np.ascontiguousarray(rows, np.int64)
        if len(set(rows.tolist())) < len(rows) or not 0 <= rows.min() <= rows.max() < self.sessions:
            message = f"rows must be sessions from 0 to {self.sessions - 1}, each once"
            raise UsageError(message, code="E110", help="a session can take one step at a time")
        return rows

    def _checked(self, x: Any, rows: int | None = None) -> np.ndarray:
        return as_steps(x, sessions=self.sessions if rows is None else rows, features=self.features)


def as_steps(x: Any, *, sessions: int, features: int | None) -> np.ndarray:
    """Make float32 (S, D) of what a step is given, or say what is wrong with it."""
    try:
        array = np.ascontiguousarray(x, np.float32)
    except (TypeError, ValueError):
        array = np.empty(0, np.float32)
    if array.ndim != 2 or len(array) != sessions or features not in (None, array.shape[1]):
        message = f"a step takes numbers ({sessions}, {features}), not {np.shape(x)}"
        raise UsageError(message, code="E164", help="one row for each session")
    return array


def _part_names(settings: Shape, cell: Cell, *, pooled: bool) -> list[str]:
    """What the arrays of the state are called, in their order."""
    names = [f"layers.{n}.{state}" for n in range(settings.num_layers) for state in cell.state_names]
    return names + (["sums", "most", "direct", "count"] if pooled else [])


def _packed(
    settings: Shape,
    tensors: Tensors,
    cell: Cell,
    task: str,
    sessions: int,
    as_rows: Callable[[Any], np.ndarray],
) -> Any:
    """Pack the weights once."""
    layers = [
        (
            KERNELS[type(cell)],
            getattr(cell, "nonlinearity", "tanh"),
            *weights(layer_params(cell, tensors, f"_l{n}")),
        )
        for n in range(settings.num_layers)
    ]
    assert directions(settings) == ("",)
    pools = settings.pooling.split("+") if task == "classify" else []
    shortcut = float(settings.shortcut) if task == "classify" else 0.0
    head = np.ascontiguousarray(tensors["head.weight"]), np.ascontiguousarray(tensors["head.bias"])
    return compiled.module.Stepper(layers, pools, shortcut, *head, sessions, as_rows)
