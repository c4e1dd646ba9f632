"""A whole model as an ONNX graph: what a user gives goes in, what the model answers comes out.

Inside, time comes first (T, B, D); outside rows do (B, T, D). The states are told in ``docs/export.md``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

import elman
from elman.data.codec import LabelCodec
from elman.data.numbers import NumberCodec
from elman.errors import UsageError
from elman.kernels.forward import WHOLE
from elman.models.answers import TASKS
from elman.models.codecs import numbers_of, outputs_of, width_of
from elman.models.forecasting import Form
from elman.models.model import Model
from elman.models.onnx_forecasts import SeriesNodes
from elman.models.onnx_layers import Steps
from elman.models.onnx_network import run_members
from elman.models.onnx_ports import Graph
from elman.models.onnx_symbols import Symbol, concatenate, where

OPSET, IR_VERSION = 17, 8
"""Old enough for every ONNX Runtime since 1.14."""

KEY = "elman"
"""Where the metadata stand in the file: one JSON text."""


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
    series = SeriesNodes(graph, Form.of(model)) if model.task == "forecast" else None
    ids, numbers = read_inputs(graph) if series is None else (None, series.values)
    first = numbers if ids is None else ids
    assert first is not None
    steps = Steps() if step else Steps.of(graph.input("lengths", np.int64, ["B"]), first)
    if series is not None:
        numbers = series.readings(steps)
    codec = numbers_of(model.inputs)
    channels = None if numbers is None or codec is None else encoded(numbers, codec)
    answer(graph, run_members(graph, ids, channels, steps), steps, series)
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
    try:
        checker.check_model(model, full_check=True)
    except Exception as error:  # it has a class for each reason
        name, reason = graph.model.settings.recurrence, " ".join(str(error).split())
        message = f"the cell {name} cannot be said in ONNX: {reason}"
        raise UsageError(message, code="E190", help="write it on arrays (B, D) alone") from error
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def read_inputs(graph: Graph) -> tuple[Symbol | None, Symbol | None]:
    """Declare the inputs: ids (T, B, G) int64, and numbers (T, B, D) float64 in the user's units."""
    sizes, numbers = width_of(graph.model.inputs)[0], numbers_of(graph.model.inputs)
    ids = graph.timed("ids", np.int64, len(sizes)) if sizes else None
    return ids, None if numbers is None else graph.timed("numbers", np.float64, numbers.features)


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


def answer(graph: Graph, said: Symbol, steps: Steps, series: SeriesNodes | None) -> None:
    """Declare what comes out, in the user's units; at every step nought beyond a row's length."""
    model = graph.model
    labels = isinstance(model.targets, LabelCodec)
    given = said if labels else decoded(said, model.numbers)
    name, axes = "probabilities" if labels else "answers", [outputs_of(model.targets)]
    if TASKS[model.task].network in WHOLE:
        return graph.output(name, given.squeezed(0), ["B", *axes])
    if series is not None:
        given = series.in_units(given)
    given = steps.kept(given)
    given = given.squeezed(0) if graph.step else given.transposed(1, 0, 2)
    before: list[Any] = ["B"] if graph.step else ["B", "T"]
    if series is not None and series.form.horizon > 1:
        axes = [series.form.horizon, series.form.values]
        shape = graph.nodes.constant([*[0] * len(before), *axes], np.int64)  # 0: as it was
        given = given.then("Reshape", shape, ndim=len(before) + 2)
    return graph.output(name, given, [*before, *axes])
