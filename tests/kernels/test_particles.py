"""What a particle does: mean motion of second order, and ends recorded where and when they happen."""

import numba
import numpy as np
import pytest
from particle_weather import HEIGHTS, LID, releases, trace, weather

from kernels import steps
from kernels.turbulence import SIGMA_ABOVE, TIME_ABOVE

# the hash wraps round on purpose; only plain numpy warns of it
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered")
compiled = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="too slow without the compiler")
HOUR = 3600.0
#: a layer of one metre: everything higher is in weak, constant turbulence, which the plain tests run quickly
THIN = (1.0, 0.3, 0.0, 1e6)


def steady(u, v=0.0):
    """Wind of u and v cells an hour, the same everywhere."""
    return lambda x, y, z, t: (u / HOUR, v / HOUR, 0.0, 1.2)


def rotation(turns_per_hour, centre):
    """Solid-body rotation, linear in x and y, so that interpolation is exact."""
    rate = 2 * np.pi * turns_per_hour / HOUR
    return lambda x, y, z, t: (-rate * (y - centre), rate * (x - centre), 0.0, 1.2)


def rotated(steps_per_turn, radius=7.0, centre=10):
    """Return the distance, in cells, from the start after one turn of that many outer steps."""
    hours = steps_per_turn / 60
    air = weather(rotation(1 / hours, centre), (21, 21), int(np.ceil(hours)), layer=THIN, heights=HEIGHTS[[0, -1]])
    start = releases(2, [centre + radius, centre], [centre, centre - radius], 500.0, hours * HOUR)
    end = trace(air, start, hours * HOUR, hour=0, bins=1).end
    assert (end[:, 4] == steps.TIME_UP).all()
    return np.hypot(*(end[:, :2] - start[:, :2]).T)


def test_solid_body_rotation_returns_to_the_start_with_second_order():
    coarse, fine = rotated(120), rotated(240)
    # Heun's phase error of one turn: 2 pi r (2 pi / n)^2 / 6 and some
    assert (fine < 7.0 * 2 * np.pi * (2 * np.pi / 240) ** 2).all()
    np.testing.assert_allclose(coarse / fine, 4, rtol=0.15)


def test_an_outer_step_reaches_no_farther_than_its_share_of_a_cell():
    # 90 cells an hour: steps of 30 s, 120 of them, so the end is reached all the same
    air = weather(steady(90.0), (4, 100), 1, layer=THIN)
    run = trace(air, releases(1, 95.0, 1.0, 500.0, HOUR), HOUR, bins=1)
    assert run.end[0, 0] == pytest.approx(5.0, abs=1e-4)
    # and every flux cell on the way is crossed by one or two steps, all of the same length
    air.options[steps.DILUTION] = LID
    footprint = trace(air, releases(1, 95.0, 1.0, 500.0, HOUR), HOUR, bins=1).footprint[0, 1, 6:94]
    assert set(np.round(footprint / footprint.min(), 5)) == {1.0, 2.0}


def test_wind_that_changes_in_time_is_integrated():
    # u = 4 t / hour cells an hour, over the last two hours: 4 (9 - 1) / 2 cells
    air = weather(lambda x, y, z, t: (4 * t / HOUR**2, -t / HOUR**2, 0.0, 1.2), (12, 30), 3, layer=THIN)
    run = trace(air, releases(3, 25.0, 4.0, 500.0, 3 * HOUR), 2 * HOUR)
    np.testing.assert_allclose(run.end[:, 0], 25 - 16, atol=1e-4)
    np.testing.assert_allclose(run.end[:, 1], 4 + 4, atol=1e-4)


def test_mean_vertical_motion_is_integrated_backward_and_stays_below_the_lid():
    # air that sinks comes from above
    air = weather(lambda x, y, z, t: (0.0, 0.0, -0.1 * (z > 0) * (z < LID), 1.2), hours=1, layer=THIN)
    run = trace(air, releases(40, 3.0, 3.0, 1000.0, HOUR), HOUR)
    spread = float(SIGMA_ABOVE) * np.sqrt(2 * float(TIME_ABOVE) * HOUR)
    assert run.end[:, 2].mean() == pytest.approx(1360, abs=4 * spread / np.sqrt(40))
    rising = weather(lambda x, y, z, t: (0.0, 0.0, -2.0 * (z > 0) * (z < LID), 1.2), hours=1, layer=THIN)
    ends = trace(rising, releases(16, 3.0, 3.0, 1000.0, HOUR), HOUR).end[:, 2]
    assert (ends <= LID).all()
    assert (ends > 2400).all()


