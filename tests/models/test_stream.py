"""A stream says, to the bit, what the model says of everything up to there."""

from __future__ import annotations

import copy
import subprocess
import sys
import unicodedata

import numpy as np
import pytest

from elman.data.codec import LabelCodec, TextCodec
from elman.data.numbers import NumberCodec
from elman.errors import DataError, ModelFileError, UsageError
from elman.kernels import tensor_shapes
from elman.models.calibration import cooled
from elman.models.forecasting import Form
from elman.models.model import Model
from elman.models.saving import from_bytes, to_bytes
from elman.models.stream import PrefixStreamWarning, Step
from elman.nn.settings import NetworkSettings
from tests.marks import needs_kernels
from tests.models.made import NAMES, SERIES, make, make_mixed, make_text, make_writer

KINDS = [("rnn", 1), ("lstm", 2), ("gru", 2), ("gru", 1)]


def same(found, wanted):
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    assert found.tobytes() == wanted.tobytes()


def check_texts(model, texts=NAMES):
    """Each prefix of each text, alone and in company."""
    stream = model.stream()
    for text in texts:
        stream.reset()
        for t, symbol in enumerate(text):
            step = stream.step(symbol)
            if model.task == "regress":
                same(step.value, model.predict([text[: t + 1]])[0])
                assert step.label is None
                assert step.probabilities is None
            else:
                wanted = model.predict_proba([text[: t + 1], *texts])[0]
                same(step.probabilities, wanted if model.task == "classify" else wanted[-1])
                said = model.predict([text[: t + 1]])[0]
                assert step.label == (said if model.task == "classify" else said[-1])
        assert stream.steps == len(text)


@needs_kernels
@pytest.mark.parametrize(("recurrence", "layers"), KINDS)
@pytest.mark.parametrize("task", ["classify", "tag"])
def test_texts_with_n_grams(task, recurrence, layers):
    check_texts(make_text(task, recurrence=recurrence, num_layers=layers, members=3))


@needs_kernels
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "last+mean+max"])
@pytest.mark.parametrize("shortcut", [0.0, 3.0])
def test_every_pooling(pooling, shortcut):
    check_texts(make_text(pooling=pooling, shortcut=shortcut, members=1))


@needs_kernels
def test_numbers_of_texts_and_one_hot_symbols_and_unknown_ones():
    targets = NumberCodec().fit([np.array([1.0, 5.0, 9.0])])
    check_texts(make_text("regress", targets=targets), ["rossi", "xrqü", "ro☃si"])
    one_hot = TextCodec().fit(NAMES)
    check_texts(make_text(codec=one_hot, symbols="one-hot", shortcut=1.0), ["rossi", "ro☃si"])


@needs_kernels
def test_calibrated_probabilities():
    model = make_text()
    check_texts(
        Model("classify", model.settings, model.inputs, model.targets, (cooled(model.members[0], 1.7),))
    )


@needs_kernels
def test_a_cell_of_ones_own(mine):
    for task in ("classify", "tag"):
        model = make_text(task, recurrence="mine")
        check_texts(model)
        many = model.stream(2)
        alone = model.stream()
        for letter in "rossi":
            same(many.step([letter, "w"]).probabilities[0], alone.step(letter).probabilities)


@needs_kernels
def test_a_cell_that_answers_itself():
    codec = NumberCodec(scaling="none").fit(SERIES)
    settings = NetworkSettings(recurrence="sine", hidden_size=6)
    rng = np.random.default_rng(0)
    shapes = tensor_shapes(settings, (), 1, features=1, task="tag")
    members = tuple({n: rng.normal(0, 0.3, s).astype(np.float32) for n, s in shapes.items()} for _ in "ab")
    model = Model("forecast", settings, codec, codec, members)
    stream = model.stream()
    for t, value in enumerate(SERIES[0]):
        same(stream.step(value).value, model.predict_steps([SERIES[0]])[0][t])


@needs_kernels
def test_bytes_and_words():
    letters = TextCodec(unit="byte", ngrams=3, edges=True, min_count=1).fit(NAMES)
    check_texts(make_text(codec=letters))
    texts = ["the old man .", "a dog , the man", "old dog"]
    words = TextCodec(unit="word", ngrams=2, edges=True, min_count=1).fit(texts)
    model = make_text(codec=words)
    stream = model.stream()
    for t, word in enumerate(texts[0].split()):
        wanted = model.predict_proba([" ".join(texts[0].split()[: t + 1])])[0]
        same(stream.step(word).probabilities, wanted)


WITH_GAPS = [np.array([[1.0, 2.0], [np.nan, 3.0], [2.0, 2.5], [0.0, np.nan], [4.0, 1.0]]), np.ones((3, 2))]


