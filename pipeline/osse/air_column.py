"""The air over one place of the simulated province: hydrostatic, with a wind that suits the ground and the sun."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

#: constants of WRF (share/module_model_constants.F): gravity m s-2, gas constants of dry air and of water vapour and
#: heat capacity of dry air, J kg-1 K-1
GRAVITY, R_DRY, R_VAPOUR, HEAT_CAPACITY = 9.81, 287.0, 461.6, 1004.5
_KARMAN = 0.4
#: roughness length of hills, woods and towns, m
ROUGHNESS = 0.3
#: layers, the depth of the lowest, and the height of the top, m
_LAYERS, _LOWEST, _TOP = 24, 20.0, 12_500.0
#: at the ground: pressure, Pa; virtual temperature, K, and its fall with height, K m-1; humidity, kg kg-1, and the
#: height over which it falls by e, m
SURFACE_PRESSURE = 1.008e5
_VIRTUAL, _LAPSE, _HUMID, _HUMID_DEPTH = 303.0, 6.5e-3, 0.016, 2500.0
#: the similarity layer is this share of the boundary layer
_SURFACE_LAYER = 0.1
#: the wind veers by this over the boundary layer and above, radians, and strengthens by this share over that height, m
_TURN, _STRONGER, _STRONGER_DEPTH = 0.3, 0.2, 1000.0


@dataclass(frozen=True, eq=False)
class AirColumn:
    """The air of one instant, the same everywhere.

    Parameters
    ----------
    u, v : (level,) float64
        Wind at the mass levels, m s-1.
    friction_velocity
        m s-1.
    heat_flux
        Sensible, upward, W m-2.
    boundary_layer_height
        m.
    """

    u: np.ndarray
    v: np.ndarray
    friction_velocity: float
    heat_flux: float
    boundary_layer_height: float


def full_levels() -> np.ndarray:
    """Return the heights of the layers' edges, (level + 1,) float64, m, each layer deeper by one ratio."""
    ratio = 1.1
    # fixed point of lowest (r^n - 1) / (r - 1) = top
    for _ in range(200):
        ratio = (1 + (_TOP / _LOWEST) * (ratio - 1)) ** (1 / _LAYERS)
    return _LOWEST * (ratio ** np.arange(_LAYERS + 1) - 1) / (ratio - 1)


def mass_levels() -> np.ndarray:
    """Return the heights of the layers' middles, (level,) float64, m."""
    edges = full_levels()
    middles: np.ndarray = 0.5 * (edges[1:] + edges[:-1])
    return middles


def humidity(height: np.ndarray) -> np.ndarray:
    """Return the specific humidity at heights above ground, m: kg kg-1."""
    out: np.ndarray = _HUMID * np.exp(-height / _HUMID_DEPTH)
    return out


def temperature(height: np.ndarray) -> np.ndarray:
    """Return the temperature at heights above ground, m: K, from a virtual temperature that falls linearly."""
    out: np.ndarray = (_VIRTUAL - _LAPSE * height) / (1 + (R_VAPOUR / R_DRY - 1) * humidity(height))
    return out


def pressure(height: np.ndarray) -> np.ndarray:
    """Return the hydrostatic pressure at heights above ground, m: Pa.

    The closed form for a linear virtual temperature: p = p0 (Tv / Tv0)^(g / (R lapse)) (Wallace and Hobbs 2006,
    Atmospheric Science, ex. 3.4).
    """
    out: np.ndarray = SURFACE_PRESSURE * (1 - _LAPSE * height / _VIRTUAL) ** (GRAVITY / (R_DRY * _LAPSE))
    return out


def density(height: np.ndarray) -> np.ndarray:
    """Return the density of the moist air at heights above ground, m: kg m-3."""
    out: np.ndarray = pressure(height) / (R_DRY * (_VIRTUAL - _LAPSE * height))
    return out


def air_column(u: float, v: float, *, boundary_layer_height: float, heat_flux: float) -> AirColumn:
    """Return the column whose mean wind over the boundary layer is (u, v).

    Parameters
    ----------
    u, v
        m s-1; not both zero.
    boundary_layer_height
        m.
    heat_flux
        Sensible, upward, W m-2.

    Notes
    -----
    In the lowest tenth of the boundary layer the speed follows the similarity profile
    U = u* / k (ln(1 + z / z0) - psi(z / L)), so that u*, the heat flux and the wind belong together; the Obukhov length
    L depends on u* in turn and is found by iteration. Above, the wind veers and, over the boundary layer, strengthens.
    """
    depth, mean = boundary_layer_height, complex(u, v)
    buoyancy = (
        GRAVITY * heat_flux / (float(density(np.zeros(1))[0]) * HEAT_CAPACITY * float(temperature(np.zeros(1))[0]))
    )
    fine = np.concatenate([[0.0], np.geomspace(0.01, depth, 400)])
    inverse = friction = 0.0
    # 1 / L starts at zero and settles within a dozen rounds
    for _ in range(50):
        scale = mean / (np.trapezoid(_shape(fine, depth, inverse), fine) / depth)
        friction = _KARMAN * abs(scale)
        inverse = -_KARMAN * buoyancy / friction**3
    wind = scale * _shape(mass_levels(), depth, inverse)
    return AirColumn(wind.real, wind.imag, friction, heat_flux, depth)


def _shape(height: np.ndarray, depth: float, inverse: float) -> np.ndarray:
    """Return the profile of the wind as complex numbers, k U / u* near the ground; `inverse` is 1 / L, m-1."""
    low = np.minimum(height, _SURFACE_LAYER * depth)
    speed = np.log1p(low / ROUGHNESS) - _psi(low * inverse)
    above = np.maximum(height - depth, 0.0)
    speed = speed * (1 + _STRONGER * -np.expm1(-above / _STRONGER_DEPTH))
    out: np.ndarray = speed * np.exp(1j * _TURN * np.expm1(-height / depth))
    return out


def _psi(zeta: np.ndarray) -> np.ndarray:
    """Return the stability function of wind: Paulson (1970, J. Appl. Meteorol. 9, 857) unstable, -5 z / L stable.

    Beyond z / L = 1 similarity ends and the stable one stays where it is.
    """
    x = (1 - 16 * np.minimum(zeta, 0.0)) ** 0.25
    unstable = 2 * np.log((1 + x) / 2) + np.log((1 + x**2) / 2) - 2 * np.arctan(x) + math.pi / 2
    out: np.ndarray = np.where(zeta < 0, unstable, -5 * np.clip(zeta, 0.0, 1.0))
    return out
