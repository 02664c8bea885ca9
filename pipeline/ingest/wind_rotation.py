"""Winds along east and north turned to the axes of a projected grid.

The angle is that between the meridian and the grid's y axis at each cell centre (the grid convergence; Snyder 1987,
USGS Professional Paper 1395, p. 19), found by following the meridian a short way through the projection itself, so
that it holds for any conformal map. On such a map a rotation keeps the speed.
"""

from __future__ import annotations

import numpy as np

from pipeline.errors import CoordinateError
from pipeline.grid import Grid

#: length of the step along the meridian and the parallel, degrees
_STEP = 1e-4
#: largest difference of the scales, or of the angle from a right one (radians), for a map to count as conformal; maps
#: of the sphere, as weather models use them with latitudes of the ellipsoid, are off by up to 0.007
CONFORMAL = 1e-2
#: first eccentricity squared of WGS84
_ECCENTRICITY_2 = 6.69437999014e-3


def earth_to_grid(east: np.ndarray, north: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return the components along the grid's x and y of winds along east and north.

    Parameters
    ----------
    east, north : (..., y, x)
        At the grid's centres, m s-1.
    grid
        Lon-lat (nothing is turned) or a conformal projection.

    Returns
    -------
    u, v : (..., y, x)
        m s-1, true speeds over the ground.

    Raises
    ------
    CoordinateError
        For a projection that is not conformal.

    Examples
    --------
    >>> west_of_9E = Grid.from_centres("EPSG:32632", [3e5, 3.2e5], [5.3e6, 5.32e6])
    >>> u, v = earth_to_grid(np.zeros((2, 2)), np.full((2, 2), 10.0), west_of_9E)
    >>> round(float(u[0, 0]), 2), round(float(v[0, 0]), 2)
    (0.35, 9.99)
    """
    if grid.is_geographic:
        return east, north
    cosine, sine = _convergence(grid)
    return east * cosine + north * sine, north * cosine - east * sine


def _convergence(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return cosine and sine, (y, x), of the angle from the meridian's north to the grid's y axis, anticlockwise."""
    lon, lat = grid.lonlat
    north = np.stack(grid.from_lonlat(lon, lat + _STEP)) - np.stack(grid.from_lonlat(lon, lat - _STEP))
    east = np.stack(grid.from_lonlat(lon + _STEP, lat)) - np.stack(grid.from_lonlat(lon - _STEP, lat))
    # lengths on the ellipsoid of a step along the meridian and the parallel
    along, across = np.hypot(*north), np.hypot(*east)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = (across / _parallel(lat)) / (along / _meridian(lat))
        skew = np.sum(north * east, axis=0) / (along * across)
        worst = max(float(np.max(np.abs(scale - 1.0))), float(np.max(np.abs(skew))))
    # the form catches NaN, from a centre outside the projection's domain or on a pole
    if not worst <= CONFORMAL:
        raise CoordinateError(
            f"winds can be turned only on a conformal map (within {CONFORMAL:g})",
            got=f"{worst:.3g} in {grid.crs[:80]}",
            remedy="regrid the weather to lon-lat, Lambert conformal, Mercator, UTM or polar stereographic",
            where="winds",
        )
    return north[1] / along, north[0] / along


def _meridian(lat: np.ndarray) -> np.ndarray:
    """Return the radius of curvature along the meridian of WGS84, in semi-major axes (Snyder 1987, eq. 4-18)."""
    return (1.0 - _ECCENTRICITY_2) / (1.0 - _ECCENTRICITY_2 * np.sin(np.radians(lat)) ** 2) ** 1.5


def _parallel(lat: np.ndarray) -> np.ndarray:
    """Return the radius of the parallel of WGS84, in semi-major axes (Snyder 1987, eq. 4-21)."""
    return np.cos(np.radians(lat)) / np.sqrt(1.0 - _ECCENTRICITY_2 * np.sin(np.radians(lat)) ** 2)
