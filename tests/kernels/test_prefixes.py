"""Rows that begin alike share the work on their beginnings: the same bits as each row on its own."""

from types import SimpleNamespace

import numpy as np
import pytest

from elman import kernels
from elman.kernels.native import compiled
from elman.kernels.prefixes import find_prefixes
from tests.marks import needs_kernels

pytestmark = needs_kernels
SIZES = (5, 9)


def shape_of(recurrence, layers, pooling):
    return SimpleNamespace(
        recurrence=recurrence, hidden_size=17, num_layers=layers, causal=True, nonlinearity="tanh",
        pooling=pooling, embedding_size=6, shortcut=0.7, symbols="embedding",
    )  # fmt: skip


def draw(rows=60, steps=9, kinds=3, seed=0):
    """Ids (B, T, G) of few symbols, so that many rows begin alike, and lengths with noughts among them."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, kinds, (rows, steps, len(SIZES)))
    ids[..., 1] = ids[..., 0] + 1
    return ids, rng.integers(0, steps + 1, rows)


def test_the_tree_has_each_prefix_once_when_rows_are_sorted():
    ids, lengths = draw()
    order = sorted(range(len(ids)), key=lambda row: ids[row, : lengths[row], 0].tolist())
    tree, symbols = find_prefixes(ids[order], lengths[order])
    texts = [tuple(ids[row, : lengths[row], 0].tolist()) for row in order]
    prefixes = {text[:n] for text in texts for n in range(1, len(text) + 1)}
    assert len(tree.parent) == len(symbols) == len(prefixes) < lengths.sum()
    assert tree.count.tolist() == [sum(len(p) == n for p in prefixes) for n in range(1, lengths.max() + 1)]
    for text, end in zip(texts, tree.ends, strict=True):
        spelt = []
        while end >= 0:
            spelt.insert(0, int(symbols[end, 0]))
            end = tree.parent[end]
        assert tuple(spelt) == text


def test_symbols_that_differ_in_any_column_part():
    ids = np.array([[[1, 2], [1, 2]], [[1, 2], [1, 3]]])
    tree, _ = find_prefixes(ids, np.array([2, 2]))
    assert tree.count.tolist() == [1, 2]


@pytest.mark.parametrize("recurrence", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize(("layers", "pooling"), [(1, "last"), (1, "mean+max"), (3, "mean+max+last")])
@pytest.mark.parametrize("kinds", [3, 1])
def test_the_bits_are_those_of_every_row_on_its_own(recurrence, layers, pooling, kinds):
    shape = shape_of(recurrence, layers, pooling)
    rng = np.random.default_rng(1)
    tensors = {
        name: rng.uniform(-1, 1, size).astype(np.float32)
        for name, size in kernels.tensor_shapes(shape, SIZES, 4).items()
    }
    ids, lengths = draw(kinds=kinds)
    wanted = kernels.run(shape, tensors, ids, lengths)[0]
    order = np.lexsort(ids[..., 0].T[::-1])
    for threads in (1, 2):
        kernels.set_threads(threads)
        for rows in (np.arange(len(ids)), order, order[7:8]):
            said = kernels.forward(shape, tensors, ids[rows], lengths[rows])
            np.testing.assert_array_equal(said.view(np.int32), wanted[rows].view(np.int32))
    kernels.set_threads(None)


def test_many_rows_on_two_threads_keep_their_bits():
    shape = shape_of("lstm", 2, "mean")
    rng = np.random.default_rng(1)
    shapes = kernels.tensor_shapes(shape, SIZES, 4)
    tensors = {name: rng.uniform(-1, 1, size).astype(np.float32) for name, size in shapes.items()}
    ids, lengths = draw(rows=700, steps=12, kinds=4)
    kernels.set_threads(1)
    wanted = kernels.forward(shape, tensors, ids, lengths)
    kernels.set_threads(2)
    np.testing.assert_array_equal(kernels.forward(shape, tensors, ids, lengths), wanted)
    kernels.set_threads(None)


def test_a_tree_that_cannot_be_is_refused():
    native = compiled.module
    weights = [np.zeros((3, 2), np.float32), np.zeros((3, 3), np.float32), None, None]
    layer = native.Layer("rnn", "tanh", *weights)
    x, out = np.zeros((3, 2), np.float32), np.zeros((3, 3), np.float32)
    count = np.array([1, 2])
    for parent in ([-1, 0, 1], [-1, -1, 0], [0, 0, 0]):
        with pytest.raises(ValueError, match="a parent is not of the step before"):
            native.scan_tree(layer, x, None, count, np.array(parent), 1, out)
    with pytest.raises(ValueError, match="every step of a tree has a node"):
        native.scan_tree(layer, x, None, np.array([3, 0]), np.array([-1, -1, -1]), 1, out)
    with pytest.raises(ValueError, match="an id is outside its table"):
        native.scan_tree(layer, x, np.array([0, 1, 3]), count, np.array([-1, 0, 0]), 1, out)
    with pytest.raises(ValueError, match="a parent does not stand before its node"):
        native.pool_tree(out, None, np.array([-1, 1, 0]), np.array([2]), np.array([2]), 0, out[:1])
    with pytest.raises(ValueError, match="a row ends at no node"):
        native.pool_tree(out, None, np.array([-1, 0, 0]), np.array([3]), np.array([2]), 0, out[:1])
