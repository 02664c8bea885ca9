"""What is told of a service is what its store and ledger hold, in whatever state they are, and changes nothing."""

import json
import resource
import shutil
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import hour_cases
import numpy as np
import pytest
from health_cases import HOUR
from served_case import served

from pipeline import cli
from pipeline.service.clock import Clock, Reading
from pipeline.service.database import open_database
from pipeline.service.health import HEALTH, METRICS, PAGE, gather, health, report
from pipeline.service.health import database as health_database
from pipeline.service.health import report as report_of
from pipeline.service.health.around import LISTENER, is_locked, sizes_of
from pipeline.service.ledger import Entry, Ledger
from pipeline.service.lock import locked
from pipeline.service.log import Log

FIRST, NOW = np.datetime64("2024-07-01T00"), datetime(2024, 7, 2, 1, 20, tzinfo=UTC)  # 25 hours are due: 0 to 24
SECTIONS = """
[cycle]
window_hours = 12
lag_hours = 2

[service]
folder = "service"
start = 2024-07-01T00:00:00Z
"""
FEEDS = 20
STILL = Clock(lambda: NOW, lambda: 0.0, lambda: "")


class Served:
    """A service's folder, filled by hand."""

    def __init__(self, folder):
        self.place = served(folder, sections=SECTIONS)
        self.feed = f"stations/{self.place.settings.stations[0].id}/{self.place.settings.stations[0].height:g}"
        self.database = open_database(self.place.database)
        self.ledger = Ledger(self.database)
        self.store = hour_cases.make(self.place.store)
        self.logs = []

    def close(self):
        self.database.close()
        for log in self.logs:
            log.close()

    def commit(self, *hours, **facts):
        self.store.commit([hour_cases.version(n, n, **{"condition": "full", **facts}) for n in hours], at=NOW)

    def run(self, *, at=NOW, end=True, run="one", outcome="done"):
        self.ledger.begin(run, "run-due", Reading(at, 0.0, ""))
        if end:
            self.ledger.end(run, at, outcome, 1, 0)

    def deliver(self, feed, hour, state="current", path="a.csv", sequence=1):
        sha = f"{path} {sequence}"
        number = int(np.datetime64(hour, "h").astype(np.int64))
        self.database.execute("INSERT INTO delivery VALUES (?, ?, ?, 9, ?, 0)", (path, sequence, sha, NOW.isoformat()))
        self.database.execute("INSERT INTO content VALUES (?, ?, ?, 'd')", (sha, feed, number))
        self.database.execute("INSERT INTO standing VALUES (?, ?, ?, ?, ?, '')", (feed, path, sequence, sha, state))

    def service(self):
        """What a run has of its service."""
        self.logs.append(Log("one", self.place.folder))
        return SimpleNamespace(place=self.place, clock=STILL, log=self.logs[-1])

    def told(self):
        return [json.loads(line) for line in (self.place.folder / "service.log").read_text().splitlines()]

    def files(self):
        return sorted(str(path) for path in self.place.folder.rglob("*") if "leases" not in path.parts)


@pytest.fixture
def live(tmp_path):
    found = Served(tmp_path / "case")
    yield found
    found.close()


def outcome(**changes):
    return SimpleNamespace(**{"failed": {}, "left": [], "skew": 0.0, "now": NOW, **changes})


def status(place, *options):
    """Run the command; return its exit code."""
    with pytest.raises(SystemExit) as end:
        cli.app(["status", "--case", str(place.path), "--now", NOW.isoformat(), *options])
    return end.value.code


def test_the_newest_hour_and_the_newest_solved_are_those_of_the_store(live):
    live.commit(*range(23), precise_stations=5)
    live.commit(23, 24, status="P0", condition="prior_only")
    live.ledger.put(Entry(FIRST + 24 * HOUR, "done", seconds={"solving": 2.0}))
    found = gather(live.place, NOW)
    assert found.newest.hour == found.expected == FIRST + 24 * HOUR
    assert (found.newest.condition, found.newest.seconds) == ("prior_only", {"solving": 2.0})
    assert (found.solved.hour, found.solved.precise) == (FIRST + 22 * HOUR, 5)
    assert found.missing == ()
    assert found.age(found.newest.hour) == pytest.approx(4 / 3)


