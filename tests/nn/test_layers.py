"""RNN, LSTM, GRU beside torch.nn's own: the same weights, the same numbers, and lengths= beside packing."""

import copy
import inspect
import itertools
import pickle

import numpy as np
import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from elman import nn
from elman.cells import Sine
from elman.errors import UsageError
from elman.nn import GRU, LSTM, RNN, Recurrent

torch.set_num_threads(1)
KINDS = {"RNN": {}, "LSTM": {}, "GRU": {}, "relu": {"nonlinearity": "relu"}}
SHAPES = [
    {"num_layers": layers, "bidirectional": both, "bias": bias, "batch_first": first}
    for layers, both, bias, first in itertools.product([1, 2, 3], [False, True], [False, True], [False, True])
]
LENGTHS = [5, 2, 4, 1]


def pair(kind, size=3, hidden=7, **options):
    """Ours and torch's with the same weights."""
    name = "RNN" if kind == "relu" else kind
    options = {**KINDS[kind], **options}
    torch.manual_seed(3)
    theirs = getattr(torch.nn, name)(size, hidden, **options)
    ours = getattr(nn, name)(size, hidden, **options)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def draw_input(options, steps=5, batch=4, size=3):
    shape = (batch, steps, size) if options.get("batch_first") else (steps, batch, size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def draw_state(ours, batch=4):
    ways = 2 if ours.bidirectional else 1
    draw = torch.Generator().manual_seed(1)
    states = [
        torch.randn(ours.num_layers * ways, batch, ours.hidden_size, generator=draw)
        for _ in ours.cell.state_names
    ]
    return tuple(states) if len(states) > 1 else states[0]


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def all_equal(ours, theirs, bound):
    for a, b in zip([ours[0], *parts(ours[1])], [theirs[0], *parts(theirs[1])], strict=True):
        torch.testing.assert_close(a, b, rtol=bound, atol=bound)


layers = pytest.mark.parametrize("kind", KINDS)


@layers
@pytest.mark.parametrize("with_state", [False, True])
def test_dense_numbers_and_gradients_are_torchs(kind, with_state):
    for options in SHAPES:
        ours, theirs = pair(kind, **options)
        x = draw_input(options)
        state = draw_state(ours) if with_state else None
        a, b = ours(x, state), theirs(x, state)
        all_equal(a, b, 1e-6)
        a[0].square().sum().backward()
        b[0].square().sum().backward()
        for (name, p), (other, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
            assert name == other
            torch.testing.assert_close(p.grad, q.grad, rtol=1e-4, atol=1e-5)


@layers
@pytest.mark.parametrize(
    "lengths", [LENGTHS, np.array(LENGTHS), torch.tensor(LENGTHS, dtype=torch.int32)], ids=type
)
def test_lengths_give_what_packing_gives(kind, lengths):
    for options in SHAPES:
        ours, theirs = pair(kind, **options)
        x, state = draw_input(options), draw_state(ours)
        first = {"batch_first": options["batch_first"]}
        packed = pack_padded_sequence(x, torch.tensor(LENGTHS), enforce_sorted=False, **first)
        outputs, final = theirs(packed, state)
        all_equal(ours(x, state, lengths), (pad_packed_sequence(outputs, **first)[0], final), 1e-5)


@layers
def test_a_row_of_length_0_keeps_its_state_and_outputs_nought(kind):
    ours, _ = pair(kind, num_layers=2, bidirectional=True)
    state = draw_state(ours)
    outputs, final = ours(draw_input({}), state, lengths=[5, 0, 4, 0])
    assert torch.equal(outputs[:, 1], torch.zeros(5, 14))
    for a, b in zip(parts(final), parts(state), strict=True):
        assert torch.equal(a[:, [1, 3]], b[:, [1, 3]])


@layers
def test_not_even_nan_in_the_padding_reaches_anything(kind):
    ours, _ = pair(kind, num_layers=2, bidirectional=True)
    results = []
    for garbage in (0.0, float("nan"), float("inf")):
        x = draw_input({})
        for row, length in enumerate(LENGTHS):
            x[length:, row] = garbage
        x.requires_grad_()
        outputs, final = ours(x, lengths=LENGTHS)
        loss = outputs.square().sum() + parts(final)[-1].sum()
        results.append([outputs, *parts(final), *torch.autograd.grad(loss, [x, *ours.parameters()])])
    for same in zip(*results, strict=True):
        assert torch.equal(same[0], same[1])
        assert torch.equal(same[0], same[2])


@layers
def test_one_row_without_a_batch_axis(kind):
    ours, theirs = pair(kind, num_layers=2, bidirectional=True)
    x = draw_input({})[:, 0]
    all_equal(ours(x), theirs(x), 1e-6)
    state = draw_state(ours, batch=1)
    one = tuple(s[:, 0] for s in state) if isinstance(state, tuple) else state[:, 0]
    all_equal(ours(x, one), theirs(x, one), 1e-6)


@layers
def test_the_same_seed_gives_the_same_first_weights(kind):
    name = "RNN" if kind == "relu" else kind
    for options in SHAPES:
        torch.manual_seed(7)
        theirs = getattr(torch.nn, name)(3, 7, **options).state_dict()
        torch.manual_seed(7)
        ours = getattr(nn, name)(3, 7, **options).state_dict()
        assert list(ours) == list(theirs)
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


@layers
def test_weights_go_both_ways(kind):
    ours, theirs = pair(kind, num_layers=2, bidirectional=True)
    ours.reset_parameters()
    theirs.load_state_dict(ours.state_dict())
    all_equal(ours(draw_input({})), theirs(draw_input({})), 1e-6)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(RNN, torch.nn.RNN), (LSTM, torch.nn.LSTM), (GRU, torch.nn.GRU)]
)
def test_the_arguments_and_defaults_are_torchs(ours, theirs):
    known = {"batch_first": False, "bias": True, "bidirectional": False, "dropout": 0.0, "num_layers": 1}
    given = {name: p.default for name, p in inspect.signature(ours).parameters.items()}
    assert known.items() <= given.items()
    a, b = ours(3, 7, 2), theirs(3, 7, 2)
    assert repr(a) == repr(b)
    for name in known:
        assert getattr(a, name) == getattr(b, name)


