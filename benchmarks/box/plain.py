"""The kernels' arithmetic as plain loops: one map after the other, one neighbour at a time, no lanes.

They are compiled too, by the same compiler with the same options: what a kernel gains over them is its layout.
"""

from __future__ import annotations

import math

import numpy as np

from kernels.jit import mapped_kernel


@mapped_kernel
def smooth_x(field: np.ndarray, decay: np.ndarray, gain: np.ndarray) -> None:
    """As `kernels.lanes.smooth_x`, map by map.  (l, y, x)."""
    for m in range(field.shape[0]):
        for y in range(field.shape[1]):
            row = field[m, y]
            carried = row.dtype.type(0)
            for x in range(row.size - 1, -1, -1):
                total = row[x] + carried
                carried = row.dtype.type(decay[x] * total)
                row[x] = gain[x] * total
            carried = row.dtype.type(0)
            for x in range(row.size):
                carried = row.dtype.type(decay[x] * carried + gain[x] * row[x])
                row[x] = carried


@mapped_kernel
def smooth_y(field: np.ndarray, decay: np.ndarray, gain: np.ndarray) -> None:
    """As `kernels.lanes.smooth_y`, map by map and column by column.  (l, y, x)."""
    rows = field.shape[1]
    for m in range(field.shape[0]):
        for x in range(field.shape[2]):
            for y in range(rows - 2, -1, -1):
                total = field[m, y + 1, x]
                field[m, y, x] += decay[y + 1] * total
                field[m, y + 1, x] = gain[y + 1] * total
            for y in range(1, rows):
                field[m, y, x] = decay[y] * field[m, y - 1, x] + gain[y] * field[m, y, x]


@mapped_kernel
def tangent_x(field: np.ndarray, tangent: np.ndarray, factor: np.ndarray) -> None:
    """As `kernels.tangent.smooth_x`, map by map.  (l, y, x), (l, y, x), (4, x)."""
    for m in range(field.shape[0]):
        for y in range(field.shape[1]):
            row, along = field[m, y], tangent[m, y]
            zero = row.dtype.type(0)
            carried, slope = zero, zero
            for x in range(row.size - 1, -1, -1):
                a, q, da, dq = factor[0, x], factor[1, x], factor[2, x], factor[3, x]
                total, change = row[x] + carried, along[x] + slope
                carried = row.dtype.type(a * total)
                slope = row.dtype.type(da * total + a * change)
                row[x] = q * total
                along[x] = dq * total + q * change
            carried, slope = zero, zero
            for x in range(row.size):
                a, q, da, dq = factor[0, x], factor[1, x], factor[2, x], factor[3, x]
                slope = row.dtype.type(da * carried + a * slope + dq * row[x] + q * along[x])
                carried = row.dtype.type(a * carried + q * row[x])
                row[x], along[x] = carried, slope


@mapped_kernel
def tangent_y(field: np.ndarray, tangent: np.ndarray, factor: np.ndarray) -> None:
    """As `kernels.tangent.smooth_y`, map by map and column by column.  (l, y, x), (l, y, x), (4, y)."""
    rows = field.shape[1]
    for m in range(field.shape[0]):
        for x in range(field.shape[2]):
            for y in range(rows - 2, -1, -1):
                a, q, da, dq = factor[0, y + 1], factor[1, y + 1], factor[2, y + 1], factor[3, y + 1]
                total, change = field[m, y + 1, x], tangent[m, y + 1, x]
                field[m, y, x] += a * total
                tangent[m, y, x] += da * total + a * change
                field[m, y + 1, x] = q * total
                tangent[m, y + 1, x] = dq * total + q * change
            for y in range(1, rows):
                a, q, da, dq = factor[0, y], factor[1, y], factor[2, y], factor[3, y]
                before = field[m, y - 1, x]
                tangent[m, y, x] = da * before + a * tangent[m, y - 1, x] + dq * field[m, y, x] + q * tangent[m, y, x]
                field[m, y, x] = a * before + q * field[m, y, x]


