"""Windows over sequences, noise that follows from the seed, and the loss of the last part in time alone."""

from __future__ import annotations

import numpy as np
import torch

from elman.models.examples import Examples
from elman.models.series import StepExamples, TimeExamples, windows
from elman.nn import Network, NetworkSettings

RAMP = [np.arange(20, dtype=np.float32)[:, None], np.arange(3, dtype=np.float32)[:, None]]


def test_windows_overlap_and_end_with_the_sequence():
    found = windows(RAMP, [r + 1 for r in RAMP], 16)
    assert [w[0, 0] for w in found.sequences] == [0, 2, 4, 0]
    assert [len(w) for w in found.sequences] == [16, 16, 16, 3]
    assert all((t == s + 1).all() for s, t in zip(found.sequences, found.targets, strict=True))
    assert [len(w) for w in windows(RAMP, RAMP, None).sequences] == [20, 3]


def test_noise_is_new_in_every_epoch_and_spares_the_mask():
    both = [np.ones((50, 2), np.float32)]
    lessons = StepExamples(Examples(both, both, None), 1, 0.5)
    rows = np.arange(1)
    one, again, other = (lessons.batches(rows, 1, seed)[0].inputs for seed in [(0, 1), (0, 1), (0, 2)])
    assert (one == again).all()
    assert not (one[..., 0] == other[..., 0]).any()
    assert (one[..., 1] == 1).all()
    assert 0.35 < np.std(one[..., 0]) < 0.65
    assert (lessons.held_batches(rows)[0][0].inputs == 1).all()
    assert (both[0] == 1).all()


def test_what_is_held_out_is_judged_from_the_state_that_the_part_before_it_leaves():
    rng = np.random.default_rng(0)
    series = [rng.normal(size=(n, 1)).astype(np.float32) for n in (30, 12)]
    cuts = [24, 9]
    torch.manual_seed(0)
    network = Network(
        NetworkSettings(recurrence="gru", hidden_size=4, dropout=0.0), (), 1, features=1, task="tag"
    )
    read, said = [s[:-1] for s in series], [s[1:] for s in series]
    lessons = TimeExamples(StepExamples(Examples(series, series, None), 1, 0.0), read, said, cuts)
    with torch.no_grad():
        found = [(float(network.loss(chunk)), share) for chunk, share in lessons.held_batches(np.arange(2))]
        errors = [
            (network(s[None, :-1], np.array([len(s) - 1]))[0].numpy() - s[1:])[cut:]
            for s, cut in zip(series, cuts, strict=True)
        ]
    assert [share for _, share in found] == [0.0, 7.0]
    np.testing.assert_allclose(found[1][0], (np.concatenate(errors) ** 2).mean(), rtol=1e-5)
