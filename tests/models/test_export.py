"""Exported models answer what the model answers: in ONNX Runtime, in plain NumPy and in torch."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import pytest

import elman
from elman import cells, kernels
from elman.data.codec import LabelCodec
from elman.errors import MissingExtraError, ModelFileError, UsageError
from elman.models import onnx_check
from elman.models.export import export, programs
from elman.models.export_rows import answers_to, padded, rows_of, units
from elman.models.exported import Exported
from elman.models.forecasting import Form
from elman.models.npz_export import load_runner
from elman.models.onnx_graph import KEY
from elman.ops import concat, sigmoid, softplus, tanh

from .export_cases import (
    KINDS,
    LABELS,
    NUMBERS,
    READS,
    SERIES,
    TARGETS,
    TEXTS,
    every_model,
    forecaster,
    generator,
    make,
)

TOLERANCE = 1e-5
ALWAYS = {"one step from the same states", "in a batch"}
FORMS = [
    Form(2, horizon, known, past, normalise)
    for horizon, known, past, normalise in [
        (1, 0, 0, "last"),
        (1, 0, 0, "scale"),
        (3, 0, 0, "none"),
        (3, 2, 0, "last"),
        (2, 1, 1, "scale"),
        (1, 0, 1, "none"),
    ]
]
LONG = [np.random.default_rng(4).normal(20, 5, (n, 2)).cumsum(axis=0) for n in (9, 6)]


def session_of(found, name):
    return onnxruntime.InferenceSession(found.files[name])


def feeds_of(session, batch, value=0.0, seed=None):
    """A batch with states that are all ``value``, or drawn."""
    rng = np.random.default_rng(seed)
    feeds = {}
    for port in session.get_inputs():
        shape = [len(batch["lengths"]) if axis == "B" else axis for axis in port.shape]
        if port.name in batch:
            feeds[port.name] = batch[port.name]
        else:
            dtype = np.float64 if "double" in port.type else np.float32
            drawn = np.full(shape, value) if seed is None else rng.normal(size=shape)
            feeds[port.name] = drawn.astype(dtype)
    return feeds


def close(found, wanted, unit=1.0):
    return onnx_check.difference(np.asarray(found), np.asarray(wanted), np.asarray(unit)) <= TOLERANCE


def python_answers(model, X):
    """The model's public answers, each row's probabilities or numbers in the shape of an export's."""
    if isinstance(model.targets, LabelCodec):
        return list(model.predict_proba(X))
    answers = model.predict_steps(X) if model.task == "forecast" else model.predict(X)
    return list(answers)


@pytest.mark.parametrize(("cell", "options"), KINDS, ids=lambda value: str(value))
def test_onnx_answers_as_the_model_at_every_task_and_input(cell, options):
    for label, model, X in every_model(cell, options):
        found = export(model)
        carried = {"step by step", "in pieces"} if model.causal else set()
        assert {check.what for check in found.checks} == {*carried, *ALWAYS}
        assert max(check.difference for check in found.checks) <= TOLERANCE, label
        assert ("step.onnx" in found.files) == model.causal
        exported = Exported(found.files)
        rows = rows_of(model, X)
        together = exported.run(rows)[0]
        for answer, wanted, row in zip(together, python_answers(model, X), rows, strict=True):
            assert close(answer, wanted, units(model, row)), label
        if model.causal:
            check = onnx_check.compare(model, found.files, X)
            assert check.difference <= TOLERANCE
            assert check.rows == len(X)


