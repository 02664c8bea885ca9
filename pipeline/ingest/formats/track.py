"""Tracks of mobile laboratories: CSV with one row a second or so, whose columns are declared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import FormatError
from pipeline.ingest.formats.samples import BAD_NUMBER, BAD_TIME, RAGGED, first_reason, is_fill
from pipeline.ingest.formats.text import column, numbers, read_lines, split_rows, times
from pipeline.settings import TrackColumns

#: m s-1 in one unit of speed
_SPEED_IN_SI = {"km/h": 1 / 3.6, "m/s": 1.0, "kn": 1852.0 / 3600.0}


@dataclass(frozen=True, eq=False)
class TrackRows:
    """One entry per data row of a file, in the file's order; NaN where the file says nothing.

    Parameters
    ----------
    label : (row,) datetime64[ns]
        As written, in the feed's zone; NaT where unreadable.
    lon, lat : (row,) float64
        Degrees.
    value, co : (row,) float64
        In the units declared.
    speed : (row,) float64
        m s-1.
    heading, wind_from : (row,) float64
        Degrees from north.
    reason : (row,) object
        Why the row cannot be used, in words; empty where it can.
    no_fix : (row,) object
        Why its position cannot be used, by the fix quality; empty where it can.
    notes
        Facts about the file that its reader should see.
    """

    label: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    value: np.ndarray
    co: np.ndarray
    speed: np.ndarray
    heading: np.ndarray
    wind_from: np.ndarray
    reason: np.ndarray
    no_fix: np.ndarray
    notes: tuple[str, ...]


def read(path: Path, columns: TrackColumns) -> TrackRows:
    """Return the rows of a track.

    Raises
    ------
    FormatError
        When a declared column is missing, or the file has no row.
    """
    lines = read_lines(path, columns.encoding)
    names = [name.strip() for name in lines[0].split(columns.separator)]
    rows = split_rows(lines[1:], 2, len(names), columns.separator, where=path.name)
    if not rows.cells.size:
        raise FormatError("the file must hold a data row", got="none", remedy="fetch it again", where=path.name)

    def cells(name: str) -> np.ndarray:
        return np.asarray(rows.cells[:, column(names, name, where=path.name)])

    def values(name: str | None) -> tuple[np.ndarray, np.ndarray]:
        if name is None:
            return np.full(len(rows.cells), np.nan), np.zeros(len(rows.cells), dtype=bool)
        found, unreadable = numbers(cells(name))
        return np.where(is_fill(found, columns.fill_values), np.nan, found), unreadable

    stamp = cells(columns.time[0])
    for name in columns.time[1:]:
        stamp = stamp + " " + cells(name)
    label, (value, bad) = times(stamp, columns.time_format), values(columns.value)
    no_fix = np.full(len(label), "", dtype=object)
    if columns.fix is not None:
        quality = cells(columns.fix)
        wrong = ~np.isin(quality, columns.fix_valid)
        no_fix[wrong] = np.array([f"position of quality {text or 'missing'}" for text in quality[wrong]], dtype=object)
    return TrackRows(
        label=label,
        lon=values(columns.lon)[0],
        lat=values(columns.lat)[0],
        value=value,
        co=values(columns.co)[0],
        speed=values(columns.speed)[0] * _SPEED_IN_SI[columns.speed_unit],
        heading=values(columns.heading)[0],
        wind_from=values(columns.wind_from)[0],
        reason=first_reason(len(label), (rows.ragged, RAGGED), (np.isnat(label), BAD_TIME), (bad, BAD_NUMBER)),
        no_fix=no_fix,
        notes=rows.notes,
    )
