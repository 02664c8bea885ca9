"""Checks of instruments against gases of known mole fraction: the table of them, and what they say of an hour.

CSV with the columns station, species, time, kind, measured, assigned, unit, scale. Kinds are `target` (a check against
a gas that took no part in the calibration), `calibration` (the instrument was set), and `two-point` (a cheap sensor at
two gases: two rows of one time, which also set it). Times carry their zone. `measured` and `assigned` are both on
`scale`, which must be the station's: between two scales lies more than an instrument may be off.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import FormatError, TimeError, UnitError
from pipeline.ingest.formats.text import read_lines
from pipeline.scales import same_scale
from pipeline.schema import Flag
from pipeline.units import Species, mole_fraction_factor, species
from station_meta import QualityRules
from station_meta.fields import UNKNOWN

COLUMNS = ("station", "species", "time", "kind", "measured", "assigned", "unit", "scale")
KINDS = ("target", "calibration", "two-point")
_DAY = np.timedelta64(1, "D")
_FAIL = np.uint32(Flag.CALIBRATION | Flag.INSTRUMENT)


@dataclass(frozen=True, eq=False)
class Checks:
    """What the log says of hours.

    Parameters
    ----------
    bits : (hour,) uint32
        CALIBRATION, CALIBRATION_AGE; with INSTRUMENT where the hour may not be used, for a bad calibration alone only
        makes it suspect.
    sigma : (hour,) float64
        Further one-sigma error, species unit: how far the last target gas was off; 0 where it was good.
    """

    bits: np.ndarray
    sigma: np.ndarray


def read_log(paths: Sequence[Path]) -> pd.DataFrame:
    """Return the checks of files, sorted by time.

    Returns
    -------
    DataFrame
        Columns station, species, time (datetime64[ns], UTC), kind, measured, assigned (species' own unit), scale.

    Raises
    ------
    FormatError
        For a missing column, a row of another width, a kind that is not one, a number that is none, or a two-point
        check that is not two rows of two gases.
    TimeError
        For a time that cannot be read, or has no zone.
    UnitError
        For a unit that is no mole fraction, or a species that is not declared.
    """
    rows = [row for path in paths for row in _rows(path)]
    frame = pd.DataFrame(rows, columns=[*COLUMNS[:-2], "scale"])
    frame = frame.sort_values(["station", "species", "time"], kind="stable", ignore_index=True)
    for key, pair in frame[frame["kind"] == "two-point"].groupby(["station", "species", "time"]):
        if len(pair) != 2 or pair["assigned"].nunique() != 2:
            raise FormatError(
                "a two-point check must be two rows of one time, of two gases",
                got=f"{len(pair)} row(s), assigned {sorted(set(pair['assigned']))}",
                remedy="write both, each with the gas's own mole fraction",
                where=f"calibration log, {' '.join(map(str, key))}",
            )
    return frame


def checked(log: pd.DataFrame, station: str, gas: str, time: np.ndarray, rules: QualityRules) -> Checks:
    """Return what the log says of the hours of a station; nothing for a station that is not in it.

    An hour is judged by the last check of each kind at or before its start, of several target gases at one time by the
    worst. Against a target gas, a difference is good,
    adds itself to sigma, makes the hour suspect, or refuses it, by `rules.target`; so does the age of the last
    calibration by `rules.calibration_age`, and before the first one the hour is suspect; a two-point slope outside
    `rules.slope` refuses.

    Parameters
    ----------
    log
        Of `read_log`.
    station, gas
        Station id and name of the species.
    time : (hour,) datetime64
        Start of each hour, UTC.
    rules
        Thresholds of the station.
    """
    bits, sigma = np.zeros(time.size, dtype=np.uint32), np.zeros(time.size)
    mine = log[(log["station"] == station) & (log["species"] == gas)]
    if mine.empty:
        return Checks(bits, sigma)
    target = mine[mine["kind"] == "target"]
    if rules.target is not None and len(target):
        good, inflated, fail = rules.target
        worst = (target["measured"] - target["assigned"]).abs().groupby(target["time"]).max()
        off = _last(worst.index.to_series(), worst, time, 0.0)
        # a limit is a decimal, a difference of two decimals is not quite one
        off = off.round(9)
        sigma = np.where(off > good, off, 0.0)
        bits[off > inflated] |= np.uint32(Flag.CALIBRATION)
        bits[off > fail] |= _FAIL
    if rules.calibration_age is not None:
        suspect, fail = rules.calibration_age
        set_at = mine.loc[mine["kind"] != "target", "time"]
        age = (time - _last(set_at, set_at, time, np.datetime64("NaT", "ns"))) / _DAY
        bits[~(age <= suspect)] |= np.uint32(Flag.CALIBRATION_AGE)
        bits[age > fail] |= np.uint32(Flag.CALIBRATION_AGE | Flag.INSTRUMENT)
    pairs = mine[mine["kind"] == "two-point"]
    if rules.slope is not None and len(pairs):
        ends = pairs.groupby("time")[["measured", "assigned"]].agg(["first", "last"])
        rise = (ends["measured"]["last"] - ends["measured"]["first"]) / (
            ends["assigned"]["last"] - ends["assigned"]["first"]
        )
        slope = _last(ends.index.to_series(), rise, time, 1.0)
        bits[(slope < rules.slope[0]) | (slope > rules.slope[1])] |= _FAIL
    return Checks(bits, sigma)


def check_scales(log: pd.DataFrame, station: str, gas: Species, scales: Iterable[str]) -> None:
    """Raise when checks of a station are on a scale that is none of its rows'.

    Nothing is converted: a row has one scale for two numbers, and where that is the gas's alone, as its certificate
    has it, a conversion of both would leave the difference of the scales in.

    Parameters
    ----------
    log
        Of `read_log`.
    station, gas
        Station id and the species.
    scales
        Those of the station's rows; none known when empty or "unknown".

    Raises
    ------
    UnitError
        When they are.
    """
    known = [text for text in scales if text.casefold() not in ("", UNKNOWN)]
    mine = log.loc[(log["station"] == station) & (log["species"] == gas.name), "scale"]
    for text in mine.unique():
        if known and not any(same_scale(text, own, gas) for own in known):
            raise UnitError(
                f"measured and assigned must be on the station's scale, {', '.join(known)}",
                got=f"{text}, {int((mine == text).sum())} check(s)",
                remedy="write both numbers on that scale, or leave the checks out",
                where=f"calibration log, {station}",
            )


def _last(when: pd.Series, what: pd.Series, time: np.ndarray, before: object) -> np.ndarray:
    """Return the last value at or before each time; `before` where there is none."""
    at = np.searchsorted(when.to_numpy("datetime64[ns]"), time.astype("datetime64[ns]"), side="right")
    values = what.to_numpy()
    return np.concatenate([np.array([before], dtype=values.dtype), values])[at]


def _rows(path: Path) -> list[tuple[object, ...]]:
    records = csv.reader(read_lines(path), strict=True)
    try:
        names = [name.strip() for name in next(records)]
        if sorted(names) != sorted(COLUMNS):
            raise FormatError(
                f"the columns must be {', '.join(COLUMNS)}", got=names, remedy="name them so", where=path.name
            )
        return [
            _row(dict(zip(names, cells, strict=True)), f"{path.name} line {records.line_num}")
            for cells in records
            if cells and _width(cells, names, f"{path.name} line {records.line_num}")
        ]
    except csv.Error as error:
        raise FormatError(
            "the text must be CSV", got=str(error), remedy="correct the quotes", where=path.name
        ) from error


def _width(cells: list[str], names: list[str], where: str) -> bool:
    if len(cells) != len(names):
        raise FormatError(
            f"every row must have {len(names)} cells", got=len(cells), remedy="write empty cells out", where=where
        )
    return True


def _row(cells: dict[str, str], where: str) -> tuple[object, ...]:
    text = {name: cell.strip() for name, cell in cells.items()}
    gas = species(text["species"])
    if text["kind"] not in KINDS:
        raise FormatError("the kind must be known", got=text["kind"], remedy=f"use {', '.join(KINDS)}", where=where)
    for name in ("station", "scale"):
        if not text[name]:
            raise FormatError(f"{name} must be given", got="", remedy="write it", where=where)
    factor = mole_fraction_factor(text["unit"], gas, where=where)
    try:
        numbers = [float(text[name]) * factor for name in ("measured", "assigned")]
    except ValueError as error:
        raise FormatError(
            "measured and assigned must be numbers", got=str(error), remedy="correct it", where=where
        ) from error
    if not all(np.isfinite(numbers)) or min(numbers) <= 0:
        raise FormatError("mole fractions must be positive", got=numbers, remedy="correct it", where=where)
    return (text["station"], gas.name, _utc(text["time"], where), text["kind"], *numbers, text["scale"])


def _utc(text: str, where: str) -> pd.Timestamp:
    try:
        when = pd.Timestamp(text)
    except ValueError as error:
        raise TimeError("the time must be readable", got=text, remedy="write 2024-07-01T02:00Z", where=where) from error
    if pd.isna(when) or when.tzinfo is None:
        raise TimeError("the time must carry its zone", got=text, remedy="write 2024-07-01T02:00Z", where=where)
    return when.tz_convert("UTC").tz_localize(None)
