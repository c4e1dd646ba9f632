"""All settings of an estimator in one dataclass: the network's, the loop's, and how both meet the data."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TypeVar

from elman.nn.settings import NetworkSettings
from elman.settings import setting
from elman.train.settings import LoopSettings


def usual_batch_size(rows: int) -> int:
    """Choose 16 to 128 rows: about a hundred updates an epoch, found on tables of 500 to 20,000 rows."""
    return int(2 ** min(7, max(4, round(math.log2(max(rows, 1) / 100)))))


def usual_epochs(rows: int) -> int:
    """Choose 4 to 16 epochs: small tables need more of them."""
    return min(16, max(4, round(4 * math.sqrt(8000 / max(rows, 1)))))


_Part = TypeVar("_Part", NetworkSettings, LoopSettings)


@dataclass(kw_only=True, repr=False, eq=False)
class Settings(NetworkSettings, LoopSettings):
    """What can be set, each with its sentence; constructor, command line and docs read it from here."""

    unit: str = setting("character", "What one step of a text is.", choices=("character", "byte", "word"))
    members: int = setting(
        3, "Networks learnt from different first weights; their answers are averaged.", least=1
    )
    validation_fraction: float = setting(
        0.1, "Part of the training rows held out to decide when to stop.", least=0, most=0.9
    )
    refit: bool = setting(
        True, "Once validation has shown for how long to learn, learn from all rows for so long."
    )
    class_weight: str | dict[object, float] | None = setting(
        None, 'Weight of each class: "balanced" makes all classes count alike, none counts rows alike.'
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

    def loop_settings(self, random_state: int, rows: int, epochs: int | None) -> LoopSettings:
        """Pick out how one network learns from so many rows: its seed, and for how long if that is known."""
        values = _part(LoopSettings, self)
        return dataclasses.replace(
            values,
            random_state=random_state,
            batch_size=values.batch_size or usual_batch_size(rows),
            max_epochs=epochs or values.max_epochs or usual_epochs(rows),
        )


def _part(kind: type[_Part], values: Settings) -> _Part:
    return kind(**{item.name: getattr(values, item.name) for item in dataclasses.fields(kind)})
