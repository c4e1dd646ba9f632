"""Chunks: how sequences are cut, what is carried between them, and that nothing piles up."""

import os
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from elman.errors import UsageError
from elman.nn import Carry, Chunks, Network, NetworkSettings
from elman.train import Checkpoint, LoopSettings, learn

torch.set_num_threads(1)
LENGTHS = np.array([7, 3, 10])
STATM = Path("/proc/self/statm")


def batch_of(lengths=LENGTHS, seed=0, targets=1, weights=None):
    rng = np.random.default_rng(seed)
    shape = (len(lengths), max(lengths))
    inputs, answers = rng.normal(size=(*shape, 2)), rng.normal(size=(*shape, targets))
    return SimpleNamespace(inputs=inputs, targets=answers, lengths=np.asarray(lengths), weights=weights)


def network_of(recurrence="lstm", **settings):
    torch.manual_seed(0)
    values = {"hidden_size": 5, "dropout": 0.0, **settings}
    network = Network(NetworkSettings(recurrence=recurrence, **values), (), 1, features=2, task="tag")
    return network.double()


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def test_a_batch_is_cut_along_time_with_the_lengths_of_each_piece():
    batch = batch_of(weights=np.array([1.0, 2.0, 3.0]))
    chunks = Chunks([batch], 4, Carry())
    assert len(chunks) == 3
    assert [chunk.first for chunk in chunks] == [True, False, False]
    assert [chunk.lengths.tolist() for chunk in chunks] == [[4, 3, 4], [3, 0, 4], [0, 0, 2]]
    for number, chunk in enumerate(chunks):
        np.testing.assert_array_equal(chunk.inputs, batch.inputs[:, 4 * number : 4 * number + 4])
        np.testing.assert_array_equal(chunk.targets, batch.targets[:, 4 * number : 4 * number + 4])
        assert chunk.weights is batch.weights
        assert chunk.carry is chunks.carry


@given(
    st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=3), min_size=1, max_size=4), st.integers(1, 5)
)
def test_every_step_stands_in_one_chunk_and_the_order_is_kept(lengths, tbptt):
    batches = [batch_of(each, seed) for seed, each in enumerate(lengths)]
    chunks = Chunks(batches, tbptt, Carry())
    starts = [number for number, chunk in enumerate(chunks) if chunk.first]
    assert len(starts) == len(batches)
    assert chunks[-1].first == (max(lengths[-1]) <= tbptt)
    assert [chunk.first for chunk in chunks[1:]] == [chunk.first for chunk in chunks][1:]
    for batch, start, end in zip(batches, starts, [*starts[1:], len(chunks)], strict=True):
        own = [chunks[number] for number in range(start, end)]
        np.testing.assert_array_equal(np.concatenate([chunk.inputs for chunk in own], axis=1), batch.inputs)
        np.testing.assert_array_equal(sum(chunk.lengths for chunk in own), batch.lengths)
        assert all(chunk.inputs.shape[1] == tbptt for chunk in own[:-1])
    with pytest.raises(IndexError):
        chunks[len(chunks)]


@pytest.mark.parametrize("recurrence", ["rnn", "lstm", "gru", "sine"])
def test_without_updates_the_chunks_give_what_the_whole_gives(recurrence):
    network, batch, carry = network_of(recurrence), batch_of(), Carry()
    whole, state = network.run(batch.inputs, batch.lengths)
    pieces = []
    for chunk in Chunks([batch], 4, carry):
        answers, _ = network.run(chunk.inputs, chunk.lengths, chunk.state())
        network.loss(chunk)
        pieces.append(answers)
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, rtol=0, atol=1e-12)
    for a, b in zip(parts(carry.state), parts(state), strict=True):
        torch.testing.assert_close(a, b.detach(), rtol=0, atol=1e-12)
        assert not a.requires_grad


def test_a_sequence_starts_from_the_cells_own_state():
    network, carry = network_of(), Carry()
    chunks = Chunks([batch_of([4]), batch_of([4], seed=1)], 2, carry)
    losses = [network.loss(chunk).item() for chunk in chunks]
    assert network.loss(chunks[2]).item() == losses[2]
    assert network.loss(chunks[3]).item() == losses[3]
    network.loss(chunks[0])
    assert network.loss(chunks[3]).item() != losses[3]


def test_the_gradient_stops_where_a_chunk_begins():
    network, batch, carry = network_of("rnn"), batch_of([2]), Carry()
    for chunk in Chunks([batch], 1, carry):
        network.zero_grad()
        network.loss(chunk).backward()
    found = network.layers.weight_hh_l0.grad.clone()
    first = network.run(batch.inputs[:, :1], [1])[1].detach()
    network.zero_grad()
    answers, _ = network.run(batch.inputs[:, 1:], [1], first)
    ((answers - torch.tensor(batch.targets[:, 1:])) ** 2).mean().backward()
    torch.testing.assert_close(found, network.layers.weight_hh_l0.grad, rtol=0, atol=1e-15)


