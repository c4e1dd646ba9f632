"""A picture of what was said at the steps that were held out, beside the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from elman.models.number_trial import NumberScores
from elman.models.pictures import INK, _figure, _save
from elman.models.series_pictures import PREDICTED, TARGET

MOST_SEQUENCES, MOST_STEPS = 3, 400


def draw_held_out(found: NumberScores, names: list[str], path: Path) -> None:
    """Draw prediction (blue) and truth (red) over the held-out steps of the first few sequences."""
    chosen = [row for row, mask in enumerate(found.counted) if mask.any()][:MOST_SEQUENCES]
    figure = _figure(11, 2.8 * len(chosen))
    for axes, row in zip(np.atleast_1d(figure.subplots(len(chosen), 1)), chosen, strict=True):
        steps = np.flatnonzero(found.counted[row])[:MOST_STEPS]
        axes.plot(steps, found.truth[row][steps, 0], color=TARGET, linewidth=1.2, label="truth")
        axes.plot(steps, found.answers[row][steps, 0], color=PREDICTED, linewidth=1.2, label="prediction")
        axes.set_title(names[row], color=INK, loc="left")
        axes.set(xlabel="step")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper right", ncols=2)
    _save(figure, path)
