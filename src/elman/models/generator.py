"""What learns to write: the next symbol of texts, under a condition if there are any."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman.data.codec import TextCodec
from elman.data.prompt import PromptCodec, next_codec
from elman.data.sequences import as_labels, as_texts, check_same_length
from elman.data.split import split
from elman.errors import UsageError, missing_extra
from elman.models import examples
from elman.models.examples import Examples
from elman.models.model import Model
from elman.models.reading import fingerprint, starting
from elman.models.settings import WriteSettings, usual_batch_size, usual_epochs
from elman.settings import check_settings

try:
    from sklearn.base import BaseEstimator
    from sklearn.utils.validation import check_is_fitted
except ImportError as error:
    raise missing_extra("scikit-learn", "train", "learning") from error
try:
    from elman.models.fitting import about, fit_steps, run_all, seed_of, settings_that_matter
    from elman.models.learning import FitProgress, Learning, Plan, Reading
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise missing_extra("torch", "train", "learning") from error

EPOCHS = 3
"""How many times as long as to classify; found on the names."""


@dataclass(kw_only=True, repr=False, eq=False)
class SequenceGenerator(BaseEstimator, WriteSettings):  # type: ignore[misc]
    """Learn to write texts, symbol by symbol, with a recurrent network.

    The settings are keyword arguments; ``elman train --help`` and the docs list each with its sentence.

    Attributes
    ----------
    model_
        The ``Model``: what is saved and what writes. No torch is needed to use it.
    history_
        A record for each epoch and member: epoch, loss, validation_loss, learning_rate.
    """

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        groups: Any = None,
        start: Model | None = None,
        checkpoint: str | Path | None = None,
    ) -> SequenceGenerator:
        """Learn from texts.

        Parameters
        ----------
        X
            B texts.
        y
            (B,) conditions, such as the origin of a name; None: there are none.
        groups
            (B,) rows of one group stay on one side of the validation split; by default equal texts do.
        start
            A model of the same settings to go on from; its codecs are kept.
        checkpoint
            A file to keep the run in when it is interrupted, and to go on from if it is there.

        Raises
        ------
        DataError
            If a text or condition cannot be used: which row, why, and what to do.
        DivergedError
            If the loss becomes NaN; ``model_`` then holds the best weights so far.
        """
        run_all(self.fit_iter(X, y, groups=groups, start=start, checkpoint=checkpoint), self.verbose)
        return self

    def fit_iter(
        self,
        X: Any,
        y: Any = None,
        *,
        groups: Any = None,
        start: Model | None = None,
        checkpoint: str | Path | None = None,
    ) -> Generator[FitProgress, None, None]:
        """Learn as ``fit`` does, yielding progress after every update; ``break`` keeps the best so far."""
        check_settings(self)
        if not self.causal or self.ngrams > 1 or self.symbols == "one-hot":
            wrong = (
                "causal = false"
                if not self.causal
                else f"ngrams = {self.ngrams}"
                if self.ngrams > 1
                else "symbols = one-hot"
            )
            message = f"{wrong} has no meaning here: what is written is read symbol by symbol, forwards"
            raise UsageError(message, code="E172", help="leave it out")
        yield from fit_steps(self._plan(X, y, groups, start), self, checkpoint, self._finish)

    def generate(self, n: int = 1, prime: str = "", **options: Any) -> list[str]:
        """Draw ``n`` texts; see ``Model.generate``."""
        check_is_fitted(self, "model_")
        return self.model_.generate(n, prime, **options)

    def predict(self, X: Any) -> list[NDArray[Any]]:
        """Give the most probable next symbol after each step of each text, from its beginning."""
        check_is_fitted(self, "model_")
        found: list[NDArray[Any]] = self.model_.predict(X)
        return found

    def score(self, X: Any, y: Any = None) -> float:
        """Give the mean log-probability of a symbol; the perplexity is exp of its opposite."""
        from elman.models.writing_scores import log_loss

        check_is_fitted(self, "model_")
        return -log_loss(self.model_, as_texts(X), y)

    def save(self, path: str | Path) -> None:
        """Write the model file, whole or not at all; ``elman.load`` reads it."""
        check_is_fitted(self, "model_")
        self.model_.save(path)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that rows are texts, not lines of a numeric table."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.target_tags.required = False
        return tags

    def _plan(self, X: Any, y: Any, groups: Any, start: Model | None = None) -> Plan:
        """Check everything, fit the codecs, split off validation rows: all before learning starts."""
        texts = as_texts(X)
        examples.check_texts(texts)
        conditions = None if y is None else as_labels(y)
        if conditions is not None:
            check_same_length(texts, conditions.tolist())
        seed = seed_of(self.random_state)
        self.inputs_ = PromptCodec(text=TextCodec(unit=self.unit, edges=True, min_count=1)).fit(
            texts, conditions
        )
        self.targets_ = next_codec(self.inputs_)
        if start is not None:
            self._take(start, conditions is not None)
        encoded = self.inputs_.encode_all(texts, conditions)
        learnt = Examples(encoded, self.inputs_.targets(texts, self.targets_), None)
        keys = examples.input_keys(texts) if groups is None else list(groups)
        strata = [0] * len(texts) if conditions is None else conditions
        folds = [split(keys, strata, self.validation_fraction, seed + m) for m in range(self.members)]
        self.rows_ = {"training": len(folds[0][0]), "validation": len(folds[0][1])}
        everything = np.arange(len(texts)) if self.refit and len(folds[0][1]) else None
        identity = {
            "settings": settings_that_matter(self, seed),
            "rows": fingerprint(texts, "text", conditions),
        }
        reading = Reading(
            self.inputs_.sizes, len(self.targets_.classes_), 0, "tag", "nll", starting(start, self.members)
        )
        size = self.batch_size or usual_batch_size(len(folds[0][0]))
        updates = EPOCHS * usual_epochs(len(texts)) * -(-len(folds[0][0]) // size)
        return Plan(learnt, folds, everything, reading, seed, identity, updates=updates)

    def _take(self, start: Model, conditioned: bool) -> None:
        """Take the codecs of the model to go on from."""
        if not isinstance(start.inputs, PromptCodec) or (start.inputs.conditions is not None) != conditioned:
            message = "the model to go on from writes no texts, or under other conditions"
            raise UsageError(
                message, code="E177", help="give one that learnt to generate, with conditions as here"
            )
        self.inputs_, self.targets_ = start.inputs, start.labels

    def _finish(self, learning: Learning) -> None:
        self.history_ = learning.history
        if learning.networks:
            self.model_ = Model(
                "generate",
                self.network_settings(),
                self.inputs_,
                self.targets_,
                tuple(learning.members()),
                about(learning, rows=self.rows_),
            )
