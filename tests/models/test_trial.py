"""A trial measures on rows that share neither input nor group with those it learns from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data.sequences import as_labels
from elman.errors import DataError
from elman.models import trial as trials
from elman.models.trial import Rows, Trial, begin_baselines, finish, hold_out, joined_groups
from tests.conftest import make_rows


def test_equal_inputs_never_stand_on_two_sides():
    texts, labels = make_rows(200)
    doubled = Rows.of(texts * 2, as_labels(labels * 2))
    learn, test = hold_out(doubled, seed=0)
    assert not set(learn.texts) & set(test.texts)
    assert len(learn.texts) + len(test.texts) == 400
    assert 60 <= len(test.texts) <= 100


def test_groups_stay_on_one_side():
    texts, labels = make_rows(200)
    families = [text[0] for text in texts]
    rows = Rows.of(texts, as_labels(labels), families)
    learn, test = hold_out(rows, seed=0)
    assert not {t[0] for t in learn.texts} & {t[0] for t in test.texts}


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abcdef")), max_size=30))
def test_joined_groups_are_the_connected_parts(pairs):
    groups, texts = [g for g, _ in pairs], [t for _, t in pairs]
    joined = joined_groups(groups, texts)
    parts = [{row} for row in range(len(pairs))]
    for a in range(len(pairs)):
        for b in range(a):
            if groups[a] == groups[b] or texts[a] == texts[b]:
                union = parts[a] | parts[b]
                for row in union:
                    parts[row] = union
    for a in range(len(pairs)):
        for b in range(a):
            assert (joined[a] == joined[b]) == (b in parts[a])


def test_too_few_rows_are_refused():
    with pytest.raises(DataError) as caught:
        hold_out(Rows.of(["a", "b"], as_labels(["x", "y"])), seed=0)
    assert caught.value.code == "E266"


def test_baselines_fitted_beside_give_the_same_scores(fitted, monkeypatch):
    monkeypatch.setattr(trials, "BESIDE_FROM", 10)
    rows = Rows.of(*[list(part) for part in [make_rows(120)[0]]], as_labels(make_rows(120)[1]))
    learn, test = hold_out(rows, seed=0)
    trial = Trial(learn, test, 0, {}, {"source": "made"})
    begun = begin_baselines(trial)
    assert begun is not None
    model, beside = finish(trial, fitted.model_, baselines=True, begun=begun)
    _, here = finish(trial, fitted.model_, baselines=True)
    assert beside.baselines == here.baselines
    assert model.training["source"] == "made"
    assert model.training["split"]["leaked"] == 0
    assert model.scores["scores"] == here.scores


def test_small_tables_fit_their_baselines_at_the_end():
    rows = Rows.of(["a", "b"], as_labels(["x", "y"]))
    assert begin_baselines(Trial(rows, rows, 0, {}, {})) is None


def test_take_picks_rows():
    rows = Rows.of(["a", "b", "c"], as_labels([1, 2, 3]))
    taken = rows.take(np.array([2, 0]))
    assert (taken.texts, taken.labels.tolist(), len(taken.groups)) == (["c", "a"], [3, 1], 2)