@needs_kernels
@pytest.mark.parametrize(("recurrence", "layers"), KINDS)
def test_numbers_with_gaps(recurrence, layers):
    codec = NumberCodec().fit(WITH_GAPS)
    assert codec.masks
    for task in ("classify", "regress", "tag"):
        targets = None if task == "classify" else NumberCodec().fit([np.array([[1.0, 5.0], [2.0, 3.0]])])
        model = make(task, codec, targets, recurrence=recurrence, num_layers=layers, shortcut=1.0)
        stream = model.stream()
        for t, values in enumerate(WITH_GAPS[0]):
            step, upto = stream.step(values), [WITH_GAPS[0][: t + 1]]
            if task == "classify":
                same(step.probabilities, model.predict_proba(upto)[0])
            else:
                said = model.predict(upto)[0]
                same(step.value, said if task == "regress" else said[-1])


@needs_kernels
@pytest.mark.parametrize("static", [True, False])
@pytest.mark.parametrize("task", ["classify", "tag"])
def test_texts_with_numbers(task, static):
    model, pairs = make_mixed(task, static)
    stream = model.stream()
    for text, numbers in pairs[:4]:
        stream.reset()
        for t, symbol in enumerate(text):
            step = stream.step((symbol, numbers if static else numbers[t]))
            wanted = model.predict_proba([(text[: t + 1], numbers if static else numbers[: t + 1])])[0]
            same(step.probabilities, wanted if task == "classify" else wanted[-1])


@needs_kernels
def test_a_plain_forecast():
    model = make("forecast", recurrence="lstm")
    stream = model.stream()
    wanted = model.predict_steps(SERIES)[0]
    for t, value in enumerate(SERIES[0]):
        step = stream.step(value)
        assert type(step.value) is float
        same(step.value, wanted[t])
        same(step.value, model.predict([SERIES[0][: t + 1]])[0, 0])
        assert step.ahead is None


def forecaster(form, seed=0):
    rng = np.random.default_rng(seed)
    read = NumberCodec().fit([rng.normal(size=(40, form.width))])
    said = NumberCodec().fit([rng.normal(size=(40, form.values * form.horizon))])
    model = make("forecast", read, said, seed=seed)
    model.details.update(form.details())
    return model


FORMS = [
    Form(1, normalise="last"),
    Form(2, normalise="scale"),
    Form(2, horizon=3, normalise="last"),
    Form(1, horizon=2, known=2),
    Form(1, known=1, past=2, normalise="scale"),
    Form(1, past=1),
]


@needs_kernels
@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_forecast_relative_to_its_series_with_covariates(form):
    model, rng = forecaster(form), np.random.default_rng(2)
    series = rng.normal(3, 2, size=(9, form.values))
    known = rng.normal(size=(9 + form.horizon, form.known)) if form.known else None
    past = rng.normal(size=(9, form.past)) if form.past else None
    stream = model.stream()
    with pytest.raises(DataError, match="goes on from every number"):
        stream.step([np.nan] * form.values)
    for t, value in enumerate(series):
        step = stream.step(
            value,
            covariates=None if known is None else known[t + 1 : t + 1 + form.horizon],
            past=None if past is None else past[t],
        )
        given = {
            "covariates": None if known is None else [known[: t + 1 + form.horizon]],
            "past": None if past is None else [past[: t + 1]],
        }
        whole = model.predict_steps([series[: t + 1]], **given)[0][-1]
        same(step.value, whole)
        if form.horizon > 1:
            same(step.ahead, model.predict([series[: t + 1]], **given)[0])


@needs_kernels
@pytest.mark.parametrize("conditions", [None, ["x", "y", "y", *"xxxxxx"]])
def test_a_generator(conditions):
    model = make_writer(conditions)
    stream = model.stream()
    wanted = model.predict_proba(["rossi"])[0]
    same(stream.first.probabilities, wanted[0])
    for t, letter in enumerate("rossi"):
        step = stream.step(letter)
        same(step.probabilities, wanted[t + 1])
        assert step.label == model.predict(["rossi"])[0][t + 1]
    if conditions:
        ids = model.inputs.encode_all(["rossi"], ["y"])
        from elman.models.answers import step_probabilities

        stream = model.stream(2, condition=["x", "y"])
        said = [stream.first, *(stream.step([letter] * 2) for letter in "rossi")]
        same(np.stack([step.probabilities[1] for step in said]), step_probabilities(model, ids)[0])
    else:
        with pytest.raises(UsageError, match="learnt no conditions"):
            model.stream(condition="x")


