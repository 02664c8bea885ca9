"""Many days of the service, reprocessed alone and by workers of dask: `python -m benchmarks.scale WORLD FOLDER [DAYS]`.

WORLD is a simulated case of a day more, since an hour's version is of a window that ends later:

    tianyan osse make WORLD --days 31 --spacing-km 18 --particles 30 --spectrometers 4 --micro 6
        --no-sinks --no-columns --no-mobile

Its files are delivered to a service of its own for each way of making the hours; nothing is traced or kept before. The
figures of a way stand in FOLDER as JSON when it has ended, and one that stands there is not run again. Processor
seconds are those of every process of a way: driver, scheduler, workers, and what watches over them. Efficiency is what
one process of one thread took, over what two took together.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.cases import machine
from pipeline.grid import HourStore
from pipeline.osse.deliveries import Deliveries

HOUR = np.timedelta64(1, "h")
FIRST = np.datetime64("2024-07-15T00", "h")
WINDOW, LAG = 48, 24
SECTIONS = """
[cycle]
window_hours = {window}
lag_hours = {lag}

[service]
start = 2024-07-15T00:00:00Z
quiet_seconds = 0

[solver]
threads = {threads}
"""
#: of a manifest, what tells of the way that led to it
_WAY = ("seq", "at", "revision", "revisions")
#: and, with another number of threads, what names the case file
_CASE = ("config", "key", "signature")
#: ways of making the hours: what is told of each, and its threads
WAYS = {
    "serial": ("one process of one thread", 1),
    "serial2": ("one process of two threads", 2),
    "local": ("two workers of this machine (LocalCluster), one thread each", 1),
    "address": ("a scheduler process and two worker processes, one thread each", 1),
    "killed": ("the same, and workers killed (kill -9) at random", 1),
}
#: seconds between two kills, on average
PAUSE = 20.0


class Watch:
    """Memory of processes, looked at twice a second: the driver's, and the peak of any worker."""

    def __init__(self) -> None:
        self.driver: list[int] = []
        self.worker = 0
        #: processes that were started here, and what they are
        self.roots: dict[int, str] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def workers(self) -> list[int]:
        """Return the processes of workers under any of the roots."""
        return [one for root in list(self.roots) for one in workers_under(root)]

    def _look(self) -> None:
        while not self._over.wait(0.5):
            self.worker = max([self.worker, *map(_resident, self.workers())])
            self.driver += [_resident(pid) for pid, name in list(self.roots.items()) if name == "driver"]

    def quarters(self) -> list[int]:
        """Return the median of the driver's memory in each quarter of its time."""
        parts = np.array_split(np.array(self.driver or [0]), 4)
        return [int(np.median(part)) if part.size else 0 for part in parts]


def _resident(process: int) -> int:
    with contextlib.suppress(psutil.Error):
        return int(psutil.Process(process).memory_info().rss)
    return 0


def workers_under(root: int) -> list[int]:
    """Return the processes of dask's workers among the descendants of one: not what watches over them."""
    with contextlib.suppress(psutil.Error):
        return [one.pid for one in psutil.Process(root).children(recursive=True) if _is_worker(one)]
    return []


