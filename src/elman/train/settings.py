"""How a network learns: the settings of the loop, each with its sentence. No torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from elman.settings import setting


@dataclass(kw_only=True)
class LoopSettings:
    """What can be set about learning."""

    learning_rate: float = setting(0.004, "Largest size of an update; the schedule lowers it.", above=0)
    optimizer: str = setting(
        "adamw", "Rule that turns gradients into updates.", choices=("adam", "adamw", "sgd")
    )
    momentum: float = setting(
        0.9,
        "How much of its last update sgd repeats; 0 is plain sgd, w -= rate * gradient.",
        least=0,
        most=0.9999,
    )
    beta2: float = setting(
        0.99, "How slowly adam and adamw forget the size of past gradients.", least=0, most=0.99999
    )
    schedule: str = setting(
        "cosine",
        "How the learning rate falls over the planned updates.",
        choices=("constant", "linear", "cosine", "onecycle"),
    )
    warm_up: float = setting(
        0.15,
        "Part of the updates over which the learning rate rises first; not if constant.",
        least=0,
        most=1,
    )
    batch_size: int | None = setting(None, "Rows in an update; none chooses by the number of rows.", least=1)
    max_epochs: int | None = setting(
        None, "Most passes over the training rows; none chooses by their number.", least=1
    )
    max_minutes: float | None = setting(
        None, "Stop learning after so many minutes; none is no limit.", above=0
    )
    patience: int | None = setting(
        3, "Stop after so many epochs without a better validation loss; none is never.", least=1
    )
    clip: float | None = setting(
        1.0, "Largest norm of the gradient; a longer one is shortened to it; none is no limit.", above=0
    )
    weight_decay: float = setting(
        0.0, "How strongly weights (never biases) are pulled towards zero.", least=0
    )
    embedding_decay: float = setting(
        1.0, "How strongly adamw pulls embeddings towards zero; the others never do.", least=0
    )
    averaging: float = setting(
        0.0,
        "Decay of the running average of the weights that is validated and kept; 0 is off.",
        least=0,
        most=0.99999,
    )
    random_state: int = setting(0, "Seed: the same seed and data give the same bits.", least=0)


def as_dict(settings: LoopSettings) -> dict[str, Any]:
    """The settings as JSON can say them; a NumPy number becomes a plain one."""
    return {
        name: value.item() if hasattr(value, "item") else value for name, value in asdict(settings).items()
    }
