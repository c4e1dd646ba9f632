"""What a model answers: one function for each task. NumPy and kernels only, no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elman import kernels
from elman.cells import GRU, LSTM, RNN, State, cell_class
from elman.data.batch import batch_prefixes, batch_rows, pad
from elman.data.codec import LabelCodec, TextCodec
from elman.data.encoded import EncodedTexts
from elman.data.sequences import as_texts
from elman.errors import DataError

if TYPE_CHECKING:
    from elman.models.model import Model

Encoded = Sequence[NDArray[Any]]
Floats = NDArray[np.float32]
Values = NDArray[np.float64]
Progress = Callable[[int, int], None]
Batches = Iterator[tuple[NDArray[np.int64], NDArray[Any], NDArray[np.int64]]]
"""Which rows, their steps one beside the other, and their lengths."""

BATCH_SIZE = 512
"""Rows that are run together. It changes the speed, not the answer (beyond the last bits in NumPy)."""

BUILT_IN = (RNN, LSTM, GRU)


def encode(model: Model, X: Any) -> Encoded:
    """Check and encode what came from Python: ids or channels of B sequences."""
    if isinstance(model.inputs, TextCodec):
        return model.inputs.encode_once(as_texts(X))
    return model.inputs.encode_all(X)


def regress(model: Model, X: Any) -> Values:
    """Give the numbers of each sequence, in the user's units: (B,) or (B, K)."""
    return narrow(model.numbers.decode(whole(model, encode(model, X))))


def whole(model: Model, sequences: Encoded) -> Floats:
    """Give what the network says of each encoded sequence: (B, K)."""
    return _each(model, sequences, lambda answers: answers, None)


def classify(model: Model, X: Any) -> NDArray[Any]:
    """Give the most probable label of each sequence: (B,)."""
    return model.labels.decode(probabilities(model, encode(model, X)).argmax(axis=1))


def probabilities(model: Model, sequences: Encoded, progress: Progress | None = None) -> Floats:
    """Give the probability of each class for each encoded sequence: (B, K)."""
    from elman.models.few import probabilities_of_few

    few = probabilities_of_few(model, sequences)
    return few if few is not None else probabilities_in_batches(model, sequences, progress)


def probabilities_in_batches(model: Model, sequences: Encoded, progress: Progress | None = None) -> Floats:
    """``probabilities`` by whole sequences, however few they are."""
    return _each(model, sequences, kernels.softmax, progress)


def _each(
    model: Model, sequences: Encoded, of: Callable[[Floats], Floats], progress: Progress | None
) -> Floats:
    """Average ``of`` what each member says of each sequence (B, K)."""
    if not isinstance(model.inputs, TextCodec):
        return _gathered(model, batches(model, sequences), np.ones(len(sequences), np.int64), of, progress)
    texts = EncodedTexts.of(sequences)  # equal ones are asked of once
    times = np.bincount(texts.place)
    return _gathered(model, _text_batches(model, texts), times, of, progress)[texts.place]


def _gathered(
    model: Model,
    found: Batches,
    times: NDArray[np.int64],
    of: Callable[[Floats], Floats],
    progress: Progress | None,
) -> Floats:
    """``_each`` of U rows, which stand ``times`` (U,) in the user's table."""
    outputs = len(model.targets.classes_) if isinstance(model.targets, LabelCodec) else model.targets.features
    answer = np.empty((len(times), outputs), np.float32)
    done, sizes = 0, getattr(model.inputs, "sizes", ())
    for rows, inputs, lengths in found:
        parts = [kernels.forward(model.settings, one, inputs, lengths, sizes=sizes) for one in model.members]
        answer[rows] = mean_of([of(said) for said in parts])
        done += int(times[rows].sum())
        if progress is not None:
            progress(done, int(times.sum()))
    return answer


def tag(model: Model, X: Any) -> Any:
    """Give the label of every step, B arrays (T,); or its numbers, (T,) or (T, K). One array if X is one."""
    if isinstance(model.targets, LabelCodec):
        answers = [
            model.labels.decode(part.argmax(axis=1)) for part in step_probabilities(model, encode(model, X))
        ]
        return (
            np.array(answers) if isinstance(X, np.ndarray) and X.dtype.kind != "O" and X.ndim > 1 else answers
        )
    answers = [narrow(model.numbers.decode(part)) for part in channels(model, encode(model, X))]
    regular = isinstance(X, np.ndarray) and X.dtype.kind != "O"
    return np.array(answers) if regular else answers


def step_probabilities(model: Model, sequences: Encoded) -> list[Floats]:
    """Give the probability of each class at every step of encoded sequences: B arrays (T, K)."""
    return channels(model, sequences, of=kernels.softmax)


