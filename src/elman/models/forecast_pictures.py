"""A forecast with its band, after the last part of what is known. Needs matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from elman.models.pictures import ACCENT, FAINT, INK, _figure, _save

SHOWN = 5
"""How many times as long as the forecast the part before it is drawn, and at least 40 steps."""


def draw_forecast(series: Any, said: Any, ends: Any, name: str, path: Path) -> None:
    """Draw the first number of each step: known (T, D), forecast (H, D), ends (H, D, 2) or None."""
    horizon, steps = len(said), len(series)
    first = max(0, steps - max(40, SHOWN * horizon))
    figure = _figure(10, 4)
    axes = figure.subplots()
    axes.plot(np.arange(first, steps), series[first:, 0], color=INK, linewidth=1.2, label="known")
    ahead = np.arange(steps - 1, steps + horizon)
    axes.plot(ahead, [series[-1, 0], *said[:, 0]], color=ACCENT, linewidth=1.6, label="forecast")
    if ends is not None:
        axes.fill_between(
            ahead[1:], ends[:, 0, 0], ends[:, 0, 1], color=ACCENT, alpha=0.2, linewidth=0, label="interval"
        )
    axes.axvline(steps - 1, color=FAINT, linewidth=0.8)
    axes.set(xlabel="step")
    axes.set_title(name, color=INK, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=3)
    _save(figure, path)
