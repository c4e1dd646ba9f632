"""Files and folders written whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from elman.errors import ElmanError, OutputError


def write_whole(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` so that, whatever happens, ``path`` holds the old bytes or the new ones.

    Raises
    ------
    OutputError
        As ``whole_file``.
    """
    with whole_file(path) as file:
        file.write(data)


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Give a file to write that becomes ``path`` at the end, and only if nothing went wrong.

    It is a temporary file in the same folder, which may be read again too; at the end it is flushed, synced
    and renamed over ``path``; then the folder is synced.

    Raises
    ------
    OutputError
        If the folder is missing or read-only, or the disk is full. Nothing is left behind.
    """
    path = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise output_error(path, error) from error
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        _sync_folder(path.parent)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and not isinstance(error, ElmanError):
            raise output_error(path, error) from error
        raise


def write_folder(folder: str | os.PathLike[str], files: Mapping[str, bytes]) -> None:
    """Write ``files`` as all that ``folder`` holds: a folder beside it is filled, then takes its place.

    A kill between the two renames that this takes leaves the old folder beside its place.

    Raises
    ------
    OutputError
        If the place cannot be written. What stood there before stays, and nothing else is left behind.
    """
    folder = Path(folder)
    try:
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
        try:
            (beside / "new").mkdir()
            for name, data in files.items():
                with (beside / "new" / name).open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
            _swap(beside / "new", folder, beside / "old")
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise output_error(folder, error) from error


def _swap(new: Path, folder: Path, old: Path) -> None:
    """Put the new folder in the place of what is there; if that fails, put the old one back."""
    try:
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    except BaseException:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    _sync_folder(folder.parent)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise ``OutputError`` now, before hours of work, if ``path`` could not be written later."""
    path = Path(path)
    try:
        with tempfile.NamedTemporaryFile(prefix=f".{path.name}.", dir=path.parent):
            pass
    except OSError as error:
        raise output_error(path, error) from error
    if path.is_dir():
        raise OutputError(f"{path} is a folder, not a file", code="E250", help="give a file name")


def output_error(path: Path, error: OSError) -> OutputError:
    """Turn an operating system's error on writing ``path`` into one clear sentence."""
    if isinstance(error, FileNotFoundError):
        return OutputError(
            f"cannot write {path}: there is no folder {path.parent}",
            code="E251",
            help="make the folder first",
        )
    reason = (error.strerror or str(error)).lower()
    return OutputError(f"cannot write {path}: {reason}", code="E252", help="choose another place with -o")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # a folder cannot be opened there; the rename itself is atomic
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
