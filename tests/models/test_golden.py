"""A file of every kind of model opens, answers as it did, and is written again to the same bytes."""

from __future__ import annotations

import json

import numpy as np
import pytest

import elman
from elman.models.answers import TASKS
from elman.models.saving import to_bytes

from .golden import ANSWERS, FILES, NAMES, alike, answers_of, path_of
from .test_files import manifest_of, without_self_test

EXPECTED = json.loads(ANSWERS.read_text("utf-8"))


def test_every_kept_file_is_tried_and_every_task_and_feature_is_among_them():
    assert {path_of(name).name for name in NAMES} | {"names-1.safetensors"} == {
        path.name for path in FILES.glob("*.safetensors")
    }
    assert EXPECTED.keys() == set(NAMES)
    manifests = [manifest_of(path_of(name).read_bytes()) for name in NAMES]
    assert {manifest["task"] for manifest in manifests} == TASKS.keys()
    features = {feature for manifest in manifests for feature in manifest["features"]}
    assert features == {"numbers", "one-hot", "details", "mixed", "prompt"}


@pytest.mark.parametrize("name", NAMES)
def test_a_kept_file_opens_answers_and_is_written_again_to_the_same_bytes(name):
    model = elman.load(path_of(name))
    assert alike(answers_of(name, model), EXPECTED[name])
    assert without_self_test(to_bytes(model)) == without_self_test(path_of(name).read_bytes())


def test_answers_that_differ_are_told_apart():
    assert alike([["a", 1.0], 2], [["a", 1.00001], 2])
    assert not alike([1.0], [1.001])
    assert not alike(["a"], ["b"])
    assert not alike([True], [1])
    assert not alike([float("nan")], [1.0])


def test_what_the_files_hold():
    assert 0.05 < elman.load(path_of("classify-texts")).training["temperature"] < 20
    details = elman.load(path_of("forecast-covariates")).details
    assert details["form"] == {"values": 1, "horizon": 3, "known": 2, "past": 1, "normalise": "scale"}
    assert [level["coverage"] for level in details["intervals"]][:2] == [0.5, 0.8]
    assert elman.load(path_of("tag-numbers-with-gaps")).inputs.masks
    assert elman.load(path_of("generate-conditions")).inputs.conditions.classes_.tolist() == [
        "er",
        "ni",
        "ski",
    ]
    assert elman.load(path_of("classify-numbers")).classes_.dtype == np.bool_
