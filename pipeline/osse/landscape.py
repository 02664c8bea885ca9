"""The ground of the simulated province on any grid: land, hills, towns, and what grows there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from pipeline.grid import Grid
from pipeline.osse.pattern import KM_PER_DEGREE, bump, land_fraction
from pipeline.osse.sources import CITIES, NEIGHBOURS, RIDGES

#: terrain at which half of the unbuilt land is wood, m, and the width of the change
_TREE_LINE = (140.0, 60.0)
#: the ground is drawn into the sea over this, km: hills end at the coast
_SHORE = 6.0
#: share of the built-up core that is sealed
_SEALED = 0.9


@dataclass(frozen=True, eq=False)
class Landscape:
    """What the ground of each cell is.

    Parameters
    ----------
    land, forest, crop, urban : (ny, nx) float64
        Shares of the cell; forest, crop and urban sum to land.
    height : (ny, nx) float64
        Of the ground above sea, m; smooth.
    """

    land: np.ndarray
    forest: np.ndarray
    crop: np.ndarray
    urban: np.ndarray
    height: np.ndarray


def landscape(grid: Grid) -> Landscape:
    """Return the ground on a grid.

    Parameters
    ----------
    grid
        Any grid over the province; hills are those of `sources.RIDGES`, woods grow on them.
    """
    land = land_fraction(grid)
    height = terrain(grid, land)
    built = sum(bump(grid, c.lon, c.lat, c.core) * 2 * np.pi * c.core**2 for c in (*CITIES, *NEIGHBOURS))
    urban = land * _SEALED * np.clip(built, 0.0, 1.0)
    middle, width = _TREE_LINE
    wooded = 0.5 * (1 + np.tanh((height - middle) / width))
    unbuilt = land - urban
    return Landscape(land, unbuilt * wooded, unbuilt * (1 - wooded), urban, height)


def terrain(grid: Grid, land: np.ndarray) -> np.ndarray:
    """Return the height of the ground, m: ridges with Gaussian profiles, which sink to the sea at the coast.

    Parameters
    ----------
    land : (ny, nx)
        Share of each cell that is land.
    """
    lon, lat = grid.lonlat
    height = np.zeros(grid.shape)
    for ridge in RIDGES:
        east = (lon - ridge.lon) * KM_PER_DEGREE * np.cos(np.radians(ridge.lat))
        north = (lat - ridge.lat) * KM_PER_DEGREE
        turn = np.radians(ridge.azimuth)
        along, across = east * np.sin(turn) + north * np.cos(turn), east * np.cos(turn) - north * np.sin(turn)
        height += ridge.height * np.exp(-0.5 * ((along / ridge.length) ** 2 + (across / ridge.width) ** 2))
    return height * smooth(land, grid, _SHORE)


def smooth(field: np.ndarray, grid: Grid, km: float) -> np.ndarray:
    """Return a field of a grid with cells of even length in metres, smoothed by a Gaussian of some km.

    A lon-lat grid's cells are taken as they are in its middle row.
    """
    step_x, step_y = (float(edges[1] - edges[0]) for edges in (grid.x_edges, grid.y_edges))
    if grid.is_geographic:
        middle = float(np.mean(grid.y_edges[[0, -1]]))
        step_x, step_y = step_x * KM_PER_DEGREE * np.cos(np.radians(middle)), step_y * KM_PER_DEGREE
    else:
        step_x, step_y = step_x * 1e-3, step_y * 1e-3
    out: np.ndarray = gaussian_filter(np.asarray(field, dtype=np.float64), (km / step_y, km / step_x), mode="nearest")
    return out
