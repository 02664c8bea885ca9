"""The well-mixed criterion through the whole trace: layers that grow and collapse, shear, and overturning air."""

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest
from particle_weather import LID, releases, trace, weather
from tests_layers import LAYERS

from kernels import steps

pytestmark = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="too slow without the compiler")
HOUR = 3600.0
SCALE = 8500.0
HEIGHTS = np.concatenate([[0, 5, 20, 50], np.arange(100, LID, 100), [LID]]).astype(np.float32)


def density(z):
    return 1.2 * np.exp(-z / SCALE)


def share_below(z):
    """Share of the air that is below z."""
    return -np.expm1(-z / SCALE) / -np.expm1(-LID / SCALE)


def height_of(share):
    return -SCALE * np.log1p(share * np.expm1(-LID / SCALE))


def followed(air, x, y, z, hours):
    """Return the ends of the particles, halves of which are two receptors followed at once."""
    parts = [
        releases(half.size, x[half], y[half], z[half], hours * HOUR) for half in np.array_split(np.arange(z.size), 2)
    ]
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(trace, air, part, hours * HOUR, receptor=key) for key, part in enumerate(parts)]
        return np.concatenate([job.result().end for job in jobs])


def day(hour):
    """Return h m, u* m s-1, w* m s-1, L m of an hour of the day: h from 200 to 1600 m and back."""
    rise = max(np.sin(np.pi * (hour - 6) / 12), 0.0) if 6 <= hour <= 18 else 0.0
    if rise > 0.02:
        h, friction, heat = 200 + 1400 * rise, 0.25 + 0.15 * rise, 0.2 * rise
        buoyancy = 9.81 / 290 * heat
        return h, friction, np.cbrt(buoyancy * h), -(friction**3) / (0.4 * buoyancy)
    return 200.0, 0.2, 0.0, 60.0


def test_a_tracer_stays_well_mixed_in_a_sheared_layer_that_grows_and_collapses():
    count, hours, bins = 80_000, 24, 10

    def sheared(x, y, z, t):
        return 3e-5 * (z / 1000 - 1), 1e-5 * np.sin(z / 700) + 0 * t, 0.0, density(z)

    air = weather(
        sheared, (12, 16), hours, layer=[day(hour) for hour in range(hours + 1)], slope=-1 / SCALE,
        heights=HEIGHTS, metre=2e-5,
    )  # fmt: skip
    random = np.random.default_rng(1)
    z = height_of(random.permutation((np.arange(count) + 0.5) / count))
    end = followed(air, np.full(count, 8.0), np.full(count, 6.0), z, hours)
    assert (end[:, 4] == steps.TIME_UP).mean() > 0.999
    edges = np.linspace(0, share_below(2500.0), bins + 1)
    mixing = np.histogram(share_below(end[:, 2]), edges)[0] / (count * np.diff(edges))
    assert 1 / np.sqrt(count * edges[1]) < 0.02
    np.testing.assert_allclose(mixing, 1, atol=0.05)


def test_a_tracer_stays_well_mixed_in_air_that_overturns():
    """Closed cells in x and height and in y and height: rho u = -d psi / dz, rho w = d psi / dx, and so in y."""
    count, hours, cells, metres = 80_000, 8, 24, 5000.0
    strength = 0.06 * cells * metres / np.pi

    def overturning(x, y, z, t):
        turn = np.pi / (cells * metres)
        up = np.pi / LID
        mass = strength * np.sin(up * z)
        flow = -strength * up * np.cos(up * z) / density(z) / metres
        u = flow * np.sin(np.pi * x / cells)
        v = flow * np.sin(np.pi * y / cells)
        w = mass * turn * (np.cos(np.pi * x / cells) + np.cos(np.pi * y / cells)) / density(z)
        return u, v, w * (z < LID), density(z)

    air = weather(
        overturning, (cells + 1, cells + 1), hours, layer=LAYERS["unstable"], slope=-1 / SCALE, heights=HEIGHTS
    )
    random = np.random.default_rng(5)
    # all of the closed box but the last 1e-6 of it, where rounding may put a particle outside
    x, y = cells * (1e-6 + (1 - 2e-6) * random.random((2, count)))
    z = height_of(random.permutation((np.arange(count) + 0.5) / count))
    end = followed(air, x, y, z, hours)
    inside = end[:, 4] == steps.TIME_UP
    assert inside.mean() > 0.99
    assert np.abs(end[:, 0] - x).mean() > 2
    for values, whole in ((share_below(end[:, 2]), 1.0), (end[:, 0], cells), (end[:, 1], cells)):
        share = np.histogram(values[inside], np.linspace(0, whole, 9))[0] / (inside.sum() / 8)
        # winds linear between the nodes are not quite free of divergence: 2 to 3 % at the walls
        np.testing.assert_allclose(share, 1, atol=0.06)
