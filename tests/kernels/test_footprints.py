"""What particles leave on the flux grid: residence, reciprocity, hours, and where the grid lies."""

import dataclasses

import numba
import numpy as np
import pytest
from particle_weather import HEIGHTS, LID, MOLAR_MASS, releases, surface, trace, volume, weather
from scipy import stats
from tests_layers import LAYERS

from kernels import air as fields
from kernels import steps
from kernels.jit import kernel
from kernels.turbulence import regime, vertical_turbulence

# the hash wraps round on purpose; only plain numpy warns of it
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered")
compiled = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="too slow without the compiler")
HOUR = 3600.0
THIN = (1.0, 0.3, 0.0, 1e6)
RNG = np.random.default_rng(31)
DENSITY = 1.2
F = np.float32


def turning(x, y, z, t):
    """Wind that turns with height and time, cells s-1."""
    return (1 + z / 1500 + 0 * t) / HOUR, (0.5 - t / 7200 + z / 4000) / HOUR, 0.0, DENSITY


def drifting(x, y, z, t):
    return 1.3 / HOUR, -0.7 / HOUR, 0.0, DENSITY


def batches(air, start, travel, count=10, **given):
    """Return the footprint of `count` receptors with turbulence of their own, (count, b, y, x)."""
    return np.array([trace(air, start, travel, receptor=number, **given).footprint for number in range(count)])


def mean_and_error(values):
    return values.mean(), values.std(ddof=1) / np.sqrt(values.size)


@compiled
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("scale", [None, 8500.0], ids=["uniform", "exponential"])
def test_footprint_of_well_mixed_air_is_its_share_below_the_dilution_height(name, scale):
    """Over time t the footprint is t M / (d rho) times the share of the air that is below d: t M / column mass."""

    def flow(x, y, z, t):
        return 0.0, 0.0, 0.0, DENSITY * (np.exp(-z / scale) if scale else 1 + 0 * z)

    heights = np.concatenate([np.arange(0, LID, 100), [LID]]).astype(F)
    air = weather(flow, (4, 4), 4, layer=LAYERS[name], slope=-1 / scale if scale else 0.0, heights=heights)
    # evenly spaced, so that only the turbulence is left to chance
    u = (np.arange(1500) + 0.5) / 1500
    z = -scale * np.log1p(-u * (1 - np.exp(-LID / scale))) if scale else u * LID
    mass = DENSITY * (scale * (1 - np.exp(-LID / scale)) if scale else LID)
    totals = batches(air, releases(u.size, 1.5, 1.5, z, 4 * HOUR), 4 * HOUR).sum((1, 2, 3))
    got, error = mean_and_error(totals)
    assert got == pytest.approx(4 * HOUR * MOLAR_MASS / mass, abs=4 * error + 0.01 * got)


@compiled
@pytest.mark.parametrize("name", ["unstable", "stable"])
def test_backward_and_forward_transport_are_reciprocal(name):
    """Between two boxes of equal volume the time spent is the same one way in the wind and the other way against it."""
    d, source, receptor, hours = 0.5 * LAYERS[name][0], 16, 20, 5

    def sheared(sign):
        def flow(x, y, z, t):
            return sign * (1.2 + 2 * np.minimum(z, 1000.0) / 1000) / HOUR, 0.0, 0.0, DENSITY

        return weather(flow, (4, 40), hours, layer=LAYERS[name])

    def between(air, at, seen):
        u = RNG.random((2, 1000))
        start = releases(u.shape[1], at - 0.5 + u[0], 1.5, d * u[1], hours * HOUR)
        return mean_and_error(batches(air, start, hours * HOUR).sum(1)[:, 1:3, seen].sum(1))

    backward, error = between(sheared(1.0), receptor, source)
    forward, other_error = between(sheared(-1.0), source, receptor)
    assert backward > 10 * error
    assert backward == pytest.approx(forward, abs=4 * np.hypot(error, other_error) + 0.02 * backward)


def small(travel=1.5 * HOUR, count=8, seed=3):
    """Return a weather, releases and a travel time quick enough for plain Python."""
    random = np.random.default_rng(seed)
    air = weather(turning, (9, 11), 3, layer=THIN, metre=1e-4, dilution=1500.0)
    start = releases(count, 7 + random.random(count), 5 + random.random(count), 2000 * random.random(count), 2.7 * HOUR)
    return air, start, travel


