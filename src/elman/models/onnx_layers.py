"""One layer over time as ONNX nodes: RNN, LSTM and GRU operators, and a ``Scan`` of any other cell's step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from elman.cells import GRU, LSTM, RNN, Cell, Params
from elman.errors import UsageError
from elman.models.onnx_symbols import LAST, Nodes, Symbol, UnsayableError, concatenate, where

GATES = {RNN: (0,), LSTM: (0, 3, 1, 2), GRU: (1, 0, 2)}
"""Where each of the operator's gates stands among ours: LSTM i o f c of i f g o, GRU z r h of r z n."""

ACTIVATIONS = {"tanh": "Tanh", "relu": "Relu", "identity": "Affine"}

State = tuple[Symbol, ...]


@dataclass(frozen=True)
class Steps:
    """Which steps of a batch are there; ``None``: all of them, and there is one.

    Attributes
    ----------
    lengths
        (B,) int64.
    time
        (T, 1, 1) int64: 0, 1, 2 ...
    """

    lengths: Symbol | None = None
    time: Symbol | None = None

    @classmethod
    def of(cls, lengths: Symbol, inputs: Symbol) -> Steps:
        """The steps of inputs (T, B, ...)."""
        nodes = inputs.nodes
        shape = inputs.then("Shape", ndim=1)
        shape.dtype = np.dtype(np.int64)
        nought, one = nodes.constant(0, np.int64), nodes.constant(1, np.int64)
        (name,) = nodes.add("Range", nought, shape[0].name, one)
        return cls(lengths, Symbol(nodes, name, np.int64, 1).unsqueezed(1).unsqueezed(2))

    @property
    def rows(self) -> Symbol:
        """The lengths as (1, B, 1)."""
        assert self.lengths is not None
        return self.lengths.unsqueezed(0).unsqueezed(2)

    def kept(self, values: Symbol, other: float = 0.0) -> Symbol:
        """``values`` (T, B, D) within each row's length, ``other`` beyond."""
        return values if self.time is None else where(self.time < self.rows, values, other)

    def total(self, values: Symbol) -> Symbol:
        """The sum of ``values`` (T, B, D) over each row's own steps: (1, B, D)."""
        return values if self.time is None else self.kept(values).reduced("ReduceSum", 0)

    def at_end(self, values: Symbol) -> Symbol:
        """``values`` (T, B, D) at each row's last step: (1, B, D); 0 for a row without steps."""
        if self.time is None:
            return values
        return where(np.equal(self.time, self.rows - 1), values, 0).reduced("ReduceSum", 0)

    def unless_empty(self, values: Symbol, before: Symbol) -> Symbol:
        """``values`` (..., B, D); of a row without steps what was there ``before``."""
        return values if self.time is None else where(self.rows > 0, values, before)


def run_layer(cell: Cell, params: Sequence[Params], inputs: Symbol, steps: Steps, first: State) -> Any:
    """Run a cell over (T, B, D) in as many directions as there are ``params``.

    Returns
    -------
    The outputs (T, B, directions · H), and the final states (directions, B, H) each, as ``first``.
    """
    if type(cell) in GATES:
        return _operator(cell, params, inputs, steps, first)
    found = [
        _traced(cell, one, inputs, steps, tuple(part[way : way + 1] for part in first), reverse=bool(way))
        for way, one in enumerate(params)
    ]
    outputs = concatenate([output for output, _ in found], axis=2)
    finals = [concatenate(parts, axis=0) for parts in zip(*(state for _, state in found), strict=True)]
    return outputs, tuple(finals)


def _operator(
    cell: Cell, params: Sequence[Params], inputs: Symbol, steps: Steps, first: State
) -> tuple[Symbol, State]:
    nodes, kind = inputs.nodes, type(cell)
    given = [np.stack([part(one, kind) for one in params]) for part in (_inputs, _states, _biases)]
    names = [nodes.constant(array, np.float32) for array in given]
    rows = "" if steps.lengths is None else steps.lengths.cast(np.int32).name
    options: dict[str, Any] = {"linear_before_reset": 1} if kind is GRU else {}
    if isinstance(cell, RNN):
        options["activations"] = [ACTIVATIONS[cell.nonlinearity]] * len(params)
        options |= {"activation_alpha": [1.0] * len(params)} if cell.nonlinearity == "identity" else {}
    options["direction"] = "forward" if len(params) == 1 else "bidirectional"
    every, *finals = nodes.add(
        kind.name.upper(),
        inputs.name,
        *names,
        rows,
        *(part.name for part in first),
        outputs=1 + len(first),
        hidden_size=cell.hidden_size,
        **options,
    )
    wide = Symbol(nodes, every, np.float32, 4)  # (T, directions, B, H)
    outputs = wide.squeezed(1) if len(params) == 1 else _side_by_side(wide, len(params), cell.hidden_size)
    ends = [Symbol(nodes, name, np.float32, 3) for name in finals]
    # the operators give noughts for a row of length 0, which should pass its state on
    return outputs, tuple(steps.unless_empty(end, before) for end, before in zip(ends, first, strict=True))


