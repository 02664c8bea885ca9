"""What a station table must keep; every fault names file row, rule, value and remedy."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pandas as pd

from station_meta import fields
from station_meta.errors import message

Row = Mapping[str, str]
#: (column, rule, got, remedy)
Fault = tuple[str, str, str, str]

_ID = re.compile(r"[A-Z0-9_]{2,16}")
_SPECIES = re.compile(r"[a-z][a-z0-9]*")
_EARTH_RADIUS = 6371.0e3  # m, mean radius (IUGG)


@dataclass(frozen=True)
class Limits:
    """Bounds the checks compare with; degrees, and metres for `same_place`.

    The box holds Zhejiang and its islands: stations of the network's own classes must lie inside.
    """

    west: float = 118.0
    east: float = 123.3
    south: float = 27.0
    north: float = 31.3
    same_place: float = 500.0


@dataclass(frozen=True)
class Problem:
    """One fault of a station table."""

    where: str
    rule: str
    got: str
    remedy: str

    def __str__(self) -> str:
        return message(self.where, self.rule, self.got, self.remedy)


def check(frame: pd.DataFrame, *, limits: Limits | None = None) -> list[Problem]:
    """Return every fault of a station table, as text or as `load` returns it.

    Parameters
    ----------
    frame
        One row per station and validity period. An index (file, row) is shown as the place of a fault.
    limits
        The province's box and how far apart two positions of one station may be; Zhejiang's when not given.

    Returns
    -------
    list of Problem
        Empty when the table can be used. With a column missing, only the columns are reported.
    """
    bounds = limits or Limits()
    problems = check_columns(frame)
    if any(column not in frame.columns for column in fields.COLUMNS):
        return problems
    rows = [
        (_place(label), {column: fields.cell(value) for column, value in zip(frame.columns, values, strict=True)})
        for label, values in zip(frame.index, frame.itertuples(index=False, name=None), strict=True)
    ]
    for place, row in rows:
        problems += [
            Problem(f"{place}, {column} of {row['id'] or 'no id'}", rule, got, remedy)
            for column, rule, got, remedy in _row_faults(row, bounds)
        ]
    return problems + list(_pair_problems(rows, bounds))


def check_columns(frame: pd.DataFrame) -> list[Problem]:
    """Return the columns that are missing, unknown, or there twice."""
    where = str(frame.index[0][0]) if isinstance(frame.index, pd.MultiIndex) and len(frame) else "station table"
    names = [str(name) for name in frame.columns]
    listed = ", ".join(fields.COLUMNS)
    return (
        [
            Problem(where, "every column must be there", name, f"add it; the columns are {listed}")
            for name in fields.COLUMNS
            if name not in names
        ]
        + [
            Problem(where, "every column must be known", name, f"remove or rename it; the columns are {listed}")
            for name in names
            if name not in fields.COLUMNS
        ]
        + [
            Problem(where, "a column must be there once", name, "remove one of them")
            for name in sorted({name for name in names if names.count(name) > 1})
        ]
    )


def _place(label: object) -> str:
    return f"{label[0]} row {label[1]}" if isinstance(label, tuple) else f"row {label}"


def _row_faults(row: Row, limits: Limits) -> Iterator[Fault]:
    yield from _identity(row)
    yield from _position(row, limits)
    yield from _air(row)
    yield from _feed(row)
    yield from _period(row)


def _identity(row: Row) -> Iterator[Fault]:
    if not _ID.fullmatch(row["id"]):
        yield "id", "an id must be 2 to 16 of A-Z, 0-9 and _", row["id"], "write it so, for example ZJ_R01"
    for column in ("name_en", "source"):
        if not row[column]:
            yield column, f"{column} must be given", row[column], "say what the station is called, and who says so"
    if row["station_class"] not in fields.CLASSES:
        known = ", ".join(fields.CLASSES)
        yield "station_class", "the class must be known", row["station_class"], f"use one of {known}"
    if row["illustrative"] not in {"true", "false"}:
        got = row["illustrative"]
        yield "illustrative", "illustrative must be true or false", got, "write true for a station that is made up"


def _position(row: Row, limits: Limits) -> Iterator[Fault]:
    bad = [fault for column in ("lon", "lat") if (fault := _unreadable(row, column, fields.number, "write degrees"))]
    yield from bad
    if row["ground_height"] and (
        fault := _unreadable(row, "ground_height", fields.number, "write metres above sea, or leave empty if unknown")
    ):
        yield fault
    if bad:
        return
    lon, lat = fields.number(row["lon"]), fields.number(row["lat"])
    got = f"lon {row['lon']}, lat {row['lat']}"
    if abs(lat) > 90:
        if abs(lon) <= 90:
            yield "lat", "latitude must lie in [-90, 90]; the two look swapped", got, "swap lon and lat"
        else:
            yield "lat", "latitude must lie in [-90, 90]", got, "correct it"
    elif abs(lon) > 180:
        yield "lon", "longitude must lie in [-180, 180]", got, "take 360 off a longitude counted eastward"
    elif row["station_class"] in fields.NETWORK_CLASSES and not (
        limits.west <= lon <= limits.east and limits.south <= lat <= limits.north
    ):
        box = f"{limits.west:g} to {limits.east:g} E, {limits.south:g} to {limits.north:g} N"
        rule = f"a station of the Zhejiang network must lie in {box}"
        yield "lon", rule, got, "correct it, or use class external or background"


def _air(row: Row) -> Iterator[Fault]:
    """Faults of what is measured: inlets, species, scales, uncertainties."""
    if fault := _unreadable(row, "inlets", fields.heights, "write metres above ground, for example 54;100;185"):
        yield fault
    species = fields.items(row["species"])
    listed = bool(species) and len(set(species)) == len(species) and all(_SPECIES.fullmatch(name) for name in species)
    if not listed:
        yield "species", "species must be a list of names, each once", row["species"], "write it so: co2;ch4"
    for column, read, form in (
        ("scale", fields.by_species, "co2:WMO CO2 X2019;ch4:WMO CH4 X2004A"),
        ("uncertainty", fields.sigmas, "co2:0.1;ch4:1"),
    ):
        if fault := _unreadable(row, column, read, f'write it so: "{form}"'):
            yield fault
        elif listed:
            yield from _of_species(row, column, species)


def _of_species(row: Row, column: str, species: tuple[str, ...]) -> Iterator[Fault]:
    """Faults of a column that holds a value per species; only the scale may not be left out."""
    values = fields.by_species(row[column])
    for name in species:
        if column == "scale" and name not in values:
            remedy = f'add "{name}:SCALE", or "{name}:{fields.UNKNOWN}" if it is truly not known'
            yield column, "every listed species must have a scale", f"{name} in {row[column]!r}", remedy
    for name in values:
        if name not in species:
            yield column, "its species must be listed in species", name, "add it to species, or remove it here"


def _feed(row: Row) -> Iterator[Fault]:
    if row["hour_label"] not in {"", *fields.HOUR_LABELS}:
        remedy = f"use one of {', '.join(fields.HOUR_LABELS)}, or leave empty if unknown"
        yield "hour_label", "what the time labels mark must be known", row["hour_label"], remedy
    if row["zone"]:
        try:
            ZoneInfo(row["zone"])
        except (ZoneInfoNotFoundError, ValueError, OSError):
            remedy = "use an IANA name such as UTC or Asia/Shanghai, or leave empty if unknown"
            yield "zone", "the zone must be in the tz database", row["zone"], remedy


def _period(row: Row) -> Iterator[Fault]:
    remedy = "write YYYY-MM-DD, or leave empty for an open end"
    faults = [fault for end in ("valid_from", "valid_to") if (fault := _unreadable(row, end, fields.day, remedy))]
    yield from faults
    if not faults:
        start, end = _days(row)
        if start >= end:
            got = f"{row['valid_from']} to {row['valid_to']}"
            yield "valid_to", "a period must end after it starts", got, "valid_to is the first day not covered"


def _unreadable(row: Row, column: str, read: Callable[[str], object], remedy: str) -> Fault | None:
    try:
        read(row[column])
    except ValueError:
        return column, f"{column} must be readable", row[column], remedy
    return None


def _days(row: Row) -> tuple[date, date]:
    """Return the period [first day, first day after]; open ends are those of the calendar."""
    return fields.day(row["valid_from"]) or date.min, fields.day(row["valid_to"]) or date.max


def _pair_problems(rows: Sequence[tuple[str, Row]], limits: Limits) -> Iterator[Problem]:
    """Faults of two rows with one id: overlapping periods, and two places at one time."""
    stations: dict[str, list[tuple[str, Row]]] = {}
    for place, row in rows:
        if not list(_period(row)):
            stations.setdefault(row["id"], []).append((place, row))
    for name, group in stations.items():
        for (first, one), (second, other) in combinations(group, 2):
            (from_one, to_one), (from_other, to_other) = _days(one), _days(other)
            if from_one >= to_other or from_other >= to_one:
                continue
            where = f"{second}, id of {name}"
            rule = f"periods of one id must not overlap (also in {first})"
            got = f"{other['valid_from'] or 'open'} to {other['valid_to'] or 'open'}"
            yield Problem(where, rule, got, "end the earlier period, or give another id")
            if (apart := _distance(one, other)) > limits.same_place:
                rule = f"one id must have one place (see {first}) to within {limits.same_place:g} m"
                yield Problem(where, rule, f"{apart:.0f} m apart", "correct the position, or give another id")


def _distance(one: Row, other: Row) -> float:
    """Return the great-circle distance of two rows, m (haversine); 0 where a position is itself at fault."""
    try:
        lon1, lat1, lon2, lat2 = (
            math.radians(fields.number(row[column])) for row in (one, other) for column in ("lon", "lat")
        )
    except ValueError:
        return 0.0
    chord = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * _EARTH_RADIUS * math.asin(math.sqrt(min(1.0, max(0.0, chord))))
