"""Station files in, "observations" out: hourly means with flags, and an account of every row.

The order is: decode, unit, zone and label, registry, missing values, the provider's flags, the instrument's own state,
duplicates, range, flat line, spike, hourly mean, spread and rate, comparison with neighbours, selection. Tests see
whole files, so a result does not change with the hours asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from pydantic import ValidationError

import station_meta
from pipeline.errors import ConfigError, FormatError, RegistryError
from pipeline.ingest import account
from pipeline.ingest.account import Account
from pipeline.ingest.files import expand
from pipeline.ingest.formats.text import read_lines
from pipeline.ingest.hourly import Hours, hourly_means, uncertainty_of_mean
from pipeline.ingest.neighbours import Alarm, NeighbourRules, Series, compare
from pipeline.ingest.quality import assess_hours, rules_of
from pipeline.ingest.registry import read_rules
from pipeline.ingest.rows import OUTSIDE, FeedRows, judge, read_rows
from pipeline.ingest.site import Periods, periods, registry_error, registry_rows
from pipeline.schema import HOUR, Flag, label
from pipeline.settings import Completeness, Settings, StationSettings
from pipeline.units import SPECIES, Species
from station_meta import QualityRules, Rules

_SIGNATURES = ((b"CDF", "obspack"), (b"\x89HDF", "obspack"))

#: the earth turns by this in an hour
_DEGREES_PER_HOUR = 15.0


def read_stations(
    settings: Settings, root: Path, registry: pd.DataFrame
) -> tuple[xr.Dataset, list[Account], list[str]]:
    """Return the observations of a case, what became of every row of its station files, and alarms.

    Parameters
    ----------
    settings
        The case; its feeds, species and observation hours.
    root
        Folder of the input paths.
    registry
        Table of `station_meta.load`.

    Returns
    -------
    observations
        Sorted by time, station, height. Hours that failed a test are in it, flagged; hours without any row are not.
    accounts
        One per file, in the order of the feeds and then of the names.
    alarms
        What a person should look at: stations that go with their neighbours at another time, or in another unit.

    Raises
    ------
    InputError
        When a pattern matches no file, or a file cannot be used; see the readers.
    """
    gas = SPECIES[settings.case.species]
    rules = read_rules(settings, root)
    feeds = []
    for feed in settings.stations:
        paths = sorted({path for pattern in feed.files for path in expand(root, pattern)})
        feeds.append(_read_feed(paths, feed, gas, registry, rules, root))
    alarms = _compare(feeds, gas, rules)
    window = settings.case.observation_hours.bounds
    parts, accounts = [], []
    for one in feeds:
        _select_hours(one)
        part, told = _within(one, gas, window)
        parts.append(part)
        accounts += told
    observations = label(_sorted(xr.concat(parts, dim="obs", combine_attrs="override")), "observations")
    return observations, accounts, [str(alarm) for alarm in alarms]


def read_station(
    path: Path,
    feed: StationSettings,
    gas: Species,
    registry: pd.DataFrame,
    *,
    rules: Rules | None = None,
    root: Path | None = None,
) -> tuple[xr.Dataset, Account]:
    """Return the observations of one file, all its hours, and the account of its rows.

    Parameters
    ----------
    path
        The file; `feed.files` is not looked at.
    feed
        How to read it.
    gas
        The species.
    registry
        Table of `station_meta.load`.
    rules
        Thresholds; the shipped ones when not given.
    root
        Folder the account names the file relative to; by its bare name when not given.

    Raises
    ------
    InputError
        When the file cannot be used; see the readers.
    """
    one = _read_feed([path], feed, gas, registry, rules or station_meta.load_rules(), root)
    _select_hours(one)
    part, told = _within(one, gas, None)
    return label(_sorted(part), "observations"), told[0]


def inspect(
    path: Path,
    gas: Species,
    registry: pd.DataFrame,
    *,
    station: str,
    height: float | None = None,
    format: str | None = None,
    completeness: Completeness | None = None,
) -> tuple[xr.Dataset, Account]:
    """Return what `read_station` makes of a file without a settings file.

    Parameters
    ----------
    station, height
        Station id, and inlet height above ground in m; the station's only inlet when not given.
    format
        Recognised from the first lines when not given.
    completeness
        Samples an hour needs; the default of the settings when not given.

    Raises
    ------
    ConfigError
        For arguments that could not stand in a settings file.
    """
    declared = {
        "id": station,
        "format": format or sniff(path),
        "files": [path.name],
        "height": _only_inlet(registry, station) if height is None else height,
        "completeness": completeness or Completeness(),
        "representation_error": 0.0,
    }
    try:
        feed = StationSettings.model_validate(declared)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            f"{'.'.join(map(str, first['loc'])) or 'format'}: {first['msg']}",
            got=first["input"] if first["loc"] else declared["format"],
            remedy="correct it; a table needs a settings file that declares its columns",
        ) from error
    return read_station(path, feed, gas, registry)


def sniff(path: Path) -> str:
    """Return the format of a station file by its first lines.

    Raises
    ------
    FormatError
        When they are of no format that describes itself.
    """
    if path.is_file():
        with path.open("rb") as stream:
            head = stream.read(4)
        for start, name in _SIGNATURES:
            if head.startswith(start):
                return name
    lines = [*read_lines(path), "", "", ""]
    if lines[0].startswith("Created:") and lines[2].split()[:2] == ["date", "time"]:
        return "gcwerks"
    if lines[0].startswith("# TITLE"):
        return "icos-atc"
    if lines[0].startswith("REM"):
        return "wdcgg"
    if "#Site" in lines[0] and "SamplingHeight" in lines[0]:
        return "icos-csv"
    raise FormatError(
        "the format must be recognised by its first lines",
        got=lines[0][:60],
        remedy="give the format; a table needs a settings file that declares its columns",
        where=path.name,
    )


@dataclass(frozen=True, eq=False)
class _Feed:
    """What a feed's files hold, judged: rows, hours made of them, and the facts and thresholds of the station."""

    settings: StationSettings
    rows: FeedRows
    hours: Hours
    facts: Periods
    rules: QualityRules


