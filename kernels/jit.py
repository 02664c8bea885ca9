"""The one owner of Numba's options, its cache and the thread count.

Options, and why
- `nogil`: several Python threads may run kernels at once.
- `error_model="numpy"`: the default adds a branch per division and blocks vectorisation (numba#1256); kernels guard
  their denominators themselves.
- `fastmath` stays off: recursions are compared with float64 references to rounding error, and NaN must survive. Lane
  kernels alone, whose inputs are checked before, may contract, and assume no NaN; they never reorder sums.
- `forceinline` for the small parts of one hot loop: a call hands over every array as seven words; and no reference
  counts in them (`_nrt`, parts allocate nothing), whose atomic counters took a quarter of the particles' time.
- `cache`: Numba keys a cached kernel on the file that defines it and does not see an edit in a file it calls, so the
  cache directory carries a digest of every kernel source. Processes that start together each compile into a
  temporary file and rename it, so a cold start is slow, never wrong.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import config
from threadpoolctl import threadpool_limits

F = TypeVar("F", bound=Callable[..., Any])


def source_digest() -> str:
    """Return a digest of all kernel sources and of the compiler's version."""
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _cache_directory() -> Path:
    """Return a writable directory for compiled kernels, distinct for every state of the sources."""
    base = os.environ.get("NUMBA_CACHE_DIR") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"), "carbon-tianyan"
    )
    for root in (Path(base), Path(tempfile.gettempdir()) / f"carbon-tianyan-{os.getuid()}"):
        path = root / f"kernels-{source_digest()}"
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(path, os.W_OK):
            return path
    return Path(tempfile.mkdtemp(prefix="carbon-tianyan-"))


config.CACHE_DIR = str(_cache_directory())


def kernel(function: F) -> F:
    """Compile a serial kernel."""
    return cast(F, numba.njit(nogil=True, error_model="numpy", cache=True)(function))


def part_kernel(function: F) -> F:
    """Compile a small part of a serial kernel, put in line where it is called; it may contract."""
    compiled = numba.njit(
        nogil=True, error_model="numpy", cache=True, fastmath={"contract"}, forceinline=True, _nrt=False
    )
    return cast(F, compiled(function))


def lane_kernel(function: F) -> F:
    """Compile a serial kernel of float32 lanes, whose loops are to vectorise; it must not be given NaN."""
    flags = {"nnan", "ninf", "nsz", "arcp", "contract", "afn"}
    return cast(
        F,
        numba.njit(nogil=True, error_model="numpy", cache=True, fastmath=flags, forceinline=True, _nrt=False)(function),
    )


def mapped_kernel(function: F) -> F:
    """Compile a serial kernel over maps with lanes, whose products and sums may contract."""
    return cast(F, numba.njit(nogil=True, error_model="numpy", cache=True, fastmath={"contract"})(function))


def parallel_kernel(function: F) -> F:
    """Compile a kernel whose `prange` loops use the threads of `set_threads`."""
    return cast(F, numba.njit(nogil=True, error_model="numpy", cache=True, parallel=True)(function))


def set_threads(count: int) -> int:
    """Set the number of threads of parallel kernels; 0 means all that Numba sees. Returns the number in force."""
    most = int(config.NUMBA_NUM_THREADS)
    numba.set_num_threads(most if count <= 0 else min(count, most))
    return threads_in_use()


def threads_in_use() -> int:
    """Return the number of threads of parallel kernels."""
    return int(numba.get_num_threads())


def one_blas_thread() -> AbstractContextManager[Any]:
    """Let matrix products run in one thread while the context is held.

    OpenBLAS's threads go on turning for a while after a product, on the cores that parallel kernels are given then:
    where the two take turns, each waits for the other.
    """
    return threadpool_limits(1, user_api="blas")


def cores() -> int:
    """Return the number of cores this process may use: fewer than the machine has where it is held to some."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
