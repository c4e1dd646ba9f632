"""All settings of an estimator in one dataclass: the network's, the loop's, and how both meet the data."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, TypeVar

from elman.nn.settings import LossSettings, NetworkSettings
from elman.settings import setting
from elman.train.settings import LoopSettings


def usual_batch_size(rows: int) -> int:
    """Choose 16 to 128 rows: about a hundred updates an epoch, found on tables of 500 to 20,000 rows."""
    return int(2 ** min(7, max(4, round(math.log2(max(rows, 1) / 100)))))


def usual_epochs(rows: int) -> int:
    """Choose 4 to 16 epochs: small tables need more of them."""
    return min(16, max(4, round(4 * math.sqrt(8000 / max(rows, 1)))))


_Part = TypeVar("_Part", NetworkSettings, LoopSettings)


def with_default(kind: type, name: str, default: Any) -> Any:
    """Take a setting of ``kind`` as it is, but for its default."""
    known = {item.name: item for item in dataclasses.fields(kind)}
    return field(default=default, metadata=known[name].metadata)


@dataclass(kw_only=True, repr=False, eq=False)
class FitSettings(NetworkSettings, LoopSettings):
    """What every estimator lets one set; constructor, command line and docs read it from here."""

    members: int = setting(
        3, "Networks learnt from different first weights; their answers are averaged.", least=1
    )
    validation_fraction: float = setting(
        0.1, "Part of the training rows held out to decide when to stop.", least=0, most=0.9
    )
    refit: bool = setting(
        True, "Once validation has shown for how long to learn, learn from all rows for so long."
    )
    device: str = setting(
        "auto",
        'Where to learn; "auto" is the CPU, which wins at these sizes.',
        choices=("auto", "cpu", "cuda"),
    )
    verbose: bool = setting(False, "Print a line after every epoch.")

    def network_settings(self) -> NetworkSettings:
        """Pick out what the network is made of (this part is saved with the model)."""
        return _part(NetworkSettings, self)

    def loop_settings(self, random_state: int, batch_size: int, epochs: int) -> LoopSettings:
        """Pick out how one network learns: its seed, in batches of what size, and for how long at most."""
        values = _part(LoopSettings, self)
        return dataclasses.replace(
            values, random_state=random_state, batch_size=batch_size, max_epochs=epochs
        )


@dataclass(kw_only=True, repr=False, eq=False)
class Settings(FitSettings):
    """What can be set to classify texts."""

    unit: str = setting("character", "What one step of a text is.", choices=("character", "byte", "word"))
    sampling: str = setting(
        "rows",
        "What an update learns: each row once an epoch, or rows drawn by class, all classes equally often.",
        choices=("rows", "classes"),
    )
    updates_per_epoch: int | None = setting(
        None, "Updates in an epoch if rows are drawn by class; none: as many as pass over them once.", least=1
    )
    scaling: str = setting(
        "standard",
        "Bring each feature to mean 0 and deviation 1, or leave it.",
        choices=("standard", "none"),
    )
    calibrate: bool = setting(
        False,
        "Divide the logits by a temperature, found on validation rows, so that probabilities mean it.",
    )
    class_weight: str | dict[object, float] | None = setting(
        None, 'Weight of each class: "balanced" makes all classes count alike, none counts rows alike.'
    )


@dataclass(kw_only=True, repr=False, eq=False)
class NumberSettings(FitSettings, LossSettings):
    """What can be set to tag or forecast numbers."""

    recurrence: str = with_default(NetworkSettings, "recurrence", "lstm")
    hidden_size: int = with_default(NetworkSettings, "hidden_size", 32)
    dropout: float = with_default(NetworkSettings, "dropout", 0.0)
    learning_rate: float = with_default(LoopSettings, "learning_rate", 0.01)
    patience: int | None = with_default(LoopSettings, "patience", None)
    members: int = with_default(FitSettings, "members", 1)
    scaling: str = with_default(Settings, "scaling", "standard")
    stateful: bool = setting(
        False,
        "Learn each sequence from its start to its end in chunks, the state carried from one to the next.",
    )
    tbptt: int | None = setting(
        None,
        "Steps through which gradients flow: those of a chunk if stateful, else of a window; none chooses.",
        least=1,
    )
    input_noise: float = setting(
        0.0, "Standard deviation of the noise added to the scaled inputs while learning.", least=0
    )


@dataclass(kw_only=True, repr=False, eq=False)
class TagSettings(NumberSettings):
    """What can be set to tag steps."""

    unit: str = with_default(Settings, "unit", "character")
    answers: str = setting(
        "auto",
        "What a target is: a label or a number; auto: texts and truth values are labels.",
        choices=("auto", "labels", "numbers"),
    )


@dataclass(kw_only=True, repr=False, eq=False)
class ForecastSettings(NumberSettings):
    """What can be set to forecast."""

    horizon: int = setting(
        1, "Steps ahead that are said at once; beyond them what is said is what is read next.", least=1
    )
    normalise: str = setting(
        "none",
        "What a value is measured by: itself, the last value (changes), or the mean size so far.",
        choices=("none", "last", "scale"),
    )
    intervals: bool = setting(
        True, "Find, by forecasts of what was held out, how wide an interval around a forecast must be."
    )
    covariates_known: bool = setting(
        True,
        "Whether covariates are known for the steps ahead too, as a calendar is; else only for the past.",
    )


@dataclass(kw_only=True, repr=False, eq=False)
class RegressSettings(FitSettings):
    """What can be set to say numbers of whole sequences."""

    dropout: float = with_default(NetworkSettings, "dropout", 0.0)
    patience: int | None = with_default(LoopSettings, "patience", None)
    members: int = with_default(FitSettings, "members", 1)
    unit: str = with_default(Settings, "unit", "character")
    scaling: str = with_default(NumberSettings, "scaling", "standard")


@dataclass(kw_only=True, repr=False, eq=False)
class WriteSettings(FitSettings):
    """What can be set to generate texts."""

    recurrence: str = with_default(NetworkSettings, "recurrence", "lstm")
    hidden_size: int = with_default(NetworkSettings, "hidden_size", 256)
    embedding_size: int = with_default(NetworkSettings, "embedding_size", 64)
    ngrams: int = with_default(NetworkSettings, "ngrams", 1)
    dropout: float = with_default(NetworkSettings, "dropout", 0.3)
    input_dropout: float = with_default(NetworkSettings, "input_dropout", 0.0)
    ngram_dropout: float = with_default(NetworkSettings, "ngram_dropout", 0.1)
    members: int = with_default(FitSettings, "members", 1)
    unit: str = with_default(Settings, "unit", "character")


def _part(kind: type[_Part], values: FitSettings) -> _Part:
    return kind(**{item.name: getattr(values, item.name) for item in dataclasses.fields(kind)})
