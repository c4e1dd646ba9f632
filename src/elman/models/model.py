"""A trained network: what is saved, loaded and run. NumPy and kernels only, no torch."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from elman.data.codec import LabelCodec
from elman.data.kinds import Reader
from elman.data.numbers import NumberCodec
from elman.errors import UsageError
from elman.models import answers
from elman.nn.settings import NetworkSettings

if TYPE_CHECKING:
    from elman.models.few import Stepping
    from elman.models.stream import Stream
    from elman.models.trace import Trace

Tensors = dict[str, NDArray[np.float32]]

ABLE = {"forecast": ("predict_steps", "predict_interval"), "generate": ("generate",)}
"""What only models of a task can."""


@dataclass(frozen=True, eq=False)
class Model:
    """A trained network with its codecs.

    Made by an estimator's ``fit`` (as ``model_``) or by ``elman.load``.

    Attributes
    ----------
    task
        ``"classify"``, ``"regress"``: one label, or some numbers, per sequence; ``"tag"``: a label or numbers
        at every step; ``"forecast"``: the next values of a series; ``"generate"``: the next symbols.
    settings
        The network's settings.
    inputs, targets
        The codecs between a user's values and arrays.
    members
        The weights of each network, by tensor name; their answers (probabilities, if they classify) are
        averaged.
    training
        What it was trained on: columns, counts, split, seed, versions (JSON values only).
    scores
        Scores on held-out data, as ``elman train`` prints them (JSON values only).
    details
        What else a task needs to answer (JSON values only): of a forecast its horizon and covariates.
    """

    task: str
    settings: NetworkSettings
    inputs: Reader
    targets: LabelCodec | NumberCodec
    members: tuple[Tensors, ...]
    training: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def labels(self) -> LabelCodec:
        """The codec of the labels; ``UsageError`` if the answers are none."""
        if not isinstance(self.targets, LabelCodec):
            raise self._cannot("its answers are numbers, not labels")
        return self.targets

    @property
    def numbers(self) -> NumberCodec:
        """The codec of the numbers that it answers; ``UsageError`` if the answers are labels."""
        if not isinstance(self.targets, NumberCodec):
            raise self._cannot("its answers are labels, not numbers")
        return self.targets

    @property
    def classes_(self) -> NDArray[Any]:
        """The labels that it can answer, sorted; column k of ``predict_proba`` is ``classes_[k]``."""
        return self.labels.classes_

    @property
    def causal(self) -> bool:
        """Whether an answer needs only the steps so far, so that a stream costs O(1) a step."""
        return bool(self.settings.causal)

    @cached_property
    def parameters(self) -> int:
        """How many numbers were learnt, all members together."""
        return sum(tensor.size for member in self.members for tensor in member.values())

    @cached_property
    def stepping(self) -> Stepping:
        """Its networks, packed once, for a few short texts."""
        from elman.models.few import Stepping

        return Stepping(self)

    def predict(
        self,
        X: Any,
        horizon: int | None = None,
        *,
        covariates: Any = None,
        future: Any = None,
        past: Any = None,
    ) -> Any:
        """Answer each of B sequences.

        Parameters
        ----------
        X
            Texts, sequences of numbers (T,) or (T, D) in the units of training, or texts with numbers.
        horizon
            To forecast only: how many steps to go beyond the end of each series; None is what the network
            says at once. Beyond that, what it says is what it reads next.
        covariates, future, past
            To forecast only: the covariates of each step (T, C) that are known ahead, those of the steps
            ahead (horizon, C), and those of each step (T, P) that are not.

        Returns
        -------
        To classify: the most probable labels (B,), of the type of the y it learnt from. To regress: (B,) or
        (B, K). To tag: B arrays (T,), or (T, K) if a step has several numbers; one array if X is one. To
        forecast: (B, horizon), or (B, horizon, D). To generate: the likeliest next symbols, B arrays.

        Raises
        ------
        UsageError, DataError
            If a sequence cannot be read, or a horizon is given that has no meaning.
        """
        if self.task == "forecast":
            from elman.models import forecasts

            return forecasts.predict(self, X, horizon, covariates, future, past)
        if any(given is not None for given in (horizon, covariates, future, past)):
            raise self._cannot("only a forecast has a horizon and covariates")
        return answers.TASKS[self.task].answer(self, X)

    def predict_steps(self, series: Any, *, covariates: Any = None, past: Any = None) -> Any:
        """Give the next value after every step of each series: B arrays (T,) or (T, D); one array for one.

        With covariates that are known ahead, (T, C) are enough; the last step's answer then knows none, and
        is NaN.
        """
        if self.task != "forecast":
            raise self._cannot("only a forecaster knows a next value")
        from elman.models import forecasts

        return forecasts.predict_steps(self, series, covariates, past)

    def predict_interval(
        self,
        series: Any,
        horizon: int | None = None,
        *,
        coverage: float = 0.9,
        covariates: Any = None,
        future: Any = None,
        past: Any = None,
    ) -> Any:
        """Give the ends between which the next values lie with this probability: (B, horizon[, D], 2).

        They are found by split conformal prediction on what was held out while learning, and widened where
        the last forecasts of a series were missed more often than promised.
        """
        if self.task != "forecast":
            raise self._cannot("only a forecast has intervals")
        from elman.models import forecasts

        return forecasts.predict_interval(self, series, horizon, coverage, covariates, future, past)

    def predict_proba(self, X: Any, *, progress: Callable[[int, int], None] | None = None) -> Any:
        """Give the probability of each class for each sequence: (B, K), rows summing to 1.

        A tagger gives them at every step: B arrays (T, K); a generator those of each next symbol.

        Parameters
        ----------
        X
            B texts: a list, tuple, Series, object array or Arrow column; or B sequences of numbers. An empty
            one gets the answer of the first state.
        progress
            Called with (rows done, rows in all) now and then.
        """
        if not isinstance(self.targets, LabelCodec):
            raise self._cannot("its answers are numbers, so it has no probabilities")
        if self.task != "classify":
            return answers.step_probabilities(self, answers.encode(self, X))
        return answers.probabilities(self, answers.encode(self, X), progress)

    def generate(
        self,
        n: int = 1,
        prime: str = "",
        *,
        condition: Any = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        longest: int = 200,
        seed: int | None = None,
    ) -> list[str]:
        """Draw ``n`` texts, symbol by symbol.

        Parameters
        ----------
        prime
            How every text begins.
        condition
            What they are to be like: one of the conditions of training; None: whatever comes.
        temperature
            The logits are divided by it: below 1 the likely becomes likelier; near 0 the likeliest is taken.
        top_k
            Only so many of the likeliest symbols are drawn from.
        top_p
            Only the likeliest symbols are drawn from whose probabilities add up to this.
        longest
            Symbols after which a text is cut.
        seed
            The same seed gives the same texts; None draws anew.

        Raises
        ------
        UsageError, DataError
            If this model generates nothing, or an argument has no meaning.
        """
        if self.task != "generate":
            raise self._cannot("only a generator writes texts")
        from elman.models.writing import Draw, write

        return write(self, n, prime, condition, Draw(temperature, top_k, top_p), longest, seed)

    def stream(self, sessions: int | None = None, *, condition: Any = None, unknown: str = "read") -> Stream:
        """Read one step at a time: ``stream().step(value)`` answers after each, to the bit as ``predict``.

        Parameters
        ----------
        sessions
            n: that many streams in one object, which step together; None: one.
        condition
            To generate only: what the text is like, one for all or one for each stream.
        unknown
            "read": a symbol that was not seen in training is read as the unknown one, as ``predict`` does;
            "refuse": it raises ``DataError``, and the state stays as it was.

        Returns
        -------
        A ``Stream``. A network that reads both ways (``causal`` is False) runs its prefix again at each step,
        up to 512 of them, which a warning says.
        """
        from elman.models.stream import Stream

        return Stream(self, sessions, condition=condition, unknown=unknown)

    def trace(self, x: Any, *, covariates: Any = None, past: Any = None) -> Trace:
        """Look inside: every state, gate and belief over one sequence ``x``, at every step.

        Returns
        -------
        A ``Trace``: plain arrays, and ``draw(path)`` for the picture. ``covariates`` and ``past`` are for a
        forecaster that learnt with them.

        Raises
        ------
        UsageError, DataError
            If the sequence cannot be read, is empty, or has more than 10,000 steps.
        """
        from elman.models.trace import trace

        return trace(self, x, covariates, past)

    def unknown_symbols(self, X: Any) -> Counter[str]:
        """Count the symbols in ``X`` that were never seen in training; all are read as one unknown symbol."""
        return Counter() if isinstance(self.inputs, NumberCodec) else self.inputs.count_unknown(X)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model file, whole or not at all (see ``elman.load``)."""
        from elman.models.saving import save

        save(self, path)

    def _cannot(self, reason: str) -> UsageError:
        able = [
            "predict",
            *["predict_proba"] * isinstance(self.targets, LabelCodec),
            *ABLE.get(self.task, ()),
        ]
        help_ = f"it can {', '.join([*able, 'stream', 'trace'])}"
        return UsageError(f"this model learnt to {self.task}: {reason}", code="E133", help=help_)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes as the bytes of the model file."""
        from elman.models.saving import from_bytes, to_bytes

        return from_bytes, (to_bytes(self), "a pickled model")
