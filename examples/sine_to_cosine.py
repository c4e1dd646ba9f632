"""System 4: the cosine from the sine at every step, the state carried from chunk to chunk."""

import numpy as np

import elman

chunks = [np.linspace(k * np.pi, (k + 1) * np.pi, 10, dtype=np.float32) for k in range(100)]
t = np.concatenate(chunks)
x, y = np.sin(t), np.cos(t)

carried = {"stateful": True, "tbptt": 10, "batch_size": 1, "max_epochs": 1}
as_given = {"optimizer": "adam", "learning_rate": 0.02, "beta2": 0.999, "schedule": "constant", "clip": None}
plain = {"dropout": 0.0, "first_weights": "uniform", "scaling": "none", "validation_fraction": 0.0}
net = elman.SequenceTagger(recurrence="rnn", hidden_size=32, **carried, **as_given, **plain)
losses = [step.step.update_loss for step in net.fit_iter([x], [y])]

print("mean squared error of each tenth chunk:", [round(loss, 4) for loss in losses[::10]])
print("predicted:", net.predict([x])[0][-5:].round(2))
print("true:     ", y[-5:].round(2))
net.save("sine-to-cosine.safetensors")
