"""Loss and gradients without torch's graph: beside the network's own, and who is left to it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from elman.data.batch import Batch
from elman.errors import UsageError
from elman.kernels import native, set_threads
from elman.nn.chunks import Carry, Chunk
from elman.nn.network import Network
from elman.nn.settings import NetworkSettings

pytestmark = pytest.mark.skipif(native.compiled.module is None, reason="there is no compiled module here")
SIZES, CLASSES = (30, 1500, 1500), 5


def network(cls=Network, sizes=SIZES, class_weights=None, **more) -> Network:
    torch.manual_seed(0)
    given = {"ngrams": len(sizes), "hidden_size": 24, "embedding_size": 20, **more}
    return cls(NetworkSettings(**given), sizes, CLASSES, class_weights=class_weights).train()


def batch(B=7, T=9, least=1, weights=None, sizes=SIZES) -> Batch:
    rng = np.random.default_rng(B + T)
    ids = np.stack([rng.integers(0, size, (B, T)) for size in sizes], axis=-1)
    lengths = rng.integers(least, T + 1, B)
    if weights is not None:
        weights = rng.random(B).astype(np.float32)
    return Batch(ids, rng.integers(0, CLASSES, B), lengths, weights, np.arange(B))


def by_torch(net, rows, seed=5):
    torch.manual_seed(seed)
    loss = net.loss(rows)
    loss.backward()
    found = {name: w.grad.to_dense().clone() for name, w in net.named_parameters()}
    net.zero_grad()
    return loss.item(), found, torch.get_rng_state()


def straight(net, rows, slopes=None, seed=5):
    slopes = slopes or net.slopes()
    torch.manual_seed(seed)
    found = slopes(rows)
    gradients = {}
    for name, w in net.named_parameters():
        if w in found.rows:
            ids, sums = found.rows[w]
            assert len(set(ids.tolist())) == len(ids)
            gradients[name] = torch.zeros_like(w)
            gradients[name].numpy()[ids] = sums
        else:
            gradients[name] = w.grad.clone()
    net.zero_grad()
    return found.loss, gradients, torch.get_rng_state()


def assert_twins(net, rows, slopes=None):
    (loss, wanted, drawn), (mine, found, state) = by_torch(net, rows), straight(net, rows, slopes)
    assert mine == pytest.approx(loss, rel=1e-6)
    assert torch.equal(drawn, state)  # whoever draws next draws the same
    for name, gradient in wanted.items():
        scale = max(gradient.norm().item(), 1e-30)
        assert (found[name] - gradient).norm().item() <= 1e-6 * scale, name


@pytest.mark.parametrize(
    "more",
    [
        {}, {"recurrence": "lstm"}, {"recurrence": "rnn"}, {"recurrence": "rnn", "nonlinearity": "relu"},
        {"num_layers": 2}, {"causal": False}, {"causal": False, "num_layers": 3, "recurrence": "lstm"},
        {"pooling": "last"}, {"pooling": "last+mean+max", "causal": False}, {"pooling": "last+max"},
        {"pooling": "max"}, {"shortcut": 0.0}, {"dropout": 0.0, "num_layers": 2}, {"input_dropout": 0.0},
        {"symbol_dropout": 0.3, "ngram_dropout": 0.0}, {"label_smoothing": 0.1}, {"hidden_size": 8},
        {"sizes": (30,)}, {"hidden_size": 33, "embedding_size": 17},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("least", [0, 1])
def test_it_finds_what_torch_finds(more, least):
    sizes = more.get("sizes", SIZES)
    assert_twins(network(**more), batch(least=least, sizes=sizes))


@pytest.mark.parametrize(("B", "T"), [(1, 1), (1, 6), (3, 1), (128, 20), (64, 9)])
def test_any_number_of_rows_and_steps(B, T):
    assert_twins(network(), batch(B, T))


def test_weights_of_rows_and_classes_count():
    shares = np.array([1, 2, 0.5, 0.1, 3], np.float32)
    assert_twins(network(class_weights=shares, label_smoothing=0.2), batch(weights=True))


def test_rows_that_are_all_empty_have_a_gradient_too():
    rows = batch()
    assert_twins(network(), replace(rows, lengths=np.zeros_like(rows.lengths)))


def test_a_table_that_asks_for_it_gets_its_own_rows_alone():
    net = network()
    slopes = net.slopes()
    for table in net.embedding:
        table.sparse = True
    assert_twins(net, batch(64, 12), slopes)
    rows = slopes(batch(64, 12)).rows
    assert set(rows) == {table.weight for table in net.embedding}
    assert all(0 not in ids for ids, _ in list(rows.values())[1:])  # no group at all


@pytest.mark.parametrize("isa", native.compiled.names()[:-1])
def test_the_bits_depend_on_neither_threads_nor_instructions(isa):
    before, rows = native.compiled.path, batch(300, 20)  # enough numbers to be shared out
    net = network(hidden_size=128, embedding_size=128)
    wanted = straight(net, rows)
    native.use(isa)
    try:
        for threads in (1, 2, 3):
            set_threads(threads)
            loss, found, _ = straight(net, rows)
            assert loss == wanted[0]
            assert all(torch.equal(found[name], gradient) for name, gradient in wanted[1].items())
    finally:
        native.use(before)
        set_threads(None)


def test_whoever_waits_for_a_table_to_be_read_is_told_its_ids():
    net, told, rows = network(sizes=(30,), symbol_dropout=0.0), [], batch(sizes=(30,))
    net.embedding[0].register_forward_pre_hook(lambda table, given: told.append(given[0]))
    net.slopes()(rows)
    own = np.arange(rows.inputs.shape[1]) < rows.lengths[:, None]
    assert sorted(told[0].tolist()) == sorted(rows.inputs[..., 0][own].tolist())


class Own(Network):
    """Somebody's network: its loss may be another."""