@pytest.mark.parametrize(("cell", "options"), KINDS[1:], ids=lambda value: str(value))
def test_forecasters_and_generators(cell, options):
    for model, X in [
        (forecaster(recurrence=cell, num_layers=2, **options), SERIES),
        (generator(recurrence=cell, **options), TEXTS),
        (generator(None, recurrence=cell, **options), TEXTS),
    ]:
        found = export(model)
        wanted = python_answers(model, X)
        for answer, each, row in zip(
            onnx_check.answers(model, found.files, X), wanted, rows_of(model, X), strict=True
        ):
            assert close(answer, each, units(model, row))


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_form_is_in_the_graph(form):
    model = forecaster(form, recurrence="gru")
    found = export(model)
    rng = np.random.default_rng(5)
    known = [rng.normal(5, 2, (len(s), form.known)) for s in LONG] if form.known else None
    past = [rng.normal(5, 2, (len(s), form.past)) for s in LONG] if form.past else None
    ahead = {"covariates": known, "past": past} if form.known else {"covariates": past}
    wanted = model.predict_steps(LONG, **ahead)
    for answer, each, row in zip(
        onnx_check.answers(model, found.files, LONG, **ahead),
        wanted,
        rows_of(model, LONG, **ahead),
        strict=True,
    ):
        unit = units(model, row)
        first, unit = (answer[:, 0], unit[:, 0]) if form.horizon > 1 else (answer, unit)
        there = ~np.isnan(each).any(axis=1)  # where nothing is known ahead the model gives none
        assert there.any()
        assert close(first[there], each[there], unit[there])


def test_a_model_that_reads_both_ways_has_no_single_step_and_says_why():
    found = export(make("tag", NUMBERS, LABELS, causal=False, recurrence="gru"))
    assert [*found.files] == ["full.onnx", "run_onnx.py", "sequences.py"]
    assert found.notes == [
        "no step.onnx: the network reads both ways, so it must see the whole sequence first"
    ]


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "names", "sine"])
def test_a_row_without_steps_passes_its_state_on_and_nothing_is_said_beyond_a_length(cell):
    model = make("tag", NUMBERS, NUMBERS, recurrence=cell)
    session = session_of(export(model), "full.onnx")
    batch = padded(rows_of(model, SERIES)) | {"lengths": np.array([5, 2, 0, 0])}
    feeds = feeds_of(session, batch, seed=1)
    answers, *states = session.run(None, feeds)
    names = [port.name for port in session.get_outputs()[1:]]
    for name, state in zip(names, states, strict=True):
        before = feeds[name.removesuffix("_next")]
        np.testing.assert_array_equal(state[:, 2:], before[:, 2:])
        assert (state[:, :2] != before[:, :2]).any(axis=2).all()
    for row, length in enumerate(batch["lengths"]):
        assert (answers[row, length:] == 0).all()
        assert (answers[row, :length] != 0).all()


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_first_and_the_final_state_are_those_of_the_kernels(cell, causal):
    model = make("tag", NUMBERS, LABELS, recurrence=cell, num_layers=2, causal=causal, members=1)
    session = session_of(export(model), "full.onnx")
    rows = rows_of(model, SERIES)
    feeds = feeds_of(session, padded(rows), seed=2)
    answers, *after = session.run(None, feeds)
    first = tuple(feeds[name] for name in ("h", "c") if name in feeds)
    inputs = np.zeros((len(rows), 7, 2), np.float32)
    for row, channels in zip(inputs, model.inputs.encode_all(SERIES), strict=True):
        row[: len(channels)] = channels
    said, final = kernels.run(
        model.settings,
        model.members[0],
        inputs,
        feeds["lengths"],
        first if len(first) > 1 else first[0],
        task="tag",
    )
    for found, wanted in zip(after, final if isinstance(final, tuple) else (final,), strict=True):
        assert close(found, wanted)
    shares = kernels.softmax(np.ascontiguousarray(said))
    for row, length in enumerate(feeds["lengths"]):
        assert close(answers[row, :length], shares[row, :length])


def test_no_rows_are_long_and_no_time_is_there():
    model = make("classify", READS["n-grams"][0], LABELS, recurrence="lstm")
    session = session_of(export(model), "full.onnx")
    batch = {"ids": np.zeros((2, 0, 3), np.int64), "lengths": np.array([0, 0])}
    answer = session.run(None, feeds_of(session, batch))[0]
    wanted = kernels.softmax(np.stack([member["head.bias"] for member in model.members]))
    assert close(answer[0], wanted.mean(axis=0))


def test_one_hot_symbols():
    model = make("classify", READS["text"][0], LABELS, recurrence="lstm", symbols="one-hot", shortcut=0.0)
    answers = onnx_check.answers(model, export(model).files, TEXTS)
    for text, answer in zip(TEXTS, answers, strict=True):
        assert close(answer[-1] if text else answer, model.predict_proba([text])[0])


