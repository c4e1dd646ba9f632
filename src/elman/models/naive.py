"""Forecasts that need no network: a period ago, and autoregression by least squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

LONGEST_PERIOD = 400
LEAST_CORRELATION = 0.3
MOST_ORDER = 24


def find_period(series: list[Values]) -> int:
    """Find the lag at which the first values are most alike (mean autocorrelation); 1 for none."""
    longest = max((len(values) for values in series), default=0)
    most = min(LONGEST_PERIOD, longest // 3)
    if most < 2:
        return 1
    total, weight = np.zeros(most + 1), 0.0
    for values in series:
        found = _autocorrelation(values[:, 0], most)
        if found is not None:
            total, weight = total + len(values) * found, weight + len(values)
    if not weight:
        return 1
    shares = total / weight
    peaks = [k for k in range(2, most) if shares[k] >= shares[k - 1] and shares[k] >= shares[k + 1]]
    best = max(peaks, key=lambda k: shares[k], default=1)
    return best if best > 1 and shares[best] > LEAST_CORRELATION else 1


def _autocorrelation(values: Values, most: int) -> Values | None:
    """Correlation of a series, its straight line taken away, with itself ``k`` steps ago: (most + 1,)."""
    if len(values) < 3 * most:
        return None
    t = np.arange(len(values))
    rest = values - np.polyval(np.polyfit(t, values, 1), t)
    power = np.abs(np.fft.rfft(rest, 2 * len(rest))) ** 2
    sums = np.fft.irfft(power)[: most + 1]
    found: Values | None = sums / sums[0] if sums[0] > 1e-12 * len(rest) else None
    return found


def seasonal(values: Values, period: int) -> Values:
    """Say at every step the value one period before the next: (T, D) -> (T - 1, D); NaN at first."""
    said = np.full((len(values) - 1, values.shape[1]), np.nan)
    said[period - 1 :] = values[: len(values) - period]
    return said


@dataclass(frozen=True)
class Autoregression:
    """y_t = c + Σ_i a_i y_{t-i}, each feature by itself; coefficients (D, order + 1), c last."""

    order: int
    coefficients: Values

    def next_values(self, values: Values) -> Values:
        """Say the next value after every step: (T, D), NaN where the series is still too short."""
        said = np.full(values.shape, np.nan)
        for d, row in enumerate(self.coefficients):
            lagged = _lagged(values[:, d], self.order)
            said[self.order - 1 :, d] = lagged @ row
        return said


def fit_ar(series: list[Values], most: int = MOST_ORDER) -> Autoregression | None:
    """Fit by least squares over all series, the order by AIC; None if the series are too short."""
    longest = max((len(values) for values in series), default=0)
    fits = [(_aic(series, order), order) for order in range(1, min(most, longest // 4) + 1)]
    fits = [(score, order) for score, order in fits if np.isfinite(score)]
    if not fits:
        return None
    order = min(fits)[1]
    pairs = [_solve(series, d, order) for d in range(series[0].shape[1])]
    return Autoregression(order, np.stack([coefficients for coefficients, _, _ in pairs]))


def _aic(series: list[Values], order: int) -> float:
    total = 0.0
    for d in range(series[0].shape[1]):
        _, squares, count = _solve(series, d, order)
        if count <= order + 1:
            return float("inf")
        total += np.log(max(squares / count, 1e-300)) + 2 / count * (order + 1)
    return float(total)


def _solve(series: list[Values], d: int, order: int) -> tuple[Values, float, int]:
    """Coefficients, sum of squares, and how many equations there are."""
    parts = [(_lagged(v[:-1, d], order), v[order:, d]) for v in series if len(v) > order]
    if not parts:
        return np.zeros(order + 1), 0.0, 0
    A, y = (np.concatenate(part) for part in zip(*parts, strict=True))
    coefficients = np.linalg.lstsq(A, y, rcond=None)[0]
    return coefficients, float(((y - A @ coefficients) ** 2).sum()), len(y)


def _lagged(values: Values, order: int) -> Values:
    """Rows (y_t, y_{t-1}, ..., 1) for every t that has ``order`` values: (T - order + 1, order + 1)."""
    steps = len(values) - order + 1
    if steps < 1:
        return np.zeros((0, order + 1))
    windows = np.lib.stride_tricks.sliding_window_view(values, order)[:, ::-1]
    return np.concatenate([windows, np.ones((steps, 1))], axis=1)
