"""What quality control found at one station of a case, or in files by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.case import domain_grid, station_weather
from pipeline.errors import ConfigError, InputError, RegistryError
from pipeline.ingest import load_registry, read_registry
from pipeline.ingest.account import Account
from pipeline.ingest.feeds import Judged, judge_case, judge_feed, select_hours
from pipeline.ingest.inspection import feed_of
from pipeline.ingest.registry import load_own_rules
from pipeline.ingest.stations import accounts_of
from pipeline.ingest.versions import OF_STATIONS
from pipeline.qc_sinks import report_of_sink
from pipeline.quality_report import Report, period_of
from pipeline.schema import HOUR, Flag
from pipeline.settings import Completeness, SinkSettings, StationSettings, input_root, read_section, read_settings
from pipeline.units import SPECIES, Species, species
from station_meta import QualityRules


def report_of_case(station: str, path: Path, *, height: float | None = None, root: Path | None = None) -> Report:
    """Return what quality control found at a station of a case, its neighbours compared, or at a sink station.

    Parameters
    ----------
    station
        Station id of a feed of the case, or of one of its `sinks`.
    path
        The case's TOML file.
    height
        Inlet, m, where the case has several of the station.
    root
        Folder of the inputs, when it is not the one the file names.

    Raises
    ------
    InputError
        When the case has no such feed, or a file cannot be used.
    """
    settings = read_settings(path)
    root = input_root(settings, path) if root is None else root.resolve()
    feeds: list[StationSettings | SinkSettings] = [*settings.stations, *settings.sinks]
    wanted = [feed for feed in feeds if feed.id == station and height in (None, feed.height)]
    if len(wanted) != 1:
        known = [f"{feed.id} at {feed.height:g} m" for feed in feeds]
        raise RegistryError(
            "station and height must name one feed of the case",
            got=f"{station}, {len(wanted)} feeds",
            remedy=f"use one of {', '.join(known)}; give height where a station has several inlets",
            where=path.name,
        )
    (feed,) = wanted
    if isinstance(feed, SinkSettings):
        return report_of_sink(settings, feed, root)
    around = station_weather(settings, domain_grid(settings), root, path)
    every, alarms, refused = judge_case(settings, root, read_registry(settings, root), around)
    mine = [told for told in refused if (told.station, told.height) == (station, feed.height)]
    errors = [told.refused for told in mine if told.refused is not None]
    judged = next((one for one in every if one.settings == feed), None)
    if judged is None:
        raise errors[0]
    gas = SPECIES[settings.case.species]
    told = [str(one) for one in alarms if (one.station, one.height) == (station, feed.height)]
    return _report(judged, gas, mine, told)


def report_of_files(
    station: str,
    files: Sequence[Path],
    gas: str,
    *,
    height: float | None = None,
    format: str | None = None,
    completeness: Completeness | None = None,
    tables: Sequence[Path] = (),
    section: Path | None = None,
    rules: Sequence[Path] = (),
) -> Report:
    """Return what quality control found in files of one station, by itself.

    Parameters
    ----------
    files
        At least one.
    height, format, completeness
        As `pipeline.ingest.inspect`.
    tables
        Station tables of one's own.
    section
        TOML file of the keys of one section [[stations]], without id and files, for files that do not describe
        themselves; instead of height, format and completeness.
    rules
        Tables of thresholds of one's own.

    Raises
    ------
    InputError
        When a file cannot be used.
    """
    if not files:
        raise InputError("give a case, or files of the station", got="nothing", remedy="name them after the station")
    of, registry = species(gas), load_registry(tables)
    if section is None:
        feed = feed_of(files[0], registry, station=station, height=height, format=format, completeness=completeness)
    else:
        _require_alone(height, format)
        # nothing here is compared with a model
        given = {"id": station, "files": [path.name for path in files], "representation_error": 0.0}
        feed = read_section(StationSettings, section, given)
    judged = judge_feed(list(files), feed, of, registry, load_own_rules(rules, registry), None)
    select_hours(judged)
    return _report(judged, of, [], [])


def _require_alone(height: float | None, format: str | None) -> None:
    """Raise when an option says what a section says."""
    if height is not None or format is not None:
        raise ConfigError(
            "a section says height and format itself", got=[height, format], remedy="write them into the section"
        )


def _report(judged: Judged, gas: Species, refused: list[Account], alarms: list[str]) -> Report:
    """Return the report of one inlet."""
    feed, rules, hours = judged.settings, judged.rules, judged.hours
    kept = rules.spike_kept and judged.rows.interval < HOUR
    return Report(
        title=f"{feed.id} {judged.facts.one.name_en}, {feed.height:g} m, {gas.name}{period_of(hours.time)}",
        quantity=f"{gas.name} ({gas.mole_fraction_unit})",
        rows=judged.rows.table,
        interval=judged.rows.interval,
        time=hours.time,
        value=hours.value,
        flag=hours.flag,
        tests=thresholds(rules, judged.rows.interval, gas),
        versions=OF_STATIONS,
        left_out=Flag(0) if kept else Flag.SPIKE,
        accounts=[*accounts_of(judged.rows, hours, feed, gas), *refused],
        alarms=alarms,
    )


def thresholds(rules: QualityRules, interval: np.timedelta64, gas: Species) -> dict[Flag, str]:
    """Return the threshold of each test of a station's own samples, of such an interval, and hours, in words."""
    unit = gas.mole_fraction_unit
    told = {
        Flag.RANGE_FAIL: f"outside {rules.fail[0]:g} to {rules.fail[1]:g} {unit}",
        Flag.RANGE_SUSPECT: f"outside {rules.suspect[0]:g} to {rules.suspect[1]:g} {unit}",
        Flag.FLAT_LINE: f"{rules.flat_minutes:g} min within {rules.flat_tolerance:g} {unit}",
    }
    if rules.environment:
        told[Flag.INSTRUMENT] = "outside bounds: " + ", ".join(rules.environment)
    if rules.spike == "sd":
        told[Flag.SPIKE] = f"SD, alpha {rules.spike_alpha:g}"
    elif rules.spike == "hampel":
        told[Flag.SPIKE] = f"Hampel, {rules.spike_alpha:g} sigma in {rules.spike_minutes:g} min"
    if rules.spike_hour is not None and interval >= HOUR:
        told[Flag.SPIKE] = f"{rules.spike_hour:g} {unit} above the hours before and after"
    if rules.rate is not None:
        told[Flag.RATE] = f"{rules.rate:g} {unit} from hour to hour"
    if rules.spread is not None:
        told[Flag.HOURLY_SPREAD] = f"above {rules.spread:g} {unit} within the hour"
    if rules.buddy is not None:
        told[Flag.BUDDY] = f"{rules.buddy[0]:g} sigma and {rules.buddy[1]:g} {unit} from neighbours"
    if rules.apart is not None:
        of_day = f"a day {rules.apart[0]:g} sigma and {rules.apart[1]:g} {unit}"
        told[Flag.BUDDY] = "; ".join([*filter(None, [told.get(Flag.BUDDY)]), of_day])
    return told


def require_sources(sources: Sequence[Path]) -> None:
    """Raise unless the sources are one case, or files."""
    cases = [path for path in sources if path.suffix == ".toml"]
    if cases and len(sources) > 1:
        raise InputError(
            "give one case, or files of the station", got=[str(path) for path in sources], remedy="leave the others out"
        )
