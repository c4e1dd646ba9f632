"""An evaluation as a person reads it: tables on stdout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from elman.models.evaluation import Evaluation
    from elman.models.number_trial import NumberScores

HEADINGS = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "macro_recall": "macro recall",
    "log_loss": "log-loss",
    "calibration_error": "calibration error",
}


def print_evaluation(evaluation: Evaluation, name: str) -> None:
    """Print scores beside the baselines, each class, and what is unusual about the rows."""
    console = result_console()
    console.print(_scores(evaluation, name))
    if evaluation.parts:
        console.print(_parts(evaluation.parts))
    console.print(_per_class(evaluation))
    for line in notes(evaluation):
        console.print(line, highlight=False)


def print_errors(found: NumberScores, name: str) -> None:
    """Print the errors at the held-out steps beside the baselines'."""
    held = {
        "time": "the last part in time",
        "sequence": "sequences that it never saw",
        "file": "the whole file",
    }
    print_scores(found.scores, found.baselines, f"{found.steps:,} steps: {held[found.by]}", name, digits=6)


def print_scores(
    scores: Mapping[str, float],
    baselines: Mapping[str, Mapping[str, float]],
    title: str,
    name: str,
    digits: int = 4,
) -> None:
    """Print a task's scores beside the baselines'; a score that a baseline lacks is a dash."""
    shown = [key for key in scores if key != "ceiling"]
    table = _table(title, *(NAMES.get(key, key.replace("_", " ")) for key in shown))
    table.add_row(f"[bold]{name}[/bold]", *(f"[bold]{scores[key]:.{digits}g}[/bold]" for key in shown))
    for baseline, found in baselines.items():
        table.add_row(baseline, *(f"{found[key]:.{digits}g}" if key in found else "-" for key in shown))
    if "ceiling" in scores:
        table.add_row("best that the data allows", f"{scores['ceiling']:.4g}")
    result_console().print(table)


NAMES = {
    **HEADINGS,
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
    "mase": "MASE",
    "smape": "sMAPE",
    "span_f1": "span F1",
}


def print_seeds(runs: list[Evaluation], name: str) -> None:
    """Print mean ± standard deviation over several seeds, model and baselines."""
    table = _table(f"{len(runs)} seeds, mean ± standard deviation", *HEADINGS.values())
    table.add_row(name, *spread([run.scores for run in runs]))
    for baseline in runs[0].baselines:
        table.add_row(baseline, *spread([run.baselines[baseline] for run in runs]))
    result_console().print(table)


def spread(scores: list[dict[str, float]]) -> list[str]:
    """Write each score as mean ± standard deviation (of the sample)."""
    import statistics

    columns = [[run[key] for run in scores] for key in HEADINGS]
    deviation = statistics.stdev if len(scores) > 1 else statistics.pstdev
    return [f"{statistics.mean(column):.4f} ± {deviation(column):.4f}" for column in columns]


def notes(evaluation: Evaluation) -> list[str]:
    """Say in a line each what a reader must know before believing the scores."""
    lines = []
    if evaluation.leaked:
        lines.append(
            f"warning: {evaluation.leaked:,} of {evaluation.rows:,} rows stand in training too (leaked)"
        )
    elif evaluation.leaked == 0:
        lines.append(f"none of the {evaluation.rows:,} rows stands in training")
    if evaluation.unknown_labels:
        missed = sum(evaluation.unknown_labels.values())
        verb = "row has a label" if missed == 1 else "rows have labels"
        named = few(evaluation.unknown_labels)
        lines.append(f"warning: {missed:,} {verb} never seen in training (counted as misses): {named}")
    if evaluation.unknown_symbols:
        lines.append(unseen(evaluation.unknown_symbols))
    return lines


def result_console() -> Console:
    """Print to stdout: as wide as the terminal, or as needed where there is none."""
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=120)


def _scores(evaluation: Evaluation, name: str) -> Table:
    table = _table(f"{evaluation.rows:,} held-out rows", *HEADINGS.values())
    table.add_row(f"[bold]{name}[/bold]", *_row(evaluation.scores, "bold"))
    for baseline, scores in evaluation.baselines.items():
        table.add_row(baseline, *_row(scores))
    table.add_row("best that the data allows", f"{evaluation.scores['ceiling']:.4f}")
    return table


def _parts(parts: Mapping[str, Mapping[str, float]]) -> Table:
    table = _table("by script", "rows", *HEADINGS.values())
    for name, scores in parts.items():
        table.add_row(name, f"{scores['rows']:,}", *_row(scores))
    return table


def _per_class(evaluation: Evaluation) -> Table:
    table = _table("by class", "rows", "precision", "recall", "F1")
    for name, scores in evaluation.per_class.items():
        shown = [f"{scores[key]:.3f}" for key in ("precision", "recall", "f1")]
        table.add_row(name, f"{scores['support']:,.0f}", *shown)
    return table


def _row(scores: Mapping[str, float], style: str = "") -> list[str]:
    values = [f"{scores[key]:.4f}" for key in HEADINGS]
    return [f"[{style}]{value}[/{style}]" for value in values] if style else values


def _table(title: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def unseen(symbols: Mapping[str, int]) -> str:
    """Say how many symbols were never seen in training, and which."""
    total = sum(symbols.values())
    return (
        f"{total:,} {'symbol was' if total == 1 else 'symbols were'} never seen in training: {few(symbols)}"
    )


def few(counts: Mapping[str, Any], most: int = 8) -> str:
    """Name the first few of what was counted."""
    shown = ", ".join(f"{name!r} ({count})" for name, count in list(counts.items())[:most])
    return shown + (f" and {len(counts) - most} more" if len(counts) > most else "")