def test_a_backfill_of_old_hours_does_not_turn_freshness_green(live):
    live.commit(*range(5, 18))
    late = [alarm.name for alarm in health(gather(live.place, NOW)).alarms]
    assert "hours_late" in late
    live.commit(*range(5))
    again = health(gather(live.place, NOW))
    assert "hours_late" in [alarm.name for alarm in again.alarms]
    assert again.state == "red"
    assert again.newest.hour == FIRST + 17 * HOUR


def test_an_hour_that_has_not_been_is_not_the_newest(live):
    live.commit(*range(25), 40)
    found = gather(live.place, NOW)
    assert found.newest.hour == FIRST + 24 * HOUR
    assert found.future == 1


def test_hours_due_without_a_version_are_missing_and_the_failed_tell_why(live):
    live.commit(*range(25))
    live.commit(*range(26, 30))
    live.ledger.put(Entry(FIRST + 25 * HOUR, "failed", tries=3, error="no prior"))
    found = gather(live.place, NOW + timedelta(hours=5))
    assert found.missing == (FIRST + 25 * HOUR,)
    assert [(one.hour, one.tries, one.error) for one in found.failed] == [(FIRST + 25 * HOUR, 3, "no prior")]
    assert found.lines[25].state == "failed"
    assert len(found.lines) == 30


def test_a_feed_is_as_new_as_the_newest_hour_of_a_delivery_that_counts_and_has_been(live):
    live.deliver(live.feed, "2024-07-01T03")
    live.deliver(live.feed, "2024-07-01T20", "refused", "b.csv")
    live.deliver(live.feed, "2031-01-01T00", "current", "c.csv")
    (feed,) = (one for one in gather(live.place, NOW).feeds if one.name == live.feed)
    assert feed.last == np.datetime64("2024-07-01T03")
    assert feed.precise


def test_a_feed_that_has_been_silent_for_a_year_is_known_by_its_last_hour(live):
    live.deliver(live.feed, "2024-07-01T03")
    (feed,) = (one for one in gather(live.place, NOW + timedelta(days=400)).feeds if one.name == live.feed)
    assert feed.last == np.datetime64("2024-07-01T03")


def test_status_during_a_run_tells_what_is_committed_and_makes_no_file(live, capsys):
    live.commit(*range(25))
    live.deliver(live.feed, "2024-07-02T00")
    live.run(end=False)
    live.database.execute("BEGIN IMMEDIATE")
    live.ledger.put(Entry(FIRST, "failed", error="not committed"))
    before = live.files()
    with locked(live.place.lock):
        before = live.files()
        found = gather(live.place, NOW)
        assert found.run.ended is None
        assert found.locked
        assert found.failed == ()
        assert "run_killed" not in [alarm.name for alarm in health(found).alarms]
        assert status(live.place) in (0, 1)
        assert "under way" in capsys.readouterr().out
    live.database.execute("ROLLBACK")
    assert live.files() == before
    assert "run_killed" in [alarm.name for alarm in health(gather(live.place, NOW)).alarms]


def test_status_of_a_database_that_is_closed_makes_no_file(live):
    live.commit(*range(25))
    live.run()
    live.database.close()
    before = live.files()
    assert gather(live.place, NOW).run.outcome == "done"
    assert live.files() == before


def test_status_works_without_database_and_store_and_makes_nothing(tmp_path, capsys):
    place = served(tmp_path / "case", sections=SECTIONS)
    assert status(place, "--json") == 2
    told = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in told["alarms"]] == ["no_hours", "database_unreadable"]
    assert not place.folder.exists()


def test_without_its_ledger_the_store_still_tells_what_is_published(live):
    live.commit(*range(25))
    live.database.close()
    for path in live.place.folder.glob("service.db*"):
        path.unlink()
    found = health(gather(live.place, NOW))
    assert [alarm.name for alarm in found.alarms] == ["database_unreadable"]
    assert found.newest.hour == FIRST + 24 * HOUR


