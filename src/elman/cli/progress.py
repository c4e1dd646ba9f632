"""Progress of learning and answering: a bar with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from elman.cli.output import say

if TYPE_CHECKING:
    from rich.progress import Progress

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


class RowCount:
    """Shows how many rows are done, how fast, and the time that is left, once that takes a while.

    On a terminal a bar, elsewhere a line now and then.
    """

    def __init__(self, bar: bool) -> None:
        self._begun = self._told = time.monotonic()
        self._wanted, self._done = bar, 0
        self._bar: Progress | None = None

    def __call__(self, done: int, share: float | None) -> None:
        """Take note that ``done`` rows are done, of a file that is read to this share (None: not known)."""
        self._done, now = done, time.monotonic()
        if now - self._told < (BAR_EVERY if self._wanted else LINE_EVERY):
            return
        self._told, taken = now, now - self._begun
        left = f" · {duration(taken / share * (1 - share))} left" if share else ""
        line = f"{self._speed(taken)}{left}"
        if self._wanted:
            self._draw(line, share)
        else:
            say(line)

    def close(self) -> None:
        """Take the bar away, and say what was done if anything was said before."""
        if self._bar is not None:
            self._bar.stop()
        if self._told > self._begun:
            taken = time.monotonic() - self._begun
            say(f"{self._speed(taken)} · {duration(taken)}")

    def _speed(self, taken: float) -> str:
        return f"{self._done:,} rows · {self._done / taken:,.0f} rows/s"

    def _draw(self, line: str, share: float | None) -> None:
        if self._bar is None:
            self._bar = _begin_bar(share is not None)
        self._bar.update(self._bar.task_ids[0], completed=share or 0.0, description=line)
        self._bar.refresh()


def _begin_bar(known: bool) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (BarColumn(bar_width=24), TextColumn("{task.description}"))
    bar = Progress(*columns, console=Console(stderr=True), auto_refresh=False, transient=True)
    bar.add_task("", total=1.0 if known else None)
    bar.start()
    return bar


BAR_EVERY, LINE_EVERY = 0.2, 10.0
"""Seconds between two pictures of the bar, and between two lines."""


@contextmanager
def row_count(*, result_on_terminal: bool) -> Iterator[RowCount]:
    """Count rows; there is no bar where the rows themselves go to the terminal."""
    count = RowCount(sys.stderr.isatty() and not result_on_terminal)
    try:
        yield count
    finally:
        count.close()


def duration(seconds: float) -> str:
    """Write a time as a person reads it: 8 s, 3 min 20 s, 1 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return (
        f"{whole // 60} min {whole % 60} s"
        if whole < 3600
        else f"{whole // 3600} h {whole // 60 % 60:02} min"
    )
