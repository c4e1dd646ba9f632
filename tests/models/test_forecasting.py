"""Forecasts with covariates, several steps at once, relative values, intervals, backtests; naive ones."""

import numpy as np
import pytest
import torch

from elman import SequenceForecaster
from elman.errors import DataError, UsageError
from elman.models.conformal import widening
from elman.models.forecasting import Form, Running, in_units, measures, readings, truths
from elman.models.naive import find_period, fit_ar, seasonal
from elman.models.number_trial import NumberRows, at_cuts, is_copy, measure
from elman.models.saving import from_bytes, to_bytes

torch.set_num_threads(1)
QUICK = {"hidden_size": 8, "max_epochs": 3, "random_state": 0}
T = np.arange(120)
SERIES = [5 + a * np.sin(T / 4 + p) for a, p in [(1.0, 0.0), (2.0, 1.0), (3.0, 2.0)]]
BESIDE = [np.stack([np.cos(T / 4 + p), T / 100], axis=1) for p in (0.0, 1.0, 2.0)]
AHEAD = [
    np.stack([np.cos((120 + np.arange(6)) / 4 + p), np.arange(6) + 1.2], axis=1) for p in (0.0, 1.0, 2.0)
]


@pytest.mark.parametrize("normalise", ["none", "last", "scale"])
@pytest.mark.parametrize("horizon", [1, 3])
@pytest.mark.parametrize("known", [None, True, False])
def test_every_form_goes_through_its_file_and_answers_alone_as_together(normalise, horizon, known):
    options = {"normalise": normalise, "horizon": horizon, "covariates_known": known is not False}
    beside = None if known is None else BESIDE
    learner = SequenceForecaster(**QUICK, **options).fit(SERIES, covariates=beside)
    model = from_bytes(to_bytes(learner.model_))
    steps = horizon if known is False else 6
    given = {"covariates": beside, "future": [a[:steps] for a in AHEAD] if known else None}
    said = learner.predict(SERIES, steps, **given)
    assert said.shape == (3, steps)
    np.testing.assert_array_equal(said, model.predict(SERIES, steps, **given))
    for row in range(3):
        one = {name: None if part is None else [part[row]] for name, part in given.items()}
        np.testing.assert_array_equal(said[row : row + 1], model.predict([SERIES[row]], steps, **one))
    after = learner.predict_steps(SERIES, covariates=beside)
    assert [len(values) for values in after] == [120] * 3
    if known is None:
        first = learner.predict(SERIES, 1)[:, 0]
        np.testing.assert_array_equal([values[-1] for values in after], first)
    else:
        assert np.isnan(after[0][-1]) == known
    ends = learner.predict_interval(SERIES, min(steps, horizon), 0.5, **given)
    assert (ends[..., 0] < ends[..., 1]).all()


@pytest.mark.parametrize("normalise", ["none", "last", "scale"])
def test_what_is_said_comes_back_in_the_series_units(normalise):
    form = Form(2, 3, 0, 0, normalise)
    series = np.random.default_rng(0).normal(3, 2, (20, 2))
    _, shift, scale = measures(series, form)
    back = in_units(truths(series, form), shift[:17], scale[:17], form)
    for j in range(3):
        np.testing.assert_allclose(back[:, j], series[1 + j : 18 + j])


@pytest.mark.parametrize("normalise", ["none", "last", "scale"])
def test_a_running_size_has_the_bits_of_whole_series(normalise):
    form = Form(2, normalise=normalise)
    series = [np.random.default_rng(n).normal(3, 2, (500, 2)) for n in range(3)]
    whole = [measures(values, form) for values in series]
    now = Running.start(form, 3)
    for t in range(500):
        read = now.take(np.stack([values[t] for values in series]))
        for mine, part in zip((read, now.shift(), now.scale()), zip(*whole, strict=True), strict=True):
            np.testing.assert_array_equal(mine, [values[t] for values in part])
    after = Running.after(form, series)
    for name in ("last", "total", "count"):
        np.testing.assert_array_equal(getattr(after, name), getattr(now, name))