@pytest.mark.parametrize("content", [b"", b"not a database, but long enough to be taken for one" * 40])
def test_a_damaged_ledger_is_told(live, content):
    live.commit(*range(25))
    live.database.close()
    live.place.database.write_bytes(content)
    assert "database_unreadable" in gather(live.place, NOW).faults


@pytest.mark.parametrize("name", ["", "snapshots", "manifests", "chunks"])
def test_a_damaged_store_is_red(live, name):
    live.commit(*range(25))
    shutil.rmtree(live.place.store / "repo" / name)
    found = health(gather(live.place, NOW))
    assert (found.state, found.alarms[0].name) == ("red", "store_unreadable")


def test_the_exit_code_is_that_of_the_state(live, capsys):
    live.run(at=NOW - timedelta(minutes=5))
    for source in gather(live.place, NOW).feeds:
        live.deliver(source.name, "2024-07-02T00", path=source.name)
    assert status(live.place) == 2
    live.commit(*range(25))
    assert status(live.place) == 0, capsys.readouterr().out
    live.commit(24, condition="degraded", reasons=["[red]\x1b[31m two stations"])
    capsys.readouterr()
    assert status(live.place) == 1
    out = capsys.readouterr().out
    assert "[red]\\x1b[31m two stations" in out.replace("\n", " ")
    assert "07-02 08:00" in out


