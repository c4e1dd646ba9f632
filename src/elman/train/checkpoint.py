"""A run that can go on: one safetensors file, data only. No torch.

The manifest (canonical JSON) stands as one value under the key ``elman-checkpoint`` of the file's metadata;
its ``sha256`` covers all else in it and the tensors' names, types, shapes and bytes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from elman.errors import ModelFileError
from elman.files import write_whole
from elman.train.progress import History

Arrays = dict[str, NDArray[Any]]

KEY = "elman-checkpoint"
FORMAT = 1
MOST_HEADER_BYTES = 100_000_000
_MANIFEST_KINDS: dict[str, Any] = {
    "extra": dict,
    "format": int,
    "place": dict,
    "settings": dict,
    "sha256": str,
}
_PLACE_KINDS: dict[str, Any] = {
    "epoch": int,
    "position": int,
    "update": int,
    "updates": int,
    "loss_sum": (int, float),
    "seconds": (int, float),
    "best": (int, float, type(None)),
    "best_epoch": (int, type(None)),
    "history": list,
}


@dataclass
class Place:
    """How far a run is. ``position`` counts the updates of the epoch, ``update`` those of the whole run."""

    epoch: int = 1
    position: int = 0
    update: int = 0
    updates: int = 0
    loss_sum: float = 0.0
    seconds: float = 0.0
    best: float | None = None
    best_epoch: int | None = None
    history: History = ()


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a stopped run needs to go on to the same bits.

    Attributes
    ----------
    settings
        The loop's settings, as a dict.
    place
        How far the run is.
    tensors
        ``weights/…``, ``best/…``, ``average/…``, ``optimizer/…`` and ``carried/…``, as NumPy arrays.
    extra, extra_tensors
        The caller's own: anything that JSON can say, and arrays.
    source
        The file it was read from, for messages.
    """

    settings: dict[str, Any]
    place: Place
    tensors: Arrays
    extra: dict[str, Any] = field(default_factory=dict)
    extra_tensors: Arrays = field(default_factory=dict)
    source: str = "the checkpoint"

    def part(self, name: str) -> Arrays:
        """Pick the tensors under ``name/``, by the rest of their names."""
        return _part(self.tensors, name)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write to ``path``, whole or not at all; ``OutputError`` if the place cannot be written."""
        write_whole(path, self.to_bytes())

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Checkpoint:
        """Read ``path``; ``ModelFileError`` says in one sentence what is wrong with it."""
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            reason = "there is no such file" if missing else (error.strerror or str(error)).lower()
            raise ModelFileError(
                f"cannot read the checkpoint {path}: {reason}", code="E350", help="check the path"
            ) from error
        return cls.from_bytes(data, str(path))

    def to_bytes(self) -> bytes:
        """Write the file's bytes; the same checkpoint always gives the same ones."""
        tensors = {f"run/{name}": np.array(value, order="C") for name, value in self.tensors.items()}
        tensors |= {f"extra/{name}": np.array(value, order="C") for name, value in self.extra_tensors.items()}
        manifest = {
            "format": FORMAT,
            "settings": self.settings,
            "place": dataclasses.asdict(self.place),
            "extra": self.extra,
        }
        manifest["sha256"] = _digest(manifest, tensors)
        return safetensors.numpy.save(tensors, metadata={KEY: _canonical(manifest)})

    @classmethod
    def from_bytes(cls, data: bytes, source: str = "the checkpoint") -> Checkpoint:
        """Read what ``to_bytes`` wrote; ``source`` is the name used in messages."""
        manifest = _manifest(data, source)
        try:
            tensors = safetensors.numpy.load(data)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            _refuse("its tensors cannot be read; it was cut short or damaged", source, "E353", error)
        if manifest.pop("sha256") != _digest(manifest, tensors):
            _refuse("its checksum does not match its content; it is damaged", source, "E353")
        return cls(
            settings=manifest["settings"],
            place=_place(manifest["place"], source),
            tensors=_part(tensors, "run"),
            extra=manifest["extra"],
            extra_tensors=_part(tensors, "extra"),
            source=source,
        )

    def check_settings(self, settings: Mapping[str, Any]) -> None:
        """Raise ``ModelFileError`` if a run with ``settings`` could not go on to the same bits."""
        for name in sorted(self.settings.keys() | settings.keys()):
            then, now = self.settings.get(name), settings.get(name)
            if then != now and name not in FREE_SETTINGS:
                _refuse(
                    f"it was written with {name} = {then}, not {now}",
                    self.source,
                    "E355",
                    help=f"set {name} to {then}, or start anew",
                )


FREE_SETTINGS = {"max_minutes"}
"""Settings that say only when to stop, and may differ when a run goes on."""


def _manifest(data: bytes, source: str) -> dict[str, Any]:
    metadata = _header(data, source).get("__metadata__")
    if not isinstance(metadata, dict) or set(metadata) != {KEY}:
        _refuse("it is a safetensors file of something else", source, "E352")
    try:
        manifest = json.loads(metadata[KEY], parse_constant=_no_constant)
    except (TypeError, ValueError, RecursionError) as error:
        _refuse("its manifest is not JSON; it is damaged", source, "E353", error)
    version = manifest.get("format") if isinstance(manifest, dict) else None
    if isinstance(version, int) and version > FORMAT:
        _refuse(
            f"its format {version} is newer than this elman reads",
            source,
            "E354",
            help="pip install -U elman",
        )
    sound = version == FORMAT and manifest.keys() == _MANIFEST_KINDS.keys()
    if not sound or not all(isinstance(manifest[name], kind) for name, kind in _MANIFEST_KINDS.items()):
        _refuse("its manifest has other parts than a checkpoint has", source, "E353")
    return manifest  # type: ignore[no-any-return]


def _header(data: bytes, source: str) -> dict[str, Any]:
    """Read the safetensors header: its length in 8 bytes, then JSON."""
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 + size or not 2 <= size <= MOST_HEADER_BYTES:
        _refuse("it is something else, or it was cut short", source, "E351")
    try:
        header = json.loads(data[8 : 8 + size], parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        _refuse("its header cannot be read", source, "E351", error)
    return header if isinstance(header, dict) else {}


def _place(values: Any, source: str) -> Place:
    sound = isinstance(values, dict) and values.keys() == _PLACE_KINDS.keys()
    sound = sound and all(isinstance(values[name], kinds) for name, kinds in _PLACE_KINDS.items())
    if not sound or not all(isinstance(record, dict) for record in values["history"]):
        _refuse("its place in the run cannot be read", source, "E353")
    return Place(**values | {"history": tuple(values["history"])})


def _part(tensors: Arrays, name: str) -> Arrays:
    return {
        key.removeprefix(f"{name}/"): value for key, value in tensors.items() if key.startswith(f"{name}/")
    }


def _digest(manifest: dict[str, Any], tensors: Arrays) -> str:
    digest = hashlib.sha256(_canonical(manifest).encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(_canonical([name, value.dtype.str, value.shape]).encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _refuse(
    reason: str,
    source: str,
    code: str,
    error: Exception | None = None,
    help: str = "start anew without it",  # noqa: A002
) -> NoReturn:
    raise ModelFileError(
        f"{source} is not a checkpoint to go on from: {reason}", code=code, help=help
    ) from error
