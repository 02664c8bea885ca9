"""Regions from polygon files: GeoJSON, shapefile, GeoPackage, or anything GDAL reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyogrio
import pyproj
import shapely

from pipeline.errors import CoordinateError, FormatError, InputError
from pipeline.grid.definition import Grid
from pipeline.grid.regions import LONGEST_EDGE, Regions, densify, regions_from_polygons

# edges are straight in the file's CRS: a projected one gets points every 5 km before it is turned to lon-lat
_LONGEST_EDGE_PROJECTED = 5000.0


def file_regions(path: Path, grid: Grid, id_field: str, name_field: str | None = None) -> Regions:
    """Return the polygons of a file as regions of level "file".

    Parameters
    ----------
    path
        The file; of a shapefile, the .shp beside its .dbf, .shx and .prj.
    grid
        The grid the fractions are for.
    id_field, name_field
        Attributes that hold ids and names; names are the ids when no field is given.

    Raises
    ------
    InputError
        FormatError for a file that cannot be read, CoordinateError for a missing CRS or coordinates off the globe,
        InputError for a missing attribute, an empty id, or a feature that is no polygon.
    GridError
        For an id used twice or a region wholly outside the grid.
    """
    fields = [id_field] if name_field is None else [id_field, name_field]
    crs, table, polygons = _read(path, fields)
    ids = [_text(value, path, id_field) for value in table[id_field]]
    names = ids if name_field is None else [_text(value, path, name_field) for value in table[name_field]]
    lonlat = _checked(path, ids, polygons, crs)
    return regions_from_polygons(grid, ids, names, [""] * len(ids), ["file"] * len(ids), lonlat)


def file_area(path: Path) -> shapely.Geometry:
    """Return the union of the polygons of a file, in longitude and latitude (degrees, WGS84).

    Parameters
    ----------
    path
        As for `file_regions`.

    Raises
    ------
    InputError
        As for `file_regions`, and for a file without polygons.
    """
    crs, _, polygons = _read(path, [])
    if len(polygons) == 0:
        raise InputError("the file must hold a polygon", got="none", remedy="draw one", where=path.name)
    names = [str(number) for number in range(1, len(polygons) + 1)]
    lonlat = _checked(path, names, polygons, crs)
    if len(lonlat) == 1:
        return lonlat[0]
    parts = shapely.get_parts(shapely.union_all([shapely.make_valid(polygon) for polygon in lonlat]))
    # polygons without area leave lines and points behind, or nothing: which is refused where an area is needed
    return shapely.MultiPolygon([part for part in parts if part.geom_type == "Polygon"])


def _checked(path: Path, ids: list[str], polygons: np.ndarray, crs: pyproj.CRS) -> list[shapely.Geometry]:
    """Return polygons in longitude and latitude; raise where one is none, or lies off the globe."""
    for name, polygon in zip(ids, polygons, strict=True):
        kind = None if polygon is None else polygon.geom_type
        if kind not in ("Polygon", "MultiPolygon"):
            raise InputError(
                "every feature must be a polygon", got=kind, remedy="remove that feature", where=f"{path.name}:{name}"
            )
        if polygon.is_empty:
            raise InputError(
                "a polygon must have an area", got="an empty one", remedy="draw it", where=f"{path.name}:{name}"
            )
    lonlat = _to_lonlat(polygons, crs)
    for name, polygon in zip(ids, lonlat, strict=True):
        _check_degrees(polygon, f"{path.name}:{name}")
    return lonlat


def _read(path: Path, fields: list[str]) -> tuple[pyproj.CRS, dict[str, np.ndarray], np.ndarray]:
    """Return the CRS, the wanted attributes and the geometries (None where a feature has none)."""
    if not path.exists():
        raise InputError("the region file must exist", got=str(path), remedy="check its path", where="regions")
    try:
        present = list(pyogrio.read_info(path)["fields"])
        missing = [field for field in fields if field not in present]
        if missing:
            raise InputError(
                "the attribute must be in the file",
                got=missing[0],
                remedy=f"it has {', '.join(map(str, present))}",
                where=path.name,
            )
        meta, _, wkb, columns = pyogrio.raw.read(path, columns=fields, force_2d=True)
    except UnicodeDecodeError as error:
        raise FormatError(
            "attributes must be in the encoding the file states",
            got=str(error),
            remedy="put the encoding's name (GBK, for example) in a .cpg file beside the .shp",
            where=path.name,
        ) from error
    except pyogrio.errors.DataSourceError as error:
        raise FormatError(
            "the file must be GeoJSON, a shapefile or a GeoPackage",
            got=str(error),
            remedy="fetch the file again, and every part of a shapefile with it",
            where=path.name,
        ) from error
    if meta["crs"] is None:
        raise CoordinateError(
            "the polygons must state their CRS",
            got="none",
            remedy="add the .prj file that belongs to the shapefile, or write the CRS with any GIS program",
            where=path.name,
        )
    table = dict(zip((str(field) for field in meta["fields"]), columns, strict=True))
    return pyproj.CRS(meta["crs"]), table, shapely.from_wkb(wkb)


def _text(value: object, path: Path, field: str) -> str:
    """Return an attribute as text; a whole number keeps no decimal point."""
    empty = value is None or (isinstance(value, float) and not np.isfinite(value)) or str(value).strip() == ""
    if empty:
        raise InputError(
            "every feature must have the attribute", got=value, remedy="fill it", where=f"{path.name}:{field}"
        )
    whole = isinstance(value, float) and value == int(value)
    return str(int(value)) if whole and isinstance(value, float) else str(value).strip()


def _to_lonlat(polygons: np.ndarray, crs: pyproj.CRS) -> list[shapely.Geometry]:
    """Return the polygons in longitude and latitude on WGS84."""
    longest = LONGEST_EDGE if crs.is_geographic else _LONGEST_EDGE_PROJECTED
    turn = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    return [
        shapely.transform(densify(polygon, longest), lambda c: np.stack(turn.transform(c[:, 0], c[:, 1]), axis=1))
        for polygon in polygons
    ]


def _check_degrees(polygon: shapely.Geometry, where: str) -> None:
    """Raise unless the polygon lies on the globe."""
    west, south, east, north = shapely.bounds(polygon)
    if not (-360 <= west <= east <= 360 and -90 <= south <= north <= 90):
        raise CoordinateError(
            "coordinates must be longitude in [-360, 360] and latitude in [-90, 90]",
            got=[float(v) for v in (west, south, east, north)],
            remedy="check the file's CRS, and whether longitude and latitude are swapped",
            where=where,
        )