def _read_feed(
    paths: list[Path], feed: StationSettings, gas: Species, registry: pd.DataFrame, rules: Rules, root: Path | None
) -> _Feed:
    """Return the rows of one feed and all its hours, judged by themselves."""
    names = [path.relative_to(root).as_posix() if root and path.is_relative_to(root) else path.name for path in paths]
    station_class = feed.quality_class or str(registry_rows(registry, feed.id)["station_class"].iloc[0])
    own = rules_of(rules, gas.name, station_class, feed.id, where=f"station {feed.id}")
    rows = read_rows(paths, names, feed, gas, registry, own)
    refused = judge(rows, own)
    frame = rows.table
    hours = hourly_means(
        frame["time"].to_numpy(),
        frame["value"].to_numpy(),
        frame["spread"].to_numpy(),
        frame["count"].to_numpy(),
        frame["bits"].to_numpy(),
        kept=(frame["reason"] == "").to_numpy(dtype=bool),
        refused=refused,
        interval=rows.interval,
        completeness=feed.completeness,
        where=f"station {feed.id}",
    )
    hours.flag[:] |= assess_hours(hours.time, hours.value, hours.spread, own)
    return _Feed(feed, rows, hours, periods(frame["time"].to_numpy(), feed, gas, registry), own)


def _compare(feeds: list[_Feed], gas: Species, rules: Rules) -> list[Alarm]:
    """Flag hours by comparing stations with each other; return what a person should look at."""
    series = []
    for one in feeds:
        station, hours = one.facts.one, one.hours
        series.append(
            Series(
                station.id,
                one.settings.quality_class or station.station_class,
                station.lon,
                station.lat,
                hours.time,
                hours.value,
                hours.flag,
                one.rules,
            )
        )
    bits, alarms = compare(series, gas.name, neighbour_rules(rules))
    for one, found in zip(feeds, bits, strict=True):
        one.hours.flag[:] |= found
    return alarms


def neighbour_rules(rules: Rules) -> NeighbourRules:
    """Return the thresholds of comparisons.

    Raises
    ------
    RegistryError
        When they cannot be used.
    """
    try:
        return rules.table("neighbours", NeighbourRules)
    except station_meta.StationMetaError as error:
        raise registry_error(error) from error


def _select_hours(one: _Feed) -> None:
    """Flag hours outside `local_hours`: whole hours from UTC by longitude, for the sun, not the clock, makes the day.

    The zone of a station's feed says how its labels are written, which may be UTC anywhere.
    """
    hours = one.hours
    if one.settings.local_hours is None or hours.time.size == 0:
        return
    local = hours.time + round(one.facts.one.lon / _DEGREES_PER_HOUR) * HOUR
    hour = (local - local.astype("datetime64[D]")) // HOUR
    start, end = one.settings.local_hours
    hours.flag[(hour < start) | (hour >= end)] |= np.uint32(Flag.NOT_SELECTED_HOUR)


