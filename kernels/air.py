"""The weather at a point: multilinear interpolation in x, y, height and time.

Arrays, all on the weather's own grid with fixed heights above ground, one slot per weather time, slots reused in turn
(time index modulo the number of slots):

    volume  (slot, y, x, level, 4) float32   u and v in cells s-1, w in m s-1 above ground, dry density kg m-3
    surface (slot, y, x, 8)        float32   the columns below
    place   (y, x, 4)              float64   column and row on the flux grid, in cells from its lower left corner, and
                                             weather cells per metre along x and y

Winds are in cells, so that neither map factors nor the grid's turning appear here. Interpolation is linear in every
direction: between the ground, where w is zero, and the first level w rises linearly, as mass conservation asks.
"""

from __future__ import annotations

import numpy as np

from kernels.jit import kernel

#: columns of `surface`: boundary-layer height m, u* and w* m s-1, 1 / L m-1, dry density at the ground kg m-3 and its
#: d ln rho / dz over the lowest kilometre m-1, sigma_u at the ground m s-1, height mixed by convection m
LAYER, FRICTION, CONVECTIVE, INVERSE_L, DENSITY, DENSITY_SLOPE, HORIZONTAL, CONVECTION = range(8)
SURFACE_COLUMNS = 8
#: height covered by one entry of the level table, m
BIN = 10.0


@kernel
def level_table(heights: np.ndarray) -> np.ndarray:
    """Return for each `BIN` m of height the level at or below its foot.  (level) float32 -> (bin) int64."""
    count = int(heights[-1] / BIN) + 2
    table = np.zeros(count, np.int64)
    level = 0
    for b in range(count):
        while level + 2 < heights.size and heights[level + 1] <= b * BIN:
            level += 1
        table[b] = level
    return table


@kernel
def time_slots(t: float, step: float, first: int, last: int, slots: int) -> tuple[int, int, float]:
    """Return the slots before and after time t, s, and the weight of the one after.

    `first` and `last` are the indices of the weather times at hand; t lies between them.
    """
    index = int(np.floor(t / step))
    index = max(first, min(index, last - 1))
    return index % slots, (index + 1) % slots, t / step - index


@kernel
def wind(
    volume: np.ndarray,
    heights: np.ndarray,
    table: np.ndarray,
    x: float,
    y: float,
    z: float,
    before: int,
    after: int,
    share: float,
) -> tuple[float, float, float, float]:
    """Return u, v (cells s-1), w (m s-1) and d ln rho / dz (m-1) at a point inside the grid.

    x and y are in cells between the centres of the first and the last cell, z in m above ground.
    """
    ix, iy = int(x), int(y)
    fx, fy = np.float32(x - ix), np.float32(y - iy)
    level = table[int(z / BIN)]
    while level + 2 < heights.size and heights[level + 1] <= z:
        level += 1
    depth = heights[level + 1] - heights[level]
    fz = (np.float32(z) - heights[level]) / depth
    gz = np.float32(1.0) - fz
    u, v, w = np.float32(0.0), np.float32(0.0), np.float32(0.0)
    low, high = np.float32(0.0), np.float32(0.0)
    for corner in range(8):
        cx, cy, ct = corner & 1, (corner >> 1) & 1, corner >> 2
        weight = (
            (fx if cx else np.float32(1.0) - fx)
            * (fy if cy else np.float32(1.0) - fy)
            * np.float32(share if ct else 1.0 - share)
        )
        column = volume[after if ct else before, iy + cy, ix + cx]
        u += weight * (gz * column[level, 0] + fz * column[level + 1, 0])
        v += weight * (gz * column[level, 1] + fz * column[level + 1, 1])
        w += weight * (gz * column[level, 2] + fz * column[level + 1, 2])
        low += weight * column[level, 3]
        high += weight * column[level + 1, 3]
    slope = (high - low) / (depth * (gz * low + fz * high))
    return float(u), float(v), float(w), float(slope)


@kernel
def ground(surface: np.ndarray, x: float, y: float, before: int, after: int, share: float, out: np.ndarray) -> None:
    """Put the surface columns at a point into out : (SURFACE_COLUMNS,) float32."""
    ix, iy = int(x), int(y)
    fx, fy = np.float32(x - ix), np.float32(y - iy)
    for c in range(SURFACE_COLUMNS):
        out[c] = np.float32(0.0)
    for corner in range(8):
        cx, cy, ct = corner & 1, (corner >> 1) & 1, corner >> 2
        weight = (
            (fx if cx else np.float32(1.0) - fx)
            * (fy if cy else np.float32(1.0) - fy)
            * np.float32(share if ct else 1.0 - share)
        )
        column = surface[after if ct else before, iy + cy, ix + cx]
        for c in range(SURFACE_COLUMNS):
            out[c] += weight * column[c]


@kernel
def locate(place: np.ndarray, x: float, y: float) -> tuple[float, float]:
    """Return the column and row on the flux grid of a point of the weather's grid."""
    ix, iy = int(x), int(y)
    fx, fy = x - ix, y - iy
    column, row = 0.0, 0.0
    for corner in range(4):
        cx, cy = corner & 1, corner >> 1
        weight = (fx if cx else 1.0 - fx) * (fy if cy else 1.0 - fy)
        column += weight * place[iy + cy, ix + cx, 0]
        row += weight * place[iy + cy, ix + cx, 1]
    return column, row
