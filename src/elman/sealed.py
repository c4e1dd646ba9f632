"""A sealed file: tensors and a manifest in one safetensors file, in which any changed byte is found.

The manifest (canonical JSON) stands as one value of the file's metadata; its ``sha256`` covers all else in it
and the tensors' names, types, shapes and bytes. Data only, nothing that can run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from elman import ahead
from elman.errors import ModelFileError, printable

Arrays = dict[str, NDArray[Any]]
Flaw = Literal["cut", "header", "crowded", "foreign", "manifest", "tensors", "checksum"]


@dataclass(frozen=True)
class Kind:
    """What one kind of sealed file differs in from another.

    Attributes
    ----------
    key
        The name of the manifest in the file's metadata.
    refusals
        For each flaw the code, and the sentence that goes on from the file's name; ``{error}`` in it is what
        the parser said.
    help
        What to do with a refused file.
    most_header_bytes, most_tensors
        The caps; ``None`` leaves the number of tensors to the header's size.
    ascii
        Whether the manifest escapes every character beyond ASCII.
    alone
        Whether a file with other metadata beside the manifest is foreign; the checksum does not cover it.
    placed
        Whether an error gives the file as its place, too.
    """

    key: str
    refusals: Mapping[Flaw, tuple[str, str]]
    help: str
    most_header_bytes: int
    most_tensors: int | None = None
    ascii: bool = False
    alone: bool = False
    placed: bool = False


def seal(kind: Kind, manifest: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """Write the file's bytes; the same content always gives the same ones.

    ``manifest`` is anything that JSON can say, with finite numbers; its ``sha256`` is added here.
    """
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    told = [
        (name, a.dtype.str, list(a.shape), a.reshape(-1).view(np.uint8).data) for name, a in arrays.items()
    ]
    whole = {**manifest, "sha256": ahead.checksum(manifest, told, kind.ascii)}
    return safetensors.numpy.save(arrays, metadata={kind.key: ahead.canonical(whole, kind.ascii)})


def unseal(
    kind: Kind, data: bytes, source: str, check: Callable[[Any, str], None]
) -> tuple[dict[str, Any], Arrays]:
    """Read what ``seal`` wrote: the manifest, without its ``sha256``, and the tensors.

    Parameters
    ----------
    source
        The file's name, for messages.
    check
        Called with the manifest and ``source`` before the tensors are read and the checksum is compared, so
        that it can refuse another version. It must refuse all but an object with a ``sha256``.

    Raises
    ------
    ModelFileError
        With the code and the sentence that ``kind`` has for the flaw.
    """
    manifest, tensors, check_seal = unseal_ahead(kind, data, source, check)
    check_seal()
    return manifest, tensors


def unseal_ahead(
    kind: Kind, data: bytes, source: str, check: Callable[[Any, str], None]
) -> tuple[dict[str, Any], Arrays, Callable[[], None]]:
    """``unseal``, but the checksum of a large file is reckoned beside what comes next.

    The third part waits for it and raises what ``unseal`` would have. Until it was called nothing that came
    of the file may be given away, and an error that the file led to must give way to it.
    """
    header = _header(kind, data, len(data), source)
    manifest = _manifest(kind, header, source)
    check(manifest, source)
    claimed = manifest.pop("sha256")
    try:
        tensors = safetensors.numpy.load(data)
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        refuse(kind, "tensors", source, error)
    begun = _beside(lambda: ahead.checksum(manifest, _told(header, data), kind.ascii), data)

    def check_seal() -> None:
        try:
            found = begun()
        except (KeyError, TypeError, ValueError, RecursionError) as error:  # half a character, say
            refuse(kind, "tensors", source, error)
        if claimed != found:
            refuse(kind, "checksum", source)

    return manifest, tensors, check_seal


def check_start(kind: Kind, start: bytes, size: int, source: str, check: Callable[[Any, str], None]) -> None:
    """Refuse a file of ``size`` bytes by its header, before the rest of it is read.

    ``start`` holds its first bytes: 8 and the most that a header may have, or all that there are. ``check``
    is that of ``unseal``.
    """
    header = _header(kind, start, size, source)
    check(_manifest(kind, header, source), source)
    entries = [entry for name, entry in header.items() if name != "__metadata__"]
    _check_room(kind, entries, size - 8 - int.from_bytes(start[:8], "little"), source)


def manifest_in(kind: Kind, data: bytes, source: str) -> Any:
    """The manifest as it stands in a file, ``sha256`` and all, unchecked but for being strict JSON."""
    return _manifest(kind, _header(kind, data, len(data), source), source)


def refuse(kind: Kind, flaw: Flaw, source: str, error: Exception | None = None) -> NoReturn:
    """Raise the ``ModelFileError`` that ``kind`` has for ``flaw``."""
    code, sentence = kind.refusals[flaw]
    message = f"{source} {sentence.format(error=printable(str(error), 200))}"
    raise ModelFileError(message, code=code, where=source if kind.placed else "", help=kind.help) from error


def strict_json(text: str) -> Any:
    """Read JSON; ``ValueError`` for a key that stands twice, NaN, and a number that no finite float holds."""
    return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_finite, parse_float=_finite)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _finite(text: str) -> float:
    number = float(text)  # json would make an infinity of 1e999
    if not math.isfinite(number):
        raise ValueError(f"{printable(text, 40)} is not a finite number")
    return number


def _header(kind: Kind, data: bytes, total: int, source: str) -> dict[str, Any]:
    """Read the safetensors header by hand: its length in 8 bytes, capped before the JSON is parsed.

    ``data`` begins a file of ``total`` bytes.
    """
    size = int.from_bytes(data[:8], "little")
    if total < 8 or not 2 <= size <= min(kind.most_header_bytes, total - 8):
        refuse(kind, "cut", source)
    try:
        header = strict_json(data[8 : 8 + size].decode())
    except (ValueError, RecursionError) as error:
        refuse(kind, "header", source, error)
    return header if isinstance(header, dict) else {}


def _check_room(kind: Kind, entries: list[Any], room: int, source: str) -> None:
    """Refuse tensors that do not end where the file does; how they lie within, safetensors checks."""
    try:
        filled = max((int(entry["data_offsets"][1]) for entry in entries), default=0)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        refuse(kind, "tensors", source, ValueError("an entry of its header is not one of a tensor"))
    if filled != room:
        error = f"its header tells of {filled} bytes of tensors, and there are {room}"
        refuse(kind, "tensors", source, ValueError(error))


def _manifest(kind: Kind, header: dict[str, Any], source: str) -> Any:
    if kind.most_tensors is not None and len(header.keys() - {"__metadata__"}) > kind.most_tensors:
        refuse(kind, "crowded", source)
    metadata = header.get("__metadata__")
    if not isinstance(metadata, dict) or kind.key not in metadata or (kind.alone and len(metadata) > 1):
        refuse(kind, "foreign", source)
    try:
        return strict_json(metadata[kind.key])
    except (TypeError, ValueError, RecursionError) as error:
        refuse(kind, "manifest", source, error)


def _told(header: dict[str, Any], data: bytes) -> list[ahead.Told]:
    return ahead.tensors_in(header, memoryview(data)[8 + int.from_bytes(data[:8], "little") :])


def _beside(reckon: Callable[[], str], data: bytes) -> Callable[[], str]:
    """Begin to reckon in a thread where that pays, or go on with what was begun; the result waits for it."""
    if ahead.is_begun(data):
        return lambda: ahead.checksum_of(data) or reckon()
    if len(data) < ahead.LARGE:
        return reckon
    pool = ThreadPoolExecutor(1)
    found = pool.submit(reckon)
    pool.shutdown(wait=False)
    return found.result
