"""ICOS: the Atmosphere Thematic Centre's files (`;` with a `#` header), and the Carbon Portal's CSV.

Both hold hourly means; flag O (checked by hand) and U (checked automatically) are valid, all others are not.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from pipeline.errors import FormatError, TimeError, UnitError
from pipeline.ingest.formats.samples import BAD_NUMBER, BAD_TIME, HOUR, RAGGED, Mark, Samples, first_reason, samples
from pipeline.ingest.formats.text import column, numbers, read_lines, split_rows, times
from pipeline.settings import StationSettings
from pipeline.units import Species

VALID_FLAGS = ("O", "U")
_UTC = re.compile(r"UTC( ?[+-]0+(:00)?)?")
#: Carbon Portal names of the same column
_PORTAL_TIME = ("DateTime", "TIMESTAMP")
_PORTAL_UNITS = {"co2": "umol mol-1"}


def read_atc(path: Path, feed: StationSettings, gas: Species) -> Samples:
    """Return the rows of an ATC file, as its own header describes them.

    Raises
    ------
    FormatError
        When the header is cut, or is of another species or interval.
    TimeError
        When its times are not UTC.
    UnitError
        When the header states no unit.
    """
    lines = read_lines(path)
    head = [line for line in lines if line.startswith("#")]
    facts = _header(head, path)
    _check_header(facts, len(head), gas, path)
    names = head[-1].lstrip("#").split(";")
    rows = split_rows(lines[len(head) :], len(head) + 1, len(names), ";", where=path.name)
    cell = {name: rows.cells[:, column(names, name, where=path.name)] for name in _atc_columns(gas)}
    stamp = cell["Year"] + "-" + cell["Month"] + "-" + cell["Day"] + " " + cell["Hour"] + ":" + cell["Minute"]
    label = times(stamp, "%Y-%m-%d %H:%M")
    (value, bad), (spread, _), (count, _) = (numbers(cell[name]) for name in (gas.name, "Stdev", "NbPoints"))
    scale, unknown = _scales(facts.get("MEASUREMENT SCALE", ""), cell["InstrumentId"])
    reason = first_reason(
        len(label),
        (rows.ragged, RAGGED),
        (np.isnat(label), BAD_TIME),
        *_other_inlet(cell["Site"], cell["SamplingHeight"], feed),
        *_flagged(cell["Flag"]),
        (bad, BAD_NUMBER),
        (unknown, np.array([f"scale unknown (instrument {i})" for i in cell["InstrumentId"]], dtype=object)),
    )
    return samples(
        label,
        value,
        reason,
        unit=facts["MEASUREMENT UNIT"],
        interval=HOUR,
        marks=_mark(head),
        zone="UTC" if "TIME ZONE" in facts else None,
        where=path.name,
        spread=spread,
        count=count,
        scale=scale,
        position=_position(facts),
        notes=rows.notes,
    )


def read_portal(path: Path, feed: StationSettings, gas: Species) -> Samples:
    """Return the rows of a Carbon Portal CSV; times are UTC and mark the start, units are the ATC's.

    Raises
    ------
    FormatError
        When the heading lacks the time or the species.
    """
    lines = read_lines(path)
    names = [name.strip().strip('"') for name in lines[0].split(",")]
    stamp = column(names, _PORTAL_TIME[1] if _PORTAL_TIME[1] in names else _PORTAL_TIME[0], where=path.name)
    at = column(names, gas.name, where=path.name)
    rows = split_rows(lines[1:], 2, len(names), ",", where=path.name)
    cell = dict(zip(names, rows.cells.T, strict=True))
    # a label with an offset other than Z is not this format: it becomes an unreadable time, never another hour
    written = [text.removesuffix("Z").replace("T", " ") for text in rows.cells[:, stamp]]
    label = times(np.array(written, dtype=object), "%Y-%m-%d %H:%M:%S")
    value, bad = numbers(rows.cells[:, at])
    reason = first_reason(
        len(label),
        (rows.ragged, RAGGED),
        (np.isnat(label), BAD_TIME),
        *(_other_inlet(cell["#Site"], cell["SamplingHeight"], feed) if "#Site" in cell else ()),
        *(_flagged(cell["Flag"]) if "Flag" in cell else ()),
        (bad, BAD_NUMBER),
    )
    return samples(
        label,
        value,
        reason,
        unit=_PORTAL_UNITS.get(gas.name, "nmol mol-1"),
        interval=HOUR,
        marks="start",
        zone="UTC",
        where=path.name,
        spread=numbers(cell["Stdev"])[0] if "Stdev" in cell else None,
        count=numbers(cell["NbPoints"])[0] if "NbPoints" in cell else None,
        notes=rows.notes if "Flag" in cell else (*rows.notes, "no flag column: every value is taken as valid"),
    )


def _atc_columns(gas: Species) -> tuple[str, ...]:
    start = ("Site", "SamplingHeight", "Year", "Month", "Day", "Hour", "Minute")
    return (*start, gas.name, "Stdev", "NbPoints", "Flag", "InstrumentId")


def _header(head: list[str], path: Path) -> dict[str, str]:
    """Return the "KEY: value" lines of the header."""
    facts: dict[str, str] = {}
    for line in head:
        key, colon, value = line.lstrip("# ").partition(":")
        if colon:
            facts.setdefault(key.strip(), value.strip())
    if "HEADER LINES" not in facts:
        raise FormatError(
            "the # header must state HEADER LINES", got=sorted(facts)[:5], remedy="fetch it again", where=path.name
        )
    return facts


def _check_header(facts: dict[str, str], length: int, gas: Species, path: Path) -> None:
    if facts["HEADER LINES"] != str(length):
        raise FormatError(
            f"the header must have the {facts['HEADER LINES']} lines it states",
            got=length,
            remedy="it is cut; fetch it again",
            where=path.name,
        )
    for key, expected in (("PARAMETER", gas.name), ("TIME INTERVAL", "hourly")):
        if facts.get(key, "").lower() != expected:
            raise FormatError(
                f"{key} must be {expected}", got=facts.get(key), remedy="choose another file", where=path.name
            )
    if not _UTC.fullmatch(facts.get("TIME ZONE", "UTC")):
        raise TimeError("TIME ZONE must be UTC", got=facts["TIME ZONE"], remedy="ask the provider", where=path.name)
    if not facts.get("MEASUREMENT UNIT"):
        raise UnitError("the header must state MEASUREMENT UNIT", got="none", remedy="fetch it again", where=path.name)


def _mark(head: list[str]) -> Mark | None:
    """Return what the header's comment says a label marks."""
    said = " ".join(line for line in head if "averaging interval" in line)
    marks: tuple[tuple[str, Mark], ...] = (("beginning", "start"), ("mid", "centre"), ("end", "end"))
    return next((mark for word, mark in marks if word in said), None)