@pytest.mark.parametrize(("normalise", "block"), [("none", 3), ("last", 1), ("scale", 1), ("scale", 3)])
def test_what_is_said_is_read_next_as_if_it_had_come(normalise, block):
    learner = SequenceForecaster(**QUICK, normalise=normalise, horizon=block).fit(SERIES)
    said = learner.predict(SERIES, 3 * block)
    come = [np.concatenate([values, ahead[: 2 * block]]) for values, ahead in zip(SERIES, said, strict=True)]
    np.testing.assert_array_equal(learner.predict(come, block), said[:, 2 * block :])


def test_known_covariates_are_read_ahead_and_past_ones_are_not():
    series, beside = np.arange(5.0)[:, None], np.arange(10.0, 17.0)[:, None]
    ahead = readings(series, beside, None, Form(1, 2, known=1))
    assert ahead.tolist() == [[t, 11 + t, 12 + t] for t in range(5)]
    assert readings(series, None, beside, Form(1, 2, past=1))[:, 1].tolist() == [10, 11, 12, 13, 14]


def test_nothing_of_the_future_is_read():
    learner = SequenceForecaster(**QUICK, normalise="scale", horizon=2).fit(SERIES)
    longer = [np.concatenate([values, [1e3, -1e3]]) for values in SERIES]
    for early, late in zip(learner.predict_steps(SERIES), learner.predict_steps(longer), strict=True):
        np.testing.assert_array_equal(early, late[:120])


def test_intervals_cover_what_they_promise():
    rng = np.random.default_rng(0)
    noise = [rng.normal(size=2000) for _ in range(2)]
    learner = SequenceForecaster(hidden_size=4, max_epochs=2, random_state=0).fit([v[:1500] for v in noise])
    for coverage in (0.5, 0.9):
        ends = np.concatenate(
            [learner.predict_interval([v[:t]], 1, coverage) for v in noise for t in range(1500, 1900, 2)]
        )
        truth = np.array([v[t] for v in noise for t in range(1500, 1900, 2)])
        inside = (ends[:, 0, 0] <= truth) & (truth <= ends[:, 0, 1])
        assert abs(inside.mean() - coverage) < 0.07


def test_a_backtest_scores_every_origin():
    learner = SequenceForecaster(**QUICK).fit([values[:100] for values in SERIES])
    found = learner.backtest(SERIES, 5, origins=4)
    origins = [(values, end) for values in SERIES for end in (112, 113, 114, 115)]
    truth = np.array([values[end : end + 5] for values, end in origins])
    said = np.array([learner.predict([values[:end]], 5)[0] for values, end in origins])
    last = np.array([[values[end - 1]] * 5 for values, end in origins])
    usual = np.mean(np.concatenate([np.abs(np.diff(values[:end])) for values, end in origins]))
    for scores, answers in ((found["scores"], said), (found["last value"], last)):
        off = answers - truth
        assert scores["rmse"] == pytest.approx(np.sqrt(np.mean(off**2)), rel=1e-12)
        assert scores["mae"] == pytest.approx(np.mean(np.abs(off)), rel=1e-12)
        assert scores["mase"] == pytest.approx(np.mean(np.abs(off)) / usual, rel=1e-12)
    by_step = [np.sqrt(np.mean((said[:, step] - truth[:, step]) ** 2)) for step in range(5)]
    np.testing.assert_allclose(found["by_step"], by_step, rtol=1e-12)
    assert (found["forecasts"], found["horizon"]) == (12, 5)


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda f, k, p: f.predict(SERIES, covariates=BESIDE), "E177"),
        (lambda f, k, p: k.predict(SERIES), "E177"),
        (lambda f, k, p: k.predict(SERIES, 2, covariates=BESIDE), "E275"),
        (lambda f, k, p: k.predict(SERIES, 2, covariates=BESIDE[:2], future=AHEAD[:2]), "E239"),
        (lambda f, k, p: k.predict(SERIES, 2, future=AHEAD), "E177"),
        (
            lambda f, k, p: k.predict(
                SERIES, 2, covariates=[b[:, :1] for b in BESIDE], future=[a[:, :1] for a in AHEAD]
            ),
            "E273",
        ),
        (lambda f, k, p: p.predict(SERIES, 3, covariates=BESIDE), "E177"),
        (lambda f, k, p: p.predict(SERIES, 2, covariates=BESIDE, future=AHEAD), "E177"),
        (lambda f, k, p: f.predict_interval(SERIES, 1, 0.77), "E178"),
        (lambda f, k, p: f.predict_interval(SERIES, 500), "E178"),
        (
            lambda f, k, p: k.predict([[np.nan, 1.0]], 1, covariates=[BESIDE[0][:2]], future=[AHEAD[0]]),
            "E287",
        ),
        (lambda f, k, p: k.predict([[]], 1, covariates=[BESIDE[0][:0]], future=[AHEAD[0]]), "E282"),
        (lambda f, k, p: f.backtest([[1.0]], 5), "E288"),
        (lambda f, k, p: SequenceForecaster(**QUICK, horizon=9).fit([[1.0, 2.0]]), "E286"),
        (lambda f, k, p: f.predict(SERIES, 0), "E110"),
    ],
)
def test_one_sentence(ask, code, learnt):
    with pytest.raises((DataError, UsageError)) as caught:
        ask(*learnt)
    assert caught.value.code == code