def test_hours_of_a_shorter_window_are_those_of_the_longer():
    long, short = trace(*small(), bins=6), trace(*small(), bins=1)
    assert (long.footprint[:2].sum((1, 2)) > 0).all()
    assert (long.footprint[2:] == 0).all()
    np.testing.assert_array_equal(short.footprint[0], long.footprint[0])
    np.testing.assert_array_equal(short.end, long.end)


def test_hours_of_a_footprint_count_back_from_the_hour_given():
    late = trace(*small(), hour=4).footprint
    np.testing.assert_array_equal(late[2:], trace(*small(), hour=2).footprint[:-2])
    assert (late[:2] == 0).all()


def test_hours_add_up_to_the_time_spent():
    # everything is below the dilution height all the time, so each hour holds its own seconds
    air, start, travel = small()
    air.surface[..., fields.DENSITY_SLOPE] = 0
    air.options[steps.DILUTION] = LID + 1
    run = trace(air, start, travel, bins=3)
    per_second = MOLAR_MASS / (F(LID + 1) * DENSITY)
    expected = np.array([0.7, 0.8, 0.0]) * HOUR * per_second
    np.testing.assert_allclose(run.footprint.sum((1, 2)), expected, rtol=1e-5)


def test_footprints_are_linear_in_the_weights():
    air, start, travel = small()
    heavy, light = start.copy(), start.copy()
    heavy[:, 4] *= np.linspace(0, 1, len(start))
    light[:, 4] -= heavy[:, 4]
    whole, one, other = (trace(air, each, travel).footprint for each in (start, heavy, light))
    np.testing.assert_allclose(one + other, whole, rtol=1e-12, atol=1e-18)


def test_moving_the_flux_grid_by_whole_cells_moves_the_footprint():
    air, start, travel = small()
    plain = trace(air, start, travel, shape=(20, 20)).footprint
    moved = dataclasses.replace(air, place=air.place + np.array([4.0, 6.0, 0.0, 0.0]))
    there = trace(moved, start, travel, shape=(20, 20)).footprint
    np.testing.assert_array_equal(there[:, 6:, 4:], plain[:, :-6, :-4])
    assert there.sum() == pytest.approx(plain.sum(), rel=1e-14)


def test_turning_the_flux_grid_by_a_quarter_turns_the_footprint():
    air, start, travel = small()
    plain = trace(air, start, travel, shape=(11, 11)).footprint
    where = air.place.copy()
    where[..., 0], where[..., 1] = 11 - air.place[..., 1], air.place[..., 0]
    turned = trace(dataclasses.replace(air, place=where), start, travel, shape=(11, 11)).footprint
    np.testing.assert_allclose(turned, np.swapaxes(plain, 1, 2)[:, :, ::-1], rtol=1e-12)


def test_finer_flux_cells_add_up_to_coarser_ones():
    air, start, travel = small()
    coarse = trace(air, start, travel).footprint
    where = air.place.copy()
    where[..., :2] *= 3
    fine = trace(dataclasses.replace(air, place=where), start, travel, shape=(27, 33)).footprint
    np.testing.assert_allclose(fine.reshape(6, 9, 3, 11, 3).sum((2, 4)), coarse, rtol=1e-12, atol=1e-18)


def test_the_spread_of_a_whole_hour_is_that_of_the_particles_there():
    air, start, _ = small()
    run = trace(air, start, 1.7 * HOUR)
    columns, rows = run.end[:, 0] + 0.5, run.end[:, 1] + 0.5
    expected = [len(start), columns.sum(), rows.sum(), (columns**2).sum(), (rows**2).sum(), run.end[:, 2].sum()]
    # the run ends on hour 1, the start of the flux hour before the release's
    np.testing.assert_allclose(run.spread[1], expected, rtol=1e-12)
    assert run.spread[0, 0] == len(start)
    assert (run.spread[2:] == 0).all()


@kernel
def profile(z, h, friction, convective, inverse):
    return vertical_turbulence(z, h, np.float32(1) / h, friction, convective, inverse, regime(h, inverse))


@compiled
def test_the_near_field_is_diluted_to_the_height_of_the_plume():
    """In one outer step of 2 s the plume reaches sigma T sqrt(2 (s - 1 + exp(-s))) above the release at its middle."""
    h, friction, convective, obukhov = LAYERS["unstable"]
    height, count = 200.0, 20_000
    sigma, _, time = profile(*(F(value) for value in (height, h, friction, convective, 1 / obukhov)))
    s = 1.0 / time
    rise = sigma * time * np.sqrt(2 * (s - 1 + np.exp(-s)))
    air = weather(layer=LAYERS["unstable"], near_field=1.0)
    total = trace(air, releases(count, 4.0, 4.0, height, HOUR), 2.0).footprint.sum()
    below = stats.norm.cdf(rise / sigma)
    expected = 2.0 * MOLAR_MASS / ((height + rise) * DENSITY) * below
    assert total == pytest.approx(expected, rel=4 * np.sqrt((1 / below - 1) / count))


