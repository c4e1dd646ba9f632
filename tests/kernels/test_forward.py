"""The whole network in NumPy, against torch.nn's own modules put together by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from elman.cells import Names
from elman.errors import UsageError
from elman.kernels import forward, run, tensor_shapes

torch.set_num_threads(1)
SIZES, OUTPUTS = (11, 6), 4
LENGTHS = np.array([3, 9, 1, 5])
KINDS = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


def shape(**changes):
    values = {
        "recurrence": "gru",
        "hidden_size": 7,
        "num_layers": 2,
        "causal": False,
        "nonlinearity": "tanh",
        "pooling": "last+mean+max",
        "symbols": "embedding",
        "embedding_size": 5,
        "shortcut": 0.0,
    }
    return SimpleNamespace(**values | changes)


def draw_case(settings):
    rng = np.random.default_rng(0)
    wanted = tensor_shapes(settings, SIZES, OUTPUTS)
    tensors = {name: rng.normal(0, 0.5, size).astype(np.float32) for name, size in wanted.items()}
    ids = np.stack([rng.integers(0, size, (len(LENGTHS), 9)) for size in SIZES], axis=-1)
    return tensors, ids


def by_torch(settings, tensors, ids, length):
    """One row, with torch.nn's modules and nothing of ours."""
    weights = {name: torch.tensor(array) for name, array in tensors.items()}
    kind, options = KINDS[settings.recurrence], {}
    if settings.recurrence == "rnn":
        options = {"nonlinearity": settings.nonlinearity}
    layers = kind(5, 7, settings.num_layers, bidirectional=not settings.causal, **options)
    layers.load_state_dict({n[7:]: w for n, w in weights.items() if n.startswith("layers.")})
    x = sum(weights[f"embedding.{g}.weight"][torch.tensor(ids[:length, g])] for g in range(2))
    outputs, state = layers(x)
    final = (state[0] if isinstance(state, tuple) else state)[-1 if settings.causal else -2 :].flatten()
    found = {"last": final, "mean": outputs.mean(0), "max": outputs.amax(0)}
    parts = [found[kind] for kind in settings.pooling.split("+")]
    features = torch.cat([*parts, settings.shortcut * x.sum(0) / length**0.5] if settings.shortcut else parts)
    return (features @ weights["head.weight"].T + weights["head.bias"]).detach().numpy()


@pytest.mark.parametrize("recurrence", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "last+mean+max"])
def test_the_logits_are_torchs(recurrence, num_layers, causal, pooling):
    settings = shape(recurrence=recurrence, num_layers=num_layers, causal=causal, pooling=pooling)
    tensors, ids = draw_case(settings)
    logits = forward(settings, tensors, ids, LENGTHS)
    assert logits.dtype == np.float32
    for row, length in enumerate(LENGTHS):
        expected = by_torch(settings, tensors, ids[row], length)
        assert np.all(np.abs(logits[row] - expected) <= 1e-5 * np.maximum(1, np.abs(expected)))


