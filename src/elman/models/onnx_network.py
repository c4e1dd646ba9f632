"""The networks of a model as ONNX nodes: embed, layers, head, with all that is carried from step to step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman.cells import Cell
from elman.data.codec import LabelCodec
from elman.errors import UsageError
from elman.kernels.forward import WHOLE, cell_of, directions, input_width, layer_params
from elman.models.answers import TASKS
from elman.models.codecs import width_of
from elman.models.model import Model, Tensors
from elman.models.onnx_layers import Steps, run_layer
from elman.models.onnx_ports import Graph
from elman.models.onnx_symbols import Symbol, concatenate, where


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
    columns = range(len(width_of(model.inputs)[0]))
    tables = [ids.nodes.constant(_table(model, tensors, g), np.float32) for g in columns]
    names = ids.nodes.add("Split", ids.name, outputs=len(tables), axis=2) if len(tables) > 1 else [ids.name]
    rows = [
        Symbol(ids.nodes, table, np.float32, 2).then("Gather", column, ndim=4)  # (T, B, 1, E)
        for table, column in zip(tables, names, strict=True)
    ]
    total = rows[0]
    for row in rows[1:]:
        total = total + row
    total = total.squeezed(2)
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
        found["inputs"] = input_width(settings, *width_of(model.inputs))
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
    total, before = steps.total(values), carried.pooled(name, member)
    if before is None:
        return total
    carried.after[name].append(before + total)
    return carried.after[name][-1]


def _most(values: Symbol, count: Any, steps: Steps, carried: States, member: int) -> Symbol:
    """The maximum over a row's own steps, those before included; 0 where there are none."""
    before, seen = carried.pooled("most", member), carried.pooled("count", member)
    if before is None or seen is None:
        return where(count > 0, steps.kept(values, -np.inf).reduced("ReduceMax", 0), 0)
    known = where(seen > 0, before, -np.inf)
    if steps.time is None:
        most = known.then("Max", values)
    else:
        rows = concatenate([known, steps.kept(values, -np.inf)], axis=0)
        most = where(count > 0, rows.reduced("ReduceMax", 0), 0)
    carried.after["most"].append(most)
    return most
