"""System 1: the origin of a name, by a cell of one's own: its lines learn on torch and run on NumPy."""

import sys

import elman
from elman.data import load_names
from elman.ops import concat


@elman.cells.register
class Mine(elman.cells.Cell):
    name = "mine"
    answers = True  # it gives the answer itself: no head

    def parameters(self, input_size, hidden_size, output_size):
        width = input_size + hidden_size
        h, o = (hidden_size, width), (output_size, width)
        shapes = {"i2h": h, "i2h_bias": h[:1], "i2o": o, "i2o_bias": o[:1]}
        return {name: (shape, width**-0.5) for name, shape in shapes.items()}

    def step(self, x, h, p):
        u = concat([x, h])
        return u @ p["i2o"].T + p["i2o_bias"], u @ p["i2h"].T + p["i2h_bias"]


updates = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
names = load_names().columns
one_by_one = {"symbols": "one-hot", "sampling": "classes", "batch_size": 1, "validation_fraction": 0.0}
as_given = {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 0.005, "schedule": "constant", "clip": None}
run = {"members": 1, "updates_per_epoch": updates // 10, "max_epochs": 10}
net = elman.SequenceClassifier(recurrence="mine", **one_by_one, **as_given, **run)
net.fit(names["name"], names["origin"])

print("loss:", [round(record["loss"], 3) for record in net.history_])
asked = ["Παπαδάκης", "Чорновіл", "Nowak"]
print("answers:", dict(zip(asked, net.predict(asked).tolist(), strict=True)))
net.save("names-from-scratch.safetensors")
