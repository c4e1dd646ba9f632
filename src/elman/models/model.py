"""A trained network: what is saved, loaded and run. NumPy and kernels only, no torch."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman import kernels
from elman.data.batch import batch_rows, pad
from elman.data.codec import LabelCodec, TextCodec
from elman.data.sequences import as_texts
from elman.nn.settings import NetworkSettings

Tensors = dict[str, NDArray[np.float32]]

BATCH_SIZE = 512
"""Rows that are run together. It changes the speed, not the answer (beyond the last bits in NumPy)."""


@dataclass(frozen=True, eq=False)
class Model:
    """A trained classifier of sequences.

    Made by ``SequenceClassifier.fit`` (as ``model_``) or by ``elman.load``.

    Attributes
    ----------
    task
        ``"classify"``.
    settings
        The network's settings.
    inputs, labels
        The codecs between a user's values and arrays.
    members
        The weights of each network, by tensor name; their probabilities are averaged.
    training
        What it was trained on: columns, counts, split, seed, versions (JSON values only).
    scores
        Scores on held-out data, as ``elman train`` prints them (JSON values only).
    """

    task: str
    settings: NetworkSettings
    inputs: TextCodec
    labels: LabelCodec
    members: tuple[Tensors, ...]
    training: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)

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

    def predict(self, X: Any) -> NDArray[Any]:
        """Give the most probable label of each sequence: (B,), of the type of the y it learnt from."""
        return self.labels.decode(self.predict_proba(X).argmax(axis=1))

    def predict_proba(
        self, X: Any, *, progress: Callable[[int, int], None] | None = None
    ) -> NDArray[np.float32]:
        """Give the probability of each class for each sequence: (B, K), rows summing to 1.

        Parameters
        ----------
        X
            B texts: a list, tuple, Series, object array or Arrow column. An empty text gets the answer of
            the first state.
        progress
            Called with (rows done, rows in all) now and then.
        """
        sequences = self.inputs.encode_all(as_texts(X))
        answer = np.empty((len(sequences), len(self.classes_)), np.float32)
        done = 0
        for rows, ids, lengths in _batches(sequences):
            answer[rows] = self._probabilities(ids, lengths)
            done += len(rows)
            if progress is not None:
                progress(done, len(sequences))
        return answer

    def unknown_symbols(self, X: Any) -> Counter[str]:
        """Count the symbols in ``X`` that were never seen in training; all are read as one unknown symbol."""
        return self.inputs.count_unknown(as_texts(X))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model file, whole or not at all (see ``elman.load``)."""
        from elman.models.saving import save

        save(self, path)

    def _probabilities(self, ids: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """Average the members' probabilities, in their order: (B, K)."""
        total = kernels.softmax(kernels.forward(self.settings, self.members[0], ids, lengths))
        for tensors in self.members[1:]:
            total = total + kernels.softmax(kernels.forward(self.settings, tensors, ids, lengths))
        return np.asarray(total / np.float32(len(self.members)), np.float32)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel between processes as the bytes of the model file."""
        from elman.models.saving import from_bytes, to_bytes

        return from_bytes, (to_bytes(self), "a pickled model")


def _batches(
    sequences: list[NDArray[np.int32]],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    for rows in batch_rows(lengths, BATCH_SIZE):
        yield rows, *pad([sequences[row] for row in rows])
