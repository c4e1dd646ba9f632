"""Laws that every codec obeys, and what each one does."""

import json
import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data.codec import LabelCodec, TextCodec
from elman.data.kinds import CODECS
from elman.data.mixed import MixedCodec
from elman.data.numbers import NumberCodec
from elman.data.prompt import PromptCodec
from elman.errors import DataError, ModelFileError, UsageError

TEXTS = ["Rossi", "Rossini", "Müller", "Mu\u0308ller", "Αβαγιανός", "'s Gravensande", "", "🙂🙂", "a b  c"]

SERIES = [[[3.0, 5.0], [1.0, 5.0]], [[1.0, 5.0], [3.0, 5.0], [1.0, 5.0], [3.0, 5.0]]]  # mean 2, deviation 1
GAPS = [[1.0, None], [3.0, 1.0, 3.0]]
PAIRS = [("ab", [1.0]), ("b", [3.0]), ("", [2.0])]

# every kind of codec, fitted: (name, codec, the values it was fitted on, a value it cannot know)
FITTED = [
    *[
        ("text", TextCodec(unit=unit, ngrams=groups, min_count=1).fit(TEXTS), TEXTS, "ж" * 3)
        for unit in ("character", "byte", "word")
        for groups in (1, 3)
    ],
    ("label", LabelCodec().fit(["b", "a", "é", "a"]), ["b", "a", "é", "a"], "c"),
    ("label", LabelCodec().fit([3, -1, 2**40]), [3, -1, 2**40], 7),
    ("label", LabelCodec().fit([0.5, -1.0, 2.0]), [0.5, -1.0, 2.0], 0.25),
    ("label", LabelCodec().fit([True, False, True]), [True, False, True], 2),
    ("label", LabelCodec().fit(np.array([3, 5], dtype=np.uint8)), [3, 5], 300),
    ("number", NumberCodec().fit(SERIES), SERIES, [[None, None]]),
    ("number", NumberCodec(scaling="none").fit(SERIES), SERIES, [[None, None]]),
    ("number", NumberCodec().fit(GAPS), GAPS, [None]),
    ("mixed", MixedCodec(text=TextCodec(min_count=1)).fit(PAIRS), PAIRS, ("ж", [1.0])),
    ("prompt", PromptCodec().fit(TEXTS), TEXTS, "ж"),
    ("prompt", PromptCodec().fit(["ab", "c"], ["x", "y"]), ["ab", "c"], "ж"),
]
every = pytest.mark.parametrize(("name", "codec", "known", "strange"), FITTED)


def ids_of(codec, values):
    if not isinstance(codec, LabelCodec):
        return [ids.tolist() for ids in codec.encode_all(values)]
    return codec.encode(values).tolist()


def restored(codec, change=None):
    arrays = {name: array.copy() for name, array in codec.arrays().items()}
    settings = json.loads(json.dumps(codec.settings()))
    if change:
        change(settings, arrays)
    return type(codec).restore(settings, arrays)


def test_every_codec_is_tried():
    assert len(CODECS) == 5
    assert {name for name, *_ in FITTED} == set(CODECS)
    assert all(CODECS[name].kind == name for name in CODECS)


@every
def test_encoding_twice_gives_the_same(name, codec, known, strange):
    assert ids_of(codec, known) == ids_of(codec, known)


@every
def test_order_of_the_fitted_values_does_not_matter(name, codec, known, strange):
    options = {"text": ["unit", "ngrams", "min_count", "edges"], "number": ["scaling"]}.get(name, [])
    twin = type(codec)(**{option: getattr(codec, option) for option in options})
    if name == "mixed":
        twin.text = TextCodec(min_count=1)
    if name == "prompt" and codec.conditions:
        return  # its conditions come with the texts
    twin.fit(np.array(known[::-1], dtype=codec.classes_.dtype) if name == "label" else known[::-1])
    assert ids_of(twin, known) == ids_of(codec, known)


