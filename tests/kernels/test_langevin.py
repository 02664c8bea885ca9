"""Langevin equation: what is well mixed stays so (Thomson 1987); above the layer it spreads as Taylor (1921) said."""

import numba
import numpy as np
import pytest
from tests_layers import LAYERS

from kernels import langevin, noise
from kernels.jit import kernel
from kernels.turbulence import SIGMA_ABOVE, TIME_ABOVE

# the hash wraps round on purpose; only plain numpy warns of it
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered")
compiled = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="too slow without the compiler")
F = np.float32
SCALE_HEIGHT = 9000.0
BINS = 20
COUNT = 100_000


@kernel
def advance(z, omega, seconds, layer, slope, lid, share, seed):
    """Advance particles by `seconds` in one steady layer (h, u*, w*, 1 / L), sixteen at a time; share 0: the default.

    Returns the least number of sub-steps that brought all of a group to their end.
    """
    state = np.zeros(langevin.ROWS * langevin.LANES, np.float32)
    fewest = 1 << 30
    for first in range(0, z.size, langevin.LANES):
        count = min(langevin.LANES, z.size - first)
        for lane in range(langevin.LANES):
            particle = first + lane if lane < count else first
            high, low = noise.stream_key(seed, 0, particle)
            state[langevin.HIGH + lane] = np.uint32(high).view(np.float32)
            state[langevin.LOW + lane] = np.uint32(low).view(np.float32)
            state[langevin.COUNT + lane] = np.uint32(0).view(np.float32)
            state[langevin.Z + lane], state[langevin.OMEGA + lane] = z[particle], omega[particle]
            state[langevin.LEFT + lane] = seconds if lane < count else np.float32(0.0)
            langevin.set_layer(state, lane, layer[0], layer[1], layer[2], layer[3])
            state[langevin.DENSITY_SLOPE + lane], state[langevin.LID + lane] = slope, lid
            if share > 0:
                state[langevin.SHARE + lane] = share
            langevin.set_turbulence(state, lane)
        number = 0
        left = np.float32(1.0)
        while left > 0:
            langevin.sub_step(state)
            number += 1
            left = np.float32(0.0)
            for lane in range(langevin.LANES):
                left = max(left, state[langevin.LEFT + lane])
        fewest = min(fewest, number)
        for lane in range(count):
            z[first + lane], omega[first + lane] = state[langevin.Z + lane], state[langevin.OMEGA + lane]
    return fewest


def single(values):
    return np.array(values, dtype=F)


def layer_of(name):
    h, friction, convective, obukhov = LAYERS[name]
    return single([h, friction, convective, 1 / obukhov])


def mixed(name, *, density=True, share=0.0, seed=5, count=COUNT, hours=2.0):
    """Return final heights of particles that start well mixed up to twice the layer, and the layer's height."""
    h = LAYERS[name][0]
    random = np.random.default_rng(seed)
    top, u = 2 * h, random.random(count)
    z = -SCALE_HEIGHT * np.log1p(-u * (1 - np.exp(-top / SCALE_HEIGHT))) if density else top * u
    z, omega = z.astype(F), random.standard_normal(count).astype(F)
    slope = F(-1 / SCALE_HEIGHT if density else 0.0)
    advance(z, omega, F(3600 * hours), layer_of(name), slope, F(top), F(share), seed)
    return z.astype(np.float64), omega.astype(np.float64), h


def relative(z, h, density=True):
    """Return the tracer's mixing ratio in equal bins of the layer, relative to well mixed."""
    edges = np.linspace(0, h, BINS + 1)
    if not density:
        return np.histogram(z, edges)[0] / (z.size / 2 / BINS)
    air = (np.exp(-edges[:-1] / SCALE_HEIGHT) - np.exp(-edges[1:] / SCALE_HEIGHT)) / (1 - np.exp(-2 * h / SCALE_HEIGHT))
    return np.histogram(z, edges)[0] / (z.size * air)


