"""The pictures show what was found, and the same run gives the same bytes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib import image

from elman.data.sequences import as_labels
from elman.errors import MissingExtraError
from elman.models import pictures
from elman.models.evaluation import evaluate
from tests.conftest import make_rows


@pytest.fixture(scope="module")
def found(fitted):
    texts, labels = make_rows(60, seed=4)
    return evaluate(fitted.model_, texts, as_labels(labels))


def pixels(path):
    return image.imread(io.BytesIO(path.read_bytes()))


def test_the_diagonal_is_dark_where_the_answers_are_right(found, tmp_path):
    path = tmp_path / "c.png"
    pictures.draw_confusion(found, path)
    seen = pixels(path)
    assert min(seen.shape[:2]) > 300
    dark = (seen[..., 2] - seen[..., 0] > 0.2).mean()  # the blue of filled cells
    assert dark > 0.05


def test_the_same_evaluation_gives_the_same_bytes(found, tmp_path):
    for name in ("a.png", "b.png"):
        pictures.draw_confusion(found, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_the_learning_curve_has_a_line_for_each_network(fitted, tmp_path):
    path = tmp_path / "l.png"
    pictures.draw_history(fitted.history_, path)
    accent = np.array([0xC2, 0x41, 0x0C]) / 255
    assert (np.abs(pixels(path)[..., :3] - accent).max(axis=-1) < 0.02).sum() > 100


def test_without_matplotlib_the_command_that_adds_it_is_told(found, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r'pip install "elman\[plot\]"'):
        pictures.draw_confusion(found, tmp_path / "c.png")
    assert list(tmp_path.iterdir()) == []
