"""Every alarm is on when it must be, and off when it must not; what is fine has none."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from health_cases import FEEDS, FIRST, HOUR, NEWEST, NOW, facts, feed, line

from pipeline.service.health import GREEN, KINDS, NOTICE, RED, YELLOW, Run, SetAside, alarms, health


def names(found):
    return [alarm.name for alarm in alarms(found)]


def at(hours):
    """Facts of a service whose newest hour stays, so many hours later."""
    return facts(now=NOW + timedelta(hours=hours), expected=NEWEST + np.timedelta64(hours, "h"))


def ended(outcome, **changes):
    run = replace(facts().run, outcome=outcome)
    return facts(run=replace(run, **changes))


def under_way(hours, *, locked):
    return facts(run=Run("abc", "run-due", NOW - timedelta(hours=hours)), locked=locked)


def delivery(state, days=0.0):
    return facts(
        set_aside=(SetAside("stations/HZ/10", "a.csv", state, "no", (NOW - timedelta(days=days)).isoformat()),)
    )


def silent(number, hours, **changes):
    """Feeds one of which told of nothing for so many hours; 1.3 of them have passed since the newest."""
    feeds = list(FEEDS)
    feeds[number] = replace(feeds[number], last=NEWEST - np.timedelta64(hours, "h"), **changes)
    return facts(feeds=tuple(feeds))


def listener(seconds=1, **told):
    return facts(listener={"written": (NOW - timedelta(seconds=seconds)).isoformat(), "waiting": 0, **told})


GB = 10**9
SILENT_MICROS = tuple(replace(f, last=None) if f.name in {"stations/M1/3", "stations/M2/3"} else f for f in FEEDS)
# of each alarm: facts with it, and facts that are nearly so
CASES = {
    "no_hours": (facts(newest=None, solved=None), facts(newest=None, solved=None, expected=FIRST - HOUR)),
    "hours_late": (at(3), at(2)),
    "hours_behind": (at(2), at(1)),
    "unsolved": (facts(solved=line(NEWEST - 25 * HOUR)), facts(solved=line(NEWEST - 23 * HOUR))),
    "store_unreadable": (facts(faults={"store_unreadable": "a chunk is gone"}), facts()),
    "store_busy": (facts(faults={"store_busy": "held"}), facts()),
    "database_unreadable": (facts(faults={"database_unreadable": "missing"}), facts()),
    "database_slow": (facts(faults={"database_slow": "nothing is told"}), facts()),
    "run_failed": (ended("failed: the case is wrong"), ended("failed")),
    "run_stopped": (ended("stopped"), ended("done")),
    "run_killed": (under_way(0.5, locked=False), under_way(0.5, locked=True)),
    "run_long": (under_way(7, locked=True), under_way(5, locked=True)),
    "scheduler_silent": (
        ended("done", began=NOW - timedelta(hours=2.1), ended=NOW - timedelta(hours=2)),
        ended("done", began=NOW - timedelta(hours=1.9), ended=NOW - timedelta(hours=1.8)),
    ),
    "disk_full": (facts(disk=(GB // 2, 100 * GB)), facts(disk=(2 * GB, 100 * GB))),
    "disk_low": (facts(disk=(4 * GB, 100 * GB)), facts(disk=(6 * GB, 100 * GB))),
    "degraded": (facts(newest=line(NEWEST, condition="degraded")), facts()),
    "prior_only": (facts(newest=line(NEWEST, condition="prior_only")), facts()),
    "hours_failed": (facts(failed=(line(NEWEST - HOUR, state="failed", tries=2, error="no"),)), facts()),
    "hours_missing": (facts(missing=(NEWEST - 3 * HOUR,)), facts(missing=(NEWEST,))),
    "hours_in_future": (facts(future=1), facts(future=0)),
    "clock_skew": (facts(skew=-7200.0), facts(skew=0.0)),
    "deliveries_conflict": (delivery("conflict"), delivery("conflict", days=8)),
    "deliveries_refused": (delivery("refused"), delivery("recalled")),
    "station_silent": (silent(0, 7), silent(0, 5)),
    "class_silent": (facts(feeds=SILENT_MICROS), silent(2, 40)),
    "satellite_silent": (silent(5, 8 * 24 + 1), silent(5, 7 * 24)),
    "listener_silent": (listener(130), listener(20)),
    "listener_failing": (listener(waiting=3, failures=1), listener(waiting=3, failures=0)),
}


def test_every_alarm_has_a_case():
    assert set(CASES) == set(KINDS)


@pytest.mark.parametrize("name", CASES)
def test_an_alarm_is_on_when_it_must_be_and_off_when_it_is_nearly_so(name):
    on, off = CASES[name]
    assert name in names(on)
    assert name not in names(off)


@pytest.mark.parametrize("name", CASES)
def test_the_state_is_that_of_the_worst_alarm_and_silence_alone_changes_none(name):
    found = health(CASES[name][0])
    levels = [alarm.level for alarm in found.alarms]
    assert levels == sorted(levels, key=[RED, YELLOW, NOTICE].index)
    assert found.state == (RED if RED in levels else YELLOW if YELLOW in levels else GREEN)


def test_a_service_that_is_well_is_green_without_alarms():
    assert names(facts()) == []
    assert health(facts()).state == GREEN


def test_2_percent_of_a_large_disk_is_low_too():
    assert names(facts(disk=(15 * GB, 1000 * GB))) == ["disk_low"]
    assert names(facts(disk=None)) == []


def test_a_service_whose_first_hour_is_not_due_yet_is_green():
    to_come = facts(newest=None, solved=None, lines=(), first=NEWEST + HOUR, feeds=(replace(FEEDS[0], last=None),))
    assert names(to_come) == []


def test_a_feed_that_never_told_of_anything_is_silent_since_the_service_began():
    never = (feed("stations/HZ/10", last=None),)
    assert "station_silent" in names(facts(feeds=never))
    assert "station_silent" not in names(facts(feeds=never, first=NEWEST - 3 * HOUR))


def test_an_alarm_keeps_the_time_since_which_it_is_on():
    since = NOW - timedelta(hours=5)
    before = {"alarms": [{"name": "degraded", "since": since.isoformat()}]}
    found = alarms(facts(newest=line(NEWEST, condition="degraded"), skew=100.0, before=before))
    assert {alarm.name: alarm.since for alarm in found} == {"degraded": since, "clock_skew": NOW}


DAMAGED = (
    {"alarms": 3},
    {"alarms": [3, {"name": "degraded"}, {"since": "x"}]},
    {"alarms": [{"name": "degraded", "since": "2024-07-15T10:00:00"}]},
    {"alarms": [{"name": "degraded", "since": "2999-01-01T00:00:00Z"}]},
)


@pytest.mark.parametrize("before", DAMAGED)
def test_a_health_file_that_is_damaged_or_of_another_time_tells_no_time(before):
    found = alarms(facts(newest=line(NEWEST, condition="degraded"), before=before))
    assert [alarm.since for alarm in found] == [NOW]


def test_a_reason_of_a_hundred_stations_names_the_first_dozen():
    many = tuple(feed(f"stations/S{n:03d}/10", last=NEWEST - 9 * HOUR) for n in range(100))
    (detail,) = (alarm.detail for alarm in alarms(facts(feeds=many)) if alarm.name == "station_silent")
    assert detail.count("stations/") == 12
    assert detail.endswith("and 88 more")


@pytest.mark.parametrize("name", ["database_unreadable", "database_slow"])
def test_no_feed_is_called_silent_when_the_registry_cannot_be_read(name):
    unknown = tuple(replace(one, last=None) for one in FEEDS)
    assert names(facts(feeds=unknown, faults={name: "no"})) == [name]


def test_the_documents_list_every_alarm_with_its_level():
    text = (Path(__file__).resolve().parents[3] / "docs" / "status.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `(\w+)` \| (red|yellow|notice) \|", text, flags=re.MULTILINE))
    assert listed == {name: kind.level for name, kind in KINDS.items()}