@mapped_kernel
def gather(field: np.ndarray, out: np.ndarray, start: np.ndarray, cell: np.ndarray, value: np.ndarray) -> None:
    """As `kernels.lanes.gather`, map by map: every entry is read again for each.  (l, c), ... -> (s, l)."""
    for m in range(field.shape[0]):
        for s in range(start.size - 1):
            total = 0.0
            for e in range(start[s], start[s + 1]):
                total += value[e] * field[m, cell[e]]
            out[s, m] += total


@mapped_kernel
def project(start: np.ndarray, cell: np.ndarray, value: np.ndarray, field: np.ndarray, out: np.ndarray) -> None:
    """As `kernels.sparse.project`, on one thread."""
    for r in range(out.size):
        total = 0.0
        for e in range(start[r], start[r + 1]):
            total += np.float64(value[e]) * np.float64(field[cell[e]])
        out[r] = total


@mapped_kernel
def normals(uniform: np.ndarray, other: np.ndarray, out: np.ndarray) -> None:
    """As `kernels.noise.deviates` turns words into a normal deviate, with the C library's functions."""
    for i in range(out.size):
        radius = math.sqrt(-2.0 * math.log(1.0 - uniform[i]))
        out[i] = np.float32(radius * math.cos(2.0 * math.pi * other[i]))


@mapped_kernel
def powers(x: np.ndarray, out: np.ndarray) -> None:
    """As `kernels.elementary.exp2` and `log2`, with the C library's functions."""
    for i in range(out.size):
        out[i] = np.float32(math.log2(math.pow(2.0, x[i])))


@mapped_kernel
def flat_windows(value: np.ndarray, length: int, tolerance: float, flat: np.ndarray) -> None:
    """As `kernels.quality.flat_windows` of samples without gaps, every window looked through."""
    flat[:] = False
    for i in range(length - 1, value.size):
        low, high = value[i], value[i]
        for j in range(i - length + 1, i):
            low, high = min(low, value[j]), max(high, value[j])
        if high - low <= tolerance:
            flat[i - length + 1 : i + 1] = True


@mapped_kernel
def far_from_median(value: np.ndarray, half: int, alpha: float, floor: float, far: np.ndarray) -> None:
    """As `kernels.quality.far_from_median` of samples without gaps, every window sorted anew."""
    for i in range(value.size):
        window = np.sort(value[max(0, i - half) : i + half + 1])
        count = window.size
        median = 0.5 * (window[(count - 1) // 2] + window[count // 2])
        apart = np.sort(np.abs(window - median))
        sigma = max(1.4826022185056018 * 0.5 * (apart[(count - 1) // 2] + apart[count // 2]), floor)
        far[i] = abs(value[i] - median) > alpha * sigma


@mapped_kernel
def smooth(footprint: np.ndarray, sigma: float, out: np.ndarray) -> None:
    """As `kernels.smoothing.smooth`: the whole square of the Gaussian for every value.  (b, y, x)."""
    hours, rows, columns = footprint.shape
    reach = math.ceil(3.0 * sigma)
    out[:] = 0.0
    for b in range(hours):
        for y in range(rows):
            for x in range(columns):
                if footprint[b, y, x] == 0.0:
                    continue
                first, last = max(y - reach, 0), min(y + reach, rows - 1)
                begin, end = max(x - reach, 0), min(x + reach, columns - 1)
                total = 0.0
                for v in range(first, last + 1):
                    for u in range(begin, end + 1):
                        total += math.exp(-0.5 * ((u - x) ** 2 + (v - y) ** 2) / sigma**2)
                for v in range(first, last + 1):
                    for u in range(begin, end + 1):
                        weight = math.exp(-0.5 * ((u - x) ** 2 + (v - y) ** 2) / sigma**2)
                        out[b, v, u] += footprint[b, y, x] * weight / total
