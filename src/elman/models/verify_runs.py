"""The ways to run the same sequences: alone, in batches, padded, in chunks, step by step."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elman import kernels
from elman.cells import State
from elman.data.batch import pad
from elman.data.codec import LabelCodec
from elman.data.prompt import PromptCodec
from elman.kernels.forward import WHOLE, cell_of, classify, last_step, read, run_layers
from elman.models.answers import TASKS, mean_of, probabilities, run
from elman.models.export_rows import Row, answers_to, encoded, in_units, part, steps_of
from elman.models.model import Model, Tensors
from elman.models.stream import PrefixStreamWarning, Step
from elman.models.verify_cases import Case, prefix, stream_steps

Answer = NDArray[Any]

BATCHES = (2, 7, 512)
"""How many sequences are run together, in an order drawn at random."""

TOGETHER, PADDING = 16, 9
"""Sequences of any length that are padded together, and steps that nobody needs behind the longest."""

CHUNKS = (1, 7)

PREFIXES = 32
"""Most steps of a sequence at which a stream is compared with the sequence that ends there."""

SINGLE_STEPS = 200
"""Most steps of a sequence that are taken one by one from the same state."""


def is_whole(model: Model) -> bool:
    """Whether a sequence has one answer; otherwise every step has."""
    return TASKS[model.task].network in WHOLE


def alone(model: Model, rows: Sequence[Row]) -> list[Answer]:
    """Each by itself."""
    return [answers_to(model, [row])[0] for row in rows]


def as_answered(model: Model, rows: Sequence[Row]) -> list[Answer]:
    """Each by itself as ``Model.predict`` takes it: a short text is stepped."""
    if model.task != "classify":
        return alone(model, rows)
    return [probabilities(model, [encoded(model, row)])[0] for row in rows]


def in_batches(model: Model, rows: Sequence[Row], size: int) -> list[Answer]:
    """So many at a time, in company drawn at random."""
    found: dict[int, Answer] = {}
    order = np.random.default_rng(size).permutation(len(rows)).tolist()
    for start in range(0, len(rows), size):
        some = order[start : start + size]
        found |= dict(zip(some, answers_to(model, [rows[n] for n in some]), strict=True))
    return [found[n] for n in range(len(rows))]


def padded(model: Model, rows: Sequence[Row]) -> list[Answer]:
    """In batches whose padding is full of NaN, or of some symbol."""
    found: list[Answer] = []
    for start in range(0, len(rows), TOGETHER):
        some = rows[start : start + TOGETHER]
        inputs, lengths = pad([encoded(model, row) for row in some])
        inputs = _filled(model, inputs, lengths)
        if is_whole(model):
            sizes = getattr(model.inputs, "sizes", ())
            parts = [
                kernels.forward(model.settings, one, inputs, lengths, sizes=sizes) for one in model.members
            ]
            found += _said(model, parts, some)
        else:
            said = _said(model, run(model, inputs, lengths)[0], None)
            found += [in_units(model, one[:n], row) for one, n, row in zip(said, lengths, some, strict=True)]
    return found


def _filled(model: Model, inputs: NDArray[Any], lengths: NDArray[np.int64]) -> NDArray[Any]:
    """More padding, none of it nought."""
    sizes = getattr(model.inputs, "sizes", ())
    steps = inputs.shape[1] + PADDING
    wide = np.zeros((len(inputs), steps, *inputs.shape[2:]), inputs.dtype)
    wide[:, : inputs.shape[1]] = inputs
    features = inputs.shape[-1] - len(sizes) if inputs.dtype.kind == "f" else 0
    junk = np.array([*(size - 1 for size in sizes), *[np.nan] * features])
    wide[np.arange(steps) >= lengths[:, None]] = junk if inputs.ndim > 2 else junk[0]
    return wide


def in_chunks(model: Model, row: Row, size: int) -> Answer:
    """So many steps at a time, the state handed on."""
    sequence, steps = encoded(model, row)[None], steps_of(row)
    if is_whole(model):
        parts = [_whole_in_chunks(model, tensors, sequence, size) for tensors in model.members]
        return _said(model, parts, [row])[0]
    pieces: list[list[NDArray[np.float32]]] = []
    states: list[State] | None = None
    for start in range(0, steps, size):
        piece = sequence[:, start : start + size]
        said, states = run(model, piece, np.array([piece.shape[1]]), states)
        pieces.append(said)
    parts = [np.concatenate(each, axis=1) for each in zip(*pieces, strict=True)]
    return _said(model, parts, [row])[0]


def _whole_in_chunks(model: Model, tensors: Tensors, sequence: Answer, size: int) -> NDArray[np.float32]:
    """The layers in chunks; then what they say is put together."""
    settings, sizes = model.settings, getattr(model.inputs, "sizes", ())
    x, outputs, state = np.swapaxes(sequence, 0, 1), [], None
    for start in range(0, len(x), size):
        piece = read(settings, tensors, x[start : start + size], sizes)
        out, state = run_layers(settings, tensors, piece, np.array([piece.shape[0]]), state)
        outputs.append(out)
    every, length = np.concatenate(outputs), np.array([len(x)])
    if cell_of(settings).answers:
        return last_step(every, length)
    assert state is not None
    return classify(settings, tensors, read(settings, tensors, x, sizes), every, state, length)


def _said(model: Model, parts: Sequence[NDArray[np.float32]], rows: Sequence[Row] | None) -> list[Answer]:
    """What the members say together of each row; in the user's units where ``rows`` says of which."""
    if isinstance(model.targets, LabelCodec):
        parts = [kernels.softmax(one) for one in parts]
    said = mean_of(list(parts))
    if rows is None:
        return list(said)
    return [in_units(model, one, row) for one, row in zip(said, rows, strict=True)]