@every
def test_restored_codec_is_the_same(name, codec, known, strange):
    twin = restored(codec)
    assert ids_of(twin, known) == ids_of(codec, known)
    assert ids_of(twin, [strange]) == ids_of(codec, [strange])
    assert twin.settings() == codec.settings()
    again = twin.arrays()
    assert {key: array.tolist() for key, array in again.items()} == {
        key: array.tolist() for key, array in codec.arrays().items()
    }


@every
def test_arrays_can_stand_in_a_safetensors_file(name, codec, known, strange):
    for array in codec.arrays().values():
        assert array.dtype.kind in "iuf"
        assert array.ndim == 1


@every
def test_decode_undoes_encode(name, codec, known, strange):
    if name == "text":
        for text in known:
            assert codec.decode(codec.encode(text)) == codec.normalise(text)
    elif name == "number":
        for sequence in known:
            filled = [[2.0] if step is None else np.atleast_1d(step).tolist() for step in sequence]
            assert codec.decode(codec.encode(sequence)).tolist() == filled  # 2: the mean
    elif name == "mixed":
        for text, numbers in known:
            back, beside = codec.decode(codec.encode((text, numbers)))
            assert back == text
            np.testing.assert_allclose(beside, np.tile(numbers, (len(text), 1)), rtol=1e-6)
    elif name == "prompt":
        for text in known:
            assert codec.decode(codec.encode(text)) == codec.text.normalise(text)
            assert len(codec.encode(text)) == len(codec.text.normalise(text)) + 1
    else:
        back = codec.decode(codec.encode(known))
        assert back.tolist() == known
        assert back.dtype == codec.classes_.dtype


@every
def test_strange_value_is_unknown(name, codec, known, strange):
    ids = codec.encode([strange]) if name == "label" else codec.encode(strange)
    if name == "number":
        assert ids.tolist() == [[0.0, 1.0] if codec.masks else [0.0, 0.0]]
    elif name == "mixed":
        assert ids[:, 0].tolist() == [0.0]
    elif name == "prompt":
        assert ids.reshape(len(ids), -1)[1:, 0].tolist() == [0]
    else:
        assert set(ids.ravel().tolist()) == ({0} if name == "text" else {-1})


@every
def test_ids_that_are_none_are_refused(name, codec, known, strange):
    with pytest.raises(DataError if name == "number" else UsageError) as caught:
        codec.decode([[0.0] * 5] if name == "number" else [10_000])
    assert caught.value.code == ("E273" if name == "number" else "E121")


@every
def test_foreign_or_missing_parts_are_refused(name, codec, known, strange):
    first = next(iter(codec.arrays()))

    def drop(settings, arrays):
        del arrays[first]

    def add(settings, arrays):
        arrays["pickle"] = np.zeros(1)

    def reshape(settings, arrays):
        arrays[first] = arrays[first][None]

    def retype(settings, arrays):
        arrays[first] = np.zeros(3, dtype=np.float16)

    for change in (drop, add, reshape, retype):
        with pytest.raises(ModelFileError) as caught:
            restored(codec, change)
        assert caught.value.code == "E321"

    for settings in ({}, {**codec.settings(), "more": 1}, {key: [] for key in codec.settings()}):
        with pytest.raises(ModelFileError) as caught:
            type(codec).restore(settings, codec.arrays())
        assert caught.value.code == "E320"


@pytest.mark.parametrize("kind", [TextCodec, LabelCodec, NumberCodec])
def test_unfitted_codec_says_so(kind):
    for use in (
        lambda c: c.encode("a" if kind is TextCodec else ["a"]),
        lambda c: c.decode([0]),
        lambda c: c.arrays(),
    ):
        with pytest.raises(UsageError) as caught:
            use(kind())
        assert caught.value.code == "E122"


# --- text -----------------------------------------------------------------------------------------