def test_the_state_that_is_carried_comes_from_before_the_update():
    network, batch, carry = network_of("rnn"), batch_of([4]), Carry()
    with torch.no_grad():
        expected = network.run(batch.inputs[:, :2], [2])[1].clone()
    settings = LoopSettings(optimizer="sgd", momentum=0.0, learning_rate=0.5, schedule="constant", clip=None)
    next(learn(network, lambda number: Chunks([batch], 2, carry), None, settings, carried=carry))
    torch.testing.assert_close(carry.state, expected, rtol=0, atol=0)
    with torch.no_grad():
        assert not torch.equal(network.run(batch.inputs[:, :2], [2])[1], expected)


def test_rows_side_by_side_learn_as_each_alone():
    """Half the sum of squares is the mean over rows: the gradient of two rows is the mean of each one's."""
    torch.manual_seed(0)
    settings = NetworkSettings(recurrence="gru", hidden_size=5, dropout=0.0)
    network = Network(settings, (), 1, features=2, task="tag", loss="half_squares").double()
    both = batch_of([6, 6])

    def gradients(rows):
        part = SimpleNamespace(
            inputs=both.inputs[rows], targets=both.targets[rows], lengths=both.lengths[rows], weights=None
        )
        network.zero_grad()
        for chunk in Chunks([part], 2, Carry()):
            network.loss(chunk).backward()
        return [p.grad.clone() for p in network.parameters()]

    for a, b, c in zip(*map(gradients, ([0, 1], [0], [1])), strict=True):
        torch.testing.assert_close(a, (b + c) / 2, rtol=0, atol=1e-13)


SETTINGS = LoopSettings(max_epochs=2, learning_rate=0.05, averaging=0.5)


def run(carry, recurrence, stop=None, resume=None):
    """Learn in chunks; give the network, the last progress and the checkpoint of where it stopped."""
    network = network_of(recurrence)
    batches = [batch_of(), batch_of([5, 6], seed=1)]
    told, state = None, None
    steps = learn(
        network, lambda number: Chunks(batches, 4, carry), None, SETTINGS, resume=resume, carried=carry
    )
    for told in steps:
        if told.update == stop:
            state = told.state()
            break
    return network.state_dict(), told, state


@pytest.mark.parametrize("recurrence", ["rnn", "lstm", "sine"])
def test_a_stopped_run_goes_on_to_the_same_bits(recurrence, tmp_path):
    whole, last, _ = run(Carry(), recurrence)
    assert last.updates == 10
    for stop in (1, 3, 4, 7, 9):
        _, _, state = run(Carry(), recurrence, stop)
        state.write(tmp_path / "run.ckpt")
        weights, again, _ = run(Carry(), recurrence, resume=Checkpoint.read(tmp_path / "run.ckpt"))
        assert all(torch.equal(weights[name], whole[name]) for name in whole)
        assert again.loss_sum == last.loss_sum


def test_a_chunk_without_the_state_before_it_is_refused():
    chunk = Chunks([batch_of()], 4, Carry())[1]
    with pytest.raises(UsageError, match="no state is carried to it") as caught:
        network_of().loss(chunk)
    assert caught.value.code == "E174"


def test_what_cannot_be_cut_is_refused():
    for tbptt in (0, -1, 2.5, True, None):
        with pytest.raises(UsageError, match="tbptt must be a whole number of at least 1") as caught:
            Chunks([batch_of()], tbptt, Carry())
        assert caught.value.code == "E110"
    labels = SimpleNamespace(inputs=np.zeros((3, 7, 2)), targets=np.zeros(3), lengths=[7] * 3, weights=None)
    with pytest.raises(UsageError, match="a target for each of the 7 steps, not targets of shape") as caught:
        Chunks([labels], 2, Carry())
    assert caught.value.code == "E175"


def long_batch(steps):
    t = np.arange(steps + 1, dtype=np.float32)[None, :, None]
    wave = np.sin(t / 5)
    return SimpleNamespace(inputs=wave[:, :-1], targets=wave[:, 1:], lengths=np.array([steps]), weights=None)


def long_network():
    torch.manual_seed(0)
    settings = NetworkSettings(recurrence="rnn", hidden_size=8, dropout=0.0)
    return Network(settings, (), 1, features=1, task="tag")


def test_a_million_chunks_are_made_only_when_asked_for():
    batch = long_batch(1_000_000)
    tracemalloc.start()
    chunks = Chunks([batch], 1, Carry())
    for number in (0, 1, 500_000, 999_999):
        assert chunks[number].inputs[0, 0, 0] == batch.inputs[0, number, 0]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(chunks) == 1_000_000
    assert peak < 20_000


def held_while_learning(steps, tbptt):
    """Learn over one long sequence; give the bytes that this process held after a tenth, and at the end."""
    carry, batch = Carry(), long_batch(steps)
    settings = LoopSettings(max_epochs=1, learning_rate=0.001)
    run = learn(long_network(), lambda number: Chunks([batch], tbptt, carry), None, settings, carried=carry)
    ends = (steps // tbptt // 10, steps // tbptt)
    return [resident_bytes() for progress in run if progress.update in ends]


def resident_bytes():
    return int(STATM.read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not STATM.exists(), reason="this system does not tell how much memory a process holds")
@pytest.mark.parametrize(
    ("steps", "tbptt"), [(20_000, 100), pytest.param(1_000_000, 500, marks=pytest.mark.slow)]
)
def test_memory_stays_flat_over_one_long_sequence(steps, tbptt):
    early, late = held_while_learning(steps, tbptt)
    assert late - early < 4_000_000
