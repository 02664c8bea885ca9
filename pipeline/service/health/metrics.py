"""The state of a service as Prometheus reads it, for its endpoint of files: every name begins with tianyan_."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from pipeline.errors import shown
from pipeline.service.health.alarms import GREEN, KINDS, RED, YELLOW
from pipeline.service.health.facts import Line
from pipeline.service.health.health import Health

_STATES = {GREEN: 0, YELLOW: 1, RED: 2}


class _Gauges:
    """Gauges of one case, made when first set."""

    def __init__(self, case: str) -> None:
        self.registry = CollectorRegistry()
        self._case = case
        self._known: dict[str, Gauge] = {}

    def set(self, name: str, meaning: str, value: float | None, /, **labels: str) -> None:
        """Set one; nothing is told of what is not known."""
        gauge = self._known.get(name)
        if gauge is None:
            names = ["case", *labels]
            gauge = self._known[name] = Gauge(f"tianyan_{name}", meaning, names, registry=self.registry)
        if value is not None:
            gauge.labels(case=self._case, **{key: shown(text) for key, text in labels.items()}).set(value)


def metrics(health: Health) -> str:
    """Return the state in Prometheus's text format; times are seconds since 1970."""
    facts, gauges = health.facts, _Gauges(health.case)
    put = gauges.set
    put("info", "always 1; labels tell the version", 1, version=health.version)
    put("health_state", "0 green, 1 yellow, 2 red", _STATES[health.state])
    put("health_timestamp_seconds", "when this was told", health.at.timestamp())
    on = {alarm.name for alarm in health.alarms}
    for name, kind in KINDS.items():
        put("alarm", "1 when the alarm is on (docs/status.md)", name in on, name=name, level=kind.level)
    newest, solved = health.newest, health.solved
    put("newest_hour_timestamp_seconds", "start of the newest hour with a version", _seconds(newest))
    put(
        "newest_solved_hour_timestamp_seconds",
        "start of the newest hour that is more than the prior",
        _seconds(solved),
    )
    put("due_hour_timestamp_seconds", "start of the newest hour that is due", _seconds(facts.expected))
    put("hours_missing", "hours due that have no version", len(facts.missing))
    put("hours_left", "hours that the last run left due", len(facts.left))
    put("hours_failed", "hours that could not be made", len(facts.failed))
    if newest is not None:
        for condition in ("full", "degraded", "prior_only"):
            meaning = "1 for the condition of the newest hour"
            put("condition", meaning, newest.condition == condition, condition=condition)
        for name in newest.counts:
            put("observations_seen", "observations of the newest hour", newest.seen[name], **{"class": name})
            put("observations_used", "observations used in the newest hour", newest.used[name], **{"class": name})
        put("precise_stations", "precise stations that measured in the newest hour", newest.precise)
        put("chi2", "reduced chi2 of the newest hour's window", newest.chi2)
    _of_run(health, gauges)
    for state, count in facts.deliveries.items():
        put("deliveries", "versions of delivered files, by what became of them", count, state=state)
    for feed in facts.feeds:
        meaning = "newest hour that a feed's deliveries tell of"
        labels = {"feed": feed.name, "class": feed.klass}
        put("feed_newest_hour_timestamp_seconds", meaning, _seconds(feed.last), **labels)
    put("clock_skew_seconds", "seconds by which the clock jumped between runs", facts.skew)
    if facts.disk is not None:
        put("disk_free_bytes", "bytes free on the service's disk", facts.disk[0])
        put("disk_total_bytes", "bytes of the service's disk", facts.disk[1])
    for part, size in facts.sizes.items():
        if size.get("complete"):
            put("size_bytes", "bytes of a folder of the service", size.get("bytes"), part=part)
    for stage, found in health.stages.items():
        for statistic, seconds in found.items():
            meaning = "seconds that stages of the last hours took"
            put("stage_seconds", meaning, seconds, stage=stage, statistic=statistic)
    _of_listener(health, gauges)
    return generate_latest(gauges.registry).decode()


def _of_run(health: Health, gauges: _Gauges) -> None:
    run = health.facts.run
    if run is None:
        return
    gauges.set("run_began_timestamp_seconds", "when the last run began", run.began.timestamp())
    ended: datetime | None = run.ended
    if ended is not None:
        gauges.set("run_ended_timestamp_seconds", "when the last run ended", ended.timestamp())
        gauges.set("run_hours_made", "hours the last run made", run.made)
        gauges.set("run_hours_failed", "hours the last run could not make", run.failed)


def _of_listener(health: Health, gauges: _Gauges) -> None:
    found = health.facts.listener or {}
    for name in ("messages", "bytes", "waiting", "failures"):
        value = found.get(name)
        if isinstance(value, int | float):
            gauges.set(f"listener_{name}", f"{name} of the listener, since it was started or now", value)
    rejected = found.get("rejected")
    if isinstance(rejected, dict):
        total = sum(value for value in rejected.values() if isinstance(value, int))
        gauges.set("listener_rejected", "what came to the listener and was no message", total)


def _seconds(found: Line | np.datetime64 | None) -> float | None:
    hour = found.hour if isinstance(found, Line) else found
    return None if hour is None else float(hour.astype("datetime64[s]").astype(np.int64))
