"""The state of a stream in a file: arrays and a strict manifest, sealed; written whole or not at all."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.errors import ModelFileError, UsageError
from elman.files import write_whole
from elman.models import codecs
from elman.models.stream import check_causal
from elman.sealed import Arrays, Kind, refuse, seal, unseal

if TYPE_CHECKING:
    from elman.models.model import Model
    from elman.models.stream import Stream

FORMAT = 1
KIND = Kind(
    key="elman-stream",
    refusals={
        "cut": ("E361", "is not a stream's state, or it was cut short"),
        "header": ("E361", "is not a stream's state: its header cannot be read ({error})"),
        "crowded": ("E361", "is not a stream's state: it holds too many tensors"),
        "foreign": ("E362", "is a safetensors file that is not a stream's state"),
        "manifest": ("E361", "is not a stream's state: its header cannot be read ({error})"),
        "tensors": ("E363", "is damaged: {error}"),
        "checksum": ("E363", "is damaged: its checksum does not match its content"),
    },
    help="remove it to begin anew",
    most_header_bytes=16 << 20,
    most_tensors=10_000,
    placed=True,
)
_KEYS = {"format", "model", "note", "sessions", "sha256"}


def save(stream: Stream, path: str | os.PathLike[str], note: Mapping[str, Any] | None = None) -> None:
    """Write the state of ``stream``; ``note`` is what else is to be kept, anything that JSON can say."""
    check_causal(stream.model, "a state file")
    manifest = {
        "format": FORMAT,
        "model": identity(stream.model),
        "sessions": stream.sessions,
        "note": dict(note or {}),
    }
    write_whole(path, seal(KIND, manifest, stream.state))


def load(stream: Stream, path: str | os.PathLike[str]) -> dict[str, Any]:
    """Go on from the state in a file; give its note. ``ModelFileError`` if it cannot be used."""
    source = str(path)
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        message = f"cannot read the state {source}: {reason}"
        raise ModelFileError(message, code="E360", where=source, help="check the path") from error
    if len(data) < 8:
        refuse(KIND, "cut", source)
    manifest, tensors = unseal(KIND, data, source, _check)
    _check_fits(stream, manifest, source)
    _restore(stream, tensors, source)
    note: dict[str, Any] = manifest["note"]
    return note


def identity(model: Model) -> str:
    """A checksum of what a model computes: its task, settings, codecs and weights, not its scores."""
    found: str | None = model.__dict__.get("_identity")
    if found is None:
        found = _identity(model)
        model.__dict__["_identity"] = found  # the model is frozen, so this never changes
    return found


def _identity(model: Model) -> str:
    told = {
        "task": model.task,
        "settings": dataclasses.asdict(model.settings),
        "codecs": {part: codecs.describe(part, codec) for part, codec in codecs.of(model).items()},
        "details": model.details,
    }
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    arrays: Arrays = {
        f"{m}.{name}": t for m, member in enumerate(model.members) for name, t in member.items()
    }
    for part, codec in codecs.of(model).items():
        arrays |= {f"codecs.{part}.{name}": array for name, array in codec.arrays().items()}
    for name, array in sorted(arrays.items()):
        digest.update(
            f"{name} {array.dtype.str} {array.shape}".encode() + np.ascontiguousarray(array).tobytes()
        )
    return digest.hexdigest()


def _check(manifest: Any, source: str) -> None:
    if not isinstance(manifest, dict):
        refuse(KIND, "foreign", source)
    if manifest.get("format") != FORMAT:
        message = f"{source} needs a newer elman"
        raise ModelFileError(message, code="E364", where=source, help="pip install -U elman")
    if manifest.keys() != _KEYS or not isinstance(manifest["note"], dict):
        refuse(KIND, "cut", source)


def _check_fits(stream: Stream, manifest: dict[str, Any], source: str) -> None:
    if manifest["model"] != identity(stream.model):
        message = f"{source} is the state of another model"
        raise ModelFileError(message, code="E365", where=source, help="give its model, or another state file")
    if manifest["sessions"] != stream.sessions:
        both = (manifest["sessions"], stream.sessions)
        told = ["a single stream" if n is None else f"{n} streams together" for n in both]
        message = f"{source} is the state of {told[0]}, not of {told[1]}"
        raise ModelFileError(message, code="E365", where=source, help="stream as many as it holds")


def _restore(stream: Stream, tensors: Arrays, source: str) -> None:
    try:
        stream.state = tensors
    except UsageError as error:
        refuse(KIND, "tensors", source, error)
