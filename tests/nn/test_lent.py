"""Kernels on torch's own threads: the same bits, from any thread, and after a fork."""

import multiprocessing
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import elman.nn
from elman import kernels
from elman.nn import function
from tests.marks import needs_kernels

pytestmark = [
    needs_kernels,
    pytest.mark.skipif(not function.LENT, reason="this torch has no threads of libgomp to lend"),
]


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def learnt(layer, x):
    layer.zero_grad()
    out, final = layer(x)
    (out.square().sum() + final.sum()).backward()
    return [out.detach(), final.detach(), *(p.grad.clone() for p in layer.parameters())]


def layer_and_input(B=40, H=64):
    torch.manual_seed(0)
    return elman.nn.GRU(H, H), torch.randn(30, B, H)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("B", [1, 3, 40])
def test_lent_and_own_threads_give_the_same_bits(B):
    layer, x = layer_and_input(B, 256 if B < 40 else 64)
    assert function.threads() == -2
    lent = learnt(layer, x)
    kernels.set_threads(2)
    try:
        assert function.threads() == 2
        own = learnt(layer, x)
    finally:
        kernels.set_threads(None)
    torch.set_num_threads(1)
    for a, b, c in zip(lent, own, learnt(layer, x), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)


@pytest.mark.usefixtures("two_threads")
def test_two_python_threads_may_call_at_once():
    layer, x = layer_and_input()
    with torch.no_grad():
        wanted = layer(x)[0]

        def many(_):
            with torch.no_grad():
                return all(torch.equal(layer(x)[0], wanted) for _ in range(20))

        with ThreadPoolExecutor(2) as pool:
            assert all(pool.map(many, range(4)))


def _in_child(queue, layer, x, threads):
    if threads:
        kernels.set_threads(threads)
    with torch.no_grad():  # a layer alone: torch's own operations may hang in a child
        queue.put((function.threads(), layer(x)[0].numpy().tobytes()))


@pytest.mark.usefixtures("two_threads")
@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("threads", [None, 2])  # None: whatever the parent had
def test_a_forked_child_has_threads_of_its_own(threads):
    layer, x = layer_and_input()
    with torch.no_grad():
        wanted = layer(x)[0].numpy().tobytes()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(queue, layer, x, threads))
    child.start()
    assert queue.get(timeout=60) == (threads or -2, wanted)
    child.join(60)
