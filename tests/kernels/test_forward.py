"""The whole network in NumPy, against torch.nn's own modules put together by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from elman.errors import UsageError
from elman.kernels import forward, tensor_shapes

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
