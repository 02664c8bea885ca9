"""The grid: a frozen value of a CRS and two rows of cell edges.

Areas are true areas on the WGS84 ellipsoid. They are computed, like every overlap, in one equal-area plane
(`pipeline.grid.plane`), with cell sides densified, so that areas, regridding and region fractions agree to rounding
error.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyproj
import xarray as xr

from pipeline.errors import CoordinateError, GridError
from pipeline.grid.axes import REGULAR, edges_of
from pipeline.grid.crs import is_geographic, require_crs
from pipeline.grid.plane import easting, near, northing

#: points per cell side between corners; 4 keeps the area of a 3 km Lambert cell to 1e-9
_POINTS_PER_SIDE = 4


@dataclass(frozen=True, eq=False)
class Grid:
    """A rectilinear grid in any CRS, compared by value.

    Parameters
    ----------
    crs
        Longitude and latitude, or projected in metres, as pyproj accepts it; kept as given. "EPSG:4326" makes a
        regular lon-lat grid with x = longitude.
    x_edges : (nx + 1,) float64
        Cell edges, ascending, in the CRS's unit (m or degrees).
    y_edges : (ny + 1,) float64
        Cell edges, ascending.

    Raises
    ------
    GridError
        For a CRS that cannot be used, fewer than one cell, edges that are not finite and ascending, or a lon-lat grid
        that leaves [-90, 90] or spans more than 360 degrees.

    Examples
    --------
    >>> grid = Grid.from_centres("EPSG:4326", np.arange(118.05, 123, 0.1), np.arange(27.05, 31.5, 0.1))
    >>> grid.shape
    (45, 50)
    >>> round(float(grid.area.sum()) / 1e9)  # km2 / 1000
    242
    """

    crs: str
    x_edges: np.ndarray
    y_edges: np.ndarray

    def __post_init__(self) -> None:
        require_crs(self.crs)
        for name in ("x_edges", "y_edges"):
            edges = np.array(getattr(self, name), dtype=np.float64)
            if edges.ndim != 1 or edges.size < 2 or not np.all(np.isfinite(edges)) or np.any(np.diff(edges) <= 0):
                raise GridError(
                    "edges must be finite, ascending and at least two",
                    got=edges[:5].tolist(),
                    remedy="sort the axis and drop gaps",
                    where=f"grid.{name}",
                )
            edges.setflags(write=False)
            object.__setattr__(self, name, edges)
        if self.is_geographic:
            self._check_geographic()

    def _check_geographic(self) -> None:
        span = self.x_edges[-1] - self.x_edges[0]
        if span > 360 * (1 + 1e-9):
            raise GridError(
                "longitude cells must not cover more than the globe",
                got=f"{span:.3f} degrees",
                remedy="the file's cells overlap; use the product it was made from",
                where="grid.x_edges",
            )
        if self.y_edges[0] < -90 - 1e-6 or self.y_edges[-1] > 90 + 1e-6:
            raise GridError(
                "latitude edges must lie in [-90, 90]",
                got=self.y_edges[[0, -1]].tolist(),
                remedy="check whether lat and lon are swapped",
                where="grid.y_edges",
            )

    @classmethod
    def from_centres(cls, crs: str, x: Any, y: Any) -> Grid:
        """Make a grid from evenly spaced cell centres, as files give them; descending axes are turned.

        Only the axes are turned: pass the file's fields through `ascending` with the same centres.

        Raises
        ------
        CoordinateError
            When an axis has fewer than two centres or uneven steps (missing rows, Gaussian latitudes).
        """
        return cls(crs, edges_of(x, "x"), edges_of(y, "y"))

    @property
    def nx(self) -> int:
        """Number of cells along x."""
        return self.x_edges.size - 1

    @property
    def ny(self) -> int:
        """Number of cells along y."""
        return self.y_edges.size - 1

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx)."""
        return self.ny, self.nx

    @property
    def size(self) -> int:
        """Number of cells."""
        return self.ny * self.nx

    @property
    def is_geographic(self) -> bool:
        """Whether x and y are longitude and latitude in degrees."""
        return is_geographic(self.crs)

    @cached_property
    def x(self) -> np.ndarray:
        """(nx,) float64 cell centres."""
        return _frozen(0.5 * (self.x_edges[:-1] + self.x_edges[1:]))

    @cached_property
    def y(self) -> np.ndarray:
        """(ny,) float64 cell centres."""
        return _frozen(0.5 * (self.y_edges[:-1] + self.y_edges[1:]))

    @cached_property
    def lonlat(self) -> tuple[np.ndarray, np.ndarray]:
        """Longitude and latitude of the centres, (ny, nx) float64 each, degrees."""
        x, y = np.meshgrid(self.x, self.y)
        lon, lat = self.to_lonlat(x, y)
        return _frozen(lon), _frozen(lat)

    @cached_property
    def area(self) -> np.ndarray:
        """(ny, nx) float64 true cell areas, m2 on WGS84."""
        if self.is_geographic:
            # rectangles in the plane; outlines of a global 0.1 degree grid would take gigabytes
            sides = np.diff(easting(self.x_edges, self.central_longitude))
            return _frozen(np.diff(northing(self.y_edges))[:, None] * sides)
        rings = self.rings()
        x, y = rings[..., 0], rings[..., 1]
        # shoelace about each ring's first point, so that large coordinates do not cost digits
        x, y = x - x[:, :1], y - y[:, :1]
        area = 0.5 * np.abs(np.sum(x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y, axis=1))
        return _frozen(area.reshape(self.shape))

    def to_lonlat(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return longitude and latitude (degrees) of points in the grid's CRS."""
        if self.is_geographic:
            return np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        lon, lat = transformer(self.crs, "EPSG:4326").transform(x, y)
        return lon, lat

    def from_lonlat(self, lon: Any, lat: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return grid coordinates of points given by longitude and latitude (degrees)."""
        if self.is_geographic:
            return np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
        x, y = transformer("EPSG:4326", self.crs).transform(lon, lat)
        return np.asarray(x), np.asarray(y)

    def locate(self, lon: Any, lat: Any) -> np.ndarray:
        """Return the flat cell index of each point, -1 outside the grid.

        A point on a side shared by two cells belongs to the one east or north of it. Longitudes are turned to suit a
        lon-lat grid.
        """
        x, y = self.from_lonlat(np.atleast_1d(lon), np.atleast_1d(lat))
        if self.is_geographic:
            x = x - 360.0 * np.floor((x - self.x_edges[0]) / 360.0)
        column = np.searchsorted(self.x_edges, x, side="right") - 1
        row = np.searchsorted(self.y_edges, y, side="right") - 1
        inside = (column >= 0) & (column < self.nx) & (row >= 0) & (row < self.ny)
        return np.where(inside, row * self.nx + column, -1)

    def rings(
        self,
        lon_0: float | None = None,
        origin: tuple[float, float] = (0.0, 0.0),
        rows: np.ndarray | None = None,
        columns: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return every cell's outline in the equal-area plane.

        Parameters
        ----------
        lon_0
            Central longitude of the plane, degrees; the grid's own centre when not given. Each cell is moved as a
            whole, by whole turns, to lie within 180 degrees of it.
        origin
            Subtracted from the coordinates, m; overlaps use a near one to keep digits.
        rows, columns
            Indices of the rows and columns wanted; all when not given.

        Returns
        -------
        (rows * columns, 4 * points, 2) float64, m, counter-clockwise, not closed

        Raises
        ------
        GridError
            When a cell lies outside the CRS's domain or holds a pole.
        """
        lon_0 = self.central_longitude if lon_0 is None else lon_0
        rows = np.arange(self.ny) if rows is None else rows
        columns = np.arange(self.nx) if columns is None else columns
        side = np.linspace(0.0, 1.0, _POINTS_PER_SIDE, endpoint=False)
        ones = np.ones_like(side)
        # counter-clockwise round the unit cell: south, east, north, west
        u = np.concatenate([side, ones, 1 - side, 0 * ones])
        v = np.concatenate([0 * ones, side, ones, 1 - side])
        shape = (len(rows), len(columns), u.size)
        gx = np.broadcast_to(_along(self.x_edges, columns, u)[None, :, :], shape)
        gy = np.broadcast_to(_along(self.y_edges, rows, v)[:, None, :], shape)
        lon, lat = self.to_lonlat(gx, gy)
        if not self.is_geographic:
            # a cell is kept whole even where its longitudes jump from 180 to -180
            lon = near(lon, lon[..., :1])
        self._check_rings(lon, lat)
        middle = 0.5 * (lon.min(axis=-1, keepdims=True) + lon.max(axis=-1, keepdims=True))
        lon = lon + (near(middle, lon_0) - middle)
        ring = np.stack([easting(lon, lon_0) - origin[0], northing(lat) - origin[1]], axis=-1)
        return ring.reshape(-1, u.size, 2)

    def _check_rings(self, lon: np.ndarray, lat: np.ndarray) -> None:
        """Raise unless the outlines are finite and hold no pole."""
        self.require_finite(lon)
        # an outline round a pole jumps by more than half a turn somewhere
        jumps = np.abs(np.roll(lon, -1, axis=-1) - lon) > 180.0
        if not self.is_geographic and (np.any(jumps) or np.any(np.abs(lat) > 90 - 1e-9)):
            raise GridError(
                "no cell of a projected grid may hold a pole",
                got=self.crs,
                remedy="leave the pole out of the grid",
                where="grid",
            )

    def require_finite(self, lon: np.ndarray) -> None:
        """Raise GridError unless longitudes made by `to_lonlat` exist: the cells lie where the CRS is defined."""
        if not np.all(np.isfinite(lon)):
            raise GridError(
                "every cell must lie in the domain of the CRS",
                got=f"x {self.x_edges[[0, -1]].tolist()}, y {self.y_edges[[0, -1]].tolist()}",
                remedy="take a smaller grid or another CRS",
                where="grid",
            )

    @property
    def central_longitude(self) -> float:
        """Longitude of the middle of the grid, degrees."""
        return self.plane[0]

    @cached_property
    def plane(self) -> tuple[float, tuple[float, float]]:
        """The equal-area plane about the middle of the grid: central longitude, degrees, and origin, m."""
        middle = (np.array([0.5 * (edges[0] + edges[-1])]) for edges in (self.x_edges, self.y_edges))
        lon, lat = self.to_lonlat(*middle)
        self.require_finite(lon)
        return float(lon[0]), (0.0, float(northing(lat)[0]))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grid):
            return NotImplemented
        return (
            np.array_equal(self.x_edges, other.x_edges)
            and np.array_equal(self.y_edges, other.y_edges)
            and bool(pyproj.CRS(self.crs) == pyproj.CRS(other.crs))
        )

    def __hash__(self) -> int:
        # of the edges only: one CRS may be written in two ways, and equal grids must hash alike
        return hash((self.x_edges.tobytes(), self.y_edges.tobytes()))

    def require_match(self, other: Grid, *, where: str) -> None:
        """Raise unless `other`, read from a file, is this grid to within the rounding of float32 coordinates.

        Raises
        ------
        CoordinateError
            Naming the CRS, the number of cells, or the axis and the largest distance.
        """
        # any two lon-lat systems match: files seldom name their datum
        if not (self.is_geographic and other.is_geographic) and pyproj.CRS(self.crs) != pyproj.CRS(other.crs):
            raise CoordinateError(
                "the file's CRS must be the domain's",
                got=other.crs,
                remedy=f"the domain has {self.crs}; change [grid] or regrid the file",
                where=where,
            )
        if self.shape != other.shape:
            raise CoordinateError(
                "the file's grid must be the domain's",
                got=f"{other.shape} cells (y, x)",
                remedy=f"the domain has {self.shape}; change [grid] or regrid the file",
                where=where,
            )
        for axis, mine, theirs in (("x", self.x_edges, other.x_edges), ("y", self.y_edges, other.y_edges)):
            worst = float(np.max(np.abs(mine - theirs)))
            if worst > REGULAR * 2 * float(np.min(np.diff(mine))):
                raise CoordinateError(
                    f"the file's {axis} cells must be the domain's",
                    got=f"edges off by {worst:.6g}",
                    remedy="change [grid] or regrid the file",
                    where=where,
                )

    def coordinates(self) -> dict[str, Any]:
        """Return xarray coordinates with CF attributes, including the `crs` grid-mapping variable."""
        geographic = self.is_geographic
        names = ("longitude", "latitude") if geographic else ("projection_x_coordinate", "projection_y_coordinate")
        units = ("degrees_east", "degrees_north") if geographic else ("m", "m")
        coords: dict[str, Any] = {
            "x": (
                "x",
                self.x,
                {"standard_name": names[0], "units": units[0], "axis": "X", "bounds": "x_bounds"},
            ),
            "y": (
                "y",
                self.y,
                {"standard_name": names[1], "units": units[1], "axis": "Y", "bounds": "y_bounds"},
            ),
            "x_bounds": (("x", "edge"), np.stack([self.x_edges[:-1], self.x_edges[1:]], axis=1)),
            "y_bounds": (("y", "edge"), np.stack([self.y_edges[:-1], self.y_edges[1:]], axis=1)),
            "crs": ((), np.int32(0), {**pyproj.CRS(self.crs).to_cf(), "tianyan_crs": self.crs}),
        }
        if not geographic:
            lon, lat = self.lonlat
            coords["lon"] = (("y", "x"), lon, {"standard_name": "longitude", "units": "degrees_east"})
            coords["lat"] = (("y", "x"), lat, {"standard_name": "latitude", "units": "degrees_north"})
        return coords

    @classmethod
    def from_dataset(cls, dataset: xr.Dataset) -> Grid:
        """Return the grid that `coordinates` wrote.

        Raises
        ------
        GridError
            When the dataset has no `crs` variable of ours or no bounds.
        """
        try:
            crs = str(dataset["crs"].attrs["tianyan_crs"])
            x, y = dataset["x_bounds"].values, dataset["y_bounds"].values
        except KeyError as error:
            raise GridError(
                "the dataset must carry its grid",
                got=str(error),
                remedy="use Grid.coordinates() when making it",
            ) from error
        return cls(crs, np.append(x[:, 0], x[-1, 1]), np.append(y[:, 0], y[-1, 1]))


def _frozen(values: np.ndarray) -> np.ndarray:
    values.setflags(write=False)
    return values


def _along(edges: np.ndarray, cells: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Return (cells, points) positions at a share of each cell's width."""
    low, high = edges[:-1][cells, None], edges[1:][cells, None]
    # an exact corner is the neighbour's exact corner, so shared sides coincide to the last bit
    return np.where(share == 1.0, high, low + (high - low) * share)


@lru_cache(maxsize=32)
def transformer(source: str, target: str) -> pyproj.Transformer:
    """Return the transformation of (x, y) or (lon, lat) between two CRSs; kept, since PROJ takes 6 ms to make one."""
    return pyproj.Transformer.from_crs(source, target, always_xy=True)
