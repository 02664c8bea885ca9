"""Hours that Dagster makes are the service's hours, in the same store, under the same lock; Dagster tells, not decides."""

import json
import shutil
import socket
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import hour_cases
import numpy as np
import pytest
import service_cases as cases
from served_case import served

from pipeline.errors import InputError
from pipeline.grid import HourStore
from pipeline.service import making, product
from pipeline.service.lock import locked
from pipeline.service.runs import make_all, run_due, running

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
NOW = cases.at(FIRST + WEEK * HOUR) + timedelta(minutes=16)
SHIPPED = Path(dagster_hours.__file__).with_name("dagster.yaml")


def key(number, first=FIRST):
    return f"{first + number * HOUR}Z"


@pytest.fixture
def solved(monkeypatch):
    """Hours cost nothing, but go the service's way: lock, ledger, store. Gives what was solved, and what is to fail."""
    did = SimpleNamespace(hours=[], failing=set())

    def prepare(place, domain, window, *rest, **more):
        if window.hour in did.failing:
            raise InputError("the disk must be readable", got="nothing", remedy="check it", where=str(window.hour))
        return SimpleNamespace(window=window, key=f"key of {window.hour}")

    def versions(place, domain, prepared, stages, **more):
        did.hours.append(prepared.window.hour)
        out = []
        for hour in making.wanted(place, prepared.window.hour):
            status = making.P1 if hour == prepared.window.hour else making.P2
            data = hour_cases.version(0, float(int(hour.astype(int)) % 100)).data
            end = str(prepared.window.hour + HOUR)
            told = {"status": status, "condition": "full", "reasons": [], "missing": [], "key": prepared.key}
            counts = {"provincial": {"seen": 3, "used": 2}}
            out.append(making.Version(hour, data, told | {"window": [str(hour), end], "counts": counts}))
        return out

    monkeypatch.setattr(making, "domain_of", lambda place: SimpleNamespace(grid=None, regions=None))
    monkeypatch.setattr(product, "template", lambda settings, grid, regions: hour_cases.template())
    monkeypatch.setattr(making, "prepare", prepare)
    monkeypatch.setattr(making, "versions", versions)
    return did


@contextmanager
def at_home(folder):
    """An instance on disk, as the shipped example makes it."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(SHIPPED, folder / "dagster.yaml")
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        yield instance


def backfill(target, instance, first, last, clock=None, **more):
    """One run over a range of partitions, as a backfill of Dagster starts it."""
    defs = dagster_hours.definitions(target / "case.toml", clock or cases.standing_still(NOW))
    tags = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
    return defs.resolve_job_def("hours").execute_in_process(instance=instance, tags=tags, **more)


def test_week(solved, tmp_path):
    import time

    served(tmp_path, sections=SECTIONS)
    with at_home(tmp_path / "home") as instance:
        t = time.time()
        result = backfill(tmp_path, instance, key(0), key(WEEK - 1), raise_on_error=False)
        print("SECONDS", time.time() - t)
        assert result.success
        for name in dagster_hours.STAGES:
            print(len(instance.get_materialized_partitions(dg.AssetKey(name))))
