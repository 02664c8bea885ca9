"""Regions: areas whose totals are reported, as the share of each cell's area that lies inside them.

Shares are exact by area: polygons and cells are intersected in the equal-area plane of `pipeline.grid.plane`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from scipy import sparse

from pipeline.errors import GridError
from pipeline.grid.definition import Grid
from pipeline.grid.plane import TURN, easting, northing
from pipeline.settings import Box

#: polygon edges longer than this (degrees) get points between: they are straight in lon-lat, not in the plane; the
#: arc that is left is 0.3 m high at 30 N
LONGEST_EDGE = 0.05
# polygons are cut into pieces of about this many points; a 30,000-point coast against each cell costs 20 times more
_PIECE = 128


@dataclass(frozen=True, eq=False)
class Regions:
    """Named areas on a grid.

    Parameters
    ----------
    grid
        The grid the fractions are for.
    ids, names, names_en
        One text per region; ids are unique, an unknown English name is empty.
    levels
        Kind of each region: province, city, county, file or box.
    fractions : (region, cell) sparse float64
        Share of each cell's area inside the region, in [0, 1].
    areas : (region,) float64
        Area inside the grid, m2.
    outside_share : (region,) float64
        Share of the region's own area that lies outside the grid.
    repaired
        Ids of the regions whose polygon crossed itself and was repaired.
    """

    grid: Grid
    ids: tuple[str, ...]
    names: tuple[str, ...]
    names_en: tuple[str, ...]
    levels: tuple[str, ...]
    fractions: sparse.csr_array
    areas: np.ndarray
    outside_share: np.ndarray
    repaired: tuple[str, ...]

    def __post_init__(self) -> None:
        twice = sorted({name for name in self.ids if self.ids.count(name) > 1})
        if twice:
            raise GridError(
                "region ids must be unique", got=twice, remedy="rename one, or merge its polygons", where="regions"
            )

    @cached_property
    def weights(self) -> sparse.csr_array:
        """(region, cell) m2: area of the region in each cell; times a flux per m2 it gives the region's total."""
        return sparse.csr_array(self.fractions @ sparse.diags_array(self.grid.area.ravel()))

    def totals(self, density: np.ndarray) -> np.ndarray:
        """Return the integral of a density over each region.

        Parameters
        ----------
        density : (..., y, x)
            Per m2, on the regions' grid.

        Returns
        -------
        (..., region) float64, the density's unit times m2
        """
        values = np.asarray(density, dtype=np.float64)
        flat = values.reshape(-1, self.grid.size)
        return np.asarray((self.weights @ flat.T).T).reshape(*values.shape[:-2], len(self.ids))


def regions_from_polygons(
    grid: Grid,
    ids: Sequence[str],
    names: Sequence[str],
    names_en: Sequence[str],
    levels: Sequence[str],
    polygons: Sequence[shapely.Geometry],
) -> Regions:
    """Return the regions that polygons in longitude and latitude (degrees, WGS84) mark on a grid.

    Edges are straight in longitude and latitude. A polygon that crosses itself is repaired and named in `repaired`.

    Raises
    ------
    GridError
        For a polygon without area, a region wholly outside the grid, or an id used twice.
    """
    lon_0, origin = grid.plane
    tree = shapely.STRtree(shapely.polygons(grid.rings(lon_0, origin)))
    cell_areas = shapely.area(tree.geometries)
    rows, outside_share, repaired = [], [], []
    for name, polygon in zip(ids, polygons, strict=True):
        flat, changed = _repair(_to_plane(polygon, lon_0, origin))
        shared = _shared(flat, tree)
        _check_region(name, flat, shared, grid)
        rows.append(sparse.csr_array(np.minimum(shared / cell_areas, 1.0)[None, :]))
        outside_share.append(np.clip(1.0 - shared.sum() / shapely.area(flat), 0.0, 1.0))
        repaired += [name] * changed
    fractions = sparse.csr_array(sparse.vstack(rows)) if rows else sparse.csr_array((0, grid.size))
    return Regions(
        grid=grid,
        ids=tuple(ids),
        names=tuple(names),
        names_en=tuple(names_en),
        levels=tuple(levels),
        fractions=fractions,
        areas=fractions @ grid.area.ravel(),
        outside_share=np.array(outside_share),
        repaired=tuple(repaired),
    )


def box_regions(boxes: Sequence[Box], grid: Grid) -> Regions:
    """Return lon-lat rectangles as regions; their sides are meridians and parallels.

    Raises
    ------
    GridError
        For a box wholly outside the grid.
    """
    polygons = [shapely.box(item.box[0], item.box[2], item.box[1], item.box[3]) for item in boxes]
    names = [item.name for item in boxes]
    return regions_from_polygons(
        grid, [item.id for item in boxes], names, [""] * len(boxes), ["box"] * len(boxes), polygons
    )


