"""A setting of a wrong type or size is refused with its own sentence; one that fits is let through."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from elman.errors import UsageError
from elman.settings import check_settings, setting, settings_of


@dataclass(kw_only=True)
class Some:
    units: int = setting(3, "Units in each layer.", least=1, most=9)
    rate: float | None = setting(0.1, "Size of a step.", above=0)
    kind: str = setting("tanh", "What squashes.", choices=("tanh", "relu"))
    both: bool = setting(False, "Both ways.")
    plain: int = 4


@pytest.mark.parametrize(
    "values",
    [{}, {"units": np.int64(9)}, {"rate": None}, {"rate": 1}, {"kind": "relu"}, {"both": np.bool_(True)}],
)
def test_good_values_pass(values):
    check_settings(Some(**values))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"units": 0}, "units must be at least 1 and at most 9, not 0"),
        ({"units": 2.5}, "units must be a whole number, not 2.5"),
        ({"units": True}, "units must be a whole number, not True"),
        ({"rate": 0.0}, "rate must be above 0, not 0.0"),
        ({"rate": float("inf")}, "rate must be a finite number or None, not inf"),
        ({"rate": "fast"}, "rate must be a finite number or None, not 'fast'"),
        ({"kind": "tang"}, "kind must be one of tanh, relu, not 'tang'; did you mean tanh ?"),
        ({"kind": 7}, "kind must be a text, not 7"),
        ({"both": 1}, "both must be true or false, not 1"),
    ],
)
def test_bad_values_are_refused_in_one_sentence(values, words):
    with pytest.raises(UsageError) as caught:
        check_settings(Some(**values))
    assert words in str(caught.value)


def test_settings_are_the_fields_with_a_sentence():
    assert [item.name for item in settings_of(Some)] == ["units", "rate", "kind", "both"]
