"""A whole trained network without torch: symbols or numbers in, logits or numbers out."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from elman.cells import Cell, State, main_state, make_cell, options_of
from elman.errors import UsageError
from elman.kernels.answer import embed, linear, one_hot, pool
from elman.kernels.looked import Looked, look_up
from elman.kernels.native import compiled
from elman.kernels.prefixes import Prefixes, find_prefixes
from elman.kernels.scan import KERNELS, check_lengths, scan

Tensors = Mapping[str, np.ndarray]

WHOLE = frozenset({"classify", "regress"})
"""Tasks with one answer for a sequence; the others have one at every step."""


class Shape(Protocol):
    """The settings that say what a network computes."""

    @property
    def recurrence(self) -> str: ...  # noqa: D102
    @property
    def hidden_size(self) -> int: ...  # noqa: D102
    @property
    def num_layers(self) -> int: ...  # noqa: D102
    @property
    def causal(self) -> bool: ...  # noqa: D102
    @property
    def nonlinearity(self) -> str: ...  # noqa: D102
    @property
    def pooling(self) -> str: ...  # noqa: D102
    @property
    def symbols(self) -> str: ...  # noqa: D102
    @property
    def embedding_size(self) -> int: ...  # noqa: D102
    @property
    def shortcut(self) -> float: ...  # noqa: D102


def forward(
    settings: Shape,
    tensors: Tensors,
    inputs: np.ndarray,
    lengths: np.ndarray,
    *,
    task: str = "classify",
    sizes: tuple[int, ...] = (),
) -> np.ndarray:
    """Give the answers alone, from the first state on; see ``run``.

    Rows of symbols that begin alike share what is done to their beginnings; the bits are the same.
    """
    cell = cell_of(settings)
    fits = task in WHOLE and settings.symbols == "embedding" and settings.causal and type(cell) in KERNELS
    ids = "embedding.0.weight" in tensors and inputs.dtype.kind != "f"
    if fits and ids and inputs.size and compiled(*tensors.values()):
        lengths = check_lengths(lengths, inputs.shape[1], inputs.shape[0])
        prefixes, symbols = find_prefixes(inputs.reshape(*inputs.shape[:2], -1), lengths)
        return _classify_prefixes(settings, tensors, prefixes, symbols)
    return run(settings, tensors, inputs, lengths, task=task, sizes=sizes)[0]


def _classify_prefixes(
    settings: Shape, tensors: Tensors, prefixes: Prefixes, symbols: np.ndarray
) -> np.ndarray:
    """What ``run_layers`` and ``classify`` do, once for each prefix; (M, G) are their last symbols."""
    cell = cell_of(settings)
    embedded = read(settings, tensors, symbols[None])
    table, ids = (embedded.table, embedded.ids[0]) if isinstance(embedded, Looked) else (embedded[0], None)
    values = table
    for n in range(settings.num_layers):
        params = layer_params(cell, tensors, f"_l{n}")
        values = prefixes.scan(cell, values, params, None if n else ids)
    parts = [
        prefixes.last(values) if kind == "last" else prefixes.pool(values, kind)
        for kind in settings.pooling.split("+")
    ]
    if settings.shortcut:
        total = prefixes.pool(table, "sum", ids)
        parts.append(np.float32(settings.shortcut) * (total / roots(prefixes.lengths)))
    return linear(np.concatenate(parts, axis=-1), tensors["head.weight"], tensors["head.bias"])


def run(
    settings: Shape,
    tensors: Tensors,
    inputs: np.ndarray,
    lengths: np.ndarray,
    state: State | None = None,
    *,
    task: str = "classify",
    sizes: tuple[int, ...] = (),
) -> tuple[np.ndarray, State]:
    """Run a whole network from ``state`` on; the twin of ``nn.Network.run``.

    Parameters
    ----------
    tensors
        The weights, named as ``tensor_shapes`` names them.
    inputs
        Ids (B, T) or (B, T, G); numbers (B, T, D) for a network without embeddings; for one that reads both,
        the ids as floats, then the numbers (B, T, G + D).
    lengths
        (B,) whole numbers from 0 to T. Length 0 gives the answer of the first state; a cell that answers
        itself has none without a step, and gives noughts.
    state
        Arrays (layers · directions, B, H), one for each of the cell's states; None: the cell's own.
    sizes
        How many ids each column has; only one-hot symbols need it, of which no weight says how many.

    Returns
    -------
    The answers: (B, K) to classify or regress, (B, T, K) to tag, nought beyond a row's length; and the final
    state, shaped as ``state``.
    """
    inputs = np.swapaxes(inputs, 0, 1)
    lengths = check_lengths(lengths, *inputs.shape[:2])
    embedded = read(settings, tensors, inputs, sizes)
    outputs, after = run_layers(settings, tensors, embedded, lengths, state)
    if cell_of(settings).answers:
        answers = last_step(outputs, lengths) if task in WHOLE else outputs
    elif task in WHOLE:
        answers = classify(settings, tensors, embedded, outputs, after, lengths)
    else:
        answers = linear(outputs, tensors["head.weight"], tensors["head.bias"])
        answers[np.arange(len(answers))[:, None] >= lengths] = 0
    return answers if task in WHOLE else np.swapaxes(answers, 0, 1), after


def read(
    settings: Shape, tensors: Tensors, inputs: np.ndarray, sizes: tuple[int, ...] = ()
) -> np.ndarray | Looked:
    """What the layers read: embedded or one-hot ids (T, B) or (T, B, G), numbers (T, B, D), or both."""
    dtype = next(iter(tensors.values())).dtype
    if settings.symbols == "one-hot":
        if len(sizes) != 1:
            raise UsageError(f"one-hot symbols are one column of ids, not {len(sizes)}", code="E164")
        return one_hot(inputs, sizes[0], dtype)
    if "embedding.0.weight" in tensors and inputs.dtype.kind == "f":
        tables = sum(name.startswith("embedding.") for name in tensors)
        symbols = embed(
            [tensors[f"embedding.{g}.weight"] for g in range(tables)], inputs[..., :tables].astype(np.int64)
        )
        return np.concatenate([symbols, inputs[..., tables:]], axis=-1)
    if "embedding.0.weight" in tensors:
        columns = range(1 if inputs.ndim == 2 else inputs.shape[-1])
        return look_up([tensors[f"embedding.{g}.weight"] for g in columns], inputs)
    if inputs.ndim != 3:
        message = f"the input has {inputs.ndim} dimensions, the network reads numbers (B, T, D)"
        raise UsageError(message, code="E164")
    return inputs.astype(dtype, copy=False)


def classify(
    settings: Shape,
    tensors: Tensors,
    inputs: np.ndarray | Looked,
    outputs: np.ndarray,
    state: State,
    lengths: np.ndarray,
) -> np.ndarray:
    """Put the outputs over time (T, B, F) together, and map them to logits (B, K)."""
    final = np.concatenate(list(main_state(state)[-len(directions(settings)) :]), axis=-1)
    parts = [
        final if kind == "last" else pool(outputs, lengths, kind) for kind in settings.pooling.split("+")
    ]
    if settings.shortcut:
        parts.append(np.float32(settings.shortcut) * direct(inputs, lengths))
    return linear(np.concatenate(parts, axis=-1), tensors["head.weight"], tensors["head.bias"])


def last_step(outputs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Take each row's output at its own last step: (T, B, K), (B,) -> (B, K); length 0 gives 0."""
    answers = np.zeros(outputs.shape[1:], outputs.dtype)
    rows = np.flatnonzero(lengths)
    answers[rows] = outputs[lengths[rows] - 1, rows]
    return answers


