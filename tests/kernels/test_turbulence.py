"""Profiles: gradients are derivatives, values are the published formulas, limits hold."""

import numpy as np
import pytest
from tests_layers import LAYERS

from kernels.turbulence import SIGMA_ABOVE, SIGMA_FLOOR, TIME_ABOVE, TIME_FLOOR, vertical_turbulence


@pytest.mark.parametrize("name", LAYERS)
def test_the_gradient_is_the_derivative_of_sigma(name):
    h, *rest = LAYERS[name]
    for zeta in (0.01, 0.05, 0.2, 0.5, 0.8, 0.95):
        z, dz = zeta * h, 1e-4 * h
        above, below = (vertical_turbulence(z + s * dz, h, *rest)[0] for s in (1, -1))
        slope = vertical_turbulence(z, h, *rest)[1]
        assert slope == pytest.approx((above - below) / (2 * dz), rel=1e-3, abs=1e-9)


def test_unstable_values_are_hannas():
    h, ustar, wstar, obukhov = LAYERS["unstable"]
    sigma, _, time = vertical_turbulence(0.5 * h, h, ustar, wstar, obukhov)
    expected = np.sqrt(1.2 * wstar**2 * 0.55 * 0.5 ** (2 / 3) + 1.1 * ustar**2)
    assert sigma == pytest.approx(expected, rel=1e-12)
    assert time == pytest.approx(0.15 * h / expected * (1 - np.exp(-2.5)), rel=1e-12)
    near, _, near_time = vertical_turbulence(30.0, h, ustar, wstar, obukhov)
    assert near_time == pytest.approx(max(0.1 * 30 / (near * (0.55 - 0.38 * 30 / 40)), TIME_FLOOR), rel=1e-12)


def test_neutral_and_stable_values_are_hannas():
    h, ustar, wstar, obukhov = LAYERS["neutral"]
    sigma, _, time = vertical_turbulence(400.0, h, ustar, wstar, obukhov)
    assert sigma == pytest.approx(1.3 * ustar * np.exp(-2e-4 * 400 / ustar), rel=1e-12)
    assert time == pytest.approx(200 / (sigma * (1 + 1.5e-3 * 400 / ustar)), rel=1e-12)
    h, ustar, wstar, obukhov = LAYERS["stable"]
    sigma, _, time = vertical_turbulence(100.0, h, ustar, wstar, obukhov)
    assert sigma == pytest.approx(1.3 * ustar * 0.6, rel=1e-12)
    assert time == pytest.approx(0.1 * h / sigma * 0.4**0.8, rel=1e-12)


@pytest.mark.parametrize("name", LAYERS)
def test_sigma_and_time_scale_keep_their_floors_and_are_finite_at_the_ground(name):
    h, *rest = LAYERS[name]
    for z in (0.0, 1e-6, 0.999999 * h):
        sigma, slope, time = vertical_turbulence(z, h, *rest)
        assert sigma >= SIGMA_FLOOR
        assert time >= TIME_FLOOR
        assert np.isfinite(slope)


def test_above_the_layer_turbulence_is_weak_and_constant():
    h, *rest = LAYERS["unstable"]
    assert vertical_turbulence(h, h, *rest) == (SIGMA_ABOVE, 0.0, TIME_ABOVE)
    assert vertical_turbulence(3 * h, h, *rest) == (SIGMA_ABOVE, 0.0, TIME_ABOVE)
