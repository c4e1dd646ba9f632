"""Many texts as ids in one array, each different text once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self, overload

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]
Values = npt.NDArray[Any]

SEEN = 64
"""Steps by which texts are put in order."""


@dataclass(frozen=True, eq=False)
class EncodedTexts(Sequence[Values]):
    """The ids of B texts, of which U are different; as a sequence, each text's own ids (T,) or (T, G).

    A table of people has the same names again and again: what is asked of each different text once, ``place``
    gives to all.

    Attributes
    ----------
    ids
        (N,) or (N, G): those of the different texts one after the other; others may stand between.
    starts, lengths
        (U,): where each different text begins, and how many steps it has.
    place
        (B,): which of the different texts each text is.
    """

    ids: Values
    starts: Places
    lengths: Places
    place: Places

    @classmethod
    def of(cls, sequences: Sequence[Values]) -> Self:
        """Put texts that are encoded one by one together; each counts as different."""
        if isinstance(sequences, cls):
            return sequences
        lengths = np.array([len(ids) for ids in sequences], np.int64)
        ids = np.concatenate(sequences) if len(sequences) else np.zeros(0, np.int64)
        return cls(ids, np.cumsum(lengths) - lengths, lengths, np.arange(len(lengths)))

    def __len__(self) -> int:
        return len(self.place)

    def __iter__(self) -> Iterator[Values]:
        ends = (self.starts + self.lengths).tolist()
        different = [self.ids[start:end] for start, end in zip(self.starts.tolist(), ends, strict=True)]
        return map(different.__getitem__, self.place.tolist())

    @overload
    def __getitem__(self, row: int) -> Values: ...
    @overload
    def __getitem__(self, row: slice) -> list[Values]: ...
    def __getitem__(self, row: int | slice) -> Values | list[Values]:
        if isinstance(row, slice):
            return [self[n] for n in range(*row.indices(len(self)))]
        one = self.place[row]
        return self.ids[self.starts[one] : self.starts[one] + self.lengths[one]]

    def pad(self, which: Places) -> tuple[Places, Places]:
        """Stack some of the different texts: ids (B, T) or (B, T, G), 0 behind each end, and lengths (B,)."""
        lengths = self.lengths[which]
        steps = np.arange(lengths.max(initial=0))
        there = steps < lengths[:, None]
        padded = np.zeros((*there.shape, *self.ids.shape[1:]), np.int64)
        padded[there] = self.ids[(self.starts[which][:, None] + steps)[there]]
        return padded, lengths

    def in_order(self) -> Places:
        """Put the different texts in an order (U,) in which such as begin alike stand together.

        A step's other ids say nothing that its symbol and those before it do not, so the first is enough.
        """
        symbols = self.ids if self.ids.ndim == 1 else self.ids[:, 0]
        width = min(SEEN, int(self.lengths.max(initial=0)))
        small = np.min_scalar_type(int(symbols.max(initial=0)) + 1).newbyteorder(">")
        wide = 8 // small.itemsize  # symbols in a word of 8 bytes
        keys = np.zeros((len(self.lengths), -(-width // wide) * wide), small)  # 0: the text has ended
        there = np.arange(width) < self.lengths[:, None]
        keys[:, :width][there] = symbols[(self.starts[:, None] + np.arange(width))[there]] + 1
        words = keys.view(">u8").astype(np.uint64)
        return np.lexsort(words.T[::-1]) if words.size else np.arange(len(words))
