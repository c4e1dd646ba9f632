"""Intervals around forecasts: split conformal prediction (Vovk et al. 2005; Lei et al. 2018).

A network that did not learn from the last part of each series forecasts it from several origins. How far it
was off there, in order, gives the half width that covers the wanted share of what comes next.

That holds as long as what comes is like what was held out. A series changes, so its own last forecasts are
asked too: each one that was missed makes its intervals wider, each one that was not a little narrower again,
never narrower than found (the quantile tracker of Angelopoulos, Candès and Tibshirani, *Conformal PID Control
for Time Series Prediction*, 2023, on the logarithm of the width).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from elman.errors import UsageError
from elman.models.forecasting import Form, Given, Running, Values, every_step, forecast, measures
from elman.models.model import Model

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)
REACH = 24
"""Steps ahead for which intervals are found, or the horizon if that is more."""

ORIGINS = 400
"""Most forecasts that are made to find them."""

WARM_UP = 1000
"""Steps that are read before each."""

LOOKED_BACK = 200
"""Last forecasts of a series that are asked whether its intervals held."""

QUICKNESS = 0.05
"""How much wider, in logarithms, a miss makes them: about 5 %."""


def half_widths(model: Model, given: Given, cuts: list[int]) -> list[dict[str, Any]]:
    """Find, for each coverage that the errors suffice for, half widths (J, D) by steps ahead.

    Parameters
    ----------
    cuts
        For each series the last step that the network learnt from.
    """
    form = Form.of(model)
    held = [len(values) - 1 - cut for values, cut in zip(given.series, cuts, strict=True)]
    reach = _reach(form, max(held, default=0))
    places = [
        (row, origin)
        for row, cut in enumerate(cuts)
        if held[row]
        for origin in range(cut, len(given.series[row]) - reach)
    ]
    if reach < 1 or not places:
        return []
    chosen = [places[n] for n in np.unique(np.linspace(0, len(places) - 1, ORIGINS).astype(int))]
    off = np.sort(np.abs(_errors(model, form, given, chosen, reach)), axis=0)
    return [
        {"coverage": level, "widths": off[rank - 1].tolist()}
        for level in LEVELS
        if (rank := math.ceil((len(off) + 1) * level)) <= len(off)
    ]


def _reach(form: Form, held: int) -> int:
    if form.past:
        return form.horizon if held >= form.horizon else 0
    most = max(form.horizon, REACH // form.horizon * form.horizon)
    return (
        min(most, max(form.horizon, held // 2 // form.horizon * form.horizon)) if held >= form.horizon else 0
    )


def _errors(model: Model, form: Form, given: Given, places: list[tuple[int, int]], reach: int) -> Values:
    """How far forecasts from these origins are off, in the size that answers are measured by: (N, J, D)."""
    spans = [(row, max(0, origin + 1 - WARM_UP), origin + 1) for row, origin in places]
    some = Given(
        [given.series[row][first:end] for row, first, end in spans],
        given.known and [given.known[row][first:] for row, first, _ in spans],
        given.past and [given.past[row][first:end] for row, first, end in spans],
    )
    said = forecast(model, some, reach)
    truth = np.stack([given.series[row][end : end + reach] for row, _, end in spans])
    scale = Running.after(form, some.series).scale()
    off: Values = (truth - said) / scale[:, None]
    return off


def interval(model: Model, given: Given, horizon: int, coverage: float) -> Values:
    """Give lower and upper ends for each step ahead: (B, horizon, D, 2)."""
    form, levels = Form.of(model), model.details.get("intervals") or []
    found = next((level for level in levels if level["coverage"] == coverage), None)
    if found is None:
        known = (
            ", ".join(f"{level['coverage']:g}" for level in levels)
            or "none: too little was held out to find them"
        )
        message = f"this model has no intervals of coverage {coverage!r}"
        raise UsageError(message, code="E178", help=f"it has {known}")
    widths = np.array(found["widths"])
    if horizon > len(widths):
        message = f"its intervals reach {len(widths)} steps ahead, not {horizon}"
        raise UsageError(message, code="E178", help=f"horizon = {len(widths)}")
    said = forecast(model, given, horizon)
    wider = Running.after(form, given.series).scale() * widening(
        _lately(model, form, given), widths[0], coverage
    )
    width = widths[None, :horizon] * wider[:, None]
    return np.stack([said - width, said + width], axis=-1)


def widening(off: Values, widths: Values, coverage: float) -> Values:
    """How many times wider (B, D) intervals must be after errors (B, N, D) of one step; NaN: no forecast."""
    wider = np.ones_like(off[:, 0])
    for errors in off.swapaxes(0, 1):
        missed = np.abs(errors) > wider * widths
        moved = np.maximum(1.0, wider * np.exp(QUICKNESS * (missed - (1 - coverage))))
        wider = np.where(np.isnan(errors), wider, moved)
    return wider


def _lately(model: Model, form: Form, given: Given) -> Values:
    """How far each series' last forecasts of one step were off: (B, N, D), NaN before its beginning."""
    found = np.full((len(given.series), LOOKED_BACK, form.values), np.nan)
    for row, (values, said) in enumerate(zip(given.series, every_step(model, given), strict=True)):
        scale = measures(values, form)[2]
        off = ((values[1:] - said[:-1, 0]) / scale[:-1])[-LOOKED_BACK:]
        found[row, LOOKED_BACK - len(off) :] = off
    return found
