import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from elman.errors import ModelFileError, OutputError
from elman.sealed import seal
from elman.train import Checkpoint, LoopSettings, learn
from elman.train.checkpoint import FORMAT, KIND, Place

from .toy import Line, Toy, epochs, toy, validate

SETTINGS = LoopSettings(max_epochs=2, averaging=0.8)


def stopped(update=4, module=None, settings=SETTINGS):
    for progress in learn(module or toy(), epochs, validate, settings):
        if progress.update == update:
            return progress.state()
    raise AssertionError(update)


@pytest.fixture(scope="module")
def checkpoint():
    extra = {"member": 1, "note": "Zürich", "none": None, "scores": [0.1, 1e-300]}
    arrays = {
        "members/0": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "rows": np.array(7, dtype=np.int64),
        "flags": np.array([True, False]),
        "nothing": np.zeros((0, 4)),
    }
    return dataclasses.replace(stopped(), extra=extra, extra_tensors=arrays)


def equal(one, other):
    return one.keys() == other.keys() and all(
        value.dtype == other[name].dtype
        and value.shape == other[name].shape
        and value.tobytes() == other[name].tobytes()
        for name, value in one.items()
    )


def test_everything_comes_back(checkpoint, tmp_path):
    checkpoint.write(tmp_path / "run.ckpt")
    back = Checkpoint.read(tmp_path / "run.ckpt")
    assert (back.settings, back.place, back.extra) == (
        checkpoint.settings,
        checkpoint.place,
        checkpoint.extra,
    )
    assert equal(back.tensors, checkpoint.tensors)
    assert equal(back.extra_tensors, checkpoint.extra_tensors)
    assert back.source == str(tmp_path / "run.ckpt")
    assert back.to_bytes() == checkpoint.to_bytes()


def test_the_place_says_how_far_the_run_is(checkpoint):
    place = checkpoint.place
    assert (place.epoch, place.position, place.update, place.updates, place.best_epoch) == (2, 1, 4, 6, 1)
    assert [record["epoch"] for record in place.history] == [1]
    assert {name.partition("/")[0] for name in checkpoint.tensors} == {
        "weights",
        "best",
        "average",
        "optimizer",
    }


def test_it_is_one_safetensors_file_with_one_key(checkpoint, tmp_path):
    checkpoint.write(tmp_path / "run.ckpt")
    with safetensors.safe_open(tmp_path / "run.ckpt", "np") as file:
        assert set(file.metadata()) == {KIND.key}
        assert json.loads(file.metadata()[KIND.key])["format"] == FORMAT


def test_a_checkpoint_does_not_follow_the_run():
    run = learn(toy(), epochs, validate, SETTINGS)
    states = [(state, state.to_bytes()) for state in (progress.state() for progress in run)]
    assert len({data for _, data in states}) == 6
    assert all(state.to_bytes() == data for state, data in states)


@given(st.integers(0, 200))
def test_a_place_survives_json_to_the_last_bit(seed):
    numbers = np.random.default_rng(seed).normal(size=3) ** 9
    place = Place(3, 2, 8, 12, *map(float, numbers), 1, ({"epoch": 1, "loss": float(numbers[0])},))
    state = Checkpoint({}, place, {"weights/a": np.zeros(1)})
    assert Checkpoint.from_bytes(state.to_bytes()).place == place


def refusal(data):
    with pytest.raises(ModelFileError) as error:
        Checkpoint.from_bytes(data, "run.ckpt")
    assert error.value.message.startswith("run.ckpt is not a checkpoint to go on from: ")
    assert error.value.help
    return error.value.code


