"""The grid: a frozen value of a CRS and two rows of cell edges.

Areas are true areas on the WGS84 ellipsoid. They are computed, like every overlap, in one equal-area plane
(cylindrical equal-area on the ellipsoid, Snyder 1987 eq. 10-14 ff.), with cell sides densified, so that areas,
regridding and region fractions agree to rounding error.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyproj
import xarray as xr

from pipeline.errors import CoordinateError, GridError

#: points per cell side between corners; 4 keeps the area of a 3 km Lambert cell to 1e-9
_POINTS_PER_SIDE = 4
#: edges are taken as regular within this share of a cell (float32 coordinates of 1e7 m or 180 degrees)
_REGULAR = 2e-3


@dataclass(frozen=True, eq=False)
class Grid:
    """A rectilinear grid in any CRS, compared by value.

    Parameters
    ----------
    crs
        Anything pyproj accepts; kept as given. "EPSG:4326" makes a regular lon-lat grid with x = longitude.
    x_edges : (nx + 1,) float64
        Cell edges, ascending, in the CRS's unit (m or degrees).
    y_edges : (ny + 1,) float64
        Cell edges, ascending.

    Raises
    ------
    GridError
        For an unknown CRS, fewer than one cell, edges that are not finite and ascending, or a lon-lat grid that
        leaves [-90, 90] or spans more than 360 degrees.

    Examples
    --------
    >>> grid = Grid.from_centres("EPSG:4326", np.arange(118.05, 123, 0.1), np.arange(27.05, 31.5, 0.1))
    >>> grid.shape
    (45, 50)
    >>> round(float(grid.area.sum()) / 1e9)  # km2 / 1000
    238
    """

    crs: str
    x_edges: np.ndarray
    y_edges: np.ndarray

    def __post_init__(self) -> None:
        try:
            pyproj.CRS(self.crs)
        except pyproj.exceptions.CRSError as error:
            raise GridError(
                "the CRS must be known to PROJ",
                got=self.crs,
                remedy="give an EPSG code or a PROJ string",
                where="grid.crs",
            ) from error
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

        Raises
        ------
        CoordinateError
            When an axis has fewer than two centres or uneven steps (missing rows, Gaussian latitudes).
        """
        return cls(crs, _edges(x, "x"), _edges(y, "y"))

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
        return bool(pyproj.CRS(self.crs).is_geographic)

    @cached_property
    def x(self) -> np.ndarray:
        """(nx,) float64 cell centres."""
        return 0.5 * (self.x_edges[:-1] + self.x_edges[1:])

    @cached_property
    def y(self) -> np.ndarray:
        """(ny,) float64 cell centres."""
        return 0.5 * (self.y_edges[:-1] + self.y_edges[1:])

    @cached_property
    def lonlat(self) -> tuple[np.ndarray, np.ndarray]:
        """Longitude and latitude of the centres, (ny, nx) float64 each, degrees."""
        x, y = np.meshgrid(self.x, self.y)
        if self.is_geographic:
            return x, y
        lon, lat = self.to_lonlat(x, y)
        return lon, lat

    @cached_property
    def area(self) -> np.ndarray:
        """(ny, nx) float64 true cell areas, m2 on WGS84."""
        rings = self.rings()
        x, y = rings[..., 0], rings[..., 1]
        # shoelace about each ring's first point, so that large coordinates do not cost digits
        x, y = x - x[:, :1], y - y[:, :1]
        area = 0.5 * np.abs(np.sum(x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y, axis=1))
        return area.reshape(self.shape)

    def to_lonlat(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return longitude and latitude (degrees) of points in the grid's CRS."""
        if self.is_geographic:
            return np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        lon, lat = _transformer(self.crs, "EPSG:4326").transform(x, y)
        return lon, lat

    def from_lonlat(self, lon: Any, lat: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return grid coordinates of points given by longitude and latitude (degrees)."""
        if self.is_geographic:
            return np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64)
        x, y = _transformer("EPSG:4326", self.crs).transform(lon, lat)
        return np.asarray(x), np.asarray(y)

    def locate(self, lon: Any, lat: Any) -> np.ndarray:
        """Return the flat cell index of each point, -1 outside the grid."""
        x, y = self.from_lonlat(np.atleast_1d(lon), np.atleast_1d(lat))
        column = np.searchsorted(self.x_edges, x, side="right") - 1
        row = np.searchsorted(self.y_edges, y, side="right") - 1
        inside = (column >= 0) & (column < self.nx) & (row >= 0) & (row < self.ny)
        return np.where(inside, row * self.nx + column, -1)

    def rings(self, lon_0: float | None = None, origin: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
        """Return every cell's outline in the equal-area plane.

        Parameters
        ----------
        lon_0
            Central longitude of the plane, degrees; the grid's own centre when not given. A geographic cell is moved
            by whole turns to lie within 180 degrees of it.
        origin
            Subtracted from the coordinates, m; overlaps use a near one to keep digits.

        Returns
        -------
        (ny * nx, 4 * points, 2) float64, m, counter-clockwise, not closed
        """
        if lon_0 is None:
            lon_0 = self.central_longitude
        side = np.linspace(0.0, 1.0, _POINTS_PER_SIDE, endpoint=False)
        ones = np.ones_like(side)
        # counter-clockwise round the unit cell: south, east, north, west
        u = np.concatenate([side, ones, 1 - side, 0 * ones])
        v = np.concatenate([0 * ones, side, ones, 1 - side])
        x0, dx = self.x_edges[:-1], np.diff(self.x_edges)
        y0, dy = self.y_edges[:-1], np.diff(self.y_edges)
        # an exact corner is the neighbour's exact corner, so shared sides coincide to the last bit
        x = np.where(u == 1.0, self.x_edges[1:, None], x0[:, None] + dx[:, None] * u)
        y = np.where(v == 1.0, self.y_edges[1:, None], y0[:, None] + dy[:, None] * v)
        gx = np.broadcast_to(x[None, :, :], (self.ny, self.nx, u.size))
        gy = np.broadcast_to(y[:, None, :], (self.ny, self.nx, u.size))
        lon, lat = self.to_lonlat(gx, gy)
        if self.is_geographic:
            centre = self.x[None, :, None]
            lon = lon - 360.0 * np.round((centre - lon_0) / 360.0)
            east, north = _equal_area_lonlat(lon, lat, lon_0)
        else:
            east, north = _equal_area_lonlat(_near(lon, lon_0), lat, lon_0)
        return np.stack([east - origin[0], north - origin[1]], axis=-1).reshape(self.size, u.size, 2)

    @property
    def central_longitude(self) -> float:
        """Longitude of the middle of the grid, degrees."""
        lon, _ = self.to_lonlat(
            np.array([0.5 * (self.x_edges[0] + self.x_edges[-1])]),
            np.array([0.5 * (self.y_edges[0] + self.y_edges[-1])]),
        )
        return float(lon[0])

    def digest(self) -> str:
        """Return a content digest: equal grids, equal digests."""
        text = pyproj.CRS(self.crs).to_wkt().encode()
        return hashlib.sha256(text + self.x_edges.tobytes() + self.y_edges.tobytes()).hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grid):
            return NotImplemented
        return (
            np.array_equal(self.x_edges, other.x_edges)
            and np.array_equal(self.y_edges, other.y_edges)
            and bool(pyproj.CRS(self.crs) == pyproj.CRS(other.crs))
        )

    def __hash__(self) -> int:
        return hash(self.digest())

    def require_match(self, other: Grid, *, where: str) -> None:
        """Raise unless `other`, read from a file, is this grid to within the rounding of float32 coordinates.

        Raises
        ------
        CoordinateError
            Naming the axis, the number of cells or the largest distance.
        """
        if self.shape != other.shape:
            raise CoordinateError(
                "the file's grid must be the domain's",
                got=f"{other.shape} cells (y, x)",
                remedy=f"the domain has {self.shape}; change [grid] or regrid the file",
                where=where,
            )
        for axis, mine, theirs in (("x", self.x_edges, other.x_edges), ("y", self.y_edges, other.y_edges)):
            worst = float(np.max(np.abs(mine - theirs)))
            if worst > _REGULAR * 2 * float(np.min(np.diff(mine))):
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


def lambert_grid(*, west: float, east: float, south: float, north: float, spacing: float, margin: float = 0.0) -> Grid:
    """Return a Lambert conformal grid of square cells that covers a lon-lat box with a margin.

    Parameters
    ----------
    west, east, south, north
        Box in degrees; standard parallels stand one sixth inside it (the rule of thumb of Snyder 1987, p. 104).
    spacing
        Cell side, m.
    margin
        Width added on every side, m.

    Examples
    --------
    >>> lambert_grid(west=118, east=123, south=27, north=31.5, spacing=3000.0, margin=15000.0).shape
    (178, 175)
    """
    sixth = (north - south) / 6
    lon_0, lat_0 = (west + east) / 2, (south + north) / 2
    crs = (
        f"+proj=lcc +lat_0={lat_0:g} +lon_0={lon_0:g} +lat_1={south + sixth:g} +lat_2={north - sixth:g}"
        " +datum=WGS84 +units=m"
    )
    # the box's outline, densified: parallels bend in the plane
    t = np.linspace(0, 1, 101)
    lon = np.concatenate(
        [west + (east - west) * t, np.full_like(t, east), west + (east - west) * t, np.full_like(t, west)]
    )
    lat = np.concatenate(
        [
            np.full_like(t, south),
            south + (north - south) * t,
            np.full_like(t, north),
            south + (north - south) * t,
        ]
    )
    x, y = _transformer("EPSG:4326", crs).transform(lon, lat)
    edges = [
        spacing * np.arange(np.floor((low - margin) / spacing), np.ceil((high + margin) / spacing) + 1)
        for low, high in ((x.min(), x.max()), (y.min(), y.max()))
    ]
    return Grid(crs, edges[0], edges[1])


def equal_area(
    lon: Any, lat: Any, lon_0: float, origin: tuple[float, float] = (0.0, 0.0)
) -> tuple[np.ndarray, np.ndarray]:
    """Return points in the equal-area plane about `lon_0`; longitudes turn to within 180 degrees of it."""
    east, north = _equal_area_lonlat(
        _near(np.asarray(lon, dtype=np.float64), lon_0), np.asarray(lat, dtype=np.float64), lon_0
    )
    return east - origin[0], north - origin[1]


def _near(lon: np.ndarray, lon_0: float) -> np.ndarray:
    return lon - 360.0 * np.round((lon - lon_0) / 360.0)


def _equal_area_lonlat(lon: np.ndarray, lat: np.ndarray, lon_0: float) -> tuple[np.ndarray, np.ndarray]:
    """Cylindrical equal-area on WGS84: x = a (lon - lon_0), y = a q / 2 (Snyder 1987, eqs. 10-14, 10-15, 3-12)."""
    a, f = 6378137.0, 1 / 298.257223563
    e2 = f * (2 - f)
    e = np.sqrt(e2)
    s = np.sin(np.radians(lat))
    q = (1 - e2) * (s / (1 - e2 * s * s) + np.arctanh(e * s) / e)
    return a * np.radians(lon - lon_0), 0.5 * a * q


def _transformer(source: str, target: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(source, target, always_xy=True)


def _edges(centres: Any, axis: str) -> np.ndarray:
    """Return ascending edges of evenly spaced centres."""
    values = np.asarray(centres, dtype=np.float64)
    if values.ndim != 1 or values.size < 2:
        raise CoordinateError(
            "an axis needs at least two centres in one row",
            got=values.shape,
            remedy="give edges instead",
            where=f"grid.{axis}",
        )
    if values[0] > values[-1]:
        values = values[::-1]
    step = (values[-1] - values[0]) / (values.size - 1)
    worst = float(np.max(np.abs(np.diff(values) - step))) if np.isfinite(step) else np.inf
    if not worst <= _REGULAR * step:
        raise CoordinateError(
            "centres must be evenly spaced",
            got=f"steps off by {worst:.4g} of {step:.6g}",
            remedy="give edges, or fill the missing rows",
            where=f"grid.{axis}",
        )
    return values[0] + step * (np.arange(values.size + 1) - 0.5)
