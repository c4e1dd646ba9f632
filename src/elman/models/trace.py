"""Nothing hidden: every state, gate and belief of a model over one sequence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from elman import kernels
from elman.cells import Cell, Params
from elman.data.codec import LabelCodec, TextCodec
from elman.data.mixed import MixedCodec
from elman.data.numbers import NumberCodec
from elman.data.prompt import PromptCodec
from elman.errors import UsageError
from elman.kernels.forward import cell_of, directions, layer_params, read
from elman.kernels.looked import Looked
from elman.models import answers
from elman.models.forecasting import Form

if TYPE_CHECKING:
    from elman.models.model import Model, Tensors

Floats = NDArray[np.float32]

BEGIN, END = "⊢", "⊣"
"""What stands for the marks of a text's edges."""

LONGEST = 10_000
"""Most steps that are traced."""


@dataclass(frozen=True)
class Layer:
    """One layer of one network in one direction.

    Attributes
    ----------
    name
        "layer 1", or "layer 1, backwards".
    states
        ``{"h": (T, H)}``, of an LSTM ``"c"`` too: what is carried on after each step, to the bit.
    gates
        ``i f g o`` of an LSTM, ``r z n`` of a GRU, (T, H) each: by the cell's equations from those states.
    """

    name: str
    states: dict[str, Floats]
    gates: dict[str, Floats]

    @property
    def h(self) -> Floats:
        """The state that is read by the next layer, (T, H)."""
        return next(iter(self.states.values()))

    @property
    def c(self) -> Floats:
        """The inner state of an LSTM, (T, H)."""
        if "c" not in self.states:
            raise UsageError("this recurrence has no state c", code="E165", help="h, or states")
        return self.states["c"]


@dataclass(frozen=True)
class Trace:
    """What a model does with one sequence of T steps, made by ``Model.trace``.

    Attributes
    ----------
    symbols
        What each step reads, as a text: a symbol, ``⊢`` and ``⊣`` for a text's beginning and end, or numbers.
    inputs
        The numbers of each step (T, D) in the user's units, or None of texts alone.
    members
        The layers of each network, from the first to the top.
    probabilities
        float32 (T, K): of each class after each step; None of a model that answers with numbers. To classify,
        what ``predict_proba`` says of the steps so far.
    values
        What is said after each step, (T,) or (T, K); None of a model that answers with labels.
    classes
        What ``probabilities`` are of.
    """

    symbols: list[str]
    inputs: NDArray[np.float64] | None
    members: tuple[tuple[Layer, ...], ...]
    probabilities: Floats | None
    values: NDArray[np.float64] | None
    classes: NDArray[Any] | None

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of the first network."""
        return self.members[0]

    def draw(self, path: str | os.PathLike[str]) -> None:
        """Draw it as a PNG picture: beliefs above, then each layer's state and gates. Needs matplotlib."""
        from elman.models.trace_picture import draw

        draw(self, path)


def trace(model: Model, x: Any, covariates: Any = None, past: Any = None) -> Trace:
    """See ``Model.trace``."""
    encoded = _encoded(model, x, covariates, past)
    if not 1 <= len(encoded) <= LONGEST:
        message = f"a sequence of {len(encoded):,} steps cannot be traced"
        raise UsageError(message, code="E179", help=f"give 1 to {LONGEST:,} steps")
    members = tuple(tuple(_layers(model, tensors, encoded)) for tensors in model.members)
    said = _said(model, x, encoded, covariates, past)
    labels = isinstance(model.targets, LabelCodec)
    return Trace(
        symbols=symbols_of(model, x, len(encoded)),
        inputs=_numbers(model, x),
        members=members,
        probabilities=said if labels else None,
        values=None if labels else answers.narrow(said),
        classes=model.classes_ if labels else None,
    )


def _encoded(model: Model, x: Any, covariates: Any, past: Any) -> NDArray[Any]:
    """What the network reads: one sequence."""
    if model.task == "forecast" and not Form.of(model).plain:
        from elman.models.forecasts import given_of

        form = Form.of(model)
        beside = [None if given is None else [given] for given in (covariates, past)]
        given = given_of(form, [x], beside[0], None, beside[1])
        return answers.encode(model, given.read(form))[0]
    return answers.encode(model, [x])[0]


