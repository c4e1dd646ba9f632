"""kill -9 while streaming, a hundred times: the stream goes on with the same bits."""

from __future__ import annotations

import numpy as np
import pytest

from tests.cli.streaming import killed, stream
from tests.models.made import make


@pytest.mark.slow
def test_a_stream_that_is_killed_a_hundred_times_goes_on_with_the_same_bits(tmp_path):
    model = tmp_path / "m.safetensors"
    make("forecast", recurrence="lstm", num_layers=2, hidden_size=16).save(model)
    numbers = np.random.default_rng(0).normal(4, 2, 3000)
    lines = ["oops" if n % 100 == 7 else repr(float(value)) for n, value in enumerate(numbers)]
    whole = stream("".join(line + "\n" for line in lines), model).stdout.decode().splitlines()
    answers = killed(lines, model, tmp_path, times=100, seed=1)
    assert [answers[n + 1] for n in range(len(lines))] == whole
