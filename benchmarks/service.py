"""Simulated hours of the province by the hourly service, disturbed and undisturbed: `python -m benchmarks.service`.

    python -m benchmarks.service WORLD FOLDER [HOURS]

WORLD is a simulated case (`tianyan osse make WORLD --days 3`). Its files are delivered hour by hour to two services in
FOLDER. To the first everything comes on time. To the second one in a hundred stretches of a feed comes up to 12 hours
late, some runs are left out, every fifth run is killed (kill -9) at a moment drawn by chance, and every fourth is
started together with a second one. Both are `tianyan run-due` in processes of their own. In the end their stores are
compared: every number of every hour, and every manifest but for what tells of the way there.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import machine
from pipeline.grid import HourStore
from pipeline.osse.deliveries import Deliveries, Late

HOUR = np.timedelta64(1, "h")
FIRST = np.datetime64("2024-07-15T00", "h")
SECTIONS = """
[cycle]
window_hours = 72
lag_hours = 24

[service]
start = 2024-07-15T00:00:00Z
quiet_seconds = 0
retry_minutes = 0.01
"""
#: of a manifest, what tells of the way that led to it
_WAY = ("seq", "at", "revision", "revisions", "inputs")


class Running:
    """A service and the runs of it.

    Parameters
    ----------
    world
        Folder of the simulated case.
    target
        Of the service; what is there is removed.
    """

    def __init__(self, world: Path, target: Path) -> None:
        shutil.rmtree(target, ignore_errors=True)
        self.target = target
        self.deliveries = Deliveries(world, target)
        self.case = self.deliveries.lay_out(SECTIONS)

    def start(self, now: np.datetime64) -> subprocess.Popen[bytes]:
        """Start `tianyan run-due` as if it were a quarter past an hour, and five minutes."""
        at = f"{np.datetime64(now, 's') + np.timedelta64(20, 'm')}Z"
        command = [sys.executable, "-m", "pipeline.cli", "run-due", "--case", str(self.case), "--now", at]
        environment = {**os.environ, "ICECHUNK_LOG": "error"}
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)

    def run(self, now: np.datetime64) -> float:
        """Run once to the end; return how long it took, s."""
        began = time.monotonic()
        process = self.start(now)
        told, _ = process.communicate()
        if process.returncode != 0:
            raise RuntimeError(told.decode())
        return time.monotonic() - began

    def finish(self, now: np.datetime64) -> int:
        """Run until nothing is due; return how many runs that took."""
        for number in range(1, 1000):
            process = self.start(now)
            told, _ = process.communicate()
            if process.returncode != 0:
                raise RuntimeError(told.decode())
            if b"nothing is due" in told:
                return number
        raise RuntimeError("there is always something due")

    def said(self) -> dict[str, dict[str, Any]]:
        """Return what the store says of every hour, all of it verified, without the way there."""
        found = {}
        with HourStore.open(self.target / "service" / "store").at() as reader:
            for hour in reader.hours():
                reader.verify(hour)
                manifest = reader.manifest(hour)
                assert manifest is not None
                found[str(hour)] = {key: value for key, value in manifest.items() if key not in _WAY}
        return found


def undisturbed(service: Running, hours: int) -> list[float]:
    """Deliver on time and run every hour; return how long each run took, s."""
    spent = []
    for number in range(hours):
        now = FIRST + (number + 1) * HOUR
        service.deliveries.deliver(now)
        spent.append(service.run(now))
    service.finish(FIRST + hours * HOUR)
    return spent


def disturbed(service: Running, hours: int, seed: int, usual: float) -> dict[str, int]:
    """Deliver late, leave out runs, kill some, start others twice; return how often each happened."""
    random = np.random.default_rng(seed)
    late = Late(seed, share=0.01, most=12)
    count = dict.fromkeys(("runs", "left out", "killed", "started twice", "turned away"), 0)
    for number in range(hours):
        now = FIRST + (number + 1) * HOUR
        service.deliveries.deliver(now, late)
        if random.random() < 0.15 and number < hours - 1:
            count["left out"] += 1
            continue
        count["runs"] += 1
        if number % 5 == 3:
            process = service.start(now)
            time.sleep(float(random.uniform(0.1, 1.0)) * usual)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            count["killed"] += process.returncode == -signal.SIGKILL
        elif number % 4 == 2:
            both = [service.start(now) for _ in range(2)]
            told = [process.communicate()[0].decode() for process in both]
            count["started twice"] += 1
            count["turned away"] += sum("another run is under way" in text for text in told)
        else:
            service.run(now)
    # what was late is there in the end, and runs go on until nothing is due
    service.deliveries.deliver(FIRST + hours * HOUR)
    count["runs"] += service.finish(FIRST + hours * HOUR)
    return count


def report(world: Path, folder: Path, hours: int) -> str:
    """Run both services and return what came of it."""
    calm, wild = Running(world, folder / "undisturbed"), Running(world, folder / "disturbed")
    spent = undisturbed(calm, hours)
    count = disturbed(wild, hours, 5, statistics.median(spent))
    one, two = calm.said(), wild.said()
    differ = [hour for hour in one if one[hour] != two.get(hour)]
    conditions: dict[str, int] = {}
    for said in one.values():
        conditions[f"{said['status']} {said['condition']}"] = (
            conditions.get(f"{said['status']} {said['condition']}", 0) + 1
        )
    revisions = _revisions(wild)
    lines = [
        machine(),
        "",
        f"{hours} hours, delivered on time: a run takes {statistics.median(spent):.1f} s, {max(spent):.1f} s at most",
        "disturbed: " + ", ".join(f"{number} {name}" for name, number in count.items()),
        f"versions of an hour in the disturbed store: {min(revisions)} to {max(revisions)}",
        "undisturbed: " + ", ".join(f"{number} {name}" for name, number in sorted(conditions.items())),
        f"hours in both stores: {len(one)} and {len(two)}; hours that differ: {len(differ)} {differ[:5]}",
        "",
        "seconds of each hour's run, undisturbed:",
        *(" ".join(f"{value:5.1f}" for value in spent[at : at + 12]) for at in range(0, len(spent), 12)),
        "",
        "seconds by stage, the median of the undisturbed hours:",
        *_stages(calm),
    ]
    return "\n".join(lines)


def _revisions(service: Running) -> list[int]:
    with HourStore.open(service.target / "service" / "store").at() as reader:
        return [len(reader.revisions(hour)) for hour in reader.hours()]


def _stages(service: Running) -> list[str]:
    lines = (service.target / "service" / "service.log").read_text(encoding="utf-8").splitlines()
    told = [json.loads(line)["seconds"] for line in lines if json.loads(line)["event"] == "hour"]
    names = dict.fromkeys(name for one in told for name in one)
    return [f"{name:<10}{statistics.median(one.get(name, 0.0) for one in told):8.2f}" for name in names]


if __name__ == "__main__":
    print(report(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 48))
