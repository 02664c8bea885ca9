"""Polynomials of float32 keep the errors their module states, against float64."""

import numpy as np
import pytest

from kernels import elementary
from kernels.jit import kernel

F = np.float32


@kernel
def evaluate(which, x, out):
    for i in range(x.size):
        if which == 0:
            out[i] = elementary.exp2(x[i])
        elif which == 1:
            out[i] = elementary.log2(x[i])
        elif which == 2:
            out[i] = elementary.cos_turns(x[i])
        else:
            out[i] = elementary.sin_quarter(x[i])


def values(which, x):
    out = np.empty(x.size, F)
    evaluate(which, x.astype(F), out)
    return out.astype(np.float64)


def points(low, high, count=4001):
    return np.linspace(low, high, count).astype(F)


def test_exp2_keeps_its_relative_error():
    x = points(-125.0, 20.0)
    expected = np.exp2(x.astype(np.float64))
    # 1e-7 of the polynomial, and its roundings, which differ with and without contraction
    np.testing.assert_allclose(values(0, x), expected, rtol=1.5e-7, atol=0)


def test_exp2_of_a_whole_number_is_a_power_of_two():
    x = np.arange(-126.0, 31.0)
    np.testing.assert_array_equal(values(0, x), np.exp2(x))


def test_exp2_does_not_fall_below_the_smallest_normal_number():
    np.testing.assert_array_equal(values(0, np.array([-126.0, -127.5, -1e6])), np.full(3, 2.0**-126))


def test_log2_keeps_its_absolute_error_near_one_and_its_rounding_elsewhere():
    x = points(0.25, 4.0)
    np.testing.assert_allclose(values(1, x), np.log2(x.astype(np.float64)), rtol=0, atol=3e-7)
    x = np.exp2(np.linspace(-125.0, 125.0, 3001)).astype(F)
    np.testing.assert_allclose(values(1, x), np.log2(x.astype(np.float64)), rtol=1e-7, atol=3e-7)


def test_exp2_undoes_log2():
    x = points(1e-3, 50.0)
    np.testing.assert_allclose(values(0, values(1, x)), x.astype(np.float64), rtol=6e-7)


def test_cosine_keeps_its_absolute_error_over_a_turn():
    v = points(0.0, 1.0)
    np.testing.assert_allclose(values(2, v), np.cos(2 * np.pi * v.astype(np.float64)), rtol=0, atol=3e-7)


@pytest.mark.parametrize(("turns", "cosine"), [(0.0, 1.0), (0.25, 0.0), (0.5, -1.0), (0.75, 0.0), (1.0, 1.0)])
def test_cosine_is_exact_at_the_quarters(turns, cosine):
    assert values(2, np.array([turns]))[0] == pytest.approx(cosine, abs=2e-7)


def test_sine_is_odd_on_its_quarter():
    q = points(0.0, 0.25, 301)
    np.testing.assert_allclose(values(3, q), np.sin(2 * np.pi * q.astype(np.float64)), rtol=0, atol=3e-7)
    np.testing.assert_array_equal(values(3, -q[1:]), -values(3, q[1:]))
