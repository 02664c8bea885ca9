"""What the machine does at best, measured in the same process: streaming memory, and matrix products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kernels.jit import mapped_kernel


@mapped_kernel
def _triad(a: np.ndarray, b: np.ndarray, c: np.ndarray, s: float) -> None:
    for i in range(a.size):
        a[i] = b[i] + s * c[i]


@dataclass(frozen=True)
class Peak:
    """One measure of the machine.

    Parameters
    ----------
    name
        For people.
    unit
        Of the rate, for people.
    amount
        Bytes or operations of one call, 1e9.
    call
        Does it once.
    """

    name: str
    unit: str
    amount: float
    call: Callable[[], object]


def triad(size: int) -> Peak:
    """Return the streaming triad a = b + s c on one core (McCalpin 1995), arrays of so many float64 each.

    Bytes are those the program moves: two arrays read, one written.
    """
    a, b, c = np.zeros(size), np.ones(size), np.ones(size)
    return Peak("streaming triad", "GB/s", 3 * a.nbytes / 1e9, lambda: _triad(a, b, c, 0.5))


def product(size: int) -> Peak:
    """Return the matrix product of BLAS in float64, on as many cores as BLAS is given."""
    a = np.random.default_rng(0).standard_normal((size, size))
    out = np.empty_like(a)

    return Peak("matrix product, float64", "Gflop/s", 2 * size**3 / 1e9, lambda: np.matmul(a, a, out=out))
