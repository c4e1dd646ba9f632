"""Cells of one's own that the laws must hold for: those of the tutorials' systems 1 and 3."""

from elman.cells import Cell
from elman.ops import concat, tanh


class Names(Cell):
    """u = [x, h]; h' = W_h u + b_h; answer = W_o u + b_o."""

    name = "example-names"
    answers = True

    def parameters(self, input_size, hidden_size, output_size):
        width = input_size + hidden_size
        bound = width**-0.5
        return {
            "i2h": ((hidden_size, width), bound),
            "i2h_bias": ((hidden_size,), bound),
            "i2o": ((output_size, width), bound),
            "i2o_bias": ((output_size,), bound),
        }

    def step(self, x, state, params):
        u = concat([x, state])
        return u @ params["i2o"].T + params["i2o_bias"], u @ params["i2h"].T + params["i2h_bias"]


class Sine(Cell):
    """c' = tanh([x, c] w1); answer = c' w2."""

    name = "example-sine"
    answers = True

    def parameters(self, input_size, hidden_size, output_size):
        return {
            "w1": ((input_size + hidden_size, hidden_size), lambda rng, shape: rng.normal(0, 0.4, shape)),
            "w2": ((hidden_size, output_size), lambda rng, shape: rng.normal(0, 0.3, shape)),
        }

    def step(self, x, state, params):
        c = tanh(concat([x, state]) @ params["w1"])
        return c @ params["w2"], c
