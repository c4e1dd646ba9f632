"""Tensors to tensors, to learn with. Its modules need torch; the settings do not, so names load late."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from elman.nn.settings import LossSettings, NetworkSettings

if TYPE_CHECKING:
    from elman.nn.chunks import Carry, Chunk, Chunks
    from elman.nn.heads import HEADS
    from elman.nn.layers import GRU, LSTM, RNN, Recurrent
    from elman.nn.network import Network
    from elman.nn.steps import GRUCell, LSTMCell, RNNCell
    from elman.nn.swap import replace

__all__ = [
    "GRU",
    "HEADS",
    "LSTM",
    "RNN",
    "Carry",
    "Chunk",
    "Chunks",
    "GRUCell",
    "LSTMCell",
    "LossSettings",
    "Network",
    "NetworkSettings",
    "RNNCell",
    "Recurrent",
    "replace",
]

_HOME = {
    "RNN": "layers",
    "LSTM": "layers",
    "GRU": "layers",
    "Recurrent": "layers",
    "RNNCell": "steps",
    "LSTMCell": "steps",
    "GRUCell": "steps",
    "replace": "swap",
    "HEADS": "heads",
    "Carry": "chunks",
    "Chunk": "chunks",
    "Chunks": "chunks",
    "Network": "network",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'elman.nn' has no attribute {name!r}")
    return getattr(import_module(f"elman.nn.{_HOME[name]}"), name)
