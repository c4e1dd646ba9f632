"""The model of this folder in torch, which is all it needs: load(folder) gives a torch.nn.Module."""

import json
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))  # for torch_network, wherever this file is loaded from
import torch
from torch_network import Model


def load(folder: str | Path) -> Model:
    """Read weights.safetensors: the length of a JSON header in 8 bytes, the header, the numbers."""
    data = bytearray(Path(folder, "weights.safetensors").read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    numbers, tensors = torch.frombuffer(data[start:], dtype=torch.uint8), {}
    for name, told in json.loads(data[8:start]).items():
        own = numbers[slice(*told["data_offsets"])].view(getattr(torch, told["dtype"].replace("F", "float")))
        tensors[name] = own.reshape(told["shape"]).clone()
    return Model(json.loads(Path(folder, "settings.json").read_bytes()), tensors).eval()
