"""A model as a ``.npz`` of plain arrays, and the NumPy program that runs it."""

from __future__ import annotations

import importlib.util
import io
import json
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman.cells import CELLS, GRU, LSTM, RNN, Names, Sine
from elman.data.numbers import NumberCodec
from elman.errors import UsageError
from elman.kernels.forward import WHOLE, cell_of, directions
from elman.models.answers import TASKS
from elman.models.codecs import numbers_of, outputs_of, width_of
from elman.models.model import Model

KNOWN = {"rnn": RNN, "lstm": LSTM, "gru": GRU, "names": Names, "sine": Sine}
"""The cells whose equations stand in the runner."""

Arrays = dict[str, NDArray[Any]]


def network_of(model: Model) -> dict[str, Any]:
    """What a program without elman must know of the network; JSON values.

    Raises
    ------
    UsageError
        E190 if its cell is one's own, so that its equations are in no runner.
    """
    settings, cell = model.settings, cell_of(model.settings)
    if KNOWN.get(settings.recurrence) is not CELLS[settings.recurrence]:
        message = f"the cell {settings.recurrence} is Python of your own, which plain arrays cannot hold"
        raise UsageError(message, code="E190", help="--format onnx says what plain operators can")
    numbers, (sizes, _) = numbers_of(model.inputs), width_of(model.inputs)
    return {
        "recurrence": settings.recurrence,
        "nonlinearity": getattr(cell, "nonlinearity", None),
        "hidden_size": settings.hidden_size,
        "states": len(cell.state_names),
        "layers": settings.num_layers,
        "ways": list(directions(settings)),
        "members": len(model.members),
        "whole": TASKS[model.task].network in WHOLE,
        "answers": cell.answers,
        "outputs": outputs_of(model.targets),
        "pooling": settings.pooling.split("+"),
        "shortcut": settings.shortcut,
        "columns": len(sizes),
        "one_hot": sizes[0] if sizes and settings.symbols == "one-hot" else 0,
        "masks": numbers is not None and numbers.masks,
    }


def tensors_of(model: Model) -> Arrays:
    """The weights of all members, and mean and scale of what is read and said."""
    found: Arrays = {
        f"members.{m}.{name}": array
        for m, member in enumerate(model.members)
        for name, array in member.items()
    }
    for part, codec in (("inputs", numbers_of(model.inputs)), ("targets", model.targets)):
        if isinstance(codec, NumberCodec):
            found |= {f"{part}.{name}": array for name, array in codec.arrays().items()}
    return found


def to_npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Write a ``.npz`` whose bytes depend on the arrays alone; NumPy's own holds the time of writing."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())
    return buffer.getvalue()


def npz_files(model: Model, about: Mapping[str, Any]) -> dict[str, bytes]:
    """``model.npz``: the arrays, and ``about`` as a text."""
    told = json.dumps({**about, "network": network_of(model)}, ensure_ascii=False, sort_keys=True)
    return {"model.npz": to_npz({"about": np.array(told), **tensors_of(model)})}


def load_runner(files: Mapping[str, bytes], name: str) -> ModuleType:
    """Run one of our runners beside its files, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        for other, data in files.items():
            (Path(folder) / other).write_bytes(data)
        spec = importlib.util.spec_from_file_location(
            f"elman_exported_{Path(name).stem}", Path(folder) / name
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module