def test_nonlinearity_is_torchs_fourth_argument():
    assert RNN(3, 7, 1, "relu").nonlinearity == "relu"
    with pytest.raises(UsageError, match="nonlinearity must be one of"):
        RNN(3, 7, 1, "sin")


def test_dropout_stands_between_layers_and_only_while_learning():
    ours, theirs = pair("GRU", num_layers=2, dropout=0.5)
    x = draw_input({})
    all_equal(ours.eval()(x), theirs.eval()(x), 1e-6)
    ours.train()
    first, second = ours(x)[1], ours(x)[1]
    assert torch.equal(first[0], second[0])  # the layer below is untouched
    assert not torch.equal(first[1], second[1])


def test_everything_dropped_leaves_the_upper_layer_nothing_to_read():
    ours, _ = pair("RNN", num_layers=2, dropout=1.0)
    a, b = draw_input({}), 2 * draw_input({})
    assert torch.equal(ours(a)[0], ours(b)[0])


def test_dropout_on_one_layer_is_said_to_do_nothing():
    with pytest.warns(UserWarning, match="there is only one"):
        GRU(3, 7, dropout=0.5)


def test_ones_own_cell_runs_as_a_layer():
    torch.manual_seed(0)
    layer = Recurrent(Sine(7), 3)
    assert {name: tuple(p.shape) for name, p in layer.named_parameters()} == {
        "w1_l0": (10, 7),
        "w2_l0": (7, 7),
    }
    x = draw_input({})
    outputs, final = layer(x, lengths=LENGTHS)
    c = torch.zeros(1, 7)
    for t in range(2):
        c = torch.tanh(torch.cat([x[t, 1:2], c], -1) @ layer.w1_l0)
    torch.testing.assert_close(outputs[1, 1:2], c @ layer.w2_l0)
    torch.testing.assert_close(final[0, 1:2], c)


def test_torchs_seed_rules_a_cells_own_first_weights():
    def draw(seed):
        torch.manual_seed(seed)
        return Recurrent(Sine(7), 3).w1_l0

    assert torch.equal(draw(5), draw(5))
    assert not torch.equal(draw(5), draw(6))


@layers
def test_copies_and_pickles_keep_the_weights(kind):
    ours, _ = pair(kind)
    x = draw_input({})
    for twin in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        all_equal(twin(x), ours(x), 0)


def test_float64_and_moving_it():
    ours, theirs = pair("LSTM", num_layers=2)
    x = draw_input({}).double()
    all_equal(ours.double()(x), theirs.double()(x), 1e-12)


def test_code_for_torch_that_flattens_still_runs():
    GRU(3, 7).flatten_parameters()


X = torch.zeros(5, 4, 3)


@pytest.mark.parametrize(
    ("call", "code", "message"),
    [
        (
            lambda: GRU(3, 7)(pack_padded_sequence(X, [5, 5, 5, 5]), lengths=[5, 5, 5, 5]),
            "E166",
            "a PackedSequence has its lengths already",
        ),
        (lambda: GRU(3, 7)(torch.zeros(5, 4, 2)), "E165", "the input has 2 features, the layer takes 3"),
        (lambda: GRU(3, 7)(torch.zeros(5)), "E165", "the input must have 2 or 3 dimensions, not 1"),
        (
            lambda: GRU(3, 7)(X, torch.zeros(1, 3, 7)),
            "E165",
            r"must be h of shape \(1, 4, 7\) each, not \(1, 3, 7\)",
        ),
        (lambda: LSTM(3, 7)(X, torch.zeros(1, 4, 7)), "E165", r"must be h and c of shape \(1, 4, 7\) each"),
        (lambda: GRU(3, 7)(X, lengths=[1, 2]), "E163", "lengths must be 4 whole numbers, one for each row"),
        (lambda: GRU(3, 7)(X, lengths=[1.0, 2, 3, 4]), "E163", "lengths must be 4 whole numbers"),
        (
            lambda: GRU(3, 7)(X, lengths=[1, 2, 3, 6]),
            "E163",
            "between 0 and 5, the number of steps; they run from 1 to 6",
        ),
        (lambda: GRU(0, 7), "E110", "input_size must be a whole number of at least 1, not 0"),
        (lambda: GRU(3, 0), "E110", "hidden_size must be a whole number of at least 1, not 0"),
        (lambda: GRU(3, 7, 0), "E110", "num_layers must be a whole number of at least 1, not 0"),
        (lambda: GRU(3, 7, 2, dropout=1.5), "E111", "dropout must be at least 0 and at most 1, not 1.5"),
        (
            lambda: LSTM(3, 8, proj_size=8),
            "E111",
            "proj_size must be at least 0 and less than hidden_size, 8",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(call, code, message):
    with pytest.raises(UsageError, match=message) as caught:
        call()
    assert caught.value.code == code
