"""One command under limits, in processes of its own: how long it took, what it held, and whether it was ended."""

from __future__ import annotations

import os
import resource
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from benchmarks.box import groups
from benchmarks.box.limits import Limits, shown_bytes
from benchmarks.box.watching import Watchdog

#: seconds between two looks at a running command
_LOOK = 0.02
#: letters of what a command said that are kept
_MOST_SAID = 4000


class Keeper(Protocol):
    """What holds a limit of memory over a command, or only counts."""

    name: str

    def command(self, command: list[str]) -> list[str]:
        """Return the command to start instead."""

    def taken(self, pid: int) -> int:
        """Return the bytes held now."""

    def ended(self, returncode: int | None) -> bool:
        """Return whether something was ended for taking too much."""

    def with_files(self) -> int | None:
        """Return the most bytes held, cached files counted."""

    def stop(self, pid: int) -> None:
        """End everything."""

    def close(self) -> None:
        """Leave nothing behind."""


#: makes a keeper for a limit, bytes
Route = Callable[[int | None], Keeper]


def routes() -> list[tuple[str, Route]]:
    """Return the ways of holding a limit that this machine has, the surest first; the last one is always there."""
    found: list[tuple[str, Route]] = []
    for parent, version in groups.parents():
        try:
            groups.ControlGroup(parent, version, 2**30).close()
        except OSError:
            continue
        found.append((version.name, partial(groups.ControlGroup, parent, version)))
    if groups.scopes_work():
        found.append((groups.Scope.name, groups.Scope))
    return [*found, (Watchdog.name, Watchdog)]


#: starts Python as it is installed: a folder of the same name where the user stands is not imported instead
PYTHON = (sys.executable, "-P")


@dataclass(frozen=True)
class Ran:
    """One command that ended.

    Parameters
    ----------
    returncode
        Its exit code; negative for a signal.
    seconds, processor
        Of the clock; of all cores it and what it waited for used, in the system too.
    peak
        Most bytes it and all it started held at a look, cached files not counted.
    with_files
        The kernel's own peak, cached files counted; None where there is none.
    ended
        It took more memory than it may, and was ended.
    said
        The end of what it wrote.
    """

    returncode: int
    seconds: float
    processor: float
    peak: int
    with_files: int | None
    ended: bool
    said: str

    @property
    def sound(self) -> bool:
        """Whether it came to its own end without an error."""
        return self.returncode == 0 and not self.ended

    def why(self, limits: Limits) -> str:
        """Return in words why it is not sound."""
        if self.ended and limits.memory is not None:
            return f"ended: it took more than {shown_bytes(limits.memory)}"
        last = self.said.strip().splitlines()
        return f"failed with exit code {self.returncode}: {last[-1] if last else 'it said nothing'}"


class Box:
    """Where commands run: some cores, some memory, and what holds them to it.

    Parameters
    ----------
    limits
        What they may use.
    route
        How memory is held; the surest this machine has when None.
    """

    def __init__(self, limits: Limits, route: tuple[str, Route] | None = None) -> None:
        groups.remove_left_over()
        self.limits = limits
        self.held, self._route = route or routes()[0]

    def run(self, command: list[str], environment: Mapping[str, str] | None = None) -> Ran:
        """Run a command to its end.

        Parameters
        ----------
        command
            Program and arguments.
        environment
            Added to this process's.
        """
        keeper = self._route(self.limits.memory)
        try:
            with tempfile.TemporaryDirectory() as name:
                return self._run(keeper, command, environment or {}, Path(name) / "said")
        finally:
            keeper.close()

    def _run(self, keeper: Keeper, command: list[str], environment: Mapping[str, str], said: Path) -> Ran:
        with said.open("wb") as stream:
            began = time.monotonic()
            process = self._started(
                keeper.command(command), {**self.limits.environment, **environment}, stream.fileno()
            )
            try:
                peak = _watched(process.pid, keeper)
            except BaseException:
                keeper.stop(process.pid)
                process.wait()
                raise
            seconds = time.monotonic() - began
            _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return _ran(process.returncode, seconds, used, peak, keeper, said)

    def _started(self, command: list[str], environment: Mapping[str, str], output: int) -> subprocess.Popen[bytes]:
        """Start a process on the box's cores: it inherits those of the thread that starts it."""
        here = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self.limits.cores)
        try:
            return subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        finally:
            os.sched_setaffinity(0, here)


def _watched(pid: int, keeper: Keeper) -> int:
    """Look at a command until it has ended; return the most bytes it held."""
    peak, gone = 0, select.poll()
    handle = os.pidfd_open(pid)
    gone.register(handle, select.POLLIN)
    try:
        while not gone.poll(1000.0 * _LOOK):
            peak = max(peak, keeper.taken(pid))
            if keeper.ended(None):
                # the kernel ends one process of the group: what is left would go on without it
                keeper.stop(pid)
    finally:
        os.close(handle)
    return peak


def _ran(returncode: int, seconds: float, used: resource.struct_rusage, peak: int, keeper: Keeper, said: Path) -> Ran:
    text = said.read_text(encoding="utf-8", errors="replace")[-_MOST_SAID:]
    return Ran(
        returncode, seconds, used.ru_utime + used.ru_stime, peak, keeper.with_files(), keeper.ended(returncode), text
    )