def test_the_nonlinearity_reaches_the_cell():
    settings = shape(recurrence="rnn", nonlinearity="relu")
    tensors, ids = draw_case(settings)
    expected = by_torch(settings, tensors, ids[1], 9)
    np.testing.assert_allclose(forward(settings, tensors, ids, LENGTHS)[1], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("weight", [0.5, 2.0])
def test_the_shortcut_adds_the_summed_embeddings(weight):
    settings = shape(shortcut=weight)
    tensors, ids = draw_case(settings)
    logits = forward(settings, tensors, ids, LENGTHS)
    for row, length in enumerate(LENGTHS):
        expected = by_torch(settings, tensors, ids[row], length)
        assert np.all(np.abs(logits[row] - expected) <= 1e-5 * np.maximum(1, np.abs(expected)))


def test_length_0_gives_the_answer_of_the_first_state():
    tensors, ids = draw_case(shape())
    for steps in (0, 9):
        logits = forward(shape(), tensors, ids[:, :steps], np.zeros(4, int))
        np.testing.assert_array_equal(logits, np.tile(tensors["head.bias"], (4, 1)))


def test_ids_of_one_column_may_come_without_its_axis():
    settings = shape()
    tensors, ids = draw_case(settings)
    del tensors["embedding.1.weight"]
    flat = forward(settings, tensors, ids[..., 0], LENGTHS)
    np.testing.assert_array_equal(flat, forward(settings, tensors, ids[..., :1], LENGTHS))


def test_padding_is_not_read():
    tensors, ids = draw_case(shape())
    other = ids.copy()
    for row, length in enumerate(LENGTHS):
        other[row, length:] = 0
    np.testing.assert_array_equal(
        forward(shape(), tensors, ids, LENGTHS), forward(shape(), tensors, other, LENGTHS)
    )


def test_an_unknown_recurrence_is_refused():
    with pytest.raises(UsageError, match="there is no recurrence 'gruu'") as caught:
        tensor_shapes(shape(recurrence="gruu"), SIZES, OUTPUTS)
    assert caught.value.help == "did you mean gru ?"


def test_the_shapes_say_every_weight():
    assert tensor_shapes(shape(num_layers=1, causal=True, pooling="mean"), (11,), 4) == {
        "embedding.0.weight": (11, 5),
        "layers.weight_ih_l0": (21, 5),
        "layers.weight_hh_l0": (21, 7),
        "layers.bias_ih_l0": (21,),
        "layers.bias_hh_l0": (21,),
        "head.weight": (4, 7),
        "head.bias": (4,),
    }
    wide = tensor_shapes(shape(), (11,), 4)
    assert wide["layers.weight_ih_l1_reverse"] == (21, 14)
    assert wide["head.weight"] == (4, 42)
    assert tensor_shapes(shape(shortcut=0.5), (11,), 4)["head.weight"] == (4, 47)


@pytest.mark.parametrize("recurrence", ["names", "rnn"])
def test_one_hot_symbols_are_numbers_and_the_unknown_one_is_noughts(recurrence):
    settings = shape(recurrence=recurrence, num_layers=1, causal=True, symbols="one-hot", shortcut=0.5)
    wanted = tensor_shapes(settings, (6,), OUTPUTS)
    assert wanted == tensor_shapes(
        shape(**vars(settings) | {"symbols": "embedding"}), (), OUTPUTS, features=5
    )
    rng = np.random.default_rng(0)
    tensors = {name: rng.normal(0, 0.5, size) for name, size in wanted.items()}
    ids = rng.integers(0, 6, (len(LENGTHS), 9))
    ids[0, 0] = 0
    numbers = np.eye(6)[ids][..., 1:]
    plain = shape(**vars(settings) | {"symbols": "embedding"})
    expected = forward(plain, tensors, numbers, LENGTHS)
    np.testing.assert_array_equal(forward(settings, tensors, ids, LENGTHS, sizes=(6,)), expected)


@pytest.mark.parametrize(
    ("ids", "sizes", "message"),
    [
        (np.full((4, 9), 6), (6,), "ids run from 6 to 6"),
        (np.zeros((4, 9), int), (), "one-hot symbols are one column of ids, not 0"),
        (np.zeros((4, 9, 2), int), (6,), "the ids have 3 dimensions"),
    ],
)
def test_ids_that_cannot_be_one_hot_are_refused(ids, sizes, message):
    settings = shape(recurrence="names", num_layers=1, causal=True, symbols="one-hot")
    tensors = {name: np.zeros(size) for name, size in tensor_shapes(settings, (6,), OUTPUTS).items()}
    with pytest.raises(UsageError, match=message) as caught:
        forward(settings, tensors, ids, LENGTHS, sizes=sizes)
    assert caught.value.code == "E164"


def numbers_of(settings, task, outputs=OUTPUTS):
    """Weights and numbers (4, 9, 3) for a network without embeddings."""
    rng = np.random.default_rng(0)
    wanted = tensor_shapes(settings, (), outputs, features=3, task=task)
    tensors = {name: rng.normal(0, 0.5, size) for name, size in wanted.items()}
    return tensors, rng.normal(size=(len(LENGTHS), 9, 3))


@pytest.mark.parametrize("recurrence", ["rnn", "lstm", "gru"])
def test_a_tagger_of_numbers_maps_every_output(recurrence):
    settings = shape(recurrence=recurrence, causal=True)
    tensors, numbers = numbers_of(settings, "tag")
    answers, state = run(settings, tensors, numbers, LENGTHS, task="tag")
    layers = KINDS[recurrence](3, 7, 2, dtype=torch.float64)
    layers.load_state_dict({n[7:]: torch.tensor(w) for n, w in tensors.items() if n.startswith("layers.")})
    assert answers.shape == (4, 9, OUTPUTS)
    for row, length in enumerate(LENGTHS):
        outputs, final = layers(torch.tensor(numbers[row, :length]))
        expected = outputs.detach().numpy() @ tensors["head.weight"].T + tensors["head.bias"]
        np.testing.assert_allclose(answers[row, :length], expected, rtol=1e-10, atol=1e-12)
        assert not answers[row, length:].any()
        for a, b in zip(*(s if isinstance(s, tuple) else (s,) for s in (state, final)), strict=True):
            np.testing.assert_allclose(a[:, row], b.detach(), rtol=1e-10, atol=1e-12)


def test_a_cell_that_answers_itself_has_no_head():
    settings = shape(recurrence="names", causal=True, num_layers=1)
    assert tensor_shapes(settings, (), 4, features=3, task="classify") == {
        "layers.weight_i2h_l0": (7, 10),
        "layers.bias_i2h_l0": (7,),
        "layers.weight_i2o_l0": (4, 10),
        "layers.bias_i2o_l0": (4,),
    }
    tensors, numbers = numbers_of(settings, "classify")
    params = {name[7:-3]: array for name, array in tensors.items()}
    last = forward(settings, tensors, numbers, LENGTHS)
    every, state = run(settings, tensors, numbers, LENGTHS, task="tag")
    for row, length in enumerate(LENGTHS):
        h = np.zeros((1, 7))
        for t in range(length):
            answer, h = Names(7).step(numbers[row, t : t + 1], h, params)
            np.testing.assert_allclose(every[row, t], answer[0], rtol=1e-12)
        np.testing.assert_allclose(last[row], answer[0], rtol=1e-12)
        np.testing.assert_allclose(state[0, row], h[0], rtol=1e-12)


@pytest.mark.parametrize("recurrence", ["rnn", "lstm", "sine"])
def test_in_two_pieces_with_the_state_between_it_is_as_whole(recurrence):
    settings = shape(recurrence=recurrence, causal=True, num_layers=1)
    tensors, numbers = numbers_of(settings, "tag")
    whole, after = run(settings, tensors, numbers, LENGTHS, task="tag")
    first, between = run(settings, tensors, numbers[:, :4], LENGTHS.clip(0, 4), task="tag")
    rest = LENGTHS.clip(4) - 4
    second, end = run(settings, tensors, numbers[:, 4:], rest, between, task="tag")
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, rtol=0, atol=1e-13)
    np.testing.assert_allclose(np.array(end), np.array(after), rtol=0, atol=1e-13)


def test_numbers_keep_the_type_of_the_weights():
    settings = shape(causal=True)
    tensors, numbers = numbers_of(settings, "tag")
    single = {name: array.astype(np.float32) for name, array in tensors.items()}
    answers, state = run(settings, single, numbers, LENGTHS, task="tag")
    assert {answers.dtype, state.dtype} == {np.dtype(np.float32)}


def test_numbers_without_their_axis_and_states_of_another_shape_are_refused():
    settings = shape(causal=True)
    tensors, numbers = numbers_of(settings, "tag")
    with pytest.raises(UsageError, match=r"2 dimensions, the network reads numbers \(B, T, D\)") as caught:
        run(settings, tensors, numbers[..., 0], LENGTHS, task="tag")
    assert caught.value.code == "E164"
    with pytest.raises(UsageError, match=r"first state must be h of shape \(2, 4, 7\) each, not") as caught:
        run(settings, tensors, numbers, LENGTHS, np.zeros((1, 4, 7)), task="tag")
    assert caught.value.code == "E165"
