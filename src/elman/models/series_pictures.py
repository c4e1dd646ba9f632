"""Pictures of numbers over time: one step ahead, a free run, and a prediction that follows its target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from elman.models.pictures import ACCENT, FAINT, INK, _figure, _save

PREDICTED, TARGET = "#1d4ed8", "#dc2626"
"""Blue and red."""

START, END = 2.0, 10.0
"""Where the built-in sine begins and ends."""

DRIFTED = 0.5
"""A free run has drifted away where it is first off by more than this, half the height of the sine."""


def draw_sine(series: Any, ahead: Any, free: Any, path: Path) -> None:
    """Draw a sine's next values, and the run that is fed with its own predictions.

    Parameters
    ----------
    series
        The sine at points from 2 to 10: (T,).
    ahead
        What was predicted from each true value but the last: (T - 1,).
    free
        What was predicted beyond the end, each value from the prediction before: (N,).
    path
        Where to write the PNG.
    """
    figure = _figure(14, 4.2)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.7))
    t = np.linspace(START, END, len(series))
    left.scatter(t[:-1], series[:-1], s=90, color=FAINT, label="Actual")
    left.scatter(t[1:], ahead, s=24, color=PREDICTED, label="Predicted", zorder=3)
    _label(left, "one step ahead, each from the true value before")
    left.legend(frameon=False, loc="upper center")
    _draw_free(right, END + (t[1] - t[0]) * np.arange(1, len(free) + 1), free)
    _save(figure, path)


def _draw_free(axes: Any, t: Any, free: Any) -> None:
    """Draw the free run over the true sine, and a line where it has drifted away."""
    smooth = np.linspace(t[0], t[-1], 8 * len(t))
    axes.plot(smooth, np.sin(smooth), color=FAINT, linewidth=1, label="true sine")
    axes.plot(t, free, color=PREDICTED, linewidth=1.2, marker=".", markersize=3, label="running free")
    step = drift(free, np.sin(t))
    title = f"fed with its own predictions, {len(free)} steps"
    if step is not None:
        axes.axvline(t[step], color=ACCENT, linestyle="--", label=f"off by more than {DRIFTED}")
        title += f": off by more than {DRIFTED} at step {step + 1}"
    _label(axes, title)
    top = max(1.0, float(np.abs(free).max()))
    axes.set_ylim(-1.15 * top, 1.55 * top)
    axes.legend(frameon=False, loc="upper center", ncols=3)


def drift(free: Any, truth: Any) -> int | None:
    """Find the first step, from 0, at which a free run is off by more than 0.5; None if it never is."""
    far = np.flatnonzero(np.abs(np.asarray(free) - truth) > DRIFTED)
    return int(far[0]) if len(far) else None


def draw_tracking(t: Any, said: Any, target: Any, steps: int, path: Path) -> None:
    """Draw what was predicted (blue) and the target (red): the whole run, its first and its last chunks.

    Parameters
    ----------
    t, said, target
        Time, prediction and target of every step: (T,).
    steps
        Steps in a chunk.
    path
        Where to write the PNG.
    """
    figure, some = _figure(14, 6.4), slice(None, 10 * steps)
    whole, (early, late) = figure.subplot_mosaic("AA;BC"), ("B", "C")
    last = slice(-10 * steps, None)
    for name, part, title in (
        ("A", slice(None), "all chunks, each predicted before the update that it causes"),
        (early, some, "the first ten chunks"),
        (late, last, "the last ten chunks"),
    ):
        style_tracking(whole[name], title)
        plot_tracking(whole[name], t[part], said[part], target[part])
        whole[name].set_xlim(t[part][0], t[part][-1])
    _save(figure, path)


def style_tracking(axes: Any, title: str) -> None:
    """Prepare axes for prediction and target over time, with their legend."""
    axes.plot([], [], color=TARGET, label="target")
    axes.plot([], [], color=PREDICTED, label="prediction")
    _label(axes, title)
    axes.set_ylim(-1.6, 1.6)
    axes.legend(frameon=False, loc="upper right", ncols=2, borderaxespad=0)


def plot_tracking(axes: Any, t: Any, said: Any, target: Any) -> None:
    """Add curves of some steps more."""
    axes.plot(t, target, color=TARGET, linewidth=1)
    axes.plot(t, said, color=PREDICTED, linewidth=1)


def _label(axes: Any, title: str) -> None:
    axes.set(xlabel="t")
    axes.set_title(title, color=INK, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
