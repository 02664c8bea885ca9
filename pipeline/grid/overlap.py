"""How much of each cell of one grid lies in each cell of another, m2.

Three routes, one answer: two lon-lat grids are rectangles in the equal-area plane (products of one-dimensional
overlaps); two grids of one projected CRS are split along all edges of both; any other pair is intersected as polygons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pyproj
import shapely
from scipy import sparse

from pipeline.derived import Derived, code_digest, digest_of
from pipeline.errors import GridError
from pipeline.grid.definition import Grid
from pipeline.grid.plane import TURN, easting, northing

#: a cell is wholly inside when the areas of its parts sum to its own within this share: rounding of the geometry
WHOLE = 1e-9


@dataclass(frozen=True, eq=False)
class Overlap:
    """Shared areas of two grids, made once and applied to many fields.

    Parameters
    ----------
    source, target
        The grid fields come on, and the grid they go to.
    area : (target.size, source.size) sparse float64
        Shared area of each pair of cells, m2. The column of a source cell wholly inside the target sums to
        `source.area` to the last bits.
    """

    source: Grid
    target: Grid
    area: sparse.csr_array

    @cached_property
    def coverage(self) -> np.ndarray:
        """(ny, nx) of the target: share of each cell's area that the source covers, in [0, 1]."""
        covered = np.asarray(self.area.sum(axis=1)).reshape(self.target.shape) / self.target.area
        return np.where(np.abs(covered - 1.0) < WHOLE, 1.0, covered)

    @cached_property
    def outside_share(self) -> np.ndarray:
        """(ny, nx) of the source: share of each cell's area that lies outside the target, in [0, 1]."""
        inside = np.asarray(self.area.sum(axis=0)).reshape(self.source.shape) / self.source.area
        return np.where(np.abs(inside - 1.0) < WHOLE, 0.0, 1.0 - inside)


@lru_cache(maxsize=16)
def overlap(source: Grid, target: Grid) -> Overlap:
    """Return the shared areas of two grids in any CRSs; kept for the next call, whose files have the same grids.

    Source cells may be global and their longitudes whole turns away from the target's.

    Raises
    ------
    GridError
        When the grids do not touch, or a projected grid holds a pole.
    """
    if source.is_geographic and target.is_geographic:
        area = _rectangles(source, target)
    elif not source.is_geographic and pyproj.CRS(source.crs) == pyproj.CRS(target.crs):
        area = _common_cells(source, target)
    else:
        area = intersect(source, target)
    if area.nnz == 0:
        raise GridError(
            "the source must cover part of the target",
            got=_extent(source),
            remedy=f"the target spans {_extent(target)}; check the file's coordinates",
            where="regrid",
        )
    return Overlap(source, target, _keep_whole_cells(area, source))


def kept_overlap(source: Grid, target: Grid, cache: Path | None) -> Overlap:
    """Return what `overlap` returns, from a folder where it was made before.

    Parameters
    ----------
    cache
        The folder; None keeps nothing.
    """
    if cache is None:
        return overlap(source, target)
    grids = [part for grid in (source, target) for part in (grid.crs, grid.x_edges, grid.y_edges)]
    key = digest_of(code_digest(Path(__file__).parent), *grids)
    found = Derived(cache).of("overlap", key, lambda: arrays_of(overlap(source, target).area))
    return Overlap(source, target, matrix_of(found, (target.size, source.size)))


def arrays_of(matrix: sparse.csr_array) -> dict[str, np.ndarray]:
    """Return a sparse matrix as arrays to be kept."""
    return {name: getattr(matrix, name) for name in ("data", "indices", "indptr")}


def matrix_of(arrays: Mapping[str, np.ndarray], shape: tuple[int, int]) -> sparse.csr_array:
    """Return the matrix of `arrays_of`."""
    return sparse.csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=shape)


def intersect(source: Grid, target: Grid) -> sparse.csr_array:
    """Return shared areas (target.size, source.size), m2, by intersecting the cells' outlines in the plane."""
    lon_0, origin = target.plane
    target_index, target_rings = _cells(target, source, lon_0, origin)
    source_index, source_rings = _cells(source, target, lon_0, origin)
    if target_index.size == 0 or source_index.size == 0:
        return sparse.csr_array((target.size, source.size))
    low, high = target_rings.min(axis=(0, 1)), target_rings.max(axis=(0, 1))
    tree = shapely.STRtree(shapely.polygons(target_rings))
    rows, columns, areas = [], [], []
    # a source cell stands within half a turn of lon_0, a target cell may reach beyond
    for shift in (-TURN, 0.0, TURN):
        rings = source_rings + np.array([shift, 0.0])
        close = np.all((rings.max(axis=1) > low) & (rings.min(axis=1) < high), axis=1)
        polygons = shapely.polygons(rings[close])
        which, cell = tree.query(polygons)
        shared = shapely.area(shapely.intersection(polygons[which], tree.geometries[cell]))
        rows.append(target_index[cell])
        columns.append(source_index[close][which])
        areas.append(shared)
    return _sparse(np.concatenate(areas), np.concatenate(rows), np.concatenate(columns), source, target)


