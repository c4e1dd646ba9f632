"""ONNX graphs written as NumPy writes them: an operation on a symbol is recorded as a node.

NumPy hands its own functions over to whatever they are called with (``__array_ufunc__`` and
``__array_function__``), so the very lines of a cell's ``step`` give its nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Name = str
LAST = np.iinfo(np.int64).max
"""Where a slice ends that goes on to the end."""

UFUNCS: dict[np.ufunc, str] = {
    np.add: "Add",
    np.subtract: "Sub",
    np.multiply: "Mul",
    np.true_divide: "Div",
    np.matmul: "MatMul",
    np.maximum: "Max",
    np.minimum: "Min",
    np.power: "Pow",
    np.negative: "Neg",
    np.absolute: "Abs",
    np.exp: "Exp",
    np.log: "Log",
    np.sqrt: "Sqrt",
    np.tanh: "Tanh",
    np.sin: "Sin",
    np.cos: "Cos",
    np.less: "Less",
    np.less_equal: "LessOrEqual",
    np.greater: "Greater",
    np.greater_equal: "GreaterOrEqual",
    np.equal: "Equal",
    np.logical_and: "And",
    np.logical_not: "Not",
}
TRUTHS = {"Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal", "And", "Not"}
"""Operators that give truth values."""


class UnsayableError(TypeError):
    """Something that no node of the graph can say."""


@dataclass
class Nodes:
    """The nodes and constants of a graph, in the order in which they were recorded.

    The body of a loop is a graph of its own, which sees the names and constants of the one around it.
    """

    around: Nodes | None = None
    nodes: list[Any] = field(default_factory=list)
    constants: dict[Name, npt.NDArray[Any]] = field(default_factory=dict)
    count: int = 0

    @property
    def depth(self) -> int:
        """How many graphs stand around this one."""
        return 0 if self.around is None else 1 + self.around.depth

    @property
    def outermost(self) -> Nodes:
        """The whole graph, which keeps the constants and counts the names."""
        return self if self.around is None else self.around.outermost

    def name(self, of: str) -> Name:
        """Make a new name."""
        self.outermost.count += 1
        return f"{of}_{self.outermost.count}"

    def constant(self, values: npt.ArrayLike, dtype: npt.DTypeLike) -> Name:
        """Keep an array under a name; the same values are kept once."""
        array = np.ascontiguousarray(np.asarray(values, dtype)).reshape(np.shape(values))
        kept = self.outermost.constants
        for name, other in kept.items():
            if (
                array.size < SMALL
                and (other.dtype, other.shape) == (array.dtype, array.shape)
                and (other.tobytes() == array.tobytes())
            ):
                return name
        name = self.name("constant")
        kept[name] = array
        return name

    def add(self, operator: str, *inputs: Name, outputs: int = 1, **attributes: Any) -> list[Name]:
        """Record a node; the names of what it gives."""
        from onnx import helper

        names = [self.name(operator.lower()) for _ in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, **attributes))
        return names


SMALL = 64
"""Constants of fewer numbers are looked for among those that are kept already."""


class Symbol(np.lib.mixins.NDArrayOperatorsMixin):
    """An array that is not known yet: its name in the graph, its type and how many axes it has."""

    def __init__(self, nodes: Nodes, name: Name, dtype: npt.DTypeLike, ndim: int) -> None:
        self.nodes, self.name, self.dtype, self.ndim = nodes, name, np.dtype(dtype), ndim

    def then(self, operator: str, *inputs: Any, ndim: int | None = None, **attributes: Any) -> Symbol:
        """What ``operator`` gives of this and of other symbols or names."""
        names = [item.name if isinstance(item, Symbol) else item for item in inputs]
        (name,) = self.nodes.add(operator, self.name, *names, **attributes)
        return Symbol(self.nodes, name, self.dtype, self.ndim if ndim is None else ndim)

    def cast(self, dtype: npt.DTypeLike) -> Symbol:
        """The same numbers in another type."""
        from onnx import helper

        found = self.then("Cast", to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
        found.dtype = np.dtype(dtype)
        return found

    def reduced(self, operator: str, axis: int) -> Symbol:
        """Sum or maximum over an axis, which stays with size 1."""
        if operator == "ReduceSum":  # whose axes are an input since opset 13
            return self.then(operator, self.nodes.constant([axis], np.int64), keepdims=1)
        return self.then(operator, axes=[axis], keepdims=1)

    def transposed(self, *axes: int) -> Symbol:
        """The axes in another order."""
        return self.then("Transpose", perm=axes)

    def squeezed(self, axis: int) -> Symbol:
        """Without an axis of size 1."""
        return self.then("Squeeze", self.nodes.constant([axis], np.int64), ndim=self.ndim - 1)

    def unsqueezed(self, axis: int) -> Symbol:
        """With one more axis, of size 1."""
        return self.then("Unsqueeze", self.nodes.constant([axis], np.int64), ndim=self.ndim + 1)

    @property
    def T(self) -> Symbol:  # noqa: N802 - NumPy's name
        """Rows as columns."""
        return self.transposed(*reversed(range(self.ndim)))

    def __getitem__(self, key: Any) -> Symbol:
        """Cut: slices and whole numbers, one for each axis."""
        keys = key if isinstance(key, tuple) else (key,)
        if len(keys) > self.ndim or not all(isinstance(k, (slice, int)) for k in keys):
            raise UnsayableError(f"an index {key!r}")
        wanted = [k if isinstance(k, slice) else slice(k, k + 1 or None) for k in keys]
        cut = {axis: k for axis, k in enumerate(wanted) if k != slice(None)}
        found = self._sliced(cut) if cut else self
        for axis in reversed([axis for axis, k in enumerate(keys) if isinstance(k, int)]):
            found = found.squeezed(axis)
        return found

    def _sliced(self, cut: dict[int, slice]) -> Symbol:
        if any(k.step not in (None, 1) for k in cut.values()):
            raise UnsayableError("a slice with a step")
        starts = [k.start or 0 for k in cut.values()]
        ends = [LAST if k.stop is None else k.stop for k in cut.values()]
        return self.then("Slice", *(self.nodes.constant(part, np.int64) for part in (starts, ends, [*cut])))

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Symbol:
        """Record one of NumPy's element by element functions, or a product of matrices."""
        if ufunc is np.log1p:
            return np.log(1 + self)  # type: ignore[no-any-return]
        if ufunc is np.square:
            return self * self  # type: ignore[no-any-return]
        if method != "__call__" or options or ufunc not in UFUNCS:
            raise UnsayableError(f"numpy.{ufunc.__name__}")
        return _recorded(UFUNCS[ufunc], inputs)

    def __array_function__(
        self, function: Callable[..., Any], types: Any, given: Any, options: Any
    ) -> Symbol:
        """Record ``concatenate`` and ``where``; no other of NumPy's functions has a node."""
        if function not in FUNCTIONS:
            raise UnsayableError(f"numpy.{function.__name__}")
        return FUNCTIONS[function](*given, **options)

    def __len__(self) -> int:
        """Refuse to say how many rows there will be."""
        raise UnsayableError("the number of its rows")

    @property
    def shape(self) -> tuple[int, ...]:
        """Refuse to say what is not known yet."""
        raise UnsayableError("the shape of an array")

    def __array__(self, *given: Any, **options: Any) -> Any:
        """Refuse to be numbers."""
        raise UnsayableError("numbers that are known while the graph is written")

    def __bool__(self) -> bool:
        """Refuse to be true or false."""
        raise UnsayableError("a branch (if) that depends on numbers")


