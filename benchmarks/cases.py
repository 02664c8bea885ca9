"""What the benchmarks share: one line about the machine, and medians of repeated calls."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable

import numba
import numpy as np


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
