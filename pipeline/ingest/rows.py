"""Rows of a feed's files in one form: UTC start of the interval, the species' own unit, and why a row is not used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import ConfigError, InputError, RegistryError, TimeError, UnitError
from pipeline.ingest.calibrations import Calibration
from pipeline.ingest.clock import utc_start
from pipeline.ingest.conditioning import NO_SURROUNDINGS, conditioned
from pipeline.ingest.formats import aqmesh, beaco2n, gcwerks, hj212, icos, obspack, receptors, table, wdcgg
from pipeline.ingest.formats.samples import HOUR, MONTH, Samples, is_fill
from pipeline.ingest.intervals import odd_interval, usual_interval
from pipeline.ingest.kept_rows import FileRows, KeptRows
from pipeline.ingest.quality import assess, rejected, rules_of
from pipeline.ingest.quarantine import FeedRefusedError, Refused
from pipeline.ingest.sandbox import is_binary, read_apart
from pipeline.ingest.site import Periods, at_station, check_position, periods, scale_of, zone_and_mark
from pipeline.scales import same_scale
from pipeline.schema import Flag
from pipeline.settings import StationSettings
from pipeline.units import Species, mole_fraction_factor
from station_meta import QualityRules, Rules
from station_meta.fields import UNKNOWN

READERS: dict[str, Callable[[Path, StationSettings, Species], Samples]] = {
    "gcwerks": gcwerks.read,
    "icos-atc": icos.read_atc,
    "icos-csv": icos.read_portal,
    "obspack": obspack.read,
    "wdcgg": wdcgg.read,
    "table": table.read,
    "hj212": hj212.read,
    "beaco2n": beaco2n.read,
    "aqmesh": aqmesh.read,
    "receptor-nc": receptors.read,
}

#: numbers that mean missing in one network or another; none can be a mole fraction of air
FILLS = (0.0, -9.99, -99.0, -99.9, -99.99, -999.0, -999.9, -999.99, -999.999, -9999.0, -9999.9, -9999.99, -99999.0,
         -999999.0)  # fmt: skip
#: hours whose rows are looked at, [start, end); all when None
Known = tuple[np.datetime64, np.datetime64] | None
#: fills of netCDF and Fortran are larger than any mole fraction
_FILLS_ABOVE = 1e15
#: a median this many times outside the limits of air is a wrong unit, not odd air
_UNIT_RATIO = 10.0
#: labels nearer to each other than this share of the interval contradict it
_NEAREST_SHARE = 0.9

#: bits that keep a sample out of the mean, and what the account calls them, first first
_TESTS = (
    (Flag.INSTRUMENT, "instrument outside its bounds"),
    (Flag.RANGE_FAIL, "range fail"),
    (Flag.FLAT_LINE, "flat line"),
    (Flag.SPIKE, "spike"),
)

MISSING_VALUE = "missing value"
NO_SCALE = "scale not known"
NO_FACTS = "outside the station's periods in the registry"
DUPLICATE = "duplicate time, same value"
CONFLICT = "duplicate time, other value"
CLOCK_CHANGE = "clock time skipped or twice when clocks change"
OUTSIDE = "outside the hours asked for"


@dataclass(frozen=True)
class FeedRows:
    """All rows of a feed, sorted by time, then file, then place in the file.

    `table` has columns time (datetime64[ns], UTC, start), value, spread, uncertainty (species' own unit), count,
    reason, bits (uint32), scale, source (index of `names`); `notes` are those of each file. `refused` are files that
    could not be used.
    """

    table: pd.DataFrame
    interval: np.timedelta64
    names: tuple[str, ...]
    notes: tuple[tuple[str, ...], ...]
    refused: tuple[Refused, ...] = ()


def read_rows(
    paths: list[Path],
    names: list[str],
    feed: StationSettings,
    gas: Species,
    registry: pd.DataFrame,
    rules: Rules,
    calibrations: Sequence[Calibration] = (),
    known: Known = None,
    kept: KeptRows | None = None,
) -> FeedRows:
    """Return the rows of all files of a feed; INSTRUMENT marks those whose surroundings are outside their bounds.

    `calibrations` are the corrections of the sensor, if it is one that has any. Rows outside `known` are left out, as
    if the files did not hold them. `kept` gives what was read before; it was made with the same registry and rules.

    Raises
    ------
    InputError
        When no file can be used: of the readers, of the only file, or of all. A file that is of another station, inlet
        or unit, or of another averaging interval than most, is set aside.
    """
    read: list[tuple[Path, str, FileRows]] = []
    refused: list[Refused] = []
    known_rows = (kept or KeptRows(None, registry, rules)).of_feed(feed, gas, calibrations)
    mine = registry[registry["id"] == feed.id]
    # an unknown station is refused by the whole table, which knows near names
    registry = registry if mine.empty else mine
    for path, name in zip(paths, names, strict=True):
        try:
            found = known_rows(path, name, partial(_file_rows, path, feed, gas, registry, rules, calibrations, name))
        except InputError as error:
            if len(paths) == 1:
                raise
            refused.append(Refused(path, name, error))
            continue
        read.append((path, name, found))
    if not read:
        raise FeedRefusedError(refused, f"station {feed.id}")
    usual = usual_interval([rows.interval for *_, rows in read])
    remedy = "declare it as a feed of its own"
    refused += [
        Refused(path, name, odd_interval(rows.interval, usual, remedy=remedy, where=name))
        for path, name, rows in read
        if rows.interval != usual
    ]
    used = [(name, rows) for _, name, rows in read if rows.interval == usual]
    joined = pd.concat([rows.table.assign(source=number) for number, (_, rows) in enumerate(used)], ignore_index=True)
    joined = inside(joined, known, where=f"station {feed.id}")
    order = joined.sort_values(["time", "source"], kind="stable", na_position="last", ignore_index=True)
    names_of, notes_of = tuple(name for name, _ in used), tuple(rows.notes for _, rows in used)
    return FeedRows(order, usual, names_of, notes_of, tuple(refused))


def _file_rows(
    path: Path,
    feed: StationSettings,
    gas: Species,
    registry: pd.DataFrame,
    rules: Rules,
    calibrations: Sequence[Calibration],
    name: str,
) -> FileRows:
    """Return the rows of one file, judged by themselves, in the order of the file."""
    said = _said(path, feed, gas)
    frame, remarks = _frame(said, feed, gas, registry, rules, calibrations, where=name)
    step_back = int(np.sum(np.diff(frame["time"].dropna().to_numpy()) < np.timedelta64(0)))
    out_of_order = (f"{step_back} labels out of order, sorted",) if step_back else ()
    return FileRows(frame, (*said.notes, *remarks, *out_of_order), said.interval)


def inside(table: pd.DataFrame, known: Known, *, where: str) -> pd.DataFrame:
    """Return the rows of a table that lie in [start, end), and those without a time; all when nothing is given.

    Raises
    ------
    InputError
        When there is none.
    """
    if known is None:
        return table
    time = table["time"]
    chosen = (time >= known[0]) & (time < known[1])
    if not chosen.any():
        raise InputError(
            "a feed must have rows in known_hours",
            got=f"none from {known[0]} to {known[1]}",
            remedy="add files of these hours",
            where=where,
        )
    return table[time.isna() | chosen].reset_index(drop=True)


def station_rules(rules: Rules, facts: Periods, feed: StationSettings, gas: Species) -> QualityRules:
    """Return the thresholds of a feed whose rows lie in these periods: those of the class the station has then.

    Raises
    ------
    RegistryError
        When none are declared for the class.
    """
    return rules_of(rules, gas.name, feed.quality_class or facts.one.station_class, feed.id, where=f"station {feed.id}")


def _said(path: Path, feed: StationSettings, gas: Species) -> Samples:
    """Return what a file says; a binary one is read in a process of its own."""
    if is_binary(path):
        reader = f"station {feed.format}"
        return read_apart(reader, path, Samples, settings=feed.model_dump_json(), species=gas.name)
    return READERS[feed.format](path, feed, gas)


def judge(rows: FeedRows, rules: QualityRules) -> np.ndarray:
    """Fill in reasons and bits by comparing rows with each other and with the limits.

    Duplicates are settled first, then the quality tests see each time once.

    Returns
    -------
    (row,) bool
        Rows refused by a test, which therefore stand for an hour even when none else does.
    """
    frame = rows.table
    reason, bits = frame["reason"].to_numpy(dtype=object).copy(), frame["bits"].to_numpy(dtype=np.uint32).copy()
    refused = _settle_duplicates(frame, reason, bits)
    usable = np.flatnonzero(reason == "")
    time, value = (frame[name].to_numpy()[usable] for name in ("time", "value"))
    found = bits[usable]
    works = (found & np.uint32(Flag.INSTRUMENT)) == 0
    # what an instrument outside its bounds reports says nothing about its neighbours
    found[works] |= assess(time[works], value[works], rows.interval, rules)
    bits[usable] = found
    out = rejected(found, rows.interval, rules)
    for bit, text in reversed(_TESTS):
        reason[usable[out & ((found & np.uint32(bit)) != 0)]] = text
    refused[usable[out]] = True
    frame["reason"], frame["bits"] = reason, bits
    return refused


def _frame(
    said: Samples,
    feed: StationSettings,
    gas: Species,
    registry: pd.DataFrame,
    rules: Rules,
    calibrations: Sequence[Calibration],
    *,
    where: str,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return one file's rows in UTC, dry and in the species' own unit, judged by themselves; and notes."""
    _check_some(said, where)
    factor = mole_fraction_factor(said.unit, gas, where=where)
    zone, marks = zone_and_mark(said, feed, registry, where=where)
    too_long = bool(said.interval > HOUR)
    # longer than an hour: the label is kept as it is, for no hour will be made of it
    time = utc_start(said.time, zone, "start" if too_long else marks, said.interval, where=where)
    facts = periods(time, feed, gas, registry)
    own = station_rules(rules, facts, feed, gas)
    check_position(said, facts.one, where=where)
    said = at_station(said, facts.one, where=where)
    missing = ~np.isfinite(said.value) | is_fill(said.value, FILLS) | (np.abs(said.value) >= _FILLS_ABOVE)
    scale, known, differ = _scales(said, facts.which, [scale_of(s, gas) for s in facts.stations], gas)
    made = conditioned(said, time, factor, feed, calibrations, where=where)
    reason = said.reason.copy()
    for mask, text in (
        (np.isnat(time), CLOCK_CHANGE),
        (facts.which < 0, NO_FACTS),
        (missing, MISSING_VALUE),
        (np.full(missing.size, too_long), "monthly mean" if said.interval == MONTH else "longer than an hour"),
        (~known, NO_SCALE),
        (made.lacking, NO_SURROUNDINGS),
    ):
        reason[mask & (reason == "")] = text
    _require_scale(reason, gas, feed, where)
    bits = made.bits
    # a provider's selection says good, but not for every use; wind and mixing are its usual grounds
    bits |= np.where(said.selected, np.uint32(0), np.uint32(Flag.NOT_SELECTED_WEATHER))
    bits[_unwell(said, own, where)] |= np.uint32(Flag.INSTRUMENT)
    frame = pd.DataFrame(
        {
            "time": time,
            "value": made.value,
            "spread": made.spread,
            "uncertainty": made.uncertainty,
            "count": said.count,
            "reason": pd.Series(reason, dtype=object),
            "bits": bits,
            "scale": pd.Series(scale, dtype=object),
        }
    )
    _check_alone(frame, said.interval, own, where=where)
    return frame, (*made.notes, *differ)


def _unwell(said: Samples, rules: QualityRules, where: str) -> np.ndarray:
    """Return the mask of rows in which what the instrument reports of itself is outside its bounds."""
    out = np.zeros(said.value.size, dtype=bool)
    for name, reported in said.environment.items():
        if name not in rules.environment:
            raise ConfigError(
                "what a feed declares in table.environment must have a threshold",
                got=name,
                remedy=f"use one of {', '.join(rules.environment) or 'none'}, or add it to the thresholds",
                where=where,
            )
        low, high = rules.environment[name]
        out |= (reported < low) | (reported > high)
    return out


def _check_some(said: Samples, where: str) -> None:
    """Raise when every row is of another station or inlet, or without a time: a wrong file, not odd rows."""
    for what in ("other station", "other inlet"):
        if all(text.startswith(what) for text in said.reason):
            raise RegistryError(
                f"the file must hold rows of the station and inlet asked for; all {len(said.reason)} are of another",
                got=str(said.reason[0]),
                remedy="correct id, height or files of the feed",
                where=where,
            )
    if np.isnat(said.time).all():
        raise TimeError(
            "a row must have a readable time", got=str(said.reason[0]), remedy="check the time's format", where=where
        )


def _scales(
    said: Samples, which: np.ndarray, registered: list[str], gas: Species
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return each row's scale, the mask of known ones, and notes where the file states another than the registry."""
    ours = np.array([*registered, ""], dtype=object)[which]  # -1, no period, is the last
    scale = np.where(said.scale == "", ours, said.scale)
    notes = tuple(
        f"the file states {stated}, the station table {registered}: the file's is taken"
        for stated, registered in sorted(set(zip(scale, ours, strict=True)))
        if stated and registered and not same_scale(stated, registered, gas)
    )
    known = np.array([text.casefold() not in ("", UNKNOWN) for text in scale], dtype=bool)
    return scale, known, notes


def _require_scale(reason: np.ndarray, gas: Species, feed: StationSettings, where: str) -> None:
    """Raise when no row is left but for the lack of a scale."""
    if not (reason == "").any() and (reason == NO_SCALE).any():
        raise RegistryError(
            "the calibration scale must be known before a value is used",
            got=f"no scale of {gas.name}",
            remedy=f"add it for {feed.id} to the station table, with its source",
            where=where,
        )


def _settle_duplicates(frame: pd.DataFrame, reason: np.ndarray, bits: np.ndarray) -> np.ndarray:
    """Keep one of equal rows at a time; refuse all of several that differ. Returns the refused."""
    usable = np.flatnonzero(reason == "")
    part = frame.iloc[usable]
    value = part.groupby("time")["value"]
    conflict = (value.transform("max") != value.transform("min")).to_numpy(dtype=bool)
    again = part["time"].duplicated().to_numpy(dtype=bool)
    reason[usable[again & ~conflict]] = DUPLICATE
    reason[usable[conflict]] = CONFLICT
    bits[usable[conflict]] |= np.uint32(Flag.DUPLICATE)
    refused = np.zeros(len(frame), dtype=bool)
    refused[usable[conflict]] = True
    return refused


def _check_alone(frame: pd.DataFrame, interval: np.timedelta64, rules: QualityRules, *, where: str) -> None:
    """Raise when the usable rows of a file cannot be what it says they are.

    Raises
    ------
    UnitError
        When its typical value cannot be air in the unit stated.
    TimeError
        When its labels lie nearer to each other than the interval.
    """
    usable = frame[frame["reason"] == ""]
    _check_unit(usable["value"].to_numpy(), rules, where=where)
    _check_spacing(np.unique(usable["time"].to_numpy()), interval, where=where)


def _check_unit(value: np.ndarray, rules: QualityRules, *, where: str) -> None:
    if value.size == 0:
        return
    typical = float(np.median(value))
    low, high = rules.fail
    if not low / _UNIT_RATIO <= typical <= high * _UNIT_RATIO:
        raise UnitError(
            f"the typical value must be near air, {low:g} to {high:g}",
            got=float(f"{typical:.6g}"),
            remedy="the unit stated is not the unit written; declare the right one",
            where=where,
        )


def _check_spacing(time: np.ndarray, interval: np.timedelta64, *, where: str) -> None:
    if time.size < 2:
        return
    typical = np.median(np.diff(time).astype(np.int64)) * 1e-9
    if typical < _NEAREST_SHARE * (interval / np.timedelta64(1, "s")):
        raise TimeError(
            f"labels must not be nearer than the averaging interval, {interval}",
            got=f"{typical:g} s",
            remedy="declare the interval of the feed (table.minutes), or one station and inlet",
            where=where,
        )
