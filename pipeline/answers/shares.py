"""Where areas lie on a grid: declared regions as a store tells them, polygons, cells, and the whole grid."""

from __future__ import annotations

import numpy as np
import scipy.sparse
import xarray as xr

from pipeline.answers.areas import Area, RegionTable
from pipeline.errors import GridError
from pipeline.grid import Grid, Regions, regions_from_polygons


def region_table(dataset: xr.Dataset) -> RegionTable:
    """Return the declared regions of a store."""
    ids, names, names_en, levels = (
        tuple(map(str, dataset[name].values)) for name in ("region", "region_name", "region_name_en", "region_level")
    )
    return RegionTable(ids, names, names_en, levels, np.asarray(dataset["region_area"].values, dtype=np.float64))


def shares_of(dataset: xr.Dataset) -> scipy.sparse.csr_array:
    """Return the share of each cell's area inside each declared region of a store: (region, cell)."""
    share = dataset["region_fraction"].values.astype(np.float64)
    return scipy.sparse.csr_array(share.reshape(share.shape[0], -1))


def fractions_of(area: Area, grid: Grid) -> Regions:
    """Return a polygon, a cell or the whole grid as a region of it.

    Raises
    ------
    GridError
        When it lies wholly outside.
    """
    if area.polygon is not None:
        return regions_from_polygons(grid, [area.name], [area.name], [""], ["asked"], [area.polygon])
    share = np.ones((1, grid.size)) if area.point is None else _cell(grid, area.point)
    total = share @ grid.area.ravel()
    found = scipy.sparse.csr_array(share)
    return Regions(grid, (area.name,), (area.name,), ("",), ("asked",), found, total, np.zeros(1), ())


def _cell(grid: Grid, point: tuple[float, float]) -> np.ndarray:
    """Return the cell that a point lies in as a share of every cell: (1, cell)."""
    x, y = (float(value) for value in grid.from_lonlat(*point))
    column, row = (int(np.searchsorted(e, v, side="right")) - 1 for e, v in ((grid.x_edges, x), (grid.y_edges, y)))
    if not (0 <= column < grid.nx and 0 <= row < grid.ny):
        lon, lat = grid.lonlat
        raise GridError(
            "a point must lie in the grid",
            got=point,
            remedy=f"it spans lon {lon.min():.2f} to {lon.max():.2f}, lat {lat.min():.2f} to {lat.max():.2f}",
            where="point",
        )
    share = np.zeros((1, grid.size))
    share[0, row * grid.nx + column] = 1.0
    return share
