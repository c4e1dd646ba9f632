"""Texts as two plain arrays, for files that hold nothing but arrays: UTF-8 bytes and offsets."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from elman.errors import ModelFileError

Arrays = dict[str, npt.NDArray[np.generic]]


def pack(texts: Sequence[str], name: str) -> Arrays:
    """Lay N texts end to end.

    Returns
    -------
    dict
        ``{name}.bytes``: uint8, the UTF-8 bytes; ``{name}.offsets``: int64 (N + 1,), where each text
        begins, and the end of the last.
    """
    encoded = [text.encode("utf-8") for text in texts]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(item) for item in encoded], out=offsets[1:])
    return {f"{name}.bytes": np.frombuffer(b"".join(encoded), dtype=np.uint8), f"{name}.offsets": offsets}


def unpack(arrays: Arrays, name: str) -> list[str]:
    """Cut the N texts out again, believing nothing.

    Raises
    ------
    ModelFileError
        E321 if an array is missing or has a wrong type or shape, E322 if the offsets do not rise from 0 to
        the number of bytes or a text is not UTF-8, E323 if a text stands there twice.
    """
    data = checked(arrays, f"{name}.bytes", np.uint8).tobytes()
    offsets = checked(arrays, f"{name}.offsets", np.int64)
    ends = offsets.tolist()
    if not ends or ends[0] != 0 or ends[-1] != len(data) or ends != sorted(ends):
        raise damaged(f"{name}.offsets does not rise from 0 to the number of bytes", "E322")
    try:
        texts = [data[start:end].decode("utf-8") for start, end in itertools.pairwise(ends)]
    except UnicodeDecodeError:
        raise damaged(f"{name}.bytes is not UTF-8", "E322") from None
    if len(set(texts)) != len(texts):
        raise damaged(f"{name} holds a text twice", "E323")
    return texts


def checked(
    arrays: Arrays, name: str, kind: type[np.generic] | np.dtype[np.generic]
) -> npt.NDArray[np.generic]:
    """Return the 1-D array ``name``; ``ModelFileError`` (E321) if it is missing or of another kind."""
    array = arrays.get(name)
    if array is None:
        raise damaged(f"the array {name} is missing", "E321")
    if array.ndim != 1 or array.dtype != np.dtype(kind):
        found = f"{array.dtype} with {array.ndim} axes"
        raise damaged(f"{name} must be {np.dtype(kind)} with 1 axis, not {found}", "E321")
    return array


def check_names(arrays: Arrays, expected: set[str]) -> None:
    """Raise ``ModelFileError`` (E321) unless ``arrays`` holds exactly the ``expected`` names."""
    for name in sorted(set(arrays) - expected):
        raise damaged(f"there is an array {name} that does not belong there", "E321")
    for name in sorted(expected - set(arrays)):
        raise damaged(f"the array {name} is missing", "E321")


def damaged(what: str, code: str) -> ModelFileError:
    """Build the one sentence about a codec that cannot be restored."""
    return ModelFileError(f"the model's codec is damaged: {what}", code=code, help="save the model again")