def _position(facts: dict[str, str]) -> tuple[float, float] | None:
    """Return (lon, lat) of "51.9975 N" and "-2.5399 E"; S and W count negative."""
    found = [re.fullmatch(r"(-?[\d.]+) *([NSEW])", facts.get(key, "")) for key in ("LONGITUDE", "LATITUDE")]
    lon, lat = (float(m[1]) * (-1 if m[2] in "SW" else 1) if m else np.nan for m in found)
    return None if np.isnan(lon) or np.isnan(lat) else (lon, lat)


def _scales(said: str, instrument: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the scale of each row, and a mask of those the header calls unknown.

    The header says either one scale, or "instrument: scale; instrument: scale".
    """
    parts = dict(re.findall(r"(\d+): *([^;]+)", said))
    if parts:
        scale = np.array([parts.get(i, "Unknown").strip() for i in instrument], dtype=object)
    else:
        scale = np.full(len(instrument), said, dtype=object)
    return scale, np.array([text.lower() == "unknown" for text in scale], dtype=bool)


def _other_inlet(
    site: np.ndarray, height: np.ndarray, feed: StationSettings
) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    other_site = site != feed.id
    metres, _ = numbers(height)
    other_height = metres != feed.height
    return (
        (other_site, np.array([f"other station {name}" for name in site], dtype=object)),
        (other_height, np.array([f"other inlet {text} m" for text in height], dtype=object)),
    )


def _flagged(flag: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    return ((~np.isin(flag.astype(str), VALID_FLAGS), np.array([f"flag {text}" for text in flag], dtype=object)),)
