import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data.batch import CHUNK, batch_prefixes, batch_rows, make_batch, pad
from elman.data.encoded import EncodedTexts

lengths = st.lists(st.integers(0, 40), max_size=80)


def test_pad_one_id_a_step():
    array, steps = pad([np.array([1, 2, 3], dtype=np.int32), np.array([], dtype=np.int32), np.array([4])])
    assert array.tolist() == [[1, 2, 3], [0, 0, 0], [4, 0, 0]]
    assert steps.tolist() == [3, 0, 1]
    assert (array.dtype, steps.dtype) == (np.int64, np.int64)


def test_pad_several_ids_a_step():
    array, steps = pad([np.array([[1, 0]]), np.array([[2, 0], [3, 4]])])
    assert array.tolist() == [[[1, 0], [0, 0]], [[2, 0], [3, 4]]]
    assert steps.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("sequences", "shape"),
    [([], (0, 0)), ([np.zeros(0)], (1, 0)), ([np.zeros((0, 3))], (1, 0, 3))],
)
def test_pad_nothing(sequences, shape):
    array, steps = pad(sequences)
    assert array.shape == shape
    assert steps.tolist() == [0] * len(sequences)


def test_make_batch():
    sequences = [np.array([1]), np.array([2, 3]), np.array([4, 5, 6])]
    batch = make_batch(sequences, np.array([7, 8, 9], dtype=np.int32), np.array([0.5, 1, 2]), [2, 0])
    assert batch.inputs.tolist() == [[4, 5, 6], [1, 0, 0]]
    assert batch.targets.tolist() == [9, 7]
    assert batch.lengths.tolist() == [3, 1]
    assert batch.weights.tolist() == [2.0, 0.5]
    assert batch.rows.tolist() == [2, 0]
    assert len(batch) == 2
    assert (batch.targets.dtype, batch.weights.dtype) == (np.int64, np.float32)


def test_make_batch_to_predict():
    batch = make_batch([np.array([1])], None, None, [0])
    assert (batch.targets, batch.weights) == (None, None)


def test_pad_numbers():
    array, steps = pad([np.array([[0.1, 1.0], [2.0, 3.0]]), np.zeros((0, 2)), np.array([[5.0, 6.0]])])
    assert array.dtype == np.float32
    tenth = float(np.float32(0.1))
    assert array.tolist() == [[[tenth, 1.0], [2.0, 3.0]], [[0.0, 0.0]] * 2, [[5.0, 6.0], [0.0, 0.0]]]
    assert steps.tolist() == [2, 0, 1]


def test_make_batch_of_numbers_with_a_target_at_every_step():
    sequences = [np.array([[1.0]]), np.array([[2.0], [3.0]], dtype=np.float32)]
    targets = [np.array([[7.0, 8.0]]), np.array([[9.0, 10.0], [11.0, 12.0]])]
    batch = make_batch(sequences, targets, None, [1, 0])
    assert batch.inputs.tolist() == [[[2.0], [3.0]], [[1.0], [0.0]]]
    assert batch.targets.tolist() == [[[9.0, 10.0], [11.0, 12.0]], [[7.0, 8.0], [0.0, 0.0]]]
    assert (batch.inputs.dtype, batch.targets.dtype) == (np.float32, np.float32)
    assert batch.lengths.tolist() == [2, 1]


def test_ids_stay_whole_numbers():
    batch = make_batch([np.array([2**40 + 1])], np.array([1]), None, [0])
    assert batch.inputs.tolist() == [[2**40 + 1]]
    assert (batch.inputs.dtype, batch.targets.dtype) == (np.int64, np.int64)


@given(lengths, st.integers(1, 9), st.integers(0, 200), st.booleans())
def test_each_row_stands_in_one_batch_within_the_limits(steps, batch_size, most_steps, shuffled):
    rng = np.random.default_rng(0) if shuffled else None
    batches = batch_rows(steps, batch_size, rng, most_steps=most_steps)
    assert sorted(row for batch in batches for row in batch.tolist()) == list(range(len(steps)))
    for batch in batches:
        assert 1 <= len(batch) <= batch_size
        assert len(batch) == 1 or len(batch) * max(steps[row] for row in batch) <= most_steps


def test_without_a_generator_the_longest_come_first():
    batches = batch_rows([1, 3, 2, 3, 0], 2)
    assert [batch.tolist() for batch in batches] == [[1, 3], [2, 0], [4]]


def test_a_giant_stands_alone():
    batches = batch_rows([5, 1_000_000, 6, 7], 64)
    assert [batch.tolist() for batch in batches] == [[1], [3, 2, 0]]


def test_shuffled_by_the_generator_alone():
    steps = np.arange(500) % 37
    first, second, other = (batch_rows(steps, 8, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert [b.tolist() for b in first] == [b.tolist() for b in second]
    assert [b.tolist() for b in first] != [b.tolist() for b in other]


def test_little_padding_but_a_random_order():
    steps = np.random.default_rng(0).integers(1, 30, size=6400)
    batches = batch_rows(steps, 64, np.random.default_rng(1))
    padded = sum(len(batch) * steps[batch].max() for batch in batches)
    assert padded < 1.05 * steps.sum()
    longest = [steps[batch].max() for batch in batches[: CHUNK // 2]]
    assert longest != sorted(longest)
    assert longest != sorted(longest, reverse=True)
    assert (
        len(
            {frozenset(batch.tolist()) for batch in batches}
            & {frozenset(batch.tolist()) for batch in batch_rows(steps, 64, np.random.default_rng(2))}
        )
        == 0
    )


def test_rows_that_begin_alike_are_batched_together():
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 3, n).astype(np.int32) for n in rng.integers(0, 9, 100)]
    batches = batch_prefixes(EncodedTexts.of(rows), most_steps=200)
    assert sorted(np.concatenate(batches).tolist()) == list(range(100))
    assert len(batches) > 3
    assert all(len(batch) * max(len(rows[row]) for row in batch) <= 200 for batch in batches)
    texts = [rows[row].tolist() for batch in batches for row in batch]
    firsts = [text[:2] for text in texts if len(text) > 1]
    changes = sum(a != b for a, b in itertools.pairwise(firsts))
    assert changes < 9


def test_a_row_that_is_longer_than_a_batch_stands_alone():
    rows = [np.zeros(n, np.int32) for n in (3, 1000, 2)]
    assert [batch.tolist() for batch in batch_prefixes(EncodedTexts.of(rows), most_steps=10)] == [[2, 0], [1]]
    assert batch_prefixes(EncodedTexts.of([])) == []
