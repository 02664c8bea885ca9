"""What a person is to be told of: a name that stays, what it means, what to do, and when it is so.

Red: hours are not published as promised. Yellow: they are, but something is to be looked at. Notice: deliveries fail to
come, which is theirs to mend; it changes no state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from pipeline.service.health.facts import BEIJING, DEGRADED, PRIOR_ONLY, Facts, Feed

GREEN, YELLOW, RED, NOTICE = "green", "yellow", "red", "notice"
#: hours beyond `ready_minutes` after which the newest hour is behind, and late: an hour passes between two of them
BEHIND, LATE = 2.0, 3.0
#: hours without one that is more than the prior
UNSOLVED = 24.0
#: hours without a run, and hours that a run may take
NO_RUN, LONG_RUN = 2.0, 6.0
#: bytes of the disk that must be free, and the share of it; and bytes below which hours will fail
LOW_BYTES, LOW_SHARE, FULL_BYTES = 5 * 10**9, 0.02, 10**9
#: hours of silence: of a precise station, of a satellite
SILENT, SATELLITE_SILENT = 6.0, 8 * 24.0
#: days for which a delivery that was set aside is told
RECENT = timedelta(days=7)
#: seconds after which a listener that writes no counters is silent: it does every five
LISTENER = 120.0
#: names a sentence holds
_NAMED = 12


@dataclass(frozen=True)
class Kind:
    """A kind of alarm: level, its name in Chinese, what it means and what to do."""

    level: str
    zh: str
    meaning: str
    action: str


KINDS = {
    "no_hours": Kind(RED, "尚无产品", "hours are due and none was ever made", "start `tianyan run-due`, see its log"),
    "hours_late": Kind(
        RED,
        "产品延误",
        f"the newest hour is more than {LATE:g} h older than promised",
        "see whether runs start and how they end: `tianyan status`, service.log",
    ),
    "unsolved": Kind(
        RED,
        "长时间仅先验",
        f"no hour of the last {UNSOLVED:g} is more than the prior",
        "see the reasons of the newest hours: stations or weather are missing",
    ),
    "store_unreadable": Kind(
        RED, "数据库损坏", "the store of hours cannot be read", "check the disk; repair the store"
    ),
    "run_failed": Kind(
        RED, "运行失败", "the last run ended with an error", "mend what the error says; nothing was published half"
    ),
    "disk_full": Kind(
        RED, "磁盘将满", f"less than {FULL_BYTES / 1e9:g} GB of the disk are free", "make room: cache may be removed"
    ),
    "hours_behind": Kind(
        YELLOW,
        "产品滞后",
        f"the newest hour is more than {BEHIND:g} h older than promised",
        "wait for the run that is under way, or see why it takes so long",
    ),
    "degraded": Kind(YELLOW, "降级", "the newest hour is degraded", "see its reasons"),
    "prior_only": Kind(
        YELLOW,
        "仅先验",
        "the newest hour is the prior: nothing measured is in it",
        "see its reasons",
    ),
    "hours_failed": Kind(
        YELLOW, "小时失败", "hours could not be made; they are tried again", "see the error of the hour"
    ),
    "hours_missing": Kind(
        YELLOW, "小时缺失", "hours are due and have no version", "runs make them, oldest first; or `tianyan backfill`"
    ),
    "hours_in_future": Kind(
        YELLOW, "时间超前", "the store holds hours that have not been", "set the clock right; they will be made again"
    ),
    "clock_skew": Kind(YELLOW, "时钟跳变", "the clock jumped between two runs", "check the machine's time service"),
    "run_killed": Kind(
        YELLOW, "运行中断", "the last run ended without a word: killed, or the power went", "see the system's journal"
    ),
    "run_stopped": Kind(
        YELLOW, "运行被停止", "the last run was stopped, or ended with an error of ours", "see service.log"
    ),
    "run_long": Kind(YELLOW, "运行过长", f"a run is under way for more than {LONG_RUN:g} h", "see service.log"),
    "scheduler_silent": Kind(
        YELLOW, "调度停止", f"no run began for more than {NO_RUN:g} h", "see the timer that starts `tianyan run-due`"
    ),
    "disk_low": Kind(
        YELLOW,
        "磁盘不足",
        f"less than {LOW_BYTES / 1e9:g} GB or {100 * LOW_SHARE:g} % of the disk are free",
        "make room: cache may be removed",
    ),
    "database_unreadable": Kind(
        YELLOW, "台账不可读", "the ledger cannot be read; hours are not lost", "the next run makes it again"
    ),
    "database_slow": Kind(YELLOW, "台账缓慢", "the registry of deliveries takes long to read", "check the disk"),
    "store_busy": Kind(YELLOW, "产品库占用", "the store is held by another process for long", "ask again in a minute"),
    "deliveries_conflict": Kind(
        YELLOW,
        "数据冲突",
        "files of one name and revision came with two contents: neither counts",
        "have the sender deliver a higher revision",
    ),
    "station_silent": Kind(
        NOTICE, "高精度站无数据", f"precise stations tell of no hour of the last {SILENT:g}", "ask the stations"
    ),
    "class_silent": Kind(
        NOTICE, "半数站无数据", f"more than half of a class tell of no hour of the last {SILENT:g}", "check the gateway"
    ),
    "satellite_silent": Kind(
        NOTICE,
        "卫星无数据",
        f"a satellite tells of nothing for {SATELLITE_SILENT / 24:g} days",
        "ask its archive",
    ),
    "deliveries_refused": Kind(
        NOTICE, "文件被拒", "files of the last days could not be used", "tell the sender the reason"
    ),
    "listener_silent": Kind(NOTICE, "接收程序停止", "the listener writes no counters", "start `tianyan listen`"),
    "listener_failing": Kind(
        NOTICE, "接收程序写入失败", "the listener cannot store messages", "check its disk and its log"
    ),
}


@dataclass(frozen=True)
class Alarm:
    """An alarm that is on.

    Parameters
    ----------
    name
        Of `KINDS`.
    level
        red, yellow or notice.
    since
        From when on it is known to be on, UTC.
    detail
        What it is about: hours, stations, an error.
    meaning, action, zh
        Of its kind.
    """

    name: str
    level: str
    since: datetime
    detail: str
    meaning: str
    action: str
    zh: str


def alarms(facts: Facts) -> list[Alarm]:
    """Return the alarms that are on, the worst first.

    One that the health file of the run before had keeps its time.
    """
    order = {name: number for number, name in enumerate(KINDS)}
    known = _known(facts)
    out = []
    for name, detail in sorted(_found(facts), key=lambda one: order[one[0]]):
        kind = KINDS[name]
        out.append(
            Alarm(name, kind.level, known.get(name, facts.now), detail, kind.meaning, kind.action, kind.zh)
        )  # fmt: skip
    return out


def state_of(found: list[Alarm]) -> str:
    """Return the state that alarms make."""
    levels = {alarm.level for alarm in found}
    return RED if RED in levels else YELLOW if YELLOW in levels else GREEN


def silent_hours(facts: Facts, feed: Feed) -> float | None:
    """Return hours since the end of the newest hour that a feed tells of; None when it never told of any."""
    return None if feed.last is None else max(0.0, facts.age(feed.last) - 1.0)


def _known(facts: Facts) -> dict[str, datetime]:
    out: dict[str, datetime] = {}
    found = facts.before.get("alarms")
    for one in found if isinstance(found, list) else []:
        try:
            since = datetime.fromisoformat(one["since"])
            if since.tzinfo is not None and since <= facts.now:
                out[str(one["name"])] = since
        except (TypeError, KeyError, ValueError):
            continue
    return out


def _found(facts: Facts) -> Iterator[tuple[str, str]]:
    """Give name and detail of each alarm."""
    yield from facts.faults.items()
    yield from _of_hours(facts)
    yield from _of_runs(facts)
    yield from _of_disk(facts)
    yield from _of_feeds(facts)
    yield from _of_deliveries(facts)
    yield from _of_listener(facts)


def _of_hours(facts: Facts) -> Iterator[tuple[str, str]]:
    readable = not {"store_unreadable", "store_busy"} & facts.faults.keys()
    if facts.newest is None:
        if facts.is_due and readable:
            yield "no_hours", f"due since {_hour(facts.first)}"
        return
    promised = facts.ready_minutes / 60
    # a service that ends, or begins with an hour to come, is not late
    age = facts.age(facts.newest.hour)
    if facts.newest.hour < facts.expected:
        if age > promised + LATE:
            yield "hours_late", f"{_hour(facts.newest.hour)}, {age:.1f} h old"
        elif age > promised + BEHIND:
            yield "hours_behind", f"{_hour(facts.newest.hour)}, {age:.1f} h old"
    why = "; ".join(facts.newest.reasons) or "no reason is told"
    if facts.newest.condition == DEGRADED:
        yield "degraded", f"{_hour(facts.newest.hour)}: {why}"
    if facts.newest.condition == PRIOR_ONLY:
        yield "prior_only", f"{_hour(facts.newest.hour)}: {why}"
    since = facts.first if facts.solved is None else facts.solved.hour
    if facts.age(since) > promised + UNSOLVED:
        yield "unsolved", "none ever" if facts.solved is None else f"the newest is {_hour(since)}"
    if facts.failed:
        last = facts.failed[-1]
        yield "hours_failed", f"{len(facts.failed)}, the newest {_hour(last.hour)}, {last.tries} tries: {last.error}"
    # the newest that are due are being made
    gaps = [hour for hour in facts.missing if hour < facts.expected]
    if gaps:
        yield "hours_missing", f"{len(gaps)}, {_hour(gaps[0])} to {_hour(gaps[-1])}"
    if facts.future:
        yield "hours_in_future", f"{facts.future}"


def _of_runs(facts: Facts) -> Iterator[tuple[str, str]]:
    if abs(facts.skew) > 0:
        yield "clock_skew", f"by {facts.skew:+.0f} s"
    run = facts.run
    if run is None:
        return
    past = (facts.now - run.began).total_seconds() / 3600
    if run.ended is None and not facts.locked:
        yield "run_killed", f"{run.command}, begun {_time(run.began)}"
    elif run.ended is None and past > LONG_RUN:
        yield "run_long", f"{run.command}, {past:.1f} h"
    elif run.ended is not None and run.outcome.startswith("failed:"):
        yield "run_failed", f"{run.command}: {run.outcome.removeprefix('failed:').strip()}"
    elif run.ended is not None and run.outcome == "stopped":
        yield "run_stopped", run.command
    if past > NO_RUN and not facts.locked:
        yield "scheduler_silent", f"the last began {_time(run.began)}"


def _of_disk(facts: Facts) -> Iterator[tuple[str, str]]:
    if facts.disk is None:
        return
    free, total = facts.disk
    told = f"{free / 1e9:.1f} GB of {total / 1e9:.0f} GB"
    if free < FULL_BYTES:
        yield "disk_full", told
    elif free < LOW_BYTES or free < LOW_SHARE * total:
        yield "disk_low", told


def _of_feeds(facts: Facts) -> Iterator[tuple[str, str]]:
    if {"database_unreadable", "database_slow"} & facts.faults.keys() or not facts.is_due:
        return
    stations = [feed for feed in facts.feeds if feed.kind in {"stations", "sinks"}]
    silent = [feed for feed in stations if _is_silent(facts, feed, SILENT)]
    precise = [feed for feed in silent if feed.precise]
    if precise:
        yield "station_silent", _names(facts, precise)
    of, without = Counter(feed.klass for feed in stations), Counter(feed.klass for feed in silent)
    classes = [f"{name}: {count} of {of[name]}" for name, count in sorted(without.items()) if count > of[name] / 2]
    if classes:
        yield "class_silent", ", ".join(classes)
    columns = [feed for feed in facts.feeds if feed.kind == "columns" and _is_silent(facts, feed, SATELLITE_SILENT)]
    if columns:
        yield "satellite_silent", _names(facts, columns)


def _is_silent(facts: Facts, feed: Feed, hours: float) -> bool:
    """Return whether a feed told of nothing for so long, or since the service began."""
    past = silent_hours(facts, feed)
    return (facts.age(facts.first) - 1.0 if past is None else past) > hours


def _names(facts: Facts, feeds: list[Feed]) -> str:
    told = []
    for feed in feeds[:_NAMED]:
        past = silent_hours(facts, feed)
        told.append(f"{feed.name} ({'never' if past is None else f'{past:.0f} h'})")
    return ", ".join(told) + (f" and {len(feeds) - _NAMED} more" if len(feeds) > _NAMED else "")


def _of_deliveries(facts: Facts) -> Iterator[tuple[str, str]]:
    oldest = (facts.now - RECENT).isoformat()
    for state in ("conflict", "refused"):
        found = [one for one in facts.set_aside if one.state == state and one.at >= oldest]
        if found:
            yield f"deliveries_{state}", f"{len(found)}, the newest {found[0].path}: {found[0].reason}"


def _of_listener(facts: Facts) -> Iterator[tuple[str, str]]:
    if not facts.listener:
        return
    try:
        written = datetime.fromisoformat(str(facts.listener.get("written")))
        past, told = (facts.now - written).total_seconds(), _time(written)
    except (TypeError, ValueError, OverflowError):
        yield "listener_silent", "its counters cannot be read"
        return
    if past > LISTENER:
        yield "listener_silent", f"the last counters are of {told}"
    waiting = facts.listener.get("waiting")
    if isinstance(waiting, int) and waiting > 0 and facts.listener.get("failures"):
        yield "listener_failing", str(facts.listener.get("last_failure", ""))


def _hour(hour: np.datetime64) -> str:
    return _time(datetime.fromtimestamp(int(hour.astype("datetime64[s]").astype(np.int64)), UTC))


def _time(at: datetime) -> str:
    """Return a time for people: in UTC and in Beijing."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%MZ} ({at.astimezone(BEIJING):%m-%d %H:%M} Beijing)"
