"""Texts and labels to whole numbers and back: fit, encode, decode, and two arrays to be saved."""

from __future__ import annotations

import itertools
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from elman.data.encoded import EncodedTexts
from elman.data.sequences import as_labels, as_texts
from elman.data.strings import Arrays, check_names, checked, damaged, pack, unpack
from elman.data.units import BEGIN, END, UNITS, UNKNOWN
from elman.errors import UsageError
from elman.settings import check_settings, setting

Ids = npt.NDArray[np.int32]
Keys = npt.NDArray[np.int64]

CHUNK = 1 << 20  # symbols that are looked up at once, so that memory stays small


@dataclass(kw_only=True)
class TextCodec:
    """A text as ids, a row for each step; id 0 is whatever was not seen in training.

    Texts are brought to Unicode's composed form (NFC) first. Column 0 holds the id of the step's symbol;
    column g the id of the group of g + 1 symbols that ends there, 0 where there are not yet so many. With
    ``edges`` a text has one step more, its end, and a group may begin where the text does.
    Ids follow falling counts, then code points, so that they do not depend on the order of the texts.
    """

    kind: ClassVar[str] = "text"

    unit: str = setting("character", "What one step reads.", choices=tuple(UNITS))
    ngrams: int = setting(
        1, "Longest group of symbols, ending at a step, that has an id of its own.", least=1, most=8
    )
    min_count: int = setting(
        2, "Groups of two symbols or more that are seen fewer times count as unknown.", least=1
    )
    edges: bool = setting(False, "Let the end of a text be a step, and let groups see where it begins.")
    vocabulary: list[list[str]] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        check_settings(self)
        self._unit = UNITS[self.unit]
        self._known: dict[str, int] = {}
        self._chains: list[Groups] = []
        self._by_point = np.zeros(2, np.int32)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many ids each column has, the unknown one included."""
        return tuple(len(entries) + 1 for entries in self.vocabulary)

    @property
    def symbols(self) -> list[str]:
        """The symbols that are known, by id; the marks of a text's edges are none."""
        return [symbol for symbol in self.vocabulary[0] if symbol not in (BEGIN, END)]

    def fit(self, texts: Iterable[str]) -> Self:
        """Learn the symbols of ``texts`` and the groups that stand there often enough."""
        texts = list(texts)
        self._take([_in_order(Counter(itertools.chain.from_iterable(map(self._cut, texts))))])
        for _ in range(1, self.ngrams):
            self._take([*self.vocabulary, self._longer_groups(texts)])
        return self

    def encode(self, text: str) -> Ids:
        """Return the ids of ``text``: (T,), or (T, ngrams) if ``ngrams`` is more than 1."""
        return self.encode_all([text])[0]

    def encode_all(self, texts: Iterable[str]) -> list[Ids]:
        """Encode many texts, quickly."""
        return list(self.encode_once(texts))

    def encode_once(self, texts: Iterable[str]) -> EncodedTexts:
        """Encode many texts, each different one once."""
        self._check_fitted()
        different: dict[str, int] = {}
        place = np.array([different.setdefault(text, len(different)) for text in texts], np.int64)
        parts: list[Ids] = []
        sizes: list[int] = []
        for chunk in _chunks(map(self._cut, different)):
            parts.append(self._columns(chunk)[0])
            sizes += map(len, chunk)
        columns = parts[0] if len(parts) == 1 else np.concatenate(parts)
        first = int(self.edges)  # the step of the beginning is there for the groups alone
        lengths, ends = np.array(sizes, np.int64) - first, np.array([*itertools.accumulate(sizes)], np.int64)
        return EncodedTexts(columns[:, 0] if self.ngrams == 1 else columns, ends - lengths, lengths, place)

    def cut(self, text: str) -> Sequence[str]:
        """Cut ``text``, brought to NFC, into the symbols that ids are given to."""
        return self._symbols(text)

    def first_ids(self) -> tuple[int, ...]:
        """Return the ids that stand before a text's first symbol, for ``next_ids`` to go on from."""
        self._check_fitted()
        return (self._known[BEGIN] if self.edges else 0, *(0 for _ in self._chains))

    def next_ids(self, before: tuple[int, ...], symbol: str) -> tuple[int, ...]:
        """Return the ids (ngrams) of one more symbol, as ``encode`` gives them to the whole text.

        Parameters
        ----------
        before
            The ids of the step before, or ``first_ids()``: all that a step needs to know of them.
        """
        last = self._known.get(symbol, 0)
        found, size = [last], len(self._known) + 1
        for groups, head in zip(self._chains, before, strict=False):  # a chain less than there are ids
            found.append(groups.by_key.get(head * size + last, 0) if head and last else 0)
        return tuple(found)

    def end_ids(self, before: tuple[int, ...]) -> tuple[int, ...] | None:
        """Return the ids of a text's end behind the step ``before``; None if the end is no step."""
        return self.next_ids(before, END) if self.edges else None

    def is_known(self, symbol: str) -> bool:
        """Whether ``symbol`` was seen in training."""
        return symbol in self._known and symbol not in (BEGIN, END)

    def shown(self, symbol: str) -> str:
        """Return a symbol as a message names it."""
        return self._unit.shown(symbol)

    def decode(self, ids: npt.ArrayLike) -> str:
        """Return the text of ids (T,) or (T, ngrams); an unknown symbol becomes U+FFFD.

        Raises
        ------
        UsageError
            E121 if an id is none of the codec's.
        """
        self._check_fitted()
        first = np.asarray(ids, dtype=np.int64)
        first = first[:, 0] if first.ndim == 2 else first
        check_ids(first, self.sizes[0])
        symbols = [self.vocabulary[0][i - 1] if i else UNKNOWN for i in first.tolist()]
        return self._unit.join([symbol for symbol in symbols if symbol not in (BEGIN, END)])

    def joined(self, symbols: Sequence[str]) -> str:
        """Make a text of symbols."""
        return self._unit.join(symbols)

    def normalise(self, text: str) -> str:
        """Return ``text`` as ``decode`` gives it back when all its symbols are known."""
        return self._unit.join(self._symbols(text))

    def unknown(self, text: str) -> list[str]:
        """List the symbols of ``text`` never seen in training, in order; a byte is named like 0xE9."""
        self._check_fitted()
        return [self._unit.shown(symbol) for symbol in self._symbols(text) if symbol not in self._known]

    def count_unknown(self, texts: Any) -> Counter[str]:
        """Count each symbol of ``texts`` that was never seen in training."""
        self._check_fitted()
        texts = as_texts(texts)
        counts = Counter(itertools.chain.from_iterable(map(self._symbols, texts)))
        return Counter({self._unit.shown(s): n for s, n in counts.items() if s not in self._known})

    def settings(self) -> dict[str, Any]:
        """Return what JSON can hold of this codec."""
        return {name: getattr(self, name) for name in _SETTINGS}

    def arrays(self) -> Arrays:
        """Return the vocabulary: ``vocabulary.{g}.bytes`` and ``vocabulary.{g}.offsets`` for column g."""
        self._check_fitted()
        packed = [pack(entries, f"vocabulary.{column}") for column, entries in enumerate(self.vocabulary)]
        return {name: array for part in packed for name, array in part.items()}

    @classmethod
    def restore(cls, settings: Mapping[str, Any], arrays: Arrays) -> Self:
        """Build the codec again from ``settings()`` and ``arrays()``.

        Raises
        ------
        ModelFileError
            E320 to E323, if they are not what a codec wrote.
        """
        if set(settings) != set(_SETTINGS):
            raise damaged(f"a codec's settings are {', '.join(_SETTINGS)}", "E320")
        try:
            codec = cls(**settings)
        except UsageError as error:
            raise damaged(error.message, "E320") from None
        check_names(
            arrays, {f"vocabulary.{g}.{part}" for g in range(codec.ngrams) for part in ("bytes", "offsets")}
        )
        vocabulary = [unpack(arrays, f"vocabulary.{g}") for g in range(codec.ngrams)]
        marks = {BEGIN, END} if codec.edges else set()
        if not marks <= set(vocabulary[0]):
            raise damaged("vocabulary.0 lacks the marks of a text's edges", "E322")
        if not all(entry in marks or codec._unit.is_symbol(entry) for entry in vocabulary[0]):
            raise damaged(f"vocabulary.0 holds something else than a {codec.unit}", "E322")
        codec._take(vocabulary)
        return codec

    def _symbols(self, text: str) -> Sequence[str]:
        if text.isascii():
            return self._unit.cut(text)
        composed = unicodedata.normalize("NFC", text)
        if BEGIN in composed or END in composed:  # no text should hold our marks
            composed = composed.replace(BEGIN, UNKNOWN).replace(END, UNKNOWN)
        return self._unit.cut(composed)

    def _cut(self, text: str) -> Sequence[str]:
        """Cut a text into what ids are given to: its symbols, between the marks of its edges."""
        symbols = self._symbols(text)
        if not self.edges:
            return symbols
        return BEGIN + symbols + END if isinstance(symbols, str) else [BEGIN, *symbols, END]

    def _take(self, vocabulary: list[list[str]]) -> None:
        self.vocabulary = vocabulary
        numbers = [{entry: i for i, entry in enumerate(entries, start=1)} for entries in vocabulary]
        self._known = numbers[0]
        self._by_point = np.zeros(2, np.int32)
        if not self._unit.glue and self._known:
            self._by_point = np.zeros(
                max(map(ord, self._known)) + 2, np.int32
            )  # the last is every other's: 0
            self._by_point[[ord(symbol) for symbol in self._known]] = list(self._known.values())
        self._chains = [self._chain(*pair) for pair in itertools.pairwise(numbers)]

    def _chain(self, shorter: dict[str, int], longer: dict[str, int]) -> Groups:
        """Return the id of each longer group by its key: see ``_keys``."""
        keys = np.zeros(len(longer), dtype=np.int64)
        for place, entry in enumerate(longer):
            head, last = self._parted(entry)
            if head not in shorter or last not in self._known:
                raise damaged("a group of symbols has an end that is not known itself", "E322")
            keys[place] = shorter[head] * (len(self._known) + 1) + self._known[last]
        return Groups(keys, (len(shorter) + 1) * (len(self._known) + 1))

    def _parted(self, entry: str) -> tuple[str, str]:
        if not self._unit.glue:
            return entry[:-1], entry[-1:]
        head, _, last = entry.rpartition(self._unit.glue)
        return head, last

    def _columns(self, chunk: Sequence[Sequence[str]]) -> tuple[Ids, Keys]:
        """Return the ids (N, columns known so far) of N symbols, and each one's step in its own text (N,)."""
        lengths = np.array([len(symbols) for symbols in chunk], dtype=np.int64)
        total = int(lengths.sum())
        columns = np.zeros((total, len(self.vocabulary)), dtype=np.int32)
        columns[:, 0] = self._ids(chunk, total)
        steps = np.arange(total) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        for column, groups in enumerate(self._chains, start=1):
            columns[:, column] = groups.ids(self._keys(columns, column, steps))
        return columns, steps

    def _ids(self, chunk: Sequence[Sequence[str]], total: int) -> Ids:
        """Return the id of each of ``total`` symbols by itself."""
        if self._unit.glue:  # a symbol may be longer than a code point
            symbols = itertools.chain.from_iterable(chunk)
            return np.fromiter(map(self._known.get, symbols, itertools.repeat(0)), np.int32, total)
        points = np.frombuffer("".join(map("".join, chunk)).encode("utf-32-le", "surrogatepass"), np.uint32)
        return self._by_point[np.minimum(points, len(self._by_point) - 1)]

    def _keys(self, columns: Ids, column: int, steps: Keys) -> Keys:
        """Number the group that ends at each step (N) by its head's id and its last one's; -1 for none."""
        keys = np.full(len(columns), -1, dtype=np.int64)
        before, last = columns[:-1, column - 1].astype(np.int64), columns[1:, 0]
        there = (before > 0) & (last > 0) & (steps[1:] >= column)
        keys[1:][there] = (before * self.sizes[0] + last)[there]
        return keys

    def _longer_groups(self, texts: Iterable[str]) -> list[str]:
        """Find the groups that are one symbol longer than the longest known ones."""
        counts: Counter[int] = Counter()
        for chunk in _chunks(map(self._cut, texts)):
            columns, steps = self._columns(chunk)
            keys = self._keys(columns, len(self.vocabulary), steps)
            found, times = np.unique(keys[keys >= 0], return_counts=True)
            counts.update(dict(zip(found.tolist(), times.tolist(), strict=True)))
        return _in_order({self._named(key): n for key, n in counts.items() if n >= self.min_count})

    def _named(self, key: int) -> str:
        head, last = divmod(key, self.sizes[0])
        return self.vocabulary[-1][head - 1] + self._unit.glue + self.vocabulary[0][last - 1]

    def _check_fitted(self) -> None:
        if not self.vocabulary:
            raise UsageError("this TextCodec has not seen any texts yet", code="E122", help="call fit first")


