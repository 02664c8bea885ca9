"""Footprints made smooth and sparse."""

from __future__ import annotations

import math

import numpy as np

from kernels.jit import kernel

#: the Gaussian is cut at this many standard deviations
REACH = 3.0
#: a narrower Gaussian than this, in cells, moves nothing
NARROWEST = 0.1
#: values are sorted into eight bins an octave: a positive float64 without the last 49 bits of its fraction
_SHIFT, _BINS = 49, 8 * 2048


@kernel
def smooth(footprint: np.ndarray, sigma: np.ndarray, scratch: np.ndarray) -> None:
    """Smooth every hour by a Gaussian in place; each hour keeps its sum to rounding error.

    # b = hour back, y, x = flux grid

    footprint : (b, y, x) float64
    sigma : (b, 2) float64
        Standard deviation along x and y, cells.
    scratch : (y, x) float64
        Anything.

    The Gaussian is separable, sampled at cell centres, cut at 3 sigma and at the grid's edge, and normalised for every
    cell it starts from, so that nothing is lost at the edge.
    """
    hours, rows, columns = footprint.shape
    weights = np.empty((2, 2 * max(rows, columns) + 2), np.float64)
    for b in range(hours):
        box = _box(footprint[b])
        if box[1] < 0:
            continue
        reach = _gaussian(sigma[b, 0], columns, weights)
        if reach > 0:
            box = _along_x(footprint[b], box, weights, reach, scratch)
        reach = _gaussian(sigma[b, 1], rows, weights)
        if reach > 0:
            _along_y(footprint[b], box, weights, reach, scratch)


@kernel
def _along_x(
    layer: np.ndarray, box: tuple[int, int, int, int], weights: np.ndarray, reach: int, scratch: np.ndarray
) -> tuple[int, int, int, int]:
    """Spread every value along its row; return the box that holds them now."""
    low_y, high_y, low_x, high_x = box
    most = layer.shape[1] - 1
    first, last = max(low_x - reach, 0), min(high_x + reach, most)
    scratch[low_y : high_y + 1, first : last + 1] = 0.0
    for y in range(low_y, high_y + 1):
        for x in range(low_x, high_x + 1):
            value = layer[y, x]
            if value == 0.0:
                continue
            begin, end = max(x - reach, 0), min(x + reach, most)
            value /= weights[1, end - x + reach + 1] - weights[1, begin - x + reach]
            for to in range(begin, end + 1):
                scratch[y, to] += value * weights[0, to - x + reach]
    layer[low_y : high_y + 1, first : last + 1] = scratch[low_y : high_y + 1, first : last + 1]
    return low_y, high_y, first, last


@kernel
def _along_y(
    layer: np.ndarray, box: tuple[int, int, int, int], weights: np.ndarray, reach: int, scratch: np.ndarray
) -> None:
    """Spread every value along its column."""
    low_y, high_y, low_x, high_x = box
    most = layer.shape[0] - 1
    first, last = max(low_y - reach, 0), min(high_y + reach, most)
    scratch[first : last + 1, low_x : high_x + 1] = 0.0
    for y in range(low_y, high_y + 1):
        begin, end = max(y - reach, 0), min(y + reach, most)
        total = weights[1, end - y + reach + 1] - weights[1, begin - y + reach]
        for to in range(begin, end + 1):
            weight = weights[0, to - y + reach] / total
            for x in range(low_x, high_x + 1):
                scratch[to, x] += layer[y, x] * weight
    layer[first : last + 1, low_x : high_x + 1] = scratch[first : last + 1, low_x : high_x + 1]


@kernel
def _box(layer: np.ndarray) -> tuple[int, int, int, int]:
    """Return the first and last row and the first and last column that are not zero; last is -1 when all are."""
    rows, columns = layer.shape
    low_y, high_y, low_x, high_x = rows, -1, columns, -1
    for y in range(rows):
        # bits instead of numbers: an or of whole numbers vectorises, and a sum of numbers must keep its order
        bits = layer[y].view(np.int64)
        some = np.int64(0)
        for x in range(columns):
            some |= bits[x]
        if some == 0:
            continue
        low_y, high_y = min(low_y, y), y
        x = 0
        while bits[x] == 0:
            x += 1
        low_x = min(low_x, x)
        x = columns - 1
        while bits[x] == 0:
            x -= 1
        high_x = max(high_x, x)
    return low_y, high_y, low_x, high_x


@kernel
def _gaussian(sigma: float, most: int, weights: np.ndarray) -> int:
    """Put the Gaussian's weights at -reach, ..., reach cells into the first row of `weights`; return reach, cells.

    The second row holds their running sum, from zero.
    """
    if not sigma > NARROWEST:
        return 0
    reach = min(math.ceil(REACH * sigma), most)
    for k in range(-reach, reach + 1):
        weights[0, k + reach] = math.exp(-0.5 * (k / sigma) ** 2)
    weights[1, 0] = 0.0
    for k in range(2 * reach + 1):
        weights[1, k + 1] = weights[1, k] + weights[0, k]
    return reach


@kernel
def largest(footprint: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return the largest values of a footprint, leaving out at most `share` of its sum.

    # b = hour back, y, x = flux grid, e = entry

    footprint : (b, y, x) float64, not negative

    Returns hours back (e) int32, cells (e) int32 (y * nx + x), values (e) float32, ordered by hour back and cell, and
    the share of the sum left out.
    """
    hours, _, columns = footprint.shape
    boxes = np.empty((hours, 4), np.int64)
    sums = np.zeros(_BINS, np.float64)
    counts = np.zeros(_BINS, np.int64)
    total = 0.0
    for b in range(hours):
        boxes[b] = _box(footprint[b])
        for y in range(boxes[b, 0], boxes[b, 1] + 1):
            for x in range(boxes[b, 2], boxes[b, 3] + 1):
                value = footprint[b, y, x]
                if value > 0.0:
                    place = _bin(value)
                    sums[place] += value
                    counts[place] += 1
                    total += value
    lowest, out = 0, 0.0
    while lowest < _BINS and out + sums[lowest] <= share * total:
        out += sums[lowest]
        lowest += 1
    count = counts[lowest:].sum()
    back, cell, values = np.empty(count, np.int32), np.empty(count, np.int32), np.empty(count, np.float32)
    entry = 0
    for b in range(hours):
        for y in range(boxes[b, 0], boxes[b, 1] + 1):
            for x in range(boxes[b, 2], boxes[b, 3] + 1):
                value = footprint[b, y, x]
                if value > 0.0 and _bin(value) >= lowest:
                    back[entry], cell[entry], values[entry] = b, y * columns + x, value
                    entry += 1
    return back, cell, values, out / total if total > 0.0 else 0.0


@kernel
def _bin(value: float) -> int:
    """Return the bin of a positive value: its exponent and the first three bits of its fraction."""
    return int(np.float64(value).view(np.int64) >> _SHIFT)
