"""Tracks of a mobile laboratory, row by row: which readings are air of a known place, and the segments they make.

The order is: decode, unit and zone, duplicates, position, place of the inlet's air, missing values, range and flat
line, own exhaust, background, segments. Tests see whole files, and segments end with the hour, so a result does not
change with the hours asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import station_meta
from pipeline.errors import InputError, RegistryError, TimeError
from pipeline.ingest import account
from pipeline.ingest.account import Account
from pipeline.ingest.clock import utc_start
from pipeline.ingest.declared import zone_unknown
from pipeline.ingest.exhaust import OWN_JOINT, OWN_TAIL, background_of, own_joint, own_tail
from pipeline.ingest.files import shown_names
from pipeline.ingest.formats import track
from pipeline.ingest.formats.samples import is_fill
from pipeline.ingest.gps import at_inlet, position_reasons
from pipeline.ingest.quality import assess, rejected, rules_of
from pipeline.ingest.quarantine import FeedRefusedError, Refused
from pipeline.ingest.registry import rules_table
from pipeline.ingest.rows import CLOCK_CHANGE, CONFLICT, DUPLICATE, FILLS, MISSING_VALUE, OUTSIDE
from pipeline.ingest.segments import segment_numbers, segments_of
from pipeline.ingest.site import registry_error
from pipeline.schema import MOBILE, Flag
from pipeline.settings import MobileSettings
from pipeline.units import SPECIES, Species, mole_fraction_factor
from station_meta import Rules, Station, StationMetaError

_SECOND = np.timedelta64(1, "s")
_TESTS = ((Flag.RANGE_FAIL, "range fail"), (Flag.FLAT_LINE, "flat line"))
_KMH = 1 / 3.6
#: thresholds of which zero says that nothing is asked, or the lowest
_MAY_BE_ZERO = ("exhaust_speed", "background_percentile", "segment_least")


@dataclass(frozen=True)
class MobileRules:
    """Table `mobile` of the thresholds; see there for the meaning of each.

    Parameters
    ----------
    speed_most, moving, exhaust_speed
        km/h.
    frozen_seconds, gap_seconds, segment_seconds, segment_least
        s.
    exhaust_co2, exhaust_co
        ppm and ppb above the background.
    background_minutes, background_percentile
        Half width of the window, and percentile.
    segment_metres
        m.
    """

    speed_most: float
    moving: float
    frozen_seconds: float
    gap_seconds: float
    exhaust_speed: float
    exhaust_co2: float
    exhaust_co: float
    background_minutes: float
    background_percentile: float
    segment_metres: float
    segment_seconds: float
    segment_least: float

    def __post_init__(self) -> None:
        """Raise unless the numbers can be thresholds."""
        for name, value in vars(self).items():
            _require(value > 0 or (name in _MAY_BE_ZERO and value == 0), f"{name} must be positive", value)
        percentile = self.background_percentile
        _require(percentile <= 100, "background_percentile must be at most 100", percentile)


def _require(good: bool, rule: str, got: object) -> None:
    if not good:
        raise StationMetaError(rule, got=got, remedy="correct the thresholds")


@dataclass(frozen=True, eq=False)
class Drive:
    """All tracks of a laboratory.

    Parameters
    ----------
    samples
        One row per row of the files, ascending in time: time (UTC, when the air came in), lon, lat (where), value,
        enhancement (species unit), reason, bits, segment (-1 where none), source.
    segments
        Of `segments_of`.
    facts
        The registry's facts about the laboratory.
    accounts
        One per file.
    """

    samples: pd.DataFrame
    segments: pd.DataFrame
    facts: Station
    accounts: list[Account]


def read_drive(
    paths: list[Path],
    feed: MobileSettings,
    gas: Species,
    registry: pd.DataFrame,
    rules: Rules,
    *,
    root: Path | None = None,
    window: tuple[np.datetime64, np.datetime64] | None = None,
) -> Drive:
    """Return what a laboratory's tracks say.

    Parameters
    ----------
    paths
        Its files; `feed.files` is not looked at.
    feed, gas, registry, rules
        How to read them, the species, the table of `station_meta.load`, and the thresholds.
    root
        Folder the accounts name files relative to; by bare names when not given.
    window
        Hours whose samples make segments; all when not given.

    Raises
    ------
    InputError
        When no file can be used; one beside others that can is set aside.
    """
    limits = rules_table(rules, "mobile", MobileRules)
    names = shown_names(paths, root)
    names, said, refused = _read(paths, names, feed)
    facts = _facts_of(feed, gas, registry, np.concatenate([one.label for one in said]))
    frames = [_frame(one, feed, gas, facts, where=name) for one, name in zip(said, names, strict=True)]
    table = pd.concat([frame.assign(source=number) for number, frame in enumerate(frames)], ignore_index=True)
    table = table.sort_values(["time", "source"], kind="stable", na_position="last", ignore_index=True)
    reason = table["reason"].to_numpy(dtype=object).copy()
    _settle(table, reason)
    _place(table, reason, feed, limits)
    step = _judge(table, reason, feed, gas, rules, limits)
    if window is not None:
        outside = (table["time"].to_numpy() < window[0]) | (table["time"].to_numpy() >= window[1])
        reason[outside] = OUTSIDE
    table["reason"] = reason
    used = np.flatnonzero(reason == "")
    time, lon, lat = (table[name].to_numpy()[used] for name in ("time", "lon", "lat"))
    number = segment_numbers(
        time, lon, lat, metres=limits.segment_metres, seconds=limits.segment_seconds, gap=limits.gap_seconds
    )
    table["segment"] = -1
    table.loc[used, "segment"] = number
    segments = segments_of(table.iloc[used], step)
    few = segments["count"].to_numpy() * step < limits.segment_least
    bits = segments["bits"].to_numpy(dtype=np.uint32) | np.where(few, np.uint32(Flag.INCOMPLETE), np.uint32(0))
    segments["bits"] = bits | np.uint32(0 if feed.assimilate else Flag.HELD_OUT)
    notes = _notes(feed, gas)
    told = [_account(table, segments, i, names[i], (*one.notes, *notes), feed, gas) for i, one in enumerate(said)]
    told += [one.account(feed.id, gas.name, feed.height) for one in refused]
    return Drive(table, segments, facts, sorted(told, key=lambda account: account.source))


def _read(
    paths: list[Path], names: list[str], feed: MobileSettings
) -> tuple[list[str], list[track.TrackRows], list[Refused]]:
    """Return what the files say that can be used, by name, and the others."""
    read: list[str] = []
    said: list[track.TrackRows] = []
    refused: list[Refused] = []
    for path, name in zip(paths, names, strict=True):
        try:
            one = track.read(path, feed.columns)
            _require_times(one, name)
        except InputError as error:
            if len(paths) == 1:
                raise
            refused.append(Refused(path, name, error))
            continue
        read.append(name)
        said.append(one)
    if not said:
        raise FeedRefusedError(refused, f"mobile {feed.id}")
    return read, said, refused


def _require_times(said: track.TrackRows, where: str) -> None:
    if np.isnat(said.label).all():
        raise TimeError(
            "a row must have a readable time", got=str(said.reason[0]), remedy="correct time_format", where=where
        )


def _facts_of(feed: MobileSettings, gas: Species, registry: pd.DataFrame, label: np.ndarray) -> Station:
    """Return the registry's facts about a laboratory, the same at both ends of its tracks.

    Raises
    ------
    RegistryError
        When it is not there, does not measure the species, or has no scale although its values are mole fractions.
    """
    ends = np.nanmin(label), np.nanmax(label)
    try:
        first, last = (station_meta.find(registry, feed.id, when) for when in ends)
        first.uncertainty_of(gas.name)
        if feed.value_means == "mole fraction":
            first.scale_of(gas.name)
    except StationMetaError as error:
        raise registry_error(error) from error
    if (first.zone, first.scale, first.uncertainty) != (last.zone, last.scale, last.uncertainty):
        raise RegistryError(
            "a laboratory's zone, scale and uncertainty must not change along its tracks",
            got=f"two periods of the station table between {ends[0]:.10} and {ends[1]:.10}".replace("T", " "),
            remedy="read the tracks of each period as a section of their own",
            where=f"mobile {feed.id}",
        )
    return first


def _frame(said: track.TrackRows, feed: MobileSettings, gas: Species, facts: Station, *, where: str) -> pd.DataFrame:
    """Return one file's rows in UTC and the species' own unit."""
    zone = feed.zone or facts.zone
    if zone is None:
        raise zone_unknown(feed, where=where)
    time = utc_start(said.label, zone, "start", _SECOND, where=where)
    factor = mole_fraction_factor(feed.columns.unit, gas, where=where)
    value = said.value * factor
    if feed.value_means == "mole fraction":
        value = np.where(is_fill(said.value, FILLS), np.nan, value)
    co = said.co * (1.0 if feed.columns.co is None else mole_fraction_factor(feed.columns.co_unit, SPECIES["co"]))
    reason = said.reason.copy()
    reason[np.isnat(time) & (reason == "")] = CLOCK_CHANGE
    columns = ("lon", "lat", "speed", "heading", "wind_from")
    return pd.DataFrame(
        {
            "time": time,
            **{name: getattr(said, name) for name in columns},
            "value": value,
            "co": co,
            "no_fix": pd.Series(said.no_fix, dtype=object),
            "reason": pd.Series(reason, dtype=object),
            "bits": np.zeros(time.size, dtype=np.uint32),
        }
    )


def _settle(table: pd.DataFrame, reason: np.ndarray) -> None:
    """Keep one of equal rows at a time; refuse all of several that differ."""
    rows = np.flatnonzero(reason == "")
    part = table.iloc[rows]
    again = part["time"].duplicated().to_numpy(dtype=bool)
    keys = ["lon", "lat", "value"]
    unlike = part.groupby("time")[keys].transform("nunique", dropna=False).gt(1).any(axis=1).to_numpy(dtype=bool)
    reason[rows[again]] = DUPLICATE
    reason[rows[unlike]] = CONFLICT


def _place(table: pd.DataFrame, reason: np.ndarray, feed: MobileSettings, limits: MobileRules) -> None:
    """Replace time and position of each reading by those of its air's entry; name those that are not known."""
    rows = np.flatnonzero(reason == "")
    part = table.iloc[rows]
    time, lon, lat = (part[name].to_numpy() for name in ("time", "lon", "lat"))
    there = position_reasons(
        time, lon, lat, part["speed"].to_numpy(), part["no_fix"].to_numpy(dtype=object),
        box=feed.box, speed_most=limits.speed_most * _KMH, moving=limits.moving * _KMH,
        frozen_seconds=limits.frozen_seconds,
    )  # fmt: skip
    east, north, why = at_inlet(time, lon, lat, there, lag=feed.lag, gap=limits.gap_seconds)
    reason[rows] = why
    # what the vehicle did and how the wind blew counts when the air came in, too
    entry = time - np.timedelta64(round(feed.lag * 1e9), "ns")
    near = np.minimum(np.searchsorted(time, entry), max(time.size - 1, 0))
    moved = {"time": entry, "lon": east, "lat": north}
    moved |= {name: part[name].to_numpy()[near] for name in ("speed", "heading", "wind_from")}
    for name, values in moved.items():
        column = table[name].to_numpy().copy()
        column[rows] = values
        table[name] = column


