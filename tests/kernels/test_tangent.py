"""The derivative of the smoothing by the logarithm of the length."""

import numpy as np
import pytest

from kernels import lanes, tangent

Y, X = 5, 7


@pytest.fixture
def steps():
    random = np.random.default_rng(1)
    return random.uniform(0.05, 2.0, Y - 1), random.uniform(0.05, 2.0, X - 1)


def dense(step):
    """The correlation along an axis and its derivative, from their definitions."""
    position = np.concatenate([[0.0], np.cumsum(step)])
    distance = np.abs(position[:, None] - position[None, :])
    return np.exp(-distance), distance * np.exp(-distance)


def smoothed(steps, field, slope):
    factors = [tangent.tangent_coefficients(step) for step in steps]
    tangent.smooth_x(field, slope, factors[1])
    tangent.smooth_y(field.reshape(Y, -1), slope.reshape(Y, -1), factors[0])


def test_map_and_tangent_are_the_dense_ones(steps):
    random = np.random.default_rng(2)
    field, slope = random.standard_normal((2, Y, X, lanes.LANES))
    (cy, sy), (cx, sx) = dense(steps[0]), dense(steps[1])

    def both(y, x, of):
        return np.einsum("ij,kl,jlm->ikm", y, x, of)

    expected = both(cy, cx, field)
    expected_slope = both(cy, cx, slope) + both(sy, cx, field) + both(cy, sx, field)
    smoothed(steps, field, slope)
    np.testing.assert_allclose(field, expected, rtol=0, atol=1e-13 * np.abs(expected).max())
    np.testing.assert_allclose(slope, expected_slope, rtol=0, atol=1e-13 * np.abs(expected_slope).max())


def test_coefficients_are_differentiated_exactly_down_to_small_steps():
    step = np.array([1e-6, 1e-3, 0.3, 4.0])
    h = 1e-5
    longer, shorter = (tangent.tangent_coefficients(step * np.exp(-move))[:2] for move in (h, -h))
    np.testing.assert_allclose(
        tangent.tangent_coefficients(step)[2:], (longer - shorter) / (2 * h), rtol=1e-7, atol=1e-11
    )


def test_single_precision_agrees_with_double_to_its_digits(steps):
    field = np.random.default_rng(3).random((Y, X, lanes.LANES))
    single, slope, slope_single = field.astype(np.float32), np.zeros_like(field), np.zeros(field.shape, np.float32)
    smoothed(steps, field, slope)
    factors = [tangent.tangent_coefficients(step).astype(np.float32) for step in steps]
    tangent.smooth_x(single, slope_single, factors[1])
    tangent.smooth_y(single.reshape(Y, -1), slope_single.reshape(Y, -1), factors[0])
    np.testing.assert_allclose(single, field, rtol=1e-5)
    np.testing.assert_allclose(slope_single, slope, rtol=1e-5)
