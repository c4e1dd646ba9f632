"""A whole model as an ONNX graph: what a user gives goes in, what the model answers comes out.

Inside, time comes first (T, B, D); outside rows do (B, T, D). The states are told in ``docs/export.md``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import elman
from elman.cells import Cell
from elman.data.codec import LabelCodec
from elman.data.mixed import MixedCodec
from elman.data.numbers import NumberCodec
from elman.errors import UsageError
from elman.kernels.forward import WHOLE, cell_of, directions, layer_params
from elman.models.answers import TASKS
from elman.models.codecs import width_of
from elman.models.forecasting import Form
from elman.models.model import Model, Tensors
from elman.models.onnx_layers import Steps, run_layer
from elman.models.onnx_symbols import Nodes, Symbol, concatenate, where

OPSET, IR_VERSION = 17, 8
"""Old enough for every ONNX Runtime since 1.14."""

KEY = "elman"
"""Where the metadata stand in the file: one JSON text."""


@dataclass
class Graph:
    """A graph that is being written: its nodes, and the inputs and outputs with their axes.

    Attributes
    ----------
    step
        Whether it takes one step, so that no input has a time axis.
    """

    model: Model
    step: bool
    nodes: Nodes = field(default_factory=Nodes)
    inputs: list[Any] = field(default_factory=list)
    outputs: list[Any] = field(default_factory=list)

    def input(self, name: str, dtype: Any, axes: list[Any]) -> Symbol:
        """Declare an input."""
        self.inputs.append(_port(name, np.dtype(dtype), axes))
        return Symbol(self.nodes, name, dtype, len(axes))

    def timed(self, name: str, dtype: Any, width: int, steps: int | str = "T") -> Symbol:
        """Declare an input of ``width`` numbers a step, and give it as (T, B, width)."""
        if self.step and steps == "T":
            return self.input(name, dtype, ["B", width]).unsqueezed(0)
        return self.input(name, dtype, ["B", steps, width]).transposed(1, 0, 2)

    def output(self, name: str, values: Symbol, axes: list[Any]) -> None:
        """Declare an output."""
        self.nodes.add("Identity", values.name)
        self.nodes.nodes[-1].output[0] = name
        self.outputs.append(_port(name, values.dtype, axes))

    def state(self, name: str, parts: int | str, width: int, dtype: Any = np.float32) -> Symbol:
        """Declare a state (parts, B, width) that comes in; ``leave`` says what goes out."""
        return self.input(name, dtype, [parts, "B", width])

    def leave(self, name: str, values: list[Symbol], parts: int, width: int) -> None:
        """Say what a state is afterwards."""
        self.output(f"{name}_next", concatenate(values, axis=0), [parts, "B", width])


def _port(name: str, dtype: np.dtype[Any], axes: list[Any]) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), axes)


def to_onnx(model: Model, about: Mapping[str, Any], *, step: bool) -> bytes:
    """Write a model as the bytes of an ONNX file.

    Parameters
    ----------
    about
        JSON values that stand in the file's metadata.
    step
        One step instead of whole sequences; the model must be causal.

    Raises
    ------
    UsageError
        E190 if the model's cell does something that no operator says.
    """
    graph = Graph(model, step)
    series = read_series(graph) if model.task == "forecast" else None
    ids, channels = read_inputs(graph, series)
    steps = Steps()
    if not step:
        first = channels if ids is None else ids
        assert first is not None
        steps = Steps.of(graph.input("lengths", np.int64, ["B"]), first)
    if series is not None:
        channels = scaled(graph, series.readings(steps))
    said = run_members(graph, ids, channels, steps)
    answer(graph, said, steps, series)
    return _bytes(graph, about)


def _bytes(graph: Graph, about: Mapping[str, Any]) -> bytes:
    from onnx import checker, helper, numpy_helper

    made = helper.make_graph(
        graph.nodes.nodes,
        "step" if graph.step else "full",
        graph.inputs,
        graph.outputs[-1:] + graph.outputs[:-1],  # the answer, then the states
        [numpy_helper.from_array(array, name) for name, array in graph.nodes.constants.items()],
    )
    model = helper.make_model(
        made,
        producer_name="elman",
        producer_version=elman.__version__,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    helper.set_model_props(model, {KEY: json.dumps(about, ensure_ascii=False, sort_keys=True)})
    checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def read_inputs(graph: Graph, series: Any) -> tuple[Symbol | None, Symbol | None]:
    """Declare the inputs: ids (T, B, G) int64, and channels (T, B, D) float32 of numbers."""
    sizes, _ = width_of(graph.model.inputs)
    ids = graph.timed("ids", np.int64, len(sizes)) if sizes else None
    codec = graph.model.inputs
    numbers = codec.numbers if isinstance(codec, MixedCodec) else codec
    if series is not None:
        return None, series.values
    if not isinstance(numbers, NumberCodec):
        return ids, None
    return ids, encoded(graph.timed("numbers", np.float64, numbers.features), numbers)


def scaled(graph: Graph, readings: Symbol) -> Symbol:
    """The channels of what a forecaster reads."""
    assert isinstance(graph.model.inputs, NumberCodec)
    return encoded(readings, graph.model.inputs)


def encoded(numbers: Symbol, codec: NumberCodec) -> Symbol:
    """``NumberCodec.encode`` as nodes: float64 (..., D) -> float32 (..., size)."""
    there: Any = np.equal(numbers, numbers)  # NaN is not equal to itself
    standard: Symbol = (numbers - codec.mean) / codec.scale
    channels = where(there, standard.cast(np.float32), 0)
    if not codec.masks:
        return channels
    return concatenate([channels, there.then("Not").cast(np.float32)], axis=2)


def decoded(said: Symbol, codec: NumberCodec) -> Symbol:
    """``NumberCodec.decode`` as nodes: float32 (..., D) -> float64 in the user's units."""
    units: Symbol = said.cast(np.float64) * codec.scale + codec.mean
    return units


