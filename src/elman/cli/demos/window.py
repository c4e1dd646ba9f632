"""A window in which curves grow while a network learns. Needs a display and matplotlib."""

from __future__ import annotations

import os
import sys
from typing import Any

from elman.cli.output import say
from elman.models.series_pictures import plot_tracking, style_tracking


class Window:
    """Prediction and target over time, a chunk more after each update.

    Parameters
    ----------
    pyplot
        ``matplotlib.pyplot``, with an interactive backend.
    end
        The last point in time.
    """

    def __init__(self, pyplot: Any, end: float) -> None:
        self.pyplot = pyplot
        self.figure = pyplot.figure(figsize=(11, 4), layout="constrained")
        self.axes = self.figure.subplots()
        style_tracking(self.axes, "learning")
        self.axes.set_xlim(0, end)
        self.figure.show()
        self.open = True
        self.figure.canvas.mpl_connect("close_event", self._close)

    def add(self, t: Any, said: Any, target: Any, title: str) -> None:
        """Draw one chunk more; nothing once the window is closed."""
        if self.open:
            plot_tracking(self.axes, t, said, target)
            self.axes.set_title(title, loc="left")
            self.figure.canvas.draw_idle()
            self.figure.canvas.start_event_loop(0.01)

    def stay(self) -> None:
        """Leave the window there until a person closes it."""
        if self.open:
            say("close the window to end")
            self.pyplot.show()

    def _close(self, event: Any) -> None:
        self.open = False


def open_window(end: float) -> Window | None:
    """Open a window if there is a display and a backend that draws to it; else None."""
    if not has_display():
        return None
    try:
        from matplotlib import pyplot

        return Window(pyplot, end) if is_interactive(pyplot) else None
    except Exception as error:  # each toolkit has its own errors, and the picture is drawn anyway
        say(f"no window: {error}")
        return None


def has_display() -> bool:
    """Tell whether windows can be seen here."""
    return sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )


def is_interactive(pyplot: Any) -> bool:
    """Tell whether the backend that matplotlib chose draws in windows."""
    pyplot.figure()  # matplotlib chooses it with the first figure
    pyplot.close("all")
    manager = pyplot.get_backend().lower()
    return manager not in ("agg", "pdf", "ps", "svg", "cairo", "pgf", "template")
