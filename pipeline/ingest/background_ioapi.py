"""Background fields of CMAQ: concentrations on its grid (LAY, ROW, COL), or round it (LAY, PERIM).

Sources: the I/O API users' manual (data types GRDDED3 and BNDARY3, grid type LAMGRD3, vertical types VGSGPH3 and
VGWRFEM); the sphere is WRF's, whose grids these are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from scipy.spatial import cKDTree

from pipeline.errors import CoordinateError, FormatError, TimeError
from pipeline.grid.definition import Grid
from pipeline.ingest.background_axes import (
    Corners,
    Ends,
    Lattice,
    factor_of,
    line_up,
    require_complete,
    require_inside,
    require_variable,
)
from pipeline.ingest.netcdf import open_netcdf
from pipeline.ingest.wrf_grid import EARTH_RADIUS
from pipeline.units import Species

#: e-folding height of pressure, m: R T / g of dry air at 273 K
SCALE_HEIGHT = 8000.0
_LAMBERT = 2
#: hydrostatic sigma of pressure, and WRF's sigma
_SIGMA = (1, 7)
_ATTRIBUTES = (
    "GDTYP", "P_ALP", "P_BET", "P_GAM", "XCENT", "YCENT", "XORIG", "YORIG", "XCELL", "YCELL", "NCOLS", "NROWS",
    "NTHIK", "VGTYP", "VGTOP", "VGLVLS",
)  # fmt: skip


@dataclass(frozen=True)
class IoapiField:
    """A field on CMAQ's grid or round it; the vertical coordinate is the number of the layer.

    A value is taken as that of its whole layer. On the grid it is linear between cell centres; on the boundary each
    end takes the nearest cell of the perimeter.
    """

    variable: str
    grid: Grid
    on_boundary: bool
    sigma: np.ndarray
    top: float
    parts: list[tuple[Path, float]]
    times: np.ndarray | None
    steps: list[tuple[int, int]]
    notes: list[str]

    def place(self, ends: Ends) -> Corners:
        """Return the cells round each end, or the nearest of the perimeter.

        Raises
        ------
        CoordinateError
            For an end outside the grid's cells, or farther from its perimeter than the grid is wide.
        """
        x, y = self.grid.from_lonlat(ends.lon, ends.lat)
        edges = self.grid.x_edges, self.grid.y_edges
        extent = " and ".join(
            f"{axis} {e[0] / 1e3:.1f} to {e[-1] / 1e3:.1f} km" for axis, e in zip("xy", edges, strict=True)
        )
        where = self.parts[0][0].name
        if not self.on_boundary:
            corners, outside = Lattice(self.grid.x, self.grid.y).place(x, y)
            require_inside(outside, ends, extent, where=where)
            return corners
        distance, cell = self._tree.query(np.stack([x, y], axis=-1))
        width = max(float(e[-1] - e[0]) for e in edges)
        require_inside(np.asarray(distance) > width, ends, f"the rim of {extent}", where=where)
        return Corners(np.asarray(cell)[None], np.ones((1, ends.lon.size)))

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(perimeter(self.grid))

    def target(self, ends: Ends) -> np.ndarray:
        """Return (n,) the layer each end lies in, found from sigma = (p - top) / (ps - top).

        The pressure at the ground below an end is not known: ps = p exp(z / `SCALE_HEIGHT`). Against WRF over
        Queensland in summer it is 3 % high at 3 to 5 km and 8 % low at 12.6 km, less than one layer of 32.
        """
        surface = ends.pressure * np.exp(ends.height / SCALE_HEIGHT)
        # an end above the top has a share below zero: it lies in the highest layer
        share = (ends.pressure - self.top) / np.maximum(surface - self.top, 1.0)
        layer = np.searchsorted(-self.sigma, -share, side="right") - 1
        return np.clip(layer, 0, self.sigma.size - 2).astype(np.float64)

    def read(self, step: int, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return (layer, cell) mole fractions and layer numbers of one step.

        Raises
        ------
        InputError
            For missing values.
        """
        index, local = self.steps[step]
        path, factor = self.parts[index]
        with open_netcdf(path) as data:
            values = np.asarray(data[self.variable].isel(TSTEP=local).values, dtype=np.float64)
        values = require_complete(values.reshape(values.shape[0], -1)[:, cells], where=f"{path.name}: {self.variable}")
        layer = np.arange(values.shape[0], dtype=np.float64)[:, None]
        return values * factor, np.broadcast_to(layer, values.shape)


