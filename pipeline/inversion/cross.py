"""H Q H'^T between two sets of sparse rows, without ever forming H Q (science.md 3).

Rows are taken `LANES` at a time. For each hour t, the block's rows are gathered into maps, each past hour weighted by
its correlation with t, the maps are smoothed in space, and their products with the other rows' entries of hour t are
summed: (H Q H'^T)_ij = sum_t sum_c [S sum_s T(t, s) (H D)_i(s)](c) (H' D)_j(t, c). Where the correlation decays by one
factor an hour, the hours before a row's first and after its last share one map. A lane knows nothing of its
neighbours, and the hours a row is worked through depend on the row alone: who stands beside whom, how many threads
there are and what was computed before leave no mark on a number, so that parts of K may be kept and joined.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from kernels import lanes
from pipeline.inversion.covariance import Covariance
from pipeline.inversion.rows import Rows

#: hours further off than this share of correlation add nothing in float64
_NOTHING = 1e-17

#: called with (rows of the block, products with every row of the other set, (row, k) float64)
Put = Callable[[np.ndarray, np.ndarray], None]


@dataclass(frozen=True, eq=False)
class Span:
    """Hours each row of the first set is worked through.

    Parameters
    ----------
    first, last : (row,) int64
        Indices of hours; no entry of the row lies outside them.
    """

    first: np.ndarray
    last: np.ndarray


def products(
    left: Rows,
    right: Rows,
    covariance: Covariance,
    put: Put,
    *,
    span: Span | None = None,
    below: np.ndarray | None = None,
    always: int | None = None,
    beyond: bool = True,
    threads: int = 0,
) -> None:
    """Hand over left Q right^T of one sector, block by block.

    Parameters
    ----------
    left, right
        Rows of H D and of H' D of this sector (`Rows.scaled`), in the covariance's precision.
    covariance
        The sector's; its T and S are used, its D is in the rows.
    put
        Takes the result of each block; called from one thread at a time, in no certain order.
    span
        Hours of each left row; from its first entry to its last when not given.
    below : (left row,) int64 or None
        Right rows from this one on are not needed for a left row, and may be left zero.
    always
        Right rows from this one on are needed all the same.
    beyond
        Whether the right rows' entries outside a left row's span count.
    threads
        Blocks at once; 0 for all cores.
    """
    first, last = (span.first, span.last) if span is not None else left.span
    limit = np.full(left.count, right.count) if below is None else below
    blocks = list(_blocks(first, last))
    scratch, lock = threading.local(), threading.Lock()

    def run(rows: np.ndarray) -> None:
        if not hasattr(scratch, "field"):
            scratch.field = np.empty((*covariance.shape[1:], lanes.LANES), covariance.dtype)
        out = np.zeros((right.count, lanes.LANES))
        reach = int(limit[rows].max())
        task = _Task(left, right, covariance, scratch.field, out, rows, reach, always)
        task.run(int(first[rows[0]]), int(last[rows[0]]), beyond)
        with lock:
            put(rows, out[:, : rows.size])

    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        list(pool.map(run, blocks))


def _blocks(first: np.ndarray, last: np.ndarray) -> Iterator[np.ndarray]:
    """Yield rows of equal hours, `LANES` at most at a time; rows without entries are left out."""
    order = np.lexsort((np.arange(first.size), last, first))
    order = order[last[order] >= first[order]]
    change = np.flatnonzero((np.diff(first[order]) != 0) | (np.diff(last[order]) != 0)) + 1
    for group in np.split(order, change):
        for at in range(0, group.size, lanes.LANES):
            yield group[at : at + lanes.LANES]


@dataclass(frozen=True, eq=False)
class _Task:
    """One block against the right rows before `reach`, and those from `always` on."""

    left: Rows
    right: Rows
    covariance: Covariance
    field: np.ndarray
    out: np.ndarray
    rows: np.ndarray
    reach: int
    always: int | None

    def run(self, first: int, last: int, beyond: bool) -> None:
        """Go through the block's own hours, and those before and after."""
        hours, temporal = self.left.hours, self.covariance.temporal
        if not (beyond and temporal.decays):
            for t in range(hours) if beyond else range(first, last + 1):
                self.fill(t)
                self.gather(t, 1.0)
            return
        self.fill(first)
        for t in range(first, -1, -1):
            self.gather(t, float(temporal.matrix[t, first]))
        for t in range(first + 1, last + 1):
            self.fill(t)
            self.gather(t, 1.0)
        for t in range(last + 1, hours):
            self.gather(t, float(temporal.matrix[t, last]))

    def fill(self, t: int) -> None:
        """Make the maps of one hour."""
        left, temporal = self.left, self.covariance.temporal
        weight = temporal.matrix[t].astype(self.field.dtype)
        flat = self.field.reshape(-1, lanes.LANES)
        lanes.scatter(flat, self.rows, left.row_start, left.hour, left.start, left.cell, left.value, weight)
        self.covariance.spatial.smooth(self.field)

    def gather(self, t: int, scale: float) -> None:
        """Add the products of one hour."""
        if scale < _NOTHING:
            return
        right = self.right
        segments = right.segments_of(t, self.reach)
        if self.always is not None:
            segments = np.concatenate([segments, right.segments_from(t, max(self.always, self.reach))])
        if segments.size:
            flat = self.field.reshape(-1, lanes.LANES)
            lanes.gather(flat, self.out, segments, right.row, right.start, right.cell, right.value, scale)