def direct(inputs: np.ndarray | Looked, lengths: np.ndarray) -> np.ndarray:
    """Sum each row's own inputs over the square root of its length: (T, B, D), (B,) -> (B, D).

    So the values are of one size for short and long rows, as those of tf-idf vectors are.
    """
    total = inputs.sum_over(lengths) if isinstance(inputs, Looked) else pool(inputs, lengths, "sum")
    scaled: np.ndarray = total / roots(lengths, inputs.dtype)
    return scaled


def roots(lengths: np.ndarray, dtype: npt.DTypeLike = np.float32) -> np.ndarray:
    """The square root of each length, 1 for a length of 0: (B,) -> (B, 1)."""
    found: np.ndarray = np.sqrt(np.maximum(lengths, 1).astype(dtype))[:, None]
    return found


def run_layers(
    settings: Shape,
    tensors: Tensors,
    inputs: np.ndarray | Looked,
    lengths: np.ndarray,
    state: State | None = None,
) -> tuple[np.ndarray, State]:
    """Run every layer in every direction over ``inputs`` (T, B, D).

    Returns
    -------
    The top layer's outputs (T, B, directions · H), or (T, B, K) of a cell that answers itself; and the
    final state, arrays (layers · directions, B, H).
    """
    cell, ways = cell_of(settings), directions(settings)
    _check_state(cell, state, (settings.num_layers * len(ways), inputs.shape[1], cell.hidden_size))
    finals: list[State] = []
    outputs, width = np.empty(0), len(ways) * cell.hidden_size
    for n in range(settings.num_layers):
        wide = None if cell.answers else np.zeros((*inputs.shape[:2], width), inputs.dtype)
        slices = [None] if wide is None else np.split(wide, len(ways), axis=-1)
        for suffix, out in zip(ways, slices, strict=True):
            params = layer_params(cell, tensors, f"_l{n}{suffix}")
            first = None if state is None else _each(state, operator.itemgetter(len(finals)))
            output, final = scan(cell, inputs, lengths, params, first, reverse=bool(suffix), out=out)
            finals.append(final)
        inputs = outputs = output if wide is None else wide
    return outputs, _stack(finals)


