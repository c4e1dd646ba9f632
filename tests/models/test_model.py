"""A model answers as the networks that it was made from, and alone as in a batch."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from elman.errors import DataError, UsageError
from elman.nn.network import Network
from tests.conftest import run_python


def test_the_answer_is_the_mean_of_the_torch_networks(fitted, rows):
    model, texts = fitted.model_, rows[0][:40]
    total = np.zeros((len(texts), 3))
    for tensors in model.members:
        network = Network(model.settings, model.inputs.sizes, 3)
        network.load_tensors(tensors)
        network.eval()
        for row, text in enumerate(texts):
            ids = model.inputs.encode(text)[None].astype(np.int64)
            with torch.no_grad():
                total[row] += torch.softmax(network(ids, np.array([ids.shape[1]])), -1).numpy()[0]
    np.testing.assert_allclose(model.predict_proba(texts), total / len(model.members), atol=1e-5)


def test_a_row_alone_answers_as_in_a_batch(fitted, rows):
    texts = [*rows[0][:50], "", "x" * 40]
    together = fitted.model_.predict_proba(texts)
    alone = np.concatenate([fitted.model_.predict_proba([text]) for text in texts])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-6)


def test_predict_gives_the_most_probable_label_of_ys_type(fitted, rows):
    answers = fitted.model_.predict(rows[0])
    assert answers.dtype.kind == "U"
    assert set(answers) <= set(rows[1])
    best = fitted.model_.predict_proba(rows[0]).argmax(axis=1)
    assert (answers == fitted.classes_[best]).all()


def test_no_rows_give_no_answers(fitted):
    assert fitted.model_.predict([]).shape == (0,)
    assert fitted.model_.predict_proba([]).shape == (0, 3)


@pytest.mark.parametrize(
    "wrap",
    [tuple, np.array, lambda t: np.array(t, object), pd.Series, pa.array, lambda t: pd.DataFrame({"x": t})],
)
def test_every_container_gives_the_same_answer(fitted, rows, wrap):
    texts = rows[0][:5]
    assert (fitted.model_.predict_proba(wrap(texts)) == fitted.model_.predict_proba(texts)).all()


def test_unknown_symbols_are_counted(fitted):
    assert fitted.model_.unknown_symbols(["Ж", "aЖЖ", "ß"]) == {"Ж": 3, "ß": 1}


@pytest.mark.parametrize(("X", "code"), [("Rossi", "E124"), ([1], "E232"), ([None], "E231")])
def test_what_is_no_list_of_texts_is_refused(fitted, X, code):
    with pytest.raises((DataError, UsageError)) as caught:
        fitted.model_.predict(X)
    assert caught.value.code == code


def test_a_model_survives_pickling(fitted, rows):
    again = pickle.loads(pickle.dumps(fitted.model_))
    assert (again.predict_proba(rows[0]) == fitted.model_.predict_proba(rows[0])).all()


def test_predicting_needs_no_torch(fitted, tmp_path):
    path = tmp_path / "m.safetensors"
    fitted.save(path)
    code = """
import sys, elman
model = elman.load(sys.argv[1])
print(model.predict(["Rossini"])[0])
print([m for m in ("torch", "sklearn", "pandas", "scipy", "matplotlib") if m in sys.modules])
"""
    answer, loaded = run_python(code, str(path)).splitlines()
    assert answer == fitted.predict(["Rossini"])[0]
    assert loaded == "[]"
