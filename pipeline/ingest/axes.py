"""The horizontal axes of foreign fields: found by name and attribute, never by position."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pyproj
import xarray as xr
from numpy.typing import ArrayLike

from pipeline.errors import CoordinateError, FormatError, GridError
from pipeline.grid.axes import REGULAR
from pipeline.grid.definition import Grid

_NAMES = {"x": {"x", "lon", "longitude"}, "y": {"y", "lat", "latitude"}}
_STANDARD = {
    "x": {"longitude", "projection_x_coordinate"},
    "y": {"latitude", "projection_y_coordinate"},
}
_DEGREES = {"x": r"degrees?_?e(ast)?$", "y": r"degrees?_?n(orth)?$"}
_GEOGRAPHIC = {"lon", "longitude", "lat", "latitude"}
#: two projections are one plane when the same cells lie closer than this share of a cell, as for edges
_SAME_PLACE = 2 * REGULAR


@dataclass(frozen=True)
class Frame:
    """The grid of a field in a file, and how the field lies on it."""

    grid: Grid
    x_dim: str
    y_dim: str
    x_descends: bool
    y_descends: bool

    def oriented(self, values: xr.DataArray, lead: tuple[str, ...] = ()) -> np.ndarray:
        """Return float64 values as (*lead, y, x) with both axes ascending; other dims of length one are dropped.

        Raises
        ------
        FormatError
            When the field has another dim longer than one, or lacks one of `lead`.
        """
        wanted = (*lead, self.y_dim, self.x_dim)
        spare = [str(dim) for dim in values.dims if dim not in wanted]
        if any(values.sizes[dim] != 1 for dim in spare) or any(dim not in values.dims for dim in wanted):
            raise FormatError(
                f"the field must have dims {wanted}",
                got=dict(values.sizes),
                remedy="select one layer, or name the variable that has them",
                where=str(values.name),
            )
        array = np.asarray(values.squeeze(spare, drop=True).transpose(*wanted).values, dtype=np.float64)
        if self.y_descends:
            array = array[..., ::-1, :]
        return array[..., ::-1] if self.x_descends else array

    def along(self, values: xr.DataArray, axis: str, lead: tuple[str, ...]) -> np.ndarray:
        """Return float64 values of one boundary side as (*lead, axis), ascending; `axis` is "x" or "y"."""
        dim, descends = (self.x_dim, self.x_descends) if axis == "x" else (self.y_dim, self.y_descends)
        if set(values.dims) != {*lead, dim}:
            raise FormatError(
                f"the side must have dims {(*lead, dim)}",
                got=values.dims,
                remedy="rename them",
                where=str(values.name),
            )
        array = np.asarray(values.transpose(*lead, dim).values, dtype=np.float64)
        return array[..., ::-1] if descends else array


def find_frame(dataset: xr.Dataset, dims: tuple[str, ...], *, where: str, near: Grid | None = None) -> Frame:
    """Return the grid that two of `dims` span.

    Parameters
    ----------
    dataset
        Holds the 1-D coordinate variables of the axes and, for projected axes, the CRS (global attribute `crs`, as
        STILT writes it, or a CF grid mapping with a WKT or its parameters).
    dims
        Names of the dims to look among.
    where
        File and variable, for messages.
    near
        A lon-lat grid: whole turns are added to the file's longitudes to lie nearest to it.

    Raises
    ------
    CoordinateError
        When an axis is missing, is named one thing and measured in another, is uneven, or has no CRS.
    GridError
        When the cells cannot exist.
    """
    x_dim, y_dim = (_find_dim(dataset, dims, axis, where) for axis in "xy")
    x, y = (_decimal(dataset[dim].values) for dim in (x_dim, y_dim))
    geographic = {_is_geographic(dataset[dim]) for dim in (x_dim, y_dim)}
    if len(geographic) > 1:
        raise CoordinateError(
            "both axes must be degrees or both projected",
            got=(x_dim, y_dim),
            remedy="correct the axes' units",
            where=where,
        )
    crs = "EPSG:4326" if geographic == {True} else _projection(dataset, dims, (x_dim, y_dim), where)
    try:
        grid = Grid.from_centres(crs, x, y)
    except (GridError, CoordinateError) as error:
        # say which file
        raise type(error)(error.rule, got=error.got, remedy=error.remedy, where=f"{where}: {error.where}") from error
    if near is not None and grid.is_geographic and near.is_geographic:
        grid = turned(grid, near)
    return Frame(grid, x_dim, y_dim, bool(x[0] > x[-1]), bool(y[0] > y[-1]))


def require_domain(found: Grid, domain: Grid, *, where: str) -> None:
    """Raise unless a file's grid is the domain's: the same cells in the same plane, however its CRS is spelt.

    Raises
    ------
    CoordinateError
        Naming the CRS, the number of cells, or the axis.
    """
    domain.require_match(_respelt(found, domain), where=where)


def _respelt(found: Grid, domain: Grid) -> Grid:
    """Return the file's grid with the domain's CRS when both planes put its corners in the same places.

    A PROJ string, a WKT and CF parameters of one projection do not compare equal.
    """
    if found.is_geographic or domain.is_geographic or found.crs == domain.crs:
        return found
    renamed = Grid(domain.crs, found.x_edges, found.y_edges)
    corners = np.ix_([0, -1], [0, -1])
    mine, theirs = ([values[corners] for values in grid.lonlat] for grid in (renamed, found))
    apart = distance(mine[0], mine[1], theirs[0], theirs[1])
    # points outside the other projection are infinite, and so not the same
    return renamed if bool(np.all(apart < _SAME_PLACE * np.sqrt(found.area.min()))) else found


def turned(grid: Grid, near: Grid) -> Grid:
    """Return a lon-lat grid moved by whole turns to lie nearest to another."""
    turns = np.round((near.x_edges[[0, -1]].mean() - grid.x_edges[[0, -1]].mean()) / 360.0)
    return grid if turns == 0 else Grid(grid.crs, grid.x_edges + 360.0 * turns, grid.y_edges)


def distance(lon_a: ArrayLike, lat_a: ArrayLike, lon_b: ArrayLike, lat_b: ArrayLike) -> np.ndarray:
    """Return distances in m between points in degrees, on the WGS84 ellipsoid; NaN from a point that is on none.

    Examples
    --------
    >>> (distance(120.0, 30.0, [120.0, 30.0], [31.0, 120.0]) / 1000).round(1).tolist()
    [110.9, nan]
    """
    points = (np.asarray(values, dtype=np.float64) for values in (lon_a, lat_a, lon_b, lat_b))
    from_lon, from_lat, to_lon, to_lat = np.broadcast_arrays(*points)
    return np.asarray(pyproj.Geod(ellps="WGS84").inv(from_lon, from_lat, to_lon, to_lat)[2])


def _find_dim(dataset: xr.Dataset, dims: tuple[str, ...], axis: str, where: str) -> str:
    found = [dim for dim in dims if _axis_of(dataset, dim, where) == axis]
    if len(found) != 1:
        raise CoordinateError(
            f"exactly one dim must be the {axis} axis",
            got=found or dims,
            remedy=f"name it one of {sorted(_NAMES[axis])}, or give its standard_name",
            where=where,
        )
    return found[0]


def _axis_of(dataset: xr.Dataset, dim: str, where: str) -> str | None:
    """Return "x", "y" or None for a dim, from its name and its coordinate's attributes, which must agree."""
    attrs = dataset[dim].attrs if dim in dataset.variables else {}
    standard, units = str(attrs.get("standard_name", "")), str(attrs.get("units", "")).lower()
    hints = {
        axis
        for axis in "xy"
        if dim.lower() in _NAMES[axis] or standard in _STANDARD[axis] or re.match(_DEGREES[axis], units)
    }
    if len(hints) > 1:
        raise CoordinateError(
            "an axis must be what its name says",
            got={"name": dim, "standard_name": standard, "units": units},
            remedy="correct the attributes: lat and lon look swapped",
            where=where,
        )
    if hints and (dim not in dataset.variables or dataset[dim].ndim != 1):
        raise CoordinateError("an axis needs its coordinate", got=dim, remedy="add the 1-D variable", where=where)
    return hints.pop() if hints else None


