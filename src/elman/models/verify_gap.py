"""How far answers lie apart, and where the largest difference is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Answer = NDArray[Any]


@dataclass
class Gap:
    """The largest difference so far, and whether all bits were the same."""

    difference: float = 0.0
    where: tuple[int, int | None] | None = None
    same: bool = True

    def see(
        self, found: Answer, wanted: Answer, unit: NDArray[Any], row: int, step: int | None = None
    ) -> None:
        """Compare an answer; ``step`` is that of the first one along axis 0, None if they are no steps."""
        if (
            found.dtype == wanted.dtype
            and found.shape == wanted.shape
            and found.tobytes() == wanted.tobytes()
        ):
            return
        self.same, worst, place = False, np.inf, 0
        if found.shape == wanted.shape:
            apart = _apart(found, wanted, unit)
            place = int(apart.argmax()) // max(1, apart[0].size) if apart.ndim else 0
            worst = float(apart.max())
        if worst >= self.difference:
            self.difference, self.where = worst, (row, None if step is None else step + place)


def _apart(found: Answer, wanted: Answer, unit: NDArray[Any]) -> NDArray[np.float64]:
    """Differences as shares of max(1, |y|) in the network's units; two NaN are equal, one is infinite."""
    with np.errstate(invalid="ignore"):
        away = np.abs(found - wanted) / unit / np.maximum(1, np.abs(wanted) / unit)
    equal = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    share: NDArray[np.float64] = np.where(equal, 0.0, np.where(np.isfinite(away), away, np.inf))
    return share
