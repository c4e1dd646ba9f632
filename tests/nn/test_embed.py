"""Symbols become numbers in one pass: values and gradients are those of torch's modules, one by one."""

import numpy as np
import pytest
import torch
from torch import nn

from elman.kernels.native import chosen_for_now, compiled
from elman.kernels.table import CHANCES, Mask, Move, Table, move_rows, read_rows
from elman.nn import embed as fast
from elman.nn.drop import drop
from elman.nn.embed import embed

SIZES = (9, 30, 21)


def tables(width: int, sparse: int | None = None, sizes: tuple[int, ...] = SIZES) -> list[nn.Embedding]:
    torch.manual_seed(0)
    made = [nn.Embedding(n, width, padding_idx=0 if g else None) for g, n in enumerate(sizes)]
    if sparse is not None:
        made[sparse].sparse = True
    return made


def columns(T: int, B: int, sizes: tuple[int, ...] = SIZES) -> list[torch.Tensor]:
    rng = np.random.default_rng(1)
    return [torch.from_numpy(rng.integers(0, n, (T, B))) for n in sizes]


def plainly(
    modules: list[nn.Embedding], ids: list[torch.Tensor], rate: float, training: bool
) -> torch.Tensor:
    total = modules[0](ids[0])
    for table, column in zip(modules[1:], ids[1:], strict=True):
        total = total + table(column)
    return drop(total, rate, training)


def learnt(way, modules, ids, rate):
    torch.manual_seed(5)
    found = way(modules, ids, rate, True)
    found.backward(torch.sin(torch.arange(found.numel()).float()).view_as(found))
    return found, [table.weight.grad for table in modules]


@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize(("T", "B", "width"), [(1, 1, 1), (7, 3, 5), (12, 40, 33), (0, 2, 4)])
def test_values_and_gradients_are_those_of_the_modules(T, B, width, rate):
    ids = columns(T, B)
    found, slopes = learnt(embed, tables(width), ids, rate)
    wanted, theirs = learnt(plainly, tables(width), ids, rate)
    assert found.grad_fn.name() == "SumBackward"
    assert torch.equal(found, wanted)
    for mine, other in zip(slopes, theirs, strict=True):
        torch.testing.assert_close(mine, other)
    for slope in slopes[1:]:
        assert not slope[0].any(), "the padding has no gradient"


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_a_table_that_asks_for_it_gets_a_sparse_gradient_of_each_row_once(rate):
    ids = columns(6, 50)
    _, slopes = learnt(embed, tables(8, sparse=1), ids, rate)
    _, theirs = learnt(plainly, tables(8), ids, rate)
    assert [slope.is_sparse for slope in slopes] == [False, True, False]
    rows = slopes[1]._indices()[0]
    assert len(rows.unique()) == len(rows)
    assert 0 not in rows
    torch.testing.assert_close(slopes[1].to_dense(), theirs[1])


def test_only_the_weights_that_learn_get_a_gradient():
    made = tables(4)
    made[1].weight.requires_grad_(False)
    _, slopes = learnt(embed, made, columns(3, 2), 0.0)
    assert [slope is None for slope in slopes] == [False, True, False]


def test_nothing_is_dropped_outside_of_training():
    made, ids = tables(4), columns(3, 2)
    assert torch.equal(embed(made, ids, 0.9, False), plainly(made, ids, 0.0, False))


def test_whoever_waits_for_a_table_to_be_read_is_told_its_ids():
    made, ids, seen = tables(4), columns(3, 2), []
    made[2].register_forward_pre_hook(lambda table, given: seen.append((table, given)))
    embed(made, ids, 0.0, False)
    (table, (column,)) = seen[0]
    assert len(seen) == 1
    assert table is made[2]
    assert torch.equal(column, ids[2])


@pytest.mark.parametrize("change", [nn.Module.double, nn.Module.bfloat16])
def test_other_types_go_through_torch(change):
    made = [change(table) for table in tables(4)]
    ids = columns(3, 2)
    found = embed(made, ids, 0.0, True)
    assert found.dtype == made[0].weight.dtype
    assert torch.equal(found, plainly(made, ids, 0.0, True))


def test_a_table_with_a_largest_norm_is_left_to_torch():
    made = [nn.Embedding(9, 4, max_norm=0.1), *tables(4)[1:]]
    assert not fast._fits(made)
    found = embed(made, columns(3, 2), 0.0, False)
    assert found.shape == (3, 2, 4)


def test_the_plain_twin_gives_the_same(monkeypatch):
    from elman.kernels import table as of_rows

    ids, modules = columns(6, 5), tables(7, sparse=2)
    found, slopes = learnt(embed, modules, ids, 0.4)
    with monkeypatch.context() as patch:
        patch.setattr(of_rows, "compiled", lambda *arrays: False)
        wanted, theirs = learnt(embed, tables(7, sparse=2), ids, 0.4)
    assert torch.equal(found, wanted)
    for mine, other in zip(slopes, theirs, strict=True):
        torch.testing.assert_close(
            mine.to_dense() if mine.is_sparse else mine, other.to_dense() if other.is_sparse else other
        )


def test_a_second_derivative_is_refused():
    found = embed(tables(4), columns(3, 2), 0.0, True)
    weight = found.grad_fn.next_functions[3][0].variable
    (slope,) = torch.autograd.grad((found**2).sum(), weight, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


def test_rows_are_read_and_moved_alike_by_any_number_of_threads():
    rng, size, E = np.random.default_rng(3), 9000, 33  # enough numbers to be shared out
    ids, rows = rng.integers(0, size, (5000, 2)), rng.permutation(size)
    mask = Mask(rng.integers(0, CHANCES, (5000, E), np.uint16), 9000)
    start, slopes = rng.random((3, size, E), np.float32), rng.standard_normal((size, E), np.float32)

    def by(count: int) -> list[bytes]:
        table = Table(*start.copy(), np.zeros(size, np.float32))
        with chosen_for_now(compiled.path, count):
            total = read_rows([table.weight, table.mean], ids, mask)
            move_rows(table, Move(1e-2, 0.999, 0.9, 0.99, 1e-8), rows, slopes, 1)
        return [part.tobytes() for part in (total, *table.arrays())]

    assert by(1) == by(2) == by(3)
