"""``elman demo sine-to-cosine``: the cosine from the sine at every step, drawn while it learns."""

from __future__ import annotations

import argparse
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from elman import __version__
from elman.cli.demos.exact import drawn, taken, tell
from elman.cli.demos.window import open_window
from elman.data.batch import Batch
from elman.data.numbers import NumberCodec
from elman.data.samples import load_sine_to_cosine
from elman.errors import missing_extra
from elman.models.model import Model
from elman.models.series_pictures import draw_tracking
from elman.nn.settings import NetworkSettings
from elman.train.settings import LoopSettings

if TYPE_CHECKING:
    from elman.nn.network import Network
    from elman.train.progress import Progress

Values = NDArray[np.float64]

STEPS = 10
"""Points in a chunk."""

TAKEN = ("random_state", "hidden_size", "learning_rate")
TOLD = 10
"""The loss of every tenth chunk is printed."""


def sine_to_cosine(arguments: argparse.Namespace, folder: Path) -> int:
    """Learn the cosine from the sine, the state carried from chunk to chunk."""
    given = taken(arguments, "sine-to-cosine", TAKEN)
    seed, rate = given.get("random_state", 0), given.get("learning_rate", 0.02)
    table = load_sine_to_cosine()
    t, x, y = (np.array(table.column(name)) for name in ("t", "sin", "cos"))
    network = watched_network(given.get("hidden_size", 32), seed)
    window = None if arguments.no_window or arguments.json else open_window(t[-1])
    said, losses = np.zeros_like(y), []
    for progress in learn_chunks(network, x, y, loop_settings(seed, rate)):
        part = slice(STEPS * (progress.update - 1), STEPS * progress.update)
        said[part] = network.said
        losses.append(progress.update_loss)
        tell_loss(progress, arguments.json)
        if window is not None:
            window.add(t[part], said[part], y[part], f"chunk {progress.update}, loss {losses[-1]:.4f}")
    path = folder / "sine-to-cosine.safetensors"
    as_model(network, x, y, seed).save(path)
    pictures = drawn(partial(draw_tracking, t, said, y, STEPS), folder / "sine-to-cosine.png")
    tell(path, pictures, losses, arguments.json)
    if window is not None:
        window.stay()
    return 0


def loop_settings(seed: int, rate: float) -> LoopSettings:
    """Adam, as system 4 has it; one pass over the chunks."""
    return LoopSettings(
        optimizer="adam",
        learning_rate=rate,
        beta2=0.999,
        schedule="constant",
        clip=None,
        max_epochs=1,
        random_state=seed,
    )


def watched_network(hidden_size: int, seed: int) -> Any:
    """Build the network of system 4; ``said`` holds what it answered last, before the update."""
    try:
        import torch
    except ImportError as error:
        raise missing_extra("torch", "train", "learning") from error
    from elman.nn.network import Network

    class Watched(Network):
        said: Values

        def run(self, *inputs: Any) -> Any:
            answers, after = super().run(*inputs)
            self.said = answers.detach().numpy()[0, :, 0]
            return answers, after

    settings = NetworkSettings(
        recurrence="rnn", hidden_size=hidden_size, dropout=0.0, first_weights="uniform"
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Watched(settings, (), 1, features=1, task="tag")


def learn_chunks(
    network: Network, x: Values, y: Values, settings: LoopSettings
) -> Generator[Progress, None, None]:
    """Learn in chunks of 10 steps: one update each, the state carried on and cut between them."""
    from elman.nn.chunks import Carry, Chunks
    from elman.train.loop import learn

    inputs, targets = (values.astype(np.float32).reshape(1, -1, 1) for values in (x, y))
    whole, carry = Batch(inputs, targets, np.array([len(x)]), None, np.zeros(1, np.int64)), Carry()
    return learn(network, lambda epoch: Chunks([whole], STEPS, carry), None, settings, carried=carry)


def tell_loss(progress: Progress, quiet: bool) -> None:
    """Print the loss of every tenth iteration; they count from 0."""
    iteration = progress.update - 1
    if iteration % TOLD == 0 and not quiet:
        print(f"Iteration: {iteration} loss {progress.update_loss:.6f}", flush=True)


def as_model(network: Network, x: Values, y: Values, seed: int) -> Model:
    """Make what is saved: numbers go in and come out as they are."""
    inputs, targets = (NumberCodec(scaling="none").fit([values[:, None]]) for values in (x, y))
    about = {"elman": __version__, "source": "the built-in sine and cosine", "seed": seed, "complete": True}
    return Model("tag", network.settings, inputs, targets, (network.tensors(),), about)
