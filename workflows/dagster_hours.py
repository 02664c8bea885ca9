"""The hourly service as assets of Dagster: a partition is an hour, an asset is a stage; nothing is decided here.

The stages of an hour are one step, in one process: they share the service's lock and the folder that a window is laid
out in. The hours of a range follow each other in one run, oldest first. See docs/dagster.md.

    TIANYAN_CASE=case.toml dagster dev -m workflows.dagster_hours -a served
"""

# annotations are evaluated: Dagster compares that of `context` with its classes
import os
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np

from pipeline.errors import LockedError
from pipeline.service.clock import SYSTEM, Clock
from pipeline.service.health import RED, gather, health
from pipeline.service.place import Place, newest_due, read_place
from pipeline.service.quick import is_quiet
from pipeline.service.runs import hours_of, make_all, run_due, running
from workflows.dagster_told import STAGES, events, require_none_failed, specs

#: of a partition's key, as the commands take an hour: 2024-07-15T06Z
FORMAT = "%Y-%m-%dT%HZ"
#: alarms of a service whose newest hour is not as new as promised
LATE = ("no_hours", "hours_behind", "hours_late", "store_unreadable")
#: seconds between tries while another run holds the service's lock, and how many
WAIT, TRIES = 60, 60
#: seconds between looks for what came late
LOOK = 900


def served() -> dg.Definitions:
    """Return the definitions of the case that TIANYAN_CASE names."""
    return definitions(Path(os.environ.get("TIANYAN_CASE", "case.toml")))


def definitions(case: Path, clock: Clock = SYSTEM) -> dg.Definitions:
    """Return assets, jobs, schedules, a sensor and a check of a case that is served."""
    place = read_place(case)
    start, ready = place.service.first, place.service.ready_minutes
    fresh, everything_due = _fresh(place, clock), _run_due(place, clock)
    hours = dg.define_asset_job("hours", dg.AssetSelection.assets(*STAGES).without_checks())
    freshness = dg.define_asset_job("freshness", dg.AssetSelection.checks(fresh))

    @dg.schedule(job=hours, cron_schedule=f"{ready % 60} * * * *")
    def newest_hour(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        newest = newest_due(place, context.scheduled_execution_time.astimezone(UTC))
        if newest < start:
            return dg.SkipReason(f"the first hour is {start}Z")
        return dg.RunRequest(run_key=f"{newest}Z", partition_key=f"{newest}Z")

    @dg.sensor(job=everything_due, minimum_interval_seconds=LOOK)
    def late_data() -> dg.RunRequest | dg.SkipReason:
        return dg.SkipReason("nothing is due") if is_quiet(case, clock.wall()) else dg.RunRequest()

    return dg.Definitions(
        assets=[_hour(place, clock)],
        asset_checks=[fresh],
        jobs=[hours, freshness, everything_due],
        schedules=[newest_hour, dg.ScheduleDefinition(job=freshness, cron_schedule=f"{(ready + 30) % 60} * * * *")],
        sensors=[late_data],
        executor=dg.in_process_executor,  # a run is a process already, and has one step
    )


def _hour(place: Place, clock: Clock) -> dg.AssetsDefinition:
    """Return the assets of an hour: partitions that are made in one run, oldest first."""

    @dg.multi_asset(
        name="hour",
        specs=specs(),
        partitions_def=dg.HourlyPartitionsDefinition(f"{place.service.first}Z", fmt=FORMAT),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def hour(context: dg.AssetExecutionContext) -> Iterator[dg.AssetMaterialization]:
        asked = [np.datetime64(key.removesuffix("Z"), "h") for key in context.partition_keys]
        try:
            with running(place, f"dagster {asked[0]}Z {asked[-1]}Z", clock=clock) as (service, outcome):
                hours = hours_of(place, asked[0], asked[-1], outcome.now)
                outcome.looked = service.look()
                for one in hours:
                    make_all(service, [one], outcome)
                    if one not in outcome.failed:
                        yield from events(service, outcome, one)
        except LockedError as error:
            raise dg.RetryRequested(max_retries=TRIES, seconds_to_wait=WAIT) from error
        require_none_failed(outcome)

    return hour


def _run_due(place: Place, clock: Clock) -> dg.JobDefinition:
    """Return the job that makes all that is due."""

    @dg.op(description="The newest hour, late data and gaps, as `tianyan run-due`")
    def due(context: dg.OpExecutionContext) -> None:
        try:
            with running(place, "dagster run-due", clock=clock) as (service, outcome):
                run_due(service, outcome)
                for one in outcome.made + outcome.same:
                    for event in events(service, outcome, one):
                        context.log_event(event)
        except LockedError:
            context.log.info("another run is under way")
            return
        require_none_failed(outcome)

    @dg.job(name="run_due")
    def everything_due() -> None:
        due()

    return everything_due


def _fresh(place: Place, clock: Clock) -> dg.AssetChecksDefinition:
    """Return the check of the newest hour's age."""

    @dg.asset_check(asset="version", description="The newest hour in the store is as new as promised")
    def fresh() -> dg.AssetCheckResult:
        found = health(gather(place, clock=clock))
        late = [alarm for alarm in found.alarms if alarm.name in LATE]
        told: dict[str, Any] = {"state": found.state, "alarms": [alarm.name for alarm in found.alarms]}
        if found.newest is not None:
            told |= {"newest_hour": f"{found.newest.hour}Z", "age_hours": found.facts.age(found.newest.hour)}
        red = any(alarm.level == RED for alarm in late)
        severity = dg.AssetCheckSeverity.ERROR if red else dg.AssetCheckSeverity.WARN
        return dg.AssetCheckResult(passed=not late, severity=severity, metadata=told)

    return fresh
