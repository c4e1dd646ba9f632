"""Memory that a kernel is about to write is asked for in large pages."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import elman.nn
from tests.marks import needs_kernels

MAPS = Path("/proc/self/smaps")
GIVEN = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def flags_at(address: int) -> list[str]:
    """The flags of the part of memory that an address lies in."""
    inside = False
    for line in MAPS.read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            low, high = (int(end, 16) for end in words[0].split("-"))
            inside = low <= address < high
        elif inside and words[0] == "VmFlags:":
            return words[1:]
    raise AssertionError("no such memory")


@needs_kernels
@pytest.mark.skipif(not (MAPS.exists() and GIVEN.exists()), reason="this system has no large pages")
def test_what_a_large_call_writes():
    layer, x = elman.nn.LSTM(32, 64), torch.randn(100, 600, 32, requires_grad=True)
    out, _ = layer(x)  # 15 MB, gates of 61 MB and cells of 15 MB
    kept = [a for a in out.grad_fn.saved_tensors if a is not None and a.numel() > out.numel()]
    out.sum().backward()
    for tensor in (out, *kept, x.grad):
        assert "hg" in flags_at(tensor.data_ptr() + tensor.nbytes // 2)
    small, _ = layer(torch.randn(3, 2, 32))
    assert "hg" not in flags_at(small.data_ptr())
    with torch.no_grad():
        large, _ = layer(torch.randn(300, 1200, 32))  # 92 MB
    assert "hg" not in flags_at(large.data_ptr() + large.nbytes // 2)
