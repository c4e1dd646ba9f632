"""The model file: the same bytes for the same model, whole or refused with one sentence."""

from __future__ import annotations

import dataclasses
import json
import sys

import numpy as np
import pytest
import safetensors.numpy

import elman
from elman.errors import ModelFileError
from elman.models.fitting import MOST_RECORDS, thinned
from elman.models.manifest import KIND
from elman.models.saving import from_bytes, to_bytes
from elman.sealed import seal


@pytest.fixture(scope="module")
def data(fitted) -> bytes:
    return to_bytes(fitted.model_)


def rewritten(data: bytes, change) -> bytes:
    """The same file with a changed manifest and tensors, and a right checksum."""
    tensors = safetensors.numpy.load(data)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    manifest = json.loads(header["__metadata__"]["elman"])
    del manifest["sha256"]
    change(manifest, tensors)
    return seal(KIND, manifest, tensors)


def refused(data: bytes) -> ModelFileError:
    with pytest.raises(ModelFileError) as caught:
        from_bytes(data, "m.safetensors")
    assert "m.safetensors" in caught.value.message
    assert "\n" not in str(caught.value)
    return caught.value


def test_load_gives_what_was_saved(fitted, rows, tmp_path):
    path = tmp_path / "m.safetensors"
    fitted.save(path)
    model = elman.load(path)
    assert (model.predict_proba(rows[0]) == fitted.predict_proba(rows[0])).all()
    assert model.settings == fitted.model_.settings
    assert model.training == fitted.model_.training
    assert to_bytes(model) == path.read_bytes()


def test_the_file_is_plain_safetensors_with_one_key(data):
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert list(header["__metadata__"]) == ["elman"]
    assert {"members.0.head.weight", "members.1.layers.weight_hh_l0"} <= header.keys()
    assert all(
        header[name]["dtype"] in ("F32", "U8", "I64", "U64") for name in header if name != "__metadata__"
    )


def test_loading_runs_no_code_and_opens_no_other_file(data, tmp_path):
    """Python's audit events while loading: no exec of foreign code, no process, no pickle, no socket."""
    path = tmp_path / "m.safetensors"
    path.write_bytes(data)
    elman.load(path)
    events: list[tuple[str, str]] = []
    watching = [True]
    sys.addaudithook(lambda event, args: events.append((event, str(args[:1]))) if watching[0] else None)
    elman.load(path)
    watching[0] = False
    assert ("open", f"('{path}',)") in events
    forbidden = (
        "pickle",
        "exec",
        "compile",
        "import",
        "subprocess",
        "os.system",
        "socket",
        "marshal",
        "ctypes",
    )
    assert [event for event, _ in events if event.startswith(forbidden)] == []
    assert [args for event, args in events if event == "open" and str(path) not in args] == []


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.9999])
def test_a_file_cut_short_is_refused(data, share):
    assert refused(data[: int(len(data) * share)]).code in ("E301", "E303")


def test_any_changed_byte_is_refused(data):
    random = np.random.default_rng(0)
    for place in [9, 300, len(data) - 1, *random.integers(8, len(data), 60)]:
        broken = bytearray(data)
        broken[place] ^= 0x55
        assert refused(bytes(broken)).exit_code == 4


@pytest.mark.parametrize("junk", [b"", b"PK\x03\x04", b"\x80\x04pickle", b"name,origin\n" * 9, b"\xff" * 64])
def test_what_is_no_model_is_refused(junk):
    assert refused(junk).code == "E301"


def test_a_foreign_safetensors_file_is_refused():
    other = safetensors.numpy.save({"x": np.zeros(3, np.float32)}, metadata={"format": "pt"})
    assert refused(other).code == "E302"


def set_format(manifest, tensors):
    manifest["format"] = 2
    manifest["training"]["elman"] = "9.0.0"


def need_feature(manifest, tensors):
    manifest["features"] = ["telepathy"]


def drop_tensor(manifest, tensors):
    del tensors["members.1.head.bias"]


def add_tensor(manifest, tensors):
    tensors["members.0.extra"] = np.zeros(1, np.float32)


def wrong_shape(manifest, tensors):
    tensors["members.0.head.bias"] = np.zeros(4, np.float32)


def not_finite(manifest, tensors):
    tensors["members.0.head.bias"] = np.array([0, np.nan, 0], np.float32)


def other_answers(manifest, tensors):
    tensors["members.0.head.bias"][0] += 1  # one alone: a softmax does not see what all logits share


def wrong_setting(manifest, tensors):
    manifest["settings"]["hidden_size"] = -3


def unknown_setting(manifest, tensors):
    manifest["settings"]["exec"] = "rm"


def unknown_part(manifest, tensors):
    manifest["more"] = 1


def features_of_another_form(manifest, tensors):
    manifest["features"] = 5


def training_of_another_form(manifest, tensors):
    manifest["format"], manifest["training"] = 2, [1]


