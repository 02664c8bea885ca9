"""Background fields on longitude and latitude, as CAMS and CarbonTracker give them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from pipeline.errors import CoordinateError, FormatError
from pipeline.ingest.background_axes import (
    Corners,
    Ends,
    Lattice,
    factor_of,
    is_time,
    line_up,
    require_complete,
    require_inside,
    require_variable,
)
from pipeline.ingest.background_levels import Levels, find_levels
from pipeline.ingest.netcdf import decode_times, open_netcdf
from pipeline.units import Species

_NAMES = {"x": ("lon", "longitude"), "y": ("lat", "latitude")}
_DEGREES = {"x": r"degrees?_?e(ast)?$", "y": r"degrees?_?n(orth)?$"}


@dataclass(frozen=True)
class _Part:
    """One file: its dims, levels, and factor to the species' unit."""

    path: Path
    x_dim: str
    y_dim: str
    level_dim: str
    time_dim: str | None
    levels: Levels
    factor: float


@dataclass(frozen=True)
class LonLatField:
    """A field of (time, level, lat, lon) over one or several files of one grid.

    The vertical coordinate is -ln p. Rows and columns of cells count in ascending order, whatever the file's.
    """

    variable: str
    lattice: Lattice
    x_descends: bool
    y_descends: bool
    parts: list[_Part]
    times: np.ndarray | None
    steps: list[tuple[int, int]]
    notes: list[str]

    def place(self, ends: Ends) -> Corners:
        """Return the four cells round each end.

        Raises
        ------
        CoordinateError
            For an end outside the cells.
        """
        corners, outside = self.lattice.place(ends.lon, ends.lat)
        x, y = self.lattice.x, self.lattice.y
        extent = f"centres {x[0]:g} to {x[-1]:g} E, {y[0]:g} to {y[-1]:g} N"
        require_inside(outside, ends, extent, where=self.parts[0].path.name)
        return corners

    def target(self, ends: Ends) -> np.ndarray:
        """Return (n,) -ln p."""
        return -np.log(ends.pressure)

    def read(self, step: int, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (level, cell) mole fractions and -ln p of one step; only the box round the cells is read.

        Raises
        ------
        InputError
            For missing values.
        CoordinateError
            For pressures that are not positive or do not fall or rise along the levels.
        """
        index, local = self.steps[step]
        part, width = self.parts[index], self.lattice.x.size
        where = f"{part.path.name}: {self.variable}"
        rows, row = np.unique(cells // width, return_inverse=True)
        columns, column = np.unique(cells % width, return_inverse=True)
        box = {
            part.y_dim: self.lattice.y.size - 1 - rows if self.y_descends else rows,
            part.x_dim: width - 1 - columns if self.x_descends else columns,
        }
        if part.time_dim is not None:
            box[part.time_dim] = np.asarray(local)
        with open_netcdf(part.path) as data:
            values = _take(data, self.variable, part, box)[:, row, column]
            pressure = part.levels.pressure(lambda name: _take(data, name, part, box))
        pressure = np.broadcast_to(pressure, (values.shape[0], rows.size, columns.size))[:, row, column]
        level = _ascending(pressure, where)
        turn = slice(None, None, -1) if pressure[0, 0] < pressure[-1, 0] else slice(None)
        return require_complete(values[turn], where=where) * part.factor, level[turn]


def open_lonlat(paths: Sequence[Path], variable: str, unit: str | None, gas: Species) -> LonLatField:
    """Return the field of one or several files.

    Parameters
    ----------
    paths
        netCDF files with one longitude-latitude grid; their times are put in order.
    variable
        The mole fraction: dims time (may be absent), one vertical, latitude, longitude; others of length one.
    unit
        Its unit, used where the file states none.
    gas
        The species.

    Raises
    ------
    InputError
        One of its kinds, naming file, rule, value and remedy.
    """
    parts, times, notes = [], [], []
    lattices: list[tuple[Lattice, bool, bool]] = []
    for path in paths:
        where = f"{path.name}: {variable}"
        with open_netcdf(path) as data:
            field = require_variable(data, variable, where=path.name)
            part = _part(data, field, path, factor_of(field, unit, gas, where=where))
            lattices.append(_lattice(data, part))
            time = part.time_dim
            times.append(None if time is None else decode_times(data[time], where=f"{path.name}: {time}"))
        parts.append(part)
        _require_same(lattices, path.name)
    if times[0] is None:
        notes.append(f"background: {paths[0].name} has no time axis and is used for every hour")
    every, steps = line_up(times, [path.name for path in paths])
    return LonLatField(variable, *lattices[0], parts, every, steps, notes)


def _part(data: xr.Dataset, field: xr.DataArray, path: Path, factor: float) -> _Part:
    """Return a file's dims and levels."""
    where = f"{path.name}: {field.name}"
    horizontal = {axis: [str(dim) for dim in field.dims if _is_axis(data, str(dim), axis)] for axis in "xy"}
    times = [str(dim) for dim in field.dims if is_time(data, str(dim))]
    rest = [str(dim) for dim in field.dims if str(dim) not in (*horizontal["x"], *horizontal["y"], *times)]
    vertical = [dim for dim in rest if field.sizes[dim] > 1] or rest
    if any(len(found) != 1 for found in (*horizontal.values(), vertical)) or len(times) > 1:
        raise FormatError(
            "the layout must be one that is known: (time, level, lat, lon), or CMAQ's (LAY, ROW, COL) or (LAY, PERIM)",
            got=dict(field.sizes),
            remedy="give latitude, longitude and times their CF units, or convert the file",
            where=where,
        )
    x_dim, y_dim, level = horizontal["x"][0], horizontal["y"][0], vertical[0]
    levels = find_levels(data, level, (y_dim, x_dim), where=where)
    return _Part(path, x_dim, y_dim, level, times[0] if times else None, levels, factor)


def _is_axis(data: xr.Dataset, dim: str, axis: str) -> bool:
    if dim not in data.variables:
        return False
    units = str(data[dim].attrs.get("units", "")).lower()
    return dim.lower() in _NAMES[axis] or re.match(_DEGREES[axis], units) is not None


def _lattice(data: xr.Dataset, part: _Part) -> tuple[Lattice, bool, bool]:
    """Return the ascending centres, and whether the file's x and y descend."""
    # longitudes that jump from 180 to -180 within the axis run on
    x = np.unwrap(np.asarray(data[part.x_dim].values, dtype=np.float64), period=360.0)
    y = np.asarray(data[part.y_dim].values, dtype=np.float64)
    for values, name in ((x, part.x_dim), (y, part.y_dim)):
        steps = np.diff(values)
        if values.size < 2 or not (np.all(steps > 0) or np.all(steps < 0)):
            raise CoordinateError(
                "an axis must have two centres or more, ascending or descending",
                got=values[:4].tolist(),
                remedy="sort the axis, or take a larger piece of the field",
                where=f"{part.path.name}: {name}",
            )
    x_descends, y_descends = bool(x[0] > x[-1]), bool(y[0] > y[-1])
    return Lattice(np.sort(x), np.sort(y), period=360.0), x_descends, y_descends


def _require_same(lattices: list[tuple[Lattice, bool, bool]], name: str) -> None:
    """Raise unless the last file's grid is the first's."""
    (mine, *order), (theirs, *turned) = lattices[0], lattices[-1]
    if order != turned or not (np.array_equal(mine.x, theirs.x) and np.array_equal(mine.y, theirs.y)):
        raise CoordinateError(
            "all files of the field must have one grid",
            got=f"{theirs.y.size} x {theirs.x.size} (lat, lon) cells, or others",
            remedy=f"the first has {mine.y.size} x {mine.x.size}; give files of one product",
            where=name,
        )


def _take(data: xr.Dataset, name: str, part: _Part, box: dict[str, np.ndarray]) -> np.ndarray:
    """Return a variable's box as float64 (vertical, y, x), or (y, x) where it has no vertical dim."""
    found = data[name]
    found = found.isel({dim: index for dim, index in box.items() if dim in found.dims})
    lead = [dim for dim in found.dims if dim not in (part.y_dim, part.x_dim)]
    vertical = [dim for dim in lead if dim == part.level_dim or found.sizes[dim] > 1]
    found = found.isel({dim: 0 for dim in lead if dim not in vertical})
    return np.asarray(found.transpose(*vertical, part.y_dim, part.x_dim).values, dtype=np.float64)


def _ascending(pressure: np.ndarray, where: str) -> np.ndarray:
    """Return -ln p, (level, cell), after a check that it rises, or falls, along the levels of every cell."""
    # also NaN
    if not np.all(pressure > 0):
        raise CoordinateError(
            "the pressure of every level must be positive",
            got=float(np.min(pressure)),
            remedy="correct the file's vertical coordinate",
            where=where,
        )
    level = -np.log(pressure)
    steps = np.diff(level, axis=0)
    if not (np.all(steps > 0) or np.all(steps < 0)):
        raise CoordinateError(
            "pressure must rise or fall along the levels",
            got=pressure[:4, 0].tolist(),
            remedy="correct the file's vertical coordinate",
            where=where,
        )
    return level
