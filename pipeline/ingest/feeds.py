"""One feed judged: its files' rows with flags, the hours made of them, and what comparisons with neighbours add."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import station_meta
from pipeline.ingest.files import expand
from pipeline.ingest.hourly import Hours, hourly_means
from pipeline.ingest.neighbours import Alarm, NeighbourRules, Series, compare
from pipeline.ingest.quality import assess_hours, rules_of
from pipeline.ingest.registry import read_rules
from pipeline.ingest.rows import FeedRows, judge, read_rows
from pipeline.ingest.site import Periods, periods, registry_error, registry_rows
from pipeline.schema import HOUR, Flag
from pipeline.settings import Settings, StationSettings
from pipeline.units import SPECIES, Species
from station_meta import QualityRules, Rules

#: the earth turns by this in an hour
_DEGREES_PER_HOUR = 15.0


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
    """

    settings: StationSettings
    rows: FeedRows
    hours: Hours
    facts: Periods
    rules: QualityRules


def judge_case(settings: Settings, root: Path, registry: pd.DataFrame) -> tuple[list[Judged], list[Alarm]]:
    """Return all feeds of a case, judged, compared and selected, and what a person should look at.

    Parameters
    ----------
    settings
        The case; its feeds and species.
    root
        Folder of the input paths.
    registry
        Table of `station_meta.load`.

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
        feeds.append(judge_feed(paths, feed, gas, registry, rules, root))
    alarms = compare_feeds(feeds, gas, rules)
    for one in feeds:
        select_hours(one)
    return feeds, alarms


def judge_feed(
    paths: list[Path], feed: StationSettings, gas: Species, registry: pd.DataFrame, rules: Rules, root: Path | None
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

    Raises
    ------
    InputError
        When a file cannot be used; see the readers.
    """
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
    return Judged(feed, rows, hours, periods(frame["time"].to_numpy(), feed, gas, registry), own)


def compare_feeds(feeds: list[Judged], gas: Species, rules: Rules) -> list[Alarm]:
    """Flag hours by comparing stations with each other; return what a person should look at.

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
                hours.time,
                hours.value,
                hours.flag,
                one.rules,
            )
        )
    bits, alarms = compare(series, gas.name, _neighbour_rules(rules))
    for one, found in zip(feeds, bits, strict=True):
        one.hours.flag[:] |= found
    return alarms


def select_hours(one: Judged) -> None:
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


def _neighbour_rules(rules: Rules) -> NeighbourRules:
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