def test_a_case_that_cannot_be_read_is_unknown(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        cli.app(["status", "--case", str(tmp_path / "none.toml")])
    assert end.value.code == 3
    assert "none.toml" in capsys.readouterr().err


def test_status_writes_the_page_it_is_asked_for_and_prints_metrics(live, tmp_path, capsys):
    live.commit(*range(25))
    assert status(live.place, "--page", str(tmp_path / "p.html"), "--prometheus") in (0, 1)
    assert "tianyan_newest_hour_timestamp_seconds{" in capsys.readouterr().out
    assert (tmp_path / "p.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert not (live.place.folder / HEALTH).exists()


def test_a_run_leaves_health_metrics_and_page(live):
    live.commit(*range(25))
    live.run()
    left = [FIRST + 3 * HOUR]
    report(live.service(), outcome(left=left, skew=120.0))
    told = json.loads((live.place.folder / HEALTH).read_text())
    assert told["due"]["left"] == ["2024-07-01T03:00Z"]
    assert told["run"]["id"] == "one"
    assert "tianyan_hours_left" in (live.place.folder / METRICS).read_text()
    assert "<svg" in (live.place.folder / PAGE).read_text(encoding="utf-8")
    assert not list(live.place.folder.glob(".*.tmp"))
    # and what asks later knows what that run found
    again = gather(live.place, clock=STILL)
    assert again.left == tuple(left)
    assert again.skew == 120.0


def test_alarms_keep_their_time_from_run_to_run(live):
    live.commit(*range(25), condition="degraded")
    live.run()
    report(live.service(), outcome())
    report(live.service(), outcome(now=NOW + timedelta(minutes=15)))
    told = json.loads((live.place.folder / HEALTH).read_text())
    since = {one["name"]: one["since"] for one in told["alarms"]}
    assert since["degraded"] == "2024-07-02T01:20:00Z"
    assert told["at"] == "2024-07-02T01:35:00Z"


def test_a_disk_that_takes_nothing_stops_nothing_and_leaves_the_old_files(live):
    live.commit(*range(25))
    live.run()
    report(live.service(), outcome())
    old = {name: (live.place.folder / name).read_bytes() for name in (HEALTH, METRICS, PAGE)}
    service = live.service()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        report(service, outcome(now=NOW + timedelta(hours=1)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert old == {name: (live.place.folder / name).read_bytes() for name in old}
    assert not list(live.place.folder.glob(".*.tmp"))


def test_a_file_that_cannot_be_written_is_a_line_of_the_log_and_the_others_are(live):
    live.commit(*range(25))
    (live.place.folder / HEALTH).mkdir()
    report(live.service(), outcome())
    assert [one["file"] for one in live.told() if one["event"] == "not written"] == [HEALTH]
    assert (live.place.folder / PAGE).is_file()


def test_a_report_never_raises(live, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("ours")

    module = sys.modules[report_of.__module__]
    monkeypatch.setattr(module, "gather", broken)
    report(live.service(), outcome())
    assert live.told()[-1]["error"] == "RuntimeError: ours"


def test_a_store_that_cannot_be_read_leaves_a_health_file_that_says_so(live):
    live.commit(*range(25))
    (live.place.store / "store.json").unlink()
    report(live.service(), outcome())
    told = json.loads((live.place.folder / HEALTH).read_text())
    assert told["state"] == "red"
    assert told["newest"] is None


def test_a_clock_that_jumped_since_the_last_run_is_told_and_not_believed(live):
    live.ledger.begin("one", "run-due", Reading(NOW, 100.0, "boot"))
    live.ledger.end("one", NOW, "done", 0, 0)
    found = gather(live.place, clock=Clock(lambda: NOW + timedelta(hours=9), lambda: 3700.0, lambda: "boot"))
    assert found.now == NOW + timedelta(hours=1)
    assert found.skew == pytest.approx(8 * 3600)


def test_counters_of_a_listener_that_feeds_read_from_are_told(live):
    assert gather(live.place, NOW).listener is None
    (live.place.folder / LISTENER).write_text(json.dumps({"written": NOW.isoformat(), "messages": 7}))
    assert health(gather(live.place, NOW)).told()["listener"]["messages"] == 7


def test_sizes_hold_for_hours_and_are_counted_in_bounded_time(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"12345")
    found = sizes_of({"a": tmp_path / "a", "none": tmp_path / "none"}, NOW, {})
    assert (found["a"]["bytes"], found["a"]["complete"], found["none"]["bytes"]) == (5, True, 0)
    (tmp_path / "a" / "y").write_bytes(b"12345")
    assert sizes_of({"a": tmp_path / "a"}, NOW + timedelta(hours=1), found)["a"]["bytes"] == 5
    assert sizes_of({"a": tmp_path / "a"}, NOW + timedelta(hours=7), found)["a"]["bytes"] == 10
    assert sizes_of({"a": tmp_path / "a"}, NOW, {}, seconds=-1.0)["a"]["complete"] is False


def test_whether_a_run_holds_the_lock_is_seen_without_making_or_taking_it(tmp_path):
    path = tmp_path / "run.lock"
    assert not is_locked(path)
    assert not path.exists()
    with locked(path) as ours:
        assert ours
        assert is_locked(path)
    assert not is_locked(path)


def test_a_ledger_of_a_year_with_hundreds_of_feeds_is_read_in_time(live):
    with closing(sqlite3.connect(live.place.database, isolation_level=None)) as database:
        database.execute("BEGIN")
        days = [(f"s{feed}", f"s{feed}/{day}.csv", f"{feed} {day}", day) for feed in range(FEEDS) for day in range(365)]
        database.executemany(
            "INSERT INTO standing VALUES (?, ?, 1, ?, 'current', '')", [(s, path, sha) for s, path, sha, _ in days]
        )
        hours = ((sha, s, 477_000 + 24 * day + hour) for s, _, sha, day in days for hour in range(24))
        database.executemany("INSERT INTO content VALUES (?, ?, ?, 'd')", hours)
        database.execute("COMMIT")
    found = gather(live.place, datetime.fromtimestamp(3600 * (477_000 + 24 * 365 + 2), UTC))
    assert found.faults == {}
    assert found.deliveries == {"current": FEEDS * 365}


def test_a_registry_that_takes_too_long_is_left_out_and_said(live, monkeypatch):
    live.commit(*range(25))
    live.run()
    monkeypatch.setattr(health_database, "_of_registry", interrupted)
    found = gather(live.place, NOW)
    assert found.run.outcome == "done"
    assert [alarm.name for alarm in health(found).alarms] == ["database_slow"]


def interrupted(*_):
    raise sqlite3.OperationalError("interrupted")
