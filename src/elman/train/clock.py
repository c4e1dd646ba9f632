"""How long a run has taken, and how fast it goes. No torch."""

from __future__ import annotations

import time

from elman.train.checkpoint import Place


class Clock:
    """Seconds of a run, those before a resume included, and updates per second since."""

    def __init__(self, place: Place) -> None:
        self.before, self.first, self.start = place.seconds, place.update, time.perf_counter()

    def seconds(self) -> float:
        """Seconds spent in all."""
        return self.before + self._since()

    def rate(self, update: int) -> float:
        """Updates per second since the start or the resume, ``update`` being the last one done."""
        return (update - self.first) / self._since()

    def _since(self) -> float:
        return max(1e-9, time.perf_counter() - self.start)
