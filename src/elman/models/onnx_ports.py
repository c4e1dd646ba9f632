"""The inputs, outputs and states of an ONNX graph that is being written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from elman.models.model import Model
from elman.models.onnx_symbols import Nodes, Symbol, concatenate


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
