"""A trained network: what is saved, loaded and run. NumPy and kernels only, no torch."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman.data.codec import LabelCodec, TextCodec
from elman.data.numbers import NumberCodec
from elman.data.sequences import as_texts
from elman.errors import UsageError
from elman.models import answers
from elman.nn.settings import NetworkSettings

Tensors = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Model:
    """A trained network with its codecs.

    Made by an estimator's ``fit`` (as ``model_``) or by ``elman.load``.

    Attributes
    ----------
    task
        ``"classify"``: one label per sequence; ``"tag"``: numbers at every step; ``"forecast"``: the next
        values of a series.
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
    """

    task: str
    settings: NetworkSettings
    inputs: TextCodec | NumberCodec
    targets: LabelCodec | NumberCodec
    members: tuple[Tensors, ...]
    training: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)

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

    def predict(self, X: Any, horizon: int | None = None) -> Any:
        """Answer each of B sequences.

        Parameters
        ----------
        X
            Texts, or sequences of numbers (T,) or (T, D) in the units of training.
        horizon
            To forecast only: how many steps to go beyond the end of each series; None is 1. What the network
            says is what it reads next.

        Returns
        -------
        To classify: the most probable labels (B,), of the type of the y it learnt from. To tag: B arrays
        (T,), or (T, K) if a step has several numbers; one array if X is one. To forecast: (B, horizon), or
        (B, horizon, D).

        Raises
        ------
        UsageError, DataError
            If a sequence cannot be read, or a horizon is given that has no meaning.
        """
        answer = answers.TASKS[self.task].answer
        if horizon is None:
            return answer(self, X)
        if self.task != "forecast":
            raise self._cannot("only a forecast has a horizon")
        return answer(self, X, horizon)

    def predict_steps(self, series: Any) -> Any:
        """Give the next value after every step of each series: B arrays (T,) or (T, D); one array for one."""
        if self.task != "forecast":
            raise self._cannot("only a forecaster knows a next value")
        return answers.tag(self, series)

    def predict_proba(
        self, X: Any, *, progress: Callable[[int, int], None] | None = None
    ) -> NDArray[np.float32]:
        """Give the probability of each class for each sequence: (B, K), rows summing to 1.

        Parameters
        ----------
        X
            B texts: a list, tuple, Series, object array or Arrow column; or B sequences of numbers. An empty
            one gets the answer of the first state.
        progress
            Called with (rows done, rows in all) now and then.
        """
        if self.task != "classify":
            raise self._cannot("only a classifier has probabilities")
        return answers.probabilities(self, answers.encode(self, X), progress)

    def unknown_symbols(self, X: Any) -> Counter[str]:
        """Count the symbols in ``X`` that were never seen in training; all are read as one unknown symbol."""
        return self.inputs.count_unknown(as_texts(X)) if isinstance(self.inputs, TextCodec) else Counter()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model file, whole or not at all (see ``elman.load``)."""
        from elman.models.saving import save

        save(self, path)

    def _cannot(self, reason: str) -> UsageError:
        return UsageError(f"this model learnt to {self.task}: {reason}", code="E133", help="use predict(X)")

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes as the bytes of the model file."""
        from elman.models.saving import from_bytes, to_bytes

        return from_bytes, (to_bytes(self), "a pickled model")
