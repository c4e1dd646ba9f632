"""System 1: the origin of a name, learnt letter by letter by a cell of one's own."""

import sys

import elman
from elman.data import load_names
from elman.ops import concat


@elman.cells.register
class Mine(elman.cells.Cell):
    """The same lines learn on torch tensors and run on NumPy arrays."""

    name = "mine"
    answers = True  # it gives the answer itself: no head

    def parameters(self, input_size, hidden_size, output_size):
        width = input_size + hidden_size
        shapes = {"i2h": (hidden_size, width), "i2h_bias": (hidden_size,)}
        shapes |= {"i2o": (output_size, width), "i2o_bias": (output_size,)}
        return {name: (shape, width**-0.5) for name, shape in shapes.items()}

    def step(self, x, h, p):
        u = concat([x, h])
        return u @ p["i2o"].T + p["i2o_bias"], u @ p["i2h"].T + p["i2h_bias"]


updates = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
names = load_names().columns
one_by_one = {"symbols": "one-hot", "sampling": "classes", "batch_size": 1, "validation_fraction": 0.0}
as_given = {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 0.005, "schedule": "constant", "clip": None}
run = {"members": 1, "updates_per_epoch": updates // 10, "max_epochs": 10, "dropout": 0.0}
net = elman.SequenceClassifier(recurrence="mine", hidden_size=128, **one_by_one, **as_given, **run)
net.fit(names["name"], names["origin"])

print("loss:", [round(record["loss"], 3) for record in net.history_])
print(
    "answers:",
    dict(zip(asked := ["Παπαδάκης", "Чорновіл", "Nowak"], net.predict(asked).tolist(), strict=True)),
)
net.save("names-from-scratch.safetensors")
