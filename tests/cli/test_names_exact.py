"""``elman demo names-from-scratch`` and ``names-stacked``: the recipe, the printed lines, the divergence."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch

import elman
from elman.cells import CELLS, Names
from elman.cli import main
from elman.cli.demos import names_exact
from tests.conftest import run_python
from tests.systems import transcriptions
from tests.systems.test_names_from_scratch import NAMES as SCRATCH
from tests.systems.test_names_stacked import NAMES as STACKED

torch.set_num_threads(1)
LINE = re.compile(r"^(\d+) (\d+)% loss (\d+\.\d{4}|nan) / (\S.*) / (\w+) (✓|✗ \((\w+)\))$")
SYSTEMS = pytest.mark.parametrize("name", ["names-from-scratch", "names-stacked"])
OTHERS = {
    "names-from-scratch": (transcriptions.NamesFromScratch, SCRATCH),
    "names-stacked": (transcriptions.NamesStacked, STACKED),
}


@SYSTEMS
def test_its_losses_are_the_transcriptions_on_the_same_names(name):
    """The first 20 updates by the estimator, from its own first weights and drawn names."""
    names, origins = map(list, zip(*few_names(), strict=True))
    settings = names_exact.RECIPE | names_exact.SYSTEMS[name] | names_exact.epochs_of(20)
    learner = elman.SequenceClassifier(**settings, random_state=3)
    steps = [step.step for step in learner.fit_iter(names, origins)]
    kind, weights = OTHERS[name]
    other = kind({weights[key]: value for key, value in first_weights(settings, names, origins).items()})
    letters = learner.inputs_.sizes[0] - 1
    for step in steps:
        (row,), (target,) = step.batch.rows, step.batch.targets
        assert learner.classes_[target] == origins[row]
        ids = torch.tensor(learner.inputs_.encode(names[row]).astype(np.int64))
        assert len(ids) == len(names[row])
        line = torch.eye(letters)[ids - 1][:, None]
        loss = other.update(line, torch.tensor([target]))
        assert abs(step.update_loss - loss) <= 1e-5 * abs(loss)
    assert len({step.batch.rows[0] for step in steps}) > 5


def few_names():
    columns = elman.data.load_names().columns
    pairs = sorted(set(zip(columns["name"], columns["origin"], strict=True)))
    return pairs[::199]


def first_weights(settings, names, origins):
    """What the network begins with: no update is large enough to move a weight."""
    still = settings | {"learning_rate": 1e-30, "updates_per_epoch": 1}
    learner = elman.SequenceClassifier(**still, random_state=3).fit(names, origins)
    return {key: torch.tensor(value) for key, value in learner.model_.members[0].items()}


@SYSTEMS
def test_it_prints_a_line_measures_saves_and_draws(name, few, tmp_path, capsys):
    assert main(["demo", name, "--updates", "50", "--no-baselines", "-o", str(tmp_path)]) == 0
    out = capsys.readouterr().out.splitlines()
    update, share, loss, _, guess, _, truth = LINE.match(out[0]).groups()
    assert (update, share) == ("50", "100")
    assert 1 < float(loss) < 4
    assert (truth is None) or truth != guess
    kinds = {"": "safetensors", "-confusion": "png", "-learning": "png"}
    assert {p.name for p in tmp_path.iterdir()} == {f"{name}{kind}.{end}" for kind, end in kinds.items()}
    assert sum("✓" in line or "✗" in line for line in out[1:]) == 10
    path = tmp_path / f"{name}.safetensors"
    model = elman.load(path)
    assert (model.settings.symbols, model.settings.hidden_size) == ("one-hot", 128)
    assert model.training["history"][-1]["loss"] == pytest.approx(float(loss), abs=1e-4)
    told = "import sys, elman; print(elman.load(sys.argv[1]).predict_proba(['Rossi'])[0].tolist())"
    told += "\nassert 'torch' not in sys.modules"
    answers = json.loads(run_python(told, str(path)))
    np.testing.assert_allclose(answers, model.predict_proba(["Rossi"])[0], atol=1e-5)


def test_the_same_seed_prints_the_same_lines(few, tmp_path, capsys):
    lines = []
    for seed in ("0", "0", "1"):
        command = ["demo", "names-stacked", "--updates", "10", "--no-baselines", "--seed", seed]
        assert main([*command, "-o", str(tmp_path)]) == 0
        lines.append(capsys.readouterr().out.splitlines()[0])
    assert lines[0] == lines[1] != lines[2]


def test_as_json_it_prints_nothing_else(few, tmp_path, capsys):
    command = ["demo", "names-stacked", "--updates", "10", "--no-baselines", "--json"]
    assert main([*command, "-o", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ok"]
    assert 0 <= found["scores"]["accuracy"] <= 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--updates", "0"], "E111", "--updates must be a multiple of 500, or from 1 to 500, not 0"),
        (["--updates", "750"], "E111", "not 750"),
        (["--hidden-size", "64"], "E290", "elman demo names-stacked does not take --hidden-size"),
        (["--clip", "0"], "E111", "clip must be above 0"),
    ],
)
def test_what_would_be_another_system_is_refused(arguments, code, message, tmp_path, capsys):
    assert main(["demo", "names-stacked", *arguments, "-o", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert f"error[{code}]" in error
    assert message in error


def test_other_demos_take_no_updates(tmp_path, capsys):
    assert main(["demo", "names", "--updates", "500", "-o", str(tmp_path)]) == 2
    assert "error[E290]: elman demo names does not take --updates" in capsys.readouterr().err


def test_divergence_is_caught_the_update_named_the_good_weights_kept(few, tmp_path, capsys, monkeypatch):
    """Weights that begin ten times too large soon run into infinity; clipped, the same run goes on."""
    monkeypatch.setitem(CELLS, "names", Wild)
    command = ["demo", "names-from-scratch", "--updates", "500", "--no-baselines", "-o", str(tmp_path)]
    assert main(command) == 5
    captured = capsys.readouterr()
    assert re.search(
        r"error\[E401\]: learning diverged: \S.* became NaN or infinite at update \d+", captured.err
    )
    assert "--updates 500 --clip 1" in captured.err
    kept = elman.load(tmp_path / "names-from-scratch.safetensors")
    assert all(np.isfinite(weight).all() for weight in kept.members[0].values())


class Wild(Names):
    def parameters(self, input_size, hidden_size, output_size):
        wanted = super().parameters(input_size, hidden_size, output_size)
        return {name: (shape, 100 * bound) for name, (shape, bound) in wanted.items()}


@pytest.fixture
def few(monkeypatch):
    """Some names of four origins instead of all."""
    table = elman.data.load_names()
    rows = [n for n, o in enumerate(table.columns["origin"]) if o in ("Greek", "Irish", "Polish", "Zulu")][
        ::20
    ]
    chosen = table.take(rows)
    monkeypatch.setattr("elman.cli.demos.names.load_names", lambda: chosen)
