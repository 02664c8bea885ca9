"""The plane in which every area is counted: cylindrical equal-area on the WGS84 ellipsoid.

x = a (lon - lon_0), y = a q / 2 (Snyder 1987, eqs. 10-14, 10-15, 3-12). Meridians and parallels are straight in it, so
a lon-lat cell is a rectangle. A whole turn of longitude is a shift of `TURN` metres.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_A = 6378137.0
_F = 1 / 298.257223563
_E2 = _F * (2 - _F)
_E = float(np.sqrt(_E2))

#: length of the equator in the plane, m
TURN = 2 * np.pi * _A


def easting(lon: Any, lon_0: float) -> np.ndarray:
    """Return the plane's x of longitudes (degrees), m, without turning them."""
    return _A * np.radians(np.asarray(lon, dtype=np.float64) - lon_0)


def northing(lat: Any) -> np.ndarray:
    """Return the plane's y of latitudes (degrees), m; zero at the equator."""
    s = np.sin(np.radians(np.asarray(lat, dtype=np.float64)))
    q = (1 - _E2) * (s / (1 - _E2 * s * s) + np.arctanh(_E * s) / _E)
    return 0.5 * _A * q


def near(lon: np.ndarray, lon_0: float | np.ndarray) -> np.ndarray:
    """Return longitudes (degrees) moved by whole turns to within 180 degrees of `lon_0`.

    Examples
    --------
    >>> near(np.array([359.0, 1.0]), 0.0).tolist()
    [-1.0, 1.0]
    """
    return lon - 360.0 * np.round((lon - lon_0) / 360.0)