_SETTINGS = ("unit", "ngrams", "min_count", "edges")


def check_ids(ids: npt.NDArray[np.int64], size: int) -> None:
    """Raise ``UsageError`` (E121) unless all ``ids`` are 0 to ``size`` - 1."""
    if ids.size and not 0 <= ids.min() <= ids.max() < size:
        raise UsageError(f"ids must be 0 to {size - 1}", code="E121", help="decode what encode gave")


def _chunks(texts: Iterable[Sequence[str]]) -> Iterator[list[Sequence[str]]]:
    chunk: list[Sequence[str]] = []
    size = 0
    for symbols in texts:
        chunk.append(symbols)
        size += len(symbols) + 1
        if size >= CHUNK:
            yield chunk
            chunk, size = [], 0
    yield chunk


class Groups:
    """The ids of groups by their keys, 1, 2, ... in the order given.

    They stand in a table of all keys below ``most`` if it is small.
    """

    def __init__(self, keys: Keys, most: int) -> None:
        order = np.argsort(keys)
        self._keys, self._ids = keys[order], (order + 1).astype(np.int32)
        self._table = None
        if most <= TABLE:
            self._table = np.zeros(most + 1, np.int32)  # key -1, no group, finds the last
            self._table[self._keys] = self._ids

    @cached_property
    def by_key(self) -> dict[int, int]:
        """The ids by their keys, to look one up quickly."""
        return dict(zip(self._keys.tolist(), self._ids.tolist(), strict=True))

    def ids(self, keys: Keys) -> Ids:
        """Return the id of each key (N,), 0 for an unknown one."""
        if self._table is not None:
            return self._table[keys]
        if len(self._keys) == 0:
            return np.zeros(len(keys), dtype=np.int32)
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[places] == keys, self._ids[places], np.int32(0))


