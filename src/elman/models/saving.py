"""The model file: a sealed file under the key ``elman``. Data only, nothing that can run."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from elman import ahead
from elman.cells import check_cell
from elman.data.codec import LabelCodec
from elman.data.kinds import Reader
from elman.errors import ModelFileError
from elman.files import write_whole
from elman.kernels.forward import cell_of, input_width, tensor_shapes
from elman.models import codecs, self_test
from elman.models.answers import BUILT_IN, TASKS
from elman.models.forecasting import check_details
from elman.models.manifest import (
    FORMAT,
    KIND,
    check_manifest,
    check_registered,
    features_of,
    refusal,
    settings_from,
    settings_of,
)
from elman.models.model import Model
from elman.nn.settings import NetworkSettings
from elman.sealed import Arrays, check_start, manifest_in, seal, unseal_ahead

MOST_FILE_BYTES = 4 << 30


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write ``model`` to ``path``: the old file or the new one stands there at any moment.

    The same model gives the same bytes. ``OutputError`` if the place cannot be written.
    """
    write_whole(path, to_bytes(model))


def load(path: str | os.PathLike[str]) -> Model:
    """Read a model file; no torch is needed to use what comes back.

    Raises
    ------
    ModelFileError
        If the file is missing, damaged, foreign, or needs a newer elman: one sentence says which.
    """
    return from_bytes(_bytes_at(path), str(path))


def load_and_manifest(path: str | os.PathLike[str]) -> tuple[Model, dict[str, Any]]:
    """Read a model file as ``load`` does, and the manifest that stands in it."""
    data = _bytes_at(path)
    return from_bytes(data, str(path)), manifest_in(KIND, data, str(path))


def _bytes_at(path: str | os.PathLike[str]) -> bytes:
    try:
        return _read(Path(path))
    except ModelFileError:
        raise
    except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
        missing = isinstance(error, FileNotFoundError)
        reason = "there is no such file" if missing else (getattr(error, "strerror", None) or str(error))
        message = f"cannot read the model file {path}: {reason.lower()}"
        raise refusal(message, "", "E300", "check the path") from error


def _read(path: Path) -> bytes:
    """The file's bytes; its kind, size and header are looked at before the rest of it is read."""
    found, source = path.stat(), str(path)
    if not stat.S_ISREG(found.st_mode):  # a pipe or a device may never end
        what = "it is a folder" if stat.S_ISDIR(found.st_mode) else "it is no ordinary file"
        raise refusal(f"cannot read the model file {path}: {what}", "", "E300", "check the path")
    if found.st_size > MOST_FILE_BYTES:
        _refuse(f"{path} is larger than any model file", source, "E305")
    begun = ahead.bytes_of(found)
    if begun is not None:
        check_start(KIND, begun[: 8 + KIND.most_header_bytes], len(begun), source, check_manifest)
        return begun
    with path.open("rb") as file:
        check_start(KIND, file.read(8 + KIND.most_header_bytes), found.st_size, source, check_manifest)
        file.seek(0)
        return file.read(found.st_size)


def to_bytes(model: Model) -> bytes:
    """Write the model file's bytes; the same model always gives the same ones."""
    manifest = {
        "format": FORMAT,
        "features": features_of(model),
        "task": model.task,
        "settings": settings_of(model),
        "codecs": {part: codecs.describe(part, codec) for part, codec in codecs.of(model).items()},
        "members": len(model.members),
        "training": model.training,
        "scores": model.scores,
    } | ({"details": model.details} if model.details else {})
    data = seal(KIND, manifest, _tensors(model))
    header = int.from_bytes(data[:8], "little")
    if header > KIND.most_header_bytes:  # nobody could read it again
        message = f"the model cannot be saved: what it tells of itself takes {header:,} bytes"
        most = f"more than the {KIND.most_header_bytes:,} bytes that may stand there"
        _refuse(f"{message}, {most}", "", "E305", "leave the longest part of training or scores out")
    return data


def from_bytes(data: bytes, source: str = "these bytes") -> Model:
    """Read a model file from its bytes; ``source`` names it in errors."""
    manifest, tensors, check_seal = unseal_ahead(KIND, data, source, check_manifest)
    try:
        model = _open(manifest, tensors, source)
    except BaseException:
        check_seal()  # a changed byte is the better reason
        raise
    check_seal()
    return model