@pytest.fixture(scope="module")
def learnt():
    return (
        SequenceForecaster(**QUICK).fit(SERIES),
        SequenceForecaster(**QUICK).fit(SERIES, covariates=BESIDE),
        SequenceForecaster(**QUICK, horizon=2, covariates_known=False).fit(SERIES, covariates=BESIDE),
    )


def test_periods_are_found():
    t = np.arange(300)[:, None]
    noise = np.random.default_rng(0).normal(0, 0.1, (300, 1))
    assert find_period([np.sin(2 * np.pi * t / 12) + noise + t / 50]) == 12
    assert find_period([np.random.default_rng(1).normal(size=(300, 1))]) == 1
    assert find_period([np.ones((300, 1))]) == 1
    assert find_period([]) == 1
    assert seasonal(t[:6].astype(float), 2)[:, 0].tolist()[1:] == [0, 1, 2, 3]


def test_autoregression_finds_its_own_rule():
    rng, y = np.random.default_rng(0), [0.0, 1.0]
    for _ in range(20_000):
        y.append(1.2 * y[-1] - 0.5 * y[-2] + 0.3 + rng.normal(0, 0.5))
    series = [np.array(y)[:, None]]
    given = fit_ar(series, most=2)
    assert given.order == 2
    np.testing.assert_allclose(given.coefficients[0], [1.2, -0.5, 0.3], atol=0.03)
    found = fit_ar(series)
    assert 2 <= found.order <= 4  # by AIC, which in any length of series may take needless terms, close to 0
    rule = [1.2, -0.5, *[0.0] * (found.order - 2), 0.3]
    np.testing.assert_allclose(found.coefficients[0], rule, atol=0.03)
    assert fit_ar([np.zeros((2, 1))]) is None


def test_a_copy_of_the_last_value_is_noticed():
    walk = np.cumsum(np.random.default_rng(0).normal(size=(200, 1)), axis=0)
    rows = NumberRows("forecast", [walk])
    fold = at_cuts(rows, [150])
    learner = SequenceForecaster(**QUICK, normalise="last").fit([walk[:150]])
    found = measure(learner.model_, fold)
    last = type(found)({}, {}, found.steps, "time", [walk[:-1]], found.truth, found.counted)
    assert is_copy(last)
    assert {"last value", "mean of training"} <= set(found.baselines)
    other = type(found)({}, {}, found.steps, "time", [walk[:-1] + 3], found.truth, found.counted)
    assert not is_copy(other)


