"""The whole network: its twin without torch, its weights by name, what is dropped, what is refused."""

import itertools
import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from elman import cells, kernels
from elman.cells import Sine
from elman.errors import ModelFileError, UsageError
from elman.nn import Network, NetworkSettings
from elman.nn.network import hide
from elman.nn.settings import POOLINGS

torch.set_num_threads(1)
SIZES, OUTPUTS = (11, 7, 5), 4
LENGTHS = np.array([3, 0, 9, 1, 7, 9])
SMALL = NetworkSettings(hidden_size=17, embedding_size=9)
PLAIN = replace(SMALL, dropout=0.0, input_dropout=0.0, ngram_dropout=0.0)


def draw_ids(batch=6, steps=9):
    rng = np.random.default_rng(0)
    return np.stack([rng.integers(0, size, (batch, steps)) for size in SIZES], axis=-1)


def make(settings=SMALL, **options):
    torch.manual_seed(0)
    return Network(settings, SIZES, OUTPUTS, **options)


def batch_of(network_input, targets, weights=None):
    return SimpleNamespace(inputs=network_input, targets=targets, lengths=LENGTHS, weights=weights)


@pytest.mark.parametrize("recurrence", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("causal", [False, True])
def test_the_numpy_twin_gives_the_same_logits(recurrence, num_layers, causal):
    for pooling, shortcut in itertools.product(POOLINGS, [0.0, 0.5]):
        settings = replace(SMALL, recurrence=recurrence, num_layers=num_layers, causal=causal)
        settings = replace(settings, pooling=pooling, shortcut=shortcut)
        network = make(settings).eval()
        with torch.no_grad():
            expected = network(draw_ids(), LENGTHS).numpy()
        logits = kernels.forward(settings, network.tensors(), draw_ids(), LENGTHS)
        assert np.all(np.abs(logits - expected) <= 1e-5 * np.maximum(1, np.abs(expected)))


def test_the_twin_agrees_when_no_row_has_a_step():
    network = make().eval()
    nothing = np.zeros(6, np.int64)
    for ids in (draw_ids(), draw_ids(steps=0)):
        logits = kernels.forward(SMALL, network.tensors(), ids, nothing)
        np.testing.assert_allclose(network(ids, nothing).detach(), logits, atol=1e-6)


@pytest.mark.parametrize("recurrence", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("causal", [False, True])
def test_the_tensors_are_those_that_the_model_file_expects(recurrence, causal):
    settings = replace(SMALL, recurrence=recurrence, causal=causal, num_layers=2)
    network = make(settings, class_weights=np.ones(4))
    tensors = network.tensors()
    shapes = {name: array.shape for name, array in tensors.items()}
    assert shapes == kernels.tensor_shapes(settings, SIZES, OUTPUTS)
    assert list(shapes) == list(kernels.tensor_shapes(settings, SIZES, OUTPUTS)) == list(network.state_dict())
    assert {array.dtype for array in tensors.values()} == {np.dtype(np.float32)}


def test_tensors_are_copies_and_load_back():
    network = make()
    tensors = network.tensors()
    other = Network(SMALL, SIZES, OUTPUTS)
    other.load_tensors(tensors)
    for name, array in other.tensors().items():
        np.testing.assert_array_equal(array, tensors[name])
    tensors["head.bias"][:] = 99
    assert 99 not in other.tensors()["head.bias"]
    assert 99 not in network.tensors()["head.bias"]


def test_tensors_that_do_not_fit_are_refused():
    network = make()
    tensors = network.tensors()
    lacking = {name: array for name, array in tensors.items() if name != "head.bias"}
    for bad, message in [
        (lacking, "the network lacks the tensor head.bias"),
        ({**tensors, "more": np.zeros(1)}, "the network does not know the tensor more"),
        (
            {**tensors, "head.bias": np.zeros(5)},
            r"the tensor head.bias has shape \(5,\), the network needs \(4,\)",
        ),
    ]:
        with pytest.raises(ModelFileError, match=message) as caught:
            network.load_tensors(bad)
        assert caught.value.code == "E340"


def test_the_loss_is_the_weighted_cross_entropy_of_the_logits():
    settings = replace(PLAIN, label_smoothing=0.1)
    class_weights = np.array([1.0, 2.0, 0.5, 1.0])
    network = make(settings, class_weights=class_weights)
    targets, weights = np.array([0, 1, 2, 3, 0, 1]), np.array([1, 2, 0, 1, 1, 3], np.float32)
    loss = network.loss(batch_of(draw_ids(), targets, weights))
    each = functional.cross_entropy(
        network(draw_ids(), LENGTHS),
        torch.tensor(targets),
        torch.tensor(class_weights, dtype=torch.float32),
        reduction="none",
        label_smoothing=0.1,
    )
    total = (weights * class_weights[targets]).sum()  # torch's rows come with their class weight in them
    assert loss.item() == pytest.approx((weights * each.detach().numpy()).sum() / total, rel=1e-5)


def test_arrays_and_tensors_are_taken_alike():
    network = make(PLAIN)
    arrays = batch_of(draw_ids(), np.arange(6) % 4)
    tensors = SimpleNamespace(**{n: None if v is None else torch.tensor(v) for n, v in vars(arrays).items()})
    assert network.loss(arrays).item() == network.loss(tensors).item()
    one = Network(PLAIN, SIZES[:1], OUTPUTS).eval()
    ids = draw_ids()[..., :1].astype(np.int32)
    assert torch.equal(one(ids, LENGTHS), one(ids[..., 0], LENGTHS))


def test_every_weight_learns_and_padding_teaches_nothing():
    network = make(PLAIN)
    network.loss(batch_of(draw_ids(), np.arange(6) % 4)).backward()
    first = {name: p.grad.clone() for name, p in network.named_parameters()}
    assert all(gradient.abs().max() > 0 for gradient in first.values())
    other = draw_ids()
    for row, length in enumerate(LENGTHS):
        other[row, length:] = 3
    network.zero_grad()
    network.loss(batch_of(other, np.arange(6) % 4)).backward()
    for name, p in network.named_parameters():
        torch.testing.assert_close(p.grad, first[name], rtol=0, atol=0)


def test_no_group_stays_nought_while_the_unknown_symbol_learns():
    network = make(PLAIN)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1, weight_decay=0.1)
    before = network.tensors()
    for _ in range(3):
        optimizer.zero_grad()
        network.loss(batch_of(draw_ids(), np.arange(6) % 4)).backward()
        optimizer.step()
    after = network.tensors()
    for g in (1, 2):
        np.testing.assert_array_equal(after[f"embedding.{g}.weight"][0], np.zeros(9))
        assert np.abs(after[f"embedding.{g}.weight"][1:]).min() > 0
    assert np.abs(after["embedding.0.weight"][0] - before["embedding.0.weight"][0]).min() > 0


def test_it_learns():
    network = make(replace(PLAIN, causal=True))
    rng = np.random.default_rng(0)
    ids = np.stack([rng.integers(1, size, (64, 6)) for size in SIZES], axis=-1)
    batch = SimpleNamespace(inputs=ids, targets=ids[:, 0, 1] % 4, lengths=np.full(64, 6), weights=None)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        network.loss(batch).backward()
        optimizer.step()
    assert network.loss(batch).item() < 0.02


@pytest.mark.parametrize("place", ["dropout", "input_dropout", "symbol_dropout", "ngram_dropout"])
def test_each_dropout_works_while_learning_only(place):
    network = make(replace(PLAIN, **{place: 0.5}))
    assert not torch.equal(network(draw_ids(), LENGTHS), network(draw_ids(), LENGTHS))
    network.eval()
    assert torch.equal(network(draw_ids(), LENGTHS), network(draw_ids(), LENGTHS))


def test_hidden_ids_become_nought_at_the_rate():
    torch.manual_seed(0)
    ids = torch.full((100, 100), 3)
    left = hide(ids, 0.3)
    assert set(left.unique().tolist()) == {0, 3}
    assert (left == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert hide(ids, 0.0) is ids


def test_hiding_symbols_leaves_groups_and_the_other_way_round():
    for place, changed in (("symbol_dropout", 0), ("ngram_dropout", 1)):
        network = make(replace(PLAIN, **{place: 0.95}))
        seen = []
        for table in network.embedding:
            table.register_forward_pre_hook(lambda _, args, seen=seen: seen.append(args[0]))
        network(draw_ids(), LENGTHS)
        hidden = [
            not torch.equal(column, torch.tensor(draw_ids()[..., g]).T) for g, column in enumerate(seen)
        ]
        assert hidden == [g == 0 if changed == 0 else g > 0 for g in range(3)]


def test_orthogonal_first_weights():
    network = make(replace(SMALL, recurrence="lstm", causal=False))
    for suffix in ("", "_reverse"):
        for gate in network.layers.get_parameter(f"weight_hh_l0{suffix}").split(17):
            torch.testing.assert_close(gate @ gate.T, torch.eye(17), rtol=0, atol=1e-5)
        assert not network.layers.get_parameter(f"bias_ih_l0{suffix}").any()
    assert not network.head.bias.any()
    assert network.embedding[0].weight.std().item() == pytest.approx(0.5, rel=0.2)
    assert network.embedding[1].weight[1:].std().item() == pytest.approx(0.1, rel=0.3)


def test_uniform_first_weights_are_torchs():
    layers = make(replace(SMALL, first_weights="uniform")).layers
    bound = 17**-0.5
    for _, weight in layers.named_parameters():
        assert bound * 0.8 < weight.abs().max() <= bound


def test_ones_own_cell_makes_a_network(registry):
    @cells.register
    class Echo(Sine):
        name = "echo"
        answers = False

        def step(self, x, state, params):
            _, c = super().step(x, state, params)
            return c, c

    settings = replace(PLAIN, recurrence="echo", pooling="last+mean")
    network = make(settings).eval()
    logits = kernels.forward(settings, network.tensors(), draw_ids(), LENGTHS)
    np.testing.assert_allclose(network(draw_ids(), LENGTHS).detach(), logits, atol=1e-5)


def test_a_cell_of_ones_own_keeps_its_first_weights():
    torch.manual_seed(0)
    layers = Network(NetworkSettings(recurrence="names", hidden_size=50), (11,), OUTPUTS).layers
    for name, weight in layers.named_parameters():
        largest, bound = weight.abs().max().item(), (128 + 50) ** -0.5
        assert (0.99 if name.startswith("weight") else 0.3) * bound < largest <= bound


def spoilt(**changes):
    return {**cells.CELLS, "spoilt": type("Spoilt", (Sine,), {"name": "spoilt", **changes})}


def test_a_cell_that_cannot_be_used_is_refused_before_learning(monkeypatch):
    monkeypatch.setattr(cells, "CELLS", spoilt(step=lambda self, x, state, params: (x, state)))
    with pytest.raises(UsageError, match=r"an output of shape \(2, 1\), not \(2, 4\)"):
        of_numbers(recurrence="spoilt", features=1)

    def on_numpy(self, x, state, params):
        return Sine.step(self, x, state, {name: np.asarray(p) for name, p in params.items()})

    monkeypatch.setattr(cells, "CELLS", spoilt(step=on_numpy))
    with pytest.raises(UsageError, match=r"RuntimeError.* on torch tensors") as caught:
        of_numbers(recurrence="spoilt", features=1)
    assert caught.value.code == "E169"


def draw_numbers(features=3, steps=9):
    return np.random.default_rng(0).normal(size=(6, steps, features)).astype(np.float32)


def of_numbers(features=3, task="tag", loss="auto", **settings):
    torch.manual_seed(0)
    values = {"hidden_size": 17, "dropout": 0.0, **settings}
    return Network(NetworkSettings(**values), (), OUTPUTS, features=features, task=task, loss=loss)


KINDS = [
    {"recurrence": "rnn"},
    {"recurrence": "lstm", "num_layers": 2},
    {"recurrence": "gru", "causal": False},
    {"recurrence": "names"},
    {"recurrence": "sine"},
]
kinds = pytest.mark.parametrize("settings", KINDS, ids=str)
tasks = pytest.mark.parametrize("task", ["classify", "tag"])


def near(ours, theirs):
    expected = theirs.detach().numpy()
    return ours.shape == expected.shape and bool(
        np.all(np.abs(ours - expected) <= 1e-5 * np.maximum(1, np.abs(expected)))
    )


@kinds
@tasks
def test_the_twin_agrees_on_numbers_and_on_the_state(settings, task):
    network = of_numbers(task=task, **settings).eval()
    first = network.run(draw_numbers(), LENGTHS[::-1].copy())[1]
    answers, state = network.run(draw_numbers(), LENGTHS, first)
    parts = state if isinstance(state, tuple) else (state,)
    arrays = tuple(a.detach().numpy() for a in first) if len(parts) > 1 else first.detach().numpy()
    ours, after = kernels.run(network.settings, network.tensors(), draw_numbers(), LENGTHS, arrays, task=task)
    assert near(ours, answers)
    for a, b in zip(after if len(parts) > 1 else (after,), parts, strict=True):
        assert near(a, b)
    alone = kernels.forward(network.settings, network.tensors(), draw_numbers(), LENGTHS, task=task)
    assert near(alone, network(draw_numbers(), LENGTHS))
    assert not near(alone, answers)


@kinds
@tasks
def test_the_twin_agrees_on_no_steps(settings, task):
    network = of_numbers(task=task, **settings).eval()
    nothing = np.zeros(6, np.int64)
    for steps in (0, 9):
        numbers = draw_numbers(steps=steps)
        ours = kernels.forward(network.settings, network.tensors(), numbers, nothing, task=task)
        assert near(ours, network(numbers, nothing))
        assert ours.shape == ((6, OUTPUTS) if task == "classify" else (6, steps, OUTPUTS))


@kinds
@tasks
def test_the_tensors_of_numbers_are_those_that_the_model_file_expects(settings, task):
    network = of_numbers(task=task, **settings)
    shapes = {name: array.shape for name, array in network.tensors().items()}
    expected = kernels.tensor_shapes(network.settings, (), OUTPUTS, features=3, task=task)
    assert list(shapes.items()) == list(expected.items())
    assert list(shapes) == list(network.state_dict())


@pytest.mark.parametrize("settings", [kind for kind in KINDS if kind.get("causal", True)], ids=str)
def test_in_two_pieces_with_the_state_between_it_is_as_whole(settings):
    network = of_numbers(**settings).eval()
    numbers, whole = draw_numbers(), np.full(6, 9)
    answers, state = network.run(numbers, whole)
    first, between = network.run(numbers[:, :4], np.full(6, 4))
    second, after = network.run(numbers[:, 4:], np.full(6, 5), between)
    torch.testing.assert_close(torch.cat((first, second), dim=1), answers, rtol=0, atol=1e-6)
    for a, b in zip(*(s if isinstance(s, tuple) else (s,) for s in (after, state)), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)


@kinds
@tasks
def test_numbers_beyond_a_row_are_not_read(settings, task):
    network = of_numbers(task=task, **settings)
    other = draw_numbers()
    for row, length in enumerate(LENGTHS):
        other[row, length:] = np.nan
    assert torch.equal(network(draw_numbers(), LENGTHS), network(other, LENGTHS))
    network(other, LENGTHS).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters())


def test_a_stacked_tagger_is_torchs_own_modules():
    network = of_numbers(recurrence="rnn", num_layers=2)
    rnn, linear = torch.nn.RNN(3, 17, num_layers=2, batch_first=True), torch.nn.Linear(17, OUTPUTS)
    rnn.load_state_dict(network.layers.state_dict())
    linear.load_state_dict(network.head.state_dict())
    numbers = torch.tensor(draw_numbers())
    torch.testing.assert_close(network(numbers, np.full(6, 9)), linear(rnn(numbers)[0]), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "scale"), [("auto", 1 / OUTPUTS), ("mse", 1 / OUTPUTS), ("half_squares", None)]
)
def test_the_loss_of_numbers_is_of_valid_steps_alone(loss, scale):
    network = of_numbers(loss=loss)
    targets = np.random.default_rng(1).normal(size=(6, 9, OUTPUTS))
    answers = network(draw_numbers(), LENGTHS).detach().numpy()
    weights = np.array([1, 2, 0, 1, 1, 3], np.float32)
    rows = [((answers[b, :n] - targets[b, :n]) ** 2).sum() for b, n in enumerate(LENGTHS)]
    count = (weights * LENGTHS).sum() / scale if scale else 2 * weights.sum()
    found = network.loss(batch_of(draw_numbers(), targets, weights)).item()
    assert found == pytest.approx((weights * rows).sum() / count, rel=1e-5)


