"""The shell's door: ``elman COMMAND …``.

Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 a negative answer, 2 usage,
3 bad data, 4 bad model file, 5 diverged, 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from types import ModuleType

from elman import ahead
from elman.cli.output import print_error
from elman.cli.parser import COMMANDS, command_parser, command_word, main_parser
from elman.errors import DataError, ElmanError


def main(argv: list[str] | None = None) -> int:
    """Run one command and give its exit code; only that command's module is imported."""
    argv = sys.argv[1:] if argv is None else argv
    as_json = "--json" in argv
    try:
        code = _run(argv)
        sys.stdout.flush()
    except ElmanError as error:
        print_error(error, as_json)
        return error.exit_code
    except KeyboardInterrupt:
        print_error(ElmanError("interrupted", code="E130"), as_json)
        return 130
    except BrokenPipeError:  # the reader went away (`| head`): that is no error of ours
        _silence_stdout()
        return 0
    except OSError as error:
        _silence_stdout()
        print_error(_system_error(error), as_json)
        return DataError.exit_code
    except MemoryError:
        print_error(ElmanError("there is not enough memory", code="E131", help="give fewer rows"), as_json)
        return 1
    except Exception as error:
        if os.environ.get("ELMAN_DEBUG"):
            raise
        print_error(_bug(error), as_json)
        return 1
    return code


def _run(argv: list[str]) -> int:
    word = command_word(argv)
    if word is None:
        main_parser().parse_args(argv or ["--help"])
        return 0
    if COMMANDS[word].reads_model:
        ahead.begin(argv[1:], "elman")  # a large model's checksum, while NumPy is imported
    module = _module(word)
    parser = command_parser(word)
    module.add_arguments(parser)
    arguments = parser.parse_args(argv[argv.index(word) + 1 :], argparse.Namespace(parser=parser))
    return int(module.run(arguments))


def _module(word: str) -> ModuleType:
    return importlib.import_module(f"elman.cli.{COMMANDS[word].module}")


def _silence_stdout() -> None:
    """Send what is still in the buffer nowhere, so that Python does not fail on it once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _system_error(error: OSError) -> ElmanError:
    reason = (error.strerror or str(error)).lower()
    place = str(error.filename) if error.filename else "the result"
    return ElmanError(
        f"cannot read or write {place}: {reason}", code="E253", help="check the place and the disk"
    )


def _bug(error: Exception) -> ElmanError:
    return ElmanError(
        f"this is a mistake in elman itself: {type(error).__name__}: {error}",
        code="E900",
        help="run it again with ELMAN_DEBUG=1 and report what it prints",
    )
