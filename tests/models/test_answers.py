"""What a model of numbers answers: as its cells' own steps say, ragged as what it is asked."""

from __future__ import annotations

import numpy as np
import pytest

from elman.cells import make_cell
from elman.data.numbers import NumberCodec
from elman.errors import DataError, UsageError
from elman.models.saving import from_bytes, to_bytes

from .made import SERIES, make


def step_by_step(model, member, channels):
    """What one network says after every step, from its cell's step and the head alone: (T, K), the state."""
    cell = make_cell(model.settings.recurrence, model.settings.hidden_size)
    tensors = model.members[member]
    params = {n: tensors[f"layers.{n}_l0"] for n in cell.parameters(1, 5, 1)}
    state, said = cell.initial_state(1), []
    for x in channels:
        h, state = cell.step(x[None], state, params)
        said.append((h if cell.answers else h @ tensors["head.weight"].T + tensors["head.bias"])[0])
    return np.array(said), (cell, params, state)


@pytest.mark.parametrize("recurrence", ["rnn", "lstm", "gru", "sine", "names"])
def test_a_tagger_says_the_mean_of_its_networks_in_the_users_units(recurrence):
    model = make("tag", recurrence=recurrence)
    answers = model.predict(SERIES)
    for series, answer in zip(SERIES, answers, strict=True):
        channels = model.inputs.encode(series)
        said = np.mean([step_by_step(model, m, channels)[0] for m in (0, 1)], axis=0)
        np.testing.assert_allclose(answer, said[:, 0] * model.targets.scale + model.targets.mean, rtol=1e-5)


@pytest.mark.parametrize("recurrence", ["gru", "lstm", "sine"])
def test_a_forecast_reads_what_it_said_from_the_state_after_the_series_on(recurrence):
    model = make("forecast", recurrence=recurrence, members=1)
    answer = model.predict(SERIES, 4)
    assert answer.shape == (3, 4)
    for series, row in zip(SERIES, answer, strict=True):
        known, said = model.inputs.encode(series), np.zeros((0, 1), np.float32)
        for _ in range(4):  # the whole sequence anew each time
            said = np.concatenate([said, step_by_step(model, 0, np.concatenate([known, said]))[0][-1:]])
        np.testing.assert_allclose(row, model.targets.decode(said)[:, 0], rtol=1e-4)


def test_members_of_a_forecast_read_their_common_answer():
    model = make("forecast", recurrence="rnn")
    first = model.predict(SERIES, 1)
    longer = [np.append(series, value) for series, value in zip(SERIES, first[:, 0], strict=True)]
    np.testing.assert_allclose(model.predict(SERIES, 2)[:, 1], model.predict(longer, 1)[:, 0], rtol=1e-4)


def test_the_next_value_after_every_step_ends_with_the_forecast():
    model = make("forecast")
    steps = model.predict_steps(SERIES)
    assert [len(row) for row in steps] == [5, 2, 3]
    np.testing.assert_allclose([row[-1] for row in steps], model.predict(SERIES)[:, 0], rtol=1e-5)


def test_answers_are_ragged_as_the_question_and_an_array_for_an_array():
    model = make("tag")
    together = model.predict(SERIES)
    for series, answer in zip(SERIES, together, strict=True):
        np.testing.assert_allclose(model.predict(series[None]), answer[None], rtol=1e-5)
    assert isinstance(model.predict(np.ones((2, 3))), np.ndarray)
    assert isinstance(model.predict(np.array([*SERIES, None], object)[:3]), list)
    assert model.predict([]) == []
    assert [len(row) for row in model.predict([[], [1.0]])] == [0, 1]


def test_several_numbers_a_step():
    rng = np.random.default_rng(0)
    pairs = [rng.normal([5, -100], [1, 30], (n, 2)) for n in (4, 6)]
    model = make("forecast", codec=NumberCodec().fit(pairs))
    assert model.predict(pairs, 3).shape == (2, 3, 2)
    assert [row.shape for row in model.predict_steps(pairs)] == [(4, 2), (6, 2)]
    again = model.predict([np.concatenate([s, model.predict([s], 1)[0]]) for s in pairs], 1)
    np.testing.assert_allclose(model.predict(pairs, 2)[:, 1:], again, rtol=1e-4)


def test_numbers_can_be_classified():
    model = make("classify", pooling="last", recurrence="rnn", members=1)
    logits = [step_by_step(model, 0, model.inputs.encode(series))[0][-1] for series in SERIES]
    expected = [np.exp(row) / np.exp(row).sum() for row in logits]
    np.testing.assert_allclose(model.predict_proba(SERIES), expected, atol=1e-6)
    assert model.predict(SERIES).tolist() == ["abc"[np.argmax(row)] for row in expected]


@pytest.mark.parametrize("recurrence", ["names", "sine"])
def test_a_cell_of_ones_own_gives_the_same_bits_in_any_company(recurrence):
    model = make("tag", recurrence=recurrence)
    for series, answer in zip(SERIES, model.predict(SERIES), strict=True):
        assert (model.predict([series])[0] == answer).all()


@pytest.mark.parametrize("task", ["tag", "forecast", "classify"])
@pytest.mark.parametrize("recurrence", ["gru", "sine"])
def test_a_saved_model_answers_the_same(task, recurrence):
    model = make(task, recurrence=recurrence)
    again = from_bytes(to_bytes(model))
    assert to_bytes(again) == to_bytes(model)
    for mine, other in zip(model.predict(SERIES), again.predict(SERIES), strict=True):
        assert np.all(mine == other)


@pytest.mark.parametrize(
    ("task", "ask"),
    [
        ("tag", lambda model: model.predict(SERIES, 2)),
        ("tag", lambda model: model.predict_steps(SERIES)),
        ("tag", lambda model: model.predict_proba(SERIES)),
        ("forecast", lambda model: model.classes_),
        ("classify", lambda model: model.numbers),
    ],
)
def test_a_question_of_another_task_is_refused(task, ask):
    with pytest.raises(UsageError, match=f"this model learnt to {task}") as caught:
        ask(make(task))
    assert caught.value.code == "E133"


@pytest.mark.parametrize(
    ("X", "horizon", "code"),
    [([[1.0], []], 1, "E282"), (SERIES, 0, "E110"), (SERIES, 2.5, "E110"), ([[[1.0, 2.0]]], 1, "E273")],
)
def test_what_cannot_be_forecast_is_refused(X, horizon, code):
    with pytest.raises((UsageError, DataError)) as caught:
        make("forecast").predict(X, horizon)
    assert caught.value.code == code
