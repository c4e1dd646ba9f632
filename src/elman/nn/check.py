"""Whether a network's settings, task and loss go together; said in one sentence before anything is built."""

from __future__ import annotations

from collections.abc import Iterator

from elman.cells import Cell
from elman.errors import UsageError
from elman.kernels.forward import WHOLE
from elman.nn.settings import NetworkSettings

TASKS: dict[str, tuple[str, ...]] = {
    "classify": ("nll",),
    "regress": ("mse",),
    "tag": ("mse", "half_squares", "nll"),
}
"""The losses that each task can learn with; the first is what "auto" means."""

OF_SYMBOLS = (
    "embedding_size",
    "ngrams",
    "input_dropout",
    "symbol_dropout",
    "ngram_dropout",
    "symbol_scale",
    "ngram_scale",
)
OF_ONE_HOT = "one-hot symbols are read as they are"
OF_WHOLE_SEQUENCES = ("pooling", "shortcut")
NOTHING = {"pooling": "last", "ngrams": 1, "symbols": "embedding"}
"""What asks for nothing and is never refused; for every other setting it is 0."""


def choose_loss(task: str, loss: str) -> str:
    """Give the loss that ``loss`` means for ``task``.

    Raises
    ------
    UsageError
        If there is no such task, or it cannot learn with that loss.
    """
    if task not in TASKS:
        raise UsageError(f"there is no task {task!r}", code="E170", help=f"known tasks: {', '.join(TASKS)}")
    known = TASKS[task]
    if loss not in ("auto", *known):
        hint = f"loss: auto, {', '.join(known)}"
        raise UsageError(f"a network that learns to {task} cannot learn with {loss}", code="E170", help=hint)
    return known[0] if loss == "auto" else loss


def check_inputs(sizes: tuple[int, ...], features: int) -> None:
    """Raise ``UsageError`` unless a network reads ids, numbers, or both at each step."""
    if isinstance(features, bool) or not hasattr(features, "__index__") or features < 0:
        raise UsageError(f"features must be a whole number of at least 0, not {features!r}", code="E110")
    if not sizes and not features:
        message = "a network reads ids (sizes), numbers (features), or both"
        raise UsageError(message, code="E171", help="give sizes, features, or both")


def check_columns(settings: NetworkSettings, sizes: tuple[int, ...], features: int = 0) -> None:
    """Raise ``UsageError`` if one-hot symbols come in several columns of ids, or beside numbers."""
    if settings.symbols == "one-hot" and sizes and features:
        message = "one-hot symbols cannot stand beside numbers"
        raise UsageError(message, code="E171", help="take symbols = embedding")
    if settings.symbols == "one-hot" and len(sizes) > 1:
        message = f"one-hot symbols are one column of ids, not {len(sizes)}"
        raise UsageError(message, code="E171", help="leave the n-grams out, or take symbols = embedding")


def check_answering(cell: Cell, num_layers: int, bidirectional: bool) -> None:
    """Raise ``UsageError`` if a cell that answers itself is asked for several layers or directions."""
    if cell.answers and (num_layers > 1 or bidirectional):
        asked = "num_layers = 1" if num_layers > 1 else "causal = true"
        message = f"the cell {cell.name} answers itself, so it makes one layer in one direction"
        raise UsageError(message, code="E167", help=f"set {asked}, or take another recurrence")


def check_used(settings: NetworkSettings, cell: Cell, sizes: tuple[int, ...], task: str, loss: str) -> None:
    """Raise ``UsageError`` if a setting was chosen that plays no part in this network.

    A default, and a value that asks for nothing, are never refused.
    """
    for name, reason in _unused(cell, sizes, task, loss, settings.symbols):
        value = getattr(settings, name)
        if value not in (getattr(NetworkSettings, name), NOTHING.get(name, 0)):
            message = f"{name} = {value} has no meaning here: {reason}"
            raise UsageError(message, code="E172", help=f"leave {name} out")


def check_class_weights(given: bool, loss: str) -> None:
    """Raise ``UsageError`` if classes are weighted where there are none."""
    if given and loss != "nll":
        message = f"class weights have no meaning here: the loss is {loss}"
        raise UsageError(message, code="E172", help="leave them out; rows can have weights")


def _unused(
    cell: Cell, sizes: tuple[int, ...], task: str, loss: str, symbols: str
) -> Iterator[tuple[str, str]]:
    if not sizes:
        yield from ((name, "numbers are read as they are") for name in ("symbols", *OF_SYMBOLS))
    elif symbols == "one-hot":
        yield from ((name, OF_ONE_HOT) for name in OF_SYMBOLS)
    if cell.answers:
        reason = f"the cell {cell.name} answers itself"
        yield from ((name, reason) for name in (*OF_WHOLE_SEQUENCES, "dropout"))
    if task not in WHOLE:
        yield from ((name, "the network answers at every step") for name in OF_WHOLE_SEQUENCES)
    if loss != "nll":
        yield "label_smoothing", f"the loss is {loss}"
