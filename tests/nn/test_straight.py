"""The shortest way through a layer gives what the careful way gives, and takes nothing that it may not."""

import pytest
import torch
from torch import nn as theirs

import elman.nn
from elman.errors import UsageError
from elman.kernels.native import compiled
from elman.nn import function
from tests.marks import needs_kernels

KINDS = ("RNN", "LSTM", "GRU")


def run(layer, x, hx=None):
    """Outputs, final states, and every gradient of a weighted sum of both."""
    layer.zero_grad()
    x = x.detach().requires_grad_(x.is_floating_point())
    out, final = layer(x, hx)
    states = final if isinstance(final, tuple) else (final,)
    weights = torch.linspace(-1, 1, out.numel()).view_as(out)
    ((out * weights).sum() + sum(s.square().sum() for s in states)).backward()
    return [out, *states, *([x.grad] if x.grad is not None else []), *(p.grad for p in layer.parameters())]


def states_of(kind, *shape):
    h, c = torch.randn(shape), torch.randn(shape)
    return (h, c) if kind == "LSTM" else h


@needs_kernels
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize(("T", "B", "D", "H"), [(0, 2, 3, 5), (1, 1, 1, 1), (5, 3, 7, 17), (9, 2, 33, 32)])
def test_each_door_gives_the_same_bits(kind, bias, given, batch_first, T, B, D, H, monkeypatch):
    torch.manual_seed(0)
    layer = getattr(elman.nn, kind)(D, H, bias=bias, batch_first=batch_first)
    x, hx = (
        torch.randn(B, T, D) if batch_first else torch.randn(T, B, D),
        states_of(kind, 1, B, H) if given else None,
    )
    straight = run(layer, x, hx)
    monkeypatch.setattr(function, "TENSORS", False)
    for a, b in zip(straight, run(layer, x, hx), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


@needs_kernels
@pytest.mark.skipif(not function.TENSORS, reason="this torch has no exchange table")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_first", [True, False])
def test_the_plain_call_goes_straight(kind, batch_first, monkeypatch):
    layer, taken = getattr(elman.nn, kind)(3, 5, batch_first=batch_first), []
    straight = function.straight
    monkeypatch.setattr(elman.nn.layers, "straight", lambda *a: taken.append(straight(*a)) or taken[-1])
    layer(torch.randn(4, 2, 3))
    layer(torch.randn(4, 2, 3), states_of(kind, 1, 4 if batch_first else 2, 5))
    layer(torch.randint(3, (4, 2)))
    assert len(taken) == 3
    assert all(found is not None for found in taken)


CAREFUL = {
    "not in one piece": lambda x: torch.randn(2, 4, 3).transpose(0, 1),
    "a subclass": lambda x: x.as_subclass(type("Own", (torch.Tensor,), {})),
    "one row": lambda x: x[:, 0],
    "double": lambda x: x.double(),
    "another width": lambda x: torch.randn(4, 2, 2),
    "whole numbers of 32 bits": lambda x: torch.zeros(4, 2, dtype=torch.int32),
    "on no device": lambda x: x.to("meta"),
    "sparse": lambda x: x.to_sparse(),
    "a list": lambda x: x.tolist(),
}


@needs_kernels
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CAREFUL)
def test_what_asks_for_care_is_not_taken(kind, case):
    layer = getattr(elman.nn, kind)(3, 5)
    weights = tuple(layer.parameters())
    assert (
        function.straight((CAREFUL[case](torch.randn(4, 2, 3)), *weights, None, None, None), layer._straight)
        is None
    )


@needs_kernels
@pytest.mark.parametrize("kind", KINDS)
def test_wrong_states_and_weights_are_not_taken(kind):
    layer, x = getattr(elman.nn, kind)(3, 5), torch.randn(4, 2, 3)
    w_ih, w_hh, b_ih, b_hh = layer.parameters()
    wrong = {
        "a state without its axis": (w_ih, w_hh, b_ih, b_hh, torch.zeros(2, 5), None),
        "c alone": (w_ih, w_hh, b_ih, b_hh, None, torch.zeros(1, 2, 5)),
        "another batch": (w_ih, w_hh, b_ih, b_hh, torch.zeros(1, 3, 5), torch.zeros(1, 3, 5)),
        "a missing weight": (w_ih, None, b_ih, b_hh, None, None),
        "weights of another size": (w_ih[1:], w_hh, b_ih, b_hh, None, None),
        "a short bias": (w_ih, w_hh, b_ih[1:], b_hh, None, None),
    }
    for name, given in wrong.items():
        assert function.straight((x, *given, None), layer._straight) is None, name
    with pytest.raises(UsageError, match="the first state must be"):
        layer(x, states_of(kind, 2, 5))


@needs_kernels
@pytest.mark.parametrize("kind", KINDS)
def test_a_symbol_out_of_range_is_refused_in_a_sentence(kind):
    with pytest.raises(UsageError, match="the symbol 3 is not between 0 and 2"):
        getattr(elman.nn, kind)(3, 5)(torch.tensor([[0], [3]]))


@needs_kernels
def test_a_type_without_the_table_is_left_alone():
    assert compiled.module.open_tensors(int, float) is False
    assert compiled.module.open_tensors(torch.Tensor, theirs.Parameter) == function.TENSORS


@needs_kernels
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given", [True, False])
def test_a_cell_steps_as_its_layer_does(kind, given):
    torch.manual_seed(0)
    layer, cell = getattr(elman.nn, kind)(3, 5), getattr(elman.nn, kind + "Cell")(3, 5)
    cell.load_state_dict({name.removesuffix("_l0"): w for name, w in layer.state_dict().items()})
    x, hx = torch.randn(2, 3), states_of(kind, 2, 5) if given else None
    lifted = None if hx is None else tuple(a[None] for a in hx) if isinstance(hx, tuple) else hx[None]
    after, final = cell(x, hx), layer(x[None], lifted)[1]
    pairs = zip(after, final, strict=True) if isinstance(after, tuple) else [(after, final)]
    for a, b in pairs:
        torch.testing.assert_close(a, b.squeeze(0), rtol=0, atol=0)


@needs_kernels
def test_small_calls_on_narrower_vectors_give_the_same_bits():
    """Unnamed, a small call may run on AVX2; by name it runs on what was named."""
    torch.manual_seed(0)
    layer, x = elman.nn.GRU(8, 8), torch.randn(20, 1, 8)
    by_itself = run(layer, x)
    for name in compiled.names()[:-1]:
        with elman.kernels.native.chosen_for_now(name):
            assert compiled.path == name
            for a, b in zip(by_itself, run(layer, x), strict=True):
                torch.testing.assert_close(a, b, rtol=0, atol=0)
