"""nn.scan: each way of running equals the cell's plain loop in values, final state and every gradient."""

import itertools

import numpy as np
import pytest
import torch

from elman import kernels
from elman.cells import GRU, LSTM, RNN, Sine, draw_parameters
from elman.nn.scan import FUSED, mirror, scan

torch.set_num_threads(1)
VARIANTS = [
    RNN(1),
    RNN(1, nonlinearity="relu"),
    LSTM(1),
    GRU(1),
    LSTM(1, bias=False),
    GRU(1, bias=False),
]
STEPS = [0, 1, 2, 20]
AWKWARD = list(itertools.product([1, 7, 17], [1, 3, 13]))  # (hidden, batch)


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def draw_case(cell, hidden, batch, steps, dtype, size=3):
    """Leaves that want gradients: inputs, states, params; and ragged lengths with a nought among them."""
    rng = np.random.default_rng(hidden + 100 * batch + 10_000 * steps)
    cell = type(cell)(
        hidden, **{name: getattr(cell, name) for name in ("nonlinearity", "bias") if hasattr(cell, name)}
    )
    lengths = rng.integers(0, steps + 1, batch)
    lengths[0], lengths[-1] = steps, steps if batch == 1 else 0

    def leaf(array):
        return torch.tensor(np.asarray(array, np.float32), dtype=dtype, requires_grad=True)

    inputs = leaf(rng.normal(size=(steps, batch, size)))
    states = [leaf(rng.normal(size=(batch, hidden))) for _ in cell.state_names]
    params = {name: leaf(p) for name, p in draw_parameters(cell, size, 2, rng).items()}
    return cell, inputs, states, params, torch.tensor(lengths)


def plain(cell, inputs, lengths, params, state, reverse):
    """The contract read row by row, in torch: outputs (T, B, H) and the final states."""
    outputs, finals = [], []
    for b in range(inputs.shape[1]):
        length = len(inputs) if lengths is None else int(lengths[b])
        row = tuple(a[b : b + 1] for a in parts(state))
        row = row if len(row) > 1 else row[0]
        ran = []
        for t in reversed(range(length)) if reverse else range(length):
            output, row = cell.step(inputs[t, b : b + 1], row, params)
            ran.append(output)
        ran = ran[::-1] if reverse else ran
        nought = [inputs.new_zeros(1, cell.hidden_size)] * (len(inputs) - length)
        outputs.append(
            torch.stack([*ran, *nought])[:, 0] if len(inputs) else inputs.new_zeros(0, cell.hidden_size)
        )
        finals.append(parts(row))
    return torch.stack(outputs, 1), [torch.cat(column) for column in zip(*finals, strict=True)]


def everything(run, cell, inputs, lengths, params, states, reverse):
    """Outputs, final states, and the gradient of a fixed random sum of them at every leaf."""
    state = tuple(states) if len(states) > 1 else states[0]
    outputs, final = run(cell, inputs, lengths, params, state, reverse=reverse)
    values = [outputs, *parts(final)]
    rng = np.random.default_rng(1)
    loss = sum((v * torch.tensor(rng.normal(size=v.shape)).to(v)).sum() for v in values)
    leaves = [inputs, *states, *params.values()]
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
    return values, [torch.zeros_like(x) if g is None else g for x, g in zip(leaves, gradients, strict=True)]


def assert_near(ours, exact, bound):
    for a, b in zip(ours, exact, strict=True):
        assert a.shape == b.shape
        assert torch.linalg.vector_norm(a.double() - b.double()) <= bound * max(
            1.0, torch.linalg.vector_norm(b.double())
        )


def plain_run(cell, inputs, lengths, params, state, *, reverse):
    outputs, final = plain(cell, inputs, lengths, params, state, reverse)
    return outputs, tuple(final)


