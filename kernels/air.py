"""The weather at a point: multilinear interpolation in x, y, height and time.

Arrays, all on the weather's own grid with fixed heights above ground, one slot per weather time, slots reused in turn
(time index modulo the number of slots):

    volume  (slot, y, x, level, 4) float32   u and v in cells s-1, w in m s-1 above ground, dry density kg m-3
    surface (slot, y, x, 8)        float32   the columns below
    place   (y, x, 4)              float64   column and row on the flux grid, in cells from its lower left corner, and
                                             weather cells per metre along x and y

The first two are handed over flat. Winds are in cells, so that neither map factors nor the grid's turning appear here.
Interpolation is linear in every direction: between the ground, where w is zero, and the first level w rises linearly,
as mass conservation asks.
"""

from __future__ import annotations

import numpy as np

from kernels.jit import kernel, part_kernel

_F = np.float32
_ZERO, _ONE = _F(0.0), _F(1.0)

#: columns of `surface`: boundary-layer height m, u* and w* m s-1, 1 / L m-1, dry density at the ground kg m-3 and its
#: d ln rho / dz over the lowest kilometre m-1, height mixed by convection m; the eighth keeps columns aligned
LAYER, FRICTION, CONVECTIVE, INVERSE_L, DENSITY, DENSITY_SLOPE, CONVECTION = range(7)
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


@part_kernel
def time_slots(t: float, step: float, first: int, last: int, slots: int) -> tuple[int, int, float]:
    """Return the slots before and after time t, s, and the weight of the one after.

    `first` and `last` are the indices of the weather times at hand; t lies between them.
    """
    index = int(np.floor(t / step))
    index = max(first, min(index, last - 1))
    return index % slots, (index + 1) % slots, t / step - index


@part_kernel
def wind(
    volume: np.ndarray,
    place: np.ndarray,
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

    `volume` is flat; x and y are in cells between the centres of the first and the last cell, z in m above ground.
    """
    ix, iy = int(x), int(y)
    fx, fy = _F(x - ix), _F(y - iy)
    level = table[int(z / BIN)]
    while level + 2 < heights.size and heights[level + 1] <= z:
        level += 1
    depth = heights[level + 1] - heights[level]
    fz = (_F(z) - heights[level]) / depth
    gz = _ONE - fz
    across = 4 * heights.size
    along = across * place.shape[1]
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = _ZERO
    for later in range(2):
        in_time = _F(share) if later else _F(1.0 - share)
        first = (after if later else before) * place.shape[0] * along + iy * along + ix * across + 4 * level
        for corner in range(4):
            weight = in_time * (fy if corner & 2 else _ONE - fy) * (fx if corner & 1 else _ONE - fx)
            at = first + (along if corner & 2 else 0) + (across if corner & 1 else 0)
            a0 += weight * volume[at]
            a1 += weight * volume[at + 1]
            a2 += weight * volume[at + 2]
            a3 += weight * volume[at + 3]
            a4 += weight * volume[at + 4]
            a5 += weight * volume[at + 5]
            a6 += weight * volume[at + 6]
            a7 += weight * volume[at + 7]
    slope = (a7 - a3) / (depth * (gz * a3 + fz * a7))
    return float(gz * a0 + fz * a4), float(gz * a1 + fz * a5), float(gz * a2 + fz * a6), float(slope)


@part_kernel
def ground(
    surface: np.ndarray,
    place: np.ndarray,
    x: float,
    y: float,
    before: int,
    after: int,
    share: float,
    out: np.ndarray,
) -> None:
    """Put the surface columns at a point into out : (SURFACE_COLUMNS,) float32; `surface` is flat."""
    ix, iy = int(x), int(y)
    fx, fy = _F(x - ix), _F(y - iy)
    along = SURFACE_COLUMNS * place.shape[1]
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = _ZERO
    for later in range(2):
        in_time = _F(share) if later else _F(1.0 - share)
        first = ((after if later else before) * place.shape[0] + iy) * along + ix * SURFACE_COLUMNS
        for corner in range(4):
            weight = in_time * (fy if corner & 2 else _ONE - fy) * (fx if corner & 1 else _ONE - fx)
            at = first + (along if corner & 2 else 0) + (SURFACE_COLUMNS if corner & 1 else 0)
            a0 += weight * surface[at]
            a1 += weight * surface[at + 1]
            a2 += weight * surface[at + 2]
            a3 += weight * surface[at + 3]
            a4 += weight * surface[at + 4]
            a5 += weight * surface[at + 5]
            a6 += weight * surface[at + 6]
            a7 += weight * surface[at + 7]
    out[0], out[1], out[2], out[3], out[4], out[5], out[6], out[7] = a0, a1, a2, a3, a4, a5, a6, a7


@part_kernel
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


@kernel
def at_points(
    field: np.ndarray, heights: np.ndarray, bounds: np.ndarray, step: float, points: np.ndarray, out: np.ndarray
) -> None:
    """Interpolate a field to points in space and time.

    # p = point

    field : (slot, y, x, level) float32
    points : (p, 4 or more) float64
        Column and row (weather cells), height m and time s; those outside give NaN.
    out : (p,) float64
    """
    table = level_table(heights)
    rows, columns = field.shape[1], field.shape[2]
    for p in range(points.shape[0]):
        x, y, z, t = points[p, 0], points[p, 1], points[p, 2], points[p, 3]
        out[p] = np.nan
        if not (0.0 <= x <= columns - 1 and 0.0 <= y <= rows - 1 and 0.0 <= z <= heights[-1]):
            continue
        if not bounds[0] * step <= t <= bounds[1] * step:
            continue
        before, after, share = time_slots(t, step, bounds[0], bounds[1], bounds[2])
        ix, iy = min(int(x), columns - 2), min(int(y), rows - 2)
        fx, fy = x - ix, y - iy
        level = table[int(z / BIN)]
        while level + 2 < heights.size and heights[level + 1] <= z:
            level += 1
        fz = (z - heights[level]) / (heights[level + 1] - heights[level])
        total = 0.0
        for corner in range(16):
            weight = (fx if corner & 1 else 1.0 - fx) * (fy if corner & 2 else 1.0 - fy)
            weight *= (fz if corner & 4 else 1.0 - fz) * (share if corner & 8 else 1.0 - share)
            slot = after if corner & 8 else before
            total += weight * field[slot, iy + (corner >> 1 & 1), ix + (corner & 1), level + (corner >> 2 & 1)]
        out[p] = total