def _open(manifest: dict[str, Any], tensors: Arrays, source: str) -> Model:
    """Rebuild a model, and have it answer what it answered where it was written."""
    check_registered(manifest, source)
    try:
        with np.errstate(all="ignore"):  # a value beyond all bounds is found by the answers
            model = _rebuild(manifest, tensors)
            answers = self_test.outputs(model)
    except MemoryError:
        raise
    except ModelFileError as error:
        raise refusal(f"{source}: {error.message}", source, error.code, error.help) from error
    except Exception as error:  # what a strange file, or a cell of one's own, leads to cannot be listed
        raise refusal(
            f"{source} is not a model that this elman understands: {error}", source, "E306"
        ) from error
    if not self_test.agree(answers, tensors.get("self_test.outputs")):
        _refuse(
            f"{source} does not give the answers that it gave where it was written",
            source,
            "E307",
            "run elman doctor, and report this with its output",
        )
    return model


def _tensors(model: Model) -> Arrays:
    tensors: Arrays = {
        f"members.{m}.{name}": t for m, member in enumerate(model.members) for name, t in member.items()
    }
    for part, codec in codecs.of(model).items():
        tensors |= {f"codecs.{part}.{name}": array for name, array in codec.arrays().items()}
    tensors["self_test.outputs"] = self_test.outputs(model)
    return {name: np.ascontiguousarray(array) for name, array in sorted(tensors.items())}


def _rebuild(manifest: dict[str, Any], tensors: Arrays) -> Model:
    settings = settings_from(manifest)
    members = _members(tensors, manifest["members"])
    inputs, targets = codecs.restore(manifest["task"], manifest["codecs"], tensors)
    _check_columns(settings, inputs)
    known = sum(map(len, members)) + len(inputs.arrays()) + len(targets.arrays()) + 1
    if known != len(tensors):
        raise ValueError("it holds other tensors than its settings imply")
    model = Model(
        manifest["task"],
        settings,
        inputs,
        targets,
        members,
        manifest["training"],
        manifest["scores"],
        manifest.get("details", {}),
    )
    _check_whole(model, manifest["features"])
    return model


def _members(tensors: Arrays, count: int) -> tuple[Arrays, ...]:
    """The weights of each network, found in one pass over the tensors."""
    if not 1 <= count <= len(tensors):
        raise ValueError(f"it cannot hold {count} networks")
    found: dict[str, Arrays] = {str(member): {} for member in range(count)}
    for name, array in tensors.items():
        part, _, rest = name.partition(".")
        member, _, weight = rest.partition(".")
        if part == "members" and member in found:
            found[member][weight] = array
    return tuple(found.values())


def _check_whole(model: Model, features: list[str]) -> None:
    """Raise an error unless all parts of a model fit one another."""
    if sorted(features) != sorted(features_of(model)):
        raise ValueError("it asks for other features than it needs")
    if model.task == "forecast":
        check_details(model)
    elif model.details:
        raise ValueError(f"nothing that learnt to {model.task} has details")
    counts = model.training.get("class_counts")
    if counts is not None and not (
        isinstance(model.targets, LabelCodec) and len(counts) == len(model.targets.classes_)
    ):
        raise ValueError("it counts other classes than it has")
    shapes = shapes_of(model)
    for member in model.members:
        _check_shapes(member, shapes)
    _check_own_cell(model)


def _check_columns(settings: NetworkSettings, inputs: Reader) -> None:
    if settings.symbols == "one-hot" and len(codecs.width_of(inputs)[0]) != 1:
        raise ValueError("one-hot symbols are one column of ids, and its codec gives others")


def shapes_of(model: Model) -> dict[str, tuple[int, ...]]:
    """Name every weight of one of the model's networks and its shape."""
    sizes, features = codecs.width_of(model.inputs)
    outputs, task = codecs.outputs_of(model.targets), TASKS[model.task].network
    return tensor_shapes(model.settings, sizes, outputs, features=features, task=task)


def _check_shapes(tensors: Arrays, expected: dict[str, tuple[int, ...]]) -> None:
    if tensors.keys() != expected.keys():
        odd = sorted(tensors.keys() ^ expected.keys())[0]
        raise ValueError(f"tensor {odd} is missing or too many")
    for name, shape in expected.items():
        if tensors[name].shape != shape or tensors[name].dtype != np.float32:
            raise ValueError(f"tensor {name} is {tensors[name].shape}, not {shape}")
        if not np.isfinite(tensors[name]).all():
            raise ValueError(f"tensor {name} holds values that are not finite")


def _check_own_cell(model: Model) -> None:
    """Try a cell of one's own once, so that one that has changed is told in one sentence."""
    cell = cell_of(model.settings)
    if not isinstance(cell, BUILT_IN):
        width = input_width(model.settings, *codecs.width_of(model.inputs))
        check_cell(cell, width, codecs.outputs_of(model.targets))


def _refuse(message: str, source: str, code: str, hint: str = KIND.help) -> NoReturn:
    raise refusal(message, source, code, hint)
