"""Lengths of a grid's cells on the ground, and where its points lie on another grid."""

from __future__ import annotations

import numpy as np
import pyproj

from pipeline.errors import CoordinateError
from pipeline.grid import Grid


def cells_per_metre(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return 1 / (length of a cell) along x and y at the centres, (y, x) float64 each, m-1.

    Lengths are geodesic on the CRS's own ellipsoid, so map factors are included and a weather model's sphere is kept.
    """
    crs = pyproj.CRS(grid.crs)
    geod = crs.get_geod() or pyproj.Geod(ellps="WGS84")
    to_lonlat = pyproj.Proj(grid.crs) if not grid.is_geographic else None

    def position(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return to_lonlat(x, y, inverse=True) if to_lonlat else (x, y)

    def lengths(x0: np.ndarray, y0: np.ndarray, x1: np.ndarray, y1: np.ndarray) -> np.ndarray:
        lon0, lat0 = position(x0, y0)
        lon1, lat1 = position(x1, y1)
        _, _, metres = geod.inv(lon0, lat0, lon1, lat1)
        return np.asarray(metres, dtype=np.float64)

    x, y = np.meshgrid(grid.x, grid.y)
    half_x = np.broadcast_to(0.5 * np.diff(grid.x_edges)[None, :], x.shape)
    half_y = np.broadcast_to(0.5 * np.diff(grid.y_edges)[:, None], x.shape)
    along_x = lengths(x - half_x, y, x + half_x, y)
    along_y = lengths(x, y - half_y, x, y + half_y)
    return 1.0 / along_x, 1.0 / along_y


def place_on(weather: Grid, target: Grid) -> np.ndarray:
    """Return (y, x, 4) float64 for `kernels.air`: where the weather's centres lie on the target grid, and its metric.

    Column and row are in target cells from its lower left corner, outside it too. Between weather centres they are
    interpolated linearly: off by the curvature of one grid's lines in the other, 3 m for cells of 12 km.

    Raises
    ------
    CoordinateError
        When the two grids have nothing to do with each other, or the target's cells are uneven.
    """
    for edges, name in ((target.x_edges, "x"), (target.y_edges, "y")):
        steps = np.diff(edges)
        if np.ptp(steps) > 1e-6 * steps[0]:
            raise CoordinateError(
                "the flux grid must have even cells for footprints of our own",
                got=f"steps of {steps.min():g} to {steps.max():g} along {name}",
                remedy="use an evenly spaced grid",
                where="grid",
            )
    x, y = np.meshgrid(weather.x, weather.y)
    lon, lat = weather.to_lonlat(x, y)
    at_x, at_y = target.from_lonlat(lon, lat)
    if target.is_geographic:
        middle = 0.5 * (target.x_edges[0] + target.x_edges[-1])
        at_x = middle + (at_x - middle + 180.0) % 360.0 - 180.0
    column = (at_x - target.x_edges[0]) / (target.x_edges[1] - target.x_edges[0])
    row = (at_y - target.y_edges[0]) / (target.y_edges[1] - target.y_edges[0])
    out = np.stack([column, row, *cells_per_metre(weather)], axis=-1)
    overlaps = (
        np.isfinite(out).all()
        and column.max() > 0
        and column.min() < target.nx
        and row.max() > 0
        and row.min() < target.ny
    )
    if not overlaps:
        raise CoordinateError(
            "the weather must overlap the flux grid",
            got=f"weather lon {np.min(lon):.3g} to {np.max(lon):.3g}, lat {np.min(lat):.3g} to {np.max(lat):.3g}",
            remedy="give weather of the case's region",
            where="transport.meteorology",
        )
    return np.ascontiguousarray(out)
