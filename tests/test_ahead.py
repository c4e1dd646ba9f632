"""A checksum that was begun while modules were imported is the file's own, or is not used."""

import numpy as np
import pytest

from elman import ahead
from elman.errors import ModelFileError
from elman.sealed import Kind, seal, unseal

SENTENCES = {flaw: ("E301", flaw) for flaw in ("cut", "header", "crowded", "foreign", "manifest", "tensors")}
KIND = Kind("toy", {**SENTENCES, "checksum": ("E304", "is damaged")}, "copy it anew", 1 << 20)


def check(manifest, source):
    assert "sha256" in manifest


@pytest.fixture
def path(tmp_path):
    tensors = {
        "a": np.arange(ahead.LARGE // 4, dtype=np.float32),
        "b": np.ones((0, 3)),
        "c": np.array([True]),
    }
    whole = tmp_path / "large.safetensors"
    whole.write_bytes(seal(KIND, {"name": "Zürich"}, tensors))
    yield whole
    ahead._head.clear()


def begun(path):
    ahead.begin(["--text", "no such file", str(path.parent), str(path)], "toy")
    return ahead.bytes_of(path.stat())


def test_the_file_is_found_among_the_words_of_a_command_and_opened_once(path):
    data = begun(path)
    assert data == path.read_bytes()
    assert ahead.is_begun(data)
    assert not ahead.is_begun(path.read_bytes())
    manifest, tensors = unseal(KIND, data, "toy", check)
    assert manifest == {"name": "Zürich"}
    assert tensors["a"][-1] == ahead.LARGE // 4 - 1
    assert ahead.bytes_of(path.stat()) is None
    assert ahead.checksum_of(data) is None


@pytest.mark.parametrize("place", [-1, -1000, ahead.LARGE // 2])
def test_a_changed_byte_is_found(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match="is damaged"):
        unseal(KIND, begun(path), "toy", check)


def test_a_file_that_was_replaced_meanwhile_is_read_anew(path):
    ahead.begin([str(path)], "toy")
    ahead._head[0].result()
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    other.replace(path)
    assert ahead.bytes_of(path.stat()) is None


def test_what_cannot_be_reckoned_is_left_to_the_reader(path):
    path.write_bytes(path.read_bytes().replace(b'"toy"', b'"toi"', 1))
    data = begun(path)
    assert ahead.is_begun(data)
    with pytest.raises(ModelFileError, match="foreign"):
        unseal(KIND, data, "toy", check)
    assert ahead.checksum_of(data) is None


LONG = ahead.LARGE + 9
HEADER = b'{"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}}'


@pytest.mark.parametrize(
    "content",
    [
        b"x" * LONG,
        bytes(LONG),
        (2**40).to_bytes(8, "little") + bytes(LONG),
        len(HEADER).to_bytes(8, "little") + HEADER + bytes(LONG),
    ],
)
def test_a_file_whose_header_is_wrong_is_not_read_on(tmp_path, content):
    path = tmp_path / "spoiled.safetensors"
    path.write_bytes(content)
    ahead.begin([str(path)], "toy")
    assert ahead.bytes_of(path.stat()) is None
    ahead._head.clear()


def test_nothing_begins_for_small_files_and_other_words(tmp_path):
    (tmp_path / "small.safetensors").write_bytes(b"short")
    (tmp_path / "large.csv").write_bytes(bytes(LONG))
    ahead.begin(["--text", "\0", "", *map(str, tmp_path.iterdir()), str(tmp_path)], "toy")
    assert not ahead._head
