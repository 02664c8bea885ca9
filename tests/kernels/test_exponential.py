"""Laws of the recursions behind the exponential correlation, against dense matrices."""

import numpy as np
import pytest

from kernels import exponential

RNG = np.random.default_rng(20)


def correlation(positions):
    """Dense reference exp(-|x_i - x_j|)."""
    return np.exp(-np.abs(positions[:, None] - positions[None, :]))


def coefficients(positions, dtype=np.float64):
    step = np.diff(positions)
    decay = np.concatenate([[0.0], np.exp(-step)])
    gain = np.concatenate([[1.0], np.sqrt(-np.expm1(-2 * step))])
    return decay.astype(dtype), gain.astype(dtype)


POSITIONS = np.cumsum(RNG.uniform(0.05, 2.0, 17))
SWEEPS = [
    (exponential.forward, exponential.backward),
    (exponential.forward_serial, exponential.backward_serial),
]


@pytest.mark.parametrize(("forward", "backward"), SWEEPS, ids=["parallel", "serial"])
@pytest.mark.parametrize("inner", [1, 3, 600])
def test_backward_then_forward_applies_the_dense_correlation(forward, backward, inner):
    field = RNG.standard_normal((2, 17, inner))
    out = field.copy()
    decay, gain = coefficients(POSITIONS)
    backward(out, decay, gain)
    forward(out, decay, gain)
    expected = np.einsum("ij,oje->oie", correlation(POSITIONS), field)
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-12)


def test_forward_is_the_cholesky_factor_of_the_correlation():
    out = np.eye(17)[None].copy()  # columns are unit vectors
    exponential.forward(out, *coefficients(POSITIONS))
    np.testing.assert_allclose(out[0], np.linalg.cholesky(correlation(POSITIONS)), rtol=0, atol=1e-13)


@pytest.mark.parametrize(("forward", "backward"), SWEEPS, ids=["parallel", "serial"])
def test_backward_is_the_adjoint_of_forward(forward, backward):
    a, b = RNG.standard_normal((2, 3, 17, 5))
    fa, bb = a.copy(), b.copy()
    decay, gain = coefficients(POSITIONS)
    forward(fa, decay, gain)
    backward(bb, decay, gain)
    assert np.sum(fa * b) == pytest.approx(np.sum(a * bb), rel=1e-13)


def test_closed_form_of_two_points():
    # C = [[1, a], [a, 1]] applied to (1, 0) is its first column
    a = np.exp(-0.7)
    out = np.array([[[1.0], [0.0]]])
    decay, gain = coefficients(np.array([0.0, 0.7]))
    exponential.backward(out, decay, gain)
    exponential.forward(out, decay, gain)
    np.testing.assert_allclose(out.ravel(), [1.0, a], rtol=1e-15)


def test_float32_agrees_with_float64_to_its_rounding():
    field = RNG.standard_normal((1, 17, 40))
    exact, short = field.copy(), field.astype(np.float32)
    for out, dtype in ((exact, np.float64), (short, np.float32)):
        exponential.backward(out, *coefficients(POSITIONS, dtype))
        exponential.forward(out, *coefficients(POSITIONS, dtype))
    np.testing.assert_allclose(short, exact, rtol=0, atol=2e-6)


def test_threads_do_not_change_a_bit():
    field = RNG.standard_normal((4, 17, 2000))
    serial, parallel = field.copy(), field.copy()
    exponential.forward_serial(serial, *coefficients(POSITIONS))
    exponential.forward(parallel, *coefficients(POSITIONS))
    assert np.array_equal(serial, parallel)


def test_a_single_point_is_left_alone():
    field = RNG.standard_normal((2, 1, 3))
    out = field.copy()
    exponential.backward(out, np.array([0.0]), np.array([1.0]))
    exponential.forward(out, np.array([0.0]), np.array([1.0]))
    assert np.array_equal(out, field)
