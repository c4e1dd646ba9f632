"""Pooling over time: by hand, beside the kernels that answer, and its gradients beside torch's own."""

import numpy as np
import pytest
import torch

from elman import kernels
from elman.errors import UsageError
from elman.kernels import answer
from elman.nn.pool import pool, pool_plainly
from tests.kernels.test_answer import POOLED
from tests.nn.test_heads import LENGTHS, OUTPUTS

KINDS = ["mean", "max", "sum"]


def plainly(outputs, lengths, kinds):
    return [pool_plainly(outputs, lengths, kind) for kind in kinds]


def drawn(T, B, F):
    rng = torch.Generator().manual_seed(T + B)
    outputs = torch.randn(T, B, F, generator=rng).round(decimals=1)  # so that some are the greatest together
    return outputs, torch.randint(0, T + 1, (B,), generator=rng)


@pytest.mark.parametrize("way", [pool, plainly])
@pytest.mark.parametrize(("kind", "expected"), POOLED)
def test_a_rows_own_steps_alone_are_read(way, kind, expected):
    np.testing.assert_array_equal(way(OUTPUTS, LENGTHS, [kind])[0], expected)
    np.testing.assert_array_equal(way(OUTPUTS[:0], LENGTHS * 0, [kind])[0], torch.zeros(3, 2))


@pytest.mark.parametrize("kind", KINDS)
def test_learning_pools_to_the_bit_as_answering_does(kind):
    outputs, lengths = drawn(9, 6, 4)
    wanted = kernels.pool(outputs.numpy(), lengths.numpy(), kind)
    np.testing.assert_array_equal(pool(outputs, lengths, [kind])[0], wanted)
    np.testing.assert_allclose(plainly(outputs, lengths, [kind])[0], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "kinds", [["mean"], ["max"], ["sum"], ["max", "mean"], ["mean", "max", "sum", "max"]]
)
@pytest.mark.parametrize("sizes", [(1, 1, 1), (7, 5, 33), (0, 3, 2), (40, 60, 17)])
@pytest.mark.parametrize("compiled", [True, False])
def test_gradients_are_those_of_torchs_own_operations(kinds, sizes, compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(answer, "compiled", lambda *arrays: False)
    outputs, lengths = drawn(*sizes)
    found, wanted = [], []
    for way, gradient in ((pool, found), (plainly, wanted)):
        mine = outputs.clone().requires_grad_()
        rows = torch.cat(way(mine, lengths, kinds), dim=-1)
        if rows.requires_grad:
            (rows * torch.arange(rows.numel()).cos().view_as(rows)).sum().backward()
        gradient.append(torch.zeros_like(mine) if mine.grad is None else mine.grad)
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_of_any_whole_type_and_stride_have_the_same_gradients(kind):
    outputs, lengths = drawn(7, 5, 3)
    gradients = []
    for given in (lengths, lengths.int(), lengths.repeat_interleave(2)[::2]):
        mine = outputs.clone().requires_grad_()
        pool(mine, given, [kind])[0].square().sum().backward()
        gradients.append(mine.grad)
    assert torch.equal(gradients[1], gradients[0])
    assert torch.equal(gradients[2], gradients[0])


def test_lengths_that_are_no_whole_numbers_are_refused():
    outputs, lengths = drawn(7, 5, 3)
    with pytest.raises(UsageError, match="lengths must be 5 whole numbers"):
        pool(outputs, lengths.float(), ["sum"])


def test_only_what_is_asked_for_has_a_gradient():
    outputs, lengths = drawn(7, 5, 3)
    mine = outputs.clone().requires_grad_()
    mean, most = pool(mine, lengths, ["mean", "max"])
    (of_most,) = torch.autograd.grad(most.sum(), mine, retain_graph=True)
    (of_mean,) = torch.autograd.grad(mean.sum(), mine)
    assert not torch.equal(of_most, of_mean)
    torch.testing.assert_close(of_mean.sum(0), (lengths > 0).float()[:, None].expand(5, 3))
    torch.testing.assert_close(of_most.sum(0), (lengths > 0).float()[:, None].expand(5, 3))


@pytest.mark.parametrize("way", [pool, plainly])
@pytest.mark.parametrize("kind", KINDS)
def test_no_gradient_leaves_a_rows_own_steps(way, kind):
    outputs = OUTPUTS.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(way(outputs, LENGTHS, [kind])[0].sum(), outputs)
    assert torch.equal(gradient[:, 1], torch.zeros(2, 2))
    assert torch.equal(gradient[1, 2], torch.zeros(2))


def test_other_types_and_views_are_pooled_too():
    outputs, lengths = drawn(7, 5, 6)
    assert pool(outputs.double(), lengths, ["mean"])[0].dtype == torch.float64
    some = pool(outputs[..., ::2], lengths, ["max"])[0]
    torch.testing.assert_close(some, pool_plainly(outputs[..., ::2], lengths, "max"))
    turned = outputs.transpose(0, 1).contiguous().transpose(0, 1)
    assert torch.equal(pool(turned, lengths, ["sum"])[0], pool(outputs, lengths, ["sum"])[0])
