"""Every kernel against plain loops or compiled libraries, against streaming memory, and against BLAS; on one core.

Sides are called in turn in one process, and each side's best counts. Seconds are the processor's: while another process
has the core, none pass; what others take of caches and memory hits both sides.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import threadpoolctl

from benchmarks.box import kernels_inversion, kernels_transport
from benchmarks.box.case import Case
from benchmarks.box.peaks import Peak, product, triad
from kernels.jit import set_threads, threads_in_use

#: of the peaks and the cases, by size: float64 of the triad, rows of the matrix, rounds
_SIZES = {"full": (2**24, 1500, 7), "tiny": (2**18, 200, 2)}


@dataclass(frozen=True)
class Measured:
    """What came of a case.

    Parameters
    ----------
    name, against
        As of the case.
    seconds, plain
        Of the processor, best of the rounds; `plain` is 0 where there is nothing to compare with.
    spread
        Of ours: the median over the best, less one.
    ratio
        How many times faster than the plain side; 0 without one.
    bandwidth, of_triad
        GB/s and share of the triad's; 0 where bytes are not what counts.
    flops, of_blas
        Gflop/s and share of the matrix product's; 0 likewise.
    """

    name: str
    against: str
    seconds: float
    plain: float
    spread: float
    ratio: float
    bandwidth: float
    of_triad: float
    flops: float
    of_blas: float

    @property
    def bound(self) -> str:
        """What bounds it, as far as its shares of the peaks tell."""
        if self.of_blas >= 0.4:
            return "arithmetic"
        if self.of_triad >= 0.4:
            return "memory"
        return "instructions" if self.of_triad or self.of_blas else ""


def cases(size: str) -> list[Case]:
    """Return the cases of a size: full or tiny."""
    return [*kernels_inversion.cases(size), *kernels_transport.cases(size)]


def peaks(size: str) -> tuple[Peak, Peak]:
    """Return the triad and the matrix product of a size."""
    length, rows, _ = _SIZES[size]
    return triad(length), product(rows)


def best(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return the processor's seconds of each call in each round, calls in turn; one round before is not counted."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        for name, call in calls.items():
            start = time.process_time()
            call()
            if number:
                found[name].append(time.process_time() - start)
    return found


def measure(case: Case, machine: tuple[Peak, Peak], rounds: int) -> Measured:
    """Measure a case beside the peaks."""
    stream, matrix = machine
    calls: dict[str, Callable[[], object]] = {"ours": case.ours}
    calls |= {"plain": case.plain} if case.plain else {}
    calls |= {"stream": stream.call} if case.bytes else {}
    calls |= {"matrix": matrix.call} if case.flops else {}
    times = best(calls, rounds)
    least = {name: min(seconds) for name, seconds in times.items()}
    ours, plain = least["ours"], least.get("plain", 0.0) / case.part
    bandwidth, flops = case.bytes / ours / 1e9, case.flops / ours / 1e9
    return Measured(
        case.name,
        case.against,
        ours,
        plain,
        statistics.median(times["ours"]) / ours - 1.0,
        plain / ours,
        bandwidth,
        bandwidth / (stream.amount / least["stream"]) if case.bytes else 0.0,
        flops,
        flops / (matrix.amount / least["matrix"]) if case.flops else 0.0,
    )


def report(size: str) -> dict[str, Any]:
    """Return the peaks, every case, and the seconds to the end of the first call of all: compiling counts."""
    with one_core():
        return _report(size)


@contextmanager
def one_core() -> Iterator[None]:
    """Keep BLAS and the parallel kernels to one thread."""
    before = threads_in_use()
    set_threads(1)
    try:
        with threadpoolctl.threadpool_limits(1, user_api="blas"):
            yield
    finally:
        set_threads(before)


def _report(size: str) -> dict[str, Any]:
    found, first = first_calls(size)
    machine, rounds = peaks(size), _SIZES[size][2]
    rates = best({one.name: one.call for one in machine}, rounds)
    return {
        "first_calls": first,
        "peaks": [{"name": one.name, "unit": one.unit, "rate": one.amount / min(rates[one.name])} for one in machine],
        "cases": [asdict(one) | {"bound": one.bound} for one in (measure(case, machine, rounds) for case in found)],
    }


def first_calls(size: str) -> tuple[list[Case], float]:
    """Return the cases, each called once, and the seconds that took: compiling, where the cache has nothing."""
    start = time.perf_counter()
    found = cases(size)
    for case in found:
        case.ours()
    return found, time.perf_counter() - start


if __name__ == "__main__":
    # SIZE OUT [once]
    said = {"first_calls": first_calls(sys.argv[1])[1]} if "once" in sys.argv[3:] else report(sys.argv[1])
    Path(sys.argv[2]).write_text(json.dumps(said), encoding="utf-8")
