"""The observation operator H: footprints as a sparse matrix over the cell-hours of the window."""

from __future__ import annotations

import numpy as np
import scipy.sparse
import xarray as xr

from pipeline.errors import SolverError
from pipeline.grid import Grid
from pipeline.schema import HOUR, check


def footprint_matrix(footprints: xr.Dataset, time: np.ndarray, grid: Grid) -> scipy.sparse.csr_array:
    """Return H over (hour, cell): one row per footprint row, one column per cell-hour.

    Parameters
    ----------
    footprints
        "footprints" dataset of `pipeline.schema`.
    time : (time,) datetime64
        Flux hours of the window, consecutive.
    grid
        The domain's grid; cells are numbered y * nx + x.

    Returns
    -------
    csr_array (obs, time * cells), species footprint unit
        The same sensitivity for every sector: sectors add.

    Raises
    ------
    SolverError
        For an entry outside the window or the grid, or a value that is not finite.
    """
    check(footprints, "footprints")
    hour = ((footprints["hour"].values - time[0]) / HOUR).astype(np.int64)
    cell = footprints["cell"].values.astype(np.int64)
    value = footprints["footprint"].values.astype(np.float64)
    for bad, rule in (
        ((hour < 0) | (hour >= time.size), "footprint hours must lie in the flux window"),
        ((cell < 0) | (cell >= grid.size), "footprint cells must lie in the grid"),
        (~np.isfinite(value), "footprint values must be finite"),
    ):
        if bad.any():
            raise SolverError(
                rule,
                got=f"{int(bad.sum())} of {bad.size} entries",
                remedy="clip or reject them at ingest",
                where="footprints",
            )
    shape = (footprints.sizes["obs"], time.size * grid.size)
    indptr = footprints["indptr"].values.astype(np.int64)
    matrix = scipy.sparse.csr_array((value, hour * grid.size + cell, indptr), shape=shape)
    matrix.sum_duplicates()
    return matrix


def keys(dataset: xr.Dataset) -> list[tuple[str, float, int]]:
    """Return (station, height, hour since 1970) of each row: what an observation and its footprint share."""
    hours = (dataset["time"].values.astype("datetime64[h]")).astype(np.int64)
    heights = np.round(dataset["height"].values.astype(np.float64), 1)
    return list(zip(map(str, dataset["station"].values), heights.tolist(), hours.tolist(), strict=True))


def match_rows(observations: xr.Dataset, footprints: xr.Dataset) -> np.ndarray:
    """Return for each observation the row of its footprint, -1 where there is none.

    Raises
    ------
    SolverError
        When two footprints claim the same station, height and hour.
    """
    rows: dict[tuple[str, float, int], int] = {}
    for row, key in enumerate(keys(footprints)):
        if key in rows:
            raise SolverError(
                "a station, height and hour must have one footprint",
                got=key,
                remedy="remove the second file",
                where="footprints",
            )
        rows[key] = row
    return np.array([rows.get(key, -1) for key in keys(observations)], dtype=np.int64)