@pytest.mark.parametrize("cell", ["names", "sine"])
def test_cells_that_answer_themselves(cell):
    for name, (task, targets) in zip(["text", "gaps", "n-grams", "mixed"], TARGETS, strict=True):
        codec, X = READS[name]
        model = make(task, codec, targets, recurrence=cell)
        found = export(model)
        assert max(check.difference for check in found.checks) <= TOLERANCE
        assert onnx_check.compare(model, found.files, X).difference <= TOLERANCE


def own_cell(step, first=0.0, states=("h",)):
    @dataclass(frozen=True)
    class Mine(cells.Cell):
        name = "mine"
        state_names = states

        def parameters(self, input_size, hidden_size, output_size):
            return {"w": ((input_size + hidden_size, hidden_size), 0.5), "b": ((hidden_size,), 0.1)}

        def initial_state(self, batch):
            return np.full((batch, self.hidden_size), first, np.float32)

    Mine.step = step
    Mine.__abstractmethods__ = frozenset()
    return Mine


def slow(self, x, state, params):
    """An own cell that uses most of what a step may."""
    u = concat([x, state]) @ params["w"] + params["b"]
    gate = sigmoid(u[:, :1]) * softplus(-u)
    h = state + 0.5 * (tanh(u) * gate - state) / np.sqrt(1 + u**2)
    return np.where(h > 0, h, 0.1 * h), h


@pytest.mark.parametrize("causal", [True, False])
def test_a_cell_of_ones_own_is_told_by_its_own_step(registry, causal):
    cells.register(own_cell(slow, first=0.7))
    for name, (task, targets) in zip(["text", "gaps"], TARGETS[1:3], strict=True):
        codec, X = READS[name]
        model = make(task, codec, targets, recurrence="mine", num_layers=2, causal=causal)
        found = export(model)
        assert max(check.difference for check in found.checks) <= TOLERANCE
        assert onnx_check.compare(model, found.files, X).difference <= TOLERANCE
        operators = {node.op_type for node in onnx.load_from_string(found.files["full.onnx"]).graph.node}
        assert "Scan" in operators
        with pytest.raises(UsageError, match="Python of your own, which plain arrays cannot hold"):
            export(model, "npz")


def switching(self, x, state, params):
    """Truth values that count as numbers, and numbers that are chosen by one."""
    u = concat([x, state]) @ params["w"] + np.where(state > 0, 0.5, -0.5)
    h = np.minimum((u > 0) * u**2, 1.0) * 0.5 - np.logical_and(u < 0, state < 0)
    return h, h


def test_a_cell_may_count_with_truth_values(registry):
    cells.register(own_cell(switching))
    model = make("tag", NUMBERS, LABELS, recurrence="mine")
    found = export(model)
    assert onnx_check.compare(model, found.files, SERIES).difference <= TOLERANCE


def branching(self, x, state, params):
    return (state, state) if (x > 0).any() else (-state, state)


def looping(self, x, state, params):
    return np.cumsum(state, axis=1), state


def counting(self, x, state, params):
    return np.zeros((len(x), 6), np.float32), state


def shaping(self, x, state, params):
    return state * x.shape[1], state


def naming(self, x, state, params):
    return state.clip(0, 1), state


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (branching, "a method or branch of arrays: 'Symbol' object has no attribute 'any'"),
        (looping, "numpy.cumsum"),
        (counting, "the number of its rows"),
        (shaping, "the shape of an array"),
        (naming, "a method or branch of arrays: 'Symbol' object has no attribute 'clip'"),
    ],
)
def test_a_cell_that_no_operator_says_is_refused_in_one_sentence(registry, step, reason):
    cells.register(own_cell(step))
    with pytest.raises(UsageError, match="the cell mine cannot be said in ONNX: its step needs") as caught:
        export(make("tag", NUMBERS, LABELS, recurrence="mine"))
    assert caught.value.code == "E190"
    assert reason in caught.value.message
    assert "\n" not in str(caught.value)


def test_a_state_may_not_have_a_name_of_the_graph(registry):
    cells.register(own_cell(slow, states=("lengths",)))
    with pytest.raises(UsageError, match="a state called lengths"):
        export(make("tag", NUMBERS, LABELS, recurrence="mine"))