def run_members(graph: Graph, ids: Symbol | None, channels: Symbol | None, steps: Steps) -> Symbol:
    """What the networks say, averaged: (1, B, K) of a whole sequence, (T, B, K) at every step."""
    model = graph.model
    carried = States(graph)
    softmax = isinstance(model.targets, LabelCodec)
    parts: list[Symbol] = []
    for m, tensors in enumerate(model.members):
        read = _read(model, tensors, ids, channels)
        said = _member(graph, tensors, read, steps, carried, m)
        parts.append(said.then("Softmax", axis=-1) if softmax else said)
    carried.leave()
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    mean: Symbol = total / len(parts) if len(parts) > 1 else total
    return mean


def _read(model: Model, tensors: Tensors, ids: Symbol | None, channels: Symbol | None) -> Symbol:
    """What the layers read (T, B, D): embedded or one-hot symbols, numbers, or both."""
    if ids is None:
        assert channels is not None
        return channels
    nodes, columns = ids.nodes, range(len(width_of(model.inputs)[0]))
    tables = [_table(model, tensors, g) for g in columns]
    rows = [
        Symbol(nodes, nodes.constant(table, np.float32), np.float32, 2).then("Gather", ids[:, :, g], ndim=3)
        for g, table in zip(columns, tables, strict=True)
    ]
    total = rows[0]
    for row in rows[1:]:
        total = total + row
    return total if channels is None else concatenate([total, channels], axis=2)


def _table(model: Model, tensors: Tensors, column: int) -> NDArray[np.float32]:
    """What stands for each id; one-hot the unknown symbol, id 0, is noughts."""
    if model.settings.symbols == "one-hot":
        return np.eye(width_of(model.inputs)[0][0], dtype=np.float32)[:, 1:]
    return tensors[f"embedding.{column}.weight"]


class States:
    """All that is carried from step to step: each state (parts, B, width), the members' parts in turn.

    A network with one answer for a sequence also carries what its answer is put together from, so that a
    sequence may come in pieces.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph, model = graph, graph.model
        settings, cell = model.settings, cell_of(model.settings)
        self.members, self.each = len(model.members), settings.num_layers * len(directions(settings))
        _check_names(cell)
        self.widths = dict.fromkeys(cell.state_names, cell.hidden_size)
        self.per_layer = tuple(cell.state_names)
        pooled = TASKS[model.task].network in WHOLE and not cell.answers
        if pooled and settings.causal:
            self.widths |= _pooled_widths(model)
        self.before = {
            name: graph.state(name, self.parts(name), width) for name, width in self.widths.items()
        }
        self.after: dict[str, list[Symbol]] = {name: [] for name in self.widths}

    def parts(self, name: str) -> int:
        """How many rows a state has for each sequence."""
        if name in self.per_layer:
            return self.members * self.each
        return 1 if name == "count" else self.members

    def layer(self, member: int, layer: int) -> tuple[Symbol, ...]:
        """The states of a layer in all its directions."""
        ways = len(directions(self.graph.model.settings))
        start = member * self.each + layer * ways
        whole = self.members * self.each == ways
        return tuple(
            self.before[name] if whole else self.before[name][start : start + ways] for name in self.per_layer
        )

    def pooled(self, name: str, member: int) -> Symbol | None:
        """What was put together so far, (1, B, width); None if that is not carried."""
        if name not in self.before:
            return None
        state = self.before[name]
        return state if self.parts(name) == 1 else state[member : member + 1]

    def leave(self) -> None:
        """Declare the states that go out."""
        for name, parts in self.after.items():
            self.graph.leave(name, parts, self.parts(name), self.widths[name])


def _check_names(cell: Cell) -> None:
    """The states of a cell of one's own stand in the graph under their own names."""
    for name in sorted(RESERVED.intersection(cell.state_names)):
        message = (
            f"the cell {cell.name} has a state called {name}, a name that the exported graph needs itself"
        )
        raise UsageError(message, code="E190", help="give the state another name")


RESERVED = {
    *("ids", "numbers", "known", "past", "lengths", "probabilities", "answers"),
    *("sum", "most", "inputs", "count", "last", "size", "seen"),
}


