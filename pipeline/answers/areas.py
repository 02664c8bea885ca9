"""Areas as people name them: a region by id or name, in Chinese or English, a polygon, a file of polygons, a box."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import shapely.geometry

from pipeline.errors import InputError
from pipeline.grid import file_area

#: endings of names that people leave out: 杭州 for 杭州市
_ENDINGS = ("市", "省", "区", "县", " City", " Province", " District", " County")
#: regions listed when a name is unknown
_LISTED = 8
#: what shapely and we raise for what is no GeoJSON, or numbers too large
_WRONG = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)
#: corners a polygon may have
MOST_POINTS = 100_000


@dataclass(frozen=True)
class RegionTable:
    """The declared regions of a store.

    Parameters
    ----------
    ids, names, names_en, levels
        One text per region; an unknown English name is empty.
    areas : (region,) float64
        Inside the grid, m2.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    names_en: tuple[str, ...]
    levels: tuple[str, ...]
    areas: np.ndarray

    def place(self, name: str) -> int:
        """Return the place of a region by its id or name.

        Raises
        ------
        InputError
            For a name that no region has, or several have, with the nearest ones.
        """
        for told in (self.ids, self.names, self.names_en):
            found = [at for at, known in enumerate(told) if known and _plain(known) == _plain(name)]
            if len(found) == 1:
                return found[0]
            if found:
                ids = [f"{self.ids[at]} ({self.levels[at]})" for at in found]
                raise InputError(
                    "a name must be that of one region",
                    got=name,
                    remedy=f"give its id: {', '.join(ids)}",
                    where="region",
                )
        raise InputError("the region must be one of the store's", got=name, remedy=self._remedy(name), where="region")

    def at_level(self, level: str) -> list[int]:
        """Return the places of the regions of a level.

        Raises
        ------
        InputError
            When there is none.
        """
        found = [at for at, known in enumerate(self.levels) if known == level]
        if not found:
            raise InputError(
                "the level must be one of the store's",
                got=level,
                remedy=f"it has {', '.join(dict.fromkeys(self.levels)) or 'no regions'}",
                where="level",
            )
        return found

    def _remedy(self, name: str) -> str:
        if not self.ids:
            return "the store has no regions: give a polygon or a box"
        words = {_plain(word): at for told in (self.names_en, self.names, self.ids) for at, word in enumerate(told)}
        near = difflib.get_close_matches(_plain(name), [word for word in words if word], n=3, cutoff=0.5)
        near += [word for word in words if word and _plain(name) and _plain(name) in word and word not in near]
        places = list(dict.fromkeys(words[word] for word in near))[:_LISTED]
        if places:
            return f"did you mean {', '.join(self._label(at) for at in places)}?"
        more = " ..." if len(self.ids) > _LISTED else ""
        return f"known are {', '.join(self._label(at) for at in range(min(_LISTED, len(self.ids))))}{more}"

    def _label(self, at: int) -> str:
        names = " ".join(filter(None, (self.names[at], self.names_en[at])))
        return f"{self.ids[at]} ({names})" if names and names != self.ids[at] else self.ids[at]


@dataclass(frozen=True, eq=False)
class Area:
    """An area that is asked for; without a region, a polygon and a point it is the whole grid.

    Parameters
    ----------
    name
        What answers call it.
    region
        Place of a declared region; None for another.
    polygon
        In longitude and latitude (degrees, WGS84); None for another.
    point
        Longitude and latitude of the cell that is meant, degrees; None for another.
    """

    name: str
    region: int | None = None
    polygon: shapely.Geometry | None = None
    point: tuple[float, float] | None = None


#: all cells
GRID = Area("grid")


def area_of(asked: Any, regions: RegionTable) -> Area:
    """Return the area that was asked for.

    Parameters
    ----------
    asked
        Id or name of a region; a polygon of shapely, or GeoJSON as a dict (geometry, feature or collection); the path
        of a file of polygons; or (west, east, south, north), or (longitude, latitude) of a cell, in degrees.
    regions
        Those of the store.

    Raises
    ------
    InputError
        For what is no area.
    """
    if isinstance(asked, Area):
        return asked
    if isinstance(asked, shapely.Geometry):
        return Area("polygon", polygon=checked_polygon(asked))
    if isinstance(asked, Mapping):
        return Area("polygon", polygon=checked_polygon(_of_geojson(asked)))
    if isinstance(asked, Path):
        return Area(asked.stem, polygon=checked_polygon(file_area(asked)))
    if isinstance(asked, str):
        at = regions.place(asked)
        return Area(regions.ids[at], region=at)
    if isinstance(asked, Sequence | np.ndarray) and len(asked) in (2, 4):
        return _of_numbers(asked)
    raise InputError(
        "an area must be a region, a polygon, a box or a point",
        got=type(asked).__name__,
        remedy="give a name, a shapely polygon, GeoJSON, a path, (west, east, south, north) or (longitude, latitude)",
        where="region",
    )


def _of_numbers(asked: Sequence[float] | np.ndarray) -> Area:
    """Return a box of four numbers, or the cell of two."""
    if len(asked) == 4:
        west, east, south, north = box_of(asked)
        return Area(f"box {west:g},{east:g},{south:g},{north:g}", polygon=shapely.box(west, south, east, north))
    lon, lat = point_of(asked)
    return Area(f"cell {lon:g},{lat:g}", point=(lon, lat))


