"""A text as a language model reads it: from its beginning, each symbol before the next, under a condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from elman.data.codec import LabelCodec, TextCodec
from elman.data.sequences import as_texts
from elman.data.strings import Arrays, damaged
from elman.data.units import BEGIN, END
from elman.errors import DataError

Ids = npt.NDArray[np.int64]


@dataclass(kw_only=True, eq=False)
class PromptCodec:
    """Texts as the ids that stand before each next symbol; a second column says the condition.

    A text of n symbols has n + 1 steps: the mark of the beginning, then its symbols; after the last the next
    symbol is the mark of the end. Condition k of the K stands as id k + 1; 0 is no condition.
    """

    kind: ClassVar[str] = "prompt"

    text: TextCodec = field(default_factory=lambda: TextCodec(edges=True, min_count=1))
    conditions: LabelCodec | None = None

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many ids each column has."""
        more = () if self.conditions is None else (len(self.conditions.classes_) + 1,)
        return (self.text.sizes[0], *more)

    @property
    def next_symbols(self) -> list[str]:
        """What can come next: every known symbol, and the end."""
        return [symbol for symbol in self.text.vocabulary[0] if symbol != BEGIN]

    def fit(self, texts: Sequence[str], conditions: Any = None) -> Self:
        """Learn the symbols, and the conditions if there are any."""
        self.text.fit(as_texts(texts))
        self.conditions = None if conditions is None else LabelCodec().fit(conditions)
        return self

    def encode_all(self, texts: Any, conditions: Any = None) -> list[Ids]:
        """Return the ids (n + 1,), or (n + 1, 2) with conditions, of each text."""
        begin = self.text.vocabulary[0].index(BEGIN) + 1
        read = [
            np.concatenate([[begin], ids[:-1]]).astype(np.int64)
            for ids in self.text.encode_all(as_texts(texts))
        ]
        if self.conditions is None:
            return read
        codes = self.codes(conditions, len(read))
        return [
            np.stack([ids, np.full(len(ids), code)], axis=1) for ids, code in zip(read, codes, strict=True)
        ]

    def encode(self, text: str, condition: Any = None) -> Ids:
        """Return the ids of one text: (n + 1,), or (n + 1, 2) with conditions."""
        return self.encode_all([text], None if condition is None else [condition])[0]

    def decode(self, ids: npt.ArrayLike) -> str:
        """Return the text of ids."""
        return self.text.decode(ids)

    def codes(self, conditions: Any, rows: int) -> Ids:
        """Number the conditions (B,); 0 for all if there are none given. ``DataError`` for an unknown one."""
        if conditions is None or self.conditions is None:
            return np.zeros(rows, np.int64)
        codes = self.conditions.encode(conditions)
        if (codes < 0).any():
            row = int(np.flatnonzero(codes < 0)[0])
            known = ", ".join(map(str, self.conditions.classes_.tolist()[:12]))
            message = f"there is no condition {np.asarray(conditions)[row]!s}"
            raise DataError(message, code="E265", help=f"one of {known}")
        return codes + 1

    def targets(self, texts: Any, symbols: LabelCodec) -> list[Ids]:
        """Return the class of each next symbol (n + 1,) of each text; -1 for an unknown one."""
        classes = symbols.find(
            np.array([BEGIN, *self.text.vocabulary[0]])
        )  # id 0, the unknown one, is no class
        return [classes[ids] for ids in self.text.encode_all(as_texts(texts))]

    def count_unknown(self, texts: Any) -> Any:
        """Count each symbol that was never seen in training."""
        return self.text.count_unknown(as_texts(texts))

    def settings(self) -> dict[str, Any]:
        """Return what JSON can hold of this codec."""
        conditions = None if self.conditions is None else self.conditions.settings()
        return {"text": self.text.settings(), "conditions": conditions}

    def arrays(self) -> Arrays:
        """Return the arrays of both parts, under their names."""
        found = {f"text.{name}": array for name, array in self.text.arrays().items()}
        more = {} if self.conditions is None else self.conditions.arrays()
        return found | {f"conditions.{name}": array for name, array in more.items()}

    @classmethod
    def restore(cls, settings: Mapping[str, Any], arrays: Arrays) -> Self:
        """Build the codec again from ``settings()`` and ``arrays()``; ``ModelFileError`` if they are none."""
        if set(settings) != {"text", "conditions"} or not isinstance(settings["text"], dict):
            raise damaged("a prompt codec's settings are text and conditions", "E320")
        text = TextCodec.restore(settings["text"], _under("text.", arrays))
        if not text.edges or text.ngrams != 1:
            raise damaged("a prompt codec's text has edges and no groups", "E320")
        rest = _under("conditions.", arrays)
        if len(rest) + len(text.arrays()) != len(arrays):
            raise damaged("there are other arrays than a prompt codec has", "E321")
        conditions = None
        if settings["conditions"] is not None:
            conditions = LabelCodec.restore(settings["conditions"], rest)
        elif rest:
            raise damaged("there are conditions, but none is named", "E321")
        return cls(text=text, conditions=conditions)


def next_codec(inputs: PromptCodec) -> LabelCodec:
    """The codec of what comes next."""
    return LabelCodec(np.unique(np.array(inputs.next_symbols)))


def is_end(symbol: str) -> bool:
    """Whether ``symbol`` is the mark of the end."""
    return symbol == END


def _under(prefix: str, arrays: Arrays) -> Arrays:
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}
