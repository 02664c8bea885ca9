"""Maps of many observations side by side: filled from sparse rows, smoothed in space, and read out along sparse rows.

K = H Q H^T needs, for every observation, the map its row becomes under Q, and the product of that map with every other
row. `LANES` rows share one map with the lane as its last, contiguous axis: one sparse entry then serves all lanes with
one load, and the recursion along an axis runs over whole lanes. Rows are cut into segments, one per flux hour they
reach; segments are in the order of their rows, then hours, and entry e of a segment lies at cell[e].

# c = cell, l = lane, r = row, s = segment, e = entry, t = hour
"""

from __future__ import annotations

import numpy as np

from kernels.jit import mapped_kernel

#: rows that share a map. A map of 30 000 cells is 3.8 MB of float32, in a core's share of the third-level cache
LANES = 32


@mapped_kernel
def scatter(
    field: np.ndarray,
    rows: np.ndarray,
    row_start: np.ndarray,
    hour: np.ndarray,
    start: np.ndarray,
    cell: np.ndarray,
    value: np.ndarray,
    weight: np.ndarray,
) -> None:
    """Fill lane l of a map with row rows[l], each hour by its weight.  (c, l), (l), ... -> (c, l).

    Parameters
    ----------
    field : (c, LANES)
        Overwritten.
    rows : (k,) int64
        Rows of the first k <= LANES lanes; the other lanes become zero.
    row_start : (r + 1,) int64
        First segment of each row.
    hour, start : (s,), (s + 1,) int64
        Hour index and first entry of each segment.
    cell, value : (e,)
        Cell index (uint32) and value of each entry.
    weight : (t,)
        Correlation of each hour with the map's.
    """
    field[:] = 0
    for lane in range(rows.size):
        for s in range(row_start[rows[lane]], row_start[rows[lane] + 1]):
            share = weight[hour[s]]
            if share != 0:
                for e in range(start[s], start[s + 1]):
                    field[cell[e], lane] += share * value[e]


@mapped_kernel
def smooth_x(field: np.ndarray, decay: np.ndarray, gain: np.ndarray) -> None:
    """Apply the exponential correlation along x in place (see `kernels.exponential`).  (y, x, l) -> (y, x, l).

    The adjoint of the root, then the root; what is carried from cell to cell lives in one array of lanes.
    """
    ny, nx, _ = field.shape
    carried = np.zeros(LANES, field.dtype)
    for y in range(ny):
        carried[:] = 0
        for x in range(nx - 1, -1, -1):
            a = decay[x]
            q = gain[x]
            for lane in range(LANES):
                total = field[y, x, lane] + carried[lane]
                carried[lane] = a * total
                field[y, x, lane] = q * total
        carried[:] = 0
        for x in range(nx):
            a = decay[x]
            q = gain[x]
            for lane in range(LANES):
                total = a * carried[lane] + q * field[y, x, lane]
                carried[lane] = total
                field[y, x, lane] = total


@mapped_kernel
def smooth_y(field: np.ndarray, decay: np.ndarray, gain: np.ndarray) -> None:
    """Apply the exponential correlation along y in place.  (y, w) -> (y, w), w = a row's cells times lanes."""
    ny, width = field.shape
    for y in range(ny - 2, -1, -1):
        a = decay[y + 1]
        q = gain[y + 1]
        for w in range(width):
            total = field[y + 1, w]
            field[y, w] += a * total
            field[y + 1, w] = q * total
    for y in range(1, ny):
        a = decay[y]
        q = gain[y]
        for w in range(width):
            field[y, w] = a * field[y - 1, w] + q * field[y, w]


@mapped_kernel
def gather(
    field: np.ndarray,
    out: np.ndarray,
    segments: np.ndarray,
    row: np.ndarray,
    start: np.ndarray,
    cell: np.ndarray,
    value: np.ndarray,
    scale: float,
) -> None:
    """Add the product of each segment with every lane of a map to its row of `out`.  (c, l), ... -> (r, l).

    Parameters
    ----------
    field : (c, LANES)
        The map.
    out : (r, LANES) float64
        Sums over a segment are in the map's precision, sums over segments in float64.
    segments : (k,) int64
        Segments of the map's hour.
    row, start, cell, value
        As for `scatter`; row is each segment's row.
    scale
        Factor on the map.
    """
    total = np.zeros(LANES, field.dtype)
    for k in range(segments.size):
        s = segments[k]
        total[:] = 0
        e = start[s]
        end = start[s + 1]
        # four entries a turn: the running total would be read and written for each otherwise
        while e + 4 <= end:
            c0, c1, c2, c3 = cell[e], cell[e + 1], cell[e + 2], cell[e + 3]
            v0, v1, v2, v3 = value[e], value[e + 1], value[e + 2], value[e + 3]
            for lane in range(LANES):
                total[lane] += (v0 * field[c0, lane] + v1 * field[c1, lane]) + (
                    v2 * field[c2, lane] + v3 * field[c3, lane]
                )
            e += 4
        while e < end:
            c0, v0 = cell[e], value[e]
            for lane in range(LANES):
                total[lane] += v0 * field[c0, lane]
            e += 1
        for lane in range(LANES):
            out[row[s], lane] += scale * total[lane]
