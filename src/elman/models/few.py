"""A few short texts, stepped by networks that are packed once: the bits of a batch, without its costs."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from elman.data.codec import LabelCodec, TextCodec
from elman.kernels.forward import WHOLE
from elman.kernels.native import compiled
from elman.models.stream_network import CausalNetwork

if TYPE_CHECKING:
    from elman.models.answers import Encoded, Floats
    from elman.models.model import Model

FEW = 64
"""Steps in all up to which stepping is quicker than a batch."""


class Stepping:
    """The networks of a model, ready to step; one thread at a time uses them."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.lock = Lock()
        self._path = ""
        self._network: CausalNetwork | None = None

    def network(self) -> CausalNetwork | None:
        """The networks, packed for the arithmetic in use; None where only a batch runs."""
        if self._path != compiled.path:
            found = CausalNetwork(self.model, 1)
            self._path, self._network = compiled.path, found if found.reads else None
        return self._network


def probabilities_of_few(model: Model, sequences: Encoded) -> Floats | None:
    """Give the probability of each class for each of a few encoded texts (B, K); None if they are not few."""
    if len(sequences) > FEW:
        return None
    rows = list(sequences)
    lengths = [len(row) for row in rows]
    plain = model.causal and isinstance(model.inputs, TextCodec) and isinstance(model.targets, LabelCodec)
    if not plain or sum(lengths) > FEW or model.task not in WHOLE or not all(lengths):
        return None
    stepping = model.stepping
    if not stepping.lock.acquire(blocking=False):  # another thread steps
        return None
    try:
        network = stepping.network()
        return None if network is None else _step(network, rows, len(model.classes_))
    finally:
        stepping.lock.release()


def _step(network: CausalNetwork, sequences: Encoded, classes: int) -> Floats:
    from elman.models.answers import mean_of

    answer = np.empty((len(sequences), classes), np.float32)
    for row, sequence in enumerate(sequences):
        network.reset([0])
        steps: list[tuple[int, ...]] = list(map(tuple, _columns(sequence).tolist()))
        answer[row] = mean_of(network.read(steps, None, shares=True))[0]
    return answer


def _columns(sequence: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ids (T, G)."""
    return sequence[:, None] if sequence.ndim == 1 else sequence
