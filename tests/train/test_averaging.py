import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from elman.train.averaging import follow, new_share


def test_the_first_average_is_the_first_weights_and_the_window_fills():
    assert new_share(0.99, 1) == 1
    assert new_share(0.99, 11) == 0.5
    assert new_share(0.99, 10_000) == pytest.approx(0.01)
    assert new_share(0.5, 2) == 10 / 11
    assert new_share(0.5, 11) == new_share(0.5, 12) == 0.5


@given(st.floats(0.01, 0.999), st.lists(st.floats(-10, 10), min_size=1, max_size=60))
def test_the_average_is_the_plain_recurrence(decay, values):
    average, expected = {"weight": torch.tensor([99.0], dtype=torch.float64)}, 99.0
    for update, value in enumerate(values, start=1):
        follow(average, {"weight": torch.tensor([value], dtype=torch.float64)}, decay, update)
        share = max(1 - decay, 10 / (update + 9))
        expected = (1 - share) * expected + share * value
    assert average["weight"].item() == pytest.approx(expected, abs=1e-9)
    assert min(values) - 1e-9 <= average["weight"].item() <= max(values) + 1e-9


def test_counters_are_copied_and_the_average_keeps_its_place():
    average = {"weight": torch.zeros(2), "count": torch.tensor(0)}
    kept = average["weight"]
    follow(average, {"weight": torch.tensor([2.0, 4.0]), "count": torch.tensor(7)}, 0.5, 30)
    assert average["weight"] is kept
    assert kept.tolist() == [1.0, 2.0]
    assert average["count"].item() == 7
