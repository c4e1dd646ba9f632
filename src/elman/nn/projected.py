"""An LSTM whose output is a projection of its state (``proj_size``): torch's own, with elman's lengths."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


def run_projected(layer: Any, x: Tensor | PackedSequence, hx: Any, lengths: Tensor | None) -> tuple[Any, Any]:
    """Run ``layer``, an LSTM of elman's with ``proj_size``, by ``torch.nn.LSTM`` on the same weights."""
    twin = nn.LSTM(
        layer.input_size, layer.hidden_size, layer.num_layers, layer.bias, layer.batch_first, layer.dropout,
        layer.bidirectional, layer.proj_size, device="meta",
    )  # fmt: skip
    twin.train(layer.training)
    params: dict[str, Tensor] = dict(layer.named_parameters())
    if lengths is None or isinstance(x, PackedSequence):
        found: tuple[Any, Any] = torch.func.functional_call(twin, params, (x, hx))
        return found
    steps = x.shape[1 if layer.batch_first else 0]
    packed = pack_padded_sequence(x, lengths.cpu(), layer.batch_first, enforce_sorted=False)
    outputs, state = torch.func.functional_call(twin, params, (packed, hx))
    return pad_packed_sequence(outputs, layer.batch_first, total_length=steps)[0], state