def unknown_cell(manifest, tensors):
    manifest["settings"]["recurrence"] = "my_cell"


def features_that_are_lists(manifest, tensors):
    manifest["features"] = [[]]


def a_billion_networks(manifest, tensors):
    manifest["members"] = 10**9


def a_billion_layers(manifest, tensors):
    manifest["settings"]["num_layers"] = 10**9


def a_billion_units(manifest, tensors):
    manifest["settings"]["hidden_size"] = 10**9


def no_setting(manifest, tensors):
    del manifest["settings"]["pooling"]


def a_truth_value_for_a_count(manifest, tensors):
    manifest["members"] = True


def a_feature_that_is_not_needed(manifest, tensors):
    manifest["features"] = ["mixed"]


def details_of_a_classifier(manifest, tensors):
    manifest["features"], manifest["details"] = ["details"], {"form": None}


def counts_of_other_classes(manifest, tensors):
    manifest["training"]["class_counts"] = [1, 2]


def counts_below_nought(manifest, tensors):
    manifest["training"]["class_counts"] = [-1, 2, 3]


def a_column_of_another_kind(manifest, tensors):
    manifest["training"]["columns"] = {"input": {"a": 5}}


def scores_of_another_form(manifest, tensors):
    manifest["scores"] = [1]


def a_label_of_a_mebibyte(manifest, tensors):
    texts = [b"%05d" % n for n in range(2000)] + [b"x" * (1 << 20)]
    tensors["codecs.labels.classes.bytes"] = np.frombuffer(b"".join(texts), np.uint8)
    tensors["codecs.labels.classes.offsets"] = np.cumsum([0, *map(len, texts)]).astype(np.int64)


def expected_answers_of_another_type(manifest, tensors):
    tensors["self_test.outputs"] = tensors["self_test.outputs"].astype(np.float64)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (features_that_are_lists, "E303"),
        (a_billion_networks, "E306"),
        (a_billion_layers, "E306"),
        (a_billion_units, "E306"),
        (no_setting, "E306"),
        (a_truth_value_for_a_count, "E303"),
        (a_feature_that_is_not_needed, "E306"),
        (details_of_a_classifier, "E306"),
        (counts_of_other_classes, "E306"),
        (counts_below_nought, "E303"),
        (a_column_of_another_kind, "E303"),
        (scores_of_another_form, "E303"),
        (a_label_of_a_mebibyte, "E322"),
        (expected_answers_of_another_type, "E307"),
        (set_format, "E308"),
        (need_feature, "E308"),
        (drop_tensor, "E306"),
        (add_tensor, "E306"),
        (wrong_shape, "E306"),
        (not_finite, "E306"),
        (other_answers, "E307"),
        (wrong_setting, "E306"),
        (unknown_setting, "E306"),
        (unknown_part, "E303"),
        (unknown_cell, "E309"),
        (features_of_another_form, "E303"),
        (training_of_another_form, "E308"),
    ],
)
def test_a_file_with_other_content_is_refused_though_its_checksum_is_right(data, change, code):
    error = refused(rewritten(data, change))
    assert error.code == code
    if change is set_format:
        assert "9.0.0" in error.message


def with_text(data: bytes, old: str, new: str) -> bytes:
    """The same file with other words in its manifest; the checksum stays."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    text = header["__metadata__"]["elman"]
    assert text.count(old) == 1
    return safetensors.numpy.save(safetensors.numpy.load(data), metadata={"elman": text.replace(old, new)})


def test_a_number_beyond_all_floats_is_refused(data):
    assert refused(with_text(data, '"members":2,"scores"', '"members":2e999,"scores"')).code == "E301"


def test_half_a_character_is_refused(data):
    assert refused(with_text(data, '"task":"', r'"task":"\ud800')).code == "E303"


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelFileError) as caught:
        elman.load(tmp_path / "no.safetensors")
    assert caught.value.code == "E300"
    assert "there is no such file" in caught.value.message


def test_no_training_row_stands_in_the_file(data, rows):
    assert not [text for text in rows[0] if len(text) > 6 and text.encode() in data]


def test_what_could_not_be_read_again_is_not_written(fitted):
    """A header of more than a mebibyte is refused on reading, so it is on writing."""
    much = dataclasses.replace(fitted.model_, training={"history": [{"epoch": n} for n in range(100_000)]})
    with pytest.raises(ModelFileError, match="more than the 1,048,576 bytes that may stand there") as caught:
        to_bytes(much)
    assert caught.value.code == "E305"


def test_a_model_of_many_epochs_keeps_a_history_that_fits():
    records = [{"epoch": n, "loss": 1 / (n + 1)} for n in range(30_000)]
    kept = thinned(records)
    assert len(kept) == MOST_RECORDS
    assert (kept[0], kept[-1]) == (records[0], records[-1])
    assert thinned(records[:50]) == records[:50]
    assert len(json.dumps([{**record, "learning_rate": 1e-3 / 7} for record in kept])) < 1 << 19
