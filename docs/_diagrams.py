"""Draws the diagrams of docs/systems: `python docs/_diagrams.py` writes docs/_static/systems/*.svg.

A network is described once, as one step of it (units, wires, what goes on to the next step). Its two
drawings, folded and unrolled over time, are derived from that. Colours are the text's own and the theme's
variables, so that an SVG inside a page is right in light and in dark; opened alone, it brings its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

FOLDER = Path(__file__).parent / "_static" / "systems"
WIDTH = 360  # the narrowest page: nothing is drawn smaller than it is read there
LINE = 16  # from one line of text to the next
PITCH = 104  # from one step of the unrolled network to the next
TOP = 46  # a panel's title stands above its units
STATE = "var(--color-brand-content, currentColor)"
SHAPE = "display:block;width:100%;max-width:34rem;height:auto;margin:1rem auto"
CUT = "var(--color-problematic, currentColor)"
ALONE = """\
<style>
svg:root { color: #1b1f24; background: #fff }
svg:root { --color-brand-content: #2a5adf; --color-problematic: #b30000 }
@media (prefers-color-scheme: dark) {
  svg:root { color: #e3e6ea; background: #131416 }
  svg:root { --color-brand-content: #7aa7ff; --color-problematic: #ff7b72 }
}
</style>"""

Point = tuple[float, float]


@dataclass(frozen=True)
class Step:
    """What a label's {t}, {p} and {x} stand for at a step: its number, the one before, what comes in."""

    t: str = ""
    p: str = ""
    x: str = ""


@dataclass(frozen=True)
class Unit:
    """A box (or, of no width, bare text) with its centre inside the step."""

    x: float
    y: float
    label: str
    width: float = 0
    state: bool = False
    faint: tuple[int, ...] = ()  # computed at these steps, but of no use
    absent: tuple[int, ...] = ()

    @property
    def half(self) -> float:
        """From the centre to the upper or lower side."""
        return 13 if self.width else 9


@dataclass(frozen=True)
class Wire:
    """An arrow inside a step, upwards, by the names of its units."""

    source: str
    target: str
    label: str = ""


@dataclass(frozen=True)
class Memory:
    """An arrow from a unit to a unit of the next step."""

    source: str
    target: str
    label: str = ""
    first: str = "0"
    cut: tuple[int, ...] = ()  # steps before which the gradient is cut


@dataclass(frozen=True)
class Frame:
    """A dashed frame around some steps of the unrolled network."""

    first: int
    last: int
    label: str


@dataclass(frozen=True)
class Network:
    """One step, what its steps are, and what stands beside it."""

    title: str
    desc: str
    height: float  # of a step
    units: dict[str, Unit]
    wires: tuple[Wire, ...]
    memories: tuple[Memory, ...]
    steps: tuple[Step, Step, Step]
    feed_forward: tuple[str, ...]  # labels from below
    captions: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]  # feed-forward, folded, unrolled
    frames: tuple[Frame, ...] = ()

    @property
    def cut_means(self) -> bool:
        """Whether the last caption explains a cut."""
        return any(memory.cut for memory in self.memories)


# --- ink ---


def text(x: float, y: float, words: str, anchor: str = "middle", *, bold: bool = False, ink: str = "") -> str:
    """Text whose line is centred on y."""
    more = ' font-weight="600"' if bold else ""
    more += f' fill="{ink}"' if ink else ""
    return f'<text x="{x:g}" y="{y + 4.5:g}" text-anchor="{anchor}"{more}>{escape(words)}</text>'


def lines(x: float, y: float, words: tuple[str, ...], anchor: str = "middle") -> Iterator[str]:
    """Lines of text, one below the other."""
    for n, line in enumerate(words):
        yield text(x, y + n * LINE, line, anchor)


def box(x: float, y: float, label: str, width: float, *, state: bool = False) -> Iterator[str]:
    """A labelled box around its centre."""
    ink = STATE if state else "currentColor"
    yield (
        f'<rect x="{x - width / 2:g}" y="{y - 13:g}" width="{width:g}" height="26" rx="5" '
        f'fill="{ink}" fill-opacity=".09" stroke="{ink}"/>'
    )
    yield text(x, y, label)


def arrow(points: list[Point], ink: str = "currentColor") -> str:
    """A line through points, with a head at its end."""
    (a, b), (x, y) = points[-2:]
    length = max(abs(x - a), abs(y - b))
    u, v = (x - a) / length, (y - b) / length  # every line is level or upright
    tip = f"M{x - 6 * u - 3.5 * v:g} {y - 6 * v - 3.5 * u:g}L{x:g} {y:g}"
    tip += f"L{x - 6 * u + 3.5 * v:g} {y - 6 * v + 3.5 * u:g}z"
    return line(points, ink) + f'<path d="{tip}" fill="{ink}"/>'


def line(points: list[Point], ink: str = "currentColor") -> str:
    """A line through points."""
    way = "L".join(f"{x:g} {y:g}" for x, y in points)
    return f'<path d="M{way}" fill="none" stroke="{ink}" stroke-width="1.5"/>'


def cut(x: float, y: float) -> str:
    """Two short slanted strokes: the gradient ends here."""
    strokes = (line([(x + d - 2, y + 7), (x + d + 2, y - 7)], CUT) for d in (-2, 2))
    return "".join(strokes).replace('"1.5"', '"1.8"')


def faint(parts: Iterator[str]) -> Iterator[str]:
    """The same parts, pale."""
    yield '<g opacity=".55">'
    yield from parts
    yield "</g>"


# --- a step, and the panels made of it ---


def draw_unit(unit: Unit, x: float, y: float, step: Step) -> Iterator[str]:
    """A unit of a step whose corner is at x, y."""
    label = unit.label.format(t=step.t, p=step.p, x=step.x)
    if unit.width:
        yield from box(x + unit.x, y + unit.y, label, unit.width, state=unit.state)
    else:
        yield text(x + unit.x, y + unit.y, label)


def draw_wire(net: Network, wire: Wire, x: float, y: float, step: Step) -> Iterator[str]:
    """An upright arrow between two units, at the narrower one's middle."""
    low, high = net.units[wire.source], net.units[wire.target]
    at = x + (low.x if low.width <= high.width else high.x)
    yield arrow([(at, y + low.y - low.half), (at, y + high.y + high.half)])
    if wire.label:
        middle = (low.y - low.half + high.y + high.half) / 2
        yield text(at + 8, y + middle, wire.label.format(t=step.t), "start")


def draw_step(net: Network, x: float, y: float, n: int | None, step: Step) -> Iterator[str]:
    """Every unit and wire of step n (none: the folded one, where each is of use)."""
    for name, unit in net.units.items():
        parts = [*draw_unit(unit, x, y, step)]
        for wire in net.wires:
            if name == wire.source and n not in net.units[wire.target].absent:
                drawn = draw_wire(net, wire, x, y, step)
                pale = n in net.units[wire.target].faint and n not in unit.faint
                parts += faint(drawn) if pale else drawn
        if n not in unit.absent:
            yield from faint(iter(parts)) if n in unit.faint else iter(parts)


def draw_loop(net: Network, memory: Memory, x: float, y: float) -> Iterator[str]:
    """The memory of the folded network: out on the right and back in."""
    source, target = net.units[memory.source], net.units[memory.target]
    out, back = y + source.y, y + target.y
    if source is target:
        out, back = out - 7, back + 7
    far = x + 108
    ends = (x + source.x + source.width / 2, out), (x + target.x + target.width / 2, back)
    yield arrow([ends[0], (far, out), (far, back), ends[1]], STATE)
    yield from (
        text(far + 7, (out + back) / 2 + d, w, "start", ink=STATE) for d, w in ((-8, "next"), (8, "step"))
    )


def draw_memory(net: Network, memory: Memory, x: float, y: float, n: int) -> Iterator[str]:
    """The arrow into step n, whose corner is at x, y."""
    source, target = net.units[memory.source], net.units[memory.target]
    end = (x + target.x - target.width / 2, y + target.y)
    if n == 0:
        yield arrow([(end[0] - 14, end[1]), end], STATE)
        yield text(end[0] - 17, end[1], memory.first, "end", ink=STATE)
        return
    start = (x - PITCH + source.x + source.width / 2, y + source.y)
    bend = end[0] - 16
    level = start[1] == end[1]
    yield arrow([start, end] if level else [start, (bend, start[1]), (bend, end[1]), end], STATE)
    if n in memory.cut:
        yield cut(
            (start[0] + end[0]) / 2 if level else bend + 1, end[1] if level else (start[1] + end[1]) / 2
        )
    if memory.label:
        at = ((start[0] + end[0]) / 2 - 2, end[1] - 13) if level else (bend + 5, end[1] - 22)
        words = memory.label.format(t=net.steps[n - 1].t)
        yield text(*at, words, "middle" if level else "start", ink=STATE)


def draw_frame(net: Network, frame: Frame, x: float, y: float) -> Iterator[str]:
    """A dashed frame around steps, with its label above."""
    left, right = x + frame.first * PITCH - (22 if frame.first == 0 else 1), x + frame.last * PITCH + 93
    yield (
        f'<rect x="{left:g}" y="{y - 14:g}" width="{right - left:g}" height="{net.height + 26:g}" rx="8" '
        'fill="none" stroke="currentColor" stroke-opacity=".55" stroke-dasharray="4 4"/>'
    )
    yield text((left + right) / 2, y - 25, frame.label)


def feed_forward(net: Network, y: float) -> Iterator[str]:
    """An ordinary network: the same way up, and no way back."""
    yield text(80, y - 30, "feed-forward", bold=True)
    labels = net.feed_forward
    gap = net.height / (len(labels) - 1)
    heights = [y + net.height - n * gap for n in range(len(labels))]
    for n, label in enumerate(labels):
        ends = n in (0, len(labels) - 1)
        yield from [text(80, heights[n], label)] if ends else box(80, heights[n], label, 92)
        if n:
            low, high = 9 if n == 1 else 13, 9 if ends else 13
            yield arrow([(80, heights[n - 1] - low), (80, heights[n] + high)])
    yield from lines(80, y + net.height + 26, net.captions[0])


def folded(net: Network, y: float) -> Iterator[str]:
    """One step, and its memory as a loop."""
    x = 196.0
    yield text(x + 46, y - 30, "folded", bold=True)
    yield from draw_step(net, x, y, None, Step())
    for memory in net.memories:
        yield from draw_loop(net, memory, x, y)
    yield from lines(x + 66, y + net.height + 26, net.captions[1])


def unrolled(net: Network, y: float) -> Iterator[str]:
    """The same step three times, its memory from one to the next."""
    x = 46.0
    yield text(x + PITCH + 46, y - (50 if net.frames else 30), "unrolled over time", bold=True)
    for frame in net.frames:
        yield from draw_frame(net, frame, x, y)
    for n, step in enumerate(net.steps):
        yield from draw_step(net, x + n * PITCH, y, n, step)
        for memory in net.memories:
            yield from draw_memory(net, memory, x + n * PITCH, y, n)
    under = y + net.height + (34 if net.frames else 26)
    if net.cut_means:
        yield cut(40, under)
        yield from lines(54, under, net.captions[2], "start")
    else:
        yield from lines(WIDTH / 2, under, net.captions[2])


def draw_network(name: str, net: Network) -> str:
    """The three panels: a feed-forward network, ours folded, and ours unrolled."""
    below = TOP + net.height + 26 + LINE * max(map(len, net.captions[:2])) + 54 + (22 if net.frames else 0)
    height = below + net.height + 26 + LINE * len(net.captions[2]) + (8 if net.frames else 0)
    parts = [*feed_forward(net, TOP), *folded(net, TOP), *unrolled(net, below)]
    return document(name, net.title, net.desc, height, parts)


def document(name: str, title: str, desc: str, height: float, parts: list[str]) -> str:
    """An SVG that reads itself out; names inside it begin with its own, for a page holds several."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img" '
            f'aria-labelledby="{name}-title {name}-desc" font-family="sans-serif" font-size="13" '
            f'fill="currentColor" style="{SHAPE}">',
            f'<title id="{name}-title">{escape(title)}</title>',
            f'<desc id="{name}-desc">{escape(desc)}</desc>',
            ALONE,
            *parts,
            "</svg>\n",
        ]
    )


# --- the four networks ---

NAME = (Step("₁", "₀", " = F"), Step("₂", "₁", " = o"), Step("₃", "₂", " = x"))

SCRATCH = Network(
    title="System 1: two maps that read a letter and the previous state",
    desc=(
        "Left: a feed-forward network takes one letter through a hidden layer to an answer and keeps "
        "nothing. Right, folded: the letter x and the state h are joined; one map, i2o, with log_softmax "
        "gives the answer o, the other, i2h, gives the new state, which comes back at the next step. "
        "Below, unrolled over the letters F, o, x: the state goes from i2h of one step to the joined "
        "input of the next, beginning with zeros. The answers of the first two steps and the state of the "
        "last are drawn pale: nothing reads them."
    ),
    height=172,
    units={
        "o": Unit(46, 0, "o{t}", faint=(0, 1)),
        "log_softmax": Unit(46, 44, "log_softmax", 86, faint=(0, 1)),
        "i2o": Unit(24, 88, "i2o", 40, faint=(0, 1)),
        "i2h": Unit(70, 88, "i2h", 40, state=True, faint=(2,)),
        "u": Unit(46, 132, "[x{t}, h{p}]", 70),
        "x": Unit(46, 172, "x{t}{x}"),
    },
    wires=(
        Wire("x", "u"),
        Wire("u", "i2o"),
        Wire("u", "i2h"),
        Wire("i2o", "log_softmax"),
        Wire("log_softmax", "o"),
    ),
    memories=(Memory("i2h", "u", "h{t}"),),
    steps=NAME,
    feed_forward=("x", "hidden", "log_softmax", "o"),
    captions=(
        ("sees one letter,", "keeps nothing"),
        ("the new state h comes", "back with the next letter"),
        ("o₃ is the answer. Nothing reads what is pale.",),
    ),
)

STACKED = Network(
    title="System 2: two recurrent layers, one above the other",
    desc=(
        "Left: a feed-forward network with two hidden layers takes one letter to an answer and keeps "
        "nothing. Right, folded: the letter x goes into the first layer, its state h[0] into the second "
        "layer, whose state h[1] goes through a linear map and log_softmax to the answer o; each layer's "
        "state comes back to it at the next step. Below, unrolled over the letters F, o, x: both states "
        "go from step to step, beginning with zeros, and only the last step has the linear map, "
        "log_softmax and an answer."
    ),
    height=214,
    units={
        "o": Unit(46, 0, "o", absent=(0, 1)),
        "log_softmax": Unit(46, 42, "log_softmax", 86, absent=(0, 1)),
        "Linear": Unit(46, 84, "Linear", 66, absent=(0, 1)),
        "top": Unit(46, 130, "h{t}[1]", 62, state=True),
        "low": Unit(46, 174, "h{t}[0]", 62, state=True),
        "x": Unit(46, 214, "x{t}{x}"),
    },
    wires=(
        Wire("x", "low"),
        Wire("low", "top"),
        Wire("top", "Linear"),
        Wire("Linear", "log_softmax"),
        Wire("log_softmax", "o"),
    ),
    memories=(Memory("top", "top"), Memory("low", "low")),
    steps=NAME,
    feed_forward=("x", "hidden", "hidden", "log_softmax", "o"),
    captions=(
        ("sees one letter,", "keeps nothing"),
        ("each layer's state", "comes back to it"),
        ("the answer reads the last state of the top layer",),
    ),
)

SINE = Network(
    title="System 3: a context that is carried, and a gradient that is not",
    desc=(
        "Left: a feed-forward network takes one value to a prediction and keeps nothing. Right, folded: "
        "the value x and the context c are joined, multiplied by w1 and squashed by tanh, which gives the "
        "new context; times w2 it gives the prediction p, and the loss is half its squared distance from "
        "y. The new context comes back at the next step. Below, unrolled: three steps, each with its own "
        "loss and its own update; the context goes on from step to step, beginning with zeros, but a "
        "double stroke on each of these arrows says that the gradient does not go back through it."
    ),
    height=216,
    units={
        "loss": Unit(46, 0, "½(p{t} − y{t})²"),
        "w2": Unit(46, 52, "@ w2", 60),
        "tanh": Unit(46, 96, "tanh", 60, state=True),
        "w1": Unit(46, 134, "@ w1", 60),
        "u": Unit(46, 176, "[x{t}, c{p}]", 70),
        "x": Unit(46, 216, "x{t}"),
    },
    wires=(
        Wire("x", "u"),
        Wire("u", "w1"),
        Wire("w1", "tanh"),
        Wire("tanh", "w2"),
        Wire("w2", "loss", "p{t}"),
    ),
    memories=(Memory("tanh", "u", "c{t}", cut=(1, 2)),),
    steps=(Step("₁", "₀"), Step("₂", "₁"), Step("₃", "₂")),
    feed_forward=("x", "hidden", "output", "½(p − y)²"),
    captions=(
        ("cannot tell a rising", "0.5 from a falling one"),
        ("the context c comes", "back with the next value"),
        ("the number goes on, the gradient stops", "after each step: w1 and w2 change at once"),
    ),
)

COSINE = Network(
    title="System 4: a state carried from chunk to chunk",
    desc=(
        "Left: a feed-forward network takes one value to one answer and keeps nothing. Right, folded: the "
        "value x goes into a recurrent layer, whose state h goes through a linear map to the prediction "
        "p; the state comes back at the next step. Below, unrolled: the last two steps of one chunk of "
        "ten stand in a dashed frame, the first step of the next chunk in another. The state goes on from "
        "step to step and from frame to frame; between the frames a double stroke says that the gradient "
        "does not go back."
    ),
    height=128,
    units={
        "p": Unit(46, 0, "p{t}"),
        "Linear": Unit(46, 46, "Linear", 62),
        "h": Unit(46, 88, "h{t}", 62, state=True),
        "x": Unit(46, 128, "x{t}"),
    },
    wires=(Wire("x", "h"), Wire("h", "Linear"), Wire("Linear", "p")),
    memories=(Memory("h", "h", first="…", cut=(2,)),),
    steps=(Step("₉"), Step("₁₀"), Step("₁")),
    feed_forward=("x", "hidden", "output", "p"),
    captions=(
        ("one sin t has two", "cosines: it must guess"),
        ("the state h tells a rising", "sine from a falling one"),
        ("the state goes on, the gradient stops", "after each chunk: one update"),
    ),
    frames=(Frame(0, 1, "chunk k: its last steps"), Frame(2, 2, "chunk k + 1")),
)


# --- how far a gradient goes ---


@dataclass(frozen=True)
class Timeline:
    """Groups of steps, each from zeros, as pieces: (3, 2) is 5 steps, the gradient cut after the third."""

    label: str
    groups: tuple[tuple[int, ...], ...]
    pitch: float
    before: str = ""
    after: str = ""


TIMELINES = (
    Timeline("1, 2: the whole name is one piece", ((4,), (3,), (6,), (3,)), 14),
    Timeline("3: every step is a piece of its own", ((1,) * 7, (1,) * 5), 21, "…", "…"),
    Timeline("4: a chunk of 10 steps is a piece", ((10, 10),), 14, "", "…"),
)


def draw_timeline(row: Timeline, y: float) -> Iterator[str]:
    """Dots joined by the state, strokes where the gradient ends, triangles where the weights change."""
    yield text(12, y, row.label, "start")
    x, level = 20.0, y + 28
    if row.before:
        yield from draw_rest(x, x + 30, level, row.before)
        x += 30
    for group in row.groups:
        yield from draw_group(group, x, level, row.pitch)
        x += (sum(group) + 1) * row.pitch
    if row.after:
        last = x - 2 * row.pitch
        yield from draw_rest(last + 30, last, level, row.after)


def draw_rest(far: float, near: float, y: float, words: str) -> Iterator[str]:
    """What is left out beside the step at `near`: the state goes on there, and the gradient is cut."""
    toward = 1 if near > far else -1
    yield text(far, y, words)
    yield line([(far + 10 * toward, y), (near, y)], STATE)
    yield cut(near - 10 * toward, y)


def draw_group(group: tuple[int, ...], x: float, y: float, pitch: float) -> Iterator[str]:
    """The steps from one state of zeros to the next."""
    yield line([(x, y), (x + (sum(group) - 1) * pitch, y)], STATE)
    for number, piece in enumerate(group, 1):
        for n in range(piece):
            yield f'<circle cx="{x + n * pitch:g}" cy="{y:g}" r="3.5" fill="{STATE}"/>'
        x += piece * pitch
        yield triangle(x - pitch, y + 14)
        if number < len(group):
            yield cut(x - pitch / 2, y)


def triangle(x: float, y: float) -> str:
    """A mark below a step: the weights change after it."""
    return f'<path d="M{x:g} {y - 5:g}L{x + 5:g} {y + 4:g}L{x - 5:g} {y + 4:g}z" fill="currentColor"/>'


def draw_reach() -> str:
    """How far a gradient goes back, and when the weights change, in all four."""
    parts = [part for n, row in enumerate(TIMELINES) for part in draw_timeline(row, 16 + 70 * n)]
    y = 16 + 70 * len(TIMELINES) + 6
    parts += [f'<circle cx="20" cy="{y}" r="3.5" fill="{STATE}"/>', text(34, y, "a step", "start")]
    parts += [line([(148, y), (176, y)], STATE), text(184, y, "the state is carried", "start")]
    parts += [triangle(20, y + 22), text(34, y + 22, "the weights change", "start")]
    parts += [cut(190, y + 22), text(202, y + 22, "the gradient is cut", "start")]
    parts += [text(12, y + 44, "A gap: the state begins again with zeros.", "start")]
    desc = (
        "Three lines of steps. Names: each name is a line of its own that begins with zeros, and the "
        "weights change once, at its end. Sine: the state is carried over the steps of an epoch, the "
        "gradient is cut after each step, and the weights change after each; a new epoch begins with "
        "zeros. Sine to cosine: the state is carried without end; the gradient is cut, and the weights "
        "change, after every ten steps."
    )
    return document("reach", "How far the gradient goes back in each system", desc, y + 62, parts)


NETWORKS = {
    "names-from-scratch": SCRATCH,
    "names-stacked": STACKED,
    "sine": SINE,
    "sine-to-cosine": COSINE,
}


def draw_all() -> dict[str, str]:
    """Every drawing by its file's stem."""
    return {**{name: draw_network(name, net) for name, net in NETWORKS.items()}, "reach": draw_reach()}


def main() -> None:
    """Write every drawing."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, drawing in draw_all().items():
        (FOLDER / f"{name}.svg").write_text(drawing, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
