"""One value in, one answer out, the state kept between."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elman import kernels
from elman.data.codec import LabelCodec
from elman.errors import UsageError
from elman.models.answers import mean_of, narrow
from elman.models.stream_network import LONGEST_PREFIX, CausalNetwork, PrefixNetwork
from elman.models.stream_numbers import FormReading
from elman.models.stream_reading import PromptReading, TextReading, reading_of
from elman.models.stream_reads import Arrays, Floats

if TYPE_CHECKING:
    from elman.models.model import Model

UNKNOWN = ("read", "refuse")


class PrefixStreamWarning(UserWarning):
    """A network that reads both ways streams slowly: it reads all steps again at each one."""


class Step(NamedTuple):
    """What a model says after a step; of many streams, arrays with a row for each.

    Attributes
    ----------
    label
        The most probable label, of the type of training; None of a model that answers with numbers.
    probabilities
        float32 (K,), in the order of ``model.classes_``; None of a model that answers with numbers.
    value
        The number, or the numbers (K,), in the user's units; of a forecaster the next value. None of a model
        that answers with labels.
    ahead
        Of a forecaster that says several steps at once: all of them, (H,) or (H, D).
    """

    label: Any = None
    probabilities: Any = None
    value: Any = None
    ahead: Any = None


class Stream:
    """A model that reads one step at a time, made by ``Model.stream``.

    After each step it says, to the bit, what the model says of the whole sequence up to there.

    Attributes
    ----------
    model
        The model.
    sessions
        None of a single stream; n of n streams that step together.
    first
        What a generator says before any symbol; None of other models.
    """

    def __init__(
        self, model: Model, sessions: int | None = None, *, condition: Any = None, unknown: str = "read"
    ) -> None:
        rows = _check_sessions(model, sessions)
        if unknown not in UNKNOWN:
            raise UsageError(f"unknown must be read or refuse, not {unknown!r}", code="E111", help="read")
        self.model, self.sessions = model, sessions
        self._given = {"condition": condition, "unknown": unknown}
        self._all = list(range(rows))
        self._reading = reading_of(model, rows, condition, refuse_unknown=unknown == "refuse")
        self._network: CausalNetwork | PrefixNetwork = (
            CausalNetwork(model, rows) if model.causal else PrefixNetwork(model)
        )
        self._quick = self._quick_way()
        self._labels = model.classes_ if isinstance(model.targets, LabelCodec) else None
        self._plain_labels = None if self._labels is None else self._labels.tolist()
        self._steps = np.zeros(rows, np.int64)
        self.first = self._begin(self._all)

    @property
    def steps(self) -> Any:
        """How many values were read since the beginning: a number, or (n,) of n streams."""
        return int(self._steps[0]) if self.sessions is None else self._steps.copy()

    @property
    def answers_labels(self) -> bool:
        """Whether it says labels, with probabilities; otherwise numbers."""
        return self._labels is not None

    @property
    def width(self) -> int:
        """How many numbers, or probabilities, an answer has."""
        if self._labels is not None:
            return len(self._labels)
        form = self._reading.form if isinstance(self._reading, FormReading) else None
        return self.model.numbers.features if form is None else form.values

    def step(
        self, value: Any, *, rows: Sequence[int] | None = None, covariates: Any = None, past: Any = None
    ) -> Step:
        """Read one value and answer.

        Parameters
        ----------
        value
            A symbol; a number, or D of them; ``(symbol, numbers)`` of a model that reads both. Of n streams
            a value for each, or for each of ``rows``.
        rows
            Which of n streams step, each once; None: all. The others stay as they are.
        covariates, past
            Of a forecaster that learnt with them: those of the H steps ahead (H, C) that are known, and
            those of this step (P,) that are not known ahead. Of n streams with a first axis for them.

        Returns
        -------
        The answer after this step; of n streams with a row for each that stepped.

        Raises
        ------
        UsageError, DataError
            If a value cannot be read; no stream has moved then.
        """
        if self.sessions is None:
            return self._step_one(value, rows, covariates, past)
        places = self._all if rows is None else _checked_rows(rows, len(self._all))
        if isinstance(value, str) or not hasattr(value, "__len__") or len(value) != len(places):
            message = f"{len(places)} streams step, so {len(places)} values are needed"
            raise UsageError(message, code="E239", help="give one for each; rows= says which streams step")
        if not places:
            message = "no stream was chosen to step"
            raise UsageError(message, code="E110", help="rows: at least one")
        reads = self._reading.take(value, places, covariates, past)
        said = self._said(self._network.step(reads, None if rows is None else np.array(places)))
        self._steps[places] += 1
        return self._answers(said, places)

    def _step_one(self, value: Any, rows: Any, covariates: Any, past: Any) -> Step:
        if rows is not None:
            raise UsageError("a single stream has no rows", code="E110", help="model.stream(n) makes n")
        if self._quick is not None and covariates is None and past is None:
            reading, network = self._quick
            parts = network.read(*reading.take_one(value), shares=self._labels is not None)
            said = mean_of(parts) if len(parts) > 1 else parts[0]
        else:
            beside = [None if given is None else [given] for given in (covariates, past)]
            reads = self._reading.take([value], self._all, *beside)
            said = self._said(self._network.step(reads, None))
        self._steps[0] += 1
        if self._plain_labels is not None:
            return Step(self._plain_labels[int(said[0].argmax())], said[0])
        return Step(*(None if part is None else _single(part[0]) for part in self._answers(said, self._all)))

    def _quick_way(self) -> tuple[TextReading, CausalNetwork] | None:
        """How a single stream of symbols steps: one call for each network, no arrays made on the way."""
        reading, network = self._reading, self._network
        if self.sessions is None and isinstance(reading, TextReading) and isinstance(network, CausalNetwork):
            return (reading, network) if network.reads else None
        return None

    def _said(self, parts: list[Floats]) -> Floats:
        """Average what the members say, as ``Model.predict`` does."""
        if self._labels is not None:
            parts = [kernels.softmax(part) for part in parts]
        return mean_of(parts) if len(parts) > 1 else parts[0]

    def _answers(self, said: Floats, places: list[int]) -> Step:
        if self._labels is not None:
            return Step(self._labels[said.argmax(axis=1)], said)
        values = self.model.numbers.decode(said)
        if isinstance(self._reading, FormReading):
            ahead = narrow(self._reading.in_units(values, places))
            return Step(value=ahead[:, 0], ahead=ahead if ahead.shape[1] > 1 else None)
        return Step(value=narrow(values))

    def reset(self, rows: Sequence[int] | None = None) -> None:
        """Begin anew; of n streams all, or only ``rows``."""
        self._begin(self._all if rows is None else _checked_rows(rows, len(self._all)))

    def _begin(self, places: list[int]) -> Step | None:
        self._reading.reset(places)
        self._network.reset(places)
        self._steps[places] = 0
        if not isinstance(self._reading, PromptReading) or not places:
            return None
        said = self._said(self._network.step(self._reading.first(places), np.array(places)))
        found = self._answers(said, places)
        return found if self.sessions is not None else Step(self._plain(found.label[0]), said[0])

    def _plain(self, label: Any) -> Any:
        return label.item() if hasattr(label, "item") else label

    @property
    def state(self) -> Arrays:
        """All that is carried on, as plain arrays by name; copies. Set it to go on from there."""
        reading = {f"reading.{name}": array for name, array in self._reading.state().items()}
        return {"steps": self._steps.copy(), **reading, **self._network.state()}

    @state.setter
    def state(self, state: Arrays) -> None:
        wanted = {name: array.shape for name, array in self.state.items()}
        given = {name: np.asarray(array) for name, array in state.items()}
        if wanted.keys() != given.keys() or any(
            given[name].shape != shape for name, shape in wanted.items() if name != "prefix"
        ):
            message = "the state is not one of such a stream: its arrays have other names or shapes"
            raise UsageError(message, code="E165", help="take it from a stream of the same model")
        kept = self.state
        try:
            self._restore(given)
        except UsageError:
            self._restore(kept)
            raise

    def _restore(self, state: Arrays) -> None:
        ahead = "reading."
        self._reading.restore({n[len(ahead) :]: array for n, array in state.items() if n.startswith(ahead)})
        self._network.restore(state)
        self._steps = state["steps"].astype(np.int64)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state to a file, whole or not at all; ``load`` goes on from it."""
        from elman.models.stream_state import save

        save(self, path)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Go on from the state in a file.

        Raises
        ------
        ModelFileError
            If the file is missing, damaged, or holds the state of another model or of more streams.
        """
        from elman.models.stream_state import load

        load(self, path)

    def __deepcopy__(self, memo: dict[int, Any]) -> Stream:
        """A stream of its own that goes on from here; the model is shared."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PrefixStreamWarning)
            other = Stream(self.model, self.sessions, **self._given)
        other.state = self.state
        return other


