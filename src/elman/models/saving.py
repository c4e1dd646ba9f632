"""The model file: a sealed file under the key ``elman``. Data only, nothing that can run."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from elman.cells import CELLS, check_cell
from elman.data.codec import LabelCodec, TextCodec
from elman.data.kinds import Reader
from elman.errors import ElmanError, ModelFileError
from elman.files import write_whole
from elman.kernels.forward import cell_of, input_width, tensor_shapes
from elman.models import codecs, self_test
from elman.models.answers import BUILT_IN, TASKS
from elman.models.forecasting import check_details
from elman.models.model import Model
from elman.nn.settings import NetworkSettings
from elman.sealed import Arrays, Kind, refuse, seal, unseal
from elman.settings import check_settings

FORMAT = 1
FEATURES = frozenset({"numbers", "one-hot", "details", "mixed", "prompt"})
"""What this version can read beyond format 1; a file that requires more is refused."""

LATER = {"symbols": "embedding", "memory": None}
"""Settings that format 1 did not begin with, and the value that goes without saying."""

MOST_FILE_BYTES = 4 << 30
KIND = Kind(
    key="elman",
    refusals={
        "cut": ("E301", "is not a model file, or it was cut short"),
        "header": ("E301", "is not a model file: its header cannot be read ({error})"),
        "crowded": ("E305", "holds more tensors than any model"),
        "foreign": ("E302", "is a safetensors file that elman did not write"),
        "manifest": ("E301", "is not a model file: its header cannot be read ({error})"),
        "tensors": ("E303", "is damaged: {error}"),
        "checksum": ("E304", "is damaged: its checksum does not match its content"),
    },
    help="train it again, or copy it anew",
    most_header_bytes=1 << 20,
    most_tensors=10_000,
    placed=True,
)
_MANIFEST_KEYS = {
    "codecs",
    "features",
    "format",
    "members",
    "scores",
    "settings",
    "sha256",
    "task",
    "training",
}


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
    path = Path(path)
    try:
        if path.stat().st_size > MOST_FILE_BYTES:
            _refuse(f"{path} is larger than any model file", str(path), "E305")
        data = path.read_bytes()
    except OSError as error:
        reason = (
            "there is no such file"
            if isinstance(error, FileNotFoundError)
            else (error.strerror or str(error))
        )
        raise ModelFileError(
            f"cannot read the model file {path}: {reason.lower()}", code="E300", help="check the path"
        ) from error
    return from_bytes(data, str(path))


def to_bytes(model: Model) -> bytes:
    """Write the model file's bytes; the same model always gives the same ones."""
    manifest = {
        "format": FORMAT,
        "features": _features(model),
        "task": model.task,
        "settings": _settings(model),
        "codecs": {part: codecs.describe(part, codec) for part, codec in codecs.of(model).items()},
        "members": len(model.members),
        "training": model.training,
        "scores": model.scores,
    } | ({"details": model.details} if model.details else {})
    return seal(KIND, manifest, _tensors(model))


def from_bytes(data: bytes, source: str = "these bytes") -> Model:
    """Read a model file from its bytes; ``source`` names it in errors."""
    if len(data) < 8:
        _refuse(f"{source} is not a model file: it is {len(data)} bytes long", source, "E301")
    manifest, tensors = unseal(KIND, data, source, _check_manifest)
    _check_registered(manifest, source)
    try:
        model = _rebuild(manifest, tensors)
    except ModelFileError:
        raise
    except (ElmanError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise _error(
            f"{source} is not a model that this elman understands: {error}", source, "E306"
        ) from error
    _run_self_test(model, tensors, source)
    return model


def _features(model: Model) -> list[str]:
    """What a reader must know beyond texts and labels."""
    texts = isinstance(model.inputs, TextCodec) and isinstance(model.targets, LabelCodec)
    kinds = [model.inputs.kind] if model.inputs.kind in FEATURES else [] if texts else ["numbers"]
    return kinds + ["one-hot"] * (model.settings.symbols == "one-hot") + ["details"] * bool(model.details)


def _settings(model: Model) -> dict[str, Any]:
    """The network's settings; one that came later stands there only where it differs from its default."""
    settings = dataclasses.asdict(model.settings)
    return {name: value for name, value in settings.items() if name not in LATER or value != LATER[name]}


def _tensors(model: Model) -> Arrays:
    tensors: Arrays = {
        f"members.{m}.{name}": t for m, member in enumerate(model.members) for name, t in member.items()
    }
    for part, codec in codecs.of(model).items():
        tensors |= {f"codecs.{part}.{name}": array for name, array in codec.arrays().items()}
    tensors["self_test.outputs"] = self_test.outputs(model)
    return {name: np.ascontiguousarray(array) for name, array in sorted(tensors.items())}


def _rebuild(manifest: dict[str, Any], tensors: Arrays) -> Model:
    inputs, targets = codecs.restore(manifest["task"], manifest["codecs"], tensors)
    settings = NetworkSettings(**manifest["settings"])
    check_settings(settings)
    _check_columns(settings, inputs)
    members = tuple(codecs.under(f"members.{m}.", tensors) for m in range(manifest["members"]))
    known = sum(map(len, members)) + len(inputs.arrays()) + len(targets.arrays()) + 1
    if not members or known != len(tensors):
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
    if model.task == "forecast":
        check_details(model)
    for member in members:
        _check_shapes(member, shapes_of(model))
    _check_own_cell(model)
    return model


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


def _run_self_test(model: Model, tensors: Arrays, source: str) -> None:
    if not self_test.agree(self_test.outputs(model), tensors.get("self_test.outputs")):
        _refuse(
            f"{source} does not give the answers that it gave where it was written",
            source,
            "E307",
            "run elman doctor, and report this with its output",
        )


def _check_manifest(manifest: Any, source: str) -> None:
    if not isinstance(manifest, dict):
        refuse(KIND, "foreign", source)
    _check_age(manifest, source)
    wanted = _MANIFEST_KEYS | ({"details"} if "details" in manifest["features"] else set())
    if manifest.keys() != wanted or not isinstance(manifest.get("details", {}), dict):
        _refuse(f"{source} is damaged: its manifest has other parts than a model file has", source, "E303")


def _check_age(manifest: dict[str, Any], source: str) -> None:
    features, training = manifest.get("features"), manifest.get("training")
    if not isinstance(features, list) or not isinstance(training, dict):
        _refuse(f"{source} is damaged: its manifest is not of the form that a model file has", source, "E303")
    if manifest.get("format") != FORMAT or any(feature not in FEATURES for feature in features):
        version = training.get("elman", "a newer version")
        _refuse(
            f"{source} needs a newer elman: it was written by {version}",
            source,
            "E308",
            "pip install -U elman",
        )


def _check_registered(manifest: dict[str, Any], source: str) -> None:
    """Ask for a cell of one's own that is not there; nothing is imported by itself."""
    settings = manifest["settings"]
    name = settings.get("recurrence") if isinstance(settings, dict) else None
    if isinstance(name, str) and name not in CELLS:
        message = f"{source} holds a network of the cell {name!r}, which is not registered here"
        help_ = (
            "register its class with elman.cells.register (in a shell: --cell-from FILE.py), then load again"
        )
        _refuse(message, source, "E309", help_)


def _error(message: str, source: str, code: str, hint: str = KIND.help) -> ModelFileError:
    return ModelFileError(message, code=code, where=source, help=hint)


def _refuse(message: str, source: str, code: str, hint: str = KIND.help) -> NoReturn:
    raise _error(message, source, code, hint)