def channels(
    model: Model, sequences: Encoded, of: Callable[[Floats], Floats] = lambda said: said
) -> list[Floats]:
    """Give what the network says at every step of encoded sequences, or ``of`` it: B arrays (T, K)."""
    found: dict[int, Floats] = {}
    for rows, inputs, lengths in batches(model, sequences):
        answer = mean_of([of(said) for said in run(model, inputs, lengths)[0]])
        found |= {row: answer[n, : lengths[n]] for n, row in enumerate(rows.tolist())}
    return [found[row] for row in range(len(sequences))]


def most_likely(model: Model, X: Any) -> list[NDArray[Any]]:
    """Give the most probable next symbol after each step of each text: B arrays (n + 1,)."""
    return [model.labels.decode(part.argmax(axis=1)) for part in step_probabilities(model, encode(model, X))]


def forecast(model: Model, X: Any, horizon: int = 1) -> Values:
    """Give the next values of each series, each fed with the one before: (B, horizon) or (B, horizon, D)."""
    series = encode(model, X)
    check_not_empty(series, "X")
    answer = np.empty((len(series), horizon, model.numbers.features))
    for rows, inputs, lengths in batches(model, series):
        answer[rows] = model.numbers.decode(_free_run(model, inputs, lengths, horizon))
    return narrow(answer)


def _free_run(model: Model, inputs: NDArray[Any], lengths: NDArray[np.int64], horizon: int) -> Floats:
    """From the state after the series on, what the network says is what it reads next: (B, horizon, D)."""
    parts, states = run(model, inputs, lengths)
    ones = np.ones_like(lengths)
    said = [mean_of(parts)[np.arange(len(lengths)), lengths - 1]]
    while len(said) < horizon:
        parts, states = run(model, said[-1][:, None], ones, states)
        said.append(mean_of(parts)[:, 0])
    return np.stack(said, axis=1)


def run(
    model: Model, inputs: NDArray[Any], lengths: NDArray[np.int64], states: list[State] | None = None
) -> tuple[list[Floats], list[State]]:
    """Run every member from its own state on: what each says, and its state after."""
    task, sizes = TASKS[model.task].network, getattr(model.inputs, "sizes", ())
    firsts = [None] * len(model.members) if states is None else states
    pairs = [
        kernels.run(model.settings, tensors, inputs, lengths, first, task=task, sizes=sizes)
        for tensors, first in zip(model.members, firsts, strict=True)
    ]
    return [said for said, _ in pairs], [state for _, state in pairs]


def mean_of(parts: list[Floats]) -> Floats:
    """Average what the members say, in their order."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return np.asarray(total / np.float32(len(parts)), np.float32)


def batches(model: Model, sequences: Encoded) -> Batches:
    """Rows of like length together."""
    lengths = np.array([len(sequence) for sequence in sequences], np.int64)
    for rows in batch_rows(lengths, _most_rows(model)):
        yield rows, *pad([sequences[row] for row in rows])


def _text_batches(model: Model, texts: EncodedTexts) -> Batches:
    """The different texts, such as begin alike together: they share the work on their beginnings."""
    alike = model.settings.causal and _most_rows(model) > 1
    for rows in batch_prefixes(texts) if alike else batch_rows(texts.lengths, _most_rows(model)):
        yield rows, *texts.pad(rows)


def _most_rows(model: Model) -> int:
    """With a cell of one's own each row stands alone, for the same bits in any company."""
    return BATCH_SIZE if issubclass(cell_class(model.settings.recurrence), BUILT_IN) else 1


def narrow(values: Values) -> Values:
    """One number a step needs no axis of its own."""
    return values[..., 0] if values.shape[-1] == 1 else values


def check_not_empty(series: Sequence[NDArray[Any]], name: str) -> None:
    """Refuse series without a step: a forecast begins at an end."""
    empty = next((row for row, values in enumerate(series) if not len(values)), None)
    if empty is not None:
        message = "an empty series has no end to go on from"
        raise DataError(message, code="E282", where=f"{name}[{empty}]", help="give it at least one step")


class Task(NamedTuple):
    """What a task needs and gives: kinds of codecs, the network's own task, and what answers."""

    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    network: str
    answer: Callable[..., Any]


READ = ("text", "number", "mixed")

TASKS: dict[str, Task] = {
    "classify": Task(READ, ("label",), "classify", classify),
    "regress": Task(READ, ("number",), "regress", regress),
    "tag": Task(READ, ("number", "label"), "tag", tag),
    "forecast": Task(("number",), ("number",), "tag", forecast),
    "generate": Task(("prompt",), ("label",), "tag", most_likely),
}
