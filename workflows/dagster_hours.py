"""The hourly service as assets of Dagster: a partition is an hour, an asset is a stage; nothing is decided here.

The stages of an hour are one step, in one process: they share the service's lock and the folder that a window is laid
out in. Hours of a range follow each other in one run, oldest first.

    TIANYAN_CASE=case.toml dagster dev -m workflows.dagster_hours -a served
"""

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
from pipeline.service.place import read_place
from pipeline.service.quick import is_quiet
from pipeline.service.runs import Outcome, hours_of, make_all, newest_due, run_due, running
from pipeline.service.service import Service

#: of a partition's key: 2024-07-15T06Z, as the commands take it
FORMAT = "%Y-%m-%dT%HZ"
STAGES = {
    "deliveries": "What was new in the inbox when the hour was made: taken, not yet whole, set aside",
    "window": "What the hour's window read: digests of it, feeds that are missing, seconds",
    "version": "What was committed: status, condition, counts",
}
#: alarms of a newest hour that is not as new as promised
LATE = ("no_hours", "hours_behind", "hours_late")
#: seconds between tries while another run holds the lock, and how many
WAIT, TRIES = 60, 60
#: seconds between looks for what came late
LOOK = 900


def served() -> dg.Definitions:
    """Return the definitions of the case that TIANYAN_CASE names."""
    return definitions(Path(os.environ.get("TIANYAN_CASE", "case.toml")))


def definitions(case: Path, clock: Clock = SYSTEM) -> dg.Definitions:
    """Return assets, jobs, schedules, a sensor and a check of a case that is served."""
    place = read_place(case)
    ready = place.service.ready_minutes
    start = f"{place.service.first}Z"

    @dg.multi_asset(
        name="hour",
        specs=[
            # skippable: of a range, each hour that was made is told by itself, those that failed are not
            dg.AssetSpec(name, deps=list(STAGES)[max(0, number - 1) : number], description=told, skippable=True)
            for number, (name, told) in enumerate(STAGES.items())
        ],
        partitions_def=dg.HourlyPartitionsDefinition(start, fmt=FORMAT),
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
                        yield from _events(service, outcome, one)
        except LockedError as error:
            raise dg.RetryRequested(max_retries=TRIES, seconds_to_wait=WAIT) from error
        _require(outcome)

    @dg.op
    def due(context: dg.OpExecutionContext) -> None:
        try:
            with running(place, "dagster run-due", clock=clock) as (service, outcome):
                run_due(service, outcome)
                for event in (event for one in outcome.made for event in _events(service, outcome, one)):
                    context.log_event(event)
        except LockedError:
            context.log.info("another run is under way")
        else:
            _require(outcome)

    @dg.job(name="run_due", description="What is due: the newest hour, late data, gaps; as `tianyan run-due`")
    def everything_due() -> None:
        due()

    @dg.asset_check(asset="version", description="The newest hour with a version is as new as promised")
    def fresh() -> dg.AssetCheckResult:
        found = health(gather(place, clock=clock))
        late = [alarm for alarm in found.alarms if alarm.name in LATE]
        told: dict[str, Any] = {"state": found.state, "alarms": [alarm.name for alarm in found.alarms]}
        if found.newest is not None:
            told |= {"newest_hour": f"{found.newest.hour}Z", "age_hours": found.facts.age(found.newest.hour)}
        red = any(alarm.level == RED for alarm in late)
        severity = dg.AssetCheckSeverity.ERROR if red else dg.AssetCheckSeverity.WARN
        return dg.AssetCheckResult(passed=not late, severity=severity, metadata=told)

    hours = dg.define_asset_job("hours", dg.AssetSelection.assets(*STAGES).without_checks())
    freshness = dg.define_asset_job("freshness", dg.AssetSelection.checks(fresh))

    @dg.schedule(job=hours, cron_schedule=f"{ready % 60} * * * *", execution_timezone="UTC")
    def newest_hour(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        newest = newest_due(place, context.scheduled_execution_time.astimezone(UTC))
        if newest < place.service.first:
            return dg.SkipReason(f"the first hour is {start}")
        return dg.RunRequest(run_key=f"{newest}Z", partition_key=f"{newest}Z")

    @dg.sensor(job=everything_due, minimum_interval_seconds=LOOK)
    def late_data() -> dg.RunRequest | dg.SkipReason:
        return dg.SkipReason("nothing is due") if is_quiet(case, clock.wall()) else dg.RunRequest()

    hourly = dg.ScheduleDefinition(job=freshness, cron_schedule=f"{(ready + 30) % 60} * * * *")
    return dg.Definitions(
        assets=[hour],
        asset_checks=[fresh],
        jobs=[hours, freshness, everything_due],
        schedules=[newest_hour, hourly],
        sensors=[late_data],
        # a run is a process already, and has one step
        executor=dg.in_process_executor,
    )


def _events(service: Service, outcome: Outcome, hour: np.datetime64) -> Iterator[dg.AssetMaterialization]:
    """Give what is told of each stage of an hour that was made, or found unchanged."""
    entry, looked = service.ledger.entry(hour), outcome.looked
    with service.store.at() as reader:
        manifest, newest = reader.manifest(hour) or {}, reader.hours()[-1]
    assert entry is not None
    now = np.datetime64(outcome.now.astimezone(UTC).replace(tzinfo=None))
    told: dict[str, dict[str, Any]] = {
        "deliveries": {"taken": looked.taken, "not_yet_whole": len(looked.waiting), "set_aside": len(looked.refused)},
        "window": {
            "signature": entry.signature, "key": entry.key, "missing": manifest.get("missing", []),
            "seconds": entry.seconds,
        },
        "version": {
            "written": hour in outcome.made, "status": manifest.get("status", ""), "condition": entry.condition,
            "reasons": manifest.get("reasons", []), "counts": manifest.get("counts", {}), "commit": entry.sequence,
            "newest_hour": f"{newest}Z", "newest_age_hours": float((now - newest) / np.timedelta64(1, "h")),
        },
    }  # fmt: skip
    for name in STAGES:
        yield dg.AssetMaterialization(name, partition=f"{hour}Z", metadata=told[name])


def _require(outcome: Outcome) -> None:
    """Let a run fail of which an hour failed; the others are told, and stay."""
    if outcome.failed:
        failed = {f"{hour}Z": error for hour, error in outcome.failed.items()}
        raise dg.Failure("\n".join(f"{hour}: {error}" for hour, error in failed.items()), metadata={"failed": failed}, allow_retries=False)