class Marks(NamedTuple):
    """Steps of a sequence at which a stream is listened to, and what it must say there."""

    steps: list[int]
    wanted: list[Answer]


def marks(model: Model, case: Case, whole: Answer) -> Marks:
    """What ``whole`` says at every step; or, where it does not, what is said of the sequence up to some."""
    values, first = len(stream_steps(model, case)), _before(model)
    if model.causal and not is_whole(model) and values + first == steps_of(case.row):
        return Marks(list(range(values + first)), list(whole))
    counts = _some(values, model.causal)
    prefixes = answers_to(model, [prefix(model, case, count) for count in counts]) if counts else []
    wanted = prefixes if is_whole(model) else [said[-1] for said in prefixes]
    return Marks([count - 1 + first for count in counts], wanted)


def streamed(model: Model, case: Case, steps: Sequence[int]) -> list[Answer]:
    """What ``Model.stream`` says at these steps, one value at a time."""
    if not steps:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PrefixStreamWarning)
        stream = model.stream(condition=case.condition)
    said = [] if stream.first is None else [stream.first]
    values = stream_steps(model, case)[: steps[-1] + 1 - _before(model)]
    said += [stream.step(**value) for value in values]
    return [_answer(said[step]) for step in steps]


def _before(model: Model) -> int:
    """How many answers a stream gives before it has read a value: a generator's first."""
    return int(isinstance(model.inputs, PromptCodec))


def _some(count: int, causal: bool) -> list[int]:
    """At most so many counts of steps, the last of all among them if a stream takes each step but once."""
    if count <= PREFIXES or not causal:
        return list(range(1, min(count, PREFIXES) + 1))
    return sorted({int(n) for n in np.linspace(1, count, PREFIXES)})


def _answer(step: Step) -> Answer:
    said = step.probabilities if step.probabilities is not None else step.ahead
    return np.asarray(step.value if said is None else said)


class Moment(NamedTuple):
    """One step of the sequences that have it, ``rows`` of them: what is read, from which states on."""

    step: int
    rows: list[int]
    reads: list[Row]
    states: list[State] | None
    said: list[Answer]
    after: list[State]


def moments(model: Model, rows: Sequence[Row]) -> Iterator[Moment]:
    """Take the steps of all sequences one by one, each from the states that the step before left."""
    order = sorted(range(len(rows)), key=lambda n: -steps_of(rows[n]))
    states: list[State] | None = None
    for t in range(min(SINGLE_STEPS, steps_of(rows[order[0]]))):
        some = [n for n in order if steps_of(rows[n]) > t]
        reads = [part(rows[n], t, t + 1) for n in some]
        states = None if states is None else [_first_rows(state, len(some)) for state in states]
        said, after = one_step(model, reads, states)
        yield Moment(t, some, reads, states, said, after)
        states = after


def one_step(
    model: Model, reads: Sequence[Row], states: list[State] | None
) -> tuple[list[Answer], list[State]]:
    """One step of several rows from ``states`` on: what is said of each, and the states after."""
    inputs = np.stack([encoded(model, row) for row in reads])
    parts, after = run(model, inputs, np.ones(len(reads), np.int64), states)
    return _said(model, parts, reads), after


def _first_rows(state: State, count: int) -> State:
    """The states (layers · directions, B, H) of the first rows."""
    if isinstance(state, tuple):
        return tuple(part[:, :count] for part in state)
    return state[:, :count]