@compiled
def test_shear_carries_and_spreads_particles_as_their_heights_say():
    """With u = s (z - 1500 m) and homogeneous turbulence, x = x0 - s int (z - 1500) dt: Gaussian, variance known."""
    count, shear, hours, start = 20_000, 1e-5 / HOUR * 100, 3, 1700.0
    sinking = 0.02

    def flow(x, y, z, t):
        return shear * (z - 1500.0), 0.0, -sinking + 0 * z, 1.2

    air = weather(flow, (4, 40), hours, layer=THIN)
    end = trace(air, releases(count, 20.0, 1.5, start, hours * HOUR), hours * HOUR).end
    t = np.arange(0, hours * HOUR + 1, 60.0)
    sigma, memory = float(SIGMA_ABOVE), float(TIME_ABOVE)
    weight = np.full(t.size, 60.0)
    weight[[0, -1]] = 30.0
    mean = -shear * (weight * (start - 1500.0 + sinking * t)).sum()
    # covariance of an integrated Ornstein-Uhlenbeck velocity
    least = np.minimum(t[:, None], t)
    lag = np.abs(t[:, None] - t)
    old = np.exp(-t / memory)
    covariance = (sigma * memory) ** 2 * (2 * least / memory + old[:, None] + old - 1 - np.exp(-lag / memory))
    variance = shear**2 * weight @ covariance @ weight
    way = end[:, 0] - 20.0
    assert way.mean() == pytest.approx(mean, abs=4 * np.sqrt(variance / count))
    assert way.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / count) + 0.01)
    assert end[:, 2].mean() == pytest.approx(start + sinking * hours * HOUR, abs=4 * end[:, 2].std() / np.sqrt(count))


@compiled
def test_horizontal_turbulence_spreads_as_taylor_says():
    # above the layer sigma_w / sqrt(2) is below the floor, so the variance is the floor's
    count, hours, memory, metre = 20_000, 4, 3600.0, 1e-4
    air = weather(steady(0.0), (30, 30), hours, layer=THIN, metre=metre, memory=memory)
    end = trace(air, releases(count, 14.0, 14.0, 1500.0, hours * HOUR), hours * HOUR).end
    t = hours * HOUR / memory
    variance = 2 * (steps.HORIZONTAL_FLOOR * memory * metre) ** 2 * (t - 1 + np.exp(-t))
    for axis in (0, 1):
        assert end[:, axis].var() == pytest.approx(variance, rel=4 * np.sqrt(2 / count) + 0.02)
        assert abs(end[:, axis].mean() - 14) < 4 * np.sqrt(variance / count)
    assert abs(np.corrcoef(end[:, 0], end[:, 1])[0, 1]) < 4 / np.sqrt(count)


def test_time_is_up_exactly_at_the_travel_time():
    run = trace(weather(steady(1.0), hours=3, layer=THIN), releases(3, 5.0, 4.0, 500.0, 2.5 * HOUR), 4567.8)
    np.testing.assert_array_equal(run.end[:, 4], steps.TIME_UP)
    np.testing.assert_allclose(run.end[:, 3], 2.5 * HOUR - 4567.8, rtol=0, atol=1e-6)
    np.testing.assert_allclose(run.end[:, 0], 5 - 4567.8 / HOUR, atol=1e-5)


def test_a_particle_that_leaves_the_flux_grid_ends_there():
    air = weather(steady(6.0), (8, 10), 3, layer=THIN)
    # the flux grid begins at the middle of weather cell 2
    air.place[..., 0] -= 2.5
    run = trace(air, releases(2, 5.0, 4.0, 500.0, 2 * HOUR), 2 * HOUR, shape=(8, 7))
    np.testing.assert_array_equal(run.end[:, 4], steps.LEFT_GRID)
    # within the outer step that crosses the edge
    assert (np.abs(run.end[:, 0] - 2) <= 0.1 + 1e-5).all()
    np.testing.assert_allclose(run.end[:, 3], 2 * HOUR - (5 - run.end[:, 0]) / 6 * HOUR, atol=0.1)


