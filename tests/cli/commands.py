"""A command in this process."""

from __future__ import annotations

from elman.cli import main


def run(*arguments, capsys):
    """The exit code, and what went to stdout and to stderr."""
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err