def _judge(
    table: pd.DataFrame, reason: np.ndarray, feed: MobileSettings, gas: Species, rules: Rules, limits: MobileRules
) -> float:
    """Fill in bits, enhancement and the reasons of values; return the seconds a sample stands for."""
    reason[(reason == "") & ~np.isfinite(table["value"].to_numpy())] = MISSING_VALUE
    time, bits = table["time"].to_numpy(), table["bits"].to_numpy(dtype=np.uint32).copy()
    rows = np.flatnonzero(reason == "")
    gaps = np.diff(time[rows]) / _SECOND
    step = float(np.median(gaps)) if gaps.size else 1.0
    absolute = feed.value_means == "mole fraction"
    if absolute and rows.size:
        thresholds = rules_of(rules, gas.name, MOBILE, feed.id, where=f"mobile {feed.id}")
        interval = np.timedelta64(round(step * 1e9), "ns")
        found = assess(time[rows], table["value"].to_numpy()[rows], interval, thresholds)
        bits[rows] = found
        for bit, text in reversed(_TESTS):
            reason[rows[rejected(found, interval, thresholds) & ((found & np.uint32(bit)) != 0)]] = text
    table["bits"] = bits
    _refuse_exhaust(table, reason, feed, gas, limits)
    rows = np.flatnonzero(reason == "")
    value = table["value"].to_numpy()
    rise = np.full(len(table), np.nan)
    rise[rows] = value[rows] - (_background(time[rows], value[rows], limits) if absolute else 0.0)
    table["enhancement"] = rise
    return step


