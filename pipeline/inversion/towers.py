"""Towers that measure the flux itself: their rows of H are a few cells of one hour."""

from __future__ import annotations

import numpy as np
import scipy.sparse
import xarray as xr

from pipeline.errors import SolverError
from pipeline.grid import Grid
from pipeline.schema import HOUR

#: points a tower's disc is filled with; a cell's share is that of the points in it
_POINTS = 400


def tower_matrix(observed: xr.Dataset, time: np.ndarray, grid: Grid) -> scipy.sparse.csr_array:
    """Return H of flux observations: the mean flux over a disc about the tower, in its hour.

    Parameters
    ----------
    observed
        Dataset "flux_observations" of `pipeline.schema`.
    time : (time,) datetime64
        Flux hours of the window, consecutive.
    grid
        The domain's grid.

    Returns
    -------
    csr_array (obs, time * cells), 1
        Rows sum to 1.

    Raises
    ------
    SolverError
        For an hour outside the window, or a disc that reaches out of the grid.
    """
    hour = ((observed["time"].values - time[0]) / HOUR).astype(np.int64)
    lon, lat, radius = (observed[name].values.astype(np.float64) for name in ("lon", "lat", "radius"))
    # points of equal area: radii as square roots, angles by the golden section (Vogel 1979, Math. Biosci. 44, 179)
    k = np.arange(_POINTS) + 0.5
    distance, angle = np.sqrt(k / _POINTS), np.pi * (1 + np.sqrt(5)) * k
    degree = 111.2e3
    indices, data, indptr = [], [], [0]
    for at in range(hour.size):
        north = lat[at] + radius[at] * distance * np.sin(angle) / degree
        east = lon[at] + radius[at] * distance * np.cos(angle) / (degree * np.cos(np.radians(lat[at])))
        cell, count = np.unique(grid.locate(east, north), return_counts=True)
        if cell[0] < 0 or not 0 <= hour[at] < time.size:
            raise SolverError(
                "a tower's disc and hour must lie in the grid and the flux window",
                got=f"{observed['station'].values[at]} at {observed['time'].values[at].astype('datetime64[h]')}",
                remedy="leave the tower out, or enlarge the grid or case.flux_hours",
                where="flux_observations",
            )
        indices.append(hour[at] * grid.size + cell)
        data.append(count / _POINTS)
        indptr.append(indptr[-1] + cell.size)
    shape = (hour.size, time.size * grid.size)
    joined = [np.concatenate([np.zeros(0), *parts]) for parts in (data, indices)]
    return scipy.sparse.csr_array((joined[0], joined[1].astype(np.int64), np.array(indptr)), shape=shape)
