"""The four tutorials' networks, written down plainly in torch operations; nothing of elman is used.

Each holds its own weights as tensors by name, and ``update`` learns from one piece of data: it returns the
loss from before the update.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class NamesFromScratch:
    """System 1: u = [x, h]; h' = W_i2h u + b_i2h; o = log_softmax(W_i2o u + b_i2o)."""

    def __init__(self, weights):
        self.weights = {name: weight.clone().requires_grad_() for name, weight in weights.items()}

    def update(self, line, target, rate=0.005):
        """One name: letters (T, 1, V), origin (1,)."""
        i2h, i2h_bias = self.weights["i2h.weight"], self.weights["i2h.bias"]
        i2o, i2o_bias = self.weights["i2o.weight"], self.weights["i2o.bias"]
        hidden = torch.zeros(1, 128, dtype=line.dtype)
        for letter in line:
            combined = torch.cat((letter, hidden), 1)
            hidden = combined @ i2h.T + i2h_bias
            output = torch.log_softmax(combined @ i2o.T + i2o_bias, dim=1)
        loss = functional.nll_loss(output, target)
        loss.backward()
        for weight in self.weights.values():
            weight.data.add_(weight.grad.data, alpha=-rate)
            weight.grad = None
        return loss.item()


class NamesStacked:
    """System 2: RNN(V, 128, num_layers=2), the last output of the top layer, Linear, log-softmax."""

    def __init__(self, weights):
        origins, letters = len(weights["linear.bias"]), weights["rnn.weight_ih_l0"].shape[1]
        dtype = weights["linear.bias"].dtype
        self.module = nn.ModuleDict(
            {
                "rnn": nn.RNN(letters, 128, num_layers=2, dtype=dtype),
                "linear": nn.Linear(128, origins, dtype=dtype),
            }
        )
        self.module.load_state_dict(weights)
        self.weights = dict(self.module.named_parameters())
        self.optimizer = torch.optim.SGD(self.module.parameters(), lr=0.005)

    def update(self, line, target):
        """One name: letters (T, 1, V), origin (1,)."""
        outputs, _ = self.module["rnn"](line, torch.zeros(2, 1, 128, dtype=line.dtype))
        output = torch.log_softmax(self.module["linear"](outputs[-1]), dim=1)
        loss = functional.nll_loss(output, target)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


class Sine:
    """System 3: c = tanh([x, c] w1), p = c w2; the gradient of every step alone, applied at once."""

    def __init__(self, weights):
        self.w1 = weights["w1"].clone().requires_grad_()
        self.w2 = weights["w2"].clone().requires_grad_()
        self.weights = {"w1": self.w1, "w2": self.w2}
        self.context = None

    def start_epoch(self):
        self.context = torch.zeros(1, 6, dtype=self.w1.dtype)

    def update(self, x, y, rate=0.1):
        """One time step: x (1, 1), y (1, 1)."""
        context = torch.tanh(torch.cat((x, self.context), 1) @ self.w1)
        prediction = context @ self.w2
        loss = (0.5 * (prediction - y) ** 2).sum()
        loss.backward()
        for weight in (self.w1, self.w2):
            weight.data -= rate * weight.grad.data
            weight.grad = None
        self.context = context.detach()
        return loss.item()


class SineToCosine:
    """System 4: RNN(1, 32, batch_first=True), Linear(32, 1) at every step, mean squared error, Adam."""

    def __init__(self, weights):
        dtype = weights["linear.bias"].dtype
        self.module = nn.ModuleDict(
            {
                "rnn": nn.RNN(1, 32, num_layers=1, batch_first=True, dtype=dtype),
                "linear": nn.Linear(32, 1, dtype=dtype),
            }
        )
        self.module.load_state_dict(weights)
        self.weights = dict(self.module.named_parameters())
        self.optimizer = torch.optim.Adam(self.module.parameters(), lr=0.02)
        self.state = None

    def update(self, x, y):
        """One chunk: x (1, 10, 1), y (1, 10, 1)."""
        outputs, state = self.module["rnn"](x, self.state)
        prediction = torch.stack(
            [self.module["linear"](outputs[:, step]) for step in range(outputs.size(1))], dim=1
        )
        self.state = state.data
        loss = functional.mse_loss(prediction, y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()
