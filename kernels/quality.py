"""Tests of one station's samples that must walk through time: flat line, rises above the recent past, running median.

Times are whole nanoseconds, ascending, so that no verdict hangs on how a difference is rounded. Work arrays are the
caller's, so nothing is allocated here.

# i = sample; a window of samples is [first, i]
"""

from __future__ import annotations

import numpy as np

from kernels.jit import kernel

#: MAD of a normal distribution to its standard deviation
_MAD_TO_SIGMA = 1.4826022185056018


@kernel
def flat_windows(
    time: np.ndarray,
    value: np.ndarray,
    length: int,
    span: int,
    tolerance: float,
    lows: np.ndarray,
    highs: np.ndarray,
    flat: np.ndarray,
) -> None:
    """Mark every sample of a window of `length` samples, none missing, whose values differ by no more than a tolerance.

    Minimum and maximum of the sliding window by two queues of indices, each sample entering and leaving once.

    Parameters
    ----------
    time : (n,) int64
    value : (n,) float64
    length
        Samples of a window, at least 2.
    span
        A window whose first and last sample lie this far apart, or further, is broken.
    tolerance
        Unit of the values.
    lows, highs : (n,) int64
        Work.
    flat : (n,) bool
        Filled.
    """
    flat[:] = False
    low_first = low_end = high_first = high_end = 0
    marked = 0
    for i in range(value.size):
        while low_end > low_first and value[lows[low_end - 1]] >= value[i]:
            low_end -= 1
        lows[low_end] = i
        low_end += 1
        while high_end > high_first and value[highs[high_end - 1]] <= value[i]:
            high_end -= 1
        highs[high_end] = i
        high_end += 1
        first = i - length + 1
        if first < 0:
            continue
        while lows[low_first] < first:
            low_first += 1
        while highs[high_first] < first:
            high_first += 1
        if time[i] - time[first] < span and value[highs[high_first]] - value[lows[low_first]] <= tolerance:
            for j in range(max(first, marked), i + 1):
                flat[j] = True
            marked = i + 1


@kernel
def rises(
    place: np.ndarray,
    visit: np.ndarray,
    value: np.ndarray,
    sigma: np.ndarray,
    alpha: float,
    longest: float,
    spike: np.ndarray,
) -> None:
    """Mark samples above their past: C > C_unf + (alpha + sqrt(n)) sigma (El Yazidi et al. 2018, eq. 1).

    C_unf is the last sample that was not marked, n the samples due between the two. A rise ends with its unbroken
    stretch, and one that has lasted `longest` is air that has changed: none of it is marked.

    Parameters
    ----------
    place : (n,) float64
        Ascending position, in sampling intervals.
    visit : (n,) int64
        Number of the unbroken stretch.
    value, sigma : (n,) float64
        sigma NaN where it is not known: nothing is above it.
    longest
        Sampling intervals.
    spike : (n,) bool
        Filled.
    """
    spike[:] = False
    last = 0
    for i in range(1, value.size):
        if visit[i] != visit[last]:
            last = i
            continue
        due = max(place[i] - place[last] - 1.0, 0.0)
        if not value[i] - value[last] > (alpha + np.sqrt(due)) * sigma[i]:
            last = i
            continue
        if place[i] - place[last] > longest:
            for j in range(last + 1, i):
                spike[j] = False
            last = i
            continue
        spike[i] = True


@kernel
def far_from_median(
    time: np.ndarray,
    value: np.ndarray,
    half: int,
    alpha: float,
    floor: float,
    order: np.ndarray,
    far: np.ndarray,
) -> None:
    """Mark samples further than alpha sigma from the median of the samples within `half` (Hampel 1974).

    sigma is 1.4826 times the median distance of the window's samples from that median, at least `floor`. The window is
    kept sorted; the median distance is found by walking outward from the median, for both sides are sorted by distance.

    Parameters
    ----------
    time : (n,) int64
    value : (n,) float64
    half
        Nanoseconds.
    alpha
        Standard deviations.
    floor
        Unit of the values.
    order : (n,) float64
        Work.
    far : (n,) bool
        Filled.
    """
    first = end = count = 0
    for i in range(value.size):
        while end < value.size and time[end] <= time[i] + half:
            at = _place(order, count, value[end])
            for j in range(count, at, -1):
                order[j] = order[j - 1]
            order[at] = value[end]
            count += 1
            end += 1
        while time[first] < time[i] - half:
            at = _place(order, count, value[first])
            for j in range(at, count - 1):
                order[j] = order[j + 1]
            count -= 1
            first += 1
        median = 0.5 * (order[(count - 1) // 2] + order[count // 2])
        sigma = max(_MAD_TO_SIGMA * _median_distance(order, count, median), floor)
        far[i] = abs(value[i] - median) > alpha * sigma


@kernel
def _place(order: np.ndarray, count: int, value: float) -> int:
    """Return the first place among the `count` sorted values whose value is not below this one."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if order[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _median_distance(order: np.ndarray, count: int, median: float) -> float:
    """Return the median of |order - median| over the first `count` values, which are sorted."""
    right = _place(order, count, median)
    left = right - 1
    distance = before = 0.0
    for _ in range(count // 2 + 1):
        before = distance
        if left < 0 or (right < count and order[right] - median <= median - order[left]):
            distance = order[right] - median
            right += 1
        else:
            distance = median - order[left]
            left -= 1
    return distance if count % 2 else 0.5 * (before + distance)
