"""The cases: each times ours against a plain reference in the same run, and reports the ratio.

Times are medians of several repeats after one warm-up; the compiler's cold start is measured apart, in a fresh
process with an empty cache.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
import scipy.linalg
import scipy.signal

from benchmarks.fresh import run_fresh
from benchmarks.problems import SHAPES, Shape, make_problem
from kernels import exponential
from pipeline.inversion import Separable, signal, solve


@dataclass(frozen=True)
class Size:
    """How large the cases are; "tiny" is run by the tests so that the cases cannot rot."""

    problem: str
    repeats: int

    @property
    def shape(self) -> Shape:
        """That of the reference problem."""
        return SHAPES[self.problem]


SIZES = {"full": Size("A", 5), "tiny": Size("tiny", 1)}


@dataclass(frozen=True)
class Row:
    """One line of the report; seconds are medians."""

    case: str
    ours: float
    reference: float
    against: str

    @property
    def ratio(self) -> float:
        """How many times faster than the reference."""
        return self.reference / self.ours


def median_seconds(function: Callable[[], object], repeats: int) -> float:
    """Return the median wall time after one unmeasured call."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def recursion(size: Size) -> Row:
    """One axis of the covariance's square root, against scipy's compiled recursive filter."""
    random = np.random.default_rng(1)
    field = random.standard_normal((1, size.shape.hours * 8, size.shape.ny * size.shape.nx))
    a = np.exp(-0.2)
    n = field.shape[1]
    decay, gain = np.full(n, a), np.full(n, np.sqrt(1 - a * a))
    ours = median_seconds(lambda: exponential.forward(field, decay, gain), size.repeats)
    b = [np.sqrt(1 - a * a)]
    reference = median_seconds(lambda: scipy.signal.lfilter(b, [1.0, -a], field, axis=1), size.repeats)
    return Row("exponential recursion, one axis", ours, reference, "scipy.signal.lfilter")


def covariance_product(size: Size) -> Row:
    """Q v in O(N), against the dense product on the same cells (one hour of them, scaled to all)."""
    covariance = make_problem(size.shape).covariances[0]
    field = np.random.default_rng(1).standard_normal(covariance.shape)
    ours = median_seconds(lambda: covariance.apply(field), size.repeats)
    spatial = covariance.spatial
    assert isinstance(spatial, Separable)
    dense = np.kron(spatial.axis_matrix(0), spatial.axis_matrix(1))
    flat = field[0].ravel()
    # the dense matrix over all hours would be hours^2 as large
    reference = median_seconds(lambda: dense @ flat, size.repeats) * covariance.shape[0] ** 2
    return Row("covariance times a field", ours, reference, "dense product (one hour measured, scaled)")


def whole_solution(size: Size) -> Row:
    """A small window solved, against its Cholesky factorisation alone (the part no method avoids)."""
    problem = make_problem(size.shape)
    found = np.tril(signal(problem).system)
    system = found + np.tril(found, -1).T + np.diag(problem.variance)
    ours = median_seconds(lambda: solve(problem), size.repeats)
    reference = median_seconds(lambda: scipy.linalg.cholesky(system, lower=True), size.repeats)
    return Row("inversion of a small window", ours, reference, "its Cholesky factorisation alone")


def cold_start() -> float:
    """Return the seconds a fresh process with an empty cache needs to compile and run one kernel pair."""
    code = (
        "import time, numpy as np; t = time.perf_counter()\n"
        "from kernels import exponential as e\n"
        "f, a = np.ones((2, 4, 3)), np.ones(4)\n"
        "e.backward(f, a, a); e.forward(f, a, a)\n"
        "print(time.perf_counter() - t)"
    )
    with tempfile.TemporaryDirectory() as folder:
        printed = run_fresh(code, folder)
    return float(printed)


def run_all(size: Size) -> list[Row]:
    """Run every case."""
    return [case(size) for case in (recursion, covariance_product, whole_solution)]


def machine() -> str:
    """Return one line about what the figures were measured on."""
    return (
        f"{os.cpu_count()} cores, {numba.get_num_threads()} kernel threads, {platform.machine()}, "
        f"Python {platform.python_version()}, numpy {np.__version__}, numba {numba.__version__}"
    )


def table(rows: list[Row]) -> str:
    """Return the report as text."""
    width = max(len(row.case) for row in rows)
    lines = [f"{'case':<{width}}  {'ours, ms':>10}  {'reference, ms':>14}  {'ratio':>8}  reference"]
    for row in rows:
        times = f"{row.ours * 1e3:>10.3f}  {row.reference * 1e3:>14.3f}  {row.ratio:>8.2f}"
        lines.append(f"{row.case:<{width}}  {times}  {row.against}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    lines.append(f"cold start of the kernels (compile, empty cache): {cold_start():.1f} s; peak memory {peak:.0f} MiB")
    return "\n".join(lines)
