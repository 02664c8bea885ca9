"""Winds on all levels that conserve mass: the weather's parts put together, divergence answered by vertical motion.

The base state's dry density rests in time, so dry mass is conserved where div (rho u) = 0. Horizontal winds are laid on
the faces of cells; what a column gains is taken out aloft by the gradient of a potential; and the vertical wind follows
from continuity, layer by layer, zero at the ground and at the top.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
import xarray as xr

from pipeline.osse import air_column

#: hills are felt by the wind up to about this height, m
_FELT = 1200.0
#: breezes turn at this height, m: by sea; up-slope by day, down-slope by night
_BREEZE_DEPTH, _SLOPE_DEPTH = 600.0, (400.0, 150.0)
#: the ground slows breezes below this, m
_SLOWED = 50.0
#: where columns balance their mass: height and spread, m
_ALOFT = (4500.0, 2000.0)
#: of the breezes, the part that counts as wind over the boundary layer
_COUNTS = 0.5


@dataclass(frozen=True, eq=False)
class Winds:
    """The winds of one instant on WRF's staggered grid, which is one cell smaller on every side than the weather's.

    Parameters
    ----------
    u : (level, y, x + 1), v : (level, y + 1, x)
        m s-1.
    across : (level + 1, y, x)
        Vertical wind relative to the ground that follows the terrain, m s-1; zero at the ground and at the top.
    friction_velocity : (y, x)
        m s-1.
    """

    u: np.ndarray
    v: np.ndarray
    across: np.ndarray
    friction_velocity: np.ndarray


def winds(hour: xr.Dataset, spacing: float) -> Winds:
    """Return the winds of one instant.

    Parameters
    ----------
    hour
        One time of `simulate_weather`.
    spacing
        Cell side, m.
    """
    wind, friction = _put_together(hour)
    terrain = hour["terrain"].values
    height = air_column.mass_levels()[:, None, None]
    mass = air_column.dry_density(terrain + height)
    # onto the faces; density too, so that a flux is one number
    at_x, mass_x = (_between(field[:, 1:-1], 2) for field in (wind.real, mass))
    at_y, mass_y = (_between(field[:, :, 1:-1], 1) for field in (wind.imag, mass))
    flux_x, flux_y = at_x * mass_x, at_y * mass_y
    depth = np.diff(air_column.full_levels())[:, None, None]
    _balance(flux_x, flux_y, depth, height)
    gain = np.diff(flux_x, axis=2) + np.diff(flux_y, axis=1)
    rising = np.zeros((height.size + 1, *gain.shape[1:]))
    np.cumsum(-gain * depth / spacing, axis=0, out=rising[1:])
    edges = air_column.full_levels()[:, None, None]
    across = rising / air_column.dry_density(terrain[1:-1, 1:-1] + edges)
    return Winds(flux_x / mass_x, flux_y / mass_y, across, friction[1:-1, 1:-1])


def vertical_wind(found: Winds, terrain: np.ndarray, spacing: float) -> np.ndarray:
    """Return the true vertical wind on the layers' edges, m s-1: (level + 1, y, x).

    Readers take the mean of two edges and the slope of the terrain by central differences; the edges are chosen as the
    smoothest whose means are right then, so that nothing of the mass balance is lost on the way.

    Parameters
    ----------
    terrain : (y, x)
        m, on the grid of `found`.
    """
    slope_y, slope_x = np.gradient(terrain, spacing)
    middle = _between(found.across, 0) + _between(found.u, 2) * slope_x + _between(found.v, 1) * slope_y
    edges = np.zeros_like(found.across)
    for level in range(middle.shape[0]):
        edges[level + 1] = 2 * middle[level] - edges[level]
    # a term that alternates leaves the means alone: take the one that bends least
    sign = np.where(np.arange(edges.shape[0]) % 2 == 0, 1.0, -1.0)[:, None, None]
    bend = np.diff(edges, n=2, axis=0)
    edges += sign * (sign[1:-1] * bend).mean(axis=0) / 4
    return edges


def _put_together(hour: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return (wind, complex (level, y, x); friction velocity), both at mass points."""
    height = air_column.mass_levels()[:, None, None]
    low, high, breeze, slope = (hour[name].values for name in ("low", "high", "breeze", "slope"))
    roughness = hour["roughness"].values
    profile, friction = air_column.wind_profile(
        low + _COUNTS * (breeze + slope),
        depth=hour["boundary_layer_height"].values,
        heat_flux=hour["heat_flux"].values,
        roughness=roughness,
    )
    wind = (high + (low - high) * np.exp(-((height / _FELT) ** 2))) * profile
    ground = np.minimum(np.log1p(height / roughness) / np.log1p(_SLOWED / roughness), 1.0)
    day, night = _SLOPE_DEPTH
    terrain_depth = np.where(hour["heat_flux"].values > 0, day, night)
    wind += ground * (breeze * _overturning(height, _BREEZE_DEPTH) + slope * _overturning(height, terrain_depth))
    return wind, friction


def _overturning(height: np.ndarray, depth: np.ndarray | float) -> np.ndarray:
    """Return the profile of a breeze with its return flow aloft; its integral over height is zero."""
    out: np.ndarray = (1 - height / depth) * np.exp(-height / depth)
    return out


def _balance(flux_x: np.ndarray, flux_y: np.ndarray, depth: np.ndarray, height: np.ndarray) -> None:
    """Take out of the fluxes aloft, in place, what columns gain: laplace phi = gain, phi = 0 beyond the edge."""
    gain = ((np.diff(flux_x, axis=2) + np.diff(flux_y, axis=1)) * depth).sum(axis=0)
    ny, nx = gain.shape
    eigen_y, eigen_x = (2 * np.cos(np.pi * np.arange(1, n + 1) / (n + 1)) - 2 for n in (ny, nx))
    spectrum = scipy.fft.dstn(gain, type=1) / (eigen_y[:, None] + eigen_x[None, :])
    phi = np.pad(scipy.fft.idstn(spectrum, type=1), 1)
    centre, spread = _ALOFT
    share = np.exp(-0.5 * ((height - centre) / spread) ** 2)
    share = share / (share * depth).sum()
    flux_x -= share * np.diff(phi[1:-1], axis=1)
    flux_y -= share * np.diff(phi[:, 1:-1], axis=0)


def _between(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the means of neighbours along an axis."""
    count = values.shape[axis]
    below, above = np.arange(count - 1), np.arange(1, count)
    return 0.5 * (values.take(below, axis) + values.take(above, axis))