@pytest.mark.parametrize(("u", "v", "edge"), [(6.0, 0, 0), (-6.0, 0, 9), (0, 6.0, 0), (0, -6.0, 7)])
def test_a_particle_that_leaves_the_weather_ends_there(u, v, edge):
    air = weather(steady(u, v), (8, 10), 3, layer=THIN)
    # a flux grid that is larger all round
    air.place[..., :2] += 5.0
    run = trace(air, releases(2, 5.0, 4.0, 500.0, 2 * HOUR), 2 * HOUR, shape=(20, 20))
    axis = 0 if u else 1
    np.testing.assert_array_equal(run.end[:, 4], steps.LEFT_WEATHER)
    assert (np.abs(run.end[:, axis] - edge) <= 0.1 + 1e-5).all()
    way = np.abs(run.end[:, axis] - (5.0 if u else 4.0))
    np.testing.assert_allclose(run.end[:, 3], 2 * HOUR - way / 6 * HOUR, atol=0.1)


def test_a_particle_older_than_the_weather_ends_with_it():
    run = trace(weather(steady(1.0), hours=2, layer=THIN), releases(2, 6.0, 4.0, 500.0, 1.5 * HOUR), 5 * HOUR)
    np.testing.assert_array_equal(run.end[:, 4], steps.WEATHER_ENDED)
    np.testing.assert_allclose(run.end[:, 3], 0, atol=1e-6)
    np.testing.assert_allclose(run.end[:, 0], 4.5, atol=1e-5)


def test_releases_that_cannot_travel_are_recorded_and_leave_no_footprint():
    air = weather(steady(1.0), (8, 10), 3, layer=THIN)
    air.bounds[0] = 1
    air.options[steps.DILUTION] = LID
    t = 2 * HOUR
    start = releases(
        9,
        x=[4.0, 4.0, 4.0, 4.0, np.nan, 9.0, 4.0, 4.0, 4.0],
        y=[4.0, 4.0, 4.0, 4.0, 4.0, 4.0, -0.5, 4.0, 4.0],
        z=[LID + 1, -1.0, np.nan, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0],
        t=[t, t, t, 1.0 * HOUR, t, t, t, 3.1 * HOUR, 0.5 * HOUR],
    )
    run = trace(air, start, HOUR)
    lost, ended, left = steps.LOST, steps.WEATHER_ENDED, steps.LEFT_WEATHER
    np.testing.assert_array_equal(run.end[:, 4], [lost, lost, lost, ended, lost, left, left, ended, ended])
    np.testing.assert_array_equal(run.end[:, :4], start[:, :4].astype(np.float32))
    assert (run.footprint == 0).all()
    assert (run.spread == 0).all()


def test_a_release_outside_the_flux_grid_ends_at_once():
    air = weather(steady(1.0), layer=THIN)
    air.place[..., 1] += 100.0
    run = trace(air, releases(1, 4.0, 4.0, 10.0, HOUR), HOUR)
    np.testing.assert_array_equal(run.end[0], [4.0, 4.0, 10.0, HOUR, steps.LEFT_GRID])


def test_a_lane_that_becomes_free_takes_the_next_particle():
    # every second particle is lost at once; all the others travel to their end
    height = np.where(np.arange(50) % 2, 500.0, LID + 5)
    run = trace(weather(steady(0.0), hours=1, layer=THIN), releases(50, 4.0, 4.0, height, HOUR), 300.0, bins=1)
    np.testing.assert_array_equal(run.end[::2, 4], steps.LOST)
    np.testing.assert_array_equal(run.end[1::2, 4], steps.TIME_UP)


def test_a_run_without_particles_leaves_everything_as_it_was():
    run = trace(weather(steady(0.0), hours=1), releases(0, 1.0, 1.0, 1.0, HOUR, weight=1.0), 300.0, hour=0)
    assert (run.footprint == 0).all()