def test_a_file_cut_short_anywhere_is_refused(checkpoint):
    data = checkpoint.to_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    for size in [0, 1, 7, 8, 9, header - 1]:
        assert refusal(data[:size]) == "E351"
    for size in [header, header + 1, (header + len(data)) // 2, len(data) - 1]:
        assert refusal(data[:size]) == "E353"
    assert refusal(data + b"\0") == "E353"


def test_any_flipped_byte_is_found(checkpoint):
    data = checkpoint.to_bytes()
    for place in np.random.default_rng(0).integers(0, len(data), 300):
        damaged = bytearray(data)
        damaged[place] ^= 0x10
        assert refusal(bytes(damaged)) in {"E351", "E352", "E353", "E354"}
    for place in range(len(data) - 50, len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1
        assert refusal(bytes(damaged)) == "E353"


def remade(checkpoint, **changes):
    """The file with other parts in its manifest, and a checksum that fits them."""
    tensors = {"run/weights/a": np.zeros(1)}
    manifest = {"format": FORMAT, "settings": {}, "place": dataclasses.asdict(Place()), "extra": {}} | changes
    return seal(KIND, manifest, tensors)


def with_text(checkpoint, old, new):
    """The same file with other words in its manifest; the checksum stays."""
    data = checkpoint.to_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    text = header["__metadata__"][KIND.key]
    assert text.count(old) == 1
    return safetensors.numpy.save(safetensors.numpy.load(data), metadata={KIND.key: text.replace(old, new)})


def foreign(metadata):
    return safetensors.numpy.save({"weight": np.zeros(3)}, metadata=metadata)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda c: b"name,origin\nRossi,Italian\n" * 5, "E351"),
        (lambda c: b"PK\x03\x04" + bytes(200), "E351"),
        (lambda c: (1 << 62).to_bytes(8, "little") + b"{}", "E351"),
        (lambda c: (6).to_bytes(8, "little") + b"{oops}", "E351"),
        (lambda c: (10_000).to_bytes(8, "little") + b"[" * 10_000, "E351"),
        (lambda c: (2).to_bytes(8, "little") + b"[]", "E352"),
        (lambda c: foreign(None), "E352"),
        (lambda c: foreign({"format": "pt"}), "E352"),
        (lambda c: foreign({"elman": "{}"}), "E352"),
        (lambda c: foreign({KIND.key: "{}", "more": "1"}), "E352"),
        (lambda c: foreign({KIND.key: "not json"}), "E353"),
        (lambda c: foreign({KIND.key: "[1]"}), "E353"),
        (lambda c: foreign({KIND.key: '{"format": NaN}'}), "E353"),
        (lambda c: foreign({KIND.key: '{"format": 1}'}), "E353"),
        (lambda c: foreign({KIND.key: '{"format": 1, "format": 2}'}), "E353"),
        (lambda c: with_text(c, '"updates":6', '"updates":6e999'), "E353"),
        (lambda c: foreign({KIND.key: '{"format": 2}'}), "E354"),
        (lambda c: remade(c, format=FORMAT + 1), "E354"),
        (lambda c: remade(c, format=0), "E353"),
        (lambda c: remade(c, format="1"), "E353"),
        (lambda c: remade(c, more=1), "E353"),
        (lambda c: remade(c, place={"epoch": 1, "more": 2}), "E353"),
        (lambda c: remade(c, place=[1, 2]), "E353"),
        (lambda c: remade(c, place={"epoch": "one"}), "E353"),
        (lambda c: remade(c, place={"history": 3}), "E353"),
        (lambda c: remade(c, settings=[1]), "E353"),
        (lambda c: remade(c, extra=None), "E353"),
    ],
)
def test_a_foreign_or_odd_file_is_refused_in_one_sentence(checkpoint, make, code):
    assert refusal(make(checkpoint)) == code


def test_the_remade_file_is_otherwise_sound(checkpoint):
    assert Checkpoint.from_bytes(remade(checkpoint)).place == Place()


def test_reading_what_is_not_there(tmp_path):
    with pytest.raises(ModelFileError, match="there is no such file") as error:
        Checkpoint.read(tmp_path / "none.ckpt")
    assert error.value.code == "E350"
    with pytest.raises(ModelFileError, match="is a directory") as error:
        Checkpoint.read(tmp_path)
    assert error.value.code == "E350"


def test_writing_where_there_is_no_folder(checkpoint, tmp_path):
    with pytest.raises(OutputError, match="there is no folder"):
        checkpoint.write(tmp_path / "none" / "run.ckpt")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0.5),
        ("optimizer", "sgd"),
        ("max_epochs", 3),
        ("random_state", 1),
        ("batch_size", 3),
        ("patience", 2),
    ],
)
def test_other_settings_cannot_go_on(name, value):
    state, settings = stopped(), dataclasses.replace(SETTINGS, **{name: value})
    with pytest.raises(ModelFileError, match=f"it was written with {name} = .*, not {value}") as error:
        learn(toy(), epochs, validate, settings, resume=state)
    assert error.value.code == "E355"


def test_a_longer_time_is_no_other_setting():
    settings = dataclasses.replace(SETTINGS, max_minutes=60.0)
    assert len(list(learn(toy(), epochs, validate, settings, resume=stopped()))) == 2


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (Toy(hidden=9), r"layer\.weight_ih_l0 is float32 \(24, 6\), not float32 \(27, 6\)"),
        (toy().double(), r"embedding\.weight is float32 \(12, 6\), not float64 \(12, 6\)"),
        (Line(), "do not share the weights"),
    ],
)
def test_another_network_cannot_go_on_and_is_left_as_it_was(module, reason):
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(ModelFileError, match=reason) as error:
        learn(module, epochs, validate, SETTINGS, resume=stopped())
    assert error.value.code == "E356"
    assert all((before[name] == value).all() for name, value in module.state_dict().items())


def test_an_optimizer_of_another_network_is_refused():
    state = stopped()
    state.tensors["optimizer/step/head.scale"] = np.zeros(())
    with pytest.raises(ModelFileError, match="its optimizer knows other weights"):
        learn(toy(), epochs, validate, SETTINGS, resume=state)


def test_neither_writing_nor_reading_ever_pickles(checkpoint, tmp_path):
    checkpoint.write(tmp_path / "run.ckpt")
    code = f"""
import sys
events = []
sys.addaudithook(lambda name, arguments: events.append(name))
from elman.train import Checkpoint
back = Checkpoint.read({str(tmp_path / "run.ckpt")!r})
back.write({str(tmp_path / "again.ckpt")!r})
print(sorted(name for name in events if name.startswith("pickle")), "torch" in sys.modules, "open" in events)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] False True\n"
    assert (tmp_path / "again.ckpt").read_bytes() == (tmp_path / "run.ckpt").read_bytes()
