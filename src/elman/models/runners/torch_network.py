"""The network of load_torch.py in torch's own modules; it needs torch alone."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import rnn

LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class Model(nn.Module):
    """Networks whose answers are averaged, between the numbers of a user and those of a network."""

    inputs_mean: Tensor
    inputs_scale: Tensor
    targets_mean: Tensor
    targets_scale: Tensor

    def __init__(self, settings: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        super().__init__()
        self.settings, network = settings, settings["network"]
        parts = [f"members.{m}." for m in range(network["members"])]
        own = [{n.removeprefix(p): t for n, t in tensors.items() if n.startswith(p)} for p in parts]
        self.members = nn.ModuleList(Network(network, weights) for weights in own)
        for name in ("inputs.mean", "inputs.scale", "targets.mean", "targets.scale"):
            self.register_buffer(name.replace(".", "_"), tensors.get(name))

    def forward(self, ids: Tensor | None, numbers: Tensor | None, lengths: Tensor) -> Tensor:
        """Ids (B, T, G), numbers (B, T, D) or both -> the answers (B, K), or (B, T, K) at every step."""
        if numbers is not None:
            missing = numbers.isnan()
            numbers = ((numbers.double() - self.inputs_mean) / self.inputs_scale).masked_fill(missing, 0)
            numbers = torch.cat([numbers, missing], -1) if self.settings["network"]["masks"] else numbers
        said = [member(ids, numbers, lengths) for member in self.members]
        if "classes" in self.settings:
            return torch.stack([logits.softmax(-1) for logits in said]).mean(0)
        values: Tensor = torch.stack(said).mean(0) * self.targets_scale + self.targets_mean
        return values


class Network(nn.Module):
    """Embed, layers, head: torch's own modules, under the names that the file has."""

    def __init__(self, told: dict[str, Any], weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.told, width = told, weights["layers.weight_ih_l0"].shape[1]
        tables = [
            weights[f"embedding.{g}.weight"] for g in range(told["columns"] if not told["one_hot"] else 0)
        ]
        self.embedding = nn.ModuleList(nn.Embedding(*table.shape) for table in tables)
        options = {"nonlinearity": told["nonlinearity"]} if told["recurrence"] == "rnn" else {}
        options |= {"batch_first": True, "bidirectional": len(told["ways"]) > 1}
        self.layers = LAYERS[told["recurrence"]](width, told["hidden_size"], told["layers"], **options)
        self.head = nn.Linear(weights["head.weight"].shape[1], told["outputs"])
        self.load_state_dict(weights)

    def forward(self, ids: Tensor | None, numbers: Tensor | None, lengths: Tensor) -> Tensor:
        """What one network says; a row of 0 steps keeps the first state."""
        read = [] if numbers is None else [numbers.float()]
        if ids is not None and self.told["one_hot"]:
            read = [nn.functional.one_hot(ids[..., 0], self.told["one_hot"])[..., 1:].float()]
        elif ids is not None:
            read = [sum(table(ids[..., g]) for g, table in enumerate(self.embedding)), *read]
        x, some = torch.cat(read, -1), lengths.clamp(min=1)
        packed = rnn.pack_padded_sequence(x, some.cpu(), batch_first=True, enforce_sorted=False)
        packed, state = self.layers(packed)
        outputs, _ = rnn.pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
        final = (state[0] if isinstance(state, tuple) else state)[-len(self.told["ways"]) :]
        if self.told["whole"]:
            outputs = self.pooled(x, outputs, torch.cat(list(final), -1), lengths)
        said: Tensor = self.head(outputs)
        return said

    def pooled(self, x: Tensor, outputs: Tensor, final: Tensor, lengths: Tensor) -> Tensor:
        """What the head of a whole sequence reads: the outputs over a row's own steps, put together."""
        there = (torch.arange(x.shape[1], device=x.device) < lengths[:, None])[..., None]
        empty, count = (lengths == 0)[:, None], lengths.clamp(min=1)[:, None]
        kinds = {
            "last": final.masked_fill(empty, 0),
            "mean": outputs.masked_fill(~there, 0).sum(1) / count,
            "max": outputs.masked_fill(~there, -torch.inf).amax(1).masked_fill(empty, 0),
        }
        parts = [kinds[kind] for kind in self.told["pooling"]]
        if self.told["shortcut"]:
            parts.append(self.told["shortcut"] * x.masked_fill(~there, 0).sum(1) / count.sqrt())
        return torch.cat(parts, -1)
