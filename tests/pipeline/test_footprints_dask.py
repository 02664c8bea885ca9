"""Footprints traced by workers are those of threads, to the bit."""

import sys
import time
from types import MappingProxyType

import numpy as np
import pytest
import weather_cases as cases

from pipeline import footprints_dask
from pipeline.errors import ConfigError
from pipeline.footprints_dask import Task, trace_batch, workers
from pipeline.transport import receptors_of

distributed = pytest.importorskip("distributed", reason="needs the extra scale")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weather")
    cases.write_hours(folder, range(12))
    return folder


@pytest.fixture(scope="module")
def by_threads(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("threads")
    cases.make(root, folder, threads=2)
    return cases.contents(folder / "footprints")


def test_processes_of_this_machine_give_the_same_bytes(root, by_threads, tmp_path):
    made = cases.make(root, tmp_path, threads=2, scheduler="local")
    assert (made.computed, made.prepared) == (6, 9)
    assert cases.contents(tmp_path / "footprints") == by_threads


def test_a_scheduler_whose_worker_has_threads_gives_the_same_bytes(root, by_threads, tmp_path):
    with distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None) as cluster:
        made = cases.make(root, tmp_path / "one", scheduler=cluster.scheduler_address)
        assert made.computed == 6
        # another run on the same worker does not read the first one's weather
        changed = cases.make(root, tmp_path / "two", case=cases.settings(seed=2), scheduler=cluster.scheduler_address)
        assert changed.computed == 6
    assert cases.contents(tmp_path / "one" / "footprints") == by_threads
    cases.make(root, tmp_path / "three", case=cases.settings(seed=2))
    assert cases.contents(tmp_path / "two" / "footprints") == cases.contents(tmp_path / "three" / "footprints")


def test_processes_of_this_machine_keep_no_record_of_where_they_were():
    """Else a worker grows by a megabyte for each hour it makes."""
    with workers("local", 1) as client:
        # looks are taken every 10 ms and put away every second
        client.submit(time.sleep, 1.5).result(30)
        kept = client.run(lambda dask_worker: len(dask_worker.profile_history) + len(dask_worker.profile_keys_history))
    assert list(kept.values()) == [0]


def test_no_scheduler_is_asked_when_nothing_is_to_be_made(root, tmp_path):
    cases.make(root, tmp_path)
    made = cases.make(root, tmp_path, scheduler="tcp://127.0.0.1:1")
    assert (made.computed, made.kept) == (0, 6)


def test_a_missing_package_is_told_with_what_to_install(root, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r'distributed; got .local.\. Remedy: pip install "carbon-tianyan\[scale\]"'):
        cases.make(root, tmp_path, scheduler="local")


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch):
    monkeypatch.setattr(footprints_dask, "_PATIENCE", 0.5)
    with (
        pytest.raises(ConfigError, match=r"the scheduler must answer; got 'tcp://127\.0\.0\.1:1'"),
        workers("tcp://127.0.0.1:1", 1),
    ):
        pass


def test_a_worker_that_cannot_read_the_weather_names_the_time(tmp_path):
    weather = cases.Grid.from_centres("EPSG:4326", 8.0 + 0.25 * np.arange(6), 49.0 + 0.25 * np.arange(5))
    transport = cases.settings().transport
    assert transport is not None
    task = Task("run", tmp_path / "elsewhere", weather, cases.GRID, 3600.0, 10, transport)
    first, last = cases.START + 8 * cases.HOUR, cases.START + 9 * cases.HOUR
    known = MappingProxyType({first: ("source", "digest"), last: ("source", "digest")})
    receptor = receptors_of(cases.receptors())[0]
    assert trace_batch((task, known), [(receptor, (first, last))]) == first
    assert not task.folder.exists()
