"""How one value of a stream becomes what a network reads at a step, as its codec reads the whole."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from elman.data.codec import TextCodec
from elman.data.mixed import MixedCodec, is_pair
from elman.data.numbers import NumberCodec
from elman.data.prompt import PromptCodec
from elman.data.sequences import a_kind, is_broken, short
from elman.errors import DataError, UsageError
from elman.models.forecasting import Form
from elman.models.stream_numbers import FormReading, NumberReading
from elman.models.stream_reads import Arrays, Ids, Reads, refuse_beside

if TYPE_CHECKING:
    from elman.models.model import Model

TAIL = 32
"""Code points that a next one could still change; no language writes so many on one letter."""


class Reading(Protocol):
    """Reads one value for each of some rows, and keeps what the next one needs to know of it."""

    def take(self, values: Sequence[Any], rows: Sequence[int], covariates: Any, past: Any) -> Reads:
        """Read; a wrong value raises ``DataError`` and nothing has changed."""

    def reset(self, rows: Sequence[int]) -> None:
        """Begin anew."""

    def state(self) -> Arrays:
        """All that is kept, as copies."""

    def restore(self, state: Arrays) -> None:
        """Go on from a state whose names and shapes are right."""


def reading_of(model: Model, rows: int, conditions: Any, *, refuse_unknown: bool) -> Reading:
    """Build what reads the values that a model takes."""
    codec = model.inputs
    if conditions is not None and getattr(codec, "conditions", None) is None:
        message = "this model learnt no conditions"
        raise UsageError(message, code="E177", help="leave the condition out")
    if isinstance(codec, NumberCodec):
        form = Form.of(model) if model.task == "forecast" else None
        plain = form is None or form.plain
        return NumberReading(codec) if plain or form is None else FormReading(codec, form, rows)
    if isinstance(codec, MixedCodec):
        text = TextReading(codec.text, rows, refuse_unknown=refuse_unknown)
        return MixedReading(text, NumberReading(codec.numbers))
    if isinstance(codec, PromptCodec):
        return PromptReading(codec, rows, conditions, refuse_unknown=refuse_unknown)
    return TextReading(codec, rows, refuse_unknown=refuse_unknown)


def symbols_of(model: Model, text: str) -> Sequence[str]:
    """Cut a text into what single steps read: characters or words, composed."""
    codec = text_codec(model)
    if codec is not None and codec.unit == "word":
        return codec.cut(text)
    return unicodedata.normalize("NFC", text)


def text_codec(model: Model) -> TextCodec | None:
    """What reads the texts of a model; None if it reads numbers."""
    codec = model.inputs
    if isinstance(codec, (PromptCodec, MixedCodec)):
        return codec.text
    return None if isinstance(codec, NumberCodec) else codec


class Place(NamedTuple):
    """Where a text stands: the ids of its last step, and the end that a combining mark could still change."""

    ids: tuple[int, ...]
    tail: str


class TextReading:
    """One symbol a step."""

    def __init__(self, codec: TextCodec, rows: int, *, refuse_unknown: bool) -> None:
        self._codec, self._refuse_unknown = codec, refuse_unknown
        self._places = [Place(codec.first_ids(), "")] * rows
        self._plain = {symbol for symbol in codec.symbols if symbol.isascii()}

    def take(
        self, values: Sequence[Any], rows: Sequence[int], covariates: Any = None, past: Any = None
    ) -> Reads:
        """Read a symbol for each row; of a model that reads bytes, a character."""
        refuse_beside(covariates, past)
        found = [self._after(self._places[row], value) for row, value in zip(rows, values, strict=True)]
        for row, places in zip(rows, found, strict=True):
            self._places[row] = places[-1]
        last = np.array([places[-1].ids for places in found], np.int64)
        early = tuple((n, place.ids) for n, places in enumerate(found) for place in places[:-1])
        return Reads(last, None, self._ends(found), early)

    def take_one(self, symbol: Any) -> tuple[list[tuple[int, ...]], tuple[int, ...] | None]:
        """Read a symbol for the only row, quickly: the ids of its steps, and of the text's end behind it."""
        places = self._after(self._places[0], symbol)
        last = self._places[0] = places[-1]
        return [place.ids for place in places], self._codec.end_ids(last.ids)

    def _ends(self, found: list[list[Place]]) -> Ids | None:
        """The ids of the texts' ends, were they here; None if an end is no step."""
        if not self._codec.edges:
            return None
        return np.array([self._codec.end_ids(places[-1].ids) for places in found], np.int64)

    def reset(self, rows: Sequence[int]) -> None:
        """Begin anew."""
        for row in rows:
            self._places[row] = Place(self._codec.first_ids(), "")

    def state(self) -> Arrays:
        """The last ids (n, G), and the ends of the texts (n, TAIL) as code points."""
        tails = np.zeros((len(self._places), TAIL), np.int32)
        for row, place in enumerate(self._places):
            tails[row, : len(place.tail)] = [ord(point) for point in place.tail]
        return {"ids": np.array([place.ids for place in self._places], np.int64), "tails": tails}

    def restore(self, state: Arrays) -> None:
        """Go on from a state."""
        sizes, ids = np.array(self._codec.sizes), state["ids"]
        if (
            not ((ids >= 0) & (ids < sizes)).all()
            or not ((state["tails"] >= 0) & (state["tails"] < 0x110000)).all()
        ):
            raise UsageError("the state's ids are none of this model's", code="E165", help="begin anew")
        for row, (one, tail) in enumerate(zip(ids.tolist(), state["tails"].tolist(), strict=True)):
            self._places[row] = Place(tuple(one), "".join(chr(point) for point in tail if point))

    def _after(self, place: Place, symbol: Any) -> list[Place]:
        """The places of the steps that a symbol is; all but the last are a character's first bytes."""
        if type(symbol) is str and symbol in self._plain:
            return [Place(self._codec.next_ids(place.ids, symbol), symbol)]
        cut, tail = self._cut(place, symbol)
        found = []
        for one in cut:
            place = Place(self._codec.next_ids(place.ids, one), tail)
            found.append(place)
        return found

    def _cut(self, place: Place, symbol: Any) -> tuple[Sequence[str], str]:
        """A symbol as the codec cuts it, and the end of the text behind it."""
        if not isinstance(symbol, str):
            message = f"{short(symbol)} is {a_kind(symbol)}, not a symbol of a text"
            raise DataError(message, code="E232", help="give one symbol a step")
        if is_broken(symbol):
            message = "the symbol is half a character (a lone surrogate)"
            raise DataError(message, code="E233", help="give whole characters")
        cut, codec = self._codec.cut(symbol), self._codec
        tail = "" if codec.unit == "word" else _joined(place.tail, unicodedata.normalize("NFC", symbol))
        count = len(tail and unicodedata.normalize("NFC", symbol)) if codec.unit == "byte" else len(cut)
        if count != 1:
            unit = "character" if codec.unit == "byte" else codec.unit
            message = f"a step reads one {unit}, and {short(symbol)} is {count}"
            raise DataError(message, code="E291", help="give them one by one")
        unknown = [one for one in cut if not codec.is_known(one)]
        if unknown and self._refuse_unknown:
            message = f"the symbol {codec.shown(unknown[0])} was not seen in training"
            raise DataError(message, code="E292", help="leave it out, or have unknown symbols read as such")
        return cut, tail


