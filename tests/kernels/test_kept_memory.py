"""What backward needs: its memory is kept for the next call, and much of it is stored past the caches."""

import ctypes
import mmap
import sys

import pytest
import torch

import elman.nn
from elman.kernels.native import chosen_for_now, compiled
from tests.marks import needs_kernels

pytestmark = needs_kernels
MADV_DONTNEED = 4


@pytest.fixture(autouse=True)
def _no_poison():
    compiled.module.set_poison(False)  # memory that is filled with NaN is never kept
    yield
    compiled.module.set_poison(True)


def learn(layer, x, lengths=None):
    """Outputs and every gradient; where the gates stood, and how many bytes they are."""
    layer.zero_grad()
    given = x.clone().requires_grad_()
    out, _ = layer(given, lengths=lengths)
    gates = max((a for a in out.grad_fn.saved_tensors if a is not None), key=torch.numel)
    place = gates.data_ptr(), gates.nbytes
    out.sin().sum().backward()
    return [out.detach(), given.grad, *(p.grad.clone() for p in layer.parameters())], place


def same(found, wanted):
    return all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere so much is not kept")
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_the_next_call_finds_the_memory_of_the_last(kind):
    layer, x = getattr(elman.nn, kind)(8, 64), torch.randn(150, 320, 8)  # gates of 49 MB
    wanted, first = learn(layer, x)
    found, second = learn(layer, x)
    assert first == second
    assert same(found, wanted)
    begin = -(-first[0] // mmap.PAGESIZE) * mmap.PAGESIZE
    size = (first[0] + first[1] - begin) // mmap.PAGESIZE * mmap.PAGESIZE
    libc = ctypes.CDLL(None)  # as a system that is short of memory takes its pages: nought is found there
    assert libc.madvise(ctypes.c_void_p(begin), ctypes.c_size_t(size), MADV_DONTNEED) == 0
    found, third = learn(layer, x)
    assert third == first
    assert same(found, wanted)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("H", [120, 128])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_much_that_is_kept_has_the_same_bits(kind, H, ragged, threads):
    torch.manual_seed(0)
    layer, x = getattr(elman.nn, kind)(24, H), torch.randn(60, 97, 24)  # gates of 12 MB
    lengths = torch.randint(0, 61, (97,)) if ragged else None
    with chosen_for_now(compiled.names()[0], threads):
        found, _ = learn(layer, x, lengths)
    for path in compiled.names()[1:-1][:1]:
        with chosen_for_now(path, 1):
            assert same(found, learn(layer, x, lengths)[0])
