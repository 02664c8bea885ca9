"""The air over the simulated province: a hydrostatic base state, and the wind's profile over ground and under sun."""

from __future__ import annotations

import math

import numpy as np

#: constants of WRF (share/module_model_constants.F): gravity m s-2, gas constants of dry air and of water vapour and
#: heat capacity of dry air, J kg-1 K-1
GRAVITY, R_DRY, R_VAPOUR, HEAT_CAPACITY = 9.81, 287.0, 461.6, 1004.5
_KARMAN = 0.4
#: layers, the depth of the lowest, and the height of the top, m
_LAYERS, _LOWEST, _TOP = 24, 20.0, 12_500.0
#: at sea level: pressure, Pa; virtual temperature, K, and its fall with height, K m-1; humidity, kg kg-1, and the
#: height over which it falls by e, m
SURFACE_PRESSURE = 1.008e5
_VIRTUAL, _LAPSE, _HUMID, _HUMID_DEPTH = 303.0, 6.5e-3, 0.016, 2500.0
#: the similarity layer is this share of the boundary layer
_SURFACE_LAYER = 0.1
#: the wind veers by this over the boundary layer and above, radians, and strengthens by this share over that height, m
_TURN, _STRONGER, _STRONGER_DEPTH = 0.3, 0.35, 1200.0
#: the Obukhov length settles within this many rounds; the mean over the layer is taken over so many points
_ROUNDS, _POINTS = 12, 12
#: calmer than this similarity means nothing, m s-1
_CALM = 0.4


def full_levels() -> np.ndarray:
    """Return the heights of the layers' edges above ground, (level + 1,) float64, m, each layer deeper by one ratio."""
    ratio = 1.1
    # fixed point of lowest (r^n - 1) / (r - 1) = top
    for _ in range(200):
        ratio = (1 + (_TOP / _LOWEST) * (ratio - 1)) ** (1 / _LAYERS)
    return _LOWEST * (ratio ** np.arange(_LAYERS + 1) - 1) / (ratio - 1)


def mass_levels() -> np.ndarray:
    """Return the heights of the layers' middles above ground, (level,) float64, m."""
    edges = full_levels()
    middles: np.ndarray = 0.5 * (edges[1:] + edges[:-1])
    return middles


def humidity(height: np.ndarray) -> np.ndarray:
    """Return the specific humidity at heights above sea, m: kg kg-1."""
    out: np.ndarray = _HUMID * np.exp(-height / _HUMID_DEPTH)
    return out


def temperature(height: np.ndarray) -> np.ndarray:
    """Return the temperature at heights above sea, m: K, from a virtual temperature that falls linearly."""
    out: np.ndarray = (_VIRTUAL - _LAPSE * height) / (1 + (R_VAPOUR / R_DRY - 1) * humidity(height))
    return out


def pressure(height: np.ndarray) -> np.ndarray:
    """Return the hydrostatic pressure at heights above sea, m: Pa.

    The closed form for a linear virtual temperature: p = p0 (Tv / Tv0)^(g / (R lapse)) (Wallace and Hobbs 2006,
    Atmospheric Science, ex. 3.4).
    """
    out: np.ndarray = SURFACE_PRESSURE * (1 - _LAPSE * height / _VIRTUAL) ** (GRAVITY / (R_DRY * _LAPSE))
    return out


def density(height: np.ndarray) -> np.ndarray:
    """Return the density of the moist air at heights above sea, m: kg m-3."""
    out: np.ndarray = pressure(height) / (R_DRY * (_VIRTUAL - _LAPSE * height))
    return out


def dry_density(height: np.ndarray) -> np.ndarray:
    """Return the mass of dry air per volume at heights above sea, m: kg m-3."""
    return density(height) * (1 - humidity(height))


def wind_profile(
    mean: np.ndarray, *, depth: np.ndarray, heat_flux: np.ndarray, roughness: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the wind's profile over the mean of the boundary layer, and the friction velocity.

    Parameters
    ----------
    mean : (y, x) complex128
        Mean wind over the boundary layer, u + i v, m s-1; similarity is that of 0.4 m s-1 where it is calmer.
    depth : (y, x)
        Boundary-layer height, m.
    heat_flux : (y, x)
        Sensible, upward, W m-2.
    roughness : (y, x)
        Roughness length, m.

    Returns
    -------
    profile : (level, y, x) complex128
        Factor on `mean` at the mass levels; its mean over the boundary layer is 1.
    friction_velocity : (y, x) float64
        m s-1.

    Notes
    -----
    In the lowest tenth of the boundary layer the speed follows the similarity profile
    U = u* / k (ln(1 + z / z0) - psi(z / L)), so that u*, the heat flux and the wind belong together; the Obukhov length
    L depends on u* in turn and is found by iteration. Above, the wind veers and, over the boundary layer, strengthens.
    """
    ground = np.zeros(1)
    buoyancy = GRAVITY * heat_flux / (float(density(ground)[0]) * HEAT_CAPACITY * float(temperature(ground)[0]))
    speed = np.maximum(np.abs(mean), _CALM)
    # midpoints of equal shares of ln(1 + z / 1 m): dense where the profile bends
    share = np.log1p(depth) * (np.arange(_POINTS)[:, None, None] + 0.5) / _POINTS
    fine, weight = np.expm1(share), np.exp(share)
    weight = weight / weight.sum(axis=0)
    inverse = np.zeros(depth.shape)
    for _ in range(_ROUNDS):
        norm = (weight * _shape(fine, depth, inverse, roughness)).sum(axis=0)
        friction = _KARMAN * speed / np.abs(norm)
        inverse = -_KARMAN * buoyancy / friction**3
    levels = mass_levels()[:, None, None]
    norm = (weight * _shape(fine, depth, inverse, roughness)).sum(axis=0)
    return _shape(levels, depth, inverse, roughness) / norm, friction


def _shape(height: np.ndarray, depth: np.ndarray, inverse: np.ndarray, roughness: np.ndarray) -> np.ndarray:
    """Return the profile of the wind as complex numbers, k U / u* near the ground; `inverse` is 1 / L, m-1."""
    low = np.minimum(height, _SURFACE_LAYER * depth)
    speed = np.log1p(low / roughness) - _psi(low * inverse)
    above = np.maximum(height - depth, 0.0)
    speed = speed * (1 + _STRONGER * -np.expm1(-above / _STRONGER_DEPTH))
    out: np.ndarray = speed * np.exp(1j * _TURN * np.expm1(-height / depth))
    return out


def _psi(zeta: np.ndarray) -> np.ndarray:
    """Return the stability function of wind: Paulson (1970, J. Appl. Meteorol. 9, 857) unstable, -5 z / L stable.

    Beyond z / L = 1 similarity ends and the stable one stays where it is.
    """
    x = (1 - 16 * np.clip(zeta, -20.0, 0.0)) ** 0.25
    unstable = 2 * np.log((1 + x) / 2) + np.log((1 + x**2) / 2) - 2 * np.arctan(x) + math.pi / 2
    out: np.ndarray = np.where(zeta < 0, unstable, -5 * np.clip(zeta, 0.0, 1.0))
    return out
