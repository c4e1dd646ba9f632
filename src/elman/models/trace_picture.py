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
"""Classes that are drawn; the others are one grey line's worth of nothing."""

MOST_SYMBOLS = 64
"""Steps whose symbols are written one by one."""

MOST_LAYERS = 6
COLOURS = ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#b45309", "#0e7490")
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

    @property
    def colours(self) -> str:
        """Blue and red around nought for states, from white to green for what is a share."""
        return "RdBu_r" if self.low < 0 else "Greens"


def draw(trace: Trace, path: str | os.PathLike[str]) -> None:
    """Draw a trace's first network as a PNG picture."""
    rows = list(panels(trace))
    steps = len(trace.symbols)
    width = float(np.clip(2.6 + 0.34 * steps, 6.5, 16))
    heights = [2.3, *(1.25 if panel.title.endswith(("h", "c")) else 0.9 for panel in rows)]
    figure = _figure(width, sum(heights) + 0.9)
    axes = figure.subplots(
        len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
    )[:, 0]
    beliefs(axes[0], trace)
    for place, panel in zip(axes[1:], rows, strict=True):
        heat(figure, place, panel)
    symbols(axes[-1], trace)
    _save(figure, Path(path))


def panels(trace: Trace) -> Iterator[Panel]:
    """The heat maps, from the first layer up; units in the order in which they rise."""
    for layer in trace.layers[:MOST_LAYERS]:
        order = np.argsort(np.abs(layer.h).argmax(axis=0), kind="stable")
        for name, values in {**layer.states, **layer.gates}.items():
            most = float(np.abs(values).max()) if name == "c" else 1.0
            bottom = 0.0 if name in ("i", "f", "o", "r", "z") else -1.0
            top = max(most, 1e-6) if name in layer.states else 1.0
            if name in layer.states and np.abs(values).max() > 1:
                top = float(np.abs(values).max())
            yield Panel(f"{layer.name}: {SENTENCES.get(name, name)}", values[:, order], bottom * top, top)


def heat(figure: Any, axes: Any, panel: Panel) -> None:
    """A heat map of values (T, H): time to the right, a row for each unit."""
    image = axes.imshow(
        panel.values.T, aspect="auto", cmap=panel.colours, vmin=panel.low, vmax=panel.high,
        interpolation="nearest",
    )  # fmt: skip
    axes.set_title(panel.title, loc="left", fontsize=8.5, color=INK, pad=3)
    axes.set_yticks(
        [0, panel.values.shape[1] - 1], ["1", str(panel.values.shape[1])], fontsize=6.5, color=FAINT
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, fraction=0.025, pad=0.01, aspect=8)
    bar.outline.set_visible(False)
    bar.set_ticks([panel.low, panel.high], labels=[f"{panel.low:.3g}", f"{panel.high:.3g}"])
    bar.ax.tick_params(labelsize=6.5, length=0, labelcolor=FAINT)


def beliefs(axes: Any, trace: Trace) -> None:
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
    if axes.get_legend_handles_labels()[1]:
        axes.legend(
            loc="upper left", bbox_to_anchor=(1.005, 1.02), frameon=False, fontsize=8, borderaxespad=0
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