def _within(
    one: _Feed, gas: Species, window: tuple[np.datetime64, np.datetime64] | None
) -> tuple[xr.Dataset, list[Account]]:
    """Return the bare observations of one feed within the window, and one account per file.

    Rows outside it say so before any other reason, but that they are of another station.
    """
    frame, hours = one.rows.table, one.hours
    if window is not None:
        time = frame["time"].to_numpy()
        outside = (time < window[0]) | (time >= window[1])
        elsewhere = frame["reason"].str.startswith("other ").to_numpy(dtype=bool)
        frame.loc[outside & ~elsewhere, "reason"] = OUTSIDE
        hours = hours.take((hours.time >= window[0]) & (hours.time < window[1]))
    return _dataset(hours, one, gas), _accounts(one.rows, hours, one.settings, gas)


def _dataset(hours: Hours, one: _Feed, gas: Species) -> xr.Dataset:
    """Return the hours with the facts of the registry period each lies in."""
    frame, feed = one.rows.table, one.settings
    stations = [one.facts.stations[i] for i in one.facts.which[hours.first]]
    measurement = _measurement(hours, frame, gas, stations, one.rules)
    size = hours.time.size
    columns = {
        "time": hours.time,
        "value": hours.value,
        "uncertainty": uncertainty_of_mean(measurement, hours.spread, hours.count, hours.coverage),
        "spread": hours.spread,
        "count": hours.count,
        "flag": hours.flag,
        "station": np.full(size, feed.id),
        "platform": np.array([station.station_class for station in stations], dtype=np.str_),
        "lon": np.array([station.lon for station in stations], dtype=np.float64),
        "lat": np.array([station.lat for station in stations], dtype=np.float64),
        "height": np.full(size, feed.height),
        "scale": frame["scale"].to_numpy(dtype=object)[hours.first].astype(np.str_),
    }
    return xr.Dataset({name: ("obs", values) for name, values in columns.items()}, attrs={"species": gas.name})


def _measurement(
    hours: Hours, frame: pd.DataFrame, gas: Species, stations: list[station_meta.Station], rules: QualityRules
) -> np.ndarray:
    """Return the measurement uncertainty of each hour: the file's, else the station's; more on another scale."""
    stated = frame["uncertainty"].to_numpy(dtype=np.float64)[hours.first]
    try:
        ours = [s.uncertainty_of(gas.name) if np.isnan(u) else u for s, u in zip(stations, stated, strict=True)]
    except station_meta.StationMetaError as error:
        raise registry_error(error) from error
    foreign = (hours.flag & np.uint32(Flag.SCALE_UNCONVERTED)) != 0
    return np.asarray(ours, dtype=np.float64) + np.where(foreign, rules.scale_error, 0.0)


def _accounts(rows: FeedRows, hours: Hours, feed: StationSettings, gas: Species) -> list[Account]:
    frame = rows.table
    source, reason, bits = (frame[name].to_numpy() for name in ("source", "reason", "bits"))
    of_hour = source[hours.first]
    told = []
    for number, name in enumerate(rows.names):
        mine, flag = source == number, hours.flag[of_hour == number]
        told.append(
            Account(
                source=name,
                station=feed.id,
                species=gas.name,
                height=feed.height,
                rows_read=int(mine.sum()),
                rows=account.count_rows(reason[mine], bits[mine]),
                hours=int(flag.size),
                hours_usable=account.count_usable(flag),
                flags=account.count_flags(flag),
                notes=rows.notes[number],
            )
        )
    return told


def _sorted(dataset: xr.Dataset) -> xr.Dataset:
    """Return the observations by time, station, height, whatever the order of feeds and files."""
    keys = (dataset["height"].values, dataset["station"].values, dataset["time"].values)
    return dataset.isel(obs=np.lexsort(keys))


def _only_inlet(registry: pd.DataFrame, station: str) -> float:
    """Return the height of a station with one inlet."""
    texts = set(registry_rows(registry, station)["inlets"].astype(str))
    heights = {part.strip() for text in texts for part in text.split(";") if part.strip()}
    if len(heights) != 1:
        raise RegistryError(
            "height must be given where a station has not one inlet",
            got=sorted(heights, key=float),
            remedy="give height, in m",
            where=f"station {station}",
        )
    return float(heights.pop())
