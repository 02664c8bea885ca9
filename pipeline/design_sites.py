"""Where a station might stand: candidates from a CSV file, or a regular raster of them over regions."""

from __future__ import annotations

import csv
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import CoordinateError, FormatError, InputError
from pipeline.grid import Grid, Regions
from station_meta import PRECISE_CLASSES

#: classes a candidate may have, and the station classes whose feeds tell its errors
KINDS: dict[str, tuple[str, ...]] = {
    "precise": PRECISE_CLASSES,
    "provincial": ("provincial",),
    "regional": ("regional",),
    "city": ("city",),
    "micro": ("micro",),
}
#: inlets of real stations lie below, m above ground
HIGHEST = 500.0
_REQUIRED = ("id", "longitude", "latitude", "height_m", "class")
_COLUMNS = (*_REQUIRED, "name")
_LETTERS = 40


@dataclass(frozen=True)
class Site:
    """A place where a station might stand.

    Parameters
    ----------
    id, name
        Texts; the name may be empty.
    lon, lat
        Degrees.
    height
        Inlet above ground, m.
    kind
        One of `KINDS`.
    """

    id: str
    lon: float
    lat: float
    height: float
    kind: str
    name: str = ""

    @property
    def station(self) -> str:
        """Id as a station: by place and class, so that a footprint is found again whatever a list calls it."""
        said = f"{self.lon!r} {self.lat!r} {self.height!r} {self.kind}"
        return f"SITE_{hashlib.sha256(said.encode()).hexdigest()[:11].upper()}"


def read_sites(path: Path, grid: Grid) -> tuple[Site, ...]:
    """Return the candidates of a CSV file (UTF-8, with a heading), sorted by id.

    Parameters
    ----------
    path
        With columns id, longitude, latitude, height_m and class, and optionally name.
    grid
        They must lie on it.

    Raises
    ------
    InputError
        FormatError for a file that is no such table; CoordinateError for a place off the grid; else for an id, a class
        or a height that cannot be, or two candidates that are one.
    """
    try:
        # utf-8-sig: spreadsheet programs put a byte-order mark first
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True, restkey="")
            heading = [name.strip() for name in reader.fieldnames or []]
            reader.fieldnames = heading
            rows = [(reader.line_num, row) for row in reader if any(row.values())]
    except FileNotFoundError as error:
        raise InputError("the file of candidates must exist", got=str(path), remedy="check the path") from error
    except (UnicodeDecodeError, csv.Error, IsADirectoryError) as error:
        raise FormatError(
            "candidates must be CSV in UTF-8", got=str(error), remedy="save them so", where=path.name
        ) from error
    _require_heading(heading, path)
    if not rows:
        raise FormatError("there must be a candidate", got="a heading alone", remedy="add rows", where=path.name)
    sites = [_site(row, grid, f"{path.name} line {line}") for line, row in rows]
    _require_single([site.id for site in sites], "an id must be used once", path)
    same = [f"{s.lon:g} E, {s.lat:g} N, {s.height:g} m, {s.kind}" for s in sites]
    _require_single(same, "a place, height and class must be listed once", path)
    return tuple(sorted(sites, key=lambda site: site.id))


