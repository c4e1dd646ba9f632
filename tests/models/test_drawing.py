"""Rows drawn by class: all classes equally often, all rows of a class equally often, the same for a seed."""

from __future__ import annotations

import numpy as np
import pytest

from elman import SequenceClassifier
from elman.errors import ModelFileError, UsageError
from elman.models.drawing import Drawn, draw_by_class
from elman.models.examples import Examples
from elman.models.saving import from_bytes, to_bytes

from .test_files import manifest_of
from .test_saving import rewritten

PLAIN = {"hidden_size": 4, "embedding_size": 4, "max_epochs": 1, "members": 1}

EXACT = {
    "recurrence": "names",
    "symbols": "one-hot",
    "hidden_size": 8,
    "sampling": "classes",
    "batch_size": 1,
    "optimizer": "sgd",
    "momentum": 0.0,
    "learning_rate": 0.005,
    "schedule": "constant",
    "clip": None,
    "members": 1,
    "validation_fraction": 0.0,
    "updates_per_epoch": 30,
    "max_epochs": 2,
}


def examples(classes):
    sequences = [np.full(1 + row % 3, row, np.int32) for row in range(len(classes))]
    return Examples(sequences, np.array(classes), None)


def test_classes_come_equally_often_and_so_do_the_rows_of_each():
    rows, classes = np.array([10, 11, 12, 13, 14]), np.array([7, 2, 2, 7, 7])
    drawn = draw_by_class(rows, classes, (6000, 2), np.random.default_rng(0))
    counts = {row: int((drawn == row).sum()) for row in rows.tolist()}
    assert sum(counts.values()) == 12_000
    for row, share in zip(rows.tolist(), (6, 4, 4, 6, 6), strict=True):
        assert abs(counts[row] - 12_000 / share) < 150, counts


def test_an_epoch_has_its_updates_and_follows_from_its_seed():
    drawn, rows = Drawn(examples([0, 1, 0, 0, 1, 0, 0])), np.arange(1, 7)
    assert [len(drawn.batches(rows, size, (0, 1))) for size in (1, 4, 6)] == [6, 2, 1]
    assert len(Drawn(drawn.examples, 50).batches(rows, 4, (0, 1))) == 50
    first, again, other = (drawn.batches(rows, 4, (0, epoch)) for epoch in (1, 1, 2))
    assert first.drawn.tolist() == again.drawn.tolist() != other.drawn.tolist()
    batch = first[1]
    assert batch.rows.tolist() == first.drawn[1].tolist()
    assert set(first.drawn.flatten().tolist()) <= set(rows.tolist())
    assert batch.targets.tolist() == [[0, 1, 0, 0, 1, 0, 0][row] for row in batch.rows]
    for row, inputs, length in zip(batch.rows, batch.inputs, batch.lengths, strict=True):
        assert inputs[:length].tolist() == [row] * (1 + row % 3)


def test_held_out_rows_count_once_each():
    drawn = Drawn(examples([0, 1, 0, 0, 1]))
    (batch, share), *more = drawn.held_batches(np.array([0, 2, 4]))
    assert (sorted(batch.rows.tolist()), share, more) == ([0, 2, 4], 3, [])


def test_it_learns_stops_and_goes_on_to_the_same_bytes(rows, tmp_path):
    whole = SequenceClassifier(**EXACT).fit(*rows)
    assert [record["epoch"] for record in whole.history_] == [1, 2]
    path = tmp_path / "run.checkpoint"
    for step in SequenceClassifier(**EXACT).fit_iter(*rows, checkpoint=path):
        if step.step.update == 41:
            break
    resumed = SequenceClassifier(**EXACT).fit(*rows, checkpoint=path)
    assert to_bytes(resumed.model_) == to_bytes(whole.model_)


def test_the_batch_of_each_update_is_told(rows):
    learner = SequenceClassifier(**EXACT)
    for step in learner.fit_iter(*rows):
        (row,) = step.step.batch.rows
        (target,) = step.step.batch.targets
        assert learner.classes_[target] == rows[1][row]


def test_letters_are_read_as_they_are_and_the_file_says_so(rows):
    learner = SequenceClassifier(**EXACT).fit(*rows)
    letters = {letter for text in rows[0] for letter in text}
    assert learner.inputs_.sizes == (len(letters) + 1,)
    assert learner.model_.members[0]["layers.weight_i2h_l0"].shape == (8, len(letters) + 8)
    text = rows[0][0]
    assert len(learner.inputs_.encode(text)) == len(text)
    again = from_bytes(to_bytes(learner.model_))
    asked = [text, "", text + "\N{SNOWMAN}"]
    np.testing.assert_array_equal(again.predict_proba(asked), learner.predict_proba(asked))
    assert again.unknown_symbols(asked) == {"\N{SNOWMAN}": 1}
    np.testing.assert_allclose(again.predict_proba([""])[0], 1 / len(learner.classes_), rtol=1e-6)


def test_an_epochs_updates_need_rows_drawn_by_class(rows):
    with pytest.raises(UsageError, match="updates_per_epoch = 30 has no meaning here") as caught:
        SequenceClassifier(**EXACT | {"sampling": "rows"}).fit(*rows)
    assert caught.value.code == "E172"


@pytest.mark.parametrize(("name", "value"), [("ngrams", 3), ("embedding_size", 9), ("symbol_dropout", 0.1)])
def test_what_one_hot_letters_have_no_use_for_is_refused(rows, name, value):
    with pytest.raises(UsageError, match=f"{name} = {value} has no meaning here: one-hot symbols") as caught:
        SequenceClassifier(**EXACT | {name: value}).fit(*rows)
    assert caught.value.code == "E172"


def test_a_file_of_one_hot_letters_asks_its_reader_for_that_feature(rows):
    data = to_bytes(SequenceClassifier(**EXACT).fit(*rows).model_)
    manifest = manifest_of(data)
    assert (manifest["features"], manifest["settings"]["symbols"]) == (["one-hot"], "one-hot")
    assert "symbols" not in manifest_of(to_bytes(SequenceClassifier(**PLAIN).fit(*rows).model_))["settings"]


def test_a_file_whose_codec_gives_no_single_column_is_refused(rows):
    data = to_bytes(SequenceClassifier(**PLAIN).fit(*rows).model_)
    changed = rewritten(data, lambda manifest, tensors: manifest["settings"].update(symbols="one-hot"))
    with pytest.raises(ModelFileError, match="one-hot symbols are one column of ids") as caught:
        from_bytes(changed)
    assert caught.value.code == "E306"
