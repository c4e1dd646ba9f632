"""What a NumberCodec does; the laws that it shares with the other codecs are in test_codec.py."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from elman.data.numbers import NumberCodec
from elman.errors import DataError, ModelFileError, UsageError

NAN = math.nan
FLOATS = st.floats(-1e6, 1e6)
STEPS = st.lists(FLOATS, min_size=1, max_size=20)


def test_mean_and_deviation_are_those_of_all_steps():
    codec = NumberCodec().fit([np.array([[1.0, 10.0], [3.0, 20.0]]), np.array([[5.0, 30.0]])])
    assert codec.mean.tolist() == [3.0, 20.0]
    assert codec.scale.tolist() == [math.sqrt(8 / 3), math.sqrt(200 / 3)]
    assert (codec.features, codec.size, codec.masks, codec.constant) == (2, 2, False, [])
    assert (codec.mean.dtype, codec.scale.dtype) == (np.float64, np.float64)


def test_encoding_by_hand():
    codec = NumberCodec().fit([[1.0, 3.0]])  # mean 2, deviation 1
    channels = codec.encode([2.0, 4.5, -1.0])
    assert channels.tolist() == [[0.0], [2.5], [-3.0]]
    assert channels.dtype == np.float32
    assert codec.decode([[0.0], [2.5], [-3.0]]).tolist() == [[2.0], [4.5], [-1.0]]
    assert codec.decode(np.zeros((2, 3, 1), dtype=np.float32)).tolist() == [[[2.0]] * 3] * 2
    assert codec.decode(channels).dtype == np.float64


def test_a_missing_number_is_0_behind_the_scaling_and_has_a_mask():
    codec = NumberCodec().fit([[[1.0, 5.0], [NAN, 7.0]], [[3.0, 6.0]]])
    assert codec.masks
    assert (codec.features, codec.size) == (2, 4)
    assert codec.mean.tolist() == [2.0, 6.0]
    assert codec.encode([[NAN, 6.0], [3.0, NAN]]).tolist() == [[0, 0, 1, 0], [1, 0, 0, 1]]
    assert codec.decode([[1, 0, 0, 1]]).tolist() == [[3.0, 6.0]]
    assert codec.decode([[1, 0]]).tolist() == [[3.0, 6.0]]  # a network answers without masks


def test_without_a_gap_in_training_there_are_no_masks():
    codec = NumberCodec().fit([[1.0, 3.0]])
    assert codec.encode([NAN, 3.0]).tolist() == [[0.0], [1.0]]


def test_no_scaling():
    codec = NumberCodec(scaling="none").fit([[1.0, NAN, 7.0]])
    assert (codec.mean.tolist(), codec.scale.tolist(), codec.masks) == ([0.0], [1.0], True)
    assert codec.encode([0.5, NAN]).tolist() == [[0.5, 0.0], [0.0, 1.0]]
    assert codec.settings() == {"scaling": "none", "masks": True, "constant": []}


@pytest.mark.parametrize("scaling", ["standard", "none"])
def test_a_constant_feature_is_legal_and_listed(scaling):
    codec = NumberCodec(scaling=scaling).fit([[[0.1, 1.0, 7.0]] * 3, [[0.1, 2.0, 7.0]]])
    assert codec.constant == [0, 2]
    assert codec.scale[[0, 2]].tolist() == [1.0, 1.0]
    if scaling == "standard":  # exactly, though 0.1 + 0.1 + 0.1 is not 0.3
        assert codec.encode([[0.1, 1.0, 8.0]])[0, [0, 2]].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("unit", [1e-300, 1e-5, 1.0, 1e300])
def test_numbers_of_any_size(unit):
    codec = NumberCodec().fit([np.array([1.0, 3.0, 1.0, 3.0]) * unit])
    assert codec.mean == pytest.approx([2 * unit], rel=1e-15)
    assert codec.scale == pytest.approx([unit], rel=1e-15)
    assert codec.encode(np.array([4.0]) * unit) == pytest.approx(2.0)


@given(st.lists(STEPS, min_size=1, max_size=4))
def test_mean_and_deviation_are_exact_and_their_order_does_not_matter(sequences):
    numbers = [number for each in sequences for number in each]
    assume(min(numbers) < max(numbers))
    codec = NumberCodec().fit(sequences)
    size = max(map(abs, numbers))
    assert codec.mean[0] == pytest.approx(statistics.fmean(numbers), rel=1e-15, abs=1e-15 * size)
    assert codec.scale[0] == pytest.approx(statistics.pstdev(numbers), rel=1e-9, abs=1e-15 * size)
    twin = NumberCodec().fit([each[::-1] for each in sequences[::-1]])
    assert (twin.mean[0], twin.scale[0]) == (codec.mean[0], codec.scale[0])


@given(st.lists(STEPS, min_size=1, max_size=4), STEPS)
@example([[0.0, 5e-324]], [0.0])  # whose deviation is too small for a float64
def test_numbers_come_back_to_the_float32(sequences, others):
    codec = NumberCodec().fit(sequences)
    for sequence in [*sequences, others]:
        try:
            channels = codec.encode(sequence)
        except DataError:  # too far for a float32
            continue
        given_ = np.array(sequence)[:, None]
        least = np.finfo(np.float32).tiny * codec.scale  # below it a float32 loses digits
        error = 2**-24 * np.abs(given_ - codec.mean) + least + 1e-15 * np.abs(codec.mean + given_)
        assert (np.abs(codec.decode(channels) - given_) <= 1.01 * error).all()


def test_all_sequences_are_encoded_as_each_alone():
    codec = NumberCodec().fit([[[1.0, 2.0], [3.0, NAN]], [[5.0, 5.0]]])
    X = [np.array([[1.0, 2.0], [NAN, 3.0]]), np.zeros((0, 2)), [[4, None]], []]
    together = codec.encode_all(X)
    assert [each.tolist() for each in together] == [codec.encode(each).tolist() for each in X]
    assert [each.shape for each in together] == [(2, 4), (0, 4), (1, 4), (0, 4)]
    assert codec.encode_all([]) == []


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        ([], "the sequences hold no number at all, so nothing can be learnt of it"),
        ([[], []], "the sequences hold no number at all, so nothing can be learnt of it"),
        ([[NAN, None]], "the sequences hold no number at all, so nothing can be learnt of it"),
        ([[[1.0, NAN]]], "feature 1, counted from 0, holds no number at all, so nothing can be learnt of it"),
    ],
)
def test_a_feature_without_numbers_is_refused(sequences, message):
    for scaling in ("standard", "none"):
        with pytest.raises(DataError) as caught:
            NumberCodec(scaling=scaling).fit(sequences)
        assert (caught.value.code, caught.value.message) == ("E277", message)


@pytest.mark.parametrize(
    ("X", "code", "where"),
    [
        ([[1.0], [2.0, math.inf]], "E272", "X[1], step 1, counted from 0"),
        ([[1.0], [2.0, 1e300]], "E272", "X[1], step 1, counted from 0"),
        ([[1.0], ["a"]], "E271", "X[1], step 0, counted from 0"),
        ([[], [[1.0, 2.0]]], "E273", "X[1]"),
    ],
)
def test_bad_numbers_are_named_with_their_place(X, code, where):
    codec = NumberCodec().fit([[1.0, 3.0]])
    with pytest.raises(DataError) as caught:
        codec.encode_all(X)
    assert (caught.value.code, caught.value.where) == (code, where)


def test_another_number_of_features_is_told():
    with pytest.raises(DataError) as caught:
        NumberCodec().fit([[1.0, 3.0]]).encode([[1.0, 2.0]])
    assert caught.value.message == "2 numbers a step, but 1 in training"
    assert caught.value.help == "give the features of the training data, in their order"


def test_infinity_is_refused_in_training():
    with pytest.raises(DataError) as caught:
        NumberCodec().fit([[1.0], [2.0, -math.inf]])
    assert (caught.value.code, caught.value.where) == ("E272", "X[1], step 1, counted from 0")


@pytest.mark.parametrize("channels", [3.0, [[1.0, 2.0, 3.0]], np.zeros((0, 0))])
def test_channels_of_another_number_are_refused(channels):
    with pytest.raises(DataError) as caught:
        NumberCodec().fit([[1.0, NAN]]).decode(channels)
    assert caught.value.code == "E273"


def test_another_scaling_is_none():
    with pytest.raises(UsageError) as caught:
        NumberCodec(scaling="standart")
    assert (caught.value.code, caught.value.help) == ("E111", "did you mean standard ?")


@given(st.lists(st.lists(FLOATS | st.none(), min_size=1), min_size=1), st.sampled_from(["standard", "none"]))
def test_any_fitted_codec_can_be_saved(sequences, scaling):
    assume(any(number is not None for each in sequences for number in each))
    codec = NumberCodec(scaling=scaling).fit(sequences)
    twin = NumberCodec.restore(codec.settings(), codec.arrays())
    assert (twin.settings(), twin.mean.tolist()) == (codec.settings(), codec.mean.tolist())
    assert (twin.scale.tolist(), twin.size) == (codec.scale.tolist(), codec.size)


@pytest.mark.parametrize(
    ("settings", "arrays", "code"),
    [
        ({"masks": 1}, {}, "E320"),
        ({"scaling": "log"}, {}, "E320"),
        ({"scaling": 3}, {}, "E320"),
        ({"constant": [True]}, {}, "E320"),
        ({"constant": [0.0]}, {}, "E320"),
        ({"constant": (1,)}, {}, "E320"),
        ({"constant": [1, 1]}, {}, "E323"),
        ({"constant": [1, 0]}, {}, "E323"),
        ({"constant": [2]}, {}, "E322"),
        ({"constant": [-1]}, {}, "E322"),
        ({"constant": [0]}, {}, "E322"),
        ({"scaling": "none"}, {}, "E322"),
        ({}, {"scale": [2.0, 0.0]}, "E322"),
        ({}, {"scale": [2.0, -1.0]}, "E322"),
        ({}, {"scale": [2.0, NAN]}, "E322"),
        ({}, {"scale": [2.0]}, "E322"),
        ({}, {"mean": [2.0, math.inf]}, "E322"),
        ({}, {"mean": [], "scale": []}, "E322"),
    ],
)
def test_damaged_codecs_are_refused(settings, arrays, code):
    codec = NumberCodec().fit([[[2.0, 1.0], [6.0, 1.0]]])
    assert (codec.scale.tolist(), codec.constant) == ([2.0, 1.0], [1])
    changed = {name: np.array(values, dtype=np.float64) for name, values in arrays.items()}
    with pytest.raises(ModelFileError) as caught:
        NumberCodec.restore({**codec.settings(), **settings}, {**codec.arrays(), **changed})
    assert caught.value.code == code
