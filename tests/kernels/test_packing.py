"""Packed rows: where they stand, what is pooled of them and its gradient, beside the padded ones."""

import numpy as np
import pytest

from elman import kernels
from elman.kernels import answer, native, table, twins
from elman.kernels.packing import Packing, norm, pool_columns, pool_columns_back, spread, sum_columns
from elman.kernels.table import Mask

pytestmark = pytest.mark.skipif(native.compiled.module is None, reason="there is no compiled module here")
SIZES = [(1, 1, 1), (5, 7, 33), (6, 40, 17), (1, 9, 16)]


def drawn(T, B, H):
    rng = np.random.default_rng(T + B)
    lengths = rng.integers(0, T + 1, B)
    lengths[0] = T
    x = rng.normal(size=(T, B, H)).round(1).astype(np.float32)  # so that some are the greatest together
    return rng, lengths, np.where(np.arange(T)[:, None, None] < lengths[:, None], x, 0).astype(np.float32)


def packed(x, packing):
    return x.reshape(-1, x.shape[-1])[packing.places]


def padded(rows, packing, shape):
    found = np.zeros((shape[0] * shape[1], rows.shape[1]), np.float32)
    found[packing.places] = rows
    return found.reshape(*shape, -1)


@pytest.mark.parametrize("lengths", [[3, 1, 3, 2], [0, 0], [], [5], [0, 2, 0, 2], [1, 2, 3]])
def test_rows_stand_by_step_and_the_longest_first(lengths):
    lengths = np.array(lengths, np.int64)
    packing = Packing.of(lengths)
    order = np.argsort(-lengths, kind="stable")
    assert packing.order.tolist() == order.tolist()
    wanted = [(t, b) for t in range(lengths.max(initial=0)) for b in order if lengths[b] > t]
    assert packing.counts.tolist() == np.bincount([t for t, _ in wanted]).tolist()
    assert packing.places.tolist() == [t * len(lengths) + b for t, b in wanted]


def test_ids_are_taken_and_some_hidden():
    rng, lengths, _ = drawn(6, 9, 1)
    ids, packing = rng.integers(1, 50, (9, 6, 3)), Packing.of(lengths)
    chances = rng.random((2, 6, 9), np.float32)
    rates = np.array([0.5, 0, 0.25], np.float32)
    rows, columns = packing.take(ids, rates, chances)
    wanted = ids.transpose(1, 0, 2).reshape(-1, 3)[packing.places]
    wanted[:, 0] *= chances[0].reshape(-1)[packing.places] >= 0.5
    wanted[:, 2] *= chances[1].reshape(-1)[packing.places] >= 0.25
    np.testing.assert_array_equal(rows, wanted)
    np.testing.assert_array_equal(columns, wanted.T)
    assert 0 < (rows[:, 0] == 0).sum() < len(rows)
    assert (rows[:, 1] > 0).all()


@pytest.mark.parametrize("sizes", SIZES)
def test_pooled_to_the_bit_as_padded_rows_are(sizes):
    _, B, H = sizes
    _, lengths, x = drawn(*sizes)
    packing, pooled = Packing.of(lengths), np.full((B, 3 * H + 2), 7, np.float32)
    pool_columns(packed(x, packing), packing, pooled, mean=H + 1, most=0)
    sum_columns(packed(x, packing), packing, pooled, 2 * H + 1, 3.0)
    np.testing.assert_array_equal(pooled[:, :H], kernels.pool(x, lengths, "max"))
    np.testing.assert_array_equal(pooled[:, H + 1 : 2 * H + 1], kernels.pool(x, lengths, "mean"))
    roots = np.sqrt(np.maximum(lengths, 1).astype(np.float32))[:, None]
    wanted = np.float32(3) * kernels.pool(x, lengths, "sum") / roots
    np.testing.assert_array_equal(pooled[:, 2 * H + 1 : -1], wanted)
    assert (pooled[:, [H, -1]] == 7).all()


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("kinds", [("mean",), ("max",), ("mean", "max")])
def test_its_gradient_is_that_of_padded_rows(sizes, kinds):
    T, B, H = sizes
    rng, lengths, x = drawn(*sizes)
    packing, pooled = Packing.of(lengths), np.zeros((B, 2 * H), np.float32)
    slopes = rng.normal(size=(B, 2 * H)).astype(np.float32)
    columns = {"mean": 0 if "mean" in kinds else -1, "most": H if "max" in kinds else -1}
    pool_columns(packed(x, packing), packing, pooled, **columns)
    found = pool_columns_back(packed(x, packing), packing, pooled, slopes, **columns)
    even = slopes[:, :H] / np.maximum(lengths, 1).astype(np.float32)[:, None] if "mean" in kinds else None
    greatest = (x, pooled[:, H:].copy(), slopes[:, H:].copy()) if "max" in kinds else None
    wanted = answer.pool_back(lengths, T, even, greatest)
    np.testing.assert_array_equal(padded(found, packing, (T, B)), wanted)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("column", [-1, 2])
