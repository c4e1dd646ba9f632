"""What a step of a stream hands from the codec's side to the network's."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from elman.errors import UsageError

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]
Arrays = dict[str, NDArray[Any]]


class Reads(NamedTuple):
    """What R rows read at one step.

    Attributes
    ----------
    ids, channels
        (R, G) int64 and (R, C) float32; None where the network reads no such thing.
    ends
        (R, G): the ids of each text's end, which is read behind the step to answer it; None: it is no step.
    early
        Steps that go before, (place among the R rows, ids): the first bytes of a character.
    """

    ids: Ids | None
    channels: Floats | None
    ends: Ids | None = None
    early: tuple[tuple[int, tuple[int, ...]], ...] = ()


def refuse_beside(covariates: Any, past: Any) -> None:
    """Raise ``UsageError`` where covariates mean nothing."""
    if covariates is not None or past is not None:
        message = "only a forecaster that learnt with covariates takes them"
        raise UsageError(message, code="E177", help="leave covariates= and past= out")