def is_ioapi(data: xr.Dataset) -> bool:
    """Return whether a file is one of CMAQ's: layers, and the attributes of an I/O API grid."""
    return "LAY" in data.dims and "GDTYP" in data.attrs


def perimeter(grid: Grid) -> np.ndarray:
    """Return the centres of a boundary one cell thick, in the grid's CRS.

    Returns
    -------
    (2 nx + 2 ny + 4, 2) float64, in the order of a boundary file: south from the grid's first column to the
    south-east corner, east from its first row to the north-east corner, north from the north-west corner to its last
    column, west from the south-west corner to its last row
    """
    x, y = (_widened(edges) for edges in (grid.x_edges, grid.y_edges))
    sides = ((x[1:], y[:1]), (x[-1:], y[1:]), (x[:-1], y[-1:]), (x[:1], y[:-1]))
    return np.concatenate(
        [np.stack([np.broadcast_to(v, max(a.size, b.size)) for v in (a, b)], axis=-1) for a, b in sides]
    )


def open_ioapi(paths: Sequence[Path], variable: str, unit: str | None, gas: Species) -> IoapiField:
    """Return the field of one or several files of one grid.

    Parameters
    ----------
    paths
        I/O API files; one file of one step holds for all times, whatever its date.
    variable
        The mole fraction, (TSTEP, LAY, ROW, COL) or (TSTEP, LAY, PERIM).
    unit
        Its unit, used where the file states none.
    gas
        The species.

    Raises
    ------
    InputError
        One of its kinds, naming file, rule, value and remedy.
    """
    parts: list[tuple[Path, float]] = []
    times: list[np.ndarray | None] = []
    frames: list[tuple[Grid, bool, np.ndarray, float]] = []
    for path in paths:
        with open_netcdf(path) as data:
            field = require_variable(data, variable, where=path.name)
            frames.append(_frame(data, field, path.name))
            parts.append((path, factor_of(field, unit, gas, where=f"{path.name}: {variable}")))
            constant = len(paths) == 1 and data.sizes["TSTEP"] == 1
            times.append(None if constant else _times(data, path.name))
        if not _same(frames[0], frames[-1]):
            raise CoordinateError(
                "all files of the field must have one grid",
                got=f"{frames[-1][0].shape} cells, or others",
                remedy="give files of one run",
                where=path.name,
            )
    every, steps = line_up(times, [path.name for path in paths])
    grid, on_boundary, sigma, top = frames[0]
    notes = [f"background: {paths[0].name} holds one step, used for every hour"] if every is None else []
    if on_boundary:
        notes.append(f"background: {paths[0].name}: every particle takes the perimeter cell nearest to its end")
    return IoapiField(variable, grid, on_boundary, sigma, top, parts, every, steps, notes)


