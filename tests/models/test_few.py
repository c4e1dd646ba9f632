"""A few short texts take a quicker way, to the bits of a batch."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from elman import SequenceClassifier, SequenceRegressor
from elman.kernels import use
from elman.kernels.native import compiled
from elman.models import answers
from elman.models.few import FEW, probabilities_of_few

torch.set_num_threads(1)
RNG = np.random.default_rng(0)
TEXTS = ["".join(row[: RNG.integers(1, 9)]) for row in RNG.choice(list("abcdé"), (80, 9)).tolist()]
KINDS = [text.count("a") % 2 for text in TEXTS]
QUICK = {"hidden_size": 9, "max_epochs": 1, "random_state": 0}


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("more", [{}, {"num_layers": 2, "members": 1}, {"symbols": "one-hot", "ngrams": 1}])
def test_few_texts_get_the_bits_of_a_batch(cell, more):
    model = SequenceClassifier(recurrence=cell, **{**QUICK, **more}).fit(TEXTS, KINDS).model_
    together = model.predict_proba(TEXTS)
    assert probabilities_of_few(model, answers.encode(model, TEXTS)) is None
    taken = 0
    for row, text in enumerate(TEXTS[:12]):
        few = probabilities_of_few(model, answers.encode(model, [text]))
        if few is not None:
            taken += 1
            np.testing.assert_array_equal(few[0], together[row])
        np.testing.assert_array_equal(model.predict_proba([text])[0], together[row])
    assert taken == (12 if compiled.module else 0)
    np.testing.assert_array_equal(model.predict_proba(TEXTS[:5]), together[:5])


def test_whoever_cannot_be_stepped_runs_as_a_batch():
    model = SequenceClassifier(**QUICK).fit(TEXTS, KINDS).model_
    assert probabilities_of_few(model, answers.encode(model, ["a" * (FEW + 1)])) is None
    both = SequenceClassifier(**QUICK, causal=False).fit(TEXTS, KINDS).model_
    assert probabilities_of_few(both, answers.encode(both, ["a"])) is None
    number = SequenceRegressor(**QUICK).fit(TEXTS, KINDS).model_
    assert probabilities_of_few(number, answers.encode(number, ["a"])) is None
    assert np.isfinite(number.predict(["a"])).all()


def test_the_arithmetic_may_change_and_threads_may_meet():
    model = SequenceClassifier(**QUICK).fit(TEXTS, KINDS).model_
    wanted = [model.predict_proba([text]) for text in TEXTS]
    before = compiled.path
    try:
        for path in compiled.names():
            use(path)
            for text, answer in zip(TEXTS[:9], wanted, strict=False):
                np.testing.assert_allclose(model.predict_proba([text]), answer, rtol=1e-4, atol=1e-6)
    finally:
        use(before)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda text: model.predict_proba([text]), TEXTS * 5))
    for answer, right in zip(found, wanted * 5, strict=True):
        np.testing.assert_array_equal(answer, right)