TABLE = 1 << 20
"""Most keys that a table is made of: 4 MiB."""


def _in_order(counts: Mapping[str, int]) -> list[str]:
    # half a surrogate pair is no character and no file could hold it, so it stays unknown
    whole = [entry for entry in counts if not any("\ud800" <= letter <= "\udfff" for letter in entry)]
    return sorted(whole, key=lambda entry: (-counts[entry], entry))


@dataclass(eq=False)
class LabelCodec:
    """Labels as ids 0, 1, 2 … in the labels' own order; what ``decode`` gives has the type that came."""

    kind: ClassVar[str] = "label"

    classes_: npt.NDArray[Any] = field(default_factory=lambda: np.zeros(0, dtype=np.str_))

    def fit(self, labels: Any) -> Self:
        """Learn the classes of labels (B,): text, whole numbers, floats or truth values."""
        self.classes_ = np.unique(as_labels(labels, "labels"))
        return self

    def encode(self, labels: Any) -> npt.NDArray[np.int64]:
        """Return ids (B,); -1 for a label that is none of the classes."""
        self._check_fitted()
        given = as_labels(labels, "labels")
        if given.size == 0 or (given.dtype.kind == "U") != (self.classes_.dtype.kind == "U"):
            return np.full(given.shape, -1, dtype=np.int64)
        return self.find(given)

    def find(self, labels: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Return the ids of labels, an array that was checked, of the classes' kind; -1 for none."""
        places = np.minimum(np.searchsorted(self.classes_, labels), len(self.classes_) - 1)
        return np.where(self.classes_[places] == labels, places, -1).astype(np.int64)

    def decode(self, ids: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the labels (B,) of ids (B,).

        Raises
        ------
        UsageError
            E121 if an id is none of the codec's.
        """
        self._check_fitted()
        places = np.asarray(ids, dtype=np.int64)
        check_ids(places, len(self.classes_))
        return self.classes_[places]

    def settings(self) -> dict[str, Any]:
        """Return what JSON can hold of this codec: the labels' type."""
        kind = self.classes_.dtype
        return {"dtype": "str" if kind.kind == "U" else kind.name}

    def arrays(self) -> Arrays:
        """Return the classes: ``classes.bytes`` and ``classes.offsets`` for text, else ``classes``."""
        self._check_fitted()
        if self.classes_.dtype.kind == "U":
            return pack(self.classes_.tolist(), "classes")
        return {"classes": self.classes_.view(np.uint8) if self.classes_.dtype == bool else self.classes_}

    @classmethod
    def restore(cls, settings: Mapping[str, Any], arrays: Arrays) -> Self:
        """Build the codec again from ``settings()`` and ``arrays()``.

        Raises
        ------
        ModelFileError
            E320 to E323, if they are not what a codec wrote.
        """
        classes = _restored_classes(_label_type(settings), arrays)
        if len(classes) == 0 or (classes.dtype.kind == "f" and not np.isfinite(classes).all()):
            raise damaged("the classes are missing or not finite", "E322")
        if not (classes[:-1] < classes[1:]).all():
            raise damaged("the classes are not in order", "E323")
        return cls(classes)

    def _check_fitted(self) -> None:
        if len(self.classes_) == 0:
            raise UsageError(
                "this LabelCodec has not seen any labels yet", code="E122", help="call fit first"
            )


MOST_CELLS = 1 << 24
"""Characters of room that the names of all classes may take: 64 MiB."""

_LABEL_TYPES = {"str", "bool", "float16", "float32", "float64"}
_LABEL_TYPES |= {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}


def _label_type(settings: Mapping[str, Any]) -> str:
    if set(settings) != {"dtype"} or str(settings["dtype"]) not in _LABEL_TYPES:
        raise damaged("the labels' type is none that is known", "E320")
    return str(settings["dtype"])


def _restored_classes(kind: str, arrays: Arrays) -> npt.NDArray[Any]:
    if kind == "str":
        check_names(arrays, {"classes.bytes", "classes.offsets"})
        texts = unpack(arrays, "classes")
        if any("\0" in text for text in texts):  # NumPy would drop one at the end
            raise damaged("a class holds a NUL character", "E322")
        if len(texts) * max(map(len, texts), default=0) > MOST_CELLS:  # NumPy gives all the longest's room
            raise damaged("its classes are longer than those of any model", "E322")
        return np.array(texts, dtype=np.str_)
    check_names(arrays, {"classes"})
    if kind != "bool":
        return checked(arrays, "classes", np.dtype(kind))
    flags = checked(arrays, "classes", np.uint8)
    if np.any(flags > np.uint8(1)):
        raise damaged("a truth value is neither 0 nor 1", "E322")
    return flags.astype(np.bool_)
