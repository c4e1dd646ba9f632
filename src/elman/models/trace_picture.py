"""The picture of a trace: beliefs above, then layer by layer states and gates. Needs matplotlib."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elman.data.prompt import is_end
from elman.models.pictures import ACCENT, FAINT, INK, _figure, _save

if TYPE_CHECKING:
    from elman.models.trace import Trace

Floats = NDArray[np.float32]

MOST_CLASSES = 6
"""Classes that are drawn: those that were the likeliest at some step."""

MOST_SYMBOLS = 64
"""Steps whose symbols are written one by one."""

MOST_LAYERS = 6
SIDE = 1.5
"""Inches at the right for names and scales."""

COLOURS = ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#0891b2", "#be185d")
SHARES = frozenset("iforz")
"""Gates that are shares, from 0 to 1; all else lies on both sides of nought."""

SENTENCES = {
    "h": "state h",
    "c": "inner state c",
    "i": "input gate i",
    "f": "forget gate f",
    "g": "candidate g",
    "o": "output gate o",
    "r": "reset gate r",
    "z": "update gate z",
    "n": "candidate n",
}


class Panel(NamedTuple):
    """One heat map: values (T, H), and the range of its colours."""

    title: str
    values: Floats
    low: float
    high: float
    is_state: bool

    @property
    def colours(self) -> str:
        """Blue and red around nought for states, from white to green for what is a share."""
        return "RdBu_r" if self.low < 0 else "Greens"


def draw(trace: Trace, path: str | os.PathLike[str]) -> None:
    """Draw a trace's first network as a PNG picture."""
    rows, steps = list(panels(trace)), len(trace.symbols)
    width = float(np.clip(0.42 * steps, 4.6, 15))
    heights = [2.2, *(1.25 if panel.is_state else 0.9 for panel in rows)]
    figure = _figure(width + SIDE, sum(heights) + 0.9)
    ratios = {"height_ratios": heights, "width_ratios": [width, SIDE]}
    places = figure.subplots(len(heights), 2, sharex="col", gridspec_kw=ratios)
    for side in places[:, 1]:
        side.axis("off")
    beliefs(places[0, 0], places[0, 1], trace)
    for (axes, side), panel in zip(places[1:], rows, strict=True):
        heat(figure, axes, side, panel)
    symbols(places[-1, 0], trace)
    symbols(places[0, 0], trace)
    places[0, 0].tick_params(axis="x", labelbottom=True)
    _save(figure, Path(path))


def panels(trace: Trace) -> Iterator[Panel]:
    """The heat maps, from the first layer up; units in the order in which they rise."""
    for layer in trace.layers[:MOST_LAYERS]:
        order = np.argsort(np.abs(layer.h).argmax(axis=0), kind="stable")
        for name, values in {**layer.states, **layer.gates}.items():
            is_state = name in layer.states
            top = max(1.0, float(np.abs(values).max())) if is_state else 1.0
            bottom = 0.0 if name in SHARES else -top
            yield Panel(f"{layer.name}: {SENTENCES.get(name, name)}", values[:, order], bottom, top, is_state)


def heat(figure: Any, axes: Any, side: Any, panel: Panel) -> None:
    """Draw values (T, H) in colours: time to the right, a row for each unit; their scale beside."""
    steps, units = panel.values.shape
    image = axes.imshow(
        panel.values.T, aspect="auto", cmap=panel.colours, vmin=panel.low, vmax=panel.high,
        interpolation="nearest",
    )  # fmt: skip
    if steps <= MOST_SYMBOLS:
        axes.vlines(np.arange(steps - 1) + 0.5, -0.5, units - 0.5, color="white", linewidth=1.2)
    axes.set_title(panel.title, loc="left", fontsize=8.5, color=INK, pad=3)
    axes.set_yticks([0, units - 1], ["1", str(units)], fontsize=6.5, color=FAINT)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, cax=side.inset_axes((0.0, 0.1, 0.06, 0.8)))
    bar.outline.set_visible(False)
    bar.set_ticks([panel.low, panel.high], labels=[f"{panel.low:.3g}", f"{panel.high:.3g}"])
    bar.ax.tick_params(labelsize=6.5, length=0, labelcolor=FAINT)


def beliefs(axes: Any, side: Any, trace: Trace) -> None:
    """What is said after each step: a line for each of the likeliest classes, or for each number."""
    steps = np.arange(len(trace.symbols))
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(labelsize=7, colors=FAINT, length=2)
    if trace.probabilities is not None and trace.classes is not None:
        axes.set_ylim(-0.03, 1.03)
        _classes(axes, steps, trace.probabilities, trace.classes)
        title = "belief after each step"
    else:
        _numbers(axes, steps, trace)
        title = "answer after each step"
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    lines, names = axes.get_legend_handles_labels()
    side.legend(
        lines,
        names,
        loc="upper left",
        bbox_to_anchor=(-0.08, 1.04),
        frameon=False,
        fontsize=8,
        handlelength=1.2,
    )


def _classes(axes: Any, steps: Any, shares: Floats, classes: NDArray[Any]) -> None:
    most = np.argsort(-shares.max(axis=0), kind="stable")[:MOST_CLASSES]
    order = sorted(most.tolist(), key=lambda k: -shares[-1, k])
    marker = "o" if len(steps) <= MOST_SYMBOLS else None
    for colour, k in zip(COLOURS, order, strict=False):
        name = "⊣" if isinstance(classes[k], str) and is_end(str(classes[k])) else str(classes[k])
        axes.plot(
            steps, shares[:, k], color=colour, linewidth=1.6, marker=marker, markersize=3.5,
            label=f"{name}  {shares[-1, k]:.2f}",
        )  # fmt: skip


def _numbers(axes: Any, steps: Any, trace: Trace) -> None:
    assert trace.values is not None
    if trace.inputs is not None and trace.inputs.ndim == 2 and trace.inputs.shape[1] <= 3:
        axes.plot(steps[: len(trace.inputs)], trace.inputs, color=FAINT, linewidth=1)
        axes.plot([], [], color=FAINT, label="what is read")
    values = np.reshape(trace.values, (len(steps), -1))
    for n, (colour, column) in enumerate(zip(COLOURS, values.T, strict=False)):
        name = "what is said" if values.shape[1] == 1 else f"what is said, {n + 1}"
        axes.plot(steps, column, color=colour if n else ACCENT, linewidth=1.6, label=name)


def symbols(axes: Any, trace: Trace) -> None:
    """What is read, below; the number of the step where there are too many, or where numbers are read."""
    count = len(trace.symbols)
    axes.set_xlim(-0.5, count - 0.5)
    if count <= MOST_SYMBOLS:
        long = max(map(len, trace.symbols)) > 2
        axes.set_xticks(
            range(count), trace.symbols, fontsize=8 if long else 11, color=INK, rotation=90 if long else 0
        )
    else:
        axes.tick_params(axis="x", labelsize=7, colors=FAINT)
        axes.set_xlabel("step", fontsize=8, color=INK)