def _recorded(operator: str, inputs: Sequence[Any], **attributes: Any) -> Symbol:
    """Record a node of symbols and numbers, in the innermost of their graphs.

    Numbers take the symbols' type; as in NumPy, a truth value counts as 0 or 1 where numbers are wanted.
    """
    symbols = [item for item in inputs if isinstance(item, Symbol)]
    nodes = max((symbol.nodes for symbol in symbols), key=lambda nodes: nodes.depth)
    dtype = next((item.dtype for item in symbols if item.dtype != np.bool_), np.dtype(np.float32))
    truths = len(inputs) if operator in ("And", "Not") else int(operator == "Where")
    kinds = [np.dtype(np.bool_) if place < truths else dtype for place in range(len(inputs))]
    names = [_name_of(item, nodes, kind) for item, kind in zip(inputs, kinds, strict=True)]
    (name,) = nodes.add(operator, *names, **attributes)
    ndim = max(item.ndim if isinstance(item, Symbol) else np.ndim(item) for item in inputs)
    return Symbol(nodes, name, np.bool_ if operator in TRUTHS else dtype, ndim)


def _name_of(item: Any, nodes: Nodes, dtype: np.dtype[Any]) -> Name:
    """The name of a symbol or of numbers, in the type that is wanted."""
    if not isinstance(item, Symbol):
        return nodes.constant(item, dtype)
    return item.name if item.dtype == dtype else item.cast(dtype).name


def where(condition: Any, one: Any, other: Any) -> Symbol:
    """Take ``one`` where the condition holds, ``other`` elsewhere."""
    return _recorded("Where", (condition, one, other))


def concatenate(arrays: Sequence[Any], axis: int = 0) -> Symbol:
    """Join along an axis."""
    return arrays[0] if len(arrays) == 1 else _recorded("Concat", arrays, axis=axis)


FUNCTIONS: dict[Callable[..., Any], Callable[..., Symbol]] = {
    np.where: where,
    np.concatenate: concatenate,
}
