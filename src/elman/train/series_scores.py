"""Scores of forecasts: errors in the values' own units, and relative ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def scores_of(said: Values, truth: Values, usual: Values) -> dict[str, float]:
    """Score answers against the truth, two arrays of one shape.

    Parameters
    ----------
    usual
        Absolute errors of a naive answer on what was learnt, by which ``mase`` measures (Hyndman and Koehler
        2006); ``smape`` is 200 |y - p| / (|y| + |p|) in percent.
    """
    off = np.abs(said - truth)
    naive = float(usual.mean()) if usual.size else 0.0
    mae = float(off.mean())
    return {
        "rmse": float(np.sqrt((off**2).mean())),
        "mae": mae,
        "smape": smape(said, truth),
        "mase": mae / naive if naive else float("nan"),
    }


def smape(said: Values, truth: Values) -> float:
    """Mean of 200 |y - p| / (|y| + |p|), in percent; 0 where both are nought."""
    both = np.abs(said) + np.abs(truth)
    return float((200 * np.abs(said - truth) / np.where(both > 0, both, 1)).mean())
