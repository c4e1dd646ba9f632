"""System 3: the next value of a sine, learnt online by a cell of one's own with two weight matrices."""

import numpy as np

import elman
from elman.ops import concat, tanh


@elman.cells.register
class Mine(elman.cells.Cell):
    """The same lines learn on torch tensors and run on NumPy arrays."""

    name = "mine"
    state_names = ("c",)
    answers = True  # it gives the answer itself: no head

    def parameters(self, input_size, hidden_size, output_size):
        return {
            "w1": ((input_size + hidden_size, hidden_size), lambda rng, shape: rng.normal(0, 0.4, shape)),
            "w2": ((hidden_size, output_size), lambda rng, shape: rng.normal(0, 0.3, shape)),
        }

    def step(self, x, c, params):
        c = tanh(concat([x, c]) @ params["w1"])
        return c @ params["w2"], c


t = np.linspace(2, 10, 21)
online = {"stateful": True, "tbptt": 1, "batch_size": 1, "optimizer": "sgd", "momentum": 0.0, "clip": None}
as_given = {"learning_rate": 0.1, "schedule": "constant", "loss": "half_squares", "scaling": "none"}
net = elman.SequenceForecaster(recurrence="mine", hidden_size=6, max_epochs=300, **online, **as_given)
net.set_params(validation_fraction=0.0)
net.fit([np.sin(t)])

print("epoch sums:", [round(20 * record["loss"], 3) for record in net.history_[::50]])
print("next values:", net.predict_steps([np.sin(t)])[0][-3:].round(2), "true:", np.sin(t)[-2:].round(2))
print("run free:", net.predict([np.sin(t)], horizon=5)[0].round(2))
net.save("sine.safetensors")
