"""``elman demo sine`` and ``sine-to-cosine``: printed lines, pictures, the window, saved models."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch

import elman
from elman.cli import main
from elman.data.samples import load_sine_to_cosine
from elman.models.series_pictures import drift
from tests.conftest import run_python

torch.set_num_threads(1)
SINE_LINE = re.compile(r"^Epoch: (\d+) loss (\d+\.\d{6})$")
COSINE_LINE = re.compile(r"^Iteration: (\d+) loss (\d+\.\d{6})$")
PNG = b"\x89PNG\r\n"


def printed(text: str, form: re.Pattern[str]) -> tuple[list[int], list[float]]:
    found = [form.match(line) for line in text.splitlines()]
    assert all(found)
    return [int(match[1]) for match in found], [float(match[2]) for match in found]


def test_sine_prints_thirty_lines_and_its_loss_falls(tmp_path, capsys):
    assert main(["demo", "sine", "-o", str(tmp_path)]) == 0
    told = capsys.readouterr()
    epochs, losses = printed(told.out, SINE_LINE)
    assert epochs == list(range(0, 300, 10))
    assert losses[0] > 1
    assert min(losses) < 0.3
    assert (tmp_path / "sine.png").read_bytes().startswith(PNG)
    assert str(tmp_path / "sine.safetensors") in told.err
    series = np.sin(np.linspace(2, 10, 21))
    ahead = elman.load(tmp_path / "sine.safetensors").predict_steps([series[:-1]])[0]
    assert 0.5 * ((ahead - series[1:]) ** 2).sum() < 0.35  # what the last epoch's sum of losses is


def test_sine_to_cosine_follows_its_target(tmp_path, capsys):
    assert main(["demo", "sine-to-cosine", "--no-window", "-o", str(tmp_path)]) == 0
    iterations, losses = printed(capsys.readouterr().out, COSINE_LINE)
    assert iterations == list(range(0, 100, 10))
    assert losses[0] > 0.3
    assert min(losses) < 0.05
    assert (tmp_path / "sine-to-cosine.png").read_bytes().startswith(PNG)


def test_for_a_program_there_is_one_object_with_every_loss(tmp_path, capsys):
    assert main(["demo", "sine-to-cosine", "--json", "-o", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"]
    assert len(told["losses"]) == 100
    assert told["model"] == str(tmp_path / "sine-to-cosine.safetensors")


def test_the_same_seed_gives_the_same_files(tmp_path, capsys):
    for folder in ("a", "b"):
        assert main(["demo", "sine", "--max-epochs", "3", "--seed", "4", "-o", str(tmp_path / folder)]) == 0
    for name in ("sine.safetensors", "sine.png"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_saved_model_answers_without_torch_as_in_learning(tmp_path):
    """What is saved answers as torch does with the same weights."""
    assert main(["demo", "sine-to-cosine", "--json", "--no-window", "-o", str(tmp_path)]) == 0
    path = tmp_path / "sine-to-cosine.safetensors"
    model = elman.load(path)
    x = np.array(load_sine_to_cosine().column("sin"))
    wanted = by_torch(model, x)
    code = (
        "import sys, numpy as np, elman\n"
        "x = np.array(elman.data.load_sine_to_cosine().column('sin'))\n"
        "np.save(sys.argv[2], elman.load(sys.argv[1]).predict([x])[0])\n"
        "assert 'torch' not in sys.modules"
    )
    run_python(code, str(path), str(tmp_path / "said.npy"))
    said = np.load(tmp_path / "said.npy")
    assert (abs(said - wanted) <= 1e-5 * np.maximum(1, abs(wanted))).all()


def by_torch(model, x):
    """The same weights in torch.nn."""
    rnn, linear = torch.nn.RNN(1, 32, batch_first=True), torch.nn.Linear(32, 1)
    tensors = {name: torch.tensor(value) for name, value in model.members[0].items()}
    rnn.load_state_dict({name: tensors[f"layers.{name}"] for name in rnn.state_dict()})
    linear.load_state_dict({name: tensors[f"head.{name}"] for name in linear.state_dict()})
    with torch.no_grad():
        return linear(rnn(torch.tensor(x, dtype=torch.float32)[None, :, None])[0])[0, :, 0].numpy()


@pytest.mark.parametrize("name", ["sine", "sine-to-cosine"])
@pytest.mark.parametrize("option", [["--num-layers", "2"], ["--resume"], ["--updates", "500"]])
def test_what_would_make_it_another_system_is_refused(name, option, tmp_path, capsys):
    assert main(["demo", name, *option, "-o", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert f"error[E290]: elman demo {name} does not take {option[0]}" in told
    assert not list(tmp_path.iterdir())


def test_a_drift_is_the_first_step_that_is_far_off():
    assert drift([0.0, 0.4, 0.6, 0.0], np.zeros(4)) == 2
    assert drift([0.5, -0.5], np.zeros(2)) is None


UNDER_XVFB = """
import sys
from elman.cli import main
from elman.cli.demos import window

def stay(self):
    self.figure.savefig(sys.argv[2])
    print("curves", len(self.axes.lines), "open", self.open)
    self.figure.canvas.manager.destroy()

window.Window.stay = stay
raise SystemExit(main(["demo", "sine-to-cosine", "-o", sys.argv[1]]))
"""


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="no Xvfb here, so no display to draw on")
@pytest.mark.skipif(find_spec("_tkinter") is None, reason="this Python has no tkinter to open a window with")
def test_the_window_grows_by_two_curves_a_chunk(tmp_path):
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x720x24"], pass_fds=[write]
    )
    try:
        display = os.read(read, 16).decode().strip()
        done = subprocess.run(
            [sys.executable, "-c", UNDER_XVFB, str(tmp_path), str(tmp_path / "window.png")],
            env=os.environ | {"DISPLAY": f":{display}", "MPLBACKEND": "TkAgg"},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        server.terminate()
        server.wait()
        os.close(read)
        os.close(write)
    assert done.returncode == 0, done.stderr
    assert "curves 202 open True" in done.stdout  # two for the legend
    assert (tmp_path / "window.png").read_bytes().startswith(PNG)
    assert (tmp_path / "sine-to-cosine.png").exists()
