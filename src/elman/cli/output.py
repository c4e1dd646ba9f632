"""How results and errors are printed: JSON or text, stdout or stderr."""

from __future__ import annotations

import json
import sys
from typing import Any, TextIO

from elman.errors import ElmanError

JSON_VERSION = 1


def print_json(result: dict[str, Any], stream: TextIO | None = None) -> None:
    """Print one JSON object: ``{"v": 1, "ok": true, …}``; NaN never appears in it."""
    line = json.dumps({"v": JSON_VERSION, "ok": True, **result}, ensure_ascii=False, allow_nan=False)
    print(line, file=stream or sys.stdout)


def print_error(error: ElmanError, as_json: bool) -> None:
    """Print an error: to stderr for a person, to stdout as JSON where a program may read it."""
    if as_json:
        parts = {"code": error.code, "message": error.message, "help": error.help, "where": error.where}
        print(json.dumps({"v": JSON_VERSION, "ok": False, "error": parts}, ensure_ascii=False))
        return
    print(f"error[{error.code}]: {error.message}", file=sys.stderr)
    if error.where:
        print(f"  --> {error.where}", file=sys.stderr)
    if error.help:
        print(f"help: {error.help}", file=sys.stderr)


def say(text: str) -> None:
    """Tell a person something that is not the result: a line on stderr."""
    print(text, file=sys.stderr, flush=True)
