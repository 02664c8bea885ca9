"""Interpolation is exact for what is linear; levels, slots and slopes are those of a dense reference."""

import numba
import numpy as np
import pytest
from particle_weather import HEIGHTS, place, surface, volume
from tests_layers import LAYERS

from kernels import air
from kernels.jit import kernel

F = np.float32
SHAPE, HOURS = (6, 9), 4
COUNT = 100 if numba.config.DISABLE_JIT else 2_000
RNG = np.random.default_rng(12)


@kernel
def winds(volume, place, heights, bounds, points, out):
    """Fill out (n, 4) with u, v, w and the density's slope at points (n, 4): x, y, z, t."""
    table = air.level_table(heights)
    scratch = np.zeros(8, np.float32)
    for i in range(points.shape[0]):
        before, after, share = air.time_slots(points[i, 3], 3600.0, bounds[0], bounds[1], bounds[2])
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = air.wind(
            volume, place, heights, table, points[i, 0], points[i, 1], points[i, 2], before, after, share, scratch
        )


@kernel
def grounds(surface, place, bounds, points, out):
    """Fill out (n, columns) with the surface at points (n, 4)."""
    here = np.zeros(air.SURFACE_COLUMNS, np.float32)
    for i in range(points.shape[0]):
        before, after, share = air.time_slots(points[i, 3], 3600.0, bounds[0], bounds[1], bounds[2])
        air.ground(surface, place, points[i, 0], points[i, 1], before, after, share, here)
        for column in range(air.SURFACE_COLUMNS):
            out[i, column] = here[column]


@kernel
def slots(times, first, last, count, out):
    for i in range(times.size):
        out[i, 0], out[i, 1], out[i, 2] = air.time_slots(times[i], 3600.0, first, last, count)


@kernel
def positions(place, points, out):
    for i in range(points.shape[0]):
        out[i, 0], out[i, 1] = air.locate(place, points[i, 0], points[i, 1])


def somewhere(first=0.0, last=3600.0 * HOURS, top=float(HEIGHTS[-1])):
    """Return random points (n, 4) inside the grid: x, y, z, t."""
    most = np.array([SHAPE[1] - 1, SHAPE[0] - 1, top, last])
    least = np.array([0, 0, 0, first])
    return least + (most - least) * RNG.random((COUNT, 4))


def wind_at(points, fields, bounds=(0, HOURS, HOURS + 1), heights=HEIGHTS):
    out = np.empty((points.shape[0], 4))
    winds(fields.reshape(-1), place(SHAPE), heights, np.array(bounds), points, out)
    return out


def linear(x, y, z, t):
    """Fields linear in x, y, z and t."""
    hour = t / 3600
    return (
        0.001 + 2e-4 * x - 1e-4 * y + 3e-7 * z + 4e-4 * hour,
        -0.002 + 1e-4 * x + 3e-4 * y - 2e-7 * z - 1e-4 * hour,
        0.01 * x - 0.02 * y + 1e-4 * z + 0.03 * hour,
        1.2 - 1e-3 * x + 2e-3 * y - 5e-5 * z + 1e-3 * hour,
    )


def test_interpolation_is_exact_for_linear_fields():
    points = somewhere()
    u, v, w, _ = linear(*points.T)
    out = wind_at(points, volume(linear, SHAPE, HOURS))
    for column, expected in enumerate((u, v, w)):
        np.testing.assert_allclose(out[:, column], expected, atol=3e-6 * np.abs(expected).max(), rtol=0)


def test_interpolation_returns_the_values_on_the_nodes():
    fields = RNG.standard_normal((HOURS + 1, *SHAPE, HEIGHTS.size, 4)).astype(np.float32)
    fields[..., 3] = 1.0 + 0.1 * np.abs(fields[..., 3])
    for t, y, x, k in ((0, 0, 0, 0), (2, 3, 4, 5), (HOURS - 1, 4, 7, 13), (1, 2, 7, HEIGHTS.size - 1)):
        point = np.array([[x, y, HEIGHTS[k], 3600.0 * t]])
        np.testing.assert_allclose(wind_at(point, fields)[0, :3], fields[t, y, x, k, :3], rtol=1e-6)