def _frame(data: xr.Dataset, field: xr.DataArray, name: str) -> tuple[Grid, bool, np.ndarray, float]:
    """Return the grid, whether the field lies round it, the layers' edges in sigma, and the top's pressure."""
    missing = [key for key in _ATTRIBUTES if key not in data.attrs]
    if missing:
        raise FormatError(f"the attribute {missing[0]} must be present", remedy="give the whole file", where=name)
    attrs = data.attrs
    _require_types(attrs, name)
    nx, ny = int(attrs["NCOLS"]), int(attrs["NROWS"])
    grid = Grid(
        f"+proj=lcc +lat_1={attrs['P_ALP']} +lat_2={attrs['P_BET']} +lat_0={attrs['YCENT']} +lon_0={attrs['P_GAM']}"
        f" +R={EARTH_RADIUS:.0f} +units=m +no_defs",
        attrs["XORIG"] + attrs["XCELL"] * np.arange(nx + 1),
        attrs["YORIG"] + attrs["YCELL"] * np.arange(ny + 1),
    )
    sigma = np.asarray(attrs["VGLVLS"], dtype=np.float64)
    layers = data.sizes["LAY"]
    shapes = {("TSTEP", "LAY", "ROW", "COL"): (layers, ny, nx), ("TSTEP", "LAY", "PERIM"): (layers, 2 * (nx + ny + 2))}
    dims = tuple(map(str, field.dims))
    if shapes.get(dims) != field.shape[1:] or sigma.size != layers + 1 or not np.all(np.diff(sigma) < 0):
        raise FormatError(
            "the field must have dims (TSTEP, LAY, ROW, COL) or (TSTEP, LAY, PERIM) that suit NCOLS, NROWS and VGLVLS",
            got={**dict(field.sizes), "NCOLS": nx, "NROWS": ny, "VGLVLS": sigma.size},
            remedy="give the file as CMAQ wrote it",
            where=f"{name}: {field.name}",
        )
    return grid, dims[-1] == "PERIM", sigma, float(attrs["VGTOP"])


def _require_types(attrs: dict[str, Any], name: str) -> None:
    """Raise unless the grid is Lambert about its own meridian, its rim one cell thick, its layers sigma."""
    rules = (
        ("GDTYP must be 2 (Lambert)", attrs["GDTYP"], int(attrs["GDTYP"]) == _LAMBERT),
        ("VGTYP must be 1 or 7 (sigma of pressure)", attrs["VGTYP"], int(attrs["VGTYP"]) in _SIGMA),
        ("NTHIK must be 1", attrs["NTHIK"], int(attrs["NTHIK"]) == 1),
        ("XCENT must be the meridian P_GAM", attrs["XCENT"], attrs["XCENT"] == attrs["P_GAM"]),
    )
    for rule, got, kept in rules:
        if not kept:
            raise CoordinateError(rule, got=float(got), remedy="convert to lon-lat and pressure levels", where=name)


def _times(data: xr.Dataset, name: str) -> np.ndarray:
    """Return the UTC times of TFLAG, pairs of YYYYDDD and HHMMSS."""
    flags = np.asarray(data["TFLAG"].values if "TFLAG" in data.variables else np.zeros((1, 1, 2)))[:, 0, :]
    if not np.isfinite(flags).all() or np.any(flags[:, 0] < 1_000_001):
        raise TimeError(
            "TFLAG must hold dates, YYYYDDD and HHMMSS",
            got=flags[0].tolist(),
            remedy="only one file of one step may be without a date",
            where=name,
        )
    date, clock = flags.astype(np.int64).T
    year = (date // 1000 - 1970).astype("datetime64[Y]").astype("datetime64[D]")
    seconds = clock // 10_000 * 3600 + clock // 100 % 100 * 60 + clock % 100
    days = (date % 1000 - 1).astype("timedelta64[D]")
    return np.asarray((year + days).astype("datetime64[s]") + seconds.astype("timedelta64[s]")).astype("datetime64[ns]")


def _same(mine: tuple[Grid, bool, np.ndarray, float], theirs: tuple[Grid, bool, np.ndarray, float]) -> bool:
    return mine[0] == theirs[0] and mine[1] == theirs[1] and np.array_equal(mine[2], theirs[2]) and mine[3] == theirs[3]


def _widened(edges: np.ndarray) -> np.ndarray:
    """Return the centres of cells, with one more at each end."""
    centres = 0.5 * (edges[:-1] + edges[1:])
    return np.concatenate([[2 * edges[0] - centres[0]], centres, [2 * edges[-1] - centres[-1]]])
