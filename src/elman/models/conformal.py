"""Intervals around forecasts: split conformal prediction (Vovk et al. 2005; Lei et al. 2018).

A network that did not learn from the last part of each series forecasts it from several origins. How far it
was off there, in order, gives the half width that covers the wanted share of what comes next.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from elman.errors import UsageError
from elman.models.forecasting import Form, Given, Running, Values, forecast
from elman.models.model import Model

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)
REACH = 24
"""Steps ahead for which intervals are found, or the horizon if that is more."""

ORIGINS = 400
"""Most forecasts that are made to find them."""

WARM_UP = 1000
"""Steps that are read before each."""


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
    scale = Running.after(form, given.series).scale()
    width = widths[None, :horizon] * scale[:, None]
    return np.stack([said - width, said + width], axis=-1)
