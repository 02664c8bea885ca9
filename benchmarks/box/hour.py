"""The whole hour, cold and warm, by the commands an operator's timer calls, each in a process of its own."""

from __future__ import annotations

import json
import shutil
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.box.running import PYTHON, Box, Ran
from benchmarks.box.world import Size, begin_at, first_hour, lay_out
from pipeline.case import Progress

#: minutes after an hour's end that the timer calls
_AFTER = 16
_HOUR = np.timedelta64(1, "h")
#: of `run-due` before there must be nothing left to do
_MOST_LOOKS = 4


@dataclass(frozen=True)
class Made:
    """One command of the service and the hours it made.

    Parameters
    ----------
    name
        What was measured.
    ran
        The command.
    hours
        What the service's log says of each: hour, condition, written, seconds by stage, and of the processor
        where it says so.
    expected
        How many it was to make.
    """

    name: str
    ran: Ran
    hours: list[dict[str, Any]]
    expected: int

    @property
    def trouble(self) -> str:
        """What is wrong with it, other than how its process ended; empty when nothing is."""
        written = [one for one in self.hours if one["written"]]
        if len(written) != self.expected:
            return f"{len(written)} of {self.expected} hour(s) were made"
        bare = [one["hour"] for one in written if one["condition"] == "prior_only"]
        return f"not solved, the prior alone: {', '.join(bare)}" if bare else ""


class Service:
    """A service started from nothing in the bench's folder.

    Parameters
    ----------
    box
        Where its commands run.
    world, folder
        The province; the bench's folder.
    size
        Of the bench.
    """

    def __init__(self, box: Box, world: Path, folder: Path, size: Size) -> None:
        self._box, self._size = box, size
        self.target, self._caches = folder / "service", folder / "caches"
        shutil.rmtree(self._caches, ignore_errors=True)
        self._deliveries = lay_out(world, self.target, size, len(box.limits.cores))
        self._case = self.target / "case.toml"
        self._told = 0
        self._next = first_hour(size)

    @property
    def environment(self) -> dict[str, str]:
        """What gives the service caches of its own, empty at first."""
        if not self._size.cold:
            return {"ICECHUNK_LOG": "error"}
        return {
            "NUMBA_CACHE_DIR": str(self._caches / "kernels"),
            "XDG_CACHE_HOME": str(self._caches / "xdg"),
            "ICECHUNK_LOG": "error",
        }

    def hour(self, name: str) -> Made:
        """Deliver the next hour and make it by `tianyan hour`."""
        hour = self._deliver(1)
        ran = self._tianyan("hour", f"{hour}Z")
        return Made(name, ran, self._news(), 1)

    def stretch(self, name: str) -> Made:
        """Deliver some hours and make them in one process by `tianyan backfill`, as a reprocessing does."""
        first = self._next
        last = self._deliver(self._size.stretch)
        ran = self._tianyan("backfill", f"{first}Z", f"{last}Z")
        return Made(name, ran, self._news(), self._size.stretch)

    def quiet(self, name: str) -> Made:
        """Call `tianyan run-due` until it has seen that nothing is due; then again, which is measured."""
        # hours before the first that was made are due otherwise; of those made, a service that begins later makes again
        # the ones it looks at, since they are of one window fewer
        begin_at(self._case, self._next - _HOUR)
        for _ in range(_MOST_LOOKS):
            if "nothing is due" in self._tianyan("run-due").said:
                break
        # hours it looked at again are none of the run that is measured
        self._news()
        ran = self._tianyan("run-due")
        return Made(name, ran, self._news(), 0)

    def _deliver(self, hours: int) -> np.datetime64:
        """Deliver hours; return the last of them."""
        self._next = self._next + hours * _HOUR
        self._deliveries.deliver(self._next)
        return self._next - _HOUR

    def _tianyan(self, *words: str) -> Ran:
        now = f"{np.datetime64(self._next, 's') + np.timedelta64(_AFTER, 'm')}Z"
        command = [*PYTHON, "-m", "pipeline.cli", *words, "--case", str(self._case), "--now", now]
        return self._box.run(command, self.environment)

    def _news(self) -> list[dict[str, Any]]:
        """Return what the log says of hours since last asked."""
        path = self.target / "service" / "service.log"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        fresh, self._told = lines[self._told :], len(lines)
        events = [json.loads(line) for line in fresh]
        return [
            {name: one.get(name, {}) for name in ("hour", "condition", "written", "seconds", "processor")}
            for one in events
            if one["event"] == "hour"
        ]


FIRST, WARM, STRETCH, QUIET, HELP = "first hour, nothing there", "hour", "hours in one process", "nothing due", "--help"


def run_service(box: Box, world: Path, folder: Path, size: Size, progress: Progress) -> list[Made]:
    """Make a first hour, some warm ones, a stretch in one process, and a run with nothing to do; stop at a failure."""
    service = Service(box, world, folder, size)
    steps = [(FIRST, service.hour), *((WARM, service.hour) for _ in range(size.warm))]
    steps += [(STRETCH, service.stretch), (QUIET, service.quiet)]
    found: list[Made] = []
    for number, (name, step) in enumerate(steps):
        progress(name, number, len(steps))
        found.append(step(name))
        if not found[-1].ran.sound:
            break
    return found


def help_command(box: Box, runs: int) -> Made:
    """Run `tianyan --help`; return the run of median time."""
    command = [*PYTHON, "-m", "pipeline.cli", "--help"]
    found = [box.run(command) for _ in range(runs)]
    middle = statistics.median_low([one.seconds for one in found])
    return Made(HELP, next(one for one in found if one.seconds == middle), [], 0)


def start_up(box: Box) -> Ran:
    """Start a process that only imports what an hour needs: what does not even do that is no box for it."""
    return box.run([*PYTHON, "-c", "import pipeline.service.making, pipeline.service.runs"])