def _check_state(cell: Cell, state: State | None, wanted: tuple[int, ...]) -> None:
    parts = () if state is None else state if isinstance(state, tuple) else (state,)
    names = cell.state_names if parts else ()
    if len(parts) != len(names) or any(part.shape != wanted for part in parts):
        given = ", ".join(str(part.shape) for part in parts)
        message = f"the first state must be {' and '.join(names)} of shape {wanted} each, not {given}"
        raise UsageError(message, code="E165")


def _each(state: State, change: Callable[[np.ndarray], np.ndarray]) -> State:
    return tuple(change(a) for a in state) if isinstance(state, tuple) else change(state)


def _stack(states: list[State]) -> State:
    if isinstance(states[0], tuple):
        return tuple(np.stack(parts) for parts in zip(*states, strict=True))
    return np.stack(states)


def cell_of(settings: Shape) -> Cell:
    """Build the cell that the settings name; ``nonlinearity`` goes only to a cell that has one."""
    known = options_of(settings.recurrence)
    options = {"nonlinearity": settings.nonlinearity} if "nonlinearity" in known else {}
    return make_cell(settings.recurrence, settings.hidden_size, **options)


def directions(settings: Shape) -> tuple[str, ...]:
    """The endings of the weights' names, one for each direction."""
    return ("",) if settings.causal else ("", "_reverse")


def layer_params(cell: Cell, tensors: Tensors, ending: str) -> dict[str, np.ndarray]:
    """Take one layer's and direction's weights, under the cell's own names."""
    names = cell.parameters(1, cell.hidden_size, 1)
    return {name: tensors[f"layers.{name}{ending}"] for name in names}


def tensor_shapes(
    settings: Shape,
    sizes: tuple[int, ...],
    outputs: int,
    *,
    features: int = 0,
    task: str = "classify",
) -> dict[str, tuple[int, ...]]:
    """Name every weight of a network and its shape, in the order of ``nn.Network``'s own.

    ``sizes`` says how many ids each column has, ``features`` how many numbers a step has, ``outputs`` how
    many logits or numbers an answer has.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for g, size in enumerate(sizes if settings.symbols == "embedding" else ()):
        shapes[f"embedding.{g}.weight"] = (size, settings.embedding_size)
    cell, ways = cell_of(settings), directions(settings)
    first, width = input_width(settings, sizes, features), len(ways) * settings.hidden_size
    for n in range(settings.num_layers):
        wanted = cell.parameters(width if n else first, settings.hidden_size, outputs)
        for suffix in ways:
            shapes |= {f"layers.{name}_l{n}{suffix}": shape for name, (shape, _) in wanted.items()}
    if cell.answers:
        return shapes
    shapes["head.weight"] = (outputs, _head_width(settings, width, first, task))
    shapes["head.bias"] = (outputs,)
    return shapes


def input_width(settings: Shape, sizes: tuple[int, ...], features: int) -> int:
    """How many numbers a step of the first layer's input has, D; an unknown one-hot symbol has no place."""
    if not sizes:
        return features
    return sizes[0] - 1 if settings.symbols == "one-hot" else settings.embedding_size + features


def _head_width(settings: Shape, width: int, first: int, task: str) -> int:
    """How many numbers the head reads: at every step one output; to classify, all that is put together."""
    if task not in WHOLE:
        return width
    return width * len(settings.pooling.split("+")) + (first if settings.shortcut else 0)
