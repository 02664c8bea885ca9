"""Where WRF's mass points are: the CRS of a file's attributes and the regular grid its positions must lie on.

The earth is a sphere to WRF, but terrain and analyses enter it by their WGS84 latitude and longitude, unconverted. The
CRS is therefore on the sphere while its longitudes and latitudes are read as WGS84 numbers; turning them from sphere to
ellipsoid would move the grid by up to 20 km.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.errors import CoordinateError, FormatError
from pipeline.grid.definition import Grid, transformer

#: radius of WRF's sphere, m (share/module_model_constants.F)
EARTH_RADIUS = 6.370e6
#: largest distance of a centre from its place in a regular grid, as a share of the cell
REGULAR_SHARE = 0.01

_LON_LAT = "EPSG:4326"


def wrf_crs(attrs: Mapping[str, Any], *, where: str) -> str:
    """Return the CRS of a file's global attributes, as Grid takes it.

    Parameters
    ----------
    attrs
        MAP_PROJ and what it needs of TRUELAT1, TRUELAT2, STAND_LON, MOAD_CEN_LAT, CEN_LON, POLE_LAT.

    Raises
    ------
    FormatError
        Naming an attribute that is missing.
    CoordinateError
        For another projection, or a rotated pole.
    """

    def number(name: str) -> float:
        if name not in attrs:
            raise FormatError(f"the attribute {name} must be present", remedy="give a wrfout file", where=where)
        # the shortest text that is this float32: attributes are single precision
        return float(str(np.float32(attrs[name])))

    projection, end = int(number("MAP_PROJ")), f"+R={EARTH_RADIUS:.0f} +units=m +no_defs"
    if projection == 1:
        parallels = f"+lat_1={number('TRUELAT1')} +lat_2={number('TRUELAT2')}"
        return f"+proj=lcc {parallels} +lat_0={number('MOAD_CEN_LAT')} +lon_0={number('STAND_LON')} {end}"
    if projection == 2:
        true = number("TRUELAT1")
        return f"+proj=stere +lat_0={np.copysign(90, true):g} +lat_ts={true} +lon_0={number('STAND_LON')} {end}"
    if projection == 3:
        # any meridian will do, so the domain's own: it cannot then lie across the map's cut
        return f"+proj=merc +lat_ts={number('TRUELAT1')} +lon_0={number('CEN_LON')} {end}"
    if projection == 6 and number("POLE_LAT") == 90:
        return _LON_LAT
    raise CoordinateError(
        "MAP_PROJ must be 1 (Lambert), 2 (polar stereographic), 3 (Mercator) or 6 with POLE_LAT 90 (lon-lat)",
        got=f"MAP_PROJ {projection}, POLE_LAT {attrs.get('POLE_LAT')}",
        remedy="regrid it to one of these",
        where=where,
    )


def wrf_grid(lon: np.ndarray, lat: np.ndarray, attrs: Mapping[str, Any], *, where: str) -> Grid:
    """Return the grid of the mass points.

    Parameters
    ----------
    lon, lat : (y, x)
        XLONG and XLAT, degrees.
    attrs
        The file's global attributes: those of `wrf_crs`, and DX and DY (m) unless the grid is lon-lat.

    Raises
    ------
    CoordinateError
        When the positions leave the grid of the attributes by more than `REGULAR_SHARE` of a cell, with the number;
        and as `wrf_crs`.
    FormatError
        As `wrf_crs`.
    """
    crs = wrf_crs(attrs, where=where)
    if crs == _LON_LAT:
        x, y = np.unwrap(lon, period=360.0), lat
        # DX is in metres there; the step in degrees is the positions' own
        steps = (float(np.diff(x, axis=1).mean()), float(np.diff(y, axis=0).mean()))
    else:
        missing = [name for name in ("DX", "DY") if name not in attrs]
        if missing:
            raise FormatError(f"the attribute {missing[0]} must be present", remedy="give a wrfout file", where=where)
        x, y = transformer(_LON_LAT, crs).transform(lon, lat)
        steps = (float(attrs["DX"]), float(attrs["DY"]))
    return Grid(crs, _edges(x, steps[0], "x", where), _edges(y.T, steps[1], "y", where))


def _edges(places: np.ndarray, step: float, axis: str, where: str) -> np.ndarray:
    """Return the edges of (other axis, axis) positions, all of which must lie near start + step * index."""
    index = np.arange(places.shape[1])
    start = float(np.mean(places - step * index))
    worst = float(np.max(np.abs(places - start - step * index))) / abs(step)
    if not worst <= REGULAR_SHARE:
        raise CoordinateError(
            f"XLONG and XLAT must lie on the projected grid within {REGULAR_SHARE:g} of a cell",
            got=f"{worst:.3g} of the step {step:g} in {axis}",
            remedy="check MAP_PROJ, TRUELAT1, TRUELAT2, STAND_LON, DX and DY",
            where=where,
        )
    return start + step * (np.arange(places.shape[1] + 1) - 0.5)
