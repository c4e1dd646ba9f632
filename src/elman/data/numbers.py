"""Sequences of numbers to scaled arrays and back: fit, encode, decode, and two arrays to be saved."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from elman.data.series import Series, as_series
from elman.data.strings import Arrays, check_names, checked, damaged
from elman.errors import DataError, UsageError
from elman.settings import check_settings, setting


@dataclass(kw_only=True, eq=False)
class NumberCodec:
    """Numbers as channels, a row for each step: ``(x - mean) / scale`` for each of the D features.

    Mean and scale (the population standard deviation) are those of all steps of all sequences that ``fit``
    sees, missing numbers left out; they do not depend on the order of the sequences. A feature that never
    changes has scale 1. A missing number (NaN) becomes 0; if ``fit`` saw one, D mask channels follow, 1 where
    a number is missing.

    Attributes
    ----------
    mean, scale
        float64 (D,), in the user's units; 0 and 1 without scaling.
    masks
        Whether there are mask channels.
    constant
        The features that never change, rising.
    """

    kind: ClassVar[str] = "number"

    scaling: str = setting(
        "standard", "Bring each feature to mean 0 and deviation 1, or leave it.", choices=("standard", "none")
    )
    mean: Series = field(default_factory=lambda: np.zeros(0), init=False, repr=False)
    scale: Series = field(default_factory=lambda: np.zeros(0), init=False, repr=False)
    masks: bool = field(default=False, init=False)
    constant: list[int] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        check_settings(self)

    @property
    def features(self) -> int:
        """D, the numbers of a step."""
        return len(self.mean)

    @property
    def size(self) -> int:
        """The channels of a step: D, or 2 D with masks."""
        return self.features * (2 if self.masks else 1)

    def fit(self, sequences: Any) -> Self:
        """Learn mean and scale of ``sequences``: (T,) or (T, D) each, as ``as_series`` takes them.

        Raises
        ------
        DataError
            As ``as_series``; E277 if a feature has no number at all.
        """
        series = as_series(sequences)
        steps = np.concatenate(series) if series else np.zeros((0, 1))
        present = [column[~np.isnan(column)] for column in steps.T]
        for feature, numbers in enumerate(present):
            if len(numbers) == 0:
                raise _nothing_in(feature, len(present))
        self.masks = bool(np.isnan(steps).any())
        self.constant = [feature for feature, numbers in enumerate(present) if numbers.min() == numbers.max()]
        scaled = self.scaling == "standard"
        moments = [_moments(numbers) if scaled else (0.0, 1.0) for numbers in present]
        self.mean, self.scale = np.array(moments, dtype=np.float64).T.copy()
        return self

    def encode(self, sequence: Any) -> npt.NDArray[np.float32]:
        """Return the channels (T, ``size``) of a sequence (T,) or (T, D)."""
        return self.encode_all([sequence])[0]

    def encode_all(self, sequences: Any) -> list[npt.NDArray[np.float32]]:
        """Encode many sequences.

        Raises
        ------
        DataError
            As ``as_series``; E272 if a number is too large for a float32 once it is scaled, E273 if a step
            has not D numbers.
        """
        self._check_fitted()
        return [self._encoded(series, row) for row, series in enumerate(as_series(sequences))]

    def decode(self, channels: npt.ArrayLike) -> Series:
        """Return numbers (..., D) in the user's units, float64, of channels (..., ``size``) or (..., D).

        Mask channels are dropped; a missing number comes back as the mean.

        Raises
        ------
        DataError
            E273 if the last axis is of another size.
        """
        self._check_fitted()
        given = np.asarray(channels, dtype=np.float64)
        if given.ndim == 0 or given.shape[-1] not in (self.features, self.size):
            shape = " x ".join(map(str, given.shape)) or "a single number"
            message = f"the last axis must have {self.features} features, but the shape is {shape}"
            raise DataError(message, code="E273", help="give what encode or the network gave")
        numbers: Series = given[..., : self.features] * self.scale + self.mean
        return numbers

    def settings(self) -> dict[str, Any]:
        """Return what JSON can hold of this codec."""
        return {"scaling": self.scaling, "masks": self.masks, "constant": list(self.constant)}

    def arrays(self) -> Arrays:
        """Return ``mean`` and ``scale``, float64 (D,)."""
        self._check_fitted()
        return {"mean": self.mean, "scale": self.scale}

    @classmethod
    def restore(cls, settings: Mapping[str, Any], arrays: Arrays) -> Self:
        """Build the codec again from ``settings()`` and ``arrays()``.

        Raises
        ------
        ModelFileError
            E320 to E323, if they are not what a codec wrote.
        """
        codec = cls._with_settings(settings)
        check_names(arrays, {"mean", "scale"})
        codec.mean = checked(arrays, "mean", np.float64).astype(np.float64)
        codec.scale = checked(arrays, "scale", np.float64).astype(np.float64)
        codec._check_restored()
        return codec

    @classmethod
    def _with_settings(cls, settings: Mapping[str, Any]) -> Self:
        if set(settings) != {"scaling", "masks", "constant"}:
            raise damaged("a number codec's settings are scaling, masks, constant", "E320")
        masks, constant = settings["masks"], settings["constant"]
        if type(masks) is not bool or type(constant) is not list or {int} < {int, *map(type, constant)}:
            raise damaged("masks must be true or false, and constant a list of whole numbers", "E320")
        try:
            codec = cls(scaling=settings["scaling"])
        except UsageError as error:
            raise damaged(error.message, "E320") from None
        codec.masks, codec.constant = masks, list(constant)
        return codec

    def _check_restored(self) -> None:
        mean, scale = self.mean, self.scale
        if len(mean) == 0 or len(mean) != len(scale):
            raise damaged("mean and scale are empty, or differ in length", "E322")
        if not (np.isfinite(mean).all() and np.isfinite(scale).all() and (scale > 0).all()):
            raise damaged("a mean or a scale is not finite, or a scale is not above 0", "E322")
        if self.scaling == "none" and (mean.any() or np.any(scale != 1)):
            raise damaged("there is a scale, but no scaling", "E322")
        if self.constant != sorted(set(self.constant)):
            raise damaged("the constant features stand twice or out of order", "E323")
        if not all(0 <= feature < len(mean) and scale[feature] == 1 for feature in self.constant):
            raise damaged("a constant feature is none, or its scale is not 1", "E322")

    def _encoded(self, series: Series, row: int) -> npt.NDArray[np.float32]:
        if len(series) == 0:  # no step says how many numbers it would have
            return np.zeros((0, self.size), dtype=np.float32)
        if series.shape[1] != self.features:
            message = f"{series.shape[1]} numbers a step, but {self.features} in training"
            help_ = "give the features of the training data, in their order"
            raise DataError(message, code="E273", where=f"X[{row}]", help=help_)
        return self.channels(series, lambda step: f"X[{row}], step {step}, counted from 0")

    def channels(self, steps: Series, place: Callable[[int], str]) -> npt.NDArray[np.float32]:
        """Return the channels (T, ``size``) of steps (T, D), float64 without infinities.

        ``place`` names a step. ``DataError`` (E272) if a number is too large for a float32 once it is scaled.
        """
        missing = np.isnan(steps)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = ((steps - self.mean) / self.scale).astype(np.float32)
        infinite = np.isinf(scaled)
        if infinite.any():
            raise _too_far(place(int(np.argwhere(infinite)[0, 0])))
        scaled[missing] = 0
        return np.concatenate([scaled, missing.astype(np.float32)], axis=1) if self.masks else scaled

    def _check_fitted(self) -> None:
        if self.features == 0:
            raise UsageError(
                "this NumberCodec has not seen any numbers yet", code="E122", help="call fit first"
            )


def _moments(numbers: Series) -> tuple[float, float]:
    """Return mean and scale of N numbers: exact sums, so that neither order nor size matters."""
    if numbers.min() == numbers.max():
        return float(numbers[0]), 1.0
    exponent = int(np.frexp(np.abs(numbers).max())[1])
    unit = np.ldexp(numbers, -exponent)  # a power of two: exact, and squares stay finite
    mean = math.fsum(unit.tolist()) / len(unit)
    deviation = math.sqrt(math.fsum(((unit - mean) ** 2).tolist()) / len(unit))
    scale = max(math.ldexp(deviation, exponent), math.ulp(0.0))  # they differ, so it is not nought
    return math.ldexp(mean, exponent), scale


def _nothing_in(feature: int, features: int) -> DataError:
    what = "the sequences hold" if features == 1 else f"feature {feature}, counted from 0, holds"
    message = f"{what} no number at all, so nothing can be learnt of it"
    return DataError(message, code="E277", where="X", help="leave it out")


def _too_far(where: str) -> DataError:
    message = "a number is too far from those seen in training for a float32"
    return DataError(message, code="E272", where=where, help="correct it, or write NaN if it is missing")
