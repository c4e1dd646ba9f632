"""A cell of one's own from a Python file, run only when a user asks for it by name."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from elman import cells
from elman.cells.cell import Cell
from elman.errors import UsageError

REGISTER = "write @elman.cells.register above its class"


def load_cell(path: str | os.PathLike[str]) -> tuple[type[Cell], ...]:
    """Run the Python file at ``path``, and give the cells that it registers, in their order.

    The file can do whatever Python can: run only one that you trust. Nothing is written beside it. If it
    fails, no cell of it stays registered.

    Raises
    ------
    UsageError
        If there is no such file, it raises, or it registers no cell.
    """
    file = Path(path)
    source = _read(file)
    module = ModuleType(f"{file.stem} ({file.resolve()})")
    module.__file__ = str(file)
    before = dict(cells.CELLS)
    with _registry_kept():
        _run(source, file, module)
        found = tuple(cls for name, cls in cells.CELLS.items() if before.get(name) is not cls)
        if not found:
            raise UsageError(f"the cell file {file} registers no cell", code="E168", help=_missing(module))
    return found


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "there is no such file" if missing else (error.strerror or str(error)).lower()
        message = f"cannot read the cell file {file}: {reason}"
        raise UsageError(message, code="E168", help="check the path") from error


@contextmanager
def _registry_kept() -> Iterator[None]:
    """If the block fails, put the registry back as it was."""
    before = dict(cells.CELLS)
    try:
        yield
    except BaseException:
        cells.CELLS.clear()
        cells.CELLS.update(before)
        raise


def _run(source: bytes, file: Path, module: ModuleType) -> None:
    """Run the lines as ``module``, which is known to Python, for dataclasses look their module up."""
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, str(file), "exec"), module.__dict__)
    except UsageError as error:  # the registry's own sentence
        error.where = error.where or f"{file}{_line(error, file)}"
        raise
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        message = f"the cell file {file} raises {said}"
        raise UsageError(message, code="E168", where=f"{file}{_line(error, file)}") from error


def _line(error: BaseException, file: Path) -> str:
    """Say at which of the file's own lines the error came up."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f", line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame.lineno for frame in frames if frame.filename == str(file)]
    return f", line {own[-1]}" if own else ""


def _missing(module: ModuleType) -> str:
    """Name the class that was written but not registered."""
    mine = [
        value.__name__
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Cell) and value.__module__ == module.__name__
    ]
    return f"{REGISTER} {mine[0]}" if mine else f"write a subclass of elman.cells.Cell, and {REGISTER}"
