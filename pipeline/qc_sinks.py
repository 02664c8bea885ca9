"""What quality control found at a sink station of a case."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.ingest import read_registry
from pipeline.ingest.rows import OUTSIDE
from pipeline.ingest.sinks import Tower, judge_sinks
from pipeline.ingest.versions import OF_TOWERS
from pipeline.quality_report import Report, period_of
from pipeline.schema import Flag
from pipeline.settings import Settings, SinkSettings
from pipeline.units import SPECIES, Species


def report_of_sink(settings: Settings, feed: SinkSettings, root: Path) -> Report:
    """Return what quality control found at a sink station of a case.

    Parameters
    ----------
    settings
        The case.
    feed
        One of its `sinks`.
    root
        Folder of the inputs.

    Raises
    ------
    InputError
        When no file of it can be used; see `pipeline.ingest.sinks.judge_sinks`.
    """
    (tower,) = judge_sinks(settings.model_copy(update={"sinks": [feed]}), root, read_registry(settings, root))
    errors = [told.refused for told in tower.accounts if told.refused is not None]
    if tower.rows.empty and errors:
        raise errors[0]
    gas = SPECIES[settings.case.species]
    time = tower.hours["time"].to_numpy("datetime64[ns]")
    return Report(
        title=f"{feed.id} {tower.facts.name_en}, {feed.height:g} m, flux of {gas.name}{period_of(time)}",
        quantity=f"flux of {gas.name} ({gas.flux_unit})",
        rows=tower.rows[tower.rows["reason"] != OUTSIDE],
        interval=np.timedelta64(round(3600 * float(tower.rows["share"].iloc[0])), "s"),
        time=time,
        value=tower.hours["value"].to_numpy(np.float64),
        flag=tower.hours["flag"].to_numpy(np.uint32),
        tests=thresholds(tower, gas),
        versions=OF_TOWERS,
        left_out=Flag.SPIKE,
        accounts=tower.accounts,
        alarms=[],
    )


def thresholds(tower: Tower, gas: Species) -> dict[Flag, str]:
    """Return the threshold of each test of a tower's rows, in words."""
    feed, rules, sink, unit = tower.settings, tower.rules, tower.sink, gas.flux_unit
    told = {
        Flag.RANGE_FAIL: f"outside {rules.fail[0]:g} to {rules.fail[1]:g} {unit}",
        Flag.RANGE_SUSPECT: f"outside {rules.suspect[0]:g} to {rules.suspect[1]:g} {unit}",
        Flag.FLAT_LINE: f"{rules.flat_minutes:g} min within {rules.flat_tolerance:g} {unit}",
        Flag.SPIKE: f"double difference, {sink.spike_deviations:g} sigma of {sink.spike_days} days",
        Flag.LOW_TURBULENCE: f"friction velocity below {feed.friction_least:g} m s-1",
    }
    if feed.quality and feed.quality_means == "filling":
        told[Flag.GAP_FILLED] = f"{feed.quality} not 0"
    elif feed.quality:
        day, night = (" or ".join(map(str, flags)) for flags in (feed.accepted, feed.accepted_night))
        told[Flag.LOW_TURBULENCE] += f"; {feed.quality} not {day} by day, {night} at night"
    return told