def box_of(numbers: Sequence[float] | np.ndarray | str, where: str = "box") -> tuple[float, float, float, float]:
    """Return west, east, south and north of a rectangle of meridians and parallels, degrees.

    Raises
    ------
    InputError
        When it is no such four numbers.

    Examples
    --------
    >>> box_of("118,120,28,30")
    (118.0, 120.0, 28.0, 30.0)
    """
    west, east, south, north = _floats(numbers, 4)
    if not (-360 <= west < east <= 360 and -90 <= south < north <= 90):
        raise InputError(
            "a box must be west, east, south, north in degrees, west before east and south before north",
            got=numbers,
            remedy="write it as 118,120,28,30",
            where=where,
        )
    return west, east, south, north


def point_of(numbers: Sequence[float] | np.ndarray | str, where: str = "point") -> tuple[float, float]:
    """Return longitude and latitude of a place, degrees.

    Raises
    ------
    InputError
        When it is no such two numbers.

    Examples
    --------
    >>> point_of("120.15,30.25")
    (120.15, 30.25)
    """
    lon, lat = _floats(numbers, 2)
    if not (-360 <= lon <= 360 and -90 <= lat <= 90):
        raise InputError(
            "a point must be longitude and latitude in degrees", got=numbers, remedy="write 120.15,30.25", where=where
        )
    return lon, lat


def _floats(numbers: Sequence[float] | np.ndarray | str, count: int) -> list[float]:
    """Return so many numbers; NaN, which no bound holds, when there are others."""
    try:
        found = [float(n) for n in (numbers.split(",") if isinstance(numbers, str) else numbers)]
    except (ValueError, TypeError):
        found = []
    return found if len(found) == count else [np.nan] * count


def checked_polygon(polygon: shapely.Geometry) -> shapely.Geometry:
    """Return a polygon that has an area on the globe.

    Raises
    ------
    InputError
        For another kind of geometry, an empty one, one that crosses itself, one with too many corners, or coordinates
        that are not degrees.
    """
    if polygon.geom_type not in ("Polygon", "MultiPolygon") or polygon.is_empty:
        raise InputError(
            "an area that is asked for must have an area",
            got=f"{'an empty ' if polygon.is_empty else ''}{polygon.geom_type}",
            remedy="give a polygon with three corners or more",
            where="polygon",
        )
    count = int(shapely.get_num_coordinates(polygon))
    if count > MOST_POINTS:
        raise InputError(
            f"a polygon may have {MOST_POINTS} corners",
            got=count,
            remedy="simplify it: cells are kilometres wide (shapely.simplify)",
            where="polygon",
        )
    corners = shapely.get_coordinates(polygon)
    if not np.isfinite(corners).all() or (np.abs(corners) > (360.0, 90.0)).any():
        worst = corners[np.argmax((~np.isfinite(corners) | (np.abs(corners) > (360.0, 90.0))).any(axis=1))]
        raise InputError(
            "corners must be longitude and latitude in degrees (WGS84)",
            got=worst.tolist(),
            remedy="turn it to EPSG:4326, longitude first",
            where="polygon",
        )
    if not shapely.is_valid(polygon):
        raise InputError(
            "a polygon must not cross itself",
            got=shapely.is_valid_reason(polygon),
            remedy="draw it anew, or repair it (shapely.make_valid)",
            where="polygon",
        )
    return polygon


def _of_geojson(given: Mapping[str, Any]) -> shapely.Geometry:
    """Return the union of the polygons of GeoJSON."""
    _require_wgs84(given)
    kind = given.get("type")
    try:
        if kind == "FeatureCollection":
            parts = [_geometry(feature["geometry"]) for feature in given["features"]]
        elif kind == "Feature":
            parts = [_geometry(given["geometry"])]
        else:
            parts = [_geometry(given)]
    except InputError:
        raise
    except (*_WRONG, shapely.errors.ShapelyError) as error:
        raise InputError(
            "a polygon must be GeoJSON (RFC 7946)",
            got=f"{type(error).__name__}: {error}",
            remedy='for example {"type": "Polygon", "coordinates": [[[120, 30], [121, 30], [121, 31], [120, 30]]]}',
            where="polygon",
        ) from error
    if not parts:
        raise InputError("the collection must hold a polygon", got="none", remedy="draw one", where="polygon")
    if len(parts) == 1:
        return parts[0]
    return shapely.union_all([checked_polygon(part) for part in parts])


def _geometry(given: Any) -> shapely.Geometry:
    found = shapely.geometry.shape(given)
    return shapely.force_2d(found)


def _require_wgs84(given: Mapping[str, Any]) -> None:
    """GeoJSON is in WGS84; files of before 2016 may name another CRS."""
    crs = given.get("crs")
    if crs is None:
        return
    name = str(crs.get("properties", {}).get("name", "")) if isinstance(crs, Mapping) else str(crs)
    if not name.upper().endswith(("CRS84", "EPSG::4326", "EPSG:4326")):
        raise InputError(
            "GeoJSON must be in longitude and latitude (WGS84)",
            got=name,
            remedy="turn it to EPSG:4326 (ogr2ogr -t_srs EPSG:4326), or give it as a file, which is turned by itself",
            where="polygon",
        )


def _plain(name: str) -> str:
    """Return a name as it is compared: without the kind of unit at its end, case and spaces.

    Examples
    --------
    >>> _plain("杭州市") == _plain("杭州"), _plain("Hangzhou City") == _plain("hangzhou")
    (True, True)
    """
    for ending in _ENDINGS:
        if name.endswith(ending) and len(name) > len(ending) + 1:
            name = name.removesuffix(ending)
            break
    return name.casefold().replace(" ", "").replace("'", "")
