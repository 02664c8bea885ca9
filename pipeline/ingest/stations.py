"""Station files in, "observations" out: hourly means with flags, and an account of every row.

The order is: decode, unit, zone and label, registry, missing values, the provider's flags, the instrument's own state,
duplicates, range, flat line, spike, hourly mean, spread and rate, comparison with neighbours, selection. Tests see
whole files, so a result does not change with the hours asked for.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

import station_meta
from pipeline.ingest import account
from pipeline.ingest.account import Account
from pipeline.ingest.checks_of_case import notes_of_checks
from pipeline.ingest.feeds import Judged, calibrations_of, judge_case, judge_feed, select_hours
from pipeline.ingest.hourly import Hours, uncertainty_of_mean
from pipeline.ingest.nothing import nothing
from pipeline.ingest.registry import read_rules, rules_table
from pipeline.ingest.rows import OUTSIDE, FeedRows
from pipeline.ingest.sensors import without_bias
from pipeline.ingest.site import registry_error
from pipeline.ingest.surroundings import Surroundings
from pipeline.schema import label
from pipeline.settings import Settings, StationSettings
from pipeline.units import SPECIES, Species
from station_meta import BiasRules, Rules


def read_stations(
    settings: Settings,
    root: Path,
    registry: pd.DataFrame,
    around: Surroundings | None = None,
    *,
    cache: Path | None = None,
) -> tuple[xr.Dataset, list[Account], list[str]]:
    """Return the observations of a case, what became of every row of its station files, and notes.

    Parameters
    ----------
    settings
        The case; its feeds, species and observation hours.
    root
        Folder of the input paths.
    registry
        Table of `station_meta.load`.
    around
        The weather at stations, when there is any.
    cache
        Folder of rows that were read before; it changes none.

    Returns
    -------
    observations
        Sorted by time, station, height. Hours that failed a test are in it, flagged; hours without any row are not.
    accounts
        One per file, in the order of the feeds and then of the names; of a file that cannot be used, why.
    notes
        What a person should look at: stations that go with their neighbours at another time, or in another unit; checks
        and calibrations of stations the case has not; and what the bias filter did.

    Raises
    ------
    InputError
        When a pattern matches no file, or settings and registry do not go together. A file that cannot be used is set
        aside.
    """
    gas = SPECIES[settings.case.species]
    feeds, alarms, accounts = judge_case(settings, root, registry, around, cache=cache)
    window = settings.case.observation_hours.bounds
    parts = []
    for one in feeds:
        part, told = _within(one, gas, window)
        parts.append(part)
        accounts += told
    observations = label(_joined(parts, gas), "observations")
    notes = [*map(str, alarms), *notes_of_checks(settings, root, feeds)]
    if settings.bias_filter is not None:
        start = window[0] - np.timedelta64(settings.bias_filter.history, "D")
        before = [
            _dataset(one.hours.take((one.hours.time >= start) & (one.hours.time < window[0])), one, gas)
            for one in feeds
        ]
        found = without_bias(
            observations,
            _joined(before, gas),
            settings,
            rules_table(read_rules(settings, root, registry), "bias_filter", BiasRules),
            _instruments(feeds, (start, window[1])),
            calibrations_of(settings, root),
            around,
        )
        observations, notes = found.observations, [*notes, *found.notes]
    place = {(feed.id, feed.height): number for number, feed in enumerate(settings.stations)}
    accounts.sort(key=lambda told: (place[told.station, told.height], told.source))
    return observations, accounts, notes


def _instruments(feeds: list[Judged], window: tuple[np.datetime64, np.datetime64]) -> dict[str, str]:
    """Return by station the names of the instruments of the registry periods its hours of a window lie in."""
    told: dict[str, dict[str, None]] = {}
    for one in feeds:
        inside = one.hours.first[(one.hours.time >= window[0]) & (one.hours.time < window[1])]
        names = [one.facts.stations[i].instrument for i in np.unique(one.facts.which[inside])]
        told.setdefault(one.settings.id, {}).update(dict.fromkeys(names))
    return {station: "; ".join(names) for station, names in told.items()}


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
    one = judge_feed([path], feed, gas, registry, rules or station_meta.load_rules(), root)
    select_hours(one)
    part, told = _within(one, gas, None)
    return label(_sorted(part), "observations"), told[0]


def _within(
    one: Judged, gas: Species, window: tuple[np.datetime64, np.datetime64] | None
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
    return _dataset(hours, one, gas), accounts_of(one.rows, hours, one.settings, gas)


def _dataset(hours: Hours, one: Judged, gas: Species) -> xr.Dataset:
    """Return the hours with the facts of the registry period each lies in."""
    frame, feed = one.rows.table, one.settings
    stations = [one.facts.stations[i] for i in one.facts.which[hours.first]]
    off = one.checks.sigma[np.searchsorted(one.hours.time, hours.time)]
    measurement = np.hypot(_measurement(hours, frame, gas, stations), off)
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


def _measurement(hours: Hours, frame: pd.DataFrame, gas: Species, stations: list[station_meta.Station]) -> np.ndarray:
    """Return the measurement uncertainty of each hour: the file's, else the station's."""
    stated = frame["uncertainty"].to_numpy(dtype=np.float64)[hours.first]
    try:
        ours = [s.uncertainty_of(gas.name) if np.isnan(u) else u for s, u in zip(stations, stated, strict=True)]
    except station_meta.StationMetaError as error:
        raise registry_error(error) from error
    return np.asarray(ours, dtype=np.float64)


def accounts_of(rows: FeedRows, hours: Hours, feed: StationSettings, gas: Species) -> list[Account]:
    """Return what became of the rows of each file of a feed, and of these hours."""
    frame = rows.table
    source, reason, bits = (frame[name].to_numpy() for name in ("source", "reason", "bits"))
    of_hour = source[hours.first]
    told = []
    for number, name in enumerate(rows.names):
        mine, flag = source == number, hours.flag[of_hour == number]
        rows_of = reason[mine], bits[mine]
        told.append(account.account_of(name, feed.id, gas.name, feed.height, rows_of, flag, rows.notes[number]))
    return told


def _joined(parts: list[xr.Dataset], gas: Species) -> xr.Dataset:
    """Return the observations of feeds, which may be none, as one Dataset, sorted."""
    return _sorted(xr.concat([nothing("observations", gas), *parts], dim="obs", combine_attrs="override"))


def _sorted(dataset: xr.Dataset) -> xr.Dataset:
    """Return the observations by time, station, height, whatever the order of feeds and files."""
    keys = (dataset["height"].values, dataset["station"].values, dataset["time"].values)
    return dataset.isel(obs=np.lexsort(keys))