@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("cell", VARIANTS, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_values_and_gradients_equal_the_plain_loop(cell, steps, reverse, ragged, dtype):
    for hidden, batch in AWKWARD if steps < 20 else [(7, 3), (17, 13)]:
        case, inputs, states, params, lengths = draw_case(cell, hidden, batch, steps, dtype)
        lengths = lengths if ragged else None
        ours = everything(scan, case, inputs, lengths, params, states, reverse)
        exact = [x.detach().double().requires_grad_() for x in (inputs, *states, *params.values())]
        weights = dict(zip(params, exact[1 + len(states) :], strict=True))
        first = exact[1 : 1 + len(states)]
        theirs = everything(plain_run, case, exact[0], lengths, weights, first, reverse)
        bound = 1e-5 if dtype == torch.float32 else 1e-12
        assert_near(ours[0], theirs[0], bound)
        assert_near(ours[1], theirs[1], bound)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", VARIANTS, ids=repr)
def test_it_is_the_twin_of_the_numpy_kernel(cell, reverse):
    case, inputs, states, params, lengths = draw_case(cell, 17, 13, 20, torch.float32)
    state = tuple(states) if len(states) > 1 else states[0]
    with torch.no_grad():
        outputs, final = scan(case, inputs, lengths, params, state, reverse=reverse)
        arrays = {name: p.numpy() for name, p in params.items()}
        first = tuple(s.numpy() for s in states)
        first = first if len(first) > 1 else first[0]
        numpy_outputs, numpy_final = kernels.scan(
            case, inputs.numpy(), lengths.numpy(), arrays, first, reverse=reverse
        )
    np.testing.assert_allclose(outputs.numpy(), numpy_outputs, atol=1e-5)
    for a, b in zip(parts(final), parts(numpy_final), strict=True):
        np.testing.assert_allclose(a.numpy(), b, atol=1e-5)


@pytest.mark.parametrize("cell", [RNN(7), LSTM(7), GRU(7), Sine(7)], ids=repr)
@pytest.mark.parametrize("reverse", [False, True])
def test_what_stands_in_the_padding_reaches_nothing(cell, reverse):
    _, inputs, _, params, _ = draw_case(GRU(1), 7, 3, 4, torch.float32)
    params = {
        n: torch.tensor(p, requires_grad=True)
        for n, p in draw_parameters(cell, 3, 7, np.random.default_rng(0)).items()
    }
    lengths = torch.tensor([4, 2, 0])
    results = []
    for garbage in (0.0, 50.0):
        filled = inputs.detach().clone()
        filled[2:, 1], filled[:, 2] = garbage, garbage
        filled.requires_grad_()
        outputs, final = scan(cell, filled, lengths, params, reverse=reverse)
        loss = outputs.square().sum() + parts(final)[-1].sum()
        results.append([outputs, *parts(final), *torch.autograd.grad(loss, [filled, *params.values()])])
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


@pytest.mark.parametrize("name", ["relu", "identity"])
def test_a_state_that_would_overflow_in_the_padding_does_no_harm(name):
    eye = torch.eye(2)
    params = {"weight_ih": (3 * eye).requires_grad_(), "weight_hh": (3 * eye).requires_grad_()}
    inputs = torch.ones(200, 2, 2)
    outputs, final = scan(RNN(2, name), inputs, torch.tensor([3, 2]), params)
    assert final.tolist() == [[39.0, 39.0], [12.0, 12.0]]
    gradient = torch.autograd.grad(outputs.sum(), params["weight_hh"])[0]
    assert torch.equal(gradient.diagonal(), torch.tensor([27.0, 27.0]))


def test_one_missing_bias_still_runs():
    cell, inputs, states, params, lengths = draw_case(GRU(1), 7, 3, 4, torch.float32)
    nought = {**params, "bias_hh": torch.zeros(21)}
    del params["bias_hh"]
    ours = scan(cell, inputs, lengths, params, states[0])
    theirs = scan(cell, inputs, lengths, nought, states[0])
    torch.testing.assert_close(ours, theirs)


def test_the_first_state_is_nought_if_none_is_given():
    cell, inputs, states, params, lengths = draw_case(LSTM(1), 7, 3, 4, torch.float32)
    nought = tuple(torch.zeros_like(s) for s in states)
    torch.testing.assert_close(
        scan(cell, inputs, lengths, params), scan(cell, inputs, lengths, params, nought)
    )


def test_mirror_turns_each_row_within_its_length_and_undoes_itself():
    rows = torch.arange(8.0).reshape(4, 2, 1)
    turned = mirror(rows, torch.tensor([3, 1]))
    assert turned[..., 0].T.tolist() == [[4, 2, 0, 6], [1, 3, 5, 7]]
    assert torch.equal(mirror(turned, torch.tensor([3, 1])), rows)
    assert mirror(rows, None)[:, 0, 0].tolist() == [6, 4, 2, 0]


def test_every_built_in_cell_has_a_fast_way():
    assert {cell.name for cell in FUSED} == {"rnn", "lstm", "gru"}


def test_float64_takes_the_plain_way_to_the_last_bit():
    cell, inputs, states, params, _ = draw_case(GRU(1), 7, 3, 4, torch.float64)
    outputs, final = scan(cell, inputs, None, params, states[0])
    h = states[0]
    for t in range(4):
        _, h = cell.step(inputs[t], h, params)
        assert torch.equal(outputs[t], h)
    assert torch.equal(final, h)
