"""Products of sparse rows over (hour, cell) with fields, in parallel: H f by rows, H^T w by hours.

Rows are cut into segments as in `kernels.lanes`; the hours of a field are apart in memory, so that the adjoint's
threads never meet.

# r = row, s = segment, e = entry, t = hour, c = cell
"""

from __future__ import annotations

import numpy as np
from numba import prange

from kernels.jit import kernel, parallel_kernel


def _project(
    row_start: np.ndarray,
    hour: np.ndarray,
    start: np.ndarray,
    cell: np.ndarray,
    value: np.ndarray,
    field: np.ndarray,
    out: np.ndarray,
) -> None:
    """Fill out[r] with the product of row r and the field; sums in float64.  ..., (t, c) -> (r)."""
    for r in prange(out.size):
        total = 0.0
        for s in range(row_start[r], row_start[r + 1]):
            t = hour[s]
            for e in range(start[s], start[s + 1]):
                total += np.float64(value[e]) * np.float64(field[t, cell[e]])
        out[r] = total


def _spread(
    order: np.ndarray,
    first: np.ndarray,
    row: np.ndarray,
    start: np.ndarray,
    cell: np.ndarray,
    value: np.ndarray,
    weight: np.ndarray,
    field: np.ndarray,
) -> None:
    """Add the rows times their weights to the field, hour by hour.  ..., (r) -> (t, c).

    order, first: segments in the order of hours, and the first of each hour.
    """
    for t in prange(field.shape[0]):
        for k in range(first[t], first[t + 1]):
            s = order[k]
            w = weight[row[s]]
            if w != 0:
                for e in range(start[s], start[s + 1]):
                    field[t, cell[e]] += w * value[e]


def _scale(
    row: np.ndarray,
    hour: np.ndarray,
    start: np.ndarray,
    cell: np.ndarray,
    value: np.ndarray,
    field: np.ndarray,
    share: np.ndarray,
    out: np.ndarray,
) -> None:
    """Fill out[e] with entry e times the field where it lies, times its row's share.  ..., (t, c), (r) -> (e)."""
    for s in prange(hour.size):
        t = hour[s]
        part = share[row[s]]
        for e in range(start[s], start[s + 1]):
            out[e] = field[t, cell[e]] * value[e] * part


project_serial = kernel(_project)
spread_serial = kernel(_spread)
scale_serial = kernel(_scale)
project = parallel_kernel(_project)
spread = parallel_kernel(_spread)
scale = parallel_kernel(_scale)
