"""elman.ops: the same answers from NumPy and torch, at every size of number, in the type that came in."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from elman import ops

LOGISTIC = [
    (0.0, 0.5),
    (-1000.0, 0.0),
    (1000.0, 1.0),
    (-50.0, 1.9287498479639178e-22),
    (2.0, 0.8807970779778823),
]
SMOOTH = ["tanh", "sigmoid", "relu", "softplus"]
finite = st.floats(-1e6, 1e6)


@pytest.mark.parametrize(("x", "expected"), LOGISTIC)
def test_sigmoid_is_exact_on_both_sides(x, expected):
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert ops.sigmoid(np.array([x]))[0] == pytest.approx(expected, rel=1e-15, abs=0)


@pytest.mark.parametrize(
    ("x", "expected"), [(0.0, np.log(2)), (1000.0, 1000.0), (-1000.0, 0.0), (-40.0, np.exp(-40.0))]
)
def test_softplus_never_overflows(x, expected):
    with np.errstate(over="raise", invalid="raise"):
        assert ops.softplus(np.array([x]))[0] == pytest.approx(expected, rel=1e-15, abs=0)
    assert ops.softplus(torch.tensor([x], dtype=torch.float64)).item() == pytest.approx(
        expected, rel=1e-15, abs=0
    )


def test_softplus_slope_is_the_logistic_function():
    x = torch.tensor([-30.0, -1.0, 0.0, 1.0, 30.0], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(ops.softplus(x).sum(), x)
    np.testing.assert_allclose(slope.numpy(), ops.sigmoid(x.detach().numpy()), rtol=1e-14)


def test_relu_keeps_what_is_positive_and_nan():
    np.testing.assert_array_equal(ops.relu(np.array([-2.0, 0.0, 3.0, np.nan])), [0.0, 0.0, 3.0, np.nan])


@pytest.mark.parametrize("name", SMOOTH)
@given(xs=st.lists(finite, min_size=1, max_size=20))
def test_numpy_equals_torch(name, xs):
    call = getattr(ops, name)
    array = np.array(xs)
    np.testing.assert_allclose(call(array), call(torch.from_numpy(array)).numpy(), rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_type_of_number_stays(name, kind):
    call = getattr(ops, name)
    array = np.array([-1.5, 0.25], kind)
    assert call(array).dtype == kind
    assert call(torch.from_numpy(array)).dtype == torch.from_numpy(array).dtype


@pytest.mark.parametrize("name", SMOOTH)
def test_nan_stays_nan(name):
    assert np.isnan(getattr(ops, name)(np.array([np.nan]))[0])


@pytest.mark.parametrize("make", [np.array, torch.tensor])
def test_concat_joins_features_or_any_axis(make):
    a, b = make([[1.0, 2.0]]), make([[3.0, 4.0]])
    np.testing.assert_array_equal(np.asarray(ops.concat([a, b])), [[1, 2, 3, 4]])
    np.testing.assert_array_equal(np.asarray(ops.concat([a, b], axis=0)), [[1, 2], [3, 4]])
    assert type(ops.concat([a, b])) is type(a)


@pytest.mark.parametrize(
    "module", ["elman.ops", "elman.cells", "elman.kernels", "elman.nn", "elman.nn.settings"]
)
def test_the_ground_floor_imports_no_torch(module):
    code = f"import sys, {module}; print([m for m in ('torch', 'sklearn', 'pandas') if m in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True
    )
    assert ran.stdout.strip() == "[]"
