"""What quality control found at one station: a line for each test, and what a picture of it needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from pipeline.case import domain_grid, station_weather
from pipeline.errors import InputError, RegistryError
from pipeline.ingest import account, load_registry, read_registry
from pipeline.ingest.account import Account
from pipeline.ingest.feeds import Judged, judge_case, judge_feed, select_hours
from pipeline.ingest.inspection import feed_of
from pipeline.ingest.neighbours import VERSIONS as OF_NEIGHBOURS
from pipeline.ingest.quality import VERSIONS as OF_SAMPLES
from pipeline.ingest.stations import accounts_of
from pipeline.schema import FAIL, HOUR, UNUSED, Flag, flag_names, is_used
from pipeline.settings import Completeness, input_root, read_settings
from pipeline.units import SPECIES, Species, species
from station_meta import QualityRules, load_rules

VERSIONS = OF_SAMPLES | OF_NEIGHBOURS
#: bits that keep an hour out though they are no failure of the measurement
_ALARMS = Flag.LAG_SUSPECT | Flag.UNIT_SUSPECT


@dataclass(frozen=True, eq=False)
class Report:
    """What quality control found at one inlet.

    Parameters
    ----------
    judged
        Its rows and hours.
    gas
        The species.
    accounts
        One per file.
    alarms
        What a person should look at.
    """

    judged: Judged
    gas: Species
    accounts: list[Account]
    alarms: list[str]

    @property
    def title(self) -> str:
        """Station, inlet, species and period."""
        one, hours = self.judged, self.judged.hours.time
        period = f", {hours[0]:.10} to {hours[-1]:.10}".replace("T", " ") if hours.size else ""
        name = one.facts.one.name_en
        return f"{one.settings.id} {name}, {one.settings.height:g} m, {self.gas.name}{period}"


def report_of_case(station: str, path: Path, *, height: float | None = None, root: Path | None = None) -> Report:
    """Return what quality control found at a station of a case, its neighbours compared.

    Parameters
    ----------
    station
        Station id of a feed of the case.
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
    wanted = [f for f in settings.stations if f.id == station and height in (None, f.height)]
    if len(wanted) != 1:
        known = [f"{feed.id} at {feed.height:g} m" for feed in settings.stations]
        raise RegistryError(
            "station and height must name one feed of the case",
            got=f"{station}, {len(wanted)} feeds",
            remedy=f"use one of {', '.join(known)}; give height where a station has several inlets",
            where=path.name,
        )
    around = station_weather(settings, domain_grid(settings), root, path)
    feeds, alarms, refused = judge_case(settings, root, read_registry(settings, root), around)
    mine = [told for told in refused if (told.station, told.height) == (station, wanted[0].height)]
    errors = [told.refused for told in mine if told.refused is not None]
    judged = next((one for one in feeds if one.settings == wanted[0]), None)
    if judged is None:
        raise errors[0]
    gas = SPECIES[settings.case.species]
    told = [str(alarm) for alarm in alarms if alarm.station == station]
    return Report(judged, gas, [*accounts_of(judged.rows, judged.hours, judged.settings, gas), *mine], told)


def report_of_files(
    station: str,
    files: Sequence[Path],
    gas: str,
    *,
    height: float | None = None,
    format: str | None = None,
    completeness: Completeness | None = None,
    tables: Sequence[Path] = (),
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

    Raises
    ------
    InputError
        When a file cannot be used.
    """
    if not files:
        raise InputError("give a case, or files of the station", got="nothing", remedy="name them after the station")
    of, registry = species(gas), load_registry(tables)
    feed = feed_of(files[0], registry, station=station, height=height, format=format, completeness=completeness)
    judged = judge_feed(list(files), feed, of, registry, load_rules(), None)
    select_hours(judged)
    return Report(judged, of, accounts_of(judged.rows, judged.hours, feed, of), [])


def print_report(report: Report, console: Console) -> None:
    """Print the account of rows, a line for each test, and the alarms."""
    console.rule(report.title)
    console.print(account.render(report.accounts), highlight=False, markup=False, soft_wrap=True)
    console.print(rule_table(report))
    for alarm in report.alarms:
        console.print(f"- alarm: {alarm}", highlight=False, markup=False)


def rule_table(report: Report) -> Table:
    """Return the samples and hours each test flagged, its version and threshold, and what the flag means."""
    hours, rows = report.judged.hours, report.judged.rows.table
    bits = rows["bits"].to_numpy(dtype=np.uint32)
    told = thresholds(report.judged.rules, report.judged.rows.interval, report.gas)
    usable = int(is_used(hours.flag).sum())
    table = Table(
        box=box.SIMPLE, show_edge=False, title=f"{hours.time.size} hours, {usable} used", title_justify="left"
    )
    for heading, side in (("test", "left"), ("v", "right"), ("threshold", "left"), ("samples", "right"),
                          ("hours", "right"), ("so", "left")):  # fmt: skip
        table.add_column(heading, justify=side)  # type: ignore[arg-type]
    for flag in Flag:
        samples, found = (int(np.sum((values & np.uint32(flag)) != 0)) for values in (bits, hours.flag))
        if samples or found or flag in told:
            version = str(VERSIONS[flag]) if flag in VERSIONS else ""
            table.add_row(
                flag_names(flag)[0], version, told.get(flag, ""), str(samples or ""), str(found or ""),
                _so(flag, report.judged),
            )  # fmt: skip
    return table


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
    return told


def _so(flag: Flag, judged: Judged) -> str:
    """Return what a flag means for the use of what carries it."""
    if flag is Flag.SPIKE and not (judged.rules.spike_kept and judged.rows.interval < HOUR):
        return "not in the hour's mean"
    if flag is Flag.HOURLY_SPREAD:
        return "good, not selected"
    if flag & FAIL:
        return "bad, not used"
    if flag & UNUSED:
        return "good, not selected"
    return "suspect, not used" if flag & _ALARMS else "suspect, used"


def require_sources(sources: Sequence[Path]) -> None:
    """Raise unless the sources are one case, or files."""
    cases = [path for path in sources if path.suffix == ".toml"]
    if cases and len(sources) > 1:
        raise InputError(
            "give one case, or files of the station", got=[str(path) for path in sources], remedy="leave the others out"
        )
