"""The commands and their sentences; a parser whose complaints are elman's own errors."""

from __future__ import annotations

import argparse
import difflib
from typing import NamedTuple, NoReturn

from elman import __version__
from elman.errors import UsageError


class Command(NamedTuple):
    """A command: its module in ``elman.cli``, its sentence, and whether it opens a model file."""

    module: str
    sentence: str
    reads_model: bool = False


COMMANDS = {
    "train": Command("train", "Learn a network from a table of sequences, and measure it honestly."),
    "evaluate": Command("evaluate", "Measure a saved model on a file, beside the naive baselines.", True),
    "predict": Command("predict", "Answer each row of a file, each line of stdin, or each --text.", True),
    "stream": Command(
        "stream", "Answer each line of stdin as it comes; the state is kept between them.", True
    ),
    "trace": Command("trace", "Draw every state, gate and belief of a model over one sequence.", True),
    "forecast": Command(
        "forecast", "Forecast the next values of each series of a file, with intervals.", True
    ),
    "generate": Command("generate", "Write texts with a model that learnt to.", True),
    "sample": Command("sample", "Write a built-in sample as a file, and say how to learn from it."),
    "info": Command("info", "Say what is in a model file.", True),
    "verify": Command("verify", "Run the same sequences in every way, and compare the answers.", True),
    "export": Command("export", "Carry a model to ONNX, NumPy or torch, checked beside the model.", True),
    "demo": Command("demo", "Learn a built-in example, and show what came of it."),
    "doctor": Command("doctor", "Say what elman runs on here, and what is missing."),
}


SENTENCE = "Recurrent networks: learn one from a table of sequences, measure it honestly, use it anywhere."


class Parser(argparse.ArgumentParser):
    """argparse, but a wrong argument raises ``UsageError`` with the nearest option as help."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        """Raise what ``main`` prints."""
        raise UsageError(message, code="E101", help=self._hint(message))

    def _hint(self, message: str) -> str:
        words = [word for word in message.split() if word.startswith("-")]
        known = [option for action in self._actions for option in action.option_strings]
        for word in words:
            near = difflib.get_close_matches(word.split("=")[0].rstrip(":"), known, n=1)
            if "unrecognized" in message and near:
                return f"did you mean {near[0]} ?"
        return f"{self.prog} --help"


def command_word(argv: list[str]) -> str | None:
    """Find the command in ``argv``; None if there is none. ``UsageError`` for an unknown one."""
    word = next((item for item in argv if not item.startswith("-")), None)
    if word is None or word in COMMANDS:
        return word if argv and argv[0] == word else None
    near = difflib.get_close_matches(word, COMMANDS, n=1)
    hint = f"did you mean elman {near[0]} ?" if near else f"one of {', '.join(COMMANDS)}"
    raise UsageError(f'there is no command "{word}"', code="E100", help=hint)


def main_parser() -> Parser:
    """Build the parser of ``elman`` itself, which knows the commands by name only."""
    lines = "\n".join(f"  {name:<10}{command.sentence}" for name, command in COMMANDS.items())
    parser = Parser(
        prog="elman",
        usage="elman COMMAND [arguments]",
        description=f"{SENTENCE}\n\ncommands:\n{lines}",
        epilog="elman COMMAND --help tells the arguments of one command.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"elman {__version__}")
    return parser


def command_parser(name: str) -> Parser:
    """Build an empty parser for one command; its module adds the arguments."""
    parser = Parser(prog=f"elman {name}", description=COMMANDS[name].sentence)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    return parser
