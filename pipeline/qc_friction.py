"""The friction velocity below which a tower's fluxes are not to be used, from a year of its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from pipeline.errors import InputError, TimeError
from pipeline.ingest import load_registry
from pipeline.ingest.flux_rows import UNFIT, Accepted, interval_faults, joined, judge_neighbours, rows_of
from pipeline.ingest.formats import fluxnet
from pipeline.ingest.formats.fluxnet import FluxColumns, FluxRows
from pipeline.ingest.friction import BEFORE_A_YEAR, Threshold, friction_thresholds
from pipeline.ingest.registry import load_own_rules, rules_table
from pipeline.ingest.tower import tower_facts, tower_rules
from pipeline.quality_report import period_of
from pipeline.schema import Flag
from station_meta import FrictionRules

#: measured values only, at night the best of them; whichever the flag tells, 0 is that
_BEST = Accepted((0,), (0,), Flag.GAP_FILLED)


@dataclass(frozen=True)
class FrictionReport:
    """Thresholds of friction velocity of one tower.

    Parameters
    ----------
    station
        Station id.
    title
        Station and period.
    thresholds
        Of each season, and last of the year.
    notes
        Facts about the files that their reader should see.
    """

    station: str
    title: str
    thresholds: list[Threshold]
    notes: list[str]

    @property
    def remedy(self) -> str:
        """What to do with it, in words."""
        year = self.thresholds[-1]
        if np.isnan(year.middle):
            return f"no season shows a plateau: {BEFORE_A_YEAR}"
        return (
            f"put friction_least = {year.middle:.2f} into the [[sinks]] section of {self.station}; a run with "
            f"{year.low:.2f} and one with {year.high:.2f} show what the choice does"
        )


def friction_of_files(
    station: str,
    files: Sequence[Path],
    columns: FluxColumns,
    *,
    forest: bool,
    tables: Sequence[Path] = (),
    rules: Sequence[Path] = (),
) -> FrictionReport:
    """Return the thresholds of friction velocity that files of a tower tell.

    Of their rows, those of night are used that are measured, of the best quality, in no flat line and no spike.

    Parameters
    ----------
    station
        Station id.
    files
        At least one.
    columns
        Names of the columns, that of temperature among them.
    forest
        Whether the tower stands in a forest.
    tables
        Station tables of one's own.
    rules
        Tables of thresholds of one's own.

    Raises
    ------
    InputError
        When a file cannot be used, or the files are of less than a year.
    """
    if not files:
        raise InputError("files of the tower must be given", got="nothing", remedy="name them after the station")
    where, registry = f"sink {station}", load_registry(tables)
    thresholds = load_own_rules(rules, registry)
    own, sink = tower_rules(thresholds, station)
    said = [fluxnet.read(path, columns) for path in files]
    for fault in interval_faults(said, [path.name for path in files]):
        if fault is not None:
            raise fault
    facts = tower_facts(station, registry, _ends(said, where))
    pairs = list(zip(said, files, strict=True))
    table = joined([rows_of(one, facts, _BEST, own, sink, where=path.name) for one, path in pairs])
    judge_neighbours(table, own, sink)
    numbers = table[["value", "friction", "temperature"]].to_numpy(np.float64)
    good = (table["reason"] == "") & ((table["bits"].to_numpy(np.uint32) & np.uint32(UNFIT | Flag.SPIKE)) == 0)
    used = table[good & table["night"] & np.isfinite(numbers).all(axis=1)].drop_duplicates("time")
    time = used["time"].to_numpy("datetime64[ns]")
    flux, friction, temperature = (used[name].to_numpy(np.float64) for name in ("value", "friction", "temperature"))
    found = friction_thresholds(
        time,
        flux,
        friction,
        temperature,
        rules_table(thresholds, "friction", FrictionRules),
        forest=forest,
        where=where,
    )
    notes = [f"{path.name}: {note}" for one, path in pairs for note in one.notes]
    return FrictionReport(station, f"{station} {facts.name_en}{period_of(time)}", found, notes)


def print_friction(report: FrictionReport, console: Console) -> None:
    """Print the thresholds of seasons and year with their range, and what to do with them."""
    console.rule(report.title)
    table = Table(box=box.SIMPLE, show_edge=False, title="least friction velocity, m s-1", title_justify="left")
    for heading in ("season", "nights' rows", "threshold", "5 %", "50 %", "95 %", "of the draws"):
        table.add_column(heading, justify="left" if heading == "season" else "right")
    for one in report.thresholds:
        numbers = (one.value, one.low, one.middle, one.high)
        cells = ["none" if np.isnan(number) else f"{number:.3f}" for number in numbers]
        table.add_row(one.name, str(one.rows), *cells, f"{100 * one.draws:.0f} %")
    console.print(table)
    for line in [*(f"note: {note}" for note in report.notes), report.remedy]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _ends(said: list[FluxRows], where: str) -> tuple[np.datetime64, np.datetime64]:
    """Return the first and last time labels.

    Raises
    ------
    TimeError
        When there are none.
    """
    label = np.concatenate([one.label for one in said])
    known = label[~np.isnat(label)]
    if not known.size:
        raise TimeError("a row must have a readable time", got="none", remedy="check the format", where=where)
    return known.min(), known.max()
