"""The domain's grid and regions, made from the settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.errors import ConfigError, GridError
from pipeline.grid.definition import Grid, transformer
from pipeline.grid.kept_regions import kept_regions
from pipeline.grid.region_files import file_regions
from pipeline.grid.regions import Regions, box_regions, merge_regions
from pipeline.grid.zhejiang import zhejiang_regions
from pipeline.settings import MOST_CELLS, GridSettings, RegionSettings


def grid_from_settings(settings: GridSettings) -> Grid:
    """Return the domain's grid.

    Raises
    ------
    GridError
        For an unknown CRS or cells that leave the globe.
    """
    if settings.crs is not None and settings.x is not None and settings.y is not None:
        x, y = settings.x, settings.y
        return Grid(settings.crs, _edges(x.first, x.step, x.count), _edges(y.first, y.step, y.count))
    if settings.box is None or settings.spacing is None:
        raise ConfigError(
            "the grid must be given by crs, x and y, or by box and spacing",
            remedy="add the missing keys",
            where="grid",
        )
    west, east, south, north = settings.box
    return lambert_grid(
        west=west, east=east, south=south, north=north, spacing=settings.spacing, margin=settings.margin
    )


def make_regions(settings: RegionSettings, grid: Grid, root: Path, *, cache: Path | None = None) -> Regions:
    """Return all regions of the settings: Zhejiang's divisions, then those of the file, then boxes; maybe none.

    Parameters
    ----------
    settings
        Section [regions].
    grid
        The domain's grid.
    root
        Folder that `settings.file` is relative to.
    cache
        Folder of regions that were made before; they are as if made now.

    Raises
    ------
    ConfigError
        When `file` is given without `id_field`, or the package of Zhejiang's boundaries is missing.
    GridError
        For an id used twice, or a region wholly outside the grid.
    """
    parts = []
    if settings.zhejiang:
        levels = settings.zhejiang
        parts.append(kept_regions(cache, ["zhejiang", levels], grid, lambda: zhejiang_regions(levels, grid)))
    if settings.file is not None:
        if settings.id_field is None:
            raise ConfigError(
                "a region file needs the attribute of its ids",
                got=settings.file,
                remedy="set regions.id_field",
                where="regions.file",
            )
        parts.append(file_regions(root / settings.file, grid, settings.id_field, settings.name_field))
    if settings.boxes:
        parts.append(box_regions(settings.boxes, grid))
    return merge_regions(parts, grid)


def _edges(first: float, step: float, count: int) -> np.ndarray:
    return first + step * (np.arange(count + 1) - 0.5)


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

    Raises
    ------
    GridError
        When one cell is larger than the box, or an axis would have more than `MOST_CELLS` cells.

    Examples
    --------
    >>> lambert_grid(west=118, east=123, south=27, north=31.5, spacing=3000.0, margin=15000.0).shape
    (178, 176)
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
    x, y = transformer("EPSG:4326", crs).transform(lon, lat)
    width = min(np.ptp(x), np.ptp(y))
    cells = (max(np.ptp(x), np.ptp(y)) + 2 * margin) / spacing
    if not (spacing <= width and cells <= MOST_CELLS):
        raise GridError(
            f"spacing must give at least one cell and at most {MOST_CELLS} along each side of the box",
            got=f"{spacing:g} m, {cells:.3g} cells along the longer side",
            remedy=f"the box is {np.ptp(x):.0f} m by {np.ptp(y):.0f} m, margin {margin:g} m; spacing is in metres",
            where="grid.spacing",
        )
    edges = [
        spacing * np.arange(np.floor((low - margin) / spacing), np.ceil((high + margin) / spacing) + 1)
        for low, high in ((x.min(), x.max()), (y.min(), y.max()))
    ]
    return Grid(crs, edges[0], edges[1])
