"""The exponential correlation of maps with lanes together with its derivative by the logarithm of the length.

With a = exp(-h / L) and q = sqrt(1 - a^2) of `kernels.exponential`,

    da / d log L = a h / L,   dq / d log L = -a^2 (h / L) / q

and every line of the recursions of `kernels.lanes` is differentiated as it stands (forward-mode tangent; Griewank and
Walther 2008, Evaluating Derivatives, chapter 3). A map and its tangent go through an axis side by side:
(v, v') -> (C v, C' v + C v'), so that both axes in turn give S v and S' v.

# l = lane, w = a row's cells times lanes
"""

from __future__ import annotations

import numpy as np

from kernels.exponential import coefficients
from kernels.jit import mapped_kernel
from kernels.lanes import LANES


def tangent_coefficients(step: np.ndarray) -> np.ndarray:
    """Return (decay, gain, slope of the decay, slope of the gain) of the recursion, (4, n) float64.

    Parameters
    ----------
    step : (n - 1,) float64
        Distance between neighbours in units of the e-folding length.
    """
    decay, gain = coefficients(step)
    padded = np.concatenate([np.zeros(1), step])
    return np.stack([decay, gain, decay * padded, -(decay**2) * padded / gain])


@mapped_kernel
def smooth_x(field: np.ndarray, tangent: np.ndarray, factor: np.ndarray) -> None:
    """Apply the correlation along x in place to a map and its tangent.  (y, x, l), (y, x, l), (4, x)."""
    ny, nx, _ = field.shape
    carried = np.zeros(LANES, field.dtype)
    slope = np.zeros(LANES, field.dtype)
    for y in range(ny):
        carried[:] = 0
        slope[:] = 0
        for x in range(nx - 1, -1, -1):
            a, q, da, dq = factor[0, x], factor[1, x], factor[2, x], factor[3, x]
            for lane in range(LANES):
                total = field[y, x, lane] + carried[lane]
                change = tangent[y, x, lane] + slope[lane]
                carried[lane] = a * total
                slope[lane] = da * total + a * change
                field[y, x, lane] = q * total
                tangent[y, x, lane] = dq * total + q * change
        carried[:] = 0
        slope[:] = 0
        for x in range(nx):
            a, q, da, dq = factor[0, x], factor[1, x], factor[2, x], factor[3, x]
            for lane in range(LANES):
                total = a * carried[lane] + q * field[y, x, lane]
                change = da * carried[lane] + a * slope[lane] + dq * field[y, x, lane] + q * tangent[y, x, lane]
                carried[lane] = total
                slope[lane] = change
                field[y, x, lane] = total
                tangent[y, x, lane] = change


@mapped_kernel
def smooth_y(field: np.ndarray, tangent: np.ndarray, factor: np.ndarray) -> None:
    """Apply the correlation along y in place to a map and its tangent.  (y, w), (y, w), (4, y)."""
    ny, width = field.shape
    for y in range(ny - 2, -1, -1):
        a, q, da, dq = factor[0, y + 1], factor[1, y + 1], factor[2, y + 1], factor[3, y + 1]
        for w in range(width):
            total = field[y + 1, w]
            change = tangent[y + 1, w]
            field[y, w] += a * total
            tangent[y, w] += da * total + a * change
            field[y + 1, w] = q * total
            tangent[y + 1, w] = dq * total + q * change
    for y in range(1, ny):
        a, q, da, dq = factor[0, y], factor[1, y], factor[2, y], factor[3, y]
        for w in range(width):
            before = field[y - 1, w]
            tangent[y, w] = da * before + a * tangent[y - 1, w] + dq * field[y, w] + q * tangent[y, w]
            field[y, w] = a * before + q * field[y, w]
