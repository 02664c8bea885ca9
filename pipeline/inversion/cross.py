"""H Q H'^T between two sets of sparse rows, without ever forming H Q.

Rows are taken `LANES` at a time. For each hour t, the block's rows are gathered into maps, each past hour weighted by
its correlation with t, the maps are smoothed in space, and their products with the other rows' entries of hour t are
summed: (H Q H'^T)_ij = sum_t sum_c [S sum_s T(t, s) (H D)_i(s)](c) (H' D)_j(t, c). Where the correlation decays by one
factor an hour, the hours before a row's first and after its last share one map. A lane knows nothing of its
neighbours, and the hours a row is worked through depend on the row alone: who stands beside whom, how many threads
there are and what was computed before leave no mark on a number, so that parts of K may be kept and joined.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from kernels import lanes
from kernels.jit import cores
from pipeline.inversion.covariance import Covariance
from pipeline.inversion.rows import Rows

#: hours further off than this share of correlation add nothing in float64
_NOTHING = 1e-17

#: called with (the block, products with every row of the other set, (row, k) float64)
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


@dataclass(frozen=True, eq=False)
class Work:
    """The products of some left rows with right rows of one sector, cut into blocks that know nothing of each other.

    Parameters
    ----------
    left, right
        Rows of H D and of H' D of this sector (`Rows.scaled`), in the covariance's precision.
    covariance
        The sector's; its T and S are used, its D is in the rows.
    rows : (k,) int64
        The left rows that are asked for.
    span
        Hours of each of `rows`.
    below : (k,) int64
        Right rows from this one on are not needed for a left row, and may be left zero.
    always
        Right rows from this one on are needed all the same.
    beyond
        Whether the right rows' entries outside a left row's span count.
    """

    left: Rows
    right: Rows
    covariance: Covariance
    rows: np.ndarray
    span: Span
    below: np.ndarray
    always: int | None = None
    beyond: bool = True

    def block(self, at: np.ndarray, scratch: np.ndarray | None = None) -> np.ndarray:
        """Return the products of one block, (right row, place in `at`) float64.

        Parameters
        ----------
        at
            One of `blocks_of` the span.
        scratch : (y, x, LANES)
            Overwritten; made when not given.
        """
        shape = (*self.covariance.shape[1:], lanes.LANES)
        maps = np.empty(shape, self.covariance.dtype) if scratch is None else scratch
        out = np.zeros((self.right.count, lanes.LANES))
        task = _Task(self, self.rows[at], int(self.below[at].max()), maps, out)
        task.run(int(self.span.first[at[0]]), int(self.span.last[at[0]]))
        return out[:, : at.size]


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
    left, right, covariance
        As in `Work`.
    put
        Takes the result of each block.
    span
        Hours of each left row; from its first entry to its last when not given.
    below, always, beyond
        As in `Work`; all right rows are needed when not given.
    threads
        Blocks at once; 0 for all cores.
    """
    hours = Span(*left.span) if span is None else span
    limit = np.full(left.count, right.count) if below is None else below
    run_blocks(Work(left, right, covariance, np.arange(left.count), hours, limit, always, beyond), put, threads=threads)


def run_blocks(work: Work, put: Put, *, threads: int = 0) -> None:
    """Make all blocks of some work in threads of this process.

    Parameters
    ----------
    put
        Takes the result of each block; called from one thread at a time, in no certain order.
    threads
        Blocks at once; 0 for all cores.
    """
    held, lock = threading.local(), threading.Lock()

    def run(at: np.ndarray) -> None:
        if not hasattr(held, "scratch"):
            held.scratch = np.empty((*work.covariance.shape[1:], lanes.LANES), work.covariance.dtype)
        out = work.block(at, held.scratch)
        with lock:
            put(at, out)

    with ThreadPoolExecutor(threads or cores()) as pool:
        list(pool.map(run, blocks_of(work.span)))


def blocks_of(span: Span) -> list[np.ndarray]:
    """Return the places of rows with equal hours, `LANES` at most at a time.

    A row without hours is in none: its products are 0.
    """
    first, last = span.first, span.last
    order = np.lexsort((np.arange(first.size), last, first))
    order = order[last[order] >= first[order]]
    change = np.flatnonzero((np.diff(first[order]) != 0) | (np.diff(last[order]) != 0)) + 1
    return [
        group[at : at + lanes.LANES] for group in np.split(order, change) for at in range(0, group.size, lanes.LANES)
    ]


@dataclass(eq=False)
class _Task:
    """One block against the right rows before `reach`, and those from `always` on."""

    work: Work
    rows: np.ndarray
    reach: int
    maps: np.ndarray
    out: np.ndarray
    #: hour whose maps stand in `maps`
    hour: int = field(default=-1, init=False)

    def run(self, first: int, last: int) -> None:
        """Go through the block's own hours, and those before and after."""
        hours, temporal = self.work.left.hours, self.work.covariance.temporal
        if not (self.work.beyond and temporal.decays):
            for t in range(hours) if self.work.beyond else range(first, last + 1):
                self.visit(t, t, 1.0)
            return
        for t in range(first, -1, -1):
            self.visit(t, first, float(temporal.matrix[t, first]))
        for t in range(first + 1, last + 1):
            self.visit(t, t, 1.0)
        for t in range(last + 1, hours):
            self.visit(t, last, float(temporal.matrix[t, last]))

    def visit(self, t: int, source: int, scale: float) -> None:
        """Add the products of hour t with the maps of an hour, which are made when there is something to read."""
        if scale < _NOTHING:
            return
        right, always = self.work.right, self.work.always
        segments = right.segments_of(t, self.reach)
        if always is not None:
            segments = np.concatenate([segments, right.segments_from(t, max(always, self.reach))])
        if not segments.size:
            return
        if self.hour != source:
            self.fill(source)
        flat = self.maps.reshape(-1, lanes.LANES)
        lanes.gather(flat, self.out, segments, right.row, right.start, right.cell, right.value, scale)

    def fill(self, t: int) -> None:
        """Make the maps of one hour."""
        left, covariance = self.work.left, self.work.covariance
        weight = covariance.temporal.matrix[t].astype(self.maps.dtype)
        flat = self.maps.reshape(-1, lanes.LANES)
        lanes.scatter(flat, self.rows, left.row_start, left.hour, left.start, left.cell, left.value, weight)
        covariance.spatial.smooth(self.maps)
        self.hour = t
