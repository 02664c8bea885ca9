"""Rows of an operator over (hour, cell), cut into segments: what an observation or a total sees in one hour.

The rows of H and those of regional totals are the same kind of thing: sparse linear functionals of the flux.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse

from kernels import sparse


@dataclass(frozen=True, eq=False)
class Rows:
    """Sparse rows, each cut into one segment per hour it reaches.

    Parameters
    ----------
    hours, cells
        Size of the state of one sector.
    row_start : (row + 1,) int64
        First segment of each row.
    row, hour : (segment,) int64
        Row and hour index of each segment; sorted by row, then hour.
    start : (segment + 1,) int64
        First entry of each segment.
    cell : (entry,) uint32
        Cell index.
    value : (entry,) float32 or float64
        The functional's weight.
    """

    hours: int
    cells: int
    row_start: np.ndarray
    row: np.ndarray
    hour: np.ndarray
    start: np.ndarray
    cell: np.ndarray
    value: np.ndarray

    @property
    def count(self) -> int:
        """Number of rows."""
        return self.row_start.size - 1

    @cached_property
    def by_hour(self) -> tuple[np.ndarray, np.ndarray]:
        """(segments in the order of hours, then rows; first of them of each hour): (segment,), (hour + 1,)."""
        order = np.argsort(self.hour, kind="stable")
        return order, np.searchsorted(self.hour[order], np.arange(self.hours + 1))

    @cached_property
    def span(self) -> tuple[np.ndarray, np.ndarray]:
        """(first, last) hour of each row, (row,) each; hours and -1 of an empty one."""
        first, last = np.full(self.count, self.hours), np.full(self.count, -1)
        full = np.diff(self.row_start) > 0
        first[full] = self.hour[self.row_start[:-1][full]]
        last[full] = self.hour[self.row_start[1:][full] - 1]
        return first, last

    def segments_of(self, hour: int, below: int) -> np.ndarray:
        """Return the segments of one hour that belong to rows before `below`."""
        order, first = self.by_hour
        mine = order[first[hour] : first[hour + 1]]
        return mine[: np.searchsorted(self.row[mine], below)]

    def segments_from(self, hour: int, at: int) -> np.ndarray:
        """Return the segments of one hour that belong to rows from `at` on."""
        order, first = self.by_hour
        mine = order[first[hour] : first[hour + 1]]
        return mine[np.searchsorted(self.row[mine], at) :]

    def scaled(self, sigma: np.ndarray, share: np.ndarray | None = None) -> Rows:
        """Return the rows of H D for one sector.

        Parameters
        ----------
        sigma : (time, y, x)
            Standard deviations; their precision is the result's.
        share : (row,) or None
            Factor on each row: 0 for one that does not see this sector.
        """
        value = np.empty(self.cell.size, sigma.dtype)
        factor = np.ones(self.count, sigma.dtype) if share is None else share.astype(sigma.dtype)
        flat = np.ascontiguousarray(sigma).reshape(self.hours, -1)
        sparse.scale(self.row, self.hour, self.start, self.cell, self.value, flat, factor, value)
        return Rows(self.hours, self.cells, self.row_start, self.row, self.hour, self.start, self.cell, value)

    def times(self, field: np.ndarray) -> np.ndarray:
        """Return the product with a field over (time, y, x), (row,) float64; both in one precision."""
        out = np.empty(self.count)
        flat = np.ascontiguousarray(field).reshape(self.hours, self.cells)
        sparse.project(self.row_start, self.hour, self.start, self.cell, self.value, flat, out)
        return out

    def spread(self, weights: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Return the adjoint of `times` applied to weights : (row,), as (hours, cells)."""
        field = np.zeros((self.hours, self.cells), dtype)
        seen = weights.astype(dtype)
        sparse.spread(*self.by_hour, self.row, self.start, self.cell, self.value, seen, field)
        return field

    def take(self, rows: np.ndarray) -> Rows:
        """Return some of the rows, in the order given."""
        segments = ranges(self.row_start, rows)
        entries = ranges(self.start, segments)
        count, length = np.diff(self.row_start)[rows], np.diff(self.start)[segments]
        return Rows(
            self.hours,
            self.cells,
            np.concatenate([[0], np.cumsum(count)]),
            np.repeat(np.arange(rows.size), count),
            self.hour[segments],
            np.concatenate([[0], np.cumsum(length)]),
            self.cell[entries],
            self.value[entries],
        )


def ranges(edges: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return edges[i] .. edges[i + 1] of every i, one after the other.

    Examples
    --------
    >>> ranges(np.array([0, 2, 2, 5]), np.array([2, 0])).tolist()
    [2, 3, 4, 0, 1]
    """
    length = edges[index + 1] - edges[index]
    before = np.concatenate([[0], np.cumsum(length)])
    return np.arange(before[-1]) + np.repeat(edges[index] - before[:-1], length)


def rows_of(matrix: scipy.sparse.csr_array, hours: int) -> Rows:
    """Return the rows of a sparse matrix over (hour, cell).

    Parameters
    ----------
    matrix : csr_array (row, hours * cells)
        Column indices in order within a row; no index twice.
    hours
        Hours of the state.
    """
    cells = matrix.shape[1] // hours
    hour, cell = np.divmod(matrix.indices.astype(np.int64), cells)
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    key = row * hours + hour
    first = np.flatnonzero(np.diff(key, prepend=-1))
    start = np.append(first, key.size).astype(np.int64)
    row, hour = row[first], hour[first]
    row_start = np.searchsorted(row, np.arange(matrix.shape[0] + 1)).astype(np.int64)
    return Rows(hours, cells, row_start, row, hour, start, cell.astype(np.uint32), matrix.data)


def stacked(upper: Rows, lower: Rows) -> Rows:
    """Return the rows of one above those of the other; both over the same state."""
    return Rows(
        upper.hours,
        upper.cells,
        np.concatenate([upper.row_start, upper.row_start[-1] + lower.row_start[1:]]),
        np.concatenate([upper.row, upper.count + lower.row]),
        np.concatenate([upper.hour, lower.hour]),
        np.concatenate([upper.start, upper.start[-1] + lower.start[1:]]),
        np.concatenate([upper.cell, lower.cell]),
        np.concatenate([upper.value, lower.value]),
    )
