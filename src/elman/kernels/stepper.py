"""One step at a time: every layer and the head in one call, the state kept between the calls."""

from __future__ import annotations

from typing import Any

import numpy as np

from elman.cells import Cell
from elman.errors import UsageError
from elman.kernels import twins
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
        kind: Any = _compiled if type(cell) in KERNELS and compiled(*tensors.values()) else twins.Stepper
        self._impl: Any = kind(settings, tensors, cell, task, sessions)
        self._step: Any = self._impl.step
        self._shape = None if kind is twins.Stepper else (sessions, int(self._impl.outputs))
        self._fresh: list[np.ndarray] = []
        first = layer_params(cell, tensors, "_l0")
        self.features = int(first["weight_ih"].shape[1]) if "weight_ih" in first else None

    def step(self, x: np.ndarray) -> np.ndarray:
        """Take one step of every session: float32 (S, D) -> (S, K), logits or numbers."""
        if self._shape is None:
            said: np.ndarray = self._step(self._checked(x))
            return said
        if not self._fresh:
            self._fresh = _fresh(self._shape)
        answer = self._fresh.pop()
        try:
            self._step(x, answer)
        except (TypeError, ValueError, BufferError):
            self._step(self._checked(x), answer)
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

    def _checked(self, x: Any) -> np.ndarray:
        try:
            array = np.ascontiguousarray(x, np.float32)
        except (TypeError, ValueError):
            array = np.empty(0, np.float32)
        if array.ndim != 2 or len(array) != self.sessions or self.features not in (None, array.shape[1]):
            message = f"a step takes numbers ({self.sessions}, {self.features}), not {np.shape(x)}"
            raise UsageError(message, code="E164", help="one row for each session")
        return array


def _fresh(shape: tuple[int, int]) -> list[np.ndarray]:
    """Fresh arrays: views of a larger one, which cost a third of making each."""
    return list(np.empty((max(1, 1024 // max(1, shape[0] * shape[1])), *shape), np.float32))


def _compiled(settings: Shape, tensors: Tensors, cell: Cell, task: str, sessions: int) -> Any:
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
    return compiled.module.Stepper(layers, pools, shortcut, *head, sessions)
