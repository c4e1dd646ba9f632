"""System 2: the origin of a name, learnt by two layers of RNN, the second reading the first."""

import sys

import elman
from elman.data import load_names

updates = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
names = load_names().columns
layers = {"recurrence": "rnn", "num_layers": 2, "hidden_size": 128, "first_weights": "uniform"}
plain = {"pooling": "last", "shortcut": 0.0, "dropout": 0.0, "members": 1}
one_by_one = {"symbols": "one-hot", "sampling": "classes", "batch_size": 1, "validation_fraction": 0.0}
as_given = {"optimizer": "sgd", "momentum": 0.0, "learning_rate": 0.005, "schedule": "constant", "clip": None}
run = {"updates_per_epoch": updates // 10, "max_epochs": 10}
net = elman.SequenceClassifier(**layers, **plain, **one_by_one, **as_given, **run)
net.fit(names["name"], names["origin"])

print("loss:", [round(record["loss"], 3) for record in net.history_])
asked = ["Παπαδάκης", "Чорновіл", "Nowak"]
print("answers:", dict(zip(asked, net.predict(asked).tolist(), strict=True)))
net.save("names-stacked.safetensors")