def merge_regions(parts: Sequence[Regions], grid: Grid) -> Regions:
    """Return all regions of one grid as one value, in order.

    Raises
    ------
    GridError
        When an id is used twice.
    """
    empty = sparse.csr_array((0, grid.size))
    return Regions(
        grid=grid,
        ids=tuple(i for part in parts for i in part.ids),
        names=tuple(n for part in parts for n in part.names),
        names_en=tuple(n for part in parts for n in part.names_en),
        levels=tuple(v for part in parts for v in part.levels),
        fractions=sparse.csr_array(sparse.vstack([empty, *(part.fractions for part in parts)])),
        areas=np.concatenate([np.empty(0), *(part.areas for part in parts)]),
        outside_share=np.concatenate([np.empty(0), *(part.outside_share for part in parts)]),
        repaired=tuple(r for part in parts for r in part.repaired),
    )


def densify(polygon: shapely.Geometry, longest: float) -> shapely.Geometry:
    """Return a polygon or multipolygon with points added so that no edge is longer than `longest`.

    Ring by ring: `shapely.segmentize` of a whole polygon that crosses itself drops part of it without a word.
    """
    dense = []
    for part in shapely.get_parts(polygon):
        rings = shapely.segmentize(shapely.get_rings(part), longest)
        dense.append(shapely.Polygon(rings[0], rings[1:]) if rings.size else part)
    return shapely.multipolygons(dense)


def _to_plane(polygon: shapely.Geometry, lon_0: float, origin: tuple[float, float]) -> shapely.Geometry:
    """Return a lon-lat polygon in the plane, long edges densified, longitudes not turned."""
    return shapely.transform(
        densify(polygon, LONGEST_EDGE),
        lambda c: np.stack([easting(c[:, 0], lon_0) - origin[0], northing(c[:, 1]) - origin[1]], axis=1),
    )


def _repair(polygon: shapely.Geometry) -> tuple[shapely.Geometry, bool]:
    """Return the polygon made valid, lines and points dropped, and whether that was needed."""
    if shapely.is_valid(polygon):
        return polygon, False
    parts = shapely.get_parts(shapely.get_parts(shapely.make_valid(polygon)))
    return shapely.multipolygons(parts[shapely.get_dimensions(parts) == 2]), True


def _shared(polygon: shapely.Geometry, tree: shapely.STRtree) -> np.ndarray:
    """Return the area of each cell inside the polygon, m2, wherever whole turns bring it over the grid."""
    west, _, east, _ = shapely.total_bounds(tree.geometries)
    first, _, last, _ = shapely.bounds(polygon)
    shared = np.zeros(len(tree.geometries))
    if shapely.is_empty(polygon):
        return shared
    for turn in np.arange(np.ceil((west - last) / TURN), np.floor((east - first) / TURN) + 1):
        offset = turn * TURN
        pieces = _pieces(shapely.transform(polygon, lambda c, offset=offset: c + np.array([offset, 0.0])))
        piece, cell = tree.query(pieces)
        areas = shapely.area(shapely.intersection(pieces[piece], tree.geometries[cell]))
        shared += np.bincount(cell, areas, minlength=shared.size)
    return shared


def _pieces(polygon: shapely.Geometry) -> np.ndarray:
    """Return the polygon cut along lines of x or y into pieces of few points."""
    todo, done = list(shapely.get_parts(polygon)), []
    while todo:
        part = todo.pop()
        west, south, east, north = shapely.bounds(part)
        if shapely.get_num_coordinates(part) <= _PIECE:
            done.append(part)
            continue
        x, y = 0.5 * (west + east), 0.5 * (south + north)
        wide = east - west > north - south
        halves = (
            [(west, south, x, north), (x, south, east, north)]
            if wide
            else [(west, south, east, y), (west, y, east, north)]
        )
        cut = shapely.get_parts(shapely.intersection(part, [shapely.box(*half) for half in halves]))
        todo += list(cut[shapely.get_dimensions(cut) == 2])
    return np.array(done)


def _check_region(name: str, flat: shapely.Geometry, shared: np.ndarray, grid: Grid) -> None:
    """Raise unless the region has an area, some of it on the grid."""
    if shapely.area(flat) == 0:
        raise GridError(
            "a region must have an area", got=name, remedy="give a polygon with three corners or more", where="regions"
        )
    if not shared.any():
        lon, lat = grid.lonlat
        raise GridError(
            "a region must reach into the grid",
            got=name,
            remedy=f"the grid spans lon {lon.min():.2f} to {lon.max():.2f}, lat {lat.min():.2f} to {lat.max():.2f}; "
            "remove the region or enlarge the grid",
            where="regions",
        )
