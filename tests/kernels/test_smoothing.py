"""Smoothing moves footprints about and loses nothing; what is left out to keep them sparse is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.smoothing import NARROWEST, REACH, largest, smooth

SHAPE = (3, 20, 26)


def sparse(seed, shape=SHAPE, filled=0.1):
    random = np.random.default_rng(seed)
    values = np.exp(random.normal(0, 3, shape)) * (random.uniform(size=shape) < filled)
    values[0, 0, 0] = values[0, -1, -1] = values[1, 0, -1] = values[2, -1, 7] = 5.0  # corners and a side
    return values


def smoothed(values, sigma):
    out = values.copy()
    smooth(out, np.array(sigma, dtype=float), np.full(values.shape[1:], np.nan))
    return out


def gaussian(sigma, size, at):
    """Return the Gaussian of one cell sampled at centres, cut where the kernel cuts it, adding to one."""
    away = np.arange(size) - at
    weight = np.where(np.abs(away) <= np.ceil(REACH * sigma), np.exp(-0.5 * (away / sigma) ** 2), 0.0)
    return weight / weight.sum()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), x=st.floats(0, 12), y=st.floats(0, 12))
def test_every_hour_keeps_its_sum_at_edges_too(seed, x, y):
    values = sparse(seed)
    out = smoothed(values, [[x, y], [y, x], [0.5 * x, 2 * y]])
    np.testing.assert_allclose(out.sum(axis=(1, 2)), values.sum(axis=(1, 2)), rtol=1e-13)
    assert out.min() >= 0.0


@pytest.mark.parametrize(("x", "y"), [(2.0, 0.7), (0.6, 3.1)])
def test_a_cell_far_from_the_edges_becomes_a_gaussian_along_each_axis(x, y):
    values = np.zeros((2, 41, 51))
    values[1, 20, 25] = 3.0
    out = smoothed(values, [[9.0, 9.0], [x, y]])
    expected = 3.0 * gaussian(y, 41, 20)[:, None] * gaussian(x, 51, 25)[None]
    np.testing.assert_allclose(out[1], expected, rtol=1e-12, atol=1e-15)
    assert not out[0].any()


def test_the_spread_is_the_deviation_asked_for():
    values = np.zeros((1, 61, 61))
    values[0, 30, 30] = 1.0
    out = smoothed(values, [[3.0, 5.0]])[0]
    away = np.arange(61) - 30
    # cut at three deviations and a bit, a Gaussian has 97 to 99 % of its variance
    assert 0.95 < (out.sum(axis=0) * away**2).sum() / 9.0 < 1.0
    assert 0.95 < (out.sum(axis=1) * away**2).sum() / 25.0 < 1.0


def test_a_cell_at_the_edge_keeps_its_share_inside():
    values = np.zeros((1, 30, 30))
    values[0, 0, 28] = 2.0
    out = smoothed(values, [[2.0, 3.0]])
    expected = 2.0 * gaussian(3.0, 30, 0)[:, None] * gaussian(2.0, 30, 28)[None]
    np.testing.assert_allclose(out[0], expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("sigma", [0.0, NARROWEST, np.nan])
def test_no_width_moves_nothing(sigma):
    values = sparse(3)
    np.testing.assert_array_equal(smoothed(values, np.full((3, 2), sigma)), values)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), share=st.sampled_from([0.0, 1e-6, 1e-3, 0.02, 0.09]))
def test_no_more_than_the_share_is_left_out_and_it_is_told_exactly(seed, share):
    values = sparse(seed, filled=0.5)
    back, cell, kept, told = largest(values, share)
    assert 0.0 <= told <= share
    found = np.zeros_like(values)
    found.reshape(3, -1)[back, cell] = values.reshape(3, -1)[back, cell]
    np.testing.assert_array_equal(kept, values.reshape(3, -1)[back, cell].astype(np.float32))
    assert told == pytest.approx(1.0 - found.sum() / values.sum(), rel=1e-9, abs=1e-14)
    # in order of hour and cell, each once
    order = back.astype(np.int64) * values[0].size + cell
    assert np.all(np.diff(order) > 0)
    # the largest, to an eighth of an octave
    dropped = values[(found == 0.0) & (values > 0.0)]
    assert dropped.size == 0 or dropped.max() <= kept.min() * 1.13
    assert dropped.size > 0 or share < 1e-3


def test_nothing_gives_nothing():
    back, cell, kept, told = largest(np.zeros((2, 3, 4)), 1e-3)
    assert (back.size, cell.size, kept.size, told) == (0, 0, 0, 0.0)