def test_ids_follow_counts_then_code_points():
    codec = TextCodec().fit(["banana", "bc"])  # a 3, b 2, n 2, c 1
    assert codec.vocabulary == [["a", "b", "n", "c"]]
    assert codec.encode("cabx").tolist() == [4, 1, 2, 0]
    assert codec.encode("cabx").dtype == np.int32
    assert codec.sizes == (5,)


def test_groups_end_at_their_step():
    codec = TextCodec(ngrams=3, min_count=2).fit(["abab", "xab"])
    assert codec.vocabulary == [["a", "b", "x"], ["ab"], []]
    assert codec.sizes == (4, 2, 1)
    assert codec.encode("abx").tolist() == [[1, 0, 0], [2, 1, 0], [3, 0, 0]]


def test_groups_never_reach_into_the_text_before():
    codec = TextCodec(ngrams=2, min_count=1).fit(["ab"])
    assert [ids.tolist() for ids in codec.encode_all(["a", "b", "", "ab"])] == [
        [[1, 0]],
        [[2, 0]],
        [],
        [[1, 0], [2, 1]],
    ]


def test_groups_are_counted_like_python_slices():
    texts = ["Mississippi", "missis", "sip", "pip", "s"]
    codec = TextCodec(ngrams=4, min_count=2).fit(texts)
    for length, entries in enumerate(codec.vocabulary, start=1):
        counts = Counter(text[i : i + length] for text in texts for i in range(len(text) - length + 1))
        few = 1 if length == 1 else 2
        kept = sorted((s for s, n in counts.items() if n >= few), key=lambda s: (-counts[s], s))
        assert entries == kept


@given(st.lists(st.text(max_size=12), max_size=8), st.text(max_size=12), st.sampled_from([1, 2, 3]))
def test_encoding_is_a_look_up_of_slices(texts, text, groups):
    codec = TextCodec(ngrams=groups, min_count=1).fit(texts)
    composed = unicodedata.normalize("NFC", text)
    ids = codec.encode(text).reshape(len(composed), groups)
    for step in range(len(composed)):
        for column in range(groups):
            entry = composed[step - column : step + 1] if step >= column else None
            entries = codec.vocabulary[column]
            assert ids[step, column] == (entries.index(entry) + 1 if entry in entries else 0)


@given(st.lists(st.text(max_size=20), max_size=6), st.sampled_from(["character", "byte", "word"]))
def test_texts_come_back(texts, unit):
    codec = TextCodec(unit=unit).fit(texts)
    for text in texts:
        assert codec.decode(codec.encode(text)) == codec.normalise(text)
        assert codec.unknown(text) == []


@given(st.text(max_size=30))
def test_characters_and_bytes_come_back_as_nfc(text):
    for unit in ("character", "byte"):
        assert TextCodec(unit=unit).normalise(text) == unicodedata.normalize("NFC", text)


@given(st.lists(st.text(max_size=10), max_size=6), st.sampled_from(["character", "byte", "word"]))
def test_any_fitted_codec_can_be_saved(texts, unit):
    codec = TextCodec(unit=unit, ngrams=3, min_count=1).fit(texts)
    assert restored(codec).vocabulary == codec.vocabulary


def test_composed_and_decomposed_letters_are_one():
    codec = TextCodec().fit(["é"])
    assert codec.encode("e\u0301").tolist() == [1]


