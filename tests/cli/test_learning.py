"""From the command line alone every task is learnt, by every cell with 1 and 2 layers: better than baselines.

Each table holds a rule that its baselines cannot say: it needs a memory over several steps, or is not linear.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import elman
from elman.cli import main
from tests.cli.tables import write

torch.set_num_threads(1)
STEPS = [f"t{n}" for n in range(5)]


def numbers(rng):
    """Whether the first and last of 5 numbers have the same sign, and how long the path through all is."""
    values = rng.normal(size=(400, 5)).round(3)
    same = ["same" if ends > 0 else "other" for ends in values[:, 0] * values[:, -1]]
    path = np.abs(np.diff(values, axis=1)).sum(axis=1).round(4)
    return {**dict(zip(STEPS, values.T, strict=True)), "ends": same, "path": path}


def delayed(rng):
    """Each letter is tagged with the letter two steps before."""
    texts = ["".join(row) for row in rng.choice(list("abc"), (200, 8)).tolist()]
    return {"text": texts, "before": ["--" + text[:-2] for text in texts]}


def henon(rng):
    """The chaotic map of Hénon (1976): the next value follows from two, and not linearly."""
    y = [0.1, 0.2]
    for _ in range(600):
        y.append(1 - 1.4 * y[-1] ** 2 + 0.3 * y[-2])
    return {"t": range(600), "y": np.round(y[2:], 5)}


def rings(rng):
    """Words that end as they began, with more letters between than a 5-gram sees."""
    ends = ["".join(pair) for pair in rng.choice(list("abcd"), (400, 2)).tolist()]
    inside = ["".join(row) for row in rng.choice(list("xy"), (400, 4)).tolist()]
    return {"word": [end + middle + end for end, middle in zip(ends, inside, strict=True)]}


SETTINGS = ["--hidden-size", "16", "--learning-rate", "0.02", "--dropout", "0", "--max-epochs", "20"]
PATIENT = ["--members", "1", "--patience", "20"]  # a product of two signs is seen late
LESSONS = {
    "classify": (numbers, ["--target", "ends", "--input", *STEPS, *SETTINGS, *PATIENT]),
    "regress": (numbers, ["--target", "path", "--input", *STEPS, *SETTINGS]),
    "tag": (delayed, ["--target", "before", "--input", "text", *SETTINGS]),
    "forecast": (
        henon,
        ["--time", "t", "--target", "y", "--task", "forecast", *SETTINGS, "--max-epochs", "40"],
    ),
    "generate": (rings, ["--task", "generate", "--input", "word", *SETTINGS, "--hidden-size", "32"]),
}
BETTER = {
    "classify": ("accuracy", lambda score, best: score > best + 0.2),
    "regress": ("rmse", lambda score, best: score < 0.5 * best),
    "tag": ("tag_accuracy", lambda score, best: score > best + 0.5),
    "forecast": ("rmse", lambda score, best: score < 0.2 * best),
    "generate": ("perplexity", lambda score, best: score < 0.75 * best),
}


@pytest.mark.parametrize("layers", ["1", "2"])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("task", LESSONS)
def test_every_task_is_learnt_by_every_cell(task, cell, layers, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table, options = LESSONS[task]
    write("table.csv", table(np.random.default_rng(0)))
    command = ["train", "table.csv", *options, "--recurrence", cell, "--num-layers", layers, "--json"]
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    score, better = BETTER[task]
    assert len(told["baselines"]) >= 2
    for name, scores in told["baselines"].items():
        assert better(told["scores"][score], scores[score]), (name, told["scores"], scores)
    model = elman.load("table.safetensors")
    assert (model.task, model.settings.recurrence, model.settings.num_layers) == (task, cell, int(layers))
    assert main(["info", "table.safetensors"]) == 0
