"""GCWerks text of Picarro and similar analysers: one line a minute or an hour, several species side by side.

    Created:  6 Jan 22 08:30 GMT
         -      -         -    -       ch4     ch4   ch4       co2     co2   co2
      date   time      type port         C   stdev     N         C   stdev     N
    140630 000630       air    9   1888.13   0.169    19    396.87   0.047    19

A label is the mean time of the measurements in the interval: the middle of a whole minute (:30), but anywhere in an
hour whose inlet is sampled for a part of it. It is therefore moved to the centre of the clock minute or hour it lies
in. Units are fixed by the format: ppm for CO2, ppb for other gases.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from pipeline.errors import FormatError, RegistryError, TimeError
from pipeline.ingest.formats.samples import BAD_NUMBER, BAD_TIME, HOUR, MINUTE, RAGGED, Samples, first_reason, samples
from pipeline.ingest.formats.text import Rows, column, numbers, read_lines, split_rows, times
from pipeline.settings import StationSettings
from pipeline.units import Species

_UNITS = {"co2": "ppm"}
_NAMED_INTERVALS = {"minute": MINUTE, "hourly": HOUR}
#: a label jitters with the measurements behind it, so spacings match an interval to this share
_SPACING_SHARE = 0.2
_HALF_HOUR = 1800.0


def read(path: Path, feed: StationSettings, gas: Species) -> Samples:
    """Return the rows of a GCWerks file.

    Raises
    ------
    FormatError
        When the two heading lines are not there, lack the species, or air came through several ports.
    RegistryError
        When the file's name says another inlet height.
    TimeError
        When name and labels do not agree on minutes or hours.
    """
    _check_inlet(path, feed)
    lines = read_lines(path)
    names = _names(lines, path)
    at = {field: column(names, f"{gas.name} {field}", where=path.name) for field in ("C", "stdev", "N")}
    rows = split_rows(lines[3:], 4, len(names), None, where=path.name)
    cells = rows.cells.T
    label = times(cells[0] + " " + cells[1], "%y%m%d %H%M%S")
    (value, bad), (spread, _), (count, _) = (numbers(cells[at[field]]) for field in ("C", "stdev", "N"))
    interval = _interval(label, path)
    whole = label.astype("datetime64[s]")
    centre = whole - (whole - np.datetime64(0, "s")) % interval + interval // 2
    return samples(
        centre,
        value,
        _reasons(rows, label, bad, names, path),
        unit=_UNITS.get(gas.name, "ppb"),
        interval=interval,
        marks="centre",
        zone=None,
        where=path.name,
        spread=spread,
        count=count,
        notes=rows.notes,
    )


def _names(lines: list[str], path: Path) -> list[str]:
    """Return "date", "time", "type", "port" and "species field" for each column."""
    species, fields = (lines[i].split() if len(lines) > i else [] for i in (1, 2))
    if fields[:4] != ["date", "time", "type", "port"] or len(species) != len(fields):
        raise FormatError(
            "lines 2 and 3 must name the columns: species, then date time type port C stdev N",
            got=" ".join(fields)[:60],
            remedy="export it from GCWerks again, or declare its real format",
            where=path.name,
        )
    return [field if gas == "-" else f"{gas} {field}" for gas, field in zip(species, fields, strict=True)]


def _reasons(rows: Rows, label: np.ndarray, bad: np.ndarray, names: list[str], path: Path) -> np.ndarray:
    kinds = rows.cells[:, names.index("type")]
    air = kinds == "air"
    ports = sorted(set(rows.cells[air, names.index("port")]))
    if len(ports) > 1:
        raise FormatError(
            "air must come through one port", got=ports, remedy="export one inlet per file", where=path.name
        )
    return first_reason(
        len(label),
        (rows.ragged, RAGGED),
        (np.isnat(label), BAD_TIME),
        (~air, np.array([f"type {kind}, not air" for kind in kinds], dtype=object)),
        (bad, BAD_NUMBER),
    )


def _check_inlet(path: Path, feed: StationSettings) -> None:
    """Raise when the file's name holds a height (".100m.") that is not the feed's."""
    named = re.search(r"\.(\d+(?:\.\d+)?)m\.", path.name)
    if named and float(named[1]) != feed.height:
        raise RegistryError(
            f"the file must be of the inlet asked for, {feed.height:g} m",
            got=f"{named[1]} m",
            remedy="correct height or files of the station",
            where=path.name,
        )


def _interval(label: np.ndarray, path: Path) -> np.timedelta64:
    """Return the averaging interval: the name's, if it says and the labels allow it, else that of their spacing."""
    said = {length for word, length in _NAMED_INTERVALS.items() if word in path.name.lower()}
    gaps = np.diff(np.unique(label[~np.isnat(label)]))
    typical = np.median(gaps.astype(np.int64)) * 1e-9 if gaps.size else np.nan
    if said:
        # hours have gaps and labels that wander, so the name only needs the nearer side of half an hour
        possible = {MINUTE if typical < _HALF_HOUR else HOUR} if gaps.size else said
    else:
        possible = {length for length in (MINUTE, HOUR) if abs(typical / length.astype(float) - 1) <= _SPACING_SHARE}
    agreed = said & possible if said else possible
    if len(agreed) != 1:
        raise TimeError(
            "labels must be a minute or an hour apart, as the file's name says",
            got=f"{typical:g} s",
            remedy="put 1minute or hourly in the name, as GCWerks does",
            where=path.name,
        )
    return agreed.pop()
