"""A sealed file: what was sealed comes back, and whatever else is refused with its kind's code."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from elman.ahead import LARGE
from elman.errors import ModelFileError
from elman.sealed import Kind, refuse, seal, strict_json, unseal, unseal_ahead

FLAWS = ("cut", "header", "crowded", "foreign", "manifest", "tensors", "checksum")
KIND = Kind(
    key="toy",
    refusals={flaw: (flaw, f"has the flaw {flaw} ({{error}})") for flaw in FLAWS},
    help="make it again",
    most_header_bytes=4000,
    most_tensors=3,
)
MANIFEST = {"name": "Zürich", "numbers": [1, 0.1, 1e-300], "none": None}
TENSORS = {
    "b": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a": np.array(7, dtype=np.int64),
    "c": np.zeros((0, 4)),
}
finite = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("äbc"), inner, max_size=3),
    max_leaves=8,
)


def check(manifest, source):
    if not isinstance(manifest, dict) or "sha256" not in manifest:
        refuse(KIND, "manifest", source)


def opened(data, kind=KIND):
    return unseal(kind, data, "t.safetensors", check)


def flaw_of(data, kind=KIND):
    with pytest.raises(ModelFileError) as caught:
        opened(data, kind)
    assert caught.value.message.startswith(f"t.safetensors has the flaw {caught.value.code} (")
    assert caught.value.help == "make it again"
    return caught.value.code


def text_of(data):
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["toy"]


def raw(text, tensors=TENSORS, **others):
    return safetensors.numpy.save(tensors, metadata={"toy": text, **others})


def bare(header: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header


@pytest.fixture(scope="module")
def data() -> bytes:
    return seal(KIND, MANIFEST, TENSORS)


def test_what_was_sealed_comes_back(data):
    manifest, tensors = opened(data)
    assert manifest == MANIFEST
    assert tensors.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        assert (tensors[name].dtype, tensors[name].shape) == (array.dtype, array.shape)
        assert tensors[name].tobytes() == array.tobytes()


def test_the_checksum_is_the_one_that_the_docs_describe(data):
    digest = hashlib.sha256('{"name":"Zürich","none":null,"numbers":[1,0.1,1e-300]}'.encode())
    digest.update(b'["a","<i8",[]]' + (7).to_bytes(8, "little"))
    digest.update(b'["b","<f4",[2,3]]' + TENSORS["b"].tobytes())
    digest.update(b'["c","<f8",[0,4]]')
    assert text_of(data) == (
        '{"name":"Zürich","none":null,"numbers":[1,0.1,1e-300],"sha256":"' + digest.hexdigest() + '"}'
    )


def test_the_same_content_gives_the_same_bytes(data):
    turned = dict(reversed(TENSORS.items())) | {"b": np.asfortranarray(TENSORS["b"])}
    assert not turned["b"].flags.c_contiguous
    assert seal(KIND, dict(reversed(MANIFEST.items())), turned) == data


def test_sealing_changes_neither_manifest_nor_tensors():
    manifest, tensors = dict(MANIFEST), {"b": TENSORS["b"].copy()}
    seal(KIND, manifest, tensors)
    assert manifest == MANIFEST
    assert (tensors["b"] == TENSORS["b"]).all()


@given(json_values)
def test_whatever_json_can_say_comes_back(value):
    for ascii_alone in (False, True):
        kind = dataclasses.replace(KIND, ascii=ascii_alone, most_header_bytes=1 << 20)
        assert opened(seal(kind, {"value": value}, {}), kind) == ({"value": value}, {})


def test_a_manifest_may_escape_all_but_ascii(data):
    text = text_of(seal(dataclasses.replace(KIND, ascii=True), MANIFEST, TENSORS))
    assert text.startswith('{"name":"Z\\u00fcrich"')
    assert text_of(data).startswith('{"name":"Zürich"')


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_not_sealed(number):
    with pytest.raises(ValueError, match="not JSON compliant"):
        seal(KIND, {"x": number}, {})


def test_every_changed_byte_is_found(data):
    for place in range(len(data)):
        for mask in (0x01, 0x10, 0x55):
            broken = bytearray(data)
            broken[place] ^= mask
            assert flaw_of(bytes(broken)) in FLAWS


def test_a_file_cut_short_anywhere_is_found(data):
    end = 8 + int.from_bytes(data[:8], "little")
    assert {flaw_of(data[:size]) for size in range(end)} == {"cut"}
    assert {flaw_of(data[:size]) for size in range(end, len(data))} == {"tensors"}
    assert flaw_of(data + b"\0") == "tensors"


@pytest.mark.parametrize(
    ("broken", "flaw"),
    [
        (bare(b"[]"), "foreign"),
        (bare(b"{}"), "foreign"),
        (bare(b'{"__metadata__":null}'), "foreign"),
        (bare(b'{"__metadata__":["toy"]}'), "foreign"),
        (bare(b'{"__metadata__":"toy"}'), "foreign"),
        (bare(b'{"__metadata__":{"other":"{}"}}'), "foreign"),
        (bare(b'{"__metadata__":{"toy":5}}'), "manifest"),
        (bare(b'{"__metadata__":{},"__metadata__":{}}'), "header"),
        (bare(b"\xff\xff"), "header"),
        (bare(b"{oops}"), "header"),
        (bare(b"[" * 4000), "header"),
        (bare(b'{"a":1e999}'), "header"),
        (raw("[" * 3000), "manifest"),
        (raw("no json"), "manifest"),
        (raw('{"a":1,"a":1}'), "manifest"),
        (raw('{"a":-1e999}'), "manifest"),
        (raw('{"sha256":"00"}'), "checksum"),
        (raw('{"sha256":null}'), "checksum"),
        (raw('{"sha256":"00","half":"\\ud800"}'), "tensors"),
        (bare(b'{"a":{"dtype":"F32"},"__metadata__":{"toy":"{\\"sha256\\":1}"}}'), "tensors"),
    ],
)
def test_each_flaw_has_its_own_refusal(broken, flaw):
    assert flaw_of(broken) == flaw


def test_another_text_or_tensor_breaks_the_seal(data):
    assert opened(raw(text_of(data)))[0] == MANIFEST
    assert flaw_of(raw(text_of(data).replace("0.1", "0.2"))) == "checksum"
    for changed in (
        TENSORS["b"] + 1,
        TENSORS["b"].view(np.int32),
        TENSORS["b"].reshape(3, 2),
        np.zeros((2, 2), np.float32),
    ):
        assert flaw_of(raw(text_of(data), {**TENSORS, "b": changed})) == "checksum"
    renamed = {"a": TENSORS["a"], "c": TENSORS["c"], "d": TENSORS["b"]}
    assert flaw_of(raw(text_of(data), renamed)) == "checksum"


def test_the_header_is_capped_to_the_byte(data):
    size = int.from_bytes(data[:8], "little")
    assert opened(data, dataclasses.replace(KIND, most_header_bytes=size))[0] == MANIFEST
    assert flaw_of(data, dataclasses.replace(KIND, most_header_bytes=size - 1)) == "cut"


def test_the_tensors_are_capped_to_the_last():
    four = seal(KIND, {}, {name: np.zeros(1) for name in "abcd"})
    assert flaw_of(four) == "crowded"
    assert len(opened(four, dataclasses.replace(KIND, most_tensors=4))[1]) == 4
    assert len(opened(four, dataclasses.replace(KIND, most_tensors=None))[1]) == 4


def test_other_metadata_is_foreign_where_the_manifest_stands_alone(data):
    both = raw(text_of(data), more="1")
    assert opened(both)[0] == MANIFEST
    assert flaw_of(both, dataclasses.replace(KIND, alone=True)) == "foreign"
    assert opened(data, dataclasses.replace(KIND, alone=True))[0] == MANIFEST


def test_the_check_comes_before_tensors_and_checksum():
    def newer(manifest, source):
        raise RuntimeError(f"{source} {manifest}")

    with pytest.raises(RuntimeError, match=r"^t\.safetensors \{'format': 2\}$"):
        unseal(KIND, raw('{"format": 2}')[:-1], "t.safetensors", newer)


def test_a_refusal_names_the_file_and_what_the_parser_said():
    data = raw("no json")
    with pytest.raises(ModelFileError) as caught:
        unseal(KIND, data, "{odd}.bin", check)
    assert caught.value.message == (
        "{odd}.bin has the flaw manifest (Expecting value: line 1 column 1 (char 0))"
    )
    assert caught.value.where == ""
    with pytest.raises(ModelFileError) as caught:
        unseal(dataclasses.replace(KIND, placed=True), data, "{odd}.bin", check)
    assert caught.value.where == "{odd}.bin"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "a": 2}', "a key stands twice"),
        ('[{"b": {"a": 1, "a": 1}}]', "a key stands twice"),
        ("[NaN]", "NaN is not a finite number"),
        ("[-Infinity]", "-Infinity is not a finite number"),
        ("[1e999]", "1e999 is not a finite number"),
        ("-1.5e309", "-1.5e309 is not a finite number"),
    ],
)
def test_strict_json_refuses(text, reason):
    with pytest.raises(ValueError, match=f"^{reason}$"):
        strict_json(text)


def test_strict_json_reads_the_largest_and_the_smallest_float():
    assert strict_json("[1.7976931348623157e308, 5e-324, 1e-999, 12]") == [
        1.7976931348623157e308,
        5e-324,
        0,
        12,
    ]


def test_the_checksum_of_a_large_file_is_reckoned_beside_what_comes_next():
    rows = np.arange(LARGE // 4, dtype=np.float32)
    data = bytearray(seal(KIND, {"n": 1}, {"rows": rows}))
    manifest, tensors, check_seal = unseal_ahead(KIND, bytes(data), "a file", lambda *_: None)
    check_seal()
    assert manifest == {"n": 1}
    np.testing.assert_array_equal(tensors["rows"], rows)
    data[-1] ^= 1
    _, tensors, check_seal = unseal_ahead(KIND, bytes(data), "a file", lambda *_: None)
    assert tensors["rows"][-1] != rows[-1]
    with pytest.raises(ModelFileError):
        check_seal()
    with pytest.raises(ModelFileError):
        unseal(KIND, bytes(data), "a file", lambda *_: None)
