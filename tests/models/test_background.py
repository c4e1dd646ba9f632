"""A call in a process of its own gives what it would give here."""

from __future__ import annotations

import operator
import os
import time

import pytest

from elman.errors import UsageError
from elman.models.background import Background


def refuse():
    raise UsageError("no", code="E100", help="yes")


def die_there(parent):
    if os.getpid() != parent:
        os._exit(9)
    return "made here"


def test_the_result_comes_back():
    assert Background(operator.add, 2, 3).result() == 5


def test_an_error_comes_back_whole():
    with pytest.raises(UsageError) as caught:
        Background(refuse).result()
    assert (caught.value.code, caught.value.help) == ("E100", "yes")


def test_a_killed_process_is_no_error():
    assert Background(die_there, os.getpid()).result() == "made here"


def test_stop_does_not_wait():
    start = time.monotonic()
    begun = Background(time.sleep, 600)
    begun.stop()
    assert time.monotonic() - start < 60
    assert not begun._process.is_alive()