def _pooled_widths(model: Model) -> dict[str, int]:
    settings, kinds = model.settings, model.settings.pooling.split("+")
    found = {"sum": settings.hidden_size} if "mean" in kinds else {}
    found |= {"most": settings.hidden_size} if "max" in kinds else {}
    if settings.shortcut:
        sizes, features = width_of(model.inputs)
        one_hot = settings.symbols == "one-hot"
        found["inputs"] = (
            (sizes[0] - 1 if one_hot else settings.embedding_size + features) if sizes else features
        )
    return found | ({"count": 1} if found else {})


def _member(
    graph: Graph, tensors: Tensors, read: Symbol, steps: Steps, carried: States, member: int
) -> Symbol:
    """What one network says: (1, B, K), or (T, B, K)."""
    model, settings = graph.model, graph.model.settings
    cell, outputs, final = cell_of(settings), read, read
    for n in range(settings.num_layers):
        params = [layer_params(cell, tensors, f"_l{n}{way}") for way in directions(settings)]
        outputs, ends = run_layer(cell, params, outputs, steps, carried.layer(member, n))
        for name, end in zip(cell.state_names, ends, strict=True):
            carried.after[name].append(end)
        final = ends[0]
    whole = TASKS[model.task].network in WHOLE
    if cell.answers:
        return steps.at_end(outputs) if whole else outputs
    if whole:
        ways = [final] if settings.causal else [final[:1], final[1:]]
        outputs = _pooled(graph, read, outputs, concatenate(ways, axis=2), steps, carried, member)
    product: Symbol = outputs @ tensors["head.weight"].T + tensors["head.bias"]
    return product


def _pooled(
    graph: Graph, read: Symbol, outputs: Symbol, final: Symbol, steps: Steps, carried: States, member: int
) -> Symbol:
    """What the head of a whole sequence reads: its outputs over time put together, (1, B, W)."""
    settings = graph.model.settings
    before = carried.pooled("count", member)
    count: Any = steps.rows.cast(np.float32) if steps.lengths is not None else 1.0
    count = count if before is None else before + count
    known: dict[str, Callable[[], Symbol]] = {"last": lambda: final}
    known["mean"] = lambda: _sum(outputs, "sum", steps, carried, member) / np.maximum(count, 1)
    known["max"] = lambda: _most(outputs, count, steps, carried, member)
    parts = [known[kind]() for kind in settings.pooling.split("+")]
    if settings.shortcut:
        total = _sum(read, "inputs", steps, carried, member)
        parts.append(settings.shortcut * (total / np.sqrt(np.maximum(count, 1))))
    if before is not None and not member:
        carried.after["count"].append(count)
    return concatenate(parts, axis=2)


def _sum(values: Symbol, name: str, steps: Steps, carried: States, member: int) -> Symbol:
    """The sum over a row's own steps, those before included."""
    total, before = steps.kept(values).reduced("ReduceSum", 0), carried.pooled(name, member)
    if before is None:
        return total
    carried.after[name].append(before + total)
    return carried.after[name][-1]


def _most(values: Symbol, count: Any, steps: Steps, carried: States, member: int) -> Symbol:
    """The maximum over a row's own steps, those before included; 0 where there are none."""
    before = carried.pooled("most", member)
    rows = [steps.kept(values, -np.inf)]
    if before is not None:
        seen = carried.pooled("count", member)
        assert seen is not None
        rows.insert(0, where(seen > 0, before, -np.inf))
    most = where(count > 0, concatenate(rows, axis=0).reduced("ReduceMax", 0), 0)
    if before is not None:
        carried.after["most"].append(most)
    return most


def answer(graph: Graph, said: Symbol, steps: Steps, series: Any) -> None:
    """Declare what comes out, in the user's units; at every step nought beyond a row's length."""
    model = graph.model
    labels = isinstance(model.targets, LabelCodec)
    given = said if labels else decoded(said, model.numbers)
    name, width = "probabilities" if labels else "answers", _outputs(model)
    if TASKS[model.task].network in WHOLE:
        return graph.output(name, given.squeezed(0), ["B", width])
    axes: list[Any] = ["B"] if graph.step else ["B", "T"]
    if series is not None:
        given, form = series.in_units(given, steps), series.form
        width = form.values * form.horizon
    given = steps.kept(given)
    given = given.squeezed(0) if graph.step else given.transposed(1, 0, 2)
    if series is not None and series.form.horizon > 1:
        form = series.form
        shape = [*[0] * len(axes), form.horizon, form.values]
        given = given.then("Reshape", graph.nodes.constant(shape, np.int64), ndim=len(shape))
        return graph.output(name, given, [*axes, form.horizon, form.values])
    return graph.output(name, given, [*axes, width])


def _outputs(model: Model) -> int:
    return len(model.classes_) if isinstance(model.targets, LabelCodec) else model.numbers.features


def read_series(graph: Graph) -> Any:
    """Declare what a forecaster reads."""
    from elman.models.onnx_forecasts import SeriesNodes

    return SeriesNodes(graph, Form.of(graph.model))