def raster(grid: Grid, regions: Regions, spacing: float, height: float, kind: str) -> tuple[Site, ...]:
    """Return candidates at the centres of every n-th cell whose greater part lies within the regions.

    Parameters
    ----------
    grid
        The domain's.
    regions
        Where candidates may stand.
    spacing
        About so far apart, m; at least a cell.
    height, kind
        Of every one.

    Raises
    ------
    InputError
        For a height, class or spacing that cannot be, or when no candidate is left.
    """
    where = "--spacing-km, --height, --class"
    _require_height(height, where)
    _require_kind(kind, where)
    if not (math.isfinite(spacing) and spacing > 0):
        raise InputError("the spacing must be positive", got=spacing / 1000, remedy="give kilometres", where=where)
    inside = np.asarray(regions.fractions.sum(axis=0)).reshape(grid.shape) >= 0.5
    # cells have one area to within a few per cent, those of a lon-lat grid are wider than high or the reverse
    high = (grid.y_edges[-1] - grid.y_edges[0]) / grid.ny * (111_195.0 if grid.is_geographic else 1.0)
    wide = float(np.median(grid.area)) / high
    step = [max(1, round(spacing / side)) for side in (high, wide)]
    # the same margin on both sides
    ys, xs = (np.arange(((n - 1) % by) // 2, n, by) for n, by in zip(grid.shape, step, strict=True))
    lon, lat = grid.lonlat
    found = [
        Site(f"r{i + 1:02d}c{j + 1:02d}", round(float(lon[y, x]), 5), round(float(lat[y, x]), 5), height, kind)
        for i, y in enumerate(ys)
        for j, x in enumerate(xs)
        if inside[y, x]
    ]
    if not found:
        raise InputError(
            "a candidate of the raster must lie within the regions",
            got=f"none, {spacing / 1000:g} km apart",
            remedy="give a smaller --spacing-km",
            where=where,
        )
    return tuple(sorted(found, key=lambda site: site.id))


def _site(row: dict[str, str | None], grid: Grid, where: str) -> Site:
    if "" in row or None in row.values():
        raise FormatError(
            "every row must have the heading's cells", got=list(row.values()), remedy="write empty cells out",
            where=where,
        )  # fmt: skip
    text = {name: str(value).strip() for name, value in row.items()}
    if not 0 < len(text["id"]) <= _LETTERS or not text["id"].isprintable():
        raise InputError(
            f"an id must have 1 to {_LETTERS} printable letters", got=text["id"], remedy="name it", where=where
        )
    lon, lat, height = (_number(text[name], name, where) for name in ("longitude", "latitude", "height_m"))
    _require_height(height, where)
    _require_kind(text["class"], where)
    if not (-360 <= lon <= 360 and -90 <= lat <= 90) or grid.locate(lon, lat)[0] < 0:
        west, east, south, north = (f(axis) for axis in grid.lonlat for f in (np.min, np.max))
        swapped = abs(lon) <= 90 and abs(lat) <= 360 and grid.locate(lat, lon)[0] >= 0
        raise CoordinateError(
            "a candidate must lie on the case's grid",
            got=f"{text['id']} at longitude {lon:g}, latitude {lat:g}",
            remedy="swap longitude and latitude"
            if swapped
            else f"the grid spans longitude {west:.2f} to {east:.2f}, latitude {south:.2f} to {north:.2f}",
            where=where,
        )
    return Site(text["id"], lon, lat, height, text["class"], text.get("name", ""))


def _number(text: str, name: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FormatError(f"{name} must be a number", got=text, remedy="correct the cell", where=where)
    return value


def _require_height(height: float, where: str) -> None:
    if not 0 < height <= HIGHEST:
        raise InputError(
            f"the inlet must stand above ground, and not above {HIGHEST:g} m",
            got=height,
            remedy="give its height above ground, not above the sea",
            where=where,
        )


def _require_kind(kind: str, where: str) -> None:
    if kind not in KINDS:
        raise InputError("the class must be known", got=kind, remedy=f"use one of {', '.join(KINDS)}", where=where)


def _require_heading(heading: list[str], path: Path) -> None:
    lacking = [name for name in _REQUIRED if name not in heading]
    odd = [name for name in heading if name not in _COLUMNS or heading.count(name) > 1]
    if lacking or odd:
        what = f"without {', '.join(lacking)}" if lacking else f"with {', '.join(map(repr, odd))}"
        raise FormatError(
            f"candidates must have the columns {', '.join(_REQUIRED)}, and optionally name, each once",
            got=what,
            remedy="correct the heading; cells are separated by commas",
            where=path.name,
        )


def _require_single(values: list[str], rule: str, path: Path) -> None:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise InputError(rule, got=twice, remedy="remove one, or rename it", where=path.name)