@needs_kernels
@pytest.mark.parametrize("recurrence", ["rnn", "lstm", "gru"])
def test_many_streams_alone_together_and_some_of_them(recurrence):
    model = make_text(recurrence=recurrence, num_layers=2)
    texts = ["wiśniewski", "bianchironi", "xx", "ferrari", ""]
    alone = [[] for _ in texts]
    for n, text in enumerate(texts):
        stream = model.stream()
        alone[n] = [stream.step(letter) for letter in text]
    many = model.stream(len(texts))
    for t in range(11):
        rows = [n for n in (3, 1, 0, 2) if t < len(texts[n])]
        step = many.step([texts[n][t] for n in rows], rows=rows)
        for place, n in enumerate(rows):
            same(step.probabilities[place], alone[n][t].probabilities)
            assert step.label[place] == alone[n][t].label
    assert many.steps.tolist() == [10, 11, 2, 7, 0]
    many.reset([1])
    step = many.step(["b", "f"], rows=[1, 4])
    same(step.probabilities[0], alone[1][0].probabilities)
    same(step.probabilities[1], alone[3][0].probabilities)


@needs_kernels
@pytest.mark.parametrize("recurrence", ["rnn", "lstm", "gru"])
def test_the_state_can_be_taken_and_set_and_copied(recurrence, tmp_path):
    model = make_text(recurrence=recurrence, num_layers=2)
    stream = model.stream(3)
    for letters in ("wbf", "iie"):
        stream.step(list(letters))
    kept, twin = stream.state, copy.deepcopy(stream)
    stream.save(tmp_path / "s")
    said = stream.step(list("śar")).probabilities
    same(twin.step(list("śar")).probabilities, said)
    stream.step(list("zzz"))
    stream.state = kept
    kept["members.0.layers.0.h"][:] = 9  # a copy, so nothing happens
    same(stream.step(list("śar")).probabilities, said)
    other = from_bytes(to_bytes(model)).stream(3)
    other.load(tmp_path / "s")
    assert other.steps.tolist() == [2, 2, 2]
    same(other.step(list("śar")).probabilities, said)


def test_a_state_has_plain_names():
    stream = make_text(recurrence="lstm", num_layers=2, members=1).stream()
    stream.step("w")
    state = stream.state
    assert {name: array.shape for name, array in state.items()} == {
        "steps": (1,), "reading.ids": (1, 3), "reading.tails": (1, 32),
        "members.0.layers.0.h": (1, 7), "members.0.layers.0.c": (1, 7),
        "members.0.layers.1.h": (1, 7), "members.0.layers.1.c": (1, 7),
        "members.0.sums": (1, 7), "members.0.most": (1, 7), "members.0.direct": (1, 6),
        "members.0.count": (1, 1),
    }  # fmt: skip
    same(state["members.0.sums"], state["members.0.layers.1.h"])
    assert state["members.0.count"].item() == 1


def test_a_state_of_something_else_is_refused(tmp_path):
    model, path = make_text(), tmp_path / "s"
    stream = model.stream()
    stream.save(path)
    with pytest.raises(ModelFileError, match="is the state of another model") as found:
        make_text(seed=1).stream().load(path)
    assert found.value.code == "E365"
    with pytest.raises(ModelFileError, match="of a single stream, not of 2 streams together"):
        model.stream(2).load(path)
    data = bytearray(path.read_bytes())
    for place in (20, len(data) // 2, len(data) - 3):
        damaged = bytearray(data)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError, match=str(path)):
            stream.load(path)
    path.write_bytes(data[:5])
    with pytest.raises(ModelFileError, match="cut short"):
        stream.load(path)
    with pytest.raises(ModelFileError, match="cannot read the state"):
        stream.load(tmp_path / "none")
    with pytest.raises(UsageError, match="other names or shapes"):
        stream.state = {**stream.state, "steps": np.zeros(2)}
    stream.step("r")
    wrong = stream.state
    wrong["reading.ids"] += 10_000
    wrong["members.0.layers.0.h"] += 1
    with pytest.raises(UsageError, match="none of this model's"):
        stream.state = wrong
    same(stream.step("o").probabilities, model.predict_proba(["ro"])[0])


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("ro", "E291"), ("", "E291"), (3, "E232"), (["r"], "E232"), (None, "E232"), ("\ud800", "E233"),
        ("\u0301", "E293"), ("☃", "E292"),
    ],
)  # fmt: skip
def test_a_wrong_symbol_changes_nothing(value, code):
    model = make_text()
    stream, other = model.stream(unknown="refuse"), model.stream()
    for letter in "re":
        stream.step(letter)
        other.step(letter)
    with pytest.raises(DataError) as found:
        stream.step(value)
    assert found.value.code == code
    same(stream.step("n").probabilities, other.step("n").probabilities)
    assert stream.steps == 3


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("1.5", "E271"), (1.0, "E273"), ([1.0], "E273"), ([1.0, 2.0, 3.0], "E273"), ([1.0, "x"], "E271"),
        ([np.inf, 1.0], "E272"), ([1.0, 1e300], "E272"), ({}, "E271"), ([[1.0, 2.0]], "E271"),
    ],
)  # fmt: skip
def test_wrong_numbers_change_nothing(value, code):
    model = make("classify", NumberCodec().fit(WITH_GAPS))
    stream, other = model.stream(2), model.stream(2)
    for both in (stream, other):
        both.step(WITH_GAPS[0][:2])
    with pytest.raises(DataError) as found:
        stream.step([[1.0, 2.0], value])
    assert found.value.code == code
    same(
        stream.step([[None, 2], (3, np.nan)]).probabilities,
        other.step([[np.nan, 2.0], [3.0, np.nan]]).probabilities,
    )


