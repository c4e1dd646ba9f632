"""What a line of a stream says: the values of a step, or that a new sequence begins."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import Any

from elman.data.mixed import MixedCodec
from elman.data.numbers import NumberCodec
from elman.data.numeric import parse_number
from elman.errors import DataError
from elman.models.forecasting import Form
from elman.models.model import Model
from elman.sealed import strict_json


@dataclass(frozen=True)
class Given:
    """What a step reads."""

    value: Any
    covariates: Any = None
    past: Any = None


RESET = None
"""What a line says that begins a new sequence."""


def decoded(line: bytes) -> str:
    """A line without its end; ``DataError`` if it is not UTF-8."""
    try:
        return line.decode("utf-8").removesuffix("\n").removesuffix("\r").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        message = f"byte {error.start} of the line is not UTF-8"
        raise DataError(message, code="E207", help="write the stream in UTF-8") from None


class JsonLines:
    """A step a line, as JSON."""

    def __init__(self, model: Model) -> None:
        self._names = column_names(model)
        self._mixed = isinstance(model.inputs, MixedCodec)

    def read(self, line: str) -> Given | None:
        """Read a line; ``DataError`` if it says no step."""
        if not line.strip():
            return RESET
        try:
            said = strict_json(line)
        except (ValueError, RecursionError) as error:
            message = f"the line is not JSON: {error}"
            raise DataError(message, code="E216", help='a value a line, such as 1.5, [1, 2] or "a"') from None
        return self._of_object(said) if isinstance(said, dict) else Given(said)

    def _of_object(self, said: dict[str, Any]) -> Given | None:
        if said == {"reset": True}:
            return RESET
        if self._names and set(self._names) <= said.keys():
            values = [said[name] for name in self._names]
            return Given(
                (values[0], values[1:]) if self._mixed else values[0] if len(values) == 1 else values
            )
        if said.keys() == {"symbol", "numbers"}:
            return Given((said["symbol"], said["numbers"]))
        value = next((name for name in ("value", "symbol") if name in said), None)
        if value is None or said.keys() - {value, "covariates", "past"}:
            known = f", or {', '.join(self._names)}" if self._names else ""
            message = f"the object has the keys {', '.join(map(str, said)) or '(none)'}"
            help_ = f'give "value" or "symbol", and what a forecaster needs beside{known}'
            raise DataError(message, code="E295", help=help_)
        return Given(said[value], said.get("covariates"), said.get("past"))


class CsvLines:
    """A step a line, its cells parted by commas; a first line may name the columns."""

    def __init__(self, model: Model, columns: list[int] | None = None) -> None:
        self._model, self._names = model, column_names(model)
        self._form = Form.of(model) if model.task == "forecast" else None
        self.columns = columns
        """Which cells are read, as a header said; None: all."""

    def take_header(self, line: str) -> bool:
        """Whether a line names the columns of those behind it, which are then read by their names."""
        cells = _cells(line)
        if not self._names or not set(self._names) <= set(cells):
            return False
        self.columns = [cells.index(name) for name in self._names]
        return True

    def read(self, line: str) -> Given | None:
        """Read a line; ``DataError`` if it says no step."""
        if not line.strip():
            return RESET
        cells = _cells(line)
        if self.columns is not None:
            if max(self.columns) >= len(cells):
                message = f"the line has {len(cells)} cells, fewer than its header"
                raise DataError(message, code="E210", help="give every line the cells of the header")
            cells = [cells[place] for place in self.columns]
        return self._given(cells)

    def _given(self, cells: list[str]) -> Given:
        if isinstance(self._model.inputs, NumberCodec):
            return self._numbers([parse_number(cell) for cell in cells])
        if isinstance(self._model.inputs, MixedCodec):
            return Given((cells[0], [parse_number(cell) for cell in cells[1:]]))
        if len(cells) != 1:
            message = f"the line has {len(cells)} cells, and a step reads one symbol"
            raise DataError(message, code="E210", help="put a comma into double quotes")
        return Given(cells[0])

    def _numbers(self, numbers: list[float]) -> Given:
        form = self._form
        if form is None or form.plain:
            return Given(numbers)
        values, past = form.values, form.values + form.past
        if len(numbers) != past + form.known * form.horizon:
            wanted = past + form.known * form.horizon
            message = f"{len(numbers)} numbers a step, but {wanted} are read"
            raise DataError(
                message, code="E273", help="the values, past covariates, then those of the steps ahead"
            )
        if form.past and not form.known:
            return Given(numbers[:values], past=numbers[values:])
        return Given(numbers[:values], numbers[past:] or None, numbers[values:past] or None)


def _cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line]), [])
    except csv.Error as error:
        message = f"the line is not CSV: {error}"
        raise DataError(message, code="E216", help="write the cells of a step, parted by commas") from None


def column_names(model: Model) -> list[str]:
    """The columns that a step is read from, if they are known; none where some lie in the future."""
    columns = model.training.get("columns", {})
    named = columns.get("input") or []
    if model.task == "forecast" and not Form.of(model).plain and Form.of(model).known:
        return []
    return [*([named] if isinstance(named, str) else named), *(columns.get("past") or [])]
