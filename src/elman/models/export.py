"""A model carried out of elman: the files of each format, checked before they are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from elman.errors import UsageError, missing_extra
from elman.files import write_folder
from elman.models.about import about
from elman.models.model import Model
from elman.models.npz_export import load_runner, npz_files
from elman.models.onnx_check import Check, check, check_runner
from elman.models.torch_export import torch_files


@dataclass(frozen=True)
class Export:
    """The files of an export by their names, what was checked, and what else there is to say."""

    files: dict[str, bytes]
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def write(self, folder: str | Path, *, force: bool = False) -> list[Path]:
        """Write the folder, whole or not at all; the paths of its files.

        Raises
        ------
        UsageError, OutputError
            If it is not to be written over (``check_place``), or cannot be written.
        """
        folder = Path(folder)
        check_place(folder, force=force)
        write_folder(folder, self.files)
        return [folder / name for name in self.files]


def export(model: Model, format: str = "onnx", source: bytes | None = None) -> Export:  # noqa: A002
    """Make the files of a format.

    Parameters
    ----------
    format
        "onnx", "npz" or "torch".
    source
        The model file's bytes, whose sha256 the export tells; by default those that ``model.save`` writes.

    Raises
    ------
    UsageError
        If there is no such format, or it cannot say this model (E190).
    MissingExtraError
        If a library that writes or checks it is not installed.
    ModelFileError
        E310 if what was exported answers otherwise than the model.
    """
    if format not in FORMATS:
        message = f"there is no format {format!r} to export to"
        raise UsageError(message, code="E192", help=f"one of {', '.join(FORMATS)}")
    return FORMATS[format](model, source)


def export_onnx(model: Model, source: bytes | None = None) -> Export:
    """``full.onnx``, of a causal model ``step.onnx``, and the runner, run beside the model."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise missing_extra(error.name or "onnx", "export", "exporting to ONNX") from None
    from elman.models.onnx_graph import to_onnx

    told, notes = about(model, source), []
    files = {"full.onnx": to_onnx(model, told, step=False)}
    if model.causal:
        files["step.onnx"] = to_onnx(model, told, step=True)
    else:
        notes = ["no step.onnx: the network reads both ways, so it must see the whole sequence first"]
    checks = check(model, files)
    return Export(files | programs("run_onnx.py", "sequences.py"), checks, notes)


def export_npz(model: Model, source: bytes | None = None) -> Export:
    """``model.npz`` and the NumPy program that runs it, which is run beside the model."""
    files = npz_files(model, about(model, source)) | programs("run_numpy.py", "sequences.py")
    program = load_runner(files, "run_numpy.py")
    return Export(files, check_runner(model, program.run))


def export_torch(model: Model, source: bytes | None = None) -> Export:
    """``weights.safetensors``, ``settings.json`` and the loader, which is not run: that would need torch."""
    files = torch_files(model, about(model, source))
    files |= programs("load_torch.py", "torch_network.py", "sequences.py")
    return Export(files, notes=["load_torch.py was not run here, for exporting needs no torch"])


def programs(*names: str) -> dict[str, bytes]:
    """The programs of these names, which stand beside what they run."""
    folder = resources.files("elman.models.runners")
    return {name: folder.joinpath(name).read_bytes() for name in names}


FORMATS: dict[str, Callable[[Model, bytes | None], Export]] = {
    "onnx": export_onnx,
    "npz": export_npz,
    "torch": export_torch,
}

NAMES = frozenset(
    {
        *("full.onnx", "step.onnx", "run_onnx.py", "sequences.py"),
        *("model.npz", "run_numpy.py"),
        *("weights.safetensors", "settings.json", "load_torch.py", "torch_network.py"),
        "__pycache__",
    }
)
"""What an export's folder may hold."""


def check_place(folder: str | Path, *, force: bool = False) -> None:
    """Refuse, before any work, a folder that is not to be written over.

    Raises
    ------
    UsageError
        E191 if there is a file in its place, or files in it that are not to be written over, or no export's.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file, not a folder", code="E191", help="give a folder with -o")
    found = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if found - NAMES:
        message = f"{folder} holds {min(found - NAMES)}, which no export wrote"
        raise UsageError(message, code="E191", help="-o chooses another folder")
    if found and not force:
        message = f"{folder} exists already and holds an export"
        raise UsageError(message, code="E191", help="--force writes over it, -o chooses another")
