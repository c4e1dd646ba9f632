"""A text with numbers beside it: ids and channels of each step in one array."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from elman.data.codec import TextCodec
from elman.data.numbers import NumberCodec
from elman.data.sequences import as_texts
from elman.data.series import Series, as_series
from elman.data.strings import Arrays, damaged
from elman.errors import DataError, UsageError

PARTS = ("text", "numbers")


@dataclass(kw_only=True, eq=False)
class MixedCodec:
    """Pairs of a text and its numbers: the ids of a step's symbol, then the channels of its numbers.

    Numbers (D,) belong to the whole text and stand at each of its steps; numbers (T, D) have a row for each
    symbol, and those of the last one stand at the text's end too.
    """

    kind: ClassVar[str] = "mixed"

    text: TextCodec = field(default_factory=TextCodec)
    numbers: NumberCodec = field(default_factory=NumberCodec)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many ids each column has."""
        return self.text.sizes

    @property
    def size(self) -> int:
        """The channels of a step."""
        return self.numbers.size

    def fit(self, pairs: Any) -> Self:
        """Learn the symbols, and the mean and scale of the numbers."""
        texts, series, _ = parted(pairs)
        self.text.fit(texts)
        self.numbers.fit(series)
        return self

    def encode_all(self, pairs: Any) -> list[npt.NDArray[np.float32]]:
        """Encode B pairs: float32 (T, ids + channels) each.

        Raises
        ------
        DataError
            As ``TextCodec`` and ``NumberCodec``; E275 if numbers of steps are not one for each symbol.
        """
        texts, series, static = parted(pairs)
        ids, channels = self.text.encode_all(texts), self.numbers.encode_all(series)
        return [
            _joined(one if one.ndim == 2 else one[:, None], other, of_all, row)
            for row, (one, other, of_all) in enumerate(zip(ids, channels, static, strict=True))
        ]

    def encode(self, pair: Any) -> npt.NDArray[np.float32]:
        """Encode one pair: (T, ids + channels)."""
        return self.encode_all([pair])[0]

    def decode(self, values: npt.ArrayLike) -> tuple[str, Series]:
        """Return the text and the numbers (T, D) of its steps."""
        given = np.asarray(values)
        columns = len(self.sizes)
        if given.ndim != 2 or given.shape[1] != columns + self.size:
            raise UsageError("these are no steps of this codec", code="E121", help="decode what encode gave")
        return self.text.decode(given[:, :columns]), self.numbers.decode(given[:, columns:])

    def count_unknown(self, pairs: Any) -> Any:
        """Count each symbol that was never seen in training."""
        return self.text.count_unknown(parted(pairs)[0])

    def settings(self) -> dict[str, Any]:
        """Return what JSON can hold of this codec."""
        return {"text": self.text.settings(), "numbers": self.numbers.settings()}

    def arrays(self) -> Arrays:
        """Return the arrays of both parts, under their names."""
        parts = {"text": self.text.arrays(), "numbers": self.numbers.arrays()}
        return {f"{part}.{name}": array for part, found in parts.items() for name, array in found.items()}

    @classmethod
    def restore(cls, settings: Mapping[str, Any], arrays: Arrays) -> Self:
        """Build the codec again from ``settings()`` and ``arrays()``; ``ModelFileError`` if they are none."""
        if set(settings) != set(PARTS) or not all(isinstance(settings[part], dict) for part in PARTS):
            raise damaged("a mixed codec's settings are text and numbers", "E320")
        found: dict[str, Arrays] = {part: {} for part in PARTS}
        for name, array in arrays.items():
            part, _, rest = name.partition(".")
            if part not in found:
                raise damaged(f"the array {name} is not one of a mixed codec", "E321")
            found[part][rest] = array
        text = TextCodec.restore(settings["text"], found["text"])
        return cls(text=text, numbers=NumberCodec.restore(settings["numbers"], found["numbers"]))


def is_pair(value: Any) -> bool:
    """Whether ``value`` is a text with numbers."""
    return isinstance(value, (tuple, list)) and len(value) == 2 and isinstance(value[0], str)


def parted(pairs: Iterable[Any]) -> tuple[list[str], list[Series], list[bool]]:
    """Take B pairs apart: texts, numbers (T, D), and whether they belong to the whole text (T is 1).

    Raises
    ------
    DataError
        E274 if a row is not a text with numbers.
    """
    rows = list(pairs)
    for row, value in enumerate(rows):
        if not is_pair(value):
            message = "the row is not a text with numbers, as others are"
            raise DataError(message, code="E274", where=f"X[{row}]", help="give (text, numbers)")
    texts = as_texts([text for text, _ in rows])
    static = [np.ndim(numbers) < 2 for _, numbers in rows]
    series = as_series(
        [np.atleast_2d(n) if of_all else n for (_, n), of_all in zip(rows, static, strict=True)]
    )
    return texts, series, static


def _joined(
    ids: npt.NDArray[Any], channels: npt.NDArray[np.float32], static: bool, row: int
) -> npt.NDArray[np.float32]:
    steps, rows = len(ids), len(channels)
    if static:
        channels = np.repeat(channels, steps, axis=0)
    elif rows == steps - 1:  # the text's end is a step too
        channels = np.concatenate(
            [channels, channels[-1:] if rows else np.zeros((1, channels.shape[1]), np.float32)]
        )
    if len(channels) != steps:
        message = f"there are numbers for {rows:,} steps, but the text has {steps:,}"
        raise DataError(message, code="E275", where=f"X[{row}]", help="give numbers for every symbol")
    return np.concatenate([ids.astype(np.float32), channels], axis=1)