def test_composed_letters_can_come_as_one_symbol():
    model = make_text()
    stream = model.stream()
    for symbol in ("r", unicodedata.normalize("NFD", "é"), "n"):
        step = stream.step(symbol)
    same(step.probabilities, model.predict_proba(["rén"])[0])


def test_what_cannot_be_is_said():
    model = make_text()
    for sessions in (0, True, "2"):
        with pytest.raises(UsageError, match="at least 1 sequence"):
            model.stream(sessions)
    with pytest.raises(UsageError, match="unknown must be read or refuse"):
        model.stream(unknown="maybe")
    many = model.stream(2)
    with pytest.raises(UsageError, match="2 streams step, so 2 values are needed"):
        many.step("ab")
    for rows in ([0, 0], [2], [-1]):
        with pytest.raises(UsageError, match="rows must be streams from 0 to 1, each once"):
            many.step(["a"] * len(rows), rows=rows)
    with pytest.raises(UsageError, match="no stream was chosen"):
        many.step([], rows=[])
    with pytest.raises(UsageError, match="a single stream has no rows"):
        model.stream().step("a", rows=[0])
    with pytest.raises(UsageError, match="only a forecaster"):
        model.stream().step("a", covariates=[1.0])
    with pytest.raises(DataError, match="reads covariates at every step, and there are none"):
        forecaster(Form(1, known=1)).stream().step(1.0)


@needs_kernels
@pytest.mark.parametrize("task", ["classify", "tag"])
def test_a_network_that_reads_both_ways_runs_its_prefix(task):
    model = make_text(task, causal=False, num_layers=2)
    with pytest.warns(PrefixStreamWarning, match="reads all steps again"):
        stream = model.stream()
    for t, letter in enumerate("rossi"):
        wanted = model.predict_proba(["rossi"[: t + 1]])[0]
        same(stream.step(letter).probabilities, wanted if task == "classify" else wanted[-1])
    twin = copy.deepcopy(stream)
    same(twin.step("x").probabilities, stream.step("x").probabilities)
    for _ in range(506):
        stream.step("a")
    with pytest.raises(UsageError, match="at most 512 steps"):
        stream.step("a")
    assert stream.steps == 512
    stream.reset()
    wanted = model.predict_proba(["r"])[0]
    same(stream.step("r").probabilities, wanted if task == "classify" else wanted[-1])
    with pytest.raises(UsageError, match="several streams need a network that reads forwards only"):
        model.stream(2)
    with pytest.raises(UsageError, match="a state file needs a network that reads forwards only"):
        stream.save("never")


def test_a_model_says_what_it_can():
    for ask in (
        lambda m: m.generate(),
        lambda m: m.predict_interval(["r"]),
        lambda m: m.predict_steps(["r"]),
    ):
        with pytest.raises(UsageError) as found:
            ask(make_text())
        assert found.value.help == "it can predict, predict_proba, stream, trace"
    with pytest.raises(UsageError) as found:
        make("forecast").predict_proba(SERIES)
    assert found.value.help == "it can predict, predict_steps, predict_interval, stream, trace"


def test_streaming_imports_no_torch(tmp_path):
    make_text().save(tmp_path / "m.safetensors")
    code = (
        f"import sys, elman; s = elman.load({str(tmp_path / 'm.safetensors')!r}).stream()\n"
        f"s.step('r'); s.save({str(tmp_path / 's')!r})\n"
        "print(sorted({'torch', 'sklearn', 'pandas', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_step_is_a_tuple_of_what_is_said():
    assert Step._fields == ("label", "probabilities", "value", "ahead")
    labels = LabelCodec().fit([3, 1, 2])
    step = make_text(targets=labels).stream().step("r")
    assert type(step.label) is int
    assert step.value is None