@compiled
def test_the_near_field_adds_to_the_footprint_most_at_the_receptor_and_moves_nothing():
    start = releases(300, 4.0, 4.0, 10.0, 3 * HOUR)
    near, plain = (trace(weather(layer=LAYERS["unstable"], near_field=flag), start, 3 * HOUR) for flag in (1.0, 0.0))
    np.testing.assert_array_equal(near.end, plain.end)
    gain = near.footprint.sum((1, 2))[:3] / plain.footprint.sum((1, 2))[:3]
    assert (gain >= 1).all()
    assert (np.diff(gain) < 0).all()


def test_the_near_field_of_the_first_minute_is_a_shallow_plume():
    # sigma 0.1 m s-1, T 100 s: 2.9 m above the release after half a minute, instead of 1500 m
    start = releases(8, 4.0, 4.0, 10.0, HOUR)
    near, plain = (
        trace(weather(layer=THIN, near_field=flag, dilution=1500.0), start, 60.0).footprint.sum() for flag in (1.0, 0.0)
    )
    assert plain == pytest.approx(60.0 * MOLAR_MASS / (1500.0 * DENSITY), rel=1e-5)
    most = plain * 1500 / (10 + 10 * np.sqrt(2 * (0.3 - 1 + np.exp(-0.3))))
    assert 0.3 * most < near <= most * (1 + 1e-6)


def convecting(time, top=2000.0, count=3000, travel=200.0, height=500.0):
    """Return final heights after one renewal, 180 s after the release, in air above a thin layer."""
    air = weather(layer=THIN, convection_time=time)
    air.surface[..., fields.CONVECTION] = top
    return trace(air, releases(count, 4.0, 4.0, height, HOUR), travel, bins=1).end[:, 2]


@compiled
def test_convection_leaves_air_well_mixed_up_to_its_top():
    z = convecting(1e-6)
    scale, top = steps.SCALE_HEIGHT, 2000.0
    share = (1 - np.exp(-z.clip(0, top) / scale)) / (1 - np.exp(-top / scale))
    assert stats.kstest(share, "uniform").pvalue > 1e-3


def test_convection_stays_below_its_top():
    z = convecting(1e-6, count=12)
    assert (z < 2010).all()
    assert (np.abs(z - 500) > 100).sum() > 6


@compiled
def test_convection_takes_its_time():
    z = convecting(1800.0)
    expected = 180.0 / 1800.0
    assert (np.abs(z - 500) > 60).mean() == pytest.approx(expected * 0.94, abs=4 * np.sqrt(expected / z.size))


@pytest.mark.parametrize(("time", "top", "height"), [(0.0, 2000.0, 500.0), (1e-6, 0.0, 500.0), (1e-6, 400.0, 900.0)])
def test_without_convection_or_above_it_nothing_is_mixed(time, top, height):
    assert (np.abs(convecting(time, top, count=20, height=height) - height) < 100).all()


@pytest.mark.parametrize("lowest", [1.0, 800.0])
def test_the_layer_is_no_lower_than_its_lowest(lowest):
    # the dilution height is half the layer: below it everything is counted, diluted over it
    air = weather(layer=(300.0, 0.01, 0.0, 1e6), lowest=lowest)
    total = trace(air, releases(8, 4.0, 4.0, 60.0, HOUR), 120.0).footprint.sum()
    assert total == pytest.approx(120 * MOLAR_MASS / (0.5 * max(lowest, 300.0) * DENSITY), rel=1e-5)


def test_the_layer_of_the_place_and_time_dilutes():
    # h = 400 + 100 hours, seen at the first step of a particle released at 2.5 h
    layers = [(400.0 + 100 * hour, 0.01, 0.0, 1e6) for hour in range(4)]
    air = weather(hours=3)
    air.surface = surface((8, 10), 3, layers)
    air.volume = volume(drifting, (8, 10), 3, HEIGHTS)
    total = trace(air, releases(8, 4.0, 4.0, 60.0, 2.5 * HOUR), 60.0).footprint.sum()
    assert total == pytest.approx(60 * MOLAR_MASS / (0.5 * 650.0 * DENSITY), rel=1e-5)
