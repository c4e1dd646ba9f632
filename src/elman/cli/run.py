"""Learn, measure, save, draw: what ``train`` and ``demo`` have in common."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elman.cli.output import print_json, say
from elman.cli.progress import interruptible, shown
from elman.cli.report import print_evaluation, print_seeds
from elman.errors import DivergedError, MissingExtraError, UsageError
from elman.files import check_writable
from elman.models.evaluation import Evaluation
from elman.models.model import Model
from elman.models.trial import Baselines, Trial, begin_baselines, finish

if TYPE_CHECKING:
    from elman.models.estimators import SequenceClassifier
    from elman.models.learning import FitProgress

    Watch = Callable[[SequenceClassifier, Iterable[FitProgress]], Iterable[FitProgress]]

INTERRUPTED = 130


@dataclass(frozen=True)
class Files:
    """Where a run writes, and how it prints."""

    model: Path
    resume: bool
    as_json: bool
    baselines: bool

    @property
    def checkpoint(self) -> Path:
        """Beside the model; there only while a run is unfinished."""
        return self.model.with_name(self.model.name + ".checkpoint")

    @classmethod
    def choose(cls, arguments: argparse.Namespace, stem: str) -> Files:
        """Choose the places and refuse, before learning, what could not be written later."""
        model = Path(arguments.output or f"{stem}.safetensors")
        files = cls(model, arguments.resume, arguments.json, not arguments.no_baselines)
        check_writable(model)
        files._check(arguments.force)
        return files

    def _check(self, force: bool) -> None:
        if self.resume:
            if not self.checkpoint.exists():
                raise UsageError(
                    f"there is no stopped run to go on with: {self.checkpoint} is not there",
                    code="E113",
                    help="leave out --resume",
                )
            return
        if force:
            self.checkpoint.unlink(missing_ok=True)
        elif self.checkpoint.exists():
            raise UsageError(
                f"{self.checkpoint} holds a run that was stopped",
                code="E114",
                help="--resume goes on with it, --force starts anew",
            )
        elif self.model.exists():
            raise UsageError(
                f"{self.model} exists already", code="E115", help="--force writes over it, -o chooses another"
            )


def run_trial(trial: Trial, files: Files, watch: Watch | None = None) -> int:
    """Learn once, measure, save, draw, print; the exit code. ``watch`` passes every update on."""
    start = time.monotonic()
    with beside(trial, files) as begun:
        model, stopped = learn_trial(trial, files, files.checkpoint, watch)
        model.save(files.model)
        if stopped:
            say(
                f"stopped: the best network so far is in {files.model}; the same command and --resume goes on"
            )
            return INTERRUPTED
        learnt = time.monotonic()
        model, found = measure(trial, model, files, begun)
    model.save(files.model)
    pictures = draw(model, found, files.model)
    if files.as_json:
        print_json(as_json(model, found, files.model, pictures))
    else:
        print_evaluation(found, name_of(model))
        for path in (files.model, *pictures):
            say(f"written: {path}")
        say(f"learnt in {clock(learnt - start)}, measured and drawn in {clock(time.monotonic() - learnt)}")
    return 0


def clock(seconds: float) -> str:
    """Write a time as minutes:seconds."""
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}"


def run_seeds(trials: list[Trial], files: Files) -> int:
    """Learn once for each seed; save the first model, print mean ± deviation."""
    kept: list[tuple[Model, Evaluation]] = []
    for trial in trials:
        say(f"seed {trial.seed}")
        with beside(trial, files) as begun:
            model, stopped = learn_trial(trial, files, None)
            if stopped:
                return INTERRUPTED
            kept.append(measure(trial, model, files, begun))
        if trial is trials[0]:
            kept[0][0].save(files.model)
    (model, found), runs = kept[0], [evaluation for _, evaluation in kept]
    pictures = draw(model, found, files.model)
    if files.as_json:
        each = [
            {"seed": t.seed, "scores": r.scores, "baselines": r.baselines}
            for t, r in zip(trials, runs, strict=True)
        ]
        print_json(as_json(model, found, files.model, pictures) | {"seeds": each})
    else:
        print_seeds(runs, name_of(model))
        for path in (files.model, *pictures):
            say(f"written (seed {trials[0].seed}): {path}")
    return 0


def learn(
    estimator: Any, steps: Generator[FitProgress, None, None], files: Files, watch: Watch | None = None
) -> tuple[Model, bool]:
    """Take the ``steps`` of ``estimator`` until they end or a signal comes.

    Returns
    -------
    The model, and whether it was stopped before its end.

    Raises
    ------
    DivergedError
        The best network so far, if there is one, is saved first; the message says where.
    """
    with interruptible() as flag:
        try:
            for _ in shown(watch(estimator, steps) if watch else steps, files.as_json):
                if flag:
                    break
        except DivergedError as error:
            raise _with_best(estimator, files, error) from error
        finally:
            steps.close()
    return estimator.model_, bool(flag) and not estimator.model_.training["complete"]


def learn_trial(
    trial: Trial, files: Files, checkpoint: Path | None, watch: Watch | None = None
) -> tuple[Model, bool]:
    """Learn once; the model, and whether it was stopped."""
    estimator = trial.estimator()
    return learn(estimator, trial.steps(estimator, checkpoint), files, watch)


@contextmanager
def beside(trial: Trial, files: Files) -> Iterator[Baselines | None]:
    """Fit the baselines beside the learning; however that ends, nothing runs on."""
    begun = begin_baselines(trial) if files.baselines else None
    try:
        yield begun
    finally:
        if begun is not None:
            begun.stop()


def measure(trial: Trial, model: Model, files: Files, begun: Baselines | None) -> tuple[Model, Evaluation]:
    """Score the model on the held-out rows, beside the baselines."""
    say("measuring on the held-out rows" + (", beside the baselines" if files.baselines else ""))
    return finish(trial, model, baselines=files.baselines, begun=begun)


def draw(model: Model, found: Evaluation, path: Path) -> list[Path]:
    """Draw the pictures beside the model; without matplotlib say what would add them."""
    from elman.models.pictures import draw_confusion, draw_history

    confusion, learning = (path.with_name(f"{path.stem}-{kind}.png") for kind in ("confusion", "learning"))
    try:
        draw_confusion(found, confusion)
        draw_history(model.training["history"], learning)
    except MissingExtraError as error:
        say(f"no pictures: {error}")
        return []
    return [confusion, learning]


def name_of(model: Model) -> str:
    """Name a model in a table of scores."""
    settings = model.settings
    layers = f"{settings.num_layers} layers" if settings.num_layers > 1 else "1 layer"
    ways = "forwards" if settings.causal else "both ways"
    members = f", {len(model.members)} networks" if len(model.members) > 1 else ""
    return f"elman {settings.recurrence} {settings.hidden_size} ({layers}, {ways}{members})"


def as_json(model: Model, found: Evaluation, path: Path, pictures: list[Path]) -> dict[str, Any]:
    """Collect what ``--json`` prints."""
    return {
        **found.to_json(),
        "split": model.training["split"],
        "model": str(path),
        "pictures": [str(picture) for picture in pictures],
    }


def _with_best(estimator: Any, files: Files, error: DivergedError) -> DivergedError:
    """Save the best weights before the error goes on, and say where they are."""
    kept = ""
    if hasattr(estimator, "model_"):
        estimator.model_.save(files.model)
        kept = f"; the best network so far is in {files.model}"
    return DivergedError(error.message + kept, code=error.code, where=error.where, help=error.help)
