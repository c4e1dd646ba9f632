"""Pictures of a run: how the loss fell, and which classes are taken for which. Needs matplotlib."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.errors import missing_extra
from elman.files import write_whole
from elman.models.evaluation import Evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, FAINT, ACCENT = "#1f2933", "#9aa5b1", "#c2410c"
NO_INFORMATION = {"Software": None}
"""Without the library's version in its metadata, the same run gives the same bytes."""


def draw_confusion(evaluation: Evaluation, path: Path) -> None:
    """Draw the shares of each true class's rows by answer, with counts; readable with some 40 classes."""
    names, counts = evaluation.classes, evaluation.confusion
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(4.0, 1.8 + 0.42 * len(names))
    figure = _figure(side + 0.8, side)
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(
        range(len(names)),
        [f"{name} ({total})" for name, total in zip(names, counts.sum(axis=1), strict=True)],
    )
    _write_counts(axes, counts, shares)
    axes.set(xlabel="answer", ylabel="truth (rows)")
    axes.set_title(
        f"accuracy {evaluation.scores['accuracy']:.3f} on {evaluation.rows:,} rows", color=INK, loc="left"
    )
    figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03, label="share of the true class")
    _save(figure, path)


def draw_history(history: list[dict[str, Any]], path: Path) -> None:
    """Draw training loss (faint) and validation loss (bold) by epoch, a line for each network."""
    figure = _figure(7, 4)
    axes = figure.subplots()
    for number in sorted({record["network"] for record in history}):
        records = [record for record in history if record["network"] == number]
        epochs = [record["epoch"] for record in records]
        first = number == 0
        axes.plot(epochs, [r["loss"] for r in records], color=FAINT, label="training" if first else None)
        held = [(r["epoch"], r["validation_loss"]) for r in records if "validation_loss" in r]
        if held:
            axes.plot(
                *zip(*held, strict=True), color=ACCENT, linewidth=2, label="validation" if first else None
            )
            best = min(held, key=lambda point: point[1])
            axes.plot(
                *best, marker="o", color=ACCENT, label="best epoch" if first else None, linestyle="none"
            )
    axes.set(xlabel="epoch", ylabel="loss (cross entropy, nats)")
    axes.set_title("learning", color=INK, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.locator_params(axis="x", integer=True)
    axes.legend(frameon=False)
    _save(figure, path)


def _write_counts(axes: Any, counts: Any, shares: Any) -> None:
    for row, column in zip(*np.nonzero(counts), strict=True):
        colour = "white" if shares[row, column] > 0.5 else INK
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=7, color=colour)


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise missing_extra("matplotlib", "plot", "drawing pictures") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120, bbox_inches="tight", metadata=NO_INFORMATION)
    write_whole(path, buffer.getvalue())