def test_a_linear_recurrence():
    model = make("tag", NUMBERS, LABELS, recurrence="rnn", nonlinearity="identity")
    assert max(check.difference for check in export(model).checks) <= TOLERANCE
    assert max(check.difference for check in export(model, "npz").checks) <= TOLERANCE
    with pytest.raises(UsageError, match="no layer for the cell rnn with the identity"):
        export(model, "torch")


def test_the_metadata_say_what_a_runner_needs_and_no_date():
    codec, _ = READS["n-grams"]
    model = make("classify", codec, LABELS)
    one, other = export(model), export(model)
    assert one.files == other.files
    file = onnx.load_from_string(one.files["full.onnx"])
    about = json.loads({entry.key: entry.value for entry in file.metadata_props}[KEY])
    assert about["text"] == {"unit": "character", "edges": True, "vocabulary": codec.vocabulary}
    assert about["classes"] == ["a", "b", "c"]
    assert about["elman"] == elman.__version__ == file.producer_version
    assert len(about["sha256"]) == 64
    assert (
        about["sha256"]
        != json.loads(export(make("tag", codec, LABELS), "torch").files["settings.json"])["sha256"]
    )
    assert export(model, source=b"").files["full.onnx"] != one.files["full.onnx"]
    inputs = {
        port.name: [d.dim_param or d.dim_value for d in port.type.tensor_type.shape.dim]
        for port in file.graph.input
    }
    assert inputs["ids"] == ["B", "T", 3]
    assert inputs["lengths"] == ["B"]
    assert inputs["h"] == [2, "B", 6]


def test_an_export_that_answers_otherwise_is_refused():
    model = make("classify", READS["text"][0], LABELS, recurrence="gru")
    other = make("classify", READS["text"][0], LABELS, recurrence="gru", seed=1)
    with pytest.raises(ModelFileError, match="answers otherwise than the model") as caught:
        onnx_check.check(model, export(other).files)
    assert caught.value.code == "E310"


def test_where_rounding_does_more_than_the_tolerance_float64_is_the_measure():
    check = onnx_check.Check("in a batch", 1, 1, 5e-5, 1e-5)
    assert check.agrees
    assert not check._replace(rounding=1e-7).agrees
    assert onnx_check.difference(np.array([np.nan]), np.zeros(1), np.ones(1)) == np.inf
    chaotic = make("tag", NUMBERS, LABELS, recurrence="sine", hidden_size=40)
    checks = export(chaotic).checks
    assert max(check.difference for check in checks) > TOLERANCE
    (single,) = (check for check in checks if check.what == "one step from the same states")
    assert single.difference <= TOLERANCE


