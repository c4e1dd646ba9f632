"""Labels at every step, as they come from Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman.data.sequences import as_column, as_labels, check_same_length, is_missing, short
from elman.errors import DataError

Tags = NDArray[Any]


def are_labels(y: Any, answers: str) -> bool:
    """Whether ``y`` holds labels: as ``answers`` says; "auto": if its first is a text or truth value."""
    if answers != "auto":
        return answers == "labels"
    for tags in as_column(y, "y"):
        for value in [] if is_missing(tags) else tags:
            return isinstance(value, (str, bool, np.bool_))
    return False


def as_tags(y: Any, sequences: Sequence[Any], where: str = "y") -> list[Tags]:
    """Return the label of every step of B ``sequences``: B arrays (T,), all of one type.

    A text is one label for each of its characters.

    Raises
    ------
    DataError
        E239 if there are more or fewer than ``sequences``, E275 if one is not as long as its sequence,
        E276 if a label is missing, E235 or E236 if one can be no label.
    """
    rows = [tags.as_py() if hasattr(tags, "as_py") else tags for tags in as_column(y, where)]
    check_same_length(sequences, rows, ("X", where))
    for row, (tags, sequence) in enumerate(zip(rows, sequences, strict=True)):
        _check(tags, len(sequence), f"{where}[{row}]")
    flat = [value for tags in rows for value in tags]
    kind = _array(flat, where)
    ends = np.cumsum([len(tags) for tags in rows])
    return np.split(kind, ends[:-1])


def _check(tags: Any, steps: int, where: str) -> None:
    if is_missing(tags) or not hasattr(tags, "__len__"):
        raise DataError(
            "the labels are missing", code="E276", where=where, help="fill them in, or leave the row out"
        )
    if len(tags) != steps:
        message = f"there are {len(tags):,} labels, but the sequence has {steps:,} steps"
        raise DataError(message, code="E275", where=where, help="give a label for every step")
    for step, value in enumerate(tags):
        if is_missing(value):
            place = f"{where}, step {step}, counted from 0"
            raise DataError(
                "a label is missing", code="E276", where=place, help="fill it in, or leave the row out"
            )
        if value == "":
            place = f"{where}, step {step}, counted from 0"
            raise DataError(
                "a label is empty", code="E234", where=place, help="fill it in, or leave the row out"
            )


def _array(flat: list[Any], where: str) -> Tags:
    """One array of all labels; a blank is a label like any other."""
    if flat and all(isinstance(value, str) for value in flat):
        long = next((value for value in flat if len(value) > LONGEST or "\0" in value), None)
        if long is not None:
            raise DataError(f"{short(long)} can be no label", code="E235", where=where, help="correct it")
        return np.array(flat, np.str_)
    return as_labels(flat, where)


LONGEST = 256