@compiled
@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("density", [True, False], ids=["density", "uniform"])
def test_well_mixed_stays_well_mixed(name, density):
    z, omega, h = mixed(name, density=density)
    share = relative(z, h, density)
    noise_of_count = 1 / np.sqrt(COUNT / 2 / BINS)
    assert np.sqrt(np.mean((share - 1) ** 2)) < np.hypot(0.03, noise_of_count)
    assert share[0] == pytest.approx(1, abs=0.06 + noise_of_count)
    assert share[-1] == pytest.approx(1, abs=0.06 + noise_of_count)
    assert share.mean() == pytest.approx(1, abs=0.02)
    # the velocity's distribution is kept too
    assert omega.var() == pytest.approx(1, abs=0.03)
    assert z.min() >= 0
    assert z.max() <= 2 * h


@compiled
def test_too_coarse_a_sub_step_breaks_the_law():
    # so the test above can fail
    z, _, h = mixed("stable", share=2.0)
    assert np.sqrt(np.mean((relative(z, h) - 1) ** 2)) > 0.06


@compiled
def test_variance_in_homogeneous_turbulence_is_taylors():
    """Above the layer sigma and T_L are constant: var = 2 sigma^2 T^2 (t/T - 1 + exp(-t/T))."""
    count, start = 60_000, 5000.0
    for seconds in (60.0, 300.0, 1200.0):
        z, omega = np.full(count, start, F), np.random.default_rng(3).standard_normal(count).astype(F)
        advance(z, omega, F(seconds), single([1.0, 0.3, 0.0, 1e-6]), F(0), F(1e5), F(0), 11)
        t = seconds / TIME_ABOVE
        expected = 2 * float(SIGMA_ABOVE * TIME_ABOVE) ** 2 * (t - 1 + np.exp(-t))
        way = z.astype(np.float64) - start
        assert way.var() == pytest.approx(expected, rel=4 * np.sqrt(2 / count) + 0.005)
        assert abs(way.mean()) < 4 * np.sqrt(expected / count)


@compiled
def test_a_tracer_let_go_at_the_ground_becomes_well_mixed_in_the_layer():
    # the stationary state is the well-mixed one from any start, not only from itself
    count = 20_000
    z, omega = np.full(count, 1.0, F), np.random.default_rng(4).standard_normal(count).astype(F)
    layer = layer_of("unstable")
    advance(z, omega, F(4 * 3600), layer, F(0), layer[0], F(0), 3)
    share = np.histogram(z, np.linspace(0, layer[0], 11))[0] / (count / 10)
    np.testing.assert_allclose(share, 1, atol=4.5 * np.sqrt(10 / count) + 0.02)


@compiled
def test_a_shallow_layer_keeps_its_air_for_hours():
    # sigma_w falls steeply towards the top: what crosses must be balanced there too
    count, top, layer = 100_000, 600.0, single([200.0, 0.36, 1.8, -1 / 24])
    random = np.random.default_rng(1)
    z = (top * random.permutation((np.arange(count) + 0.5) / count)).astype(F)
    omega = random.standard_normal(count).astype(F)
    advance(z, omega, F(3 * 3600), layer, F(0), F(top), F(0), 7)
    assert (z < 200).mean() == pytest.approx(1 / 3, rel=0.015)


@pytest.mark.parametrize("name", LAYERS)
def test_ground_and_lid_reflect(name):
    z, omega, h = mixed(name, count=64, hours=0.05)
    assert z.min() >= 0
    assert z.max() <= 2 * h
    assert np.isfinite(omega).all()


def moved(z, way, sigma, at_top, h=100.0, uniform=0.5):
    """Return where a particle comes to and whether it turned, for a layer whose sigma_w at its top is `at_top`."""
    above = float(SIGMA_ABOVE)
    given = (z, 1.0, way, h, sigma, min(above, at_top), at_top / above, uniform)
    to, sign = langevin.half_move(*(F(value) for value in given))
    return pytest.approx(float(to), rel=1e-6), float(sign)


