"""The codecs of a model, and how they stand in its file."""

from __future__ import annotations

from typing import Any

import numpy as np

from elman.data.codec import LabelCodec, TextCodec
from elman.data.kinds import CODECS, Codec, Reader
from elman.data.mixed import MixedCodec
from elman.data.numbers import NumberCodec
from elman.data.prompt import PromptCodec, next_codec
from elman.models.answers import TASKS
from elman.models.model import Model
from elman.sealed import Arrays

FIRST_KINDS = {"inputs": "text", "labels": "label"}
"""Codecs whose kind is not written: there were no others at first."""


def of(model: Model) -> dict[str, Codec]:
    """The codecs by their parts in the file."""
    return {"inputs": model.inputs, _part_of(model.targets): model.targets}


def _part_of(targets: Codec) -> str:
    return "labels" if isinstance(targets, LabelCodec) else "targets"


def describe(part: str, codec: Codec) -> dict[str, Any]:
    """A codec's settings with its kind, which goes without saying where format 1 began."""
    return ({} if codec.kind == FIRST_KINDS.get(part) else {"kind": codec.kind}) | codec.settings()


def restore(task: str, settings: dict[str, Any], tensors: Arrays) -> tuple[Reader, LabelCodec | NumberCodec]:
    """Build the codecs of inputs and targets again; ``ValueError`` if they are not those of the task."""
    if task not in TASKS:
        raise ValueError(f"there is no task {task!r}")
    part = next((name for name in ("labels", "targets") if name in settings), "targets")
    if settings.keys() != {"inputs", part}:
        raise ValueError("its codecs are not those of its task")
    inputs, targets = (_restored(name, settings[name], tensors) for name in ("inputs", part))
    if inputs.kind not in TASKS[task].inputs or isinstance(inputs, LabelCodec):
        raise ValueError(f"it cannot {task} what a {inputs.kind} codec reads")
    if targets.kind not in TASKS[task].targets or not isinstance(targets, (LabelCodec, NumberCodec)):
        raise ValueError(f"it cannot {task} with answers of a {targets.kind} codec")
    _check_next(inputs, targets)
    return inputs, targets


def _check_next(inputs: Reader, targets: LabelCodec | NumberCodec) -> None:
    if not isinstance(inputs, PromptCodec) or not isinstance(targets, LabelCodec):
        return
    if not np.array_equal(targets.classes_, next_codec(inputs).classes_):
        raise ValueError("what it writes next is not what it reads")


def check_same(inputs: Codec, targets: Codec) -> None:
    """What a plain forecaster says is what it reads next."""
    mine, others = inputs.arrays(), targets.arrays()
    same = all(np.array_equal(mine[name], others[name]) for name in mine)
    if not same or inputs.settings() != targets.settings() or inputs.settings()["masks"]:
        raise ValueError("what it forecasts is not what it reads")


def _restored(part: str, settings: dict[str, Any], tensors: Arrays) -> Codec:
    settings = dict(settings)
    kind = settings.pop("kind", FIRST_KINDS.get(part))
    if kind not in CODECS:
        raise ValueError(f"there is no codec {kind!r}")
    return CODECS[kind].restore(settings, under(f"codecs.{part}.", tensors))


def width_of(inputs: Reader) -> tuple[tuple[int, ...], int]:
    """What a network reads: how many ids each column has, and how many numbers a step has."""
    if isinstance(inputs, (TextCodec, PromptCodec)):
        return inputs.sizes, 0
    return ((), inputs.size) if isinstance(inputs, NumberCodec) else (inputs.sizes, inputs.size)


def numbers_of(inputs: Reader) -> NumberCodec | None:
    """The codec of the numbers that are read; None if they are texts alone."""
    codec = inputs.numbers if isinstance(inputs, MixedCodec) else inputs
    return codec if isinstance(codec, NumberCodec) else None


def outputs_of(targets: LabelCodec | NumberCodec) -> int:
    """How many numbers a network's answer has, K."""
    return len(targets.classes_) if isinstance(targets, LabelCodec) else targets.features


def under(prefix: str, tensors: Arrays) -> Arrays:
    """Pick the tensors whose names begin so, by the rest of their names."""
    return {name[len(prefix) :]: array for name, array in tensors.items() if name.startswith(prefix)}
