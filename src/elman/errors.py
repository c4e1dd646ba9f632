"""Every error that elman raises on purpose: one clear sentence, where, and what to do now."""

from __future__ import annotations


class ElmanError(Exception):
    """Something that the user can mend.

    Parameters
    ----------
    message
        One sentence: what is wrong. No full stop at its end.
    code
        Stable and searchable, such as ``"E201"``; its first digit names the family.
    where
        The place: file, row, column. Printed behind ``-->``.
    help
        What to do now. Printed behind ``help:``.
    """

    exit_code = 1
    family = "E0"

    def __init__(self, message: str, *, code: str, where: str = "", help: str = "") -> None:  # noqa: A002
        super().__init__(message)
        self.message = message
        self.code = code
        self.where = where
        self.help = help

    def __str__(self) -> str:
        """The same in one line, for Python users."""
        place = f" ({self.where})" if self.where else ""
        return f"{self.message}{place}" + (f"; {self.help}" if self.help else "")

    def __reduce__(self) -> tuple[object, ...]:
        """Errors travel between processes (joblib), so they must survive pickling."""
        return _rebuild, (type(self), self.message, self.code, self.where, self.help)


def _rebuild(kind: type[ElmanError], message: str, code: str, where: str, help: str) -> ElmanError:  # noqa: A002
    return kind(message, code=code, where=where, help=help)


class UsageError(ElmanError, ValueError):
    """A setting, option or argument that cannot be meant (E1xx)."""

    exit_code = 2


class MissingExtraError(UsageError, ImportError):
    """An optional library is not installed (E150)."""

    def __init__(self, message: str, *, code: str = "E150", where: str = "", help: str = "") -> None:  # noqa: A002
        super().__init__(message, code=code, where=where, help=help)


class DataError(ElmanError, ValueError):
    """A file or a sequence that cannot be used as it is (E2xx)."""

    exit_code = 3


class OutputError(ElmanError, OSError):
    """A result that could not be written; nothing half-written is left (E25x)."""

    exit_code = 3


class ModelFileError(ElmanError, ValueError):
    """A model file or checkpoint that is refused (E3xx)."""

    exit_code = 4


class DivergedError(ElmanError, ArithmeticError):
    """Learning ran into NaN or infinity; the best weights so far are kept (E401)."""

    exit_code = 5


def missing_extra(library: str, extra: str, purpose: str) -> MissingExtraError:
    """Build the error that names the command which adds ``library``."""
    return MissingExtraError(
        f"{purpose} needs {library}, which is not installed", help=f'pip install "elman[{extra}]"'
    )


def printable(text: str, most: int) -> str:
    """What a stranger wrote, as a message shows it: on one line, without control codes, cut if it is long."""
    start = text if len(text) <= most else text[:most] + " ..."
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in start)
