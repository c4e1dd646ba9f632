"""What came from Python, of any kind: texts, sequences of numbers, texts with numbers; and its codec."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman.data.codec import TextCodec
from elman.data.kinds import Reader
from elman.data.mixed import MixedCodec, is_pair, parted
from elman.data.numbers import NumberCodec
from elman.data.sequences import as_texts
from elman.data.series import as_series
from elman.errors import UsageError
from elman.models import examples
from elman.models.model import Model

Inputs = list[Any]
"""B texts, B arrays (T, D), or B pairs of a text and numbers."""


def kind_of(X: Any) -> str:
    """Say which kind X holds: "text", "number" or "mixed"; its first row decides, "text" without any."""
    if isinstance(X, (str, bytes, Mapping, Set)) or not isinstance(X, Iterable):
        return "number"  # whose reader says what is wrong
    if isinstance(X, np.ndarray) and X.dtype.kind in "US":
        return "text"
    first = next(iter(X), "")
    first = first.as_py() if hasattr(first, "as_py") else first
    return "text" if isinstance(first, str) else "mixed" if is_pair(first) else "number"


def as_inputs(X: Any, kind: str) -> Inputs:
    """Read B sequences of this kind; each wrong thing in one sentence."""
    if kind == "text":
        return as_texts(X)
    if kind == "number":
        return list(as_series(X))
    parted(rows := list(X))
    return rows


def make_codec(kind: str, settings: Any, *, edges: bool) -> Reader:
    """Build the codec that reads this kind, as the settings want it."""
    if kind == "number":
        return NumberCodec(scaling=settings.scaling)
    one_hot = settings.symbols == "one-hot"
    text = (
        TextCodec(unit=settings.unit)
        if one_hot
        else TextCodec(unit=settings.unit, ngrams=settings.ngrams, edges=edges)
    )
    return text if kind == "text" else MixedCodec(text=text, numbers=NumberCodec(scaling=settings.scaling))


def check_inputs(X: Inputs, kind: str) -> None:
    """Refuse, in one sentence, sequences from which nothing can be learnt."""
    if kind == "number":
        from elman.models.series import check_sequences  # needs torch

        check_sequences(X, most=examples.MOST_STEPS)
    else:
        examples.check_texts(X if kind == "text" else [text for text, _ in X])


def keys_of(X: Inputs, kind: str) -> list[Any]:
    """Tell which rows hold the same input."""
    if kind == "text":
        return examples.input_keys(X)
    if kind == "number":
        return [values.tobytes() for values in X]
    texts = examples.input_keys([text for text, _ in X])
    return [
        (text, np.asarray(numbers, np.float64).tobytes()) for text, (_, numbers) in zip(texts, X, strict=True)
    ]


def fingerprint(X: Inputs, kind: str, *more: NDArray[Any] | Sequence[Any] | None) -> str:
    """Tell these rows from any others, so that a run is only resumed on the rows it began with."""
    digest = hashlib.sha256(kind.encode())
    for key in keys_of(X, kind):
        digest.update(repr(key).encode("utf-8", "surrogatepass") + b"\0")
    for part in more:
        digest.update(b"|")
        for value in [] if part is None else part.tolist() if isinstance(part, np.ndarray) else part:
            digest.update(repr(value).encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()


def check_kind(kind: str, reader: Reader) -> None:
    """Raise ``UsageError`` unless sequences of this kind are what a codec reads."""
    if kind != reader.kind:
        said = {"text": "texts", "number": "sequences of numbers", "mixed": "texts with numbers"}
        message = f"these are {said[kind]}, and the network learnt from {said.get(reader.kind, 'others')}"
        raise UsageError(message, code="E124", help="give what it learnt from")


def measured(X: Inputs, kind: str, reader: Reader) -> list[Any]:
    """Sequences with as many steps as answers are said to: a text's symbols as its codec cuts them."""
    if kind == "number":
        return X
    text = reader.text if isinstance(reader, MixedCodec) else reader
    texts = X if kind == "text" else [text for text, _ in X]
    return [range(len(ids)) for ids in text.encode_all(texts)]


def starting(start: Model | None, members: int) -> Any:
    """The weights to go on from: those of each member in turn."""
    if start is None:
        return None
    return (
        start.members[0] if members == 1 else [start.members[m % len(start.members)] for m in range(members)]
    )