def _check_sessions(model: Model, sessions: Any) -> int:
    """Give how many streams are meant; a network that reads both ways has one, which is said."""
    if sessions is not None and (
        isinstance(sessions, bool) or not hasattr(sessions, "__index__") or sessions < 1
    ):
        message = f"a model streams at least 1 sequence, not {sessions!r}"
        raise UsageError(message, code="E110", help="model.stream(n): n streams that step together")
    if not model.causal:
        check_causal(model, "several streams" if sessions is not None else "")
        message = (
            "this network reads both ways, so each step reads all steps again; it streams at most"
            f" {LONGEST_PREFIX} steps"
        )
        warnings.warn(message, PrefixStreamWarning, stacklevel=4)
    return 1 if sessions is None else int(sessions)


def check_causal(model: Model, wanted: str) -> None:
    """Raise ``UsageError`` if a network that reads both ways is asked for what only others can."""
    if wanted and not model.causal:
        message = f"{wanted} need{'' if wanted.endswith('s') else 's'} a network that reads forwards only"
        raise UsageError(message, code="E129", help="learn with causal = true")


def _checked_rows(rows: Sequence[int], count: int) -> list[int]:
    places = [int(row) for row in rows]
    if len(set(places)) < len(places) or any(not 0 <= row < count for row in places):
        message = f"rows must be streams from 0 to {count - 1}, each once"
        raise UsageError(message, code="E110", help="a stream takes one step at a time")
    return places


def _single(part: NDArray[Any]) -> Any:
    """One number, or the array."""
    return part.item() if np.ndim(part) == 0 else part