def _refuse_exhaust(
    table: pd.DataFrame, reason: np.ndarray, feed: MobileSettings, gas: Species, limits: MobileRules
) -> None:
    """Name the readings of the vehicle's own exhaust."""
    speed, heading, wind_from = (table[name].to_numpy() for name in ("speed", "heading", "wind_from"))
    reason[(reason == "") & own_tail(speed, heading, wind_from, slow=limits.exhaust_speed * _KMH)] = OWN_TAIL
    if feed.columns.co is None or gas.name != "co2":
        return
    rows = np.flatnonzero((reason == "") & np.isfinite(table["co"].to_numpy()))
    if rows.size == 0:
        return
    time, value, co = (table[name].to_numpy()[rows] for name in ("time", "value", "co"))
    rise = value - (_background(time, value, limits) if feed.value_means == "mole fraction" else 0.0)
    joint = own_joint(rise, co - _background(time, co, limits), least=limits.exhaust_co2, co_least=limits.exhaust_co)
    reason[rows[joint]] = OWN_JOINT


def _background(time: np.ndarray, value: np.ndarray, limits: MobileRules) -> np.ndarray:
    return background_of(time, value, minutes=limits.background_minutes, percentile=limits.background_percentile)


def _notes(feed: MobileSettings, gas: Species) -> tuple[str, ...]:
    """Return what was not looked for, and what the account counts."""
    columns = feed.columns
    notes = ["a row is a sample, and a segment stands as an hour of its own"]
    if columns.fix is None:
        notes.append("no column of the position's quality")
    if columns.speed is None:
        notes.append("no speed: a frozen position is not looked for")
    if columns.heading is None:
        notes.append("no heading and wind: exhaust from behind is not looked for")
    if columns.co is None or gas.name != "co2":
        notes.append("exhaust is not looked for in CO and CO2")
    if feed.value_means == "enhancement":
        notes.append("values are above a background of the provider's: range is not tested")
    return tuple(notes)


def _account(
    table: pd.DataFrame,
    segments: pd.DataFrame,
    number: int,
    name: str,
    notes: tuple[str, ...],
    feed: MobileSettings,
    gas: Species,
) -> Account:
    """Return the account of one file."""
    mine = table[table["source"] == number]
    flag = segments.loc[segments["source"] == number, "bits"].to_numpy(dtype=np.uint32)
    rows = mine["reason"].to_numpy(dtype=object), mine["bits"].to_numpy(dtype=np.uint32)
    return account.account_of(name, feed.id, gas.name, feed.height, rows, flag, notes)