def _joined(tail: str, symbol: str) -> str:
    """What a next symbol could change of a text that ended in ``tail`` and goes on with ``symbol``."""
    text = tail + symbol
    starts = [n for n, point in enumerate(text) if not unicodedata.combining(point)]
    if not unicodedata.is_normalized("NFC", text) or len(text) - max(starts, default=0) > TAIL:
        message = f"the symbol U+{ord(symbol[0]):04X} changes the one before it, which was read already"
        help_ = 'give composed text: unicodedata.normalize("NFC", text)'
        raise DataError(message, code="E293", help=help_)
    return text[max(starts, default=0) :]


class PromptReading(TextReading):
    """One symbol a step, under a condition; the mark of the beginning is a step of its own."""

    def __init__(self, codec: PromptCodec, rows: int, conditions: Any, *, refuse_unknown: bool) -> None:
        super().__init__(codec.text, rows, refuse_unknown=refuse_unknown)
        single = isinstance(conditions, (str, int, float, bool, np.generic))
        given = [conditions] * rows if single else conditions
        self._codes = np.array(codec.codes(given, rows), np.int64)
        if len(self._codes) != rows:
            message = f"there are {len(self._codes)} conditions, and {rows} streams"
            raise DataError(message, code="E239", help="give one for all, or one for each")
        self._columns = len(codec.sizes)
        self._conditions = codec.sizes[-1]

    def first(self, rows: Sequence[int]) -> Reads:
        """What is read before any symbol."""
        return self._with_codes(np.array([self._places[row].ids for row in rows], np.int64), rows)

    def take(
        self, values: Sequence[Any], rows: Sequence[int], covariates: Any = None, past: Any = None
    ) -> Reads:
        """Read a symbol for each row."""
        ids, _, _, early = super().take(values, rows, covariates, past)
        assert ids is not None
        codes = self._codes[list(rows)].tolist()
        more = tuple((n, (*one, codes[n])[: self._columns]) for n, one in early)
        return self._with_codes(ids, rows)._replace(early=more)

    def take_one(self, symbol: Any) -> tuple[list[tuple[int, ...]], tuple[int, ...] | None]:
        """Read a symbol for the only row, quickly."""
        code = int(self._codes[0])
        return [(*ids, code)[: self._columns] for ids in super().take_one(symbol)[0]], None

    def state(self) -> Arrays:
        """The conditions' numbers (n,) beside the rest."""
        return super().state() | {"codes": self._codes.copy()}

    def restore(self, state: Arrays) -> None:
        """Go on from a state."""
        if not ((state["codes"] >= 0) & (state["codes"] < self._conditions)).all():
            raise UsageError(
                "the state's conditions are none of this model's", code="E165", help="begin anew"
            )
        super().restore(state)
        self._codes = state["codes"].astype(np.int64)

    def _with_codes(self, ids: Ids, rows: Sequence[int]) -> Reads:
        if self._columns == 1:
            return Reads(ids, None)
        return Reads(np.concatenate([ids, self._codes[list(rows)][:, None]], axis=1), None)


class MixedReading:
    """A symbol with its numbers."""

    def __init__(self, text: TextReading, numbers: NumberReading) -> None:
        self._text, self._numbers = text, numbers

    def take(
        self, values: Sequence[Any], rows: Sequence[int], covariates: Any = None, past: Any = None
    ) -> Reads:
        """Read ``(symbol, numbers)`` for each row; a text's end has the numbers of its last symbol."""
        if not all(is_pair(value) for value in values):
            bad = next(value for value in values if not is_pair(value))
            message = f"{short(bad)} is not a symbol with its numbers"
            raise DataError(message, code="E274", help="give (symbol, numbers)")
        numbers = self._numbers.take([value[1] for value in values], rows).channels
        return self._text.take([value[0] for value in values], rows, covariates, past)._replace(
            channels=numbers
        )

    def reset(self, rows: Sequence[int]) -> None:
        """Begin anew."""
        self._text.reset(rows)

    def state(self) -> Arrays:
        """The text's."""
        return self._text.state()

    def restore(self, state: Arrays) -> None:
        """Go on from a state."""
        self._text.restore(state)