def _is_worker(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return "spawn_main" in " ".join(process.cmdline())
    return False


@contextlib.contextmanager
def scheduler(watch: Watch, folder: Path, count: int) -> Iterator[str]:
    """Give the address of a scheduler with workers, all of them processes of their own."""
    address, started = "tcp://127.0.0.1:18786", []
    dask = [sys.executable, "-m", "dask"]
    environment = {
        **os.environ, "OPENBLAS_NUM_THREADS": "1", "ICECHUNK_LOG": "error",
        "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    }  # fmt: skip

    def start(*command: str) -> None:
        with (folder / "dask.log").open("a", encoding="utf-8") as log:
            started.append(subprocess.Popen([*dask, *command], stdout=log, stderr=log, env=environment))
        watch.roots[started[-1].pid] = command[0]

    try:
        start("scheduler", "--host", "127.0.0.1", "--port", "18786", "--dashboard-address", "127.0.0.1:0")
        for _ in range(count):
            start("worker", address, "--nthreads", "1", "--no-dashboard", "--local-directory", str(folder / "workers"))
        yield address
    finally:
        for process in reversed(started):
            # gently: so they wait for their own, and their processor seconds are counted
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
            process.wait()


@contextlib.contextmanager
def kills(
    workers: Callable[[], list[int]],
    pause: float,
    *,
    most: int | None = None,
    after: Callable[[], bool] = lambda: True,
) -> Iterator[list[int]]:
    """Kill workers (kill -9), drawn by chance, at moments drawn by chance; give those that were.

    Parameters
    ----------
    workers
        Processes there are.
    pause
        Seconds between two kills, on average.
    most
        Kills.
    after
        Nobody is killed before this is true.
    """
    over, killed, drawn = threading.Event(), [], random.Random(1)

    def kill() -> None:
        while not after() and not over.wait(0.1):
            pass
        while not over.wait(drawn.uniform(0.5, 1.5) * pause) and (most is None or len(killed) < most):
            there = workers()
            if there:
                killed.append(drawn.choice(there))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(killed[-1], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def lay_out(world: Path, target: Path, days: int, threads: int) -> Path:
    """Make a service and deliver all of its days to it; return its case file."""
    shutil.rmtree(target, ignore_errors=True)
    deliveries = Deliveries(world, target)
    case = deliveries.lay_out(SECTIONS.format(window=WINDOW, lag=LAG, threads=threads))
    deliveries.deliver(FIRST + (24 * days + LAG + 1) * HOUR)
    return case


def run(way: str, world: Path, folder: Path, days: int) -> dict[str, Any]:
    """Reprocess the days in one way and return its figures."""
    target, threads = folder / way, WAYS[way][1]
    case = lay_out(world, target, days, threads)
    last, now = FIRST + (24 * days - 1) * HOUR, FIRST + (24 * days + LAG + 2) * HOUR
    command = [
        sys.executable, "-m", "pipeline.cli", "reprocess", "R1", f"{FIRST}Z", f"{last}Z", "--case", str(case),
        "--now", f"{np.datetime64(now, 's')}Z",
    ]  # fmt: skip
    environment = {**os.environ, "ICECHUNK_LOG": "error", "OPENBLAS_NUM_THREADS": str(threads)}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    killed: list[int] = []
    with Watch() as watch, contextlib.ExitStack() as stack:
        if way in ("address", "killed"):
            command += ["--scheduler", stack.enter_context(scheduler(watch, target, 2))]
        elif way == "local":
            command += ["--scheduler", "local", "--workers", "2"]
        if way == "killed":
            killed = stack.enter_context(kills(watch.workers, PAUSE))
        with (target / "driver.log").open("w", encoding="utf-8") as log:
            driver = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
            watch.roots[driver.pid] = "driver"
            code = driver.wait()
        clock = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if code:
        raise RuntimeError((target / "driver.log").read_text(encoding="utf-8"))
    return {
        "clock": clock,
        "processor": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "worker": watch.worker,
        "driver": max(watch.driver),
        "quarters": watch.quarters(),
        "load": os.getloadavg()[1],
        "killed": len(killed),
        **said(target),
    }


def said(target: Path) -> dict[str, Any]:
    """Return digests of what a branch says of every hour, all of it verified: of numbers, and of all but the way."""
    numbers, all_of_it = {}, {}
    with HourStore.open(target / "service" / "store").at(branch="R1") as reader:
        for hour in reader.hours():
            reader.verify(hour)
            digest = hashlib.sha256()
            for name, values in sorted(reader.values(hour).items()):
                digest.update(name.encode() + values.tobytes())
            numbers[str(hour)] = digest.hexdigest()
            manifest = reader.manifest(hour)
            assert manifest is not None
            told = {key: value for key, value in manifest.items() if key not in _WAY}
            all_of_it[str(hour)] = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    return {"numbers": numbers, "manifests": all_of_it}


def report(found: dict[str, dict[str, Any]], days: int) -> str:
    """Return what the ways came to, as text."""
    base = found["serial"]
    hours = len(base["numbers"])
    lines = [
        machine(),
        f"{days} days, {hours} hours; windows of {WINDOW} hours, versions from the window that ends {LAG} hours later",
        "clock seconds depend on what else ran: load is the machine's average over 5 minutes when a way had ended",
        "",
        f"{'':10}{'clock':>9}{'processor':>11}{'efficiency by':>16}{'':>10}{'peak, MB,':>12}{'of the':>9}{'load':>6}",
        f"{'':10}{'s':>9}{'s':>11}{'clock':>16}{'processor':>10}{'of a worker':>12}{'driver':>9}{'':>6}",
    ]
    for way in (one for one in WAYS if one in found):
        one, count = found[way], 1 if way == "serial" else 2
        share = base["clock"] / (count * one["clock"]), base["processor"] / one["processor"]
        lines.append(
            f"{way:10}{one['clock']:>9.0f}{one['processor']:>11.0f}{share[0]:>16.0%}{share[1]:>10.0%}"
            f"{one['worker'] / 1e6:>12.0f}{one['driver'] / 1e6:>9.0f}{one['load']:>6.1f}"
        )
    lines += ["", *(f"{way}: {told}" for way, (told, _) in WAYS.items() if way in found), ""]
    for way in (one for one in found if one != "serial"):
        numbers = [hour for hour in base["numbers"] if found[way]["numbers"].get(hour) != base["numbers"][hour]]
        manifests = [hour for hour in base["manifests"] if found[way]["manifests"].get(hour) != base["manifests"][hour]]
        told = "" if way == "serial2" else f", {len(manifests)} whose manifest differs"
        killed = f"; {found[way]['killed']} workers killed" if found[way]["killed"] else ""
        lines.append(f"{way} against serial: {len(numbers)} hours whose numbers differ{told}{killed}")
    lines += ["", "memory of the driver, MB, median of each quarter of its time:"]
    lines += [f"{way:10}" + "".join(f"{v / 1e6:>7.0f}" for v in found[way]["quarters"]) for way in WAYS if way in found]
    return "\n".join(lines)


def main(world: Path, folder: Path, days: int, ways: list[str]) -> str:
    """Run the ways that have no figures yet, and return the report of all that have."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for way in WAYS:
        path = folder / f"{way}.json"
        if not path.exists() and way in ways:
            path.write_text(json.dumps(run(way, world, folder, days)), encoding="utf-8")
            shutil.rmtree(folder / way)
        if path.exists():
            found[way] = json.loads(path.read_text(encoding="utf-8"))
    return report(found, days)


if __name__ == "__main__":
    told = sys.argv[4:] or list(WAYS)
    print(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 30, told))
