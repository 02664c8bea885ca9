"""Spatial patterns of the simulated province on any grid: cities, plants, land, vegetation."""

from __future__ import annotations

import numpy as np
import scipy.sparse
import shapely

from pipeline.grid import Grid
from pipeline.osse.sources import CITIES, ISLANDS, MAINLAND, City

#: of latitude
KM_PER_DEGREE = 111.2
#: points per cell side at which land is looked up
_SUBPOINTS = 4


def bump(grid: Grid, lon: float, lat: float, sigma: float) -> np.ndarray:
    """Return a Gaussian of unit integral, km-2, about a point; sigma in km; (ny, nx)."""
    lons, lats = grid.lonlat
    east = (lons - lon) * KM_PER_DEGREE * np.cos(np.radians(lat))
    north = (lats - lat) * KM_PER_DEGREE
    return np.exp(-0.5 * (east**2 + north**2) / sigma**2) / (2 * np.pi * sigma**2)


def offset(city: City, east: float, north: float) -> tuple[float, float]:
    """Return the lon and lat of a point some km from a city's centre."""
    return (
        city.lon + east / (KM_PER_DEGREE * np.cos(np.radians(city.lat))),
        city.lat + north / KM_PER_DEGREE,
    )


def land_fraction(grid: Grid) -> np.ndarray:
    """Return the share of each cell that is land, by a coarse coastline; (ny, nx)."""
    land = shapely.MultiPolygon([shapely.Polygon(MAINLAND), shapely.Polygon(ISLANDS)])
    shapely.prepare(land)
    step = (np.arange(_SUBPOINTS) + 0.5) / _SUBPOINTS
    x = (grid.x_edges[:-1, None] + np.diff(grid.x_edges)[:, None] * step).ravel()
    y = (grid.y_edges[:-1, None] + np.diff(grid.y_edges)[:, None] * step).ravel()
    lon, lat = grid.to_lonlat(*np.meshgrid(x, y))
    inside = shapely.contains_xy(land, lon, lat)
    return inside.reshape(grid.ny, _SUBPOINTS, grid.nx, _SUBPOINTS).mean(axis=(1, 3))


def spread_over(total: float, weight: np.ndarray) -> np.ndarray:
    """Return `total` shared out over cells in proportion to `weight`."""
    return total * weight / weight.sum()


def city_rows(fractions: scipy.sparse.csr_array, ids: tuple[str, ...], grid: Grid) -> np.ndarray:
    """Return the area share of each city of `CITIES` in each cell: (city, ny, nx)."""
    rows = [ids.index(city.id) for city in CITIES]
    return fractions[rows].toarray().reshape(len(CITIES), *grid.shape)
