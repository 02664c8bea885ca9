"""The well-mixed criterion (Thomson 1987): an initially well-mixed tracer stays so, whatever the layer."""

import numba
import numpy as np
import pytest
from tests_layers import LAYERS

from kernels import langevin

# the hash wraps round on purpose; only plain numpy warns of it
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered")
SCALE_HEIGHT = 9000.0
BINS = 20
# without the compiler a sub-step costs 1000 times more: the law is then only tried on few particles
COUNT = 400 if numba.config.DISABLE_JIT else 100_000
HOURS = 0.02 if numba.config.DISABLE_JIT else 2.0


def mixed(name, *, fraction, seed=5, density=True, kernel=langevin.mix_column):
    """Return final heights of particles that start well mixed up to twice the layer, and the layer's height."""
    h, ustar, wstar, obukhov = LAYERS[name]
    slope = -1 / SCALE_HEIGHT if density else 0.0
    random = np.random.default_rng(seed)
    top = 2 * h
    u = random.random(COUNT)
    z = -SCALE_HEIGHT * np.log1p(-u * (1 - np.exp(-top / SCALE_HEIGHT))) if density else top * u
    omega = random.standard_normal(COUNT)
    kernel(z, omega, 3600.0 * HOURS, top, np.array([h, ustar, wstar, obukhov, slope]), fraction, seed)
    return z, h


def relative(z, h, density=True):
    """Return the tracer's mixing ratio in equal bins of the layer, relative to well mixed."""
    edges = np.linspace(0, h, BINS + 1)
    if not density:
        return np.histogram(z, edges)[0] / (z.size / 2 / BINS)
    air = (np.exp(-edges[:-1] / SCALE_HEIGHT) - np.exp(-edges[1:] / SCALE_HEIGHT)) / (1 - np.exp(-2 * h / SCALE_HEIGHT))
    return np.histogram(z, edges)[0] / (z.size * air)


compiled = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="too slow without the compiler")


@compiled
@pytest.mark.parametrize(("name", "fraction"), [("unstable", 0.2), ("neutral", 0.2), ("stable", 0.1)])
@pytest.mark.parametrize("density", [True, False], ids=["density", "uniform"])
def test_well_mixed_stays_well_mixed(name, fraction, density):
    z, h = mixed(name, fraction=fraction, density=density)
    share = relative(z, h, density)
    noise = 1 / np.sqrt(COUNT / 2 / BINS)
    assert np.sqrt(np.mean((share - 1) ** 2)) < np.hypot(0.03, noise)
    assert share[0] == pytest.approx(1, abs=0.06)
    assert share[-1] == pytest.approx(1, abs=0.06)
    assert share.mean() == pytest.approx(1, abs=0.02)


@compiled
def test_too_coarse_a_sub_step_breaks_the_law():
    # so the test above can fail
    z, h = mixed("stable", fraction=2.0)
    assert np.sqrt(np.mean((relative(z, h) - 1) ** 2)) > 0.06


def test_threads_do_not_change_a_bit():
    parallel, _ = mixed("unstable", fraction=0.2)
    serial, _ = mixed("unstable", fraction=0.2, kernel=langevin.mix_column_serial)
    assert np.array_equal(parallel, serial)


@compiled
def test_variance_in_homogeneous_turbulence_is_taylors():
    """Above the layer sigma and T_L are constant: Taylor (1921), var = 2 sigma^2 T^2 (t/T - 1 + exp(-t/T))."""
    from kernels.turbulence import SIGMA_ABOVE, TIME_ABOVE

    n, seconds, start = 60_000, 300.0, 5000.0
    z, omega = np.full(n, start), np.random.default_rng(3).standard_normal(n)
    langevin.mix_column(z, omega, seconds, 1e5, np.array([1.0, 0.3, 0.0, 1e6, 0.0]), 0.05, 11)
    t = seconds / TIME_ABOVE
    expected = 2 * (SIGMA_ABOVE * TIME_ABOVE) ** 2 * (t - 1 + np.exp(-t))
    assert z.var() == pytest.approx(expected, rel=4 * np.sqrt(2 / n) + 0.005)
    assert abs(z.mean() - start) < 4 * np.sqrt(expected / n)


def test_the_ground_reflects_and_nothing_escapes():
    z, h = mixed("stable", fraction=0.1)
    assert z.min() >= 0
    assert z.max() <= 2 * h