def _cells(grid: Grid, other: Grid, lon_0: float, origin: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return flat indices and outlines of the cells of a grid that may touch another."""
    rows, columns = _candidates(grid, other)
    return (rows[:, None] * grid.nx + columns).ravel(), grid.rings(lon_0, origin, rows, columns)


def _candidates(grid: Grid, other: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows and columns of `grid` that may touch `other`: a bounding box, never too small."""
    everything = np.arange(grid.ny), np.arange(grid.nx)
    lon, lat = _outline(other)
    if np.ptp(lon) > 180 or np.max(np.abs(lat)) > 89:
        # round a pole or the globe, an outline bounds nothing
        return everything
    if grid.is_geographic:
        turns = 360.0 * np.arange(-2, 3)
        columns = np.any([_touching(grid.x_edges + turn, lon) for turn in turns], axis=0)
        return np.flatnonzero(_touching(grid.y_edges, lat)), np.flatnonzero(columns)
    x, y = grid.from_lonlat(lon, lat)
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(y))):
        return everything
    return np.flatnonzero(_touching(grid.y_edges, y)), np.flatnonzero(_touching(grid.x_edges, x))


def _touching(edges: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the mask of cells that reach into the range of `values`."""
    # sides bend between the points of an outline: a cell and a twentieth more on either side
    margin = float(np.diff(edges).max()) + 0.05 * float(np.ptp(values))
    return (edges[1:] >= values.min() - margin) & (edges[:-1] <= values.max() + margin)


def _outline(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return longitude and latitude of points round the grid, degrees, longitudes without jumps."""
    x = np.linspace(grid.x_edges[0], grid.x_edges[-1], 4 * grid.nx + 1)
    y = np.linspace(grid.y_edges[0], grid.y_edges[-1], 4 * grid.ny + 1)
    xs = np.concatenate([x, np.full_like(y, x[-1]), x[::-1], np.full_like(y, x[0])])
    ys = np.concatenate([np.full_like(x, y[0]), y, np.full_like(x, y[-1]), y[::-1]])
    lon, lat = grid.to_lonlat(xs, ys)
    grid.require_finite(lon)
    return np.unwrap(lon, period=360.0), lat


def _rectangles(source: Grid, target: Grid) -> sparse.csr_array:
    """Return shared areas of two lon-lat grids: overlaps along x times overlaps along y."""
    lon_0 = target.central_longitude
    x_target = easting(target.x_edges, lon_0)
    first, last = source.x_edges[[0, -1]]
    turns = np.arange(np.floor((target.x_edges[0] - last) / 360), np.ceil((target.x_edges[-1] - first) / 360) + 1)
    along_x = sum(
        (_shared_lengths(easting(source.x_edges + 360.0 * turn, lon_0), x_target) for turn in turns),
        start=sparse.csr_array((target.nx, source.nx)),
    )
    along_y = _shared_lengths(northing(source.y_edges), northing(target.y_edges))
    return sparse.csr_array(sparse.kron(along_y, along_x, format="csr"))


def _shared_lengths(source: np.ndarray, target: np.ndarray) -> sparse.csr_array:
    """Return the lengths (target, source) shared by the cells of two rows of ascending edges."""
    points = np.unique(np.concatenate([source, target]))
    middle, length = 0.5 * (points[:-1] + points[1:]), np.diff(points)
    column = np.searchsorted(source, middle, side="right") - 1
    row = np.searchsorted(target, middle, side="right") - 1
    both = (column >= 0) & (column < source.size - 1) & (row >= 0) & (row < target.size - 1)
    return sparse.csr_array((length[both], (row[both], column[both])), shape=(target.size - 1, source.size - 1))


def _common_cells(source: Grid, target: Grid) -> sparse.csr_array:
    """Return shared areas of two grids of one CRS: the true areas of the cells between all edges of both."""
    edges = []
    for mine, theirs in ((source.x_edges, target.x_edges), (source.y_edges, target.y_edges)):
        low, high = max(mine[0], theirs[0]), min(mine[-1], theirs[-1])
        points = np.unique(np.concatenate([mine, theirs]))
        edges.append(points[(points >= low) & (points <= high)])
    if min(len(points) for points in edges) < 2:
        return sparse.csr_array((target.size, source.size))
    fine = Grid(source.crs, *edges)
    flat = [
        (np.searchsorted(grid.y_edges, fine.y)[:, None] - 1) * grid.nx + np.searchsorted(grid.x_edges, fine.x) - 1
        for grid in (target, source)
    ]
    return _sparse(fine.area.ravel(), flat[0].ravel(), flat[1].ravel(), source, target)


def _sparse(area: np.ndarray, row: np.ndarray, column: np.ndarray, source: Grid, target: Grid) -> sparse.csr_array:
    """Return the matrix of the pairs that share an area, repeated pairs added."""
    some = area > 0
    return sparse.csr_array((area[some], (row[some], column[some])), shape=(target.size, source.size))


def _keep_whole_cells(area: sparse.csr_array, source: Grid) -> sparse.csr_array:
    """Scale the column of every source cell wholly inside the target to sum to the cell's area.

    The geometry keeps 1e-12 or so of a cell; after this, mass is kept to the last bits.
    """
    found = np.asarray(area.sum(axis=0)).ravel()
    true = source.area.ravel()
    whole = np.abs(found / true - 1.0) < WHOLE
    factor = np.where(whole, true / np.where(whole, found, 1.0), 1.0)
    return sparse.csr_array(area @ sparse.diags_array(factor))


def _extent(grid: Grid) -> str:
    lon, lat = _outline(grid)
    return f"lon {lon.min():.2f} to {lon.max():.2f}, lat {lat.min():.2f} to {lat.max():.2f}"