def test_bytes():
    codec = TextCodec(unit="byte").fit(["é"])  # C3 A9
    assert codec.encode("éè").tolist() == [2, 1, 2, 0]
    assert codec.decode([2, 1, 0]) == "é\ufffd"
    assert codec.unknown("éè") == ["0xA8"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("to be or not", ["to", "be", "or", "not"]),
        ("Don't!", ["Don", "'", "t", "!"]),
        ("  2+2 \t= 4\n", ["2", "+", "2", "=", "4"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("snake_case…", ["snake", "_", "case", "…"]),
        ("", []),
    ],
)
def test_words(text, words):
    codec = TextCodec(unit="word").fit([text])
    assert [codec.decode([i]) for i in codec.encode(text)] == words
    assert codec.decode(codec.encode(text)) == " ".join(words)


def test_word_groups():
    codec = TextCodec(unit="word", ngrams=2, min_count=2).fit(["to be", "to be", "be to"])
    assert codec.vocabulary == [["be", "to"], ["to be"]]
    assert codec.encode("to be to").tolist() == [[2, 0], [1, 1], [2, 0]]
    assert restored(codec).vocabulary == codec.vocabulary


def test_unknown_symbols_are_named_and_counted():
    codec = TextCodec().fit(["abc"])
    assert codec.unknown("axbyx\x01") == ["x", "y", "x", "U+0001"]
    assert codec.count_unknown(["ax", "xy", "", "cab"]) == {"x": 2, "y": 1}
    assert codec.decode(codec.encode("axb")) == "a\ufffdb"


def test_half_a_character_stays_unknown():
    codec = TextCodec(ngrams=2, min_count=1).fit(["a\ud800b"])
    assert codec.vocabulary == [["a", "b"], []]
    assert codec.encode("a\ud800b").tolist() == [[1, 0], [0, 0], [2, 0]]


def test_a_text_of_a_megabyte():
    codec = TextCodec(ngrams=3).fit(["ab" * 500_000])
    ids = codec.encode("ab" * 500_000)
    assert ids[0].tolist() == [1, 0, 0]
    assert ids[-1].tolist() == [2, 1, 2]  # ab (500,000) before ba; aba = bab, so in order of code points
    assert len(ids) == 1_000_000


def test_texts_are_encoded_alike_across_chunks(monkeypatch):
    texts = ["Rossi", "", "Rossini", "Müller"] * 5
    whole = TextCodec(ngrams=3).fit(texts)
    monkeypatch.setattr("elman.data.codec.CHUNK", 7)
    small = TextCodec(ngrams=3).fit(texts)
    assert small.vocabulary == whole.vocabulary
    assert ids_of(small, texts) == ids_of(whole, texts)


@pytest.mark.parametrize(
    "wrong", [{"unit": "letter"}, {"ngrams": 0}, {"ngrams": 9}, {"min_count": 0}, {"ngrams": 1.5}]
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(UsageError):
        TextCodec(**wrong)


def damage(array_name, values, dtype):
    def change(settings, arrays):
        arrays[array_name] = np.array(values, dtype=dtype)

    return change


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (damage("vocabulary.0.offsets", [0, 2, 1, 3], np.int64), "E322"),
        (damage("vocabulary.0.offsets", [1, 2, 3], np.int64), "E322"),
        (damage("vocabulary.0.offsets", [0, 1, 9], np.int64), "E322"),
        (damage("vocabulary.0.offsets", [], np.int64), "E322"),
        (damage("vocabulary.0.offsets", [0, 1, 3], np.int64), "E322"),  # "bc" is not one character
        (damage("vocabulary.0.bytes", [97, 98, 255], np.uint8), "E322"),
        (damage("vocabulary.0.bytes", [97, 98, 98], np.uint8), "E323"),
        (damage("vocabulary.0.bytes", [97, 98, 120], np.uint8), "E322"),  # the group "bc" has an unknown end
    ],
)
def test_damaged_vocabulary_is_refused(change, code):
    codec = TextCodec(ngrams=2, min_count=1).fit(["abc"])
    assert restored(codec).vocabulary == [["a", "b", "c"], ["ab", "bc"]]
    with pytest.raises(ModelFileError) as caught:
        restored(codec, change)
    assert caught.value.code == code


# --- labels ---------------------------------------------------------------------------------------