def test_double_precision_is_kept_to_the_end():
    network = of_numbers().double()
    answers, state = network.run(draw_numbers(), LENGTHS)
    assert {answers.dtype, state.dtype} == {torch.float64}
    assert network.tensors()["head.bias"].dtype == np.float32


def test_numbers_of_another_width_are_refused():
    for bad in (draw_numbers(2), draw_numbers()[..., 0]):
        with pytest.raises(UsageError, match=r"the network reads \(B, T, 3\)") as caught:
            of_numbers()(bad, LENGTHS)
        assert caught.value.code == "E164"


def test_a_first_state_of_another_shape_is_refused():
    tensors = of_numbers().tensors()
    for state in (np.zeros((1, 6, 16)), (np.zeros((1, 6, 17)),) * 2):
        with pytest.raises(UsageError, match=r"the first state must be h of shape \(1, 6, 17\)") as caught:
            of_numbers().run(draw_numbers(), LENGTHS, state)
        assert caught.value.code == "E165"
        with pytest.raises(UsageError, match=r"the first state must be h of shape \(1, 6, 17\)") as caught:
            kernels.run(SMALL, tensors, draw_numbers(), LENGTHS, state, task="tag")
        assert caught.value.code == "E165"


def test_what_does_not_go_together_is_refused():
    with pytest.raises(UsageError, match="there is no task 'draw'"):
        of_numbers(task="draw")
    with pytest.raises(UsageError, match="the cell sine answers itself, so it makes one layer"):
        of_numbers(recurrence="sine", num_layers=2)
    with pytest.raises(UsageError, match="pooling = max has no meaning here"):
        of_numbers(pooling="max")
    with pytest.raises(UsageError, match="cannot learn with mse"):
        of_numbers(task="classify", loss="mse")
    with pytest.raises(UsageError, match="class weights have no meaning here"):
        Network(NetworkSettings(), (), 4, features=3, task="tag", class_weights=np.ones(4))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"recurrence": "grru"}, "there is no recurrence 'grru'"),
        ({"pooling": "median"}, "pooling must be one of last, mean, max"),
        ({"dropout": 1.5}, "dropout must be at least 0 and at most 0.95, not 1.5"),
        ({"hidden_size": 0}, "hidden_size must be at least 1, not 0"),
        ({"num_layers": "2"}, "num_layers must be a whole number, not '2'"),
        ({"first_weights": "zeros"}, "first_weights must be one of uniform, orthogonal"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        make(replace(SMALL, **settings))


def test_ids_of_another_width_are_refused():
    with pytest.raises(
        UsageError, match=r"the input has shape \(6, 9, 2\), the network reads \(B, T, 3\)"
    ) as caught:
        make()(draw_ids()[..., :2], LENGTHS)
    assert caught.value.code == "E164"


def test_the_same_seed_gives_the_same_network_in_a_fresh_process():
    code = (
        "import torch, hashlib; torch.set_num_threads(1); torch.manual_seed(0);"
        "from elman.nn import Network, NetworkSettings;"
        "t = Network(NetworkSettings(hidden_size=17, embedding_size=9), (11, 7, 5), 4).tensors();"
        "print(hashlib.sha256(b''.join(t[n].tobytes() for n in sorted(t))).hexdigest())"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True
        ).stdout
        for _ in range(2)
    }
    assert len(runs) == 1


