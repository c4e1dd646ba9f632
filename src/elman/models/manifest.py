"""The manifest of a model file: what it may say, checked before anything is built from it."""

from __future__ import annotations

import dataclasses
from typing import Any, NoReturn

from elman.cells import CELLS
from elman.data.codec import LabelCodec, TextCodec
from elman.errors import ModelFileError, printable
from elman.models.model import Model
from elman.nn.settings import NetworkSettings
from elman.sealed import Kind, refuse
from elman.settings import check_settings

FORMAT = 1
FEATURES = frozenset({"numbers", "one-hot", "details", "mixed", "prompt"})
"""What this version can read beyond format 1; a file that requires more is refused."""

LATER = {"symbols": "embedding", "memory": None}
"""Settings that format 1 did not begin with, and the value that goes without saying."""

MOST_TENSORS = 10_000
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
    most_tensors=MOST_TENSORS,
    placed=True,
)

_PARTS = {
    "codecs": dict,
    "details": dict,
    "features": list,
    "format": int,
    "members": int,
    "scores": dict,
    "settings": dict,
    "sha256": str,
    "task": str,
    "training": dict,
}

_TOLD = {
    "class_counts": list,
    "columns": dict,
    "complete": bool,
    "elman": str,
    "history": list,
    "libraries": dict,
    "rows": dict,
    "seed": int,
    "settings": dict,
    "source": str,
    "split": dict,
}
"""What a model may tell of how it was learnt, where others read it; more may stand beside."""

_COLUMNS = {
    "condition": (str,),
    "covariates": (list,),
    "id": (str,),
    "input": (str, list),
    "layout": (str,),
    "numbers": (list,),
    "past": (list,),
    "symbols": (dict,),
    "target": (str,),
    "text": (str,),
    "time": (str,),
}


def features_of(model: Model) -> list[str]:
    """What a reader must know beyond texts and labels."""
    texts = isinstance(model.inputs, TextCodec) and isinstance(model.targets, LabelCodec)
    kinds = [model.inputs.kind] if model.inputs.kind in FEATURES else [] if texts else ["numbers"]
    return kinds + ["one-hot"] * (model.settings.symbols == "one-hot") + ["details"] * bool(model.details)


def settings_of(model: Model) -> dict[str, Any]:
    """The network's settings; one that came later stands there only where it differs from its default."""
    settings = dataclasses.asdict(model.settings)
    return {name: value for name, value in settings.items() if name not in LATER or value != LATER[name]}


def settings_from(manifest: dict[str, Any]) -> NetworkSettings:
    """Build the network's settings; ``ValueError`` or ``UsageError`` if they are none."""
    given, names = manifest["settings"], {item.name for item in dataclasses.fields(NetworkSettings)}
    odd = sorted((names ^ given.keys()) - (LATER.keys() - given.keys()))
    if odd:
        raise ValueError(f"the setting {odd[0]} is {'unknown' if odd[0] in given else 'missing'}")
    settings = NetworkSettings(**given)
    check_settings(settings)
    if settings.num_layers > MOST_TENSORS:
        raise ValueError("it has more layers than tensors can stand in a file")
    return settings


def check_manifest(manifest: Any, source: str) -> None:
    """Refuse a manifest of a newer format, and one whose parts are not those of a model file."""
    if not isinstance(manifest, dict):
        refuse(KIND, "foreign", source)
    _check_age(manifest, source)
    wanted = _PARTS.keys() if "details" in manifest["features"] else _PARTS.keys() - {"details"}
    if manifest.keys() != wanted:
        _damaged("its manifest has other parts than a model file has", source)
    for name in sorted(wanted):
        if type(manifest[name]) is not _PARTS[name]:
            _damaged(f"{name} in its manifest is of another kind than in a model file", source)
    _check_told(manifest["training"], source)


def check_registered(manifest: dict[str, Any], source: str) -> None:
    """Ask for a cell of one's own that is not there; nothing is imported by itself."""
    name = manifest["settings"].get("recurrence")
    if isinstance(name, str) and name not in CELLS:
        message = f"{source} holds a network of the cell {name!r}, which is not registered here"
        help_ = (
            "register its class with elman.cells.register (in a shell: --cell-from FILE.py), then load again"
        )
        raise refusal(message, source, "E309", help_)


def refusal(message: str, source: str, code: str, hint: str = KIND.help) -> ModelFileError:
    """Build the error; words of the file in it stay on one line, and are cut if they are long."""
    return ModelFileError(printable(message, 600), code=code, where=source, help=hint)


def _check_age(manifest: dict[str, Any], source: str) -> None:
    """Refuse what is newer before anything else: a later format may have other parts."""
    format_, features = manifest.get("format"), manifest.get("features")
    later = type(format_) is int and format_ > FORMAT
    listed = features if isinstance(features, list) else []
    unknown = [name for name in listed if isinstance(name, str) and name not in FEATURES]
    if not later and (not isinstance(features, list) or not all(isinstance(name, str) for name in features)):
        _damaged("features in its manifest is of another kind than in a model file", source)
    if not later and not unknown:
        if format_ != FORMAT:
            _damaged("its format is none", source)
        return
    what = f"format {format_}" if later else f"the feature {', '.join(unknown)}"
    message = f"{source} needs a newer elman: {printable(what, 100)} is known to {_writer(manifest)}"
    raise refusal(message, source, "E308", "pip install -U elman")


def _writer(manifest: dict[str, Any]) -> str:
    training = manifest.get("training")
    version = training.get("elman") if isinstance(training, dict) else None
    if isinstance(version, str) and version:
        return f"elman {printable(version, 40)}, which wrote it"
    return "the version that wrote it"


def _check_told(training: dict[str, Any], source: str) -> None:
    """What was told of the learning is read by commands, so each known part must be of its kind."""
    for name, value in training.items():
        if name in _TOLD and type(value) is not _TOLD[name]:
            _damaged(f"{name} in what it tells of its training is of another kind", source)
    counts = training.get("class_counts", [])
    if not all(type(count) is int and 0 <= count < 1 << 63 for count in counts):
        _damaged("class_counts in what it tells of its training are no counts", source)
    for name, value in training.get("columns", {}).items():
        if type(value) not in _COLUMNS.get(name, ()) or not _of_texts(value):
            _damaged(f"{name!r} is no kind of column, or none is named there", source)


def _of_texts(value: Any) -> bool:
    """Whether a value is a text, a list of texts, or a dict of such lists."""
    if isinstance(value, dict):
        return all(isinstance(part, list) and _of_texts(part) for part in value.values())
    return all(isinstance(part, str) for part in value)


def _damaged(what: str, source: str) -> NoReturn:
    raise refusal(f"{source} is damaged: {what}", source, "E303")
