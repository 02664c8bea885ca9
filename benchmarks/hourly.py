"""The hourly step on problem C: `python -m benchmarks.hourly [tiny]`.

The window of C rolls by one hour: 115 observations of the newest hour come, and 50 late ones between those of the last
hours; the oldest hour goes. What the window before left stands in a cache folder. Seconds of the processor stand beside
those of the clock: on two cores without other work the clock shows half of them at least.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks.cases import machine
from benchmarks.inversion import regions
from benchmarks.problems import SHAPES, Shape, make_problem
from pipeline.inversion import (
    Covariance,
    Problem,
    Span,
    Temporal,
    hourly_functionals,
    kept_signal,
    signal,
    solution_of,
)
from pipeline.inversion.rows import ranges

#: late observations, and over how many of the newest hours they are spread
LATE, OVER = 50, 6
T = TypeVar("T")


def windows(shape: Shape, seed: int = 2) -> tuple[Problem, Problem]:
    """Return a window without its late observations, and the one an hour later with them."""
    whole = make_problem(replace(shape, hours=shape.hours + 1, observations=_more(shape)), seed)
    assert whole.span is not None
    hour = whole.span.last
    newest = int(hour.max())
    # those of the last hours before the newest, evenly
    recent = np.flatnonzero((hour < newest) & (hour >= newest - OVER))
    late = recent[np.linspace(0, recent.size - 1, min(LATE, recent.size // 2)).astype(int)]
    first = np.setdiff1d(np.flatnonzero(hour < newest), late)
    first_full = hour >= int(hour.min()) + 1
    return cut(whole, first, 0, shape.hours), cut(whole, np.flatnonzero(first_full), 1, shape.hours)


def _more(shape: Shape) -> int:
    """Return the observations of a window one hour longer: whole hours only."""
    observed = shape.hours - shape.back
    return -(-shape.observations // observed) * (observed + 1)


def cut(problem: Problem, chosen: np.ndarray, start: int, hours: int) -> Problem:
    """Return some observations of a problem over some of its hours, which hold all of their entries."""
    cells = int(np.prod(problem.state_shape[1:]))
    assert problem.span is not None
    entries = ranges(problem.footprint.indptr.astype(np.int64), chosen)
    length = np.diff(problem.footprint.indptr)[chosen]
    indices = problem.footprint.indices[entries] - start * cells
    arrays = (problem.footprint.data[entries], indices, np.concatenate([[0], np.cumsum(length)]))
    covariances = tuple(
        Covariance(c.sigma[start : start + hours], Temporal(hours, c.temporal.hours, c.temporal.daily), c.spatial)
        for c in problem.covariances
    )
    errors = tuple(
        replace(e, sigma=e.sigma[chosen], hours=e.hours[chosen], group=e.group[chosen]) for e in problem.errors
    )
    return Problem(
        problem.value[chosen],
        problem.variance[chosen],
        problem.background[chosen],
        errors,
        type(problem.footprint)(arrays, shape=(chosen.size, hours * cells)),
        problem.prior[:, start : start + hours],
        covariances,
        span=Span(problem.span.first[chosen] - start, problem.span.last[chosen] - start),
    )


def report(size: str) -> str:
    """Run both windows and return the seconds of each stage of the second."""
    before, after = windows(SHAPES[size])
    hours, ny, nx = after.state_shape
    totals = hourly_functionals(regions(ny, nx), hours, after.prior.dtype)
    out: dict[str, np.ndarray] = {}
    lines = [machine(), ""]

    def timed(name: str, function: Callable[[], T]) -> T:
        start = np.array([time.perf_counter(), time.process_time()])
        result = function()
        out[name] = np.array([time.perf_counter(), time.process_time()]) - start
        return result

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        timed("the window before, nothing kept", lambda: kept_signal(before, folder, 0, functionals=totals))
        held = sum(path.stat().st_size for path in folder.iterdir())
        lines.append(f"{before.value.size} observations before, {after.value.size} now; {held / 2**30:.2f} GiB kept")
        found = timed("K and what totals need", lambda: kept_signal(after, folder, 1, functionals=totals))
        solution = timed("factor and weights", lambda: solution_of(after, found))
        timed("posterior mean", lambda: solution.flux)
        step = np.sum(list(out.values())[1:], axis=0)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        again = timed("the same alone, nothing kept", lambda: signal(after, functionals=totals))
        kept = kept_signal(after, folder, 1, functionals=totals)
        same = np.array_equal(kept.system, again.system) and np.array_equal(kept.totals, again.totals)
    lines += [f"{'stage':<36}{'clock, s':>10}{'processor, s':>14}"]
    lines += [f"{stage:<36}{clock:>10.2f}{processor:>14.2f}" for stage, (clock, processor) in out.items()]
    lines += [f"{'hourly step (goal 10)':<36}{step[0]:>10.2f}{step[1]:>14.2f}"]
    lines += [f"peak {peak:.1f} GiB with both windows; the same numbers to the bit: {same}"]
    return "\n".join(lines)


if __name__ == "__main__":
    print(report("tiny" if "tiny" in sys.argv[1:] else "C"))