ONE_HOT = NetworkSettings(symbols="one-hot", hidden_size=6, dropout=0.0)


@pytest.mark.parametrize("settings", [replace(ONE_HOT, recurrence="names"), ONE_HOT])
def test_the_twin_agrees_on_one_hot_symbols(settings):
    torch.manual_seed(0)
    network, ids = Network(settings, (11,), OUTPUTS), draw_ids()[..., 0]
    assert list(network.tensors()) == list(kernels.tensor_shapes(settings, (11,), OUTPUTS))
    assert not network.embedding
    ours = kernels.forward(settings, network.tensors(), ids, LENGTHS, sizes=(11,))
    theirs = network(ids, LENGTHS).detach().numpy()
    assert np.all(np.abs(ours - theirs) <= 1e-5 * np.maximum(1, np.abs(theirs)))


def test_one_hot_symbols_are_what_a_network_of_numbers_reads():
    torch.manual_seed(0)
    letters = Network(ONE_HOT, (11,), OUTPUTS).eval()
    numbers = Network(replace(ONE_HOT, symbols="embedding"), (), OUTPUTS, features=10).eval()
    numbers.load_tensors(letters.tensors())
    ids = draw_ids()[..., 0]
    assert (ids == 0).any()
    assert torch.equal(letters(ids, LENGTHS), numbers(np.eye(11, dtype=np.float32)[ids][..., 1:], LENGTHS))


def test_one_hot_symbols_are_one_column():
    with pytest.raises(UsageError, match="one-hot symbols are one column of ids, not 3") as caught:
        make(ONE_HOT)
    assert caught.value.code == "E171"
