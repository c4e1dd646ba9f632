"""Model files of every kind: old ones open for ever, new ones say what a reader must know."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import elman
from elman import cells
from elman.data.numbers import NumberCodec
from elman.errors import ModelFileError
from elman.models.saving import from_bytes, to_bytes

from .made import SERIES, make
from .test_saving import rewritten

FILES = Path(__file__).parent / "files"


def manifest_of(data: bytes):
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return json.loads(header["__metadata__"]["elman"])


def test_the_first_file_of_format_1_opens_answers_and_is_written_again_to_the_same_bytes():
    path = FILES / "names-1.safetensors"
    model = elman.load(path)
    expected = [
        [0.4886211156845093, 0.24503201246261597, 0.26634684205055237],
        [0.2808825373649597, 0.19817863404750824, 0.5209387540817261],
        [0.4535469114780426, 0.2504478693008423, 0.2960052490234375],
    ]
    np.testing.assert_allclose(model.predict_proba(["Rossini", "Nowaski", ""]), expected, atol=1e-5)
    assert model.predict(["Rossini", "Nowaski"]).tolist() == ["en", "pl"]
    data = path.read_bytes()
    assert manifest_of(data)["codecs"].keys() == {"inputs", "labels"}
    tensors = model.members[0].keys()
    assert "head.bias" in tensors
    rewritten_data = rewritten(data, lambda manifest, tensors: None)
    assert rewritten_data == data  # what the test rewrites is what was written
    assert without_self_test(to_bytes(model)) == without_self_test(data)


def without_self_test(data: bytes) -> bytes:
    """The file but for its own answers, whose last bits another processor may round otherwise."""
    return rewritten(data, lambda manifest, tensors: tensors.pop("self_test.outputs"))


@pytest.mark.parametrize(
    ("task", "role"), [("tag", "targets"), ("forecast", "targets"), ("classify", "labels")]
)
def test_a_model_of_numbers_names_its_codecs_and_the_feature(task, role):
    manifest = manifest_of(to_bytes(make(task)))
    assert manifest["features"] == ["numbers"]
    assert manifest["codecs"]["inputs"]["kind"] == "number"
    assert manifest["codecs"].keys() == {"inputs", role}
    assert manifest["codecs"][role].get("kind") == (None if role == "labels" else "number")


def test_missing_numbers_are_answered_the_same_from_the_file():
    gaps = [np.array([1.0, np.nan, 3.0, 4.0, 9.0])]
    codec = NumberCodec().fit(gaps)
    model = from_bytes(to_bytes(make("tag", codec=codec, targets=NumberCodec().fit(SERIES))))
    assert model.inputs.size == 2
    filled = model.predict([np.nan_to_num(gaps[0], nan=codec.mean[0])])[0]
    assert abs(model.predict(gaps)[0][1] - filled[1]) > 1e-3


def wrong_task(manifest, tensors):
    manifest["task"] = "dream"


def other_task(manifest, tensors):
    manifest["task"] = "classify"


def no_codec(manifest, tensors):
    manifest["codecs"]["inputs"]["kind"] = "sound"


def other_codec(manifest, tensors):
    manifest["codecs"]["inputs"]["kind"] = "label"


def other_scale(manifest, tensors):
    tensors["codecs.targets.scale"] = tensors["codecs.targets.scale"] * 2


@pytest.mark.parametrize("change", [wrong_task, other_task, no_codec, other_codec, other_scale])
def test_parts_that_do_not_fit_are_refused(change):
    with pytest.raises(ModelFileError) as caught:
        from_bytes(rewritten(to_bytes(make("forecast")), change), "m.safetensors")
    assert caught.value.code in ("E306", "E320")
    assert "\n" not in str(caught.value)


def test_a_file_asks_for_the_cell_to_be_registered(mine):
    data = to_bytes(make("tag", recurrence="mine"))
    assert manifest_of(data)["settings"]["recurrence"] == "mine"
    answer = from_bytes(data).predict(SERIES)
    del cells.CELLS["mine"]
    with pytest.raises(ModelFileError, match="network of the cell 'mine', which is not registered") as caught:
        from_bytes(data, "m.safetensors")
    assert caught.value.code == "E309"
    cells.register(mine)
    assert (from_bytes(data).predict(SERIES)[0] == answer[0]).all()


def test_a_cell_that_has_changed_is_refused_in_one_sentence(mine, monkeypatch):
    data = to_bytes(make("tag", recurrence="mine"))
    monkeypatch.setattr(mine, "step", lambda self, x, state, params: (state, state))
    with pytest.raises(ModelFileError, match="does not give the answers"):
        from_bytes(data)
    monkeypatch.setattr(mine, "step", lambda self, x, state, params: 1 / 0)
    with pytest.raises(ModelFileError, match="ZeroDivisionError"):
        from_bytes(data)
