"""Ways to spoil a model file, each drawn from a generator: what a disk, a stranger or an enemy may do to it.

A mutation of ``BYTES`` leaves the checksum as it was. One of ``SEALED`` changes what a file says and seals it
anew with a right checksum, so that what stands behind the checksum is tried. One of ``RAW`` writes what the
library would not write, under the checksum of what a careless reader would find in it.
"""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import safetensors.numpy

from elman.models.manifest import KIND
from elman.sealed import seal

Random = np.random.Generator
Arrays = dict[str, np.ndarray]
STRANGE = (
    None,
    True,
    -1,
    0,
    10**9,
    10**30,
    10**400,
    0.5,
    1e308,
    -0.0,
    "",
    "x",
    "\u202edrow\u0000\x1b[2J\n",
    "K" * 5000,
    [],
    [[]],
    {},
    {"a": 1},
    ["numbers"],
    "__import__('os').system('true')",
)
DTYPES = ("F64", "F32", "F16", "BF16", "F8_E4M3", "I64", "U64", "I32", "U8", "BOOL", "C64", "Q9", "", "f32")


def parts(data: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Take a file apart: its header, its manifest, and the bytes of its tensors."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    return header, json.loads(header["__metadata__"]["elman"]), data[end:]


def joined(header: bytes, body: bytes, length: int | None = None) -> bytes:
    """Put a file together, whatever its header says."""
    return (len(header) if length is None else length).to_bytes(8, "little") + header + body


def _place(tree: Any, random: Random) -> tuple[Any, Any]:
    """A place anywhere in JSON values: a list or an object, and the key of one of its values."""
    found = [(tree, key) for key in tree]
    for holder, key in found:
        value = holder[key]
        keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        found.extend((value, inner) for inner in keys)
    return found[random.integers(len(found))]


def _pick(random: Random, values: Any) -> Any:
    return values[int(random.integers(len(values)))]


def flip_bits(data: bytes, random: Random) -> bytes:
    """Flip one bit to eight."""
    broken = bytearray(data)
    for place in random.integers(0, len(data), random.integers(1, 9)):
        broken[place] ^= 1 << int(random.integers(8))
    return bytes(broken)


def flip_in_header(data: bytes, random: Random) -> bytes:
    """Change a byte of the header."""
    broken, end = bytearray(data), 8 + int.from_bytes(data[:8], "little")
    broken[random.integers(0, end)] = int(random.integers(256))
    return bytes(broken)


def cut(data: bytes, random: Random) -> bytes:
    """Cut it short anywhere; or leave nothing."""
    return data[: int(random.integers(len(data)))] if random.random() < 0.9 else b""


def lengthen(data: bytes, random: Random) -> bytes:
    """Append bytes, or itself."""
    return data + (data if random.random() < 0.3 else random.bytes(int(random.integers(1, 5000))))


def move_block(data: bytes, random: Random) -> bytes:
    """Write one stretch of the file over another, as a torn write does."""
    broken, size = bytearray(data), int(random.integers(1, len(data) // 2))
    a, b = random.integers(0, len(data) - size, 2)
    broken[a : a + size] = data[b : b + size]
    return bytes(broken)


def lie_of_length(data: bytes, random: Random) -> bytes:
    """Another length of the header than it has."""
    end = 8 + int.from_bytes(data[:8], "little")
    length = _pick(
        random, (0, 1, end - 9, end - 7, len(data), 1 << 20, (1 << 20) + 1, 1 << 40, (1 << 64) - 1)
    )
    return joined(data[8:end], data[end:], length)


def something_else(data: bytes, random: Random) -> bytes:
    """A pickle, an archive, a NumPy array, text, JSON or noise, renamed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model.safetensors", data)
    array = io.BytesIO()
    np.save(array, np.frombuffer(data, np.uint8))
    noise = random.bytes(int(random.integers(1, 4000)))
    return _pick(
        random,
        (
            pickle.dumps({"weights": noise, "code": json.loads}, protocol=int(random.integers(6))),
            buffer.getvalue(),
            array.getvalue(),
            b"name,origin\n" * 50,
            json.dumps(parts(data)[1]).encode(),
            noise,
            bytes(2000),
            b"\xff" * 2000,
        ),
    )


def _header_lie(change: Callable[[dict[str, Any], Random], None]) -> Callable[[bytes, Random], bytes]:
    def lie(data: bytes, random: Random) -> bytes:
        header, _, body = parts(data)
        change(header, random)
        return joined(json.dumps(header).encode(), body)

    lie.__name__, lie.__doc__ = change.__name__, change.__doc__
    return lie


def _entry(header: dict[str, Any], random: Random) -> dict[str, Any]:
    return header[_pick(random, sorted(header.keys() - {"__metadata__"}))]


@_header_lie
def lie_of_offsets(header: dict[str, Any], random: Random) -> None:
    """Offsets that overlap, leave holes, go back, or lie beyond the file."""
    entry = _entry(header, random)
    begin, end = entry["data_offsets"]
    entry["data_offsets"] = _pick(
        random,
        (
            [0, end - begin],
            [begin, begin],
            [end, begin],
            [begin + 4, end + 4],
            [begin, 1 << 40],
            [1 << 63, 1 << 64],
            [-4, end],
            [begin],
            [begin, float(end)],
            [str(begin), str(end)],
            None,
            {"0": begin, "1": end},
            [begin, 10**4000],
        ),
    )


@_header_lie
def lie_of_shape(header: dict[str, Any], random: Random) -> None:
    """Another shape over the same bytes."""
    entry = _entry(header, random)
    shape = entry["shape"]
    wrong = ([*shape, 1], [*shape, 0], [1, *shape], shape[::-1], [-1], [1 << 62, 4], [], [2.0], None, "4")
    entry["shape"] = _pick(random, (*wrong, [1] * 500 + shape, [0] * 10))


@_header_lie
def lie_of_dtype(header: dict[str, Any], random: Random) -> None:
    """Another type over the same bytes."""
    _entry(header, random)["dtype"] = _pick(random, (*DTYPES, None, 4, ["F32"]))


@_header_lie
def strange_entry(header: dict[str, Any], random: Random) -> None:
    """Anything at all, anywhere in the header."""
    holder, key = _place(header, random)
    holder[key] = _pick(random, STRANGE)


@_header_lie
def another_name(header: dict[str, Any], random: Random) -> None:
    """Rename a tensor or the metadata."""
    name = _pick(random, sorted(header))
    header[_pick(random, ("", "a\n\x1b[31m", "members.0.x" * 400, "../../x", "\ud800", name + "\u200b"))] = (
        header.pop(name)
    )


def many_empty_tensors(data: bytes, random: Random) -> bytes:
    """Up to a million tensors without a byte."""
    header, _, body = parts(data)
    count, end = int(random.choice([9_000, 10_001, 12_000, 1_000_000], p=[0.3, 0.3, 0.3, 0.1])), len(body)
    entry = f'{{"dtype":"F32","shape":[0],"data_offsets":[{end},{end}]}}'
    more = ",".join(f'"members.{n}.x":{entry}' for n in range(count))
    return joined((json.dumps(header)[:-1] + "," + more + "}").encode(), body)


BYTES = (
    flip_bits,
    flip_in_header,
    cut,
    lengthen,
    move_block,
    lie_of_length,
    something_else,
    lie_of_offsets,
    lie_of_shape,
    lie_of_dtype,
    strange_entry,
    another_name,
    many_empty_tensors,
)


def _resealed(change: Callable[[dict[str, Any], Arrays, Random], None]) -> Callable[[bytes, Random], bytes]:
    def spoil(data: bytes, random: Random) -> bytes:
        manifest = parts(data)[1]
        tensors = {name: np.array(array) for name, array in safetensors.numpy.load(data).items()}
        del manifest["sha256"]
        change(manifest, tensors, random)
        return seal(KIND, manifest, tensors)

    spoil.__name__, spoil.__doc__ = change.__name__, change.__doc__
    return spoil


def _tensor(tensors: Arrays, random: Random, begins: str = "") -> str:
    return _pick(random, sorted(name for name in tensors if name.startswith(begins)))


@_resealed
def strange_value(manifest: dict[str, Any], tensors: Arrays, random: Random) -> None:
    """Anything at all, anywhere in the manifest."""
    holder, key = _place(manifest, random)
    holder[key] = _pick(random, STRANGE)


@_resealed
def strange_setting(manifest: dict[str, Any], tensors: Arrays, random: Random) -> None:
    """A setting out of all bounds, missing, or one that there is not."""
    settings = manifest["settings"]
    name = _pick(random, sorted(settings))
    if random.random() < 0.2:
        del settings[name]
    elif random.random() < 0.2:
        settings[_pick(random, ("__class__", "exec", "symbols ", "", "Hidden_size"))] = 1
    else:
        settings[name] = _pick(
            random, (*STRANGE, "lstm", "rnn", "sine", "names", "mean", "one-hot", "os.system")
        )


@_resealed
def strange_count(manifest: dict[str, Any], tensors: Arrays, random: Random) -> None:
    """Sizes that are negative, huge, or of another kind."""
    value = _pick(random, (-1, 0, 2, 3, 10**5, 10**9, 10**18, 10**30, 10**4000, True, 2.0, "2", None, [2]))
    name = _pick(
        random, ("members", "hidden_size", "num_layers", "embedding_size", "ngrams", "form", "format")
    )
    if name in ("members", "format"):
        manifest[name] = value
    elif name == "form" and "details" in manifest:
        form = manifest["details"]["form"]
        form[_pick(random, sorted(form))] = value
    else:
        manifest["settings"][name if name != "form" else "memory"] = value


@_resealed
def strange_codec(manifest: dict[str, Any], tensors: Arrays, random: Random) -> None:
    """A codec of another kind, or with other settings."""
    codec = _pick(random, list(manifest["codecs"].values()))
    if random.random() < 0.5:
        codec["kind"] = _pick(
            random, ("text", "label", "number", "mixed", "prompt", "pickle", None, 1, ["text"])
        )
    else:
        holder, key = _place(manifest["codecs"], random)
        holder[key] = _pick(
            random, (*STRANGE, "word", "byte", "character", "float32", "int64", "bool", "str")
        )


@_resealed
def strange_details(manifest: dict[str, Any], tensors: Arrays, random: Random) -> None:
    """Details of a forecast that are none, or of something else than a forecast."""
    details = manifest.setdefault("details", {})
    if details and random.random() < 0.7:
        holder, key = _place(details, random)
        holder[key] = _pick(random, STRANGE)
    else:
        details[_pick(random, ("form", "intervals", "more"))] = _pick(random, STRANGE)
    if random.random() < 0.8 and "details" not in manifest["features"]:
        manifest["features"].append("details")


@_resealed
def strange_columns(manifest: dict[str, Any], tensors: Arrays, random: Random) -> None:
    """Columns, counts and scores that a command would trip over."""
    training = manifest["training"]
    name = _pick(random, ("columns", "class_counts", "settings", "split", "source", "elman", "libraries"))
    training[name] = _pick(
        random, (*STRANGE, {"input": 5}, {"input": ["a"], "more": "b"}, {"text": "t"}, [-1], [1])
    )
    if random.random() < 0.3:
        manifest["scores"] = _pick(random, (*STRANGE, {"scores": 5}, {"baselines": [1]}))


@_resealed
def another_version(manifest: dict[str, Any], tensors: Arrays, random: Random) -> None:
    """A newer format or feature, with the name of any version."""
    if random.random() < 0.5:
        manifest["format"] = _pick(random, (2, 99, 10**400, 0, -1, True, 1.5, "1", None))
    else:
        manifest["features"] = _pick(
            random, (["telepathy"], ["x" * 9000], [[]], [None], {}, "numbers", ["\n"], [1])
        )
    manifest["training"]["elman"] = _pick(random, ("9.0.0", "\x1b[2J\n" * 99, 5, None, ["9"], ""))


@_resealed
def another_task(manifest: dict[str, Any], tensors: Arrays, random: Random) -> None:
    """The task or the parts of another model."""
    manifest["task"] = _pick(
        random, ("classify", "regress", "tag", "forecast", "generate", "dream", "", None, 3)
    )
    if random.random() < 0.3:
        codecs = manifest["codecs"]
        codecs[_pick(random, ("targets", "labels", "more"))] = codecs.pop(_pick(random, sorted(codecs)))


@_resealed
def not_finite(manifest: dict[str, Any], tensors: Arrays, random: Random) -> None:
    """NaN, infinity or a huge number among the weights, the scales or the expected answers."""
    name = _pick(random, sorted(name for name, array in tensors.items() if array.dtype.kind == "f"))
    array = tensors[name]
    array.flat[int(random.integers(array.size))] = _pick(random, (np.nan, np.inf, -np.inf, 3e38, -3e38))


@_resealed
def another_shape(manifest: dict[str, Any], tensors: Arrays, random: Random) -> None:
    """A tensor of another shape or type, with bytes that fit it."""
    name = _tensor(tensors, random)
    array = tensors[name]
    tensors[name] = _pick(
        random,
        (
            array[None],
            array.reshape(-1),
            array[:0],
            array.T,
            np.concatenate([array, array]),
            array.astype(np.float64),
            array.astype(np.float16),
            array.astype(np.int64),
            array != 0,
            array.astype(np.complex64),
        ),
    )


@_resealed
def other_tensors(manifest: dict[str, Any], tensors: Arrays, random: Random) -> None:
    """A tensor too many, too few, renamed, or two that changed places."""
    name, other = _tensor(tensors, random), _tensor(tensors, random)
    way = random.integers(4)
    if way == 0:
        del tensors[name]
    elif way == 1:
        tensors[
            _pick(random, ("members.7.x", "a\nb", "", "members.0.", "members.00.head.bias", "codecs.x"))
        ] = tensors[name]
    elif way == 2:
        tensors[name + " "] = tensors.pop(name)
    else:
        tensors[name], tensors[other] = tensors[other], tensors[name]


@_resealed
def other_texts(manifest: dict[str, Any], tensors: Arrays, random: Random) -> None:
    """Other bytes or offsets of a vocabulary, or other labels."""
    name = _tensor(tensors, random, "codecs.")
    array = tensors[name].copy()
    tensors[name] = array
    place = int(random.integers(max(1, array.size)))
    if not array.size:
        return
    if array.dtype == np.int64:
        array.flat[place] = _pick(random, (-1, 0, 1 << 62, (1 << 63) - 1, -(1 << 63), array.flat[place] + 1))
    else:
        array.flat[place] = _pick(random, (0, 1, 0x80, 0xED, 0xFF, 10))


@_resealed
def a_huge_text(manifest: dict[str, Any], tensors: Arrays, random: Random) -> None:
    """One text of a megabyte among many short ones: room for all of them at that length is a gigabyte."""
    names = sorted(name for name in tensors if name.endswith(".offsets"))
    if not names:
        return
    name = _pick(random, names).removesuffix(".offsets")
    texts = [chr(0x100 + n) for n in range(2000)] + ["\uffff" * (1 << 18)]
    sizes = np.cumsum([0, *(len(text.encode()) for text in texts)])
    tensors[f"{name}.bytes"] = np.frombuffer("".join(texts).encode(), np.uint8)
    tensors[f"{name}.offsets"] = sizes.astype(np.int64)


@_resealed
def many_members(manifest: dict[str, Any], tensors: Arrays, random: Random) -> None:
    """Thousands of networks, or names of some."""
    count = int(_pick(random, (50, 3000, 9000)))
    manifest["members"] = count
    for member in range(2, count):
        tensors[f"members.{member}.x"] = np.zeros(0, np.float32)


@_resealed
def other_weights(manifest: dict[str, Any], tensors: Arrays, random: Random) -> None:
    """Weights or expected answers that are a little different, or very."""
    array = tensors[_pick(random, sorted(name for name in tensors if not name.startswith("codecs.")))]
    array.flat[int(random.integers(array.size))] += random.choice([1e-3, 1.0, -5.0, 1e6])


SEALED = (
    strange_value,
    strange_setting,
    strange_count,
    strange_codec,
    strange_details,
    strange_columns,
    another_version,
    another_task,
    not_finite,
    another_shape,
    other_tensors,
    other_texts,
    a_huge_text,
    many_members,
    other_weights,
)


def _with_text(data: bytes, text: str) -> bytes:
    """The same tensors under a manifest of any text."""
    header, _, body = parts(data)
    header["__metadata__"]["elman"] = text
    return joined(json.dumps(header).encode(), body)


def a_key_twice(data: bytes, random: Random) -> bytes:
    """A key that stands twice in the manifest, with the same value: the checksum is right for the last."""
    text = parts(data)[0]["__metadata__"]["elman"]
    manifest = json.loads(text)
    key = _pick(random, sorted(manifest))
    return _with_text(data, f"{{{json.dumps(key)}:{json.dumps(manifest[key])}," + text[1:])


def a_header_key_twice(data: bytes, random: Random) -> bytes:
    """A tensor or the metadata twice in the header."""
    header, _, body = parts(data)
    key = _pick(random, sorted(header))
    again = f"{{{json.dumps(key)}:{json.dumps(header[key])},".encode()
    return joined(again + json.dumps(header).encode()[1:], body)


def deep_nesting(data: bytes, random: Random) -> bytes:
    """Brackets within brackets, in the manifest or the header."""
    depth, (header, manifest, body) = int(_pick(random, (90, 900, 5000, 100_000))), parts(data)
    deep = "[" * depth + "]" * depth if random.random() < 0.7 else '{"a":' * depth + "1" + "}" * depth
    if random.random() < 0.5:
        return joined((json.dumps(header)[:-1] + f',"x":{deep}}}').encode(), body)
    return _with_text(data, json.dumps(manifest)[:-1] + f',"x":{deep}}}')


def numbers_beyond_bounds(data: bytes, random: Random) -> bytes:
    """NaN, infinities and numbers of thousands of digits where a number stands."""
    text = parts(data)[0]["__metadata__"]["elman"]
    number = _pick(
        random, ("NaN", "Infinity", "-Infinity", "2e999", "1" * 4000, "1" * 100_000, "1e" + "9" * 5000)
    )
    key = _pick(random, ('"members":', '"format":', '"hidden_size":', '"dropout":'))
    before, _, after = text.partition(key)
    rest = after.lstrip("0123456789.e-+")
    return _with_text(data, before + key + number + rest)


def strange_text(data: bytes, random: Random) -> bytes:
    """A manifest that is no JSON object, or in strange characters."""
    text = parts(data)[0]["__metadata__"]["elman"]
    return _with_text(
        data,
        _pick(
            random,
            (
                "",
                "null",
                "[]",
                '"x"',
                "5",
                "\ufeff" + text,
                text + " x",
                text.replace('"task"', '"t\u0430sk"'),
                text.replace('"elman":"', '"elman":"\\ud800'),
                text.replace('"', "'"),
                " " * 500_000 + text,
                text[: len(text) // 2],
                text.replace('"format":1', '"format":1.0'),
                text.replace('"format":1', '"format":2,"features":["\\ud800"]'),
            ),
        ),
    )


RAW = (a_key_twice, a_header_key_twice, deep_nesting, numbers_beyond_bounds, strange_text)

MUTATIONS = (*BYTES, *SEALED, *RAW)


def draw(random: Random) -> Callable[[bytes, Random], bytes]:
    """Choose a mutation: as often one behind the checksum as one before it."""
    return _pick(random, SEALED if random.random() < 0.5 else (*BYTES, *RAW))
