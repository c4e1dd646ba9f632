"""Dropout as torch's, with masks that cost a fifth as much to draw on a CPU."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from elman.kernels.table import CHANCES, Mask, random_words


def draw_mask(shape: tuple[int, ...], rate: float) -> Mask:
    """Draw from torch's generator: three numbers of its seed a quicker stream."""
    count = math.prod(shape)
    words = random_words(torch.randint(2**62, (3,)).tolist(), -(-count // 4))
    bits = words.astype("<u8", copy=False).view("<u2")[:count].reshape(shape)
    return Mask(bits.astype(np.uint16, copy=False), round(rate * CHANCES))


def drop(values: Tensor, rate: float, training: bool) -> Tensor:
    """Put 0 in the place of a share ``rate`` of ``values`` while training, and make the others up for it."""
    if not (rate and training):
        return values
    if values.device.type != "cpu" or values.dtype != torch.float32:
        return functional.dropout(values, rate)
    return values * torch.from_numpy(draw_mask(values.shape, rate).factors())
