"""What a recurrence is: one pure step, (x_t, state) -> (y_t, state')."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import numpy as np

from elman.errors import UsageError
from elman.ops import Array

State: TypeAlias = Any
"""One array (B, H), or a tuple of them in the order of ``state_names``."""

Params: TypeAlias = Mapping[str, Array]

Init: TypeAlias = float | Callable[[np.random.Generator, tuple[int, ...]], Any]
"""The bound b of a uniform U(-b, b), or a function that draws an array of the shape."""


@dataclass(frozen=True)
class Cell(ABC):
    """One recurrence's rule. It holds sizes and options, never weights and never a state.

    A new one needs ``name``, ``parameters`` and ``step``. Written with ``@``, arithmetic, slices and
    ``elman.ops``, the same lines learn on torch tensors and run on NumPy arrays.

    Attributes
    ----------
    name
        What ``recurrence=`` says.
    state_names
        The arrays that are carried on; LSTM: ``("h", "c")``. The first is the one that heads read.
    answers
        Whether ``step`` gives the answer itself, so that no head follows.
    """

    name: ClassVar[str] = ""
    state_names: ClassVar[tuple[str, ...]] = ("h",)
    answers: ClassVar[bool] = False

    hidden_size: int

    def __post_init__(self) -> None:
        size = self.hidden_size
        if isinstance(size, bool) or not hasattr(size, "__index__") or size < 1:
            raise UsageError(f"hidden_size must be a whole number of at least 1, not {size!r}", code="E110")

    @abstractmethod
    def parameters(
        self, input_size: int, hidden_size: int, output_size: int
    ) -> dict[str, tuple[tuple[int, ...], Init]]:
        """Name the weights: ``{name: (shape, first values)}``, in the order in which they are drawn."""

    def initial_state(self, batch: int) -> State:
        """Zeros (batch, H) in float32, one array for each of ``state_names``."""
        zeros = tuple(np.zeros((batch, self.hidden_size), np.float32) for _ in self.state_names)
        return zeros if len(zeros) > 1 else zeros[0]

    @abstractmethod
    def step(self, x: Array, state: State, params: Params) -> tuple[Array, State]:
        """Take one time step; pure.

        Parameters
        ----------
        x
            What comes in (B, D).
        state
            One array (B, H), or a tuple of them.
        params
            The arrays that ``parameters`` names, of the same kind as ``x``.

        Returns
        -------
        output (B, H), or (B, outputs) if the cell answers itself; and the next state.
        """

    def gates(self, x: Array, state: State, params: Params) -> dict[str, Array]:
        """Say what goes on inside a step, by name, (B, H) each; nothing, if a cell does not say."""
        return {}


def draw_parameters(
    cell: Cell, input_size: int, output_size: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Draw the first weights of ``cell`` as NumPy arrays in float32."""
    wanted = cell.parameters(input_size, cell.hidden_size, output_size)
    return {name: draw(init, shape, rng).astype(np.float32) for name, (shape, init) in wanted.items()}


def draw(init: Init, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw one array of first values."""
    values = init(rng, shape) if callable(init) else rng.uniform(-init, init, shape)
    return np.asarray(values)


def main_state(state: State) -> Array:
    """The array that heads read: the state itself, or the first of a tuple."""
    return state[0] if isinstance(state, tuple) else state
