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
_0, _1, _2, _3, _4, _5, _6, _7 = (np.uint64(number) for number in range(8))

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
    passed = t / step
    index = max(first, min(int(passed), last - 1))
    before = index % slots
    return before, 0 if before + 1 == slots else before + 1, passed - index


@part_kernel
def eight(
    flat: np.ndarray,
    before: int,
    after: int,
    along: int,
    across: int,
    fx: np.float32,
    fy: np.float32,
    share: float,
    out: np.ndarray,
) -> None:
    """Interpolate eight neighbouring numbers at the corners of a cell, at two times.

    `before` and `after` are where the eight of the lower left corner stand in `flat`, `along` and `across` the way to
    the row and the column beyond, `share` the weight of `after`; out : (8,) float32. Places are unsigned: Numba looks
    whether a signed one is negative.
    """
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = _ZERO
    for corner in range(8):
        weight = (fx if corner & 1 else _ONE - fx) * (fy if corner & 2 else _ONE - fy)
        weight *= _F(share) if corner & 4 else _F(1.0 - share)
        start = after if corner & 4 else before
        at = np.uint64(start + (across if corner & 1 else 0) + (along if corner & 2 else 0))
        a0 += weight * flat[at]
        a1 += weight * flat[at + _1]
        a2 += weight * flat[at + _2]
        a3 += weight * flat[at + _3]
        a4 += weight * flat[at + _4]
        a5 += weight * flat[at + _5]
        a6 += weight * flat[at + _6]
        a7 += weight * flat[at + _7]
    out[_0] = a0
    out[_1] = a1
    out[_2] = a2
    out[_3] = a3
    out[_4] = a4
    out[_5] = a5
    out[_6] = a6
    out[_7] = a7


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
    scratch: np.ndarray,
) -> tuple[float, float, float, float]:
    """Return u, v (cells s-1), w (m s-1) and d ln rho / dz (m-1) at a point inside the grid.

    `volume` is flat; x and y are in cells between the centres of the first and the last cell, z in m above ground;
    scratch : (8,) float32.
    """
    ix, iy = int(x), int(y)
    level = table[int(z / BIN)]
    while level + 2 < heights.size and heights[level + 1] <= z:
        level += 1
    depth = heights[level + 1] - heights[level]
    fz = (_F(z) - heights[level]) / depth
    gz = _ONE - fz
    across = 4 * heights.size
    along = across * place.shape[1]
    corner = iy * along + ix * across + 4 * level
    time = along * place.shape[0]
    eight(volume, before * time + corner, after * time + corner, along, across, _F(x - ix), _F(y - iy), share, scratch)
    low, high = scratch[3], scratch[7]
    slope = (high - low) / (depth * (gz * low + fz * high))
    u, v = gz * scratch[0] + fz * scratch[4], gz * scratch[1] + fz * scratch[5]
    return float(u), float(v), float(gz * scratch[2] + fz * scratch[6]), float(slope)


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
    along = SURFACE_COLUMNS * place.shape[1]
    corner = iy * along + ix * SURFACE_COLUMNS
    time = along * place.shape[0]
    first, last = before * time + corner, after * time + corner
    eight(surface, first, last, along, SURFACE_COLUMNS, _F(x - ix), _F(y - iy), share, out)


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
