"""Many rows go through a layer group by group: what each gives is what it gives among few."""

import pytest
import torch

import elman.nn

ROWS, STEPS, UNITS, FEW = 300, 4, 128, 50  # enough rows that a step of all would leave the second cache


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_rows_in_groups_give_what_they_give_among_few(kind, ragged, threads):
    torch.manual_seed(0)
    layer = getattr(elman.nn, kind)(UNITS, UNITS)
    x, slope = torch.randn(2, STEPS, ROWS, UNITS).unbind()
    lengths = torch.randint(0, STEPS + 1, (ROWS,)) if ragged else None
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        whole = _run(layer, x, slope, lengths)
        parts = [
            _run(
                layer,
                x[:, i : i + FEW],
                slope[:, i : i + FEW],
                None if lengths is None else lengths[i : i + FEW],
            )
            for i in range(0, ROWS, FEW)
        ]
    finally:
        torch.set_num_threads(before)
    for n in range(3):  # without gradients, with them, and the gradient of the input
        assert torch.equal(whole[n], torch.cat([part[n] for part in parts], dim=1))
    for weight, *few in zip(whole[3], *(part[3] for part in parts), strict=True):
        torch.testing.assert_close(weight, torch.stack(few).sum(0), rtol=1e-4, atol=1e-3)


def _run(layer, x, slope, lengths):
    with torch.no_grad():
        quick = layer(x, lengths=lengths)[0]
    x = x.clone().requires_grad_()
    layer.zero_grad()
    out, final = layer(x, lengths=lengths)
    (out * slope).sum().backward()
    assert (final[0] if isinstance(final, tuple) else final).shape == (1, x.shape[1], UNITS)
    return quick, out.detach(), x.grad, [weight.grad for weight in layer.parameters()]
