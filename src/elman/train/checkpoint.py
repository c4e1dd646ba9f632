"""A run that can go on: a sealed file under the key ``elman-checkpoint``. No torch."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from elman.errors import ModelFileError
from elman.files import write_whole
from elman.sealed import Arrays, Kind, seal, unseal
from elman.train.progress import History

FORMAT = 1
_REFUSED = "is not a checkpoint to go on from:"
KIND = Kind(
    key="elman-checkpoint",
    refusals={
        "cut": ("E351", f"{_REFUSED} it is something else, or it was cut short"),
        "header": ("E351", f"{_REFUSED} its header cannot be read"),
        "foreign": ("E352", f"{_REFUSED} it is a safetensors file of something else"),
        "manifest": ("E353", f"{_REFUSED} its manifest is not JSON; it is damaged"),
        "tensors": ("E353", f"{_REFUSED} its tensors cannot be read; it was cut short or damaged"),
        "checksum": ("E353", f"{_REFUSED} its checksum does not match its content; it is damaged"),
    },
    help="start anew without it",
    most_header_bytes=100_000_000,
    ascii=True,
    alone=True,
)
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
        tensors = {f"run/{name}": value for name, value in self.tensors.items()}
        tensors |= {f"extra/{name}": value for name, value in self.extra_tensors.items()}
        manifest = {
            "format": FORMAT,
            "settings": self.settings,
            "place": dataclasses.asdict(self.place),
            "extra": self.extra,
        }
        return seal(KIND, manifest, tensors)

    @classmethod
    def from_bytes(cls, data: bytes, source: str = "the checkpoint") -> Checkpoint:
        """Read what ``to_bytes`` wrote; ``source`` is the name used in messages."""
        manifest, tensors = unseal(KIND, data, source, _check_manifest)
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


def _check_manifest(manifest: Any, source: str) -> None:
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


def _refuse(reason: str, source: str, code: str, help: str = KIND.help) -> NoReturn:  # noqa: A002
    raise ModelFileError(f"{source} {_REFUSED} {reason}", code=code, help=help)
