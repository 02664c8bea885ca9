"""Columns brought to fixed heights: linear between levels, logarithmic below the lowest, constant above the highest."""

import numpy as np
import pytest

from kernels.heights import to_heights

F = np.float32
RNG = np.random.default_rng(8)
SHAPE, LEVELS = (3, 4), 12
TARGETS = np.array([0, 2, 10, 35, 90, 250, 700, 1600, 4000], F)


def columns(lowest=20.0):
    """Return ascending heights above ground, (level, y, x)."""
    steps = RNG.uniform(30.0, 250.0, (LEVELS, *SHAPE))
    steps[0] = lowest * RNG.uniform(1.0, 1.5, SHAPE)
    return np.cumsum(steps, axis=0).astype(F)


def fields():
    return RNG.uniform(1.0, 9.0, (5, LEVELS, *SHAPE)).astype(F)


GROUND = RNG.uniform(1.0, 9.0, (5, *SHAPE)).astype(F)


def interpolated(source, values, targets=TARGETS, z0=0.1):
    out = np.full((*SHAPE, targets.size, values.shape[0]), np.nan, F)
    to_heights(source, np.full(SHAPE, z0, F), values, GROUND, targets, out)
    return out


def test_between_levels_it_is_numpys_interpolation():
    source, values = columns(), fields()
    out = interpolated(source, values)
    for y, x in np.ndindex(SHAPE):
        above = source[0, y, x] <= TARGETS
        for f in range(5):
            expected = np.interp(TARGETS, source[:, y, x], values[f, :, y, x])
            np.testing.assert_allclose(out[y, x, above, f], expected[above], rtol=3e-6)


def test_above_the_highest_level_everything_keeps_its_value():
    source, values = columns(), fields()
    assert (source[-1] < TARGETS[-1]).all()
    np.testing.assert_allclose(interpolated(source, values)[:, :, -1], np.moveaxis(values[:, -1], 0, -1), rtol=1e-6)


@pytest.mark.parametrize("z0", [1e-4, 0.1, 1.5])
def test_below_the_lowest_level_the_wind_is_logarithmic_and_the_rest_linear(z0):
    source, values = columns(), fields()
    out = interpolated(source, values, z0=z0)
    for y, x in np.ndindex(SHAPE):
        lowest = float(source[0, y, x])
        for k, z in enumerate(TARGETS.astype(float)):
            if z >= lowest:
                continue
            shear = np.log(1 + z / z0) / np.log(1 + lowest / z0)
            expected = [shear * values[f, 0, y, x] for f in range(2)]
            share = z / lowest
            expected += [(1 - share) * GROUND[f, y, x] + share * values[f, 0, y, x] for f in range(2, 5)]
            np.testing.assert_allclose(out[y, x, k], expected, rtol=1e-5)
    np.testing.assert_array_equal(out[:, :, 0, :2], 0)
    np.testing.assert_array_equal(out[:, :, 0, 2:], np.moveaxis(GROUND[2:], 0, -1))


def test_levels_below_ground_are_not_used():
    source, values = columns(), fields()
    deep = np.concatenate([np.broadcast_to(np.array([-400, -150, 0], F)[:, None, None], (3, *SHAPE)), source])
    poisoned = np.concatenate([np.full((5, 3, *SHAPE), 1e6, F), values], axis=1)
    np.testing.assert_array_equal(interpolated(np.ascontiguousarray(deep), poisoned), interpolated(source, values))


def test_columns_with_the_ground_between_other_levels_are_apart():
    # each column has its own first level above ground
    source, values = columns(lowest=-220.0), fields()
    first = np.argmax(source > 0, axis=0)
    assert first.min() > 0
    assert np.unique(first).size > 1
    out = interpolated(source, values)
    for y, x in np.ndindex(SHAPE):
        start = first[y, x]
        heights = np.concatenate([[0.0], source[start:, y, x]])
        expected = np.interp(TARGETS, heights, [GROUND[4, y, x], *values[4, start:, y, x]])
        np.testing.assert_allclose(out[y, x, :, 4], expected, rtol=3e-6)


def test_a_column_of_which_only_the_highest_level_is_above_ground_takes_that():
    source = columns()
    source -= source[-2] + F(1)
    values = fields()
    out = interpolated(source, values)
    np.testing.assert_allclose(out[:, :, -1, 3], values[3, -1], rtol=1e-6)
    np.testing.assert_allclose(out[:, :, 0, 3], GROUND[3], rtol=1e-6)
