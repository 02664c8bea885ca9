"""Many hours of the service in one process, whose science is a stub: memory, descriptors, threads and disk as they go.

    python -m benchmarks.soak [HOURS]

It ends with exit status 1, and says what grew, unless all of it stays flat (`growing`).
"""

from __future__ import annotations

import gc
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import service_stub as stub

#: measurements
LINES = 10
#: bytes of an hour's numbers and manifest, generously
HOUR_BYTES = 40_000
#: of memory: 50 to 80 kB an hour were measured of one process, less and less; the number of Python's objects stays, and
#: snapshots opened again and again keep nothing
MEMORY_BYTES = 120_000
KEPT = "quiet_seconds = 0\nconsolidate_days = 1\nkeep_days = 1"


@dataclass(frozen=True)
class Measured:
    """What a process and its service take up after some hours."""

    hours: int
    resident: int
    descriptors: int
    threads: int
    store: int
    spool: int
    database: int
    others: int
    seconds: float


def measured(case: Path, hours: int, seconds: float) -> Measured:
    """Return what this process and the service of a case take up."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    folder = case.parent / "service"
    store, spool = (size_of(folder / name) for name in ("store", "spool"))
    database = sum(path.stat().st_size for path in folder.glob("service.db*"))
    others = size_of(folder) - store - spool - database
    descriptors = len(os.listdir("/proc/self/fd"))
    return Measured(hours, resident, descriptors, threading.active_count(), store, spool, database, others, seconds)


def size_of(folder: Path) -> int:
    """Return the bytes of all files under a folder; what goes meanwhile counts as nothing."""
    found = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                found += os.lstat(Path(where) / name).st_size
            except FileNotFoundError:
                continue
    return found


def soak(case: Path, hours: int, seen: Callable[[Measured], None], every: int) -> None:
    """Make hours one after the other, each as it becomes due; every tenth hour one station is late, once it is revised.

    Parameters
    ----------
    case
        Of `stub.make_place`.
    hours
        How many.
    seen
        Told every `every` hours, after what nobody needs was removed.
    """
    clocks = stub.Clocks(0)
    began = time.perf_counter()
    for hour in range(hours):
        for station in stub.STATIONS:
            if hour % 10 == 3 and station == "CCC":
                continue
            day = hour // 24
            rows = [(h, 0) for h in range(24 * day, hour + 1)]
            stub.deliver(case, f"{station.lower()}/{station}_{day:03d}.csv", stub.text_of(station, *rows))
        if hour % 50 == 20:
            stub.deliver(case, f"aaa/AAA_{hour // 24:03d}.r1.csv", stub.text_of("AAA", *[(h, 1) for h, _ in rows]))
        outcome = stub.due(case, clocks)
        if outcome.failed or outcome.left:
            raise RuntimeError(f"hour {hour}: {outcome}")
        clocks.pass_by(hours=1)
        if (hour + 1) % every == 0:
            with stub.run(case, clocks, "collect") as (service, ended):
                service.store.collect(ended.now)
            seen(measured(case, hour + 1, time.perf_counter() - began))
            began = time.perf_counter()


def growing(seen: Sequence[Measured]) -> list[str]:
    """Return what takes up more and more, in words.

    The first third fills caches. Of what is left, descriptors and threads may be one more in the second half than in
    the first, disk may grow by what the hours themselves are, and memory by `MEMORY_BYTES` an hour.

    Parameters
    ----------
    seen
        Of `soak`: six measurements or more.
    """
    warm = seen[len(seen) // 3 :]
    half = len(warm) // 2
    told = []
    for name in ("descriptors", "threads"):
        before, after = (statistics.median(getattr(one, name) for one in part) for part in (warm[:half], warm[-half:]))
        if after > before * 1.05 + 1:
            told.append(f"{name}: {before:.0f} before, {after:.0f} after")
    hours = warm[-1].hours - warm[0].hours
    most = {"resident": MEMORY_BYTES, "store": HOUR_BYTES, "database": HOUR_BYTES, "others": HOUR_BYTES}
    for name, bound in most.items():
        grown = getattr(warm[-1], name) - getattr(warm[0], name)
        if grown > hours * bound:
            told.append(f"{name}: {grown / hours:.0f} bytes an hour")
    return told


def main() -> int:
    """Print ten lines, and what grew."""
    hours = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    every = max(1, hours // LINES)
    print(f"{hours} hours of a stub service, one process; after each {every} what nobody needs is removed")
    print("memory and disk in MB; s/hour is wall time, other work on the machine included")
    print(
        f"{'hours':>6}{'memory':>9}{'files':>7}{'threads':>9}{'store':>9}{'spool':>9}{'db':>8}{'others':>8}{'s/hour':>8}"
    )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, stub.stubbed():
        case = stub.make_place(Path(folder) / "place", KEPT)

        seen = []

        def told(m: Measured) -> None:
            seen.append(m)
            sizes = [m.store / 1e6, m.spool / 1e6, m.database / 1e6, m.others / 1e6, m.seconds / every]
            print(
                f"{m.hours:6d}{m.resident / 1e6:9.1f}{m.descriptors:7d}{m.threads:9d}"
                f"{sizes[0]:9.2f}{sizes[1]:9.3f}{sizes[2]:8.2f}{sizes[3]:8.2f}{sizes[4]:8.3f}",
                flush=True,
            )

        soak(case, hours, told, every)
    grew = growing(seen)
    memory = (seen[-1].resident - seen[-4].resident) / (3 * every)
    print(f"memory in the last three lines: {memory:+.0f} bytes an hour")
    print("grew: " + "; ".join(grew) if grew else "nothing else grew but the hours themselves")
    return 1 if grew else 0


if __name__ == "__main__":
    sys.exit(main())
