"""Profiles: values are Hanna's in float64, gradients are derivatives, floors and limits hold."""

import numpy as np
import pytest
from tests_layers import LAYERS

from kernels import turbulence
from kernels.jit import kernel

F = np.float32
#: more layers than the three of the well-mixed tests: h m, u* m s-1, w* m s-1, L m
MORE = {
    **LAYERS,
    "strongly unstable": (2200.0, 0.1, 2.5, -5.0),
    "shallow unstable": (300.0, 0.4, 0.6, -150.0),
    "nearly neutral, unstable side": (500.0, 0.5, 0.4, -510.0),
    "weak neutral": (150.0, 0.05, 0.0, 400.0),
    "very stable": (80.0, 0.06, 0.0, 2.0),
}


@kernel
def profile(z, h, friction, convective, inverse, out):
    kind = turbulence.regime(h, inverse)
    one = np.float32(1.0)
    for i in range(z.size):
        out[i, 0], out[i, 1], out[i, 2] = turbulence.vertical_turbulence(
            z[i], h, one / h, friction, convective, inverse, kind
        )


@kernel
def top(h, friction, convective, inverse):
    return turbulence.sigma_at_top(h, friction, convective, turbulence.regime(h, inverse))


def lanes(name, z):
    """Return sigma, slope and time scale of the kernel, each (z,) float64."""
    h, friction, convective, obukhov = MORE[name]
    out = np.empty((np.size(z), 3), F)
    profile(np.atleast_1d(z).astype(F), F(h), F(friction), F(convective), F(1 / obukhov), out)
    return out.astype(np.float64).T


def hanna(name, z):
    """Sigma and time scale after Stohl et al. (2005), eqs. 6-20, in float64 and branch by branch."""
    h, friction, convective, obukhov = MORE[name]
    zeta = z / h
    if h / abs(obukhov) < 1:
        sigma = 1.3 * friction * np.exp(-2e-4 * z / friction)
        time = 0.5 * z / (sigma * (1 + 1.5e-3 * z / friction))
    elif obukhov < 0:
        square = 1.2 * convective**2 * (1 - 0.9 * zeta) * zeta ** (2 / 3) + (1.8 - 1.4 * zeta) * friction**2
        sigma = np.sqrt(square)
        if z < abs(obukhov):
            time = 0.1 * z / (sigma * (0.55 - 0.38 * abs(z / obukhov)))
        elif zeta < 0.1:
            time = 0.59 * z / sigma
        else:
            time = 0.15 * h / sigma * (1 - np.exp(-5 * zeta))
    else:
        sigma = 1.3 * friction * (1 - zeta)
        time = 0.1 * h / sigma * zeta**0.8
    floored = max(sigma, turbulence.SIGMA_FLOOR)
    return floored, max(time * sigma / floored, turbulence.TIME_FLOOR)


@pytest.mark.parametrize("name", MORE)
def test_values_are_hannas(name):
    h = MORE[name][0]
    z = np.array([zeta * h for zeta in (0.002, 0.01, 0.03, 0.0501, 0.09, 0.11, 0.3, 0.5, 0.7, 0.9)])
    sigma, _, time = lanes(name, z)
    expected = np.array([hanna(name, float(F(height))) for height in z])
    np.testing.assert_allclose(sigma, expected[:, 0], rtol=1e-5)
    np.testing.assert_allclose(time, expected[:, 1], rtol=1e-4)


def test_every_regime_is_among_the_layers_tried():
    kinds = {name: turbulence.regime(F(h), F(1 / obukhov)) for name, (h, _, _, obukhov) in MORE.items()}
    assert set(kinds.values()) == {turbulence.NEUTRAL, turbulence.UNSTABLE, turbulence.STABLE}
    assert kinds["nearly neutral, unstable side"] == turbulence.NEUTRAL
    assert kinds["shallow unstable"] == turbulence.UNSTABLE
    assert kinds["very stable"] == turbulence.STABLE


@pytest.mark.parametrize("name", MORE)
def test_the_slope_is_the_derivative_of_sigma(name):
    h = MORE[name][0]
    for zeta in (0.01, 0.05, 0.2, 0.5, 0.8, 0.95):
        z, dz = zeta * h, 1e-4 * h
        expected = (hanna(name, z + dz)[0] - hanna(name, z - dz)[0]) / (2 * dz)
        assert lanes(name, z)[1][0] == pytest.approx(expected, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize("name", MORE)
def test_sigma_at_the_top_is_that_just_below_it(name):
    h, friction, convective, obukhov = MORE[name]
    just_below = lanes(name, np.nextafter(F(h), F(0)))[0][0]
    assert top(F(h), F(friction), F(convective), F(1 / obukhov)) == pytest.approx(just_below, rel=1e-5)


@pytest.mark.parametrize("name", MORE)
def test_sigma_and_time_scale_keep_their_floors_and_the_slope_is_finite(name):
    h = MORE[name][0]
    sigma, slope, time = lanes(name, np.array([0.0, 1e-6, 1e-3, 0.1, 1.0, 0.99999 * h]))
    assert (sigma >= turbulence.SIGMA_FLOOR).all()
    assert (time >= turbulence.TIME_FLOOR).all()
    assert np.isfinite(slope).all()
    assert time[0] == turbulence.TIME_FLOOR


def test_a_floored_sigma_has_no_slope():
    h = MORE["very stable"][0]
    sigma, slope, _ = lanes("very stable", np.array([0.95 * h, 0.5 * h]))
    assert sigma[0] == turbulence.SIGMA_FLOOR
    assert slope[0] == 0
    assert slope[1] < 0


@pytest.mark.parametrize("name", MORE)
def test_above_the_layer_turbulence_is_weak_and_constant(name):
    h = MORE[name][0]
    sigma, slope, time = lanes(name, np.array([h, np.nextafter(F(h), F(2 * h)), 3 * h]))
    np.testing.assert_array_equal(sigma, turbulence.SIGMA_ABOVE)
    np.testing.assert_array_equal(slope, 0)
    np.testing.assert_array_equal(time, turbulence.TIME_ABOVE)
