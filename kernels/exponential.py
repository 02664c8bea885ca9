"""Square root of an exponential correlation along one axis, applied exactly in O(N).

For positions x_0 < x_1 < ... the matrix C_ij = exp(-|x_i - x_j| / L) is that of a first-order Markov process
(Rybicki and Press 1995, Phys. Rev. Lett. 74, 1060), so C = F F^T with the lower-triangular F of the recursion

    s_0 = w_0,   s_i = a_i s_{i-1} + q_i w_i,   a_i = exp(-(x_i - x_{i-1}) / L),   q_i = sqrt(1 - a_i^2)

No matrix is formed. `forward` applies F, `backward` applies F^T; one after the other (backward first) applies C.
Both work in place on an array seen as (outer, n, inner), so that any axis of a field is reached without a copy.

# o = outer index, n = position, e = inner element
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import prange

from kernels.jit import kernel, parallel_kernel

#: one of the kernels below
Sweep = Callable[[np.ndarray, np.ndarray, np.ndarray], None]
#: inner elements swept together: 512 float64 of two rows stay in the first-level cache
_LANE = 512
#: lines along the last axis that are gone through side by side
_LINES = 16


def coefficients(step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (decay, gain) of the recursion, (n,) float64 each; the first entry stands for its start.

    Parameters
    ----------
    step : (n - 1,) float64
        Distance between neighbours in units of the e-folding length.
    """
    decay = np.concatenate([np.zeros(1), np.exp(-step)])
    # 1 - a^2 = -expm1(-2 step) keeps its digits when neighbours are much closer than the length
    gain = np.concatenate([np.ones(1), np.sqrt(-np.expm1(-2.0 * step))])
    return decay, gain


@kernel
def _forward_lines(field: np.ndarray, decay: np.ndarray, gain: np.ndarray, first: int, last: int) -> None:
    """Go forward along lines first to last side by side: one alone would wait for its own last product."""
    for i in range(1, field.shape[1]):
        a = decay[i]
        q = gain[i]
        for o in range(first, last):
            field[o, i, 0] = a * field[o, i - 1, 0] + q * field[o, i, 0]


@kernel
def _backward_lines(field: np.ndarray, decay: np.ndarray, gain: np.ndarray, first: int, last: int) -> None:
    """Go backward along lines first to last side by side."""
    for i in range(field.shape[1] - 2, -1, -1):
        a = decay[i + 1]
        q = gain[i + 1]
        for o in range(first, last):
            field[o, i, 0] += a * field[o, i + 1, 0]
            field[o, i + 1, 0] *= q


def _forward(field: np.ndarray, decay: np.ndarray, gain: np.ndarray) -> None:
    """Apply F along the middle axis in place.  (o, n, e), (n), (n) -> (o, n, e)."""
    outer, n, inner = field.shape
    if inner == 1:
        for block in prange((outer + _LINES - 1) // _LINES):
            _forward_lines(field, decay, gain, block * _LINES, min((block + 1) * _LINES, outer))
        return
    lanes = (inner + _LANE - 1) // _LANE
    for task in prange(outer * lanes):
        o = task // lanes
        start = (task % lanes) * _LANE
        stop = min(start + _LANE, inner)
        for i in range(1, n):
            a = decay[i]
            q = gain[i]
            for e in range(start, stop):
                field[o, i, e] = a * field[o, i - 1, e] + q * field[o, i, e]


def _backward(field: np.ndarray, decay: np.ndarray, gain: np.ndarray) -> None:
    """Apply F^T along the middle axis in place.  (o, n, e), (n), (n) -> (o, n, e).

    r_{n-1} = v_{n-1},  r_i = v_i + a_{i+1} r_{i+1},  result_i = q_i r_i: the running r stays unscaled until its
    successor has read it.
    """
    outer, n, inner = field.shape
    if inner == 1:
        for block in prange((outer + _LINES - 1) // _LINES):
            _backward_lines(field, decay, gain, block * _LINES, min((block + 1) * _LINES, outer))
        return
    lanes = (inner + _LANE - 1) // _LANE
    for task in prange(outer * lanes):
        o = task // lanes
        start = (task % lanes) * _LANE
        stop = min(start + _LANE, inner)
        for i in range(n - 2, -1, -1):
            a = decay[i + 1]
            q = gain[i + 1]
            for e in range(start, stop):
                field[o, i, e] += a * field[o, i + 1, e]
                field[o, i + 1, e] *= q


forward_serial = kernel(_forward)
backward_serial = kernel(_backward)
forward = parallel_kernel(_forward)
backward = parallel_kernel(_backward)
