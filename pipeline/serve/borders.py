"""Borders of the declared regions, for maps on a screen: as surveyed where they are Zhejiang's, else as the grid has
them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import rasterio.features
import shapely

from pipeline.answers import Source
from pipeline.errors import ConfigError
from pipeline.grid import Grid, read_division, zhejiang_divisions

#: how far a border may be moved to have fewer corners, degrees: a quarter of a cell
_MOVED = 0.008
#: digits of a degree: a metre
_DIGITS = 5


def borders(source: Source, level: str) -> dict[str, Any]:
    """Return the regions of a level as GeoJSON, WGS84, with id, name, name_en and level.

    Parameters
    ----------
    source
        Whose regions.
    level
        One of its levels.

    Raises
    ------
    InputError
        When it has no such level.
    """
    regions = source.regions
    places = regions.at_level(level)
    known = _surveyed(level)
    if all(regions.ids[at] in known for at in places):
        shapes = [known[regions.ids[at]] for at in places]
    else:
        shares = source.fractions()
        shapes = [_traced(source.grid, np.asarray(shares[[at]].todense()).reshape(source.grid.shape)) for at in places]
    features = [
        {
            "type": "Feature",
            "id": regions.ids[at],
            "properties": {
                "id": regions.ids[at],
                "name": regions.names[at],
                "name_en": regions.names_en[at],
                "level": level,
            },
            "geometry": _geojson(shape),
        }
        for at, shape in zip(places, shapes, strict=True)
    ]
    return {"type": "FeatureCollection", "features": features}


@lru_cache(maxsize=8)
def _surveyed(level: str) -> dict[str, shapely.Geometry]:
    """Return Zhejiang's divisions of a level by their code; none where their package is not installed."""
    try:
        divisions = zhejiang_divisions(level)
    except ConfigError:
        return {}
    # together, so that neighbours keep one border
    shapes = shapely.coverage_simplify([read_division(one) for one in divisions], _MOVED)
    return {one.id: shape for one, shape in zip(divisions, shapes, strict=True)}


def _traced(grid: Grid, share: np.ndarray) -> shapely.Geometry:
    """Return the cells of which a region has half or more as a polygon; its fullest cell when it has none."""
    inside = share >= min(0.5, float(share.max()))
    dx, dy = (float(edges[1] - edges[0]) for edges in (grid.x_edges, grid.y_edges))
    transform = rasterio.Affine(dx, 0.0, float(grid.x_edges[0]), 0.0, dy, float(grid.y_edges[0]))
    found = rasterio.features.shapes(inside.astype(np.uint8), mask=inside, transform=transform)
    outline = shapely.union_all([shapely.geometry.shape(shape) for shape, _ in found])
    return shapely.transform(outline, lambda c: np.stack(grid.to_lonlat(c[:, 0], c[:, 1]), axis=1))


def _geojson(shape: shapely.Geometry) -> dict[str, Any]:
    """Return a geometry as GeoJSON, its corners to a metre."""
    told = shapely.geometry.mapping(shape)
    return {"type": told["type"], "coordinates": _short(told["coordinates"])}


def _short(numbers: Any) -> Any:
    if isinstance(numbers, float):
        return round(numbers, _DIGITS)
    return [_short(one) for one in numbers]
