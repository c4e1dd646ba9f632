import numpy as np
import pytest

import elman
from elman.data import TextCodec
from elman.data.encoded import SEEN, EncodedTexts

TEXTS = ["ana", "bo", "", "ana", "anna", "é", "bo", "ana"]


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("ngrams", [1, 3])
def test_each_different_text_is_encoded_once(ngrams: int, edges: bool):
    codec = TextCodec(ngrams=ngrams, edges=edges, min_count=1).fit(TEXTS)
    texts = codec.encode_once(iter(TEXTS))
    assert len(texts) == len(TEXTS)
    assert texts.place.tolist() == [0, 1, 2, 0, 3, 4, 1, 0]
    for text, ids in zip(TEXTS, texts, strict=True):
        np.testing.assert_array_equal(ids, codec.encode(text))
    padded, lengths = texts.pad(np.array([3, 2]))
    assert lengths.tolist() == [4 + edges, 0 + edges]
    np.testing.assert_array_equal(padded[0], codec.encode("anna"))
    assert not padded[1, lengths[1] :].any()


def test_it_is_a_sequence():
    codec = TextCodec().fit(TEXTS)
    texts = codec.encode_once(TEXTS)
    assert [ids.tolist() for ids in texts[-2:]] == [codec.encode(t).tolist() for t in TEXTS[-2:]]
    np.testing.assert_array_equal(texts[-1], texts[0])
    with pytest.raises(IndexError):
        texts[len(TEXTS)]
    assert len(codec.encode_once([])) == 0
    assert EncodedTexts.of(texts) is texts


@pytest.mark.parametrize("most", [2, 254, 255, 65_534, 65_535, 100_000])
@pytest.mark.parametrize("columns", [0, 2])
def test_the_order_is_that_of_the_symbols(most: int, columns: int):
    rng = np.random.default_rng(most)
    rows = [rng.choice([0, 1, most - 1, most], n).astype(np.int32) for n in rng.integers(0, 9, 300)]
    rows += [np.full(SEEN + 3, most, np.int32), np.zeros(SEEN, np.int32)]
    with_groups = [np.stack([row, rng.permutation(len(row))], axis=1) if columns else row for row in rows]
    order = EncodedTexts.of(with_groups).in_order()
    found = [rows[row].tolist() for row in order]
    assert found == sorted(found)


def test_equal_texts_have_equal_answers_and_all_are_counted():
    names = [a + b for a in ("ro", "ba", "ki") for b in ("ssi", "nna", "m")]
    labels = [name[:2] for name in names]
    learner = elman.SequenceClassifier(max_epochs=1, members=1, hidden_size=8)
    model = learner.fit(names * 4, labels * 4).model_
    rng = np.random.default_rng(0)
    asked = [names[n] for n in rng.integers(0, len(names), 200)] + ["never seen"]
    told: list[tuple[int, int]] = []
    answers = model.predict_proba(asked, progress=lambda done, of: told.append((done, of)))
    assert told[-1] == (201, 201)
    alone = {name: model.predict_proba([name])[0].tobytes() for name in set(asked)}
    assert [row.tobytes() for row in answers] == [alone[name] for name in asked]