def test_a_missing_or_damaged_folder_is_told(tmp_path):
    with pytest.raises(ModelFileError, match=r"holds no full\.onnx"):
        Exported(tmp_path)
    (tmp_path / "full.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelFileError, match="ONNX Runtime cannot open") as caught:
        Exported(tmp_path)
    assert caught.value.code == "E311"


@pytest.mark.parametrize("library", ["onnx", "onnxruntime"])
def test_without_the_extra_the_command_that_adds_it_is_told(monkeypatch, library):
    model = make("classify", READS["text"][0], LABELS)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(MissingExtraError, match=rf'needs {library}, .* pip install "elman\[export\]"'):
        export(model)


def test_there_is_no_other_format():
    with pytest.raises(UsageError, match="no format 'pickle'") as caught:
        export(make("classify", READS["text"][0], LABELS), "pickle")
    assert caught.value.help == "one of onnx, npz, torch"


@pytest.mark.parametrize(("cell", "options"), KINDS[1:], ids=lambda value: str(value))
def test_plain_numpy_answers_as_the_model(cell, options):
    for label, model, X in every_model(cell, options):
        found = export(model, "npz")
        assert [*found.files] == ["model.npz", "run_numpy.py", "sequences.py"]
        program = load_runner(found.files, "run_numpy.py")
        rows = rows_of(model, X)
        for row, wanted in zip(rows, answers_to(model, rows), strict=True):
            said = np.array(program.run({name: array.tolist() for name, array in row.items()}))
            assert close(said.reshape(wanted.shape), wanted, units(model, row)), label


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_plain_numpy_forecasts_in_every_form(form):
    found = export(forecaster(form, recurrence="lstm"), "npz")
    assert max(check.difference for check in found.checks) <= TOLERANCE


def test_plain_numpy_has_the_equations_of_every_built_in_cell():
    for cell in ("names", "sine"):
        for (task, targets), (codec, _) in zip(TARGETS, [*READS.values()][::2], strict=True):
            found = export(make(task, codec, targets, recurrence=cell), "npz")
            assert max(check.difference for check in found.checks) <= TOLERANCE


@pytest.mark.parametrize(("cell", "options"), KINDS[1:], ids=lambda value: str(value))
def test_torch_answers_as_the_model(cell, options, tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(sys, "path", [*sys.path])  # the loader adds its folder
    for label, model, X in every_model(cell, options):
        found = export(model, "torch")
        beside = ["load_torch.py", "torch_network.py", "sequences.py"]
        assert [*found.files] == ["weights.safetensors", "settings.json", *beside]
        for name, data in found.files.items():
            (tmp_path / name).write_bytes(data)
        network = load_runner(found.files, "load_torch.py").load(tmp_path)
        assert isinstance(network, torch.nn.Module)
        rows = rows_of(model, X)
        batch = {name: torch.tensor(array) for name, array in padded(rows).items()}
        with torch.no_grad():
            said = network(batch.get("ids"), batch.get("numbers"), batch["lengths"]).numpy()
        for answer, wanted, row in zip(said, python_answers(model, X), rows, strict=True):
            there = answer if model.task in ("classify", "regress") else answer[: len(wanted)]
            assert close(there, wanted, units(model, row)), label


BESIDE = "sys.path.insert(0, sys.argv[1]); from load_torch import load"
ELSEWHERE = """
import importlib.util
spec = importlib.util.spec_from_file_location("any_name", sys.argv[1] + "/load_torch.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
load = module.load
"""


@pytest.mark.parametrize("way", [BESIDE, ELSEWHERE], ids=["beside", "elsewhere"])
def test_the_loader_needs_torch_alone_wherever_it_is_loaded_from(way, tmp_path):
    model = make("classify", READS["n-grams"][0], LABELS, recurrence="lstm")
    export(model, "torch").write(tmp_path / "out")
    code = f"""
import json, sys
{way}
import torch
network = load(sys.argv[1])
ids = torch.tensor(json.loads(sys.argv[2]))
print(network(ids, None, torch.tensor([ids.shape[1]])).tolist())
print(network.training, [name for name in ("elman", "safetensors", "onnx") if name in sys.modules])
"""
    ids = json.dumps([model.inputs.encode("anna").tolist()])
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path / "out"), ids]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True, cwd=tmp_path)
    shares, used = done.stdout.splitlines()
    assert close(json.loads(shares), model.predict_proba(["anna"]))
    assert used == "False []"


def test_torch_says_what_it_has_not():
    with pytest.raises(UsageError, match=r"torch\.nn has no layer for the cell sine"):
        export(make("tag", NUMBERS, LABELS, recurrence="sine"), "torch")
    with pytest.raises(UsageError, match="values relative to their series"):
        export(forecaster(FORMS[0]), "torch")


def run_program(found, program, *words, folder):
    """Run a runner in a fresh process, with what it imported on its last line."""
    written = found.write(folder)
    told = "import runpy, sys; sys.argv = sys.argv[1:]; sys.path.insert(0, sys.argv[0].rpartition('/')[0])"
    told += "; runpy.run_path(sys.argv[0], run_name='__main__')"
    told += "; print([m for m in ('elman', 'torch', 'onnx', 'safetensors') if m in sys.modules])"
    path = next(path for path in written if path.name == program)
    command = [sys.executable, "-W", "error", "-c", told, str(path), *words]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    *lines, imported = done.stdout.splitlines()
    assert imported == "[]"
    return lines


@pytest.mark.parametrize(("format", "program"), [("onnx", "run_onnx.py"), ("npz", "run_numpy.py")])
def test_the_runner_needs_neither_elman_nor_torch(format, program, tmp_path):  # noqa: A002
    model = make("classify", READS["n-grams"][0], LABELS, recurrence="gru")
    texts = [*TEXTS, "Zoe\u0308", "\ufdd0x"]  # composed on the way in; a mark that no text should hold
    lines = run_program(export(model, format), program, *texts, folder=tmp_path / "out")
    shares = model.predict_proba(texts)
    assert lines == [
        f"{label} {share:.4f}" for label, share in zip(model.predict(texts), shares.max(axis=1), strict=True)
    ]