def _side_by_side(wide: Symbol, ways: int, hidden: int) -> Symbol:
    shape = wide.nodes.constant([0, 0, ways * hidden], np.int64)  # 0: as it was
    return wide.transposed(0, 2, 1, 3).then("Reshape", shape, ndim=3)


def _in_order(array: npt.NDArray[Any], kind: type[Cell]) -> npt.NDArray[Any]:
    parts = np.split(array, len(GATES[kind]))
    return np.concatenate([parts[place] for place in GATES[kind]])


def _inputs(params: Params, kind: type[Cell]) -> npt.NDArray[Any]:
    return _in_order(params["weight_ih"], kind)


def _states(params: Params, kind: type[Cell]) -> npt.NDArray[Any]:
    return _in_order(params["weight_hh"], kind)


def _biases(params: Params, kind: type[Cell]) -> npt.NDArray[Any]:
    noughts = np.zeros(len(params["weight_ih"]), np.float32)
    both = (params.get("bias_ih", noughts), params.get("bias_hh", noughts))
    return np.concatenate([_in_order(bias, kind) for bias in both])


def _traced(
    cell: Cell, params: Params, inputs: Symbol, steps: Steps, first: State, *, reverse: bool
) -> tuple[Symbol, State]:
    """One direction of a cell that has no operator: its own step, once or in a loop."""
    state = tuple(part.squeezed(0) for part in first)
    if steps.time is None:
        output, after = trace(cell, inputs.squeezed(0), state, params)
        return output.unsqueezed(0), tuple(part.unsqueezed(0) for part in after)
    read = _turned(inputs, steps) if reverse else inputs
    outputs, finals = _loop(cell, params, read, steps, state)
    return _turned(outputs, steps) if reverse else outputs, tuple(part.unsqueezed(0) for part in finals)


def _turned(values: Symbol, steps: Steps) -> Symbol:
    """Each row from its own end to its start."""
    return values.then("ReverseSequence", steps.lengths, time_axis=0, batch_axis=1)


def _loop(cell: Cell, params: Params, inputs: Symbol, steps: Steps, first: State) -> tuple[Symbol, State]:
    """Take the step at every time."""
    assert steps.lengths is not None
    assert steps.time is not None
    outer, graph = inputs.nodes, _body(cell, params, inputs.nodes, steps.lengths)
    # ONNX Runtime refuses a loop of no steps, so there is one more, at a time that no row reaches
    more = inputs.then("Pad", outer.constant([0, 0, 0, 1, 0, 0], np.int64))
    times = concatenate([steps.time, np.full((1, 1, 1), LAST)])
    names = [*(part.name for part in first), more.name, times.name]
    found = outer.add("Scan", *names, outputs=len(first) + 1, body=graph, num_scan_inputs=2)
    symbols = [Symbol(outer, name, np.float32, 2) for name in found]
    symbols[-1].ndim = 3
    return symbols[-1][:-1], tuple(symbols[:-1])


def _body(cell: Cell, params: Params, outer: Nodes, lengths: Symbol) -> Any:
    """The graph of one step: states, x and time in, states and answer out; a row that has ended stays."""
    from onnx import TensorProto, helper

    body = Nodes(outer)
    read, time = (Symbol(body, body.name(name), np.float32, 2) for name in ("x", "t"))
    time.dtype = np.dtype(np.int64)
    before = tuple(Symbol(body, body.name(name), np.float32, 2) for name in cell.state_names)
    output, after = trace(cell, read, before, params)
    there = time < lengths.unsqueezed(1)
    kept = [where(there, new, old) for new, old in zip(after, before, strict=True)]
    given = [part.then("Identity") for part in (*kept, where(there, output, 0))]
    info, floats = helper.make_tensor_value_info, TensorProto.FLOAT
    return helper.make_graph(
        body.nodes,
        "step",
        [
            *(info(part.name, floats, ["B", cell.hidden_size]) for part in before),
            info(read.name, floats, ["B", None]),
            info(time.name, TensorProto.INT64, [1, 1]),
        ],
        [info(part.name, floats, ["B", None]) for part in given],
    )


def trace(cell: Cell, x: Symbol, state: State, params: Params) -> tuple[Symbol, State]:
    """Record a cell's own step on symbols.

    Raises
    ------
    UsageError
        If the step does something that no operator says.
    """
    try:
        output, after = cell.step(x, state if len(state) > 1 else state[0], params)
        parts = after if isinstance(after, tuple) else (after,)
        if not all(isinstance(part, Symbol) for part in (output, *parts)):
            raise UnsayableError("an answer or a state that is always the same")  # noqa: TRY301
    except Exception as error:  # whatever a user's lines may raise
        needed = str(error) if isinstance(error, UnsayableError) else f"a method or branch of arrays: {error}"
        message = f"the cell {cell.name} cannot be said in ONNX: its step needs {needed}"
        help_ = "write it with @, arithmetic, slices and elman.ops"
        raise UsageError(message, code="E190", help=help_) from error
    return output, parts
