"""GCJ-02, the shifted coordinates of Chinese map services, to and from WGS84.

The forward transform is the published reverse-engineered one (constants as in eviltransform and gcj02-based map
libraries): metres of shift as a polynomial and sines of lon - 105 and lat - 35, on the Krasovsky 1940 ellipsoid. The
shift is 300-700 m in Zhejiang.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# Krasovsky 1940: semi-major axis, m, and squared eccentricity
_A = 6378245.0
_E2 = 0.00669342162296594323
#: west, east, south, north, degrees: the services shift nothing outside this box
CHINA = (72.004, 137.8347, 0.8293, 55.8271)
# the shift changes by less than 1 % of the distance moved, so each round wins two digits or more
_ROUNDS = 10


def to_gcj02(lon: Any, lat: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return GCJ-02 coordinates of WGS84 points.

    Parameters
    ----------
    lon, lat
        Any one shape, degrees.

    Returns
    -------
    lon, lat: same shape, float64, degrees; unchanged outside `CHINA`
    """
    lon, lat = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    east, north = _shift(lon, lat)
    return lon + east, lat + north


def from_gcj02(lon: Any, lat: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return WGS84 coordinates of GCJ-02 points: the point whose forward transform is the one given.

    Parameters
    ----------
    lon, lat
        Any one shape, degrees.

    Returns
    -------
    lon, lat: same shape, float64, degrees, to 1e-9; unchanged outside `CHINA`
    """
    lon, lat = np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
    x, y = lon, lat
    for _ in range(_ROUNDS):
        east, north = _shift(x, y)
        x, y = lon - east, lat - north
    return x, y


def _shift(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return GCJ-02 minus WGS84, degrees, at WGS84 points; zero outside `CHINA`."""
    x, y = lon - 105.0, lat - 35.0
    root = np.sqrt(np.abs(x))
    ripple = 20 * _sine(x, 1 / 6) + 20 * _sine(x, 1 / 2)
    east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
    east += (ripple + 20 * _sine(x, 1) + 40 * _sine(x, 3) + 150 * _sine(x, 12) + 300 * _sine(x, 30)) * 2 / 3
    north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
    north += (ripple + 20 * _sine(y, 1) + 40 * _sine(y, 3) + 160 * _sine(y, 12) + 320 * _sine(y, 30)) * 2 / 3
    # metres to degrees along the parallel and the meridian
    w = 1 - _E2 * np.sin(np.radians(lat)) ** 2
    per_east = np.radians(1) * _A / np.sqrt(w) * np.cos(np.radians(lat))
    per_north = np.radians(1) * _A * (1 - _E2) / w**1.5
    west_edge, east_edge, south_edge, north_edge = CHINA
    shifted = (lon >= west_edge) & (lon <= east_edge) & (lat >= south_edge) & (lat <= north_edge)
    return np.where(shifted, east / per_east, 0.0), np.where(shifted, north / per_north, 0.0)


def _sine(angle: np.ndarray, half_period: float) -> np.ndarray:
    """Return the sine that has one half-period per `half_period` degrees."""
    return np.sin(np.pi * angle / half_period)
