"""A small module with everything that could spoil equal bits: dropout, buffers, a counter, ragged epochs.

Run as a program it learns and prints a digest of the weights: ``python toy.py THREADS``.
"""

import hashlib
import sys

import torch
from torch import nn

from elman.train import LoopSettings, learn


class Toy(nn.Module):
    def __init__(self, hidden=8):
        super().__init__()
        self.embedding = nn.Embedding(12, 6)
        self.layer = nn.GRU(6, hidden)
        self.norm = nn.BatchNorm1d(hidden)
        self.dropout = nn.Dropout(0.4)
        self.head = nn.Linear(hidden, 3)

    def forward(self, inputs):
        return self.head(self.dropout(self.norm(self.layer(self.embedding(inputs))[0][-1])))

    def loss(self, batch):
        inputs, targets = batch
        return nn.functional.cross_entropy(self(inputs), targets)


class Line(nn.Module):
    """loss = (weight * batch - 1)**2, so that every number can be reckoned by hand."""

    def __init__(self, weight=0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[weight]]))

    def loss(self, batch):
        return ((self.weight * batch - 1) ** 2).sum()


def toy(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Toy()


def rows(seed=1, count=20):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randint(0, 12, (5, count), generator=generator)
    return inputs, inputs[2] % 3


def epochs(number):
    """Three batches, other rows in another order in each epoch."""
    inputs, targets = rows()
    order = torch.randperm(20, generator=torch.Generator().manual_seed(number))
    return [(inputs[:, part], targets[part]) for part in order.split(7)]


def validate(module):
    return {"loss": module.loss(rows(seed=2)).item()}


def weights(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same_bits(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def digest(module):
    whole = hashlib.sha256()
    for name, value in module.state_dict().items():
        whole.update(name.encode() + value.numpy().tobytes())
    return whole.hexdigest()


def main():
    torch.set_num_threads(int(sys.argv[1]))
    module = toy()
    for _ in learn(module, epochs, validate, LoopSettings(max_epochs=3, averaging=0.8)):
        pass
    print(digest(module))


if __name__ == "__main__":
    main()