def test_a_move_reflects_at_the_ground_and_passes_or_reflects_at_the_top():
    assert moved(10, 5, 0.4, 0.4) == (15.0, 1.0)
    assert moved(10, -15, 0.4, 0.4) == (5.0, -1.0)
    # upward from the stronger side: the chance is a quarter, and so is the way beyond
    assert moved(90, 30, 0.4, 0.4, uniform=0.26) == (80.0, -1.0)
    assert moved(90, 30, 0.4, 0.4, uniform=0.24) == (105.0, 1.0)
    # faster than at the top: less often, so that the flux is the same
    assert moved(90, 30, 0.5, 0.4, uniform=0.21) == (80.0, -1.0)
    assert moved(90, 30, 0.5, 0.4, uniform=0.19) == (104.0, 1.0)
    # downward from the weaker side: always, and faster beyond
    assert moved(105, -10, 0.1, 0.4, uniform=0.99) == (80.0, 1.0)
    # downward into a weaker layer
    assert moved(105, -10, 0.1, 0.01, uniform=0.11) == (105.0, -1.0)
    assert moved(105, -10, 0.1, 0.01, uniform=0.09) == (99.5, 1.0)


def ready(count, z, layer, lid):
    """Return a state of sixteen lanes of which only the first `count` have time left."""
    state = np.zeros(langevin.ROWS * langevin.LANES, F)
    for lane in range(langevin.LANES):
        state[langevin.Z + lane] = z
        state[langevin.OMEGA + lane] = F(0.5)
        state[langevin.LEFT + lane] = F(1000.0 if lane < count else 0.0)
        state[langevin.HIGH + lane] = np.uint32(lane).view(F)
        langevin.set_layer(state, lane, *layer)
        langevin.set_turbulence(state, lane)
        state[langevin.LID + lane] = lid
        state[langevin.DILUTION + lane] = F(1e6)
    return state


@pytest.mark.parametrize("name", LAYERS)
def test_a_lane_without_time_left_stays_where_it_is(name):
    state = ready(5, F(60.0), layer_of(name), F(3000.0))
    for _ in range(3):
        langevin.sub_step(state)
    rows = state.reshape(langevin.ROWS, langevin.LANES)
    for row, value in ((langevin.Z, 60.0), (langevin.OMEGA, 0.5), (langevin.LEFT, 0.0), (langevin.BELOW, 0.0)):
        np.testing.assert_array_equal(rows[row // langevin.LANES, 5:], F(value))
    assert (rows[langevin.Z // langevin.LANES, :5] != 60).all()
    assert (rows[langevin.LEFT // langevin.LANES, :5] < 1000).all()


def test_time_below_the_dilution_height_is_the_time_spent():
    state = ready(16, F(60.0), layer_of("unstable"), F(3000.0))
    state[langevin.DILUTION : langevin.DILUTION + 8] = 0.0
    for _ in range(4):
        langevin.sub_step(state)
    rows = state.reshape(langevin.ROWS, langevin.LANES)
    below, left = rows[langevin.BELOW // langevin.LANES], rows[langevin.LEFT // langevin.LANES]
    np.testing.assert_array_equal(below[:8], 0)
    np.testing.assert_allclose(below[8:], 1000 - left[8:], rtol=1e-5)


def test_a_stable_layer_is_stepped_finer():
    shares = {name: ready(1, F(10.0), layer_of(name), F(3000.0))[langevin.SHARE] for name in LAYERS}
    assert shares["stable"] == langevin.SHARE_STABLE
    assert shares["unstable"] == shares["neutral"] == langevin.SHARE_DEFAULT


def test_a_sub_step_is_no_shorter_than_a_second():
    z, omega = single([0.0]), single([0.1])
    number = advance(z, omega, F(10.0), layer_of("unstable"), F(0), F(2400.0), F(1e-6), 1)
    assert number == 10


def test_the_lanes_beside_a_particle_do_not_change_a_bit():
    count, few = 37, 21
    z, omega = single(np.linspace(1, 1100, count)), single(np.linspace(-2, 2, count))
    some, some_omega = z[:few].copy(), omega[:few].copy()
    for heights, speeds in ((z, omega), (some, some_omega)):
        advance(heights, speeds, F(120.0), layer_of("unstable"), F(0), F(2400.0), F(0), 1)
    np.testing.assert_array_equal(some, z[:few])
    np.testing.assert_array_equal(some_omega, omega[:few])
