"""Which coordinate reference systems a grid may have."""

from __future__ import annotations

from functools import lru_cache

import pyproj

from pipeline.errors import GridError


@lru_cache(maxsize=64)
def is_geographic(text: str) -> bool:
    """Return whether a CRS is one of longitude and latitude."""
    return bool(pyproj.CRS(text).is_geographic)


def require_crs(text: str) -> None:
    """Raise unless the text names a CRS whose coordinates are what a grid takes them for.

    Raises
    ------
    GridError
        For a CRS unknown to PROJ, or one that is neither longitude and latitude from Greenwich in degrees (a rotated
        pole is not) nor projected in metres.
    """
    try:
        crs = pyproj.CRS(text)
    except pyproj.exceptions.CRSError as error:
        raise GridError(
            "the CRS must be known to PROJ", got=text, remedy="give an EPSG code or a PROJ string", where="grid.crs"
        ) from error
    units = {axis.unit_name for axis in crs.axis_info[:2]}
    meridian = crs.prime_meridian
    lonlat = crs.is_geographic and not crs.is_derived and meridian is not None and meridian.longitude == 0
    if not (lonlat and units == {"degree"}) and not (crs.is_projected and units == {"metre"}):
        raise GridError(
            "the CRS must be longitude and latitude in degrees, or projected in metres",
            got=f"{text} ({crs.type_name}, {', '.join(sorted(units))})",
            remedy="regrid to such a CRS",
            where="grid.crs",
        )