def test_the_last_weather_time_is_reached():
    fields = volume(linear, SHAPE, HOURS)
    point = np.array([[3.25, 2.5, 333.0, 3600.0 * HOURS]])
    assert wind_at(point, fields)[0, 0] == pytest.approx(linear(*point[0])[0], rel=1e-5)


def test_vertical_wind_rises_linearly_from_the_ground():
    def rising(x, y, z, t):
        return 0.0, 0.0, np.where(z > 0, 0.8, 0.0), 1.2

    z = np.array([0.0, 1.0, 2.5, 4.0, 5.0])
    points = np.stack([np.full(5, 2.5), np.full(5, 1.5), z, np.full(5, 100.0)], axis=1)
    np.testing.assert_allclose(wind_at(points, volume(rising, SHAPE, HOURS))[:, 2], 0.8 * z / 5, rtol=1e-6)


def test_the_density_slope_is_that_of_an_exponential_atmosphere():
    scale = 8500.0

    def exponential(x, y, z, t):
        return 0.0, 0.0, 0.0, 1.2 * np.exp(-z / scale)

    points = somewhere()
    slope = wind_at(points, volume(exponential, SHAPE, HOURS))[:, 3]
    # between levels the density is linear: its slope in the logarithm is off by half a level's depth over the scale
    level = np.clip(np.searchsorted(HEIGHTS, points[:, 2], "right") - 1, 0, HEIGHTS.size - 2)
    depth = np.diff(HEIGHTS.astype(float))[level]
    rounding = 4e-7 / depth
    assert (np.abs(slope + 1 / scale) < 0.51 * depth / scale**2 + rounding).all()
    # and right at the middle of a level
    middles = 0.5 * (HEIGHTS[1:] + HEIGHTS[:-1]).astype(float)
    points = np.stack([np.full(middles.size, 2.5), np.full(middles.size, 1.5), middles, np.zeros(middles.size)], axis=1)
    slope = wind_at(points, volume(exponential, SHAPE, HOURS))[5:, 3]
    np.testing.assert_allclose(slope, -1 / scale, rtol=1e-3)


def test_a_ring_of_slots_gives_the_same_weather_as_all_times():
    fields = volume(linear, SHAPE, 9)
    points = somewhere(first=5 * 3600.0, last=9 * 3600.0)
    every = wind_at(points, fields, bounds=(5, 9, 10))
    ring = np.empty((5, *fields.shape[1:]), np.float32)
    for index in range(5, 10):
        ring[index % 5] = fields[index]
    np.testing.assert_array_equal(wind_at(points, ring, bounds=(5, 9, 5)), every)
    np.testing.assert_array_equal(wind_at(points, fields, bounds=(0, 9, 10)), every)


def test_slots_enclose_the_time_and_reuse_the_ring():
    times = np.array([5 * 3600.0, 5.25 * 3600, 6 * 3600.0, 8.75 * 3600, 9 * 3600.0])
    out = np.empty((times.size, 3))
    slots(times, 5, 9, 5, out)
    np.testing.assert_allclose(out, [[0, 1, 0], [0, 1, 0.25], [1, 2, 0], [3, 4, 0.75], [3, 4, 1]])


def test_the_surface_is_interpolated_as_the_volume_is():
    fields = surface(SHAPE, HOURS, LAYERS["unstable"])
    y, x = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    for column in range(air.SURFACE_COLUMNS):
        for hour in range(HOURS + 1):
            fields[hour, ..., column] = column + 1 + 0.1 * x - 0.2 * y + 0.3 * hour
    points = somewhere()
    out = np.empty((COUNT, air.SURFACE_COLUMNS))
    grounds(fields.reshape(-1), place(SHAPE), np.array([0, HOURS, HOURS + 1]), points, out)
    px, py, _, t = points.T
    for column in range(air.SURFACE_COLUMNS):
        expected = column + 1 + 0.1 * px - 0.2 * py + 0.3 * t / 3600
        np.testing.assert_allclose(out[:, column], expected, atol=5e-6)