def _is_geographic(axis: xr.DataArray) -> bool:
    attrs = axis.attrs
    return (
        str(axis.name).lower() in _GEOGRAPHIC
        or str(attrs.get("standard_name", "")) in _GEOGRAPHIC
        or str(attrs.get("units", "")).lower().startswith("degree")
    )


def _projection(dataset: xr.Dataset, dims: tuple[str, ...], axes: tuple[str, str], where: str) -> str:
    """Return the CRS of projected axes, after comparing the axes' unit with its own."""
    mapping = next(
        (
            str(dataset[name].attrs["grid_mapping"])
            for name in dataset.data_vars
            if "grid_mapping" in dataset[name].attrs and set(dims) <= set(dataset[name].dims)
        ),
        "",
    )
    try:
        if "crs" in dataset.attrs:
            crs = pyproj.CRS(str(dataset.attrs["crs"]))
        else:
            crs = pyproj.CRS.from_cf(dataset[mapping].attrs)
    except (KeyError, pyproj.exceptions.CRSError) as error:
        raise CoordinateError(
            "projected axes need a CRS: a grid mapping, or the global attribute crs",
            got=mapping or None,
            remedy="add it to the file",
            where=where,
        ) from error
    unit = crs.axis_info[0].unit_name if crs.axis_info else "metre"
    known = {"metre": {"m", "metre", "meter", "metres", "meters"}, "kilometre": {"km", "kilometre", "kilometer"}}
    for name in axes:
        stated = str(dataset[name].attrs.get("units", ""))
        if stated not in known.get(unit, {unit}):
            raise CoordinateError(
                f"the axis must be in the unit of its CRS, {unit}",
                got=stated,
                remedy="correct the axis or its attribute",
                where=f"{where}: {name}",
            )
    return crs.to_wkt()


def _decimal(values: np.ndarray) -> np.ndarray:
    """Return axis values as float64; float32 ones become the shortest decimal that names them.

    0.1 degree cells stored as float32 would else span 360.00001 degrees.
    """
    if values.dtype == np.float32:
        return np.array([float(str(value)) for value in values])
    return np.asarray(values, dtype=np.float64)
