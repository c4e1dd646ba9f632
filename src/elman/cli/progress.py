"""Progress of learning: a bar with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from elman.cli.output import say

if TYPE_CHECKING:
    from elman.models.learning import FitProgress


class Interrupted:
    """Becomes true at the first Ctrl-C or SIGTERM; a second one stops at once."""

    def __init__(self) -> None:
        self.signal = 0

    def __bool__(self) -> bool:
        return self.signal != 0

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number
        say("stopping after this update; the best weights so far are kept (once more to stop at once)")


@contextmanager
def interruptible() -> Iterator[Interrupted]:
    """Turn Ctrl-C and SIGTERM into a flag, so that learning stops between two updates, never inside one."""
    flag = Interrupted()
    before = {number: signal.signal(number, flag._note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def shown(steps: Iterable[FitProgress], quiet: bool = False) -> Iterator[FitProgress]:
    """Pass ``steps`` on and show them as they come."""
    if quiet:
        yield from steps
    elif sys.stderr.isatty():
        yield from _bar(steps)
    else:
        yield from _lines(steps)


def _lines(steps: Iterable[FitProgress]) -> Iterator[FitProgress]:
    for step in steps:
        if step.epoch_ended:
            say(f"{step.describe()} · {step.speed()}")
        yield step


def _bar(steps: Iterable[FitProgress]) -> Iterator[FitProgress]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[speed]}"))
    last = 0.0
    console, both = Console(stderr=True), sys.stdout.isatty()  # a pipe must get what is printed meanwhile
    with Progress(*columns, console=console, auto_refresh=False, redirect_stdout=both) as bar:
        task = bar.add_task("learning", total=None, speed="")
        for step in steps:
            if step.epoch_ended or time.monotonic() - last > 0.1:
                last = time.monotonic()
                bar.update(
                    task,
                    total=step.total,
                    completed=step.done,
                    description=step.describe(),
                    speed=step.speed(),
                )
                bar.refresh()
            yield step


@contextmanager
def counted(total: int, what: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show how many of ``total`` rows are done: a bar on a terminal when there are many, else nothing."""
    if not sys.stderr.isatty() or total < 5000:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, rows: bar.update(task, completed=done, total=rows)
