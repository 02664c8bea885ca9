"""Particle ends of our own footprints as shares of exits through the sides of the grid, as curtains are weighted."""

from __future__ import annotations

import numpy as np
import xarray as xr

from pipeline.grid.definition import Grid

#: why a particle must have ended to count as an exit
_LEFT = ("left_the_grid", "left_the_weather")


def exits_of_ends(footprints: xr.Dataset, grid: Grid, heights: np.ndarray) -> dict[str, np.ndarray]:
    """Return the shares of a receptor's air that leave through each side.

    A particle leaves through the side it is farthest beyond (or nearest to, when the weather ended short of the grid),
    at the cell along it and the level it ended at. Particles whose time was up inside have no exit and no share.

    Parameters
    ----------
    footprints
        Dataset "footprints" with `end_*`.
    grid
        The flux grid.
    heights : (level,) float64
        Heights of the curtains above ground, ascending, m; a particle belongs to the nearest.

    Returns
    -------
    "north", "south" to (obs, level, x) and "east", "west" to (obs, level, y), float64.
    """
    x, y = grid.from_lonlat(footprints["end_lon"].values, footprints["end_lat"].values)
    if grid.is_geographic:
        middle = 0.5 * (grid.x_edges[0] + grid.x_edges[-1])
        x = middle + (x - middle + 180.0) % 360.0 - 180.0
    names = str(footprints["end_reason"].attrs["flag_meanings"]).split()
    left = np.isin(footprints["end_reason"].values, [names.index(name) for name in _LEFT])
    beyond = np.stack([y - grid.y_edges[-1], x - grid.x_edges[-1], grid.y_edges[0] - y, grid.x_edges[0] - x])
    side = np.argmax(np.where(np.isfinite(beyond), beyond, -np.inf), axis=0)
    level = np.searchsorted(0.5 * (heights[1:] + heights[:-1]), footprints["end_height"].values)
    along_x = np.clip(np.searchsorted(grid.x_edges, x, side="right") - 1, 0, grid.nx - 1)
    along_y = np.clip(np.searchsorted(grid.y_edges, y, side="right") - 1, 0, grid.ny - 1)
    weight = footprints["end_weight"].values.astype(np.float64)
    row = np.broadcast_to(np.arange(x.shape[0])[:, None], x.shape)
    out = {}
    for number, (name, along, cells) in enumerate(
        (
            ("north", along_x, grid.nx),
            ("east", along_y, grid.ny),
            ("south", along_x, grid.nx),
            ("west", along_y, grid.ny),
        )
    ):
        shares = np.zeros((x.shape[0], heights.size, cells))
        mine = left & (side == number)
        np.add.at(shares, (row[mine], level[mine], along[mine]), weight[mine])
        out[name] = shares
    return out
