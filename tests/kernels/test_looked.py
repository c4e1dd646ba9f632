"""Symbols projected once each: the same bits as every step on its own."""

import numpy as np
import pytest

from elman import kernels
from elman.cells import make_cell
from elman.errors import UsageError
from elman.kernels.answer import embed, pool
from elman.kernels.looked import Looked, look_up
from tests.marks import needs_kernels

pytestmark = needs_kernels
rng = np.random.default_rng(0)
TABLES = [rng.normal(size=(size, 6)).astype(np.float32) for size in (5, 9, 4)]
IDS = np.stack([rng.integers(0, 3, (12, 20)) for _ in TABLES], axis=-1)
LENGTHS = rng.integers(0, 13, 20)


def test_a_table_holds_each_different_embedding_once():
    found = look_up(TABLES, IDS)
    assert isinstance(found, Looked)
    assert found.shape == (12, 20, 6)
    assert len(found.table) == len(np.unique(IDS.reshape(-1, 3), axis=0)) < 0.5 * IDS[..., 0].size
    np.testing.assert_array_equal(found.dense(), embed(TABLES, IDS))


def test_where_few_are_the_same_every_step_has_its_own():
    ids = np.stack([rng.permutation(5).reshape(5, 1) for _ in range(1)], axis=-1)
    np.testing.assert_array_equal(look_up(TABLES[:1], ids), embed(TABLES[:1], ids))


def test_other_types_and_wrong_ids_go_the_plain_way():
    wide = [table.astype(np.float64) for table in TABLES]
    np.testing.assert_array_equal(look_up(wide, IDS), embed(wide, IDS))
    with pytest.raises(UsageError, match="the table has rows 0 to 3"):
        look_up(TABLES, IDS + 2)
    with pytest.raises(UsageError, match="3 tables cannot embed 1 columns"):
        look_up(TABLES, IDS[..., 0])


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [LENGTHS, np.full(20, 12)], ids=["ragged", "equal"])
def test_the_bits_are_those_of_every_step_on_its_own(kind, reverse, lengths):
    cell = make_cell(kind, 17)
    params = {n: rng.uniform(-1, 1, s).astype(np.float32) for n, (s, _) in cell.parameters(6, 17, 1).items()}
    looked, dense = look_up(TABLES, IDS), embed(TABLES, IDS)
    for threads in (1, 2):
        kernels.set_threads(threads)
        one, end = kernels.scan(cell, looked, lengths, params, reverse=reverse)
        other, final = kernels.scan(cell, dense, lengths, params, reverse=reverse)
        np.testing.assert_array_equal(one.view(np.int32), other.view(np.int32))
        np.testing.assert_array_equal(np.array(end), np.array(final))
    kernels.set_threads(None)


def test_the_sum_over_time_is_that_of_pooling():
    looked = look_up(TABLES, IDS)
    np.testing.assert_array_equal(looked.sum_over(LENGTHS), pool(looked.dense(), LENGTHS, "sum"))