def test_what_the_sum_gives_is_spread_and_what_was_dropped_dropped(sizes, masked, column):
    T, B, E = sizes
    rng, lengths, d_x = drawn(*sizes)
    packing, slopes = Packing.of(lengths), rng.normal(size=(B, E + 3)).astype(np.float32)
    mask = Mask(rng.integers(0, 2**16, (T, B, E), np.uint16), 20000) if masked else None
    rows = packed(d_x, packing)
    spread(rows, packing, slopes, column, 3.0, mask)
    roots = np.sqrt(np.maximum(lengths, 1))[:, None]
    own = np.arange(T)[:, None, None] < lengths[:, None]
    wanted = d_x + (own * (3 / roots * slopes[:, 2 : 2 + E]) if column >= 0 else 0)
    wanted = wanted * (mask.factors() if mask else 1)
    np.testing.assert_allclose(padded(rows, packing, (T, B)), wanted, rtol=1e-5, atol=1e-6)


def test_a_norm_of_many_arrays():
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in [(1,), (3, 70), (9000,), (2, 4, 5)]]
    wanted = np.sqrt(sum((a.astype(np.float64) ** 2).sum() for a in arrays))
    assert norm(arrays) == pytest.approx(wanted, rel=1e-6)
    assert norm([]) == 0
    assert np.isnan(norm([np.array([1, np.nan], np.float32)]))


@pytest.mark.parametrize(
    "sizes", [(1, 1, 1), (7, 33, 18), (300, 50, 3), (512, 200, 97), (0, 5, 4), (256, 48, 16)]
)
def test_gradients_of_a_linear_map_on_every_path(sizes):
    (M, D, K), rng = sizes, np.random.default_rng(sum(sizes))
    x, weight, slopes = (rng.normal(size=s).astype(np.float32) for s in [(M, D), (K, D), (M, K)])
    wide = [a.astype(np.float64) for a in (x, weight, slopes)]
    wanted, before, first = (
        (wide[2] @ wide[1], wide[2].T @ wide[0], wide[2].sum(0)),
        native.compiled.path,
        None,
    )
    try:
        for path in native.compiled.names():
            for threads in (1, 2, 3):
                native.use(path)
                native.set_threads(threads)
                found = answer.linear_back(x, weight, slopes)
                for mine, exact in zip(found, wanted, strict=True):
                    np.testing.assert_allclose(mine, exact, rtol=1e-5, atol=5e-5)
                first = first or found
                if path != "numpy":
                    assert all(np.array_equal(a, b) for a, b in zip(first, found, strict=True))
    finally:
        native.use(before)
        native.set_threads(None)


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_is_its_twins(smoothing, weighted):
    rng = np.random.default_rng(1)
    logits = (9 * rng.normal(size=(7, 19))).astype(np.float32)
    weights, shares = (rng.random(n).astype(np.float32) if weighted else None for n in (7, 19))
    given = rng.integers(0, 19, 7), weights, shares, smoothing
    loss, slopes = answer.nll(logits, *given)
    twin, wanted = _by_the_twin(logits, *given)
    assert loss == pytest.approx(twin, rel=1e-6)
    np.testing.assert_allclose(slopes, wanted, rtol=1e-5, atol=1e-7)


def _by_the_twin(logits, *given):
    before = native.compiled.path
    native.use("numpy")
    try:
        return answer.nll(logits, *given)
    finally:
        native.use(before)


def test_scores_without_bounds_are_passed_on():
    logits = np.array([[1, np.nan], [np.inf, 0]], np.float32)
    assert np.isnan(answer.nll(logits, np.array([0, 1]))[0])
    sure = np.array([[300, -300]], np.float32)
    loss, slopes = answer.nll(sure, np.array([0]))
    assert loss == 0
    np.testing.assert_array_equal(slopes, 0)


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_random_words_are_numpys(count):
    seeds = [3, 2**63 + 5, 2**64 - 1]
    np.testing.assert_array_equal(table.random_words(seeds, count), twins.random_words(seeds, count))


def test_the_boundary_refuses_what_does_not_fit():
    module, x = native.compiled.module, np.zeros((3, 4), np.float32)
    order, pooled = np.array([0, 1]), np.zeros((2, 4), np.float32)
    for counts, message in (([2, 3], "never grow"), ([3], "never grow"), ([2], "x has shape")):
        with pytest.raises(ValueError, match=message):
            module.pool_columns(x, np.array(counts), order, pooled, 0, -1, -1, 1.0, 1)
    with pytest.raises(ValueError, match="too few columns"):
        module.pool_columns(x, np.array([2, 1]), order, pooled, 1, -1, -1, 1.0, 1)
    with pytest.raises(ValueError, match="outside its table"):
        module.pool_columns(x, np.array([2, 1]), np.array([0, 2]), pooled, 0, -1, -1, 1.0, 1)
    with pytest.raises(ValueError, match="a place for each step"):
        module.pack(np.array([2, 1]), np.empty(2, np.int64), np.empty(2, np.int64), np.empty(4, np.int64))
    scores = np.zeros((1, 4), np.float32)
    with pytest.raises(ValueError, match="an id is outside"):
        module.nll(scores, np.array([4]), np.ones(1, np.float32), None, 0.0, scores.copy())
    with pytest.raises(ValueError, match="differ in size"):
        module.move_all([x], [x], [x], [x[:2]], 0.1, 1, 0.9, 0.9, 1e-8, 1, 1)
