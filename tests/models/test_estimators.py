"""SequenceClassifier: learns, keeps scikit-learn's protocol, and refuses what cannot be learnt from."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks

import elman
from elman import SequenceClassifier
from elman.errors import DataError, ModelFileError, UsageError
from elman.models.saving import to_bytes
from tests.conftest import make_rows, run_python

QUICK = {"hidden_size": 8, "embedding_size": 6, "max_epochs": 2, "learning_rate": 0.01, "members": 1}


def test_it_learns_what_can_be_learnt(fitted):
    texts, labels = make_rows(100, seed=9)
    assert fitted.score(texts, labels) > 0.95
    assert fitted.classes_.tolist() == ["en", "it", "pl"]
    losses = [r["loss"] for r in fitted.history_ if r["network"] == 0]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("recurrence", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("causal", [True, False])
def test_every_recurrence_learns(rows, recurrence, num_layers, causal):
    settings = {"max_epochs": 10, "learning_rate": 0.01, "hidden_size": 16, "embedding_size": 8, "members": 1}
    learnt = SequenceClassifier(recurrence=recurrence, num_layers=num_layers, causal=causal, **settings).fit(
        *rows
    )
    assert learnt.score(*make_rows(100, seed=9)) > 0.85
    assert learnt.model_.causal == causal


@pytest.mark.parametrize("labels", [[0, 1, 2], [True, False, True], [0.5, 1.5, 2.5], ["a", "b", "c"]])
def test_labels_keep_their_type(rows, labels):
    kinds = {"it": labels[0], "pl": labels[1], "en": labels[2]}
    y = np.array([kinds[label] for label in rows[1]])
    learnt = SequenceClassifier(**QUICK).fit(rows[0], y)
    assert learnt.predict(rows[0]).dtype == y.dtype
    assert learnt.classes_.tolist() == np.unique(y).tolist()


def test_same_seed_same_bytes_whatever_happened_before(rows):
    first = to_bytes(SequenceClassifier(**QUICK, random_state=1).fit(*rows).model_)
    np.random.rand(7)  # noqa: NPY002
    second = to_bytes(SequenceClassifier(**QUICK, random_state=1).fit(*rows).model_)
    assert first == second
    assert first != to_bytes(SequenceClassifier(**QUICK, random_state=2).fit(*rows).model_)


def test_two_fresh_processes_write_the_same_file(tmp_path):
    code = """