def test_covariates_that_are_known_ahead_and_others_together():
    past = [np.sin(T / 3 + p)[:, None] for p in (0.0, 1.0, 2.0)]
    learner = SequenceForecaster(**QUICK, horizon=2).fit(SERIES, covariates=BESIDE, past=past)
    assert learner.form_ == Form(1, 2, known=2, past=1)
    model = from_bytes(to_bytes(learner.model_))
    given = {"covariates": BESIDE, "future": [a[:2] for a in AHEAD], "past": past}
    said = model.predict(SERIES, **given)
    assert said.shape == (3, 2)
    np.testing.assert_array_equal(said, learner.predict(SERIES, **given))
    assert not np.array_equal(said, model.predict(SERIES, **{**given, "past": [2 * p for p in past]}))
    assert learner.predict_interval(SERIES, 2, 0.5, **given).shape == (3, 2, 2)
    assert learner.backtest(SERIES, 2, origins=2, covariates=BESIDE, past=past)["forecasts"] == 6
    assert np.isfinite(learner.predict_steps(SERIES, covariates=BESIDE, past=past)[0][:-2]).all()
    with pytest.raises(UsageError, match="covariates that nobody knows yet"):
        learner.predict(SERIES, 4, **given)
    with pytest.raises(UsageError, match="learnt with 1 past covariates, and there are none"):
        learner.predict(SERIES, covariates=BESIDE, future=[a[:2] for a in AHEAD])
    with pytest.raises(UsageError, match="so they are all of the past"):
        SequenceForecaster(**QUICK, covariates_known=False).fit(SERIES, covariates=BESIDE, past=past)


def test_several_values_a_step():
    both = [np.stack([values, values[::-1]], axis=1) for values in SERIES]
    for options in ({}, {"horizon": 3}, {"normalise": "scale"}):
        learner = SequenceForecaster(**QUICK, **options).fit(both)
        assert learner.predict(both, 5).shape == (3, 5, 2)
        assert learner.predict_steps(both)[0].shape == (120, 2)
        assert learner.predict_interval(both, 3, 0.5).shape == (3, 3, 2, 2)


def test_intervals_widen_where_they_did_not_hold():
    widths, held = np.array([1.0]), np.full((1, 60, 1), 0.5)
    assert widening(held, widths, 0.9) == 1
    ten = held.copy()
    ten[0, -10:] = 3.0  # ten misses in a row: the tenth root of each factor is e^(0.05 * 0.9)
    np.testing.assert_allclose(widening(ten, widths, 0.9), np.exp(10 * 0.05 * 0.9))
    back = np.concatenate([ten, held], axis=1)  # sixty that held make up for 60 * 0.1 / 0.9 misses
    np.testing.assert_allclose(widening(back, widths, 0.9), np.exp(0.05 * (9 - 6)))
    both = np.concatenate([np.full((1, 60, 1), np.nan), ten], axis=1)
    assert widening(both, widths, 0.9) == widening(ten, widths, 0.9)


def test_a_series_that_grew_wilder_gets_wider_intervals_and_they_hold():
    rng = np.random.default_rng(2)
    calm, wild = rng.normal(size=600), 3 * rng.normal(size=900)
    series = np.concatenate([calm, wild])
    learner = SequenceForecaster(hidden_size=4, max_epochs=2, random_state=0).fit([calm])
    early = np.diff(learner.predict_interval([calm], 1, 0.9)[0, 0])[0]
    times = range(900, 1500, 3)
    ends = np.stack([learner.predict_interval([series[:t]], 1, 0.9)[0, 0] for t in times])
    inside = [low <= series[t] <= high for t, (low, high) in zip(times, ends, strict=True)]
    assert abs(np.mean(inside) - 0.9) < 3 * np.sqrt(0.9 * 0.1 / 200)
    assert 2 * early < np.median(np.diff(ends)) < 5 * early
    together = learner.predict_interval([series[:900], calm[:50]], 1, 0.9)
    np.testing.assert_array_equal(together[0], learner.predict_interval([series[:900]], 1, 0.9)[0])
