"""One feed judged: its files' rows with flags, the hours made of them, and what comparisons with neighbours add."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.errors import ConfigError, InputError
from pipeline.ingest.account import Account
from pipeline.ingest.calibration_log import Checks, checked, read_log
from pipeline.ingest.calibrations import Calibration, read_calibrations
from pipeline.ingest.declared import require_station
from pipeline.ingest.files import expand, shown_names
from pipeline.ingest.hourly import Hours, hourly_means
from pipeline.ingest.kept_rows import KeptRows
from pipeline.ingest.neighbours import Alarm, NeighbourRules, Series, compare
from pipeline.ingest.quality import assess_hours
from pipeline.ingest.quarantine import refused_of
from pipeline.ingest.registry import read_rules, rules_table
from pipeline.ingest.rows import FeedRows, Known, judge, read_rows, station_rules
from pipeline.ingest.site import Periods, periods
from pipeline.ingest.surroundings import Surroundings, selection_bits
from pipeline.settings import Settings, StationSettings
from pipeline.units import SPECIES, Species
from station_meta import QualityRules, Rules


@dataclass(frozen=True, eq=False)
class Judged:
    """What a feed's files hold, judged.

    Parameters
    ----------
    settings
        The feed.
    rows
        Of all its files, each with its quality bits and why it is not used.
    hours
        Made of them; their flags are those of the tests so far.
    facts, rules
        Facts and thresholds of the station.
    checks
        What the calibration log says of each hour.
    """

    settings: StationSettings
    rows: FeedRows
    hours: Hours
    facts: Periods
    rules: QualityRules
    checks: Checks


def judge_case(
    settings: Settings,
    root: Path,
    registry: pd.DataFrame,
    around: Surroundings | None = None,
    *,
    cache: Path | None = None,
) -> tuple[list[Judged], list[Alarm], list[Account]]:
    """Return all feeds of a case, judged, compared and selected; what a person should look at; and the refused files.

    A feed of which no file can be used is not among the feeds. All feeds are held against the registry before a file is
    read.

    Parameters
    ----------
    settings
        The case; its feeds and species.
    root
        Folder of the input paths.
    registry
        Table of `station_meta.load`.
    around
        The weather at stations, when there is any.
    cache
        Folder of rows that were read before; it changes none.

    Raises
    ------
    ConfigError
        When hours are to be selected by weather, and there is none; and as `require_station`.
    InputError
        When a pattern matches no file; and as `require_station`.
    """
    gas = SPECIES[settings.case.species]
    rules = read_rules(settings, root, registry)
    for feed in settings.stations:
        require_station(feed, gas, registry, rules)
    calibrations = calibrations_of(settings, root)
    log = read_log([path for pattern in settings.inputs.calibration_logs for path in expand(root, pattern)])
    kept, known = KeptRows(cache, registry, rules), known_hours(settings)
    feeds, accounts = [], []
    for feed in settings.stations:
        paths = sorted({path for pattern in feed.files for path in expand(root, pattern)})
        try:
            feeds.append(judge_feed(paths, feed, gas, registry, rules, root, calibrations, log, known, kept))
            refused = feeds[-1].rows.refused
        except InputError as error:
            refused = refused_of(error, paths, shown_names(paths, root))
        accounts += [one.account(feed.id, gas.name, feed.height) for one in refused]
    alarms = compare_feeds(feeds, gas, rules, filtered=settings.bias_filter is not None)
    for one in feeds:
        select_hours(one)
        if settings.case.select:
            _select_by_class(one, around)
    return feeds, alarms, accounts


def known_hours(settings: Settings) -> Known:
    """Return the hours whose rows are looked at."""
    return None if settings.case.known_hours is None else settings.case.known_hours.bounds


def calibrations_of(settings: Settings, root: Path) -> list[Calibration]:
    """Return the corrections of a case's sensors.

    Raises
    ------
    FormatError
        As `read_calibrations`.
    """
    return read_calibrations([path for pattern in settings.inputs.calibrations for path in expand(root, pattern)])


def judge_feed(
    paths: list[Path],
    feed: StationSettings,
    gas: Species,
    registry: pd.DataFrame,
    rules: Rules,
    root: Path | None,
    calibrations: Sequence[Calibration] = (),
    log: pd.DataFrame | None = None,
    known: Known = None,
    kept: KeptRows | None = None,
) -> Judged:
    """Return the rows of one feed and all its hours, judged by themselves.

    Parameters
    ----------
    paths
        Its files.
    feed
        How to read them; `feed.files` is not looked at.
    gas
        The species.
    registry, rules
        Of `station_meta`.
    root
        Folder the rows name their files relative to; by their bare names when not given.
    calibrations
        Corrections of sensors, this one's among them or not.
    log
        Checks of instruments, of `read_log`; none when not given.
    known
        Hours whose rows are looked at, [start, end); all when not given.
    kept
        Rows that were read before, with the same registry and rules.

    Raises
    ------
    InputError
        When a file cannot be used; see the readers.
    """
    names = shown_names(paths, root)
    mine = [one for one in calibrations if (one.station, one.species) == (feed.id, gas.name)]
    rows = read_rows(paths, names, feed, gas, registry, rules, mine, known, kept)
    frame = rows.table
    facts = periods(frame["time"].to_numpy(), feed, gas, registry)
    own = station_rules(rules, facts, feed, gas)
    refused = judge(rows, own)
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
    checks = checked(read_log([]) if log is None else log, feed.id, gas.name, hours.time, own)
    hours.flag[:] |= checks.bits
    return Judged(feed, rows, hours, facts, own, checks)


def compare_feeds(feeds: list[Judged], gas: Species, rules: Rules, *, filtered: bool = False) -> list[Alarm]:
    """Flag hours by comparing stations with each other; return what a person should look at.

    With `filtered`, jumps of feeds with an offset are left to the bias filter.

    Raises
    ------
    RegistryError
        When the thresholds of comparisons cannot be used.
    """
    series = []
    for one in feeds:
        station, hours = one.facts.one, one.hours
        series.append(
            Series(
                station.id,
                one.settings.quality_class or station.station_class,
                station.lon,
                station.lat,
                one.settings.height,
                hours.time,
                hours.value,
                hours.flag,
                replace(one.rules, apart=None) if filtered and one.settings.offset else one.rules,
                has_offset=one.settings.offset is not None,
            )
        )
    bits, alarms = compare(series, gas.name, rules_table(rules, "neighbours", NeighbourRules))
    for one, found in zip(feeds, bits, strict=True):
        one.hours.flag[:] |= found
    return alarms


def select_hours(one: Judged) -> None:
    """Flag hours outside the feed's `local_hours`."""
    hours = one.hours
    hours.flag[:] |= selection_bits(hours.time, one.facts.one.lon, one.settings.local_hours, None, None, one.rules)


def _select_by_class(one: Judged, around: Surroundings | None) -> None:
    """Flag hours in which air is not mixed, by the thresholds of the station's class."""
    hours, station, rules = one.hours, one.facts.one, one.rules
    wind = layer = None
    if rules.wind is not None or rules.mixing is not None:
        if around is None:
            raise ConfigError(
                "hours can be selected by weather only where there is some",
                got="case.select = true, and no section [transport]",
                remedy='add one, or set wind and mixing to "none" in thresholds of your own',
                where=f"station {one.settings.id}",
            )
        lon, lat = (np.full(hours.time.size, place) for place in (station.lon, station.lat))
        wind, layer = around(lon, lat, hours.time)
    own = None if one.settings.local_hours is not None else rules.hours
    hours.flag[:] |= selection_bits(hours.time, station.lon, own, wind, layer, rules)