def _layers(model: Model, tensors: Tensors, encoded: NDArray[Any]) -> Iterator[Layer]:
    """Every layer in every direction, run step by step: the bits of the whole."""
    settings, cell = model.settings, cell_of(model.settings)
    given = read(settings, tensors, encoded[:, None], getattr(model.inputs, "sizes", ()))
    inputs = given.dense() if isinstance(given, Looked) else given
    ways = directions(settings)
    for n in range(settings.num_layers):
        outputs = []
        for way in ways:
            params = layer_params(cell, tensors, f"_l{n}{way}")
            layer = _layer(cell, inputs, params, f"layer {n + 1}" + (", backwards" if way else ""), bool(way))
            outputs.append(layer.h)
            yield layer
        inputs = np.concatenate(outputs, axis=-1)[:, None]


def _layer(cell: Cell, inputs: Floats, params: Params, name: str, backwards: bool) -> Layer:
    steps, state = len(inputs), cell.initial_state(1)
    states: dict[str, list[Floats]] = {name: [] for name in cell.state_names}
    gates: list[dict[str, Floats]] = []
    for t in reversed(range(steps)) if backwards else range(steps):
        gates.append(cell.gates(inputs[t], state, params))
        _, state = kernels.scan(cell, inputs[t : t + 1], None, params, state)
        parts = state if isinstance(state, tuple) else (state,)
        for kept, part in zip(states.values(), parts, strict=True):
            kept.append(part)
    turn = slice(None, None, -1) if backwards else slice(None)
    return Layer(
        name,
        {name: np.concatenate(kept)[turn] for name, kept in states.items()},
        {name: np.concatenate([gate[name] for gate in gates])[turn] for name in gates[0]},
    )


def _said(model: Model, x: Any, encoded: NDArray[Any], covariates: Any, past: Any) -> Any:
    """What the model says after each of its steps: (T, K)."""
    if model.task == "classify":
        return answers.probabilities(model, prefixes(model, encoded))
    if model.task == "regress":
        return model.numbers.decode(answers.whole(model, prefixes(model, encoded)))
    if isinstance(model.targets, LabelCodec):
        return answers.step_probabilities(model, [encoded])[0]
    if model.task == "forecast":
        beside = {"covariates": covariates, "past": past}
        given = {name: [value] for name, value in beside.items() if value is not None}
        return np.reshape(model.predict_steps([x], **given)[0], (len(encoded), -1))
    return model.numbers.decode(answers.channels(model, [encoded])[0])


def prefixes(model: Model, encoded: NDArray[Any]) -> list[NDArray[Any]]:
    """The first one, two, … steps of a sequence, each with its end where that is a step."""
    codec = text_of(model)
    if codec is None or not codec.edges:
        return [encoded[: t + 1] for t in range(len(encoded))]
    found, columns = [], len(codec.sizes)
    for t in range(len(encoded) - 1):
        row = np.atleast_1d(encoded[t])
        ids = codec.end_ids(tuple(int(n) for n in row[:columns]))
        end = np.concatenate([ids or (), row[columns:]]).astype(encoded.dtype).reshape(encoded[t].shape)
        found.append(np.concatenate([encoded[: t + 1], end[None]]))
    return [*found, encoded]


def text_of(model: Model) -> TextCodec | None:
    """What reads the texts of a model; None if it reads numbers alone."""
    codec = model.inputs
    if isinstance(codec, (MixedCodec, PromptCodec)):
        return codec.text
    return None if isinstance(codec, NumberCodec) else codec


def symbols_of(model: Model, x: Any, steps: int) -> list[str]:
    """What each step reads, as a text."""
    text, mixed = text_of(model), isinstance(model.inputs, MixedCodec)
    if text is None:
        return [" ".join(f"{value:.4g}" for value in np.atleast_1d(step)) for step in np.asarray(x, float)]
    cut = [text.shown(symbol) for symbol in text.cut(x[0] if mixed else x)]
    if isinstance(model.inputs, PromptCodec):
        return [BEGIN, *cut]
    return cut + [END] * (steps - len(cut))


def _numbers(model: Model, x: Any) -> NDArray[np.float64] | None:
    given = x[1] if isinstance(model.inputs, MixedCodec) else x
    if not isinstance(model.inputs, (NumberCodec, MixedCodec)):
        return None
    numbers = np.asarray(given, np.float64)
    return numbers[:, None] if numbers.ndim == 1 and isinstance(model.inputs, NumberCodec) else numbers
