"""Pictures of what was answered on held-out sequences. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from elman.models.pictures import ACCENT, FAINT, INK, _figure, _save
from elman.models.sequence_trial import Cases, Found

MOST_ROWS, MOST_STEPS = 12, 60


def draw_confused(found: Found, test: Cases, path: Path) -> None:
    """Draw the shares of each true class's rows by answer."""
    names = sorted({str(label) for label in [*found.answers, *found.truth]})
    at = {name: n for n, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)))
    for truth, answer in zip(found.truth, found.answers, strict=True):
        counts[at[str(truth)], at[str(answer)]] += 1
    side = max(4.0, 1.8 + 0.42 * len(names))
    figure = _figure(side + 0.8, side)
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.set_yticks(range(len(names)), names)
    for row, column in zip(*np.nonzero(counts), strict=True):
        colour = "white" if shares[row, column] > 0.5 else INK
        axes.text(
            column, row, f"{counts[row, column]:.0f}", ha="center", va="center", fontsize=7, color=colour
        )
    axes.set(xlabel="answer", ylabel="truth")
    axes.set_title(
        f"accuracy {found.scores['accuracy']:.3f} on {found.rows:,} sequences", color=INK, loc="left"
    )
    figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03, label="share of the true class")
    _save(figure, path)


def draw_numbers(found: Found, test: Cases, path: Path) -> None:
    """Draw answers over truths: a point for each sequence; on the line they are equal."""
    truth = np.reshape(np.asarray(found.truth, float), (found.rows, -1))[:, 0]
    said = np.reshape(np.asarray(found.answers, float), (found.rows, -1))[:, 0]
    figure = _figure(5, 5)
    axes = figure.subplots()
    low, high = float(min(truth.min(), said.min())), float(max(truth.max(), said.max()))
    axes.plot([low, high], [low, high], color=FAINT, linewidth=1)
    axes.scatter(truth, said, s=9, color=ACCENT, alpha=0.5, linewidths=0)
    axes.set(xlabel="truth", ylabel="answer")
    axes.set_title(f"R² {found.scores['r2']:.3f} on {found.rows:,} sequences", color=INK, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def draw_tags(found: Found, test: Cases, path: Path) -> None:
    """Write the first few sequences with the labels that were said under them; wrong ones stand out."""
    rows = min(MOST_ROWS, found.rows)
    figure = _figure(12, 0.62 * rows + 0.6)
    axes = figure.subplots()
    longest = max((len(said) for said in found.answers[:rows]), default=1)
    axes.set(xlim=(-1, min(MOST_STEPS, max(longest, 20))), ylim=(2.4 * rows, -1))
    axes.axis("off")
    for row in range(rows):
        read, said, truth = test.inputs[row], found.answers[row], list(found.truth[row])
        text = read[0] if isinstance(read, tuple) else read
        for step in range(min(MOST_STEPS, len(said))):
            symbol = text[step] if isinstance(text, str) else f"{np.ravel(text[step])[0]:.2g}"
            right = str(said[step]) == str(truth[step])
            axes.text(
                step, 2.4 * row, symbol, ha="center", fontsize=9 if isinstance(text, str) else 5, color=FAINT
            )
            axes.text(
                step, 2.4 * row + 1, str(said[step]), ha="center", fontsize=9,
                color=INK if right else ACCENT, weight="normal" if right else "bold",
            )  # fmt: skip
    share = found.scores["tag_accuracy"]
    axes.set_title(f"{share:.1%} of the steps right; grey: what was read, bold: wrong", color=INK, loc="left")
    _save(figure, path)


PICTURES: dict[str, Callable[[Found, Cases, Path], None]] = {
    "classify": draw_confused,
    "regress": draw_numbers,
    "tag": draw_tags,
}
