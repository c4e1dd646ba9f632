"""What a forecaster's form does around its network, as nodes: values relative to their own series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from elman.models.forecasting import Form
from elman.models.onnx_layers import Steps
from elman.models.onnx_symbols import Symbol, concatenate, where

if TYPE_CHECKING:
    from elman.models.onnx_ports import Graph


class SeriesNodes:
    """The inputs of a forecaster; ``readings`` and ``in_units`` are ``forecasting``'s own, as nodes.

    Its states are float64 (1, B, D): ``last``, the value before; or ``size``, the sum of the values' sizes so
    far; and ``seen``, how many there were.
    """

    def __init__(self, graph: Graph, form: Form) -> None:
        self.graph, self.form = graph, form
        self.values = graph.timed("numbers", np.float64, form.values)
        self.past = graph.timed("past", np.float64, form.past) if form.past else None
        ahead = form.horizon if graph.step else "T+H-1"
        self.known = graph.timed("known", np.float64, form.known, ahead) if form.known else None
        names = {"last": "last", "scale": "size"}
        self.name = names.get(form.normalise)
        if self.name is not None:
            self.before = graph.state(self.name, 1, form.values, np.float64)
            self.seen = graph.state("seen", 1, 1, np.float64)

    def readings(self, steps: Steps) -> Symbol:
        """What is read at each step: (T, B, width)."""
        parts = [self.values]
        if self.form.normalise == "last":
            parts = [self._changes(steps)]
        if self.form.normalise == "scale":
            parts = [self._shares(steps)]
        parts += [] if self.past is None else [self.past]
        if self.known is not None:
            parts += [self._ahead(self.known, j) for j in range(self.form.horizon)]
        return concatenate(parts, axis=2)

    def in_units(self, said: Symbol) -> Symbol:
        """What is said (T, B, H · D) as values."""
        times = self.form.horizon
        if self.form.normalise == "last":
            said = said + self._repeated(self.values, times)
        if self.form.normalise == "scale":
            said = said * self._repeated(self.scale, times)
        return said

    def _repeated(self, values: Symbol, times: int) -> Symbol:
        return concatenate([values] * times, axis=2)

    def _changes(self, steps: Steps) -> Symbol:
        """Changes from one value to the next; the first has none."""
        first = where(self.seen > 0, self.before, self.values[:1])
        before = concatenate([first, self.values[:-1]], axis=0)
        self._leave(steps, steps.unless_empty(steps.at_end(self.values), self.before))
        changes: Symbol = self.values - before
        return changes

    def _shares(self, steps: Steps) -> Symbol:
        """Values over the mean size so far; 1 where that is nought."""
        sizes, axis = self.values.then("Abs"), self.graph.nodes.constant(0, np.int64)
        total = self.before + sizes.then("CumSum", axis)
        count = self.seen + (1.0 if steps.time is None else (steps.time + 1).cast(np.float64))
        means = total / count
        self.scale = where(means > 0, means, 1)
        self._leave(steps, self.before + steps.total(sizes))
        shares: Symbol = self.values / self.scale
        return shares

    def _leave(self, steps: Steps, after: Symbol) -> None:
        assert self.name is not None
        rows: Any = 1.0 if steps.lengths is None else steps.rows.cast(np.float64)
        self.graph.leave(self.name, [after], 1, self.form.values)
        self.graph.leave("seen", [self.seen + rows], 1, 1)

    def _ahead(self, known: Symbol, by: int) -> Symbol:
        """What is known of the step ``by`` + 1 after each: (T, B, K)."""
        short = self.form.horizon - 1 - by
        return known[by:-short] if short else known[by:]