def test_places_between_centres_are_bilinear():
    where = place(SHAPE)
    y, x = np.mgrid[0 : SHAPE[0], 0 : SHAPE[1]]
    # a turned and stretched grid, with a term that only bilinear interpolation keeps
    where[..., 0] = 3.0 + 2.0 * x - 0.5 * y + 0.01 * x * y
    where[..., 1] = -1.0 + 0.5 * x + 2.0 * y
    points = somewhere()
    out = np.empty((COUNT, 2))
    positions(where, points, out)
    px, py = points[:, 0], points[:, 1]
    corner = 3.0 + 2.0 * px - 0.5 * py + 0.01 * px * py
    np.testing.assert_allclose(out[:, 0], corner, atol=1e-12)
    np.testing.assert_allclose(out[:, 1], -1.0 + 0.5 * px + 2.0 * py, atol=1e-12)


@pytest.mark.parametrize("heights", [HEIGHTS, np.array([0, 3, 4, 7, 9, 11, 1000], np.float32), HEIGHTS[[0, -1]]])
def test_the_level_table_starts_no_higher_than_a_dense_search(heights):
    table = air.level_table(heights)
    z = heights[-1] * RNG.random(COUNT)
    z[:3] = 0.0, heights[-1], heights[1]
    expected = np.clip(np.searchsorted(heights, z, "right") - 1, 0, heights.size - 2)
    start = table[(z / air.BIN).astype(int)]
    assert (start <= expected).all()
    # at most the levels inside one bin are passed
    assert (expected - start <= np.histogram(heights, np.arange(0, heights[-1] + 20, 10))[0].max()).all()


@pytest.mark.parametrize("heights", [HEIGHTS, np.array([0, 3, 4, 7, 9, 11, 1000], np.float32)])
def test_every_height_finds_its_level(heights):
    values = RNG.standard_normal(heights.size).astype(np.float32)
    fields = np.ones((HOURS + 1, *SHAPE, heights.size, 4), np.float32)
    fields[..., 0] = values
    points = somewhere(top=float(heights[-1]))
    points[:3, 2] = 0.0, heights[-1], heights[1]
    out = wind_at(points, fields, heights=heights)
    np.testing.assert_allclose(out[:, 0], np.interp(points[:, 2], heights, values), atol=2e-5)


def test_a_field_is_sampled_exactly_where_it_is_linear_and_nowhere_outside():
    heights = np.array([0.0, 10.0, 40.0, 100.0], F)
    x, y, z, t = np.meshgrid(np.arange(9.0), np.arange(6.0), heights, np.arange(4.0), indexing="ij")
    values = np.moveaxis(2.0 * x - 3.0 * y + 0.1 * z + 7.0 * t, (3, 1, 0, 2), (0, 1, 2, 3)).astype(F)
    bounds = np.array([0, 3, 4])
    points = np.stack([RNG.uniform(0, top, 50) for top in (8, 5, 100, 3 * 3600)], axis=-1)
    points = np.concatenate([points, [[8.0, 5.0, 100.0, 3 * 3600.0], [0.0, 0.0, 0.0, 0.0]]])
    out = np.empty(len(points))
    air.at_points(np.ascontiguousarray(values), heights, bounds, 3600.0, points, out)
    expected = points @ np.array([2.0, -3.0, 0.1, 7.0 / 3600.0])
    np.testing.assert_allclose(out, expected, rtol=1e-6, atol=1e-5)
    beyond = np.array([[8.1, 1, 1, 1], [1, -0.1, 1, 1], [1, 1, 101, 1], [1, 1, 1, 3 * 3600.0 + 1]])
    out = np.zeros(4)
    air.at_points(np.ascontiguousarray(values), heights, bounds, 3600.0, beyond, out)
    assert np.isnan(out).all()
