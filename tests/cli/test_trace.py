"""``elman trace``: a picture, and the arrays as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from elman.cli import main
from tests.models.made import make, make_mixed, make_text

pytest.importorskip("matplotlib")


def test_a_text_and_numbers_are_drawn(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text, series = make_text(), make("forecast")
    text.save("text")
    series.save("series")
    assert main(["trace", "text", "--text", "rossi"]) == 0
    assert (tmp_path / "trace.png").read_bytes()[:4] == b"\x89PNG"
    assert "written: trace.png" in capsys.readouterr().err
    assert main(["trace", "text", "--text", "rossi"]) == 2
    assert "--force writes over it" in capsys.readouterr().err
    assert main(["trace", "series", "--numbers", "1", "4.5", "NaN", "--json", "-o", "s.png"]) == 0
    told = json.loads(capsys.readouterr().out)
    one_by_one = ["--numbers", "1", "--numbers", "4.5", "--numbers", "NaN"]
    assert main(["trace", "series", *one_by_one, "--json", "-o", "s.png", "--force"]) == 0
    assert json.loads(capsys.readouterr().out) == told
    found = series.trace([1.0, 4.5, np.nan])
    assert told["picture"] == "s.png"
    assert told["symbols"] == ["1", "4.5", "nan"]
    assert told["values"] == found.values.tolist()
    assert told["layers"][0]["gates"]["z"] == found.layers[0].gates["z"].tolist()
    assert told["layers"][0]["states"]["h"] == found.layers[0].h.tolist()


@pytest.mark.parametrize(
    ("model", "words", "help_"),
    [
        (make_text, ["--numbers", "1"], "--text T"),
        (make_text, [], "--text T"),
        (lambda: make("forecast"), ["--text", "r"], "--numbers 1 2 3"),
        (lambda: make_mixed()[0], ["--text", "r"], "model.trace((text, numbers))"),
    ],
)
def test_what_it_reads_is_said(model, words, help_, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model().save("m")
    assert main(["trace", "m", *words]) == 2
    assert help_ in capsys.readouterr().err
