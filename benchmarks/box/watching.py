"""Memory of a tree of processes summed by looking, for machines on which the kernel does not hold a limit for us."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from benchmarks.box.groups import end_session


def tree(pid: int) -> list[int]:
    """Return the numbers of a process and of all that descend from it."""
    below: dict[int, list[int]] = {}
    for place in Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        try:
            # the name in brackets may hold anything
            parent = int((place / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue
        below.setdefault(parent, []).append(int(place.name))
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += below.get(one, [])
    return found


def private_bytes(pid: int) -> int:
    """Return the bytes of one process, what it shares counted by its share; 0 when it is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)


class Watchdog:
    """Looks at a tree of processes and ends it above a limit: it holds a limit to within what is taken between looks.

    Parameters
    ----------
    limit
        Bytes; None to count only.
    """

    name = "watchdog"

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._over = False
        self._next = 0.0
        self._last = 0

    def command(self, command: list[str]) -> list[str]:
        """Return the command as it is."""
        return command

    def taken(self, pid: int) -> int:
        """Return the bytes of the tree; end it when they are too many."""
        if time.monotonic() < self._next:
            return self._last
        began = time.thread_time()
        self._last = sum(private_bytes(one) for one in tree(pid))
        if self._limit is not None and self._last > self._limit:
            self._over = True
            self.stop(pid)
        # summing walks the tables of every page: a tenth of a core's time at most
        self._next = time.monotonic() + 9.0 * (time.thread_time() - began)
        return self._last

    def ended(self, returncode: int | None) -> bool:  # noqa: ARG002 - as of any keeper
        """Return whether the tree was ended because it took too much."""
        return self._over

    def with_files(self) -> int | None:
        """Return None: cached files are nobody's."""
        return None

    def stop(self, pid: int) -> None:
        """End the tree, sessions of its own that it began too."""
        for one in tree(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        end_session(pid)

    def close(self) -> None:
        """Nothing is left."""