@pytest.mark.parametrize(("format", "program"), [("onnx", "run_onnx.py"), ("npz", "run_numpy.py")])
def test_a_runner_answers_every_task(format, program, tmp_path, monkeypatch):  # noqa: A002
    def answers(model, words):
        found = export(model, format)
        folder = tmp_path / str(len([*tmp_path.iterdir()]))
        found.write(folder)
        monkeypatch.syspath_prepend(str(folder))
        sys.modules.pop("sequences", None)
        runner = load_runner(found.files, program) if format == "npz" else load_from(folder, program)
        sequences = load_runner(found.files, "sequences.py")
        sys.modules.pop("sequences", None)
        return [sequences.answer(word, runner.about, runner.run) for word in words], sequences, runner

    for name, (codec, X) in READS.items():
        words = X if name in ("text", "n-grams", "words", "bytes") else [json.dumps(jsonable(x)) for x in X]
        labels, *_ = answers(make("tag", codec, LABELS), words)
        wanted = make("tag", codec, LABELS).predict(X)
        assert [json.loads(line) for line in labels] == [row.tolist() for row in wanted], name
        numbers, *_ = answers(make("regress", codec, NUMBERS), words)
        for line, row in zip(numbers, make("regress", codec, NUMBERS).predict(X), strict=True):
            assert close(json.loads(line), row, NUMBERS.scale), name

    for form in [None, FORMS[3], FORMS[1]]:
        model = forecaster(form)
        given = {"numbers": LONG[0].tolist(), "horizon": 6}
        ahead = {}
        if form is not None and form.known:
            known = np.random.default_rng(6).normal(5, 2, (len(LONG[0]) + 6, 2))
            given["known"], ahead = known.tolist(), {"covariates": [known[:9]], "future": [known[9:]]}
        (line,), *_ = answers(model, [json.dumps(given)])
        wanted = model.predict(LONG[:1], horizon=6, **ahead)[0]
        np.testing.assert_allclose(json.loads(line), wanted, rtol=1e-4)

    for model, words, condition in [(generator(None), ["an"], None), (generator(), ['["an", "y"]'], "y")]:
        _, sequences, runner = answers(model, [])
        likeliest = lambda choices, shares: [choices[int(np.argmax(shares))]]  # noqa: E731
        monkeypatch.setattr(random, "choices", likeliest)
        (text,) = [sequences.generate(word, runner.about, runner.run, longest=9) for word in words]
        assert text == model.generate(1, "an", condition=condition, temperature=0, longest=9)[0]
        monkeypatch.undo()


def jsonable(x):
    return [x[0], np.asarray(x[1]).tolist()] if isinstance(x, tuple) else x.tolist()


def load_from(folder, program):
    return load_runner({path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}, program)


def test_the_runners_are_short():
    found = export(make("classify", READS["text"][0], LABELS))
    assert len(found.files["run_onnx.py"].decode().splitlines()) <= 30
    loader = programs("load_torch.py")["load_torch.py"].decode()
    assert len(loader.splitlines()) <= 20


def test_a_folder_is_written_whole_and_only_over_an_export(tmp_path):
    found = export(make("regress", NUMBERS, NUMBERS), "torch")
    folder = tmp_path / "out"
    written = found.write(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(found.files)
    assert [path.read_bytes() for path in written] == [*found.files.values()]
    with pytest.raises(UsageError, match="exists already and holds an export"):
        found.write(folder)
    other = export(make("regress", NUMBERS, NUMBERS), "npz")
    other.write(folder, force=True)
    assert sorted(path.name for path in folder.iterdir()) == sorted(other.files)
    (folder / "mine.txt").write_text("kept")
    with pytest.raises(UsageError, match=r"holds mine\.txt, which no export wrote"):
        found.write(folder, force=True)
    assert (folder / "mine.txt").read_text() == "kept"
    with pytest.raises(UsageError, match="is a file, not a folder"):
        found.write(folder / "mine.txt", force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]  # nothing is left beside it