import sys
from tests.conftest import make_rows
from elman import SequenceClassifier
SequenceClassifier(hidden_size=8, max_epochs=2, members=2).fit(*make_rows(80)).save(sys.argv[1])
"""
    files = [tmp_path / name for name in ("a", "b")]
    for path in files:
        run_python(code, str(path))
    assert files[0].read_bytes() == files[1].read_bytes()


@pytest.mark.parametrize("stop", [1, 3, 4, 8, 11, 16])
def test_a_stopped_run_goes_on_to_the_same_bytes(rows, tmp_path, stop):
    """4 updates an epoch, 8 a member: stops within an epoch, at its end, at a member's, at all's."""
    settings = {**QUICK, "batch_size": 64, "members": 2}
    whole = SequenceClassifier(**settings).fit(*rows)
    path = tmp_path / "run.checkpoint"
    steps = SequenceClassifier(**settings).fit_iter(*rows, checkpoint=path)
    for number, _ in enumerate(steps, start=1):
        if number == stop:
            break
    steps.close()
    assert path.exists()
    resumed = SequenceClassifier(**settings).fit(*rows, checkpoint=path)
    assert to_bytes(resumed.model_) == to_bytes(whole.model_)
    assert not path.exists()


def test_a_checkpoint_of_other_rows_or_settings_is_refused(rows, tmp_path):
    path = tmp_path / "run.checkpoint"
    steps = SequenceClassifier(**QUICK).fit_iter(*rows, checkpoint=path)
    next(steps)
    steps.close()
    with pytest.raises(ModelFileError, match="hidden_size was 8 and is 9 now"):
        SequenceClassifier(**{**QUICK, "hidden_size": 9}).fit(*rows, checkpoint=path)
    with pytest.raises(ModelFileError, match="its rows are others"):
        SequenceClassifier(**QUICK).fit(rows[0][:-1], rows[1][:-1], checkpoint=path)


def test_break_keeps_the_best_so_far(rows):
    learner = SequenceClassifier(**QUICK)
    for step in learner.fit_iter(*rows):
        if step.step.epoch == 2:
            break
    assert learner.predict(rows[0][:3]).shape == (3,)
    assert learner.model_.training["complete"] is False


def test_validation_data_decides_instead_of_a_part(rows):
    learner = SequenceClassifier(**QUICK).fit(*rows, validation_data=make_rows(50, seed=5))
    assert learner.model_.training["rows"] == {"training": 240, "validation": 50}
    with pytest.raises(DataError, match="a label that y has not"):
        SequenceClassifier(**QUICK).fit(*rows, validation_data=(["x"], ["unheard"]))


def test_weights_decide_what_counts(rows):
    """Rows whose label is wrong but whose weight is 0 do no harm."""
    texts, labels = rows
    wrong = ["it" if label == "pl" else "pl" for label in labels]
    weights = [1.0] * len(texts) + [0.0] * len(texts)
    strong = {**QUICK, "max_epochs": 8}
    learnt = SequenceClassifier(**strong).fit(texts + texts, labels + wrong, sample_weight=weights)
    assert learnt.score(*make_rows(100, seed=9)) > 0.9


def test_class_weight_moves_the_answer_towards_rare_classes():
    texts, labels = make_rows(300)
    rare = [(t, x) for n, (t, x) in enumerate(zip(texts, labels, strict=True)) if x != "pl" or n % 12 == 0]
    X, y = map(list, zip(*rare, strict=True))
    plain = SequenceClassifier(**QUICK).fit(X, y).predict_proba(texts)[:, 2].mean()
    heavy = SequenceClassifier(**QUICK, class_weight="balanced").fit(X, y).predict_proba(texts)[:, 2].mean()
    given = SequenceClassifier(**QUICK, class_weight={"pl": 12.0}).fit(X, y).predict_proba(texts)[:, 2].mean()
    assert plain < heavy
    assert plain < given


def test_groups_stay_on_one_side(rows):
    groups = [text[0] for text in rows[0]]
    learner = SequenceClassifier(**QUICK, validation_fraction=0.3)
    plan = learner._plan(*rows, None, groups, None)
    rest, held = plan.folds[0]
    assert len(held)
    assert not {groups[r] for r in rest} & {groups[r] for r in held}


# scikit-learn's protocol ---------------------------------------------------------------------------


def test_clone_and_parameters():
    learner = SequenceClassifier(hidden_size=9, recurrence="lstm")
    assert clone(learner).get_params() == learner.get_params()
    assert learner.set_params(hidden_size=10).hidden_size == 10
    assert "hidden_size=10" in repr(learner)


def test_not_fitted_is_said():
    with pytest.raises(NotFittedError):
        SequenceClassifier().predict(["x"])


def containers(texts):
    return [texts, np.array(texts, object), pd.Series(texts), pa.array(texts), pa.chunked_array([texts])]


@pytest.mark.parametrize("kind", range(5))
def test_cross_val_score_on_every_container(rows, kind):
    scores = cross_val_score(SequenceClassifier(**QUICK), containers(rows[0])[kind], rows[1], cv=2)
    assert scores.shape == (2,)
    assert (scores == cross_val_score(SequenceClassifier(**QUICK), rows[0], rows[1], cv=2)).all()


def test_grid_search_in_two_processes(rows):
    search = GridSearchCV(SequenceClassifier(**QUICK), {"hidden_size": [4, 8]}, cv=2, n_jobs=2)
    search.fit(*rows)
    assert search.best_params_["hidden_size"] in (4, 8)
    assert search.predict(rows[0][:3]).shape == (3,)


def test_pipeline(rows):
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    pipeline = Pipeline([("lower", lower), ("learn", SequenceClassifier(**QUICK))]).fit(*rows)
    assert (pipeline.predict(["ROSSINI"]) == pipeline.predict(["rossini"])).all()


def test_a_fitted_estimator_survives_pickling(fitted, rows):
    again = pickle.loads(pickle.dumps(fitted))
    assert (again.predict_proba(rows[0]) == fitted.predict_proba(rows[0])).all()
    assert again.get_params() == fitted.get_params()


CHECKS = (
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_get_params_invariance",
    "check_set_params",
    "check_mixin_order",
    "check_valid_tag_types",
    "check_estimator_tags_renamed",
)


@pytest.mark.parametrize("check", CHECKS)
def test_scikit_learns_own_checks(check):
    """The checks that need no numeric table; our tags say that rows are texts, so the others do not apply."""
    getattr(estimator_checks, check)("SequenceClassifier", SequenceClassifier(**QUICK))


def test_scikit_learn_knows_that_rows_are_texts():
    tags = SequenceClassifier().__sklearn_tags__()
    assert (tags.input_tags.string, tags.input_tags.two_d_array) == (True, False)
    assert tags.estimator_type == "classifier"


# what cannot be learnt from -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "y", "code"),
    [
        ([], [], "E260"),
        (["a", ""], ["x", "y"], "E261"),
        (["a", "b" * 100_001], ["x", "y"], "E262"),
        (["a", "b"], ["x", "x"], "E263"),
        (["a", "b"], ["x"], "E239"),
        (["a", None], ["x", "y"], "E231"),
        (["a", 3], ["x", "y"], "E232"),
        (["a", "b"], ["x", None], "E231"),
        (["a", "b"], ["x", " "], "E234"),
        (["a", "b"], ["x", 3], "E236"),
    ],
)
def test_bad_rows_are_refused_before_learning(X, y, code):
    with pytest.raises(DataError) as caught:
        SequenceClassifier(**QUICK).fit(X, y)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"hidden_size": 0}, "hidden_size must be at least 1"),
        ({"hidden_size": 2.5}, "hidden_size must be a whole number"),
        ({"recurrence": "gro"}, "gru"),
        ({"optimizer": "adm"}, "did you mean adam"),
        ({"dropout": float("nan")}, "dropout must be"),
        ({"validation_fraction": 1.0}, "at most 0.9"),
        ({"class_weight": "balance"}, "class_weight"),
        ({"members": 0}, "members must be at least 1"),
    ],
)
def test_bad_settings_are_refused_before_learning(rows, settings, word):
    with pytest.raises(UsageError, match=word):
        SequenceClassifier(**{**QUICK, **settings}).fit(*rows)


def test_a_class_seen_once_is_learnt_but_never_held_out(rows):
    learner = SequenceClassifier(**QUICK).fit([*rows[0], "Zzz"], [*rows[1], "rare"])
    assert "rare" in learner.classes_


def test_elman_load_reads_what_save_wrote(fitted, tmp_path):
    fitted.save(tmp_path / "m.safetensors")
    assert isinstance(elman.load(tmp_path / "m.safetensors"), elman.Model)
