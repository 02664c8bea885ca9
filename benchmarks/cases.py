"""What the benchmarks share: a line of a report, one line about the machine, and medians of repeated calls."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np


@dataclass(frozen=True)
class Figure:
    """One line of a report: a measured number.

    Parameters
    ----------
    name, value, unit
        What it is.
    goal
        Empty when it has none.
    processor, least
        The same in seconds of the processor, and the best of the runs, where these were looked at.
    """

    name: str
    value: float
    unit: str
    goal: str = ""
    processor: float | None = None
    least: float | None = None


def median_seconds(function: Callable[[], object], repeats: int) -> float:
    """Return the median wall time after one unmeasured call."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def machine() -> str:
    """Return one line about what the figures were measured on."""
    return (
        f"{os.cpu_count()} cores, {numba.get_num_threads()} kernel threads, {platform.machine()}, "
        f"Python {platform.python_version()}, numpy {np.__version__}, numba {numba.__version__}"
    )
