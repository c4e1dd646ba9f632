"""One call in a process of its own, so that it runs beside this one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Background(Generic[T]):
    """``function(*arguments)``, begun at once in a fresh process; ``result`` waits for it.

    Function and arguments must be picklable, the function by its name. A process that is killed (too
    little memory, say) is no error: the call is then made here.
    """

    def __init__(self, function: Callable[..., T], *arguments: Any) -> None:
        context = get_context("spawn")  # a fork would copy torch's threads in an unknown state
        self._call = (function, arguments)
        self._receiver, sender = context.Pipe(duplex=False)
        self._process = context.Process(target=_run, args=(sender, function, arguments), daemon=True)
        self._process.start()
        sender.close()

    def result(self) -> T:
        """Wait, and return what the call gave or raise what it raised."""
        try:
            outcome = self._receiver.recv()
        except EOFError:
            function, arguments = self._call
            return function(*arguments)
        finally:
            self.stop()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome  # type: ignore[no-any-return]

    def stop(self) -> None:
        """End the process, whether it is done or not."""
        self._process.terminate()
        self._process.join()
        self._receiver.close()


def _run(sender: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that shows progress
    if hasattr(os, "nice"):
        os.nice(10)  # where processors are few, the learning that it runs beside goes first
    try:
        outcome = function(*arguments)
    except Exception as error:
        outcome = error
    sender.send(outcome)