def test_classes_are_sorted():
    assert LabelCodec().fit(["b", "a", "b"]).classes_.tolist() == ["a", "b"]
    assert LabelCodec().fit([10, 9, -1]).classes_.tolist() == [-1, 9, 10]


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["x", "yy"]),
        np.array([1, 2], dtype=np.int32),
        np.array([1.5, 2], dtype=np.float32),
        np.array([False, True]),
        np.array(["x", "yy"], dtype=object),
    ],
)
def test_labels_keep_their_type(labels):
    codec = restored(LabelCodec().fit(labels))
    expected = np.dtype("<U2") if labels.dtype == object else labels.dtype
    assert codec.decode([1, 0]).dtype == expected
    assert codec.decode(codec.encode(labels)).tolist() == labels.tolist()


def test_labels_of_another_type_are_unknown():
    assert LabelCodec().fit(["1", "2"]).encode([1, 2]).tolist() == [-1, -1]
    assert LabelCodec().fit([1, 2]).encode(["1", "2"]).tolist() == [-1, -1]
    assert LabelCodec().fit([1, 2]).encode([2.0, 1.5]).tolist() == [1, -1]
    assert LabelCodec().fit(["a"]).encode([]).tolist() == []


@given(st.lists(st.text(min_size=1, max_size=8).filter(lambda s: s.strip() and "\0" not in s), min_size=1))
def test_text_labels_come_back(labels):
    codec = restored(LabelCodec().fit(labels))
    assert codec.decode(codec.encode(labels)).tolist() == labels


@pytest.mark.parametrize(
    ("labels", "change", "code"),
    [
        ([1, 2], damage("classes", [2, 1], np.int64), "E323"),
        ([1, 2], damage("classes", [1, 1], np.int64), "E323"),
        ([1, 2], damage("classes", [], np.int64), "E322"),
        ([1.0, 2.0], damage("classes", [1, np.nan], np.float64), "E322"),
        ([True, False], damage("classes", [0, 2], np.uint8), "E322"),
        (["a", "b"], damage("classes.bytes", [98, 97], np.uint8), "E323"),
        (["a", "b"], damage("classes.bytes", [97, 97], np.uint8), "E323"),
        (["a", "b"], damage("classes.bytes", [97, 0], np.uint8), "E322"),
    ],
)
def test_damaged_classes_are_refused(labels, change, code):
    with pytest.raises(ModelFileError) as caught:
        restored(LabelCodec().fit(labels), change)
    assert caught.value.code == code


@pytest.mark.parametrize("unit", ["character", "byte", "word"])
def test_edges_add_the_end_as_a_step_and_let_groups_see_the_beginning(unit):
    codec = TextCodec(unit=unit, ngrams=3, min_count=1, edges=True).fit(["ab cd", "ab"])
    ids = codec.encode("ab")
    plain = TextCodec(unit=unit, ngrams=3, min_count=1).fit(["ab cd", "ab"])
    assert len(ids) == len(plain.encode("ab")) + 1
    assert codec.decode(ids) == "ab"
    assert (ids[:, :2] > 0).all()  # even the first step ends a group of two: the beginning and the symbol
    assert ids[0, 2] == 0
    assert len(codec.encode("")) == 1
    assert set(codec.symbols) == set(plain.symbols) == set(plain.vocabulary[0])
    assert codec.unknown("ab") == []
    again = TextCodec.restore(codec.settings(), codec.arrays())
    assert (again.encode("ab cd") == codec.encode("ab cd")).all()


def test_a_text_that_holds_our_marks_is_read_as_unknown_there():
    codec = TextCodec(edges=True).fit(["ab"])
    assert codec.unknown("a\ufdd0b\ufdd1") == ["\ufffd", "\ufffd"]
    assert codec.decode(codec.encode("a\ufdd1b")) == "a\ufffdb"


def test_edges_without_their_marks_are_damaged():
    codec = TextCodec().fit(["ab"])
    with pytest.raises(ModelFileError) as caught:
        TextCodec.restore({**codec.settings(), "edges": True}, codec.arrays())
    assert caught.value.code == "E322"