def by_numbers():
    return Network(NetworkSettings(), (), 2, features=3, task="regress", loss="mse").train()


def sparse():
    net = network()
    net.embedding[0].sparse = True
    return net


@pytest.mark.parametrize(
    "make",
    [
        lambda: network(Own), by_numbers, sparse, lambda: network().double(),
        lambda: Network(NetworkSettings(ngrams=1, symbols="one-hot"), (30,), 3),
        lambda: Network(NetworkSettings(ngrams=1, symbols="one-hot", recurrence="names"), (30,), 3),
        lambda: Network(NetworkSettings(ngrams=1), (30,), 3, task="tag"),
    ],
)  # fmt: skip
def test_what_asks_for_torchs_graph_is_left_to_it(make):
    assert make().slopes() is None


def test_a_batch_that_asks_for_torchs_graph_is_left_to_it():
    net, rows = network(), batch()
    slopes = net.slopes()
    chunk = Chunk(rows.inputs, rows.targets, rows.lengths, None, Carry(), first=True)
    of_tensors = replace(rows, inputs=torch.from_numpy(rows.inputs))
    ignored = replace(rows, targets=rows.targets - CLASSES)
    too_long = replace(rows, lengths=rows.lengths + 99)
    strided = replace(rows, inputs=np.asfortranarray(rows.inputs))
    for other in (chunk, of_tensors, ignored, too_long, strided):
        assert slopes(other) is None
    with torch.autocast("cpu"):
        assert slopes(rows) is None
    assert slopes(rows) is not None


def parametrize(net):
    nn.utils.parametrizations.spectral_norm(net.layers, "weight_ih_l0")


@pytest.mark.parametrize(
    "change",
    [
        lambda net: net.layers.weight_ih_l0.requires_grad_(False),
        lambda net: net.layers.register_forward_hook(lambda *given: None),
        lambda net: net.head.register_full_backward_hook(lambda *given: None),
        lambda net: net.register_forward_pre_hook(lambda *given: None),
        lambda net: net.head.weight.register_hook(lambda slope: slope * 2),
        parametrize,
        lambda net: net.eval(),
        lambda net: net.double(),
    ],
)
def test_a_network_that_has_changed_is_left_to_torch(change):
    net, rows = network(), batch()
    slopes = net.slopes()
    assert slopes(rows) is not None
    change(net)
    assert slopes(rows) is None


def test_without_the_kernels_torch_does_it():
    before = native.compiled.path
    slopes = network().slopes()
    native.use("numpy")
    try:
        assert slopes(batch()) is None
    finally:
        native.use(before)


def test_wrong_ids_and_classes_are_refused_as_by_the_network():
    rows, net = batch(), network()
    wrong = replace(rows, inputs=rows.inputs + 5000, lengths=rows.lengths)
    for find in (net.loss, net.slopes()):
        with pytest.raises(UsageError, match="an id is not between"):
            find(wrong)
    with pytest.raises(UsageError, match="a class is not between 0 and 4"):
        net.slopes()(replace(rows, targets=rows.targets + CLASSES))
