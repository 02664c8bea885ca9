"""Correlation of flux errors between hours: exp(-|dt| / tau), on request times a term that ties the same hours of days.

The first is applied in O(N) by recursion (`kernels.exponential`). With the second,

    T(dt) = exp(-|dt| / tau) exp(-2 sin^2(pi dt / 24 h) / l^2),   l = 2 pi w / 24 h

(MacKay 1998, Introduction to Gaussian processes, eq. 47: the periodic kernel; w is its width in hours), the hours of a
window are few enough for the dense matrix and its Cholesky root.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg

from kernels import exponential

#: hours of a day, the period of the second term
_DAY = 24.0


@dataclass(frozen=True)
class Temporal:
    """Correlation along the hours of a window.

    Parameters
    ----------
    count
        Hours, consecutive.
    hours
        e-folding time, hours.
    daily
        Width of the same-hour-of-day term, hours; None for none.
    """

    count: int
    hours: float
    daily: float | None = None

    @property
    def decays(self) -> bool:
        """Whether the correlation with what lies further off is a multiple of that with what lies nearer."""
        return self.daily is None

    @cached_property
    def matrix(self) -> np.ndarray:
        """T, (count, count) float64."""
        lag = np.arange(self.count)[:, None] - np.arange(self.count)[None, :]
        return correlation(lag, self.hours, self.daily)

    def apply(self, field: np.ndarray) -> None:
        """Apply T in place along the first axis of (count, inner)."""
        if self.daily is None:
            self._sweep(field, exponential.backward)
            self._sweep(field, exponential.forward)
        else:
            field[:] = self.matrix.astype(field.dtype) @ field

    def root(self, field: np.ndarray) -> None:
        """Apply the lower-triangular F with T = F F^T in place along the first axis of (count, inner)."""
        if self.daily is None:
            self._sweep(field, exponential.forward)
        else:
            field[:] = self._cholesky.astype(field.dtype) @ field

    def root_adjoint(self, field: np.ndarray) -> None:
        """Apply F^T in place along the first axis of (count, inner)."""
        if self.daily is None:
            self._sweep(field, exponential.backward)
        else:
            field[:] = self._cholesky.T.astype(field.dtype) @ field

    @cached_property
    def _cholesky(self) -> np.ndarray:
        # the periodic term makes neighbouring hours nearly equal: rounding may cost the last digits of positivity
        jitter = 1e-12 * np.eye(self.count)
        return np.asarray(scipy.linalg.cholesky(self.matrix + jitter, lower=True))

    def _sweep(self, field: np.ndarray, sweep: exponential.Sweep) -> None:
        decay, gain = exponential.coefficients(np.full(self.count - 1, 1.0 / self.hours))
        sweep(field.reshape(1, self.count, -1), decay.astype(field.dtype), gain.astype(field.dtype))


def correlation(lag: np.ndarray, hours: float, daily: float | None) -> np.ndarray:
    """Return T at some lags.

    Parameters
    ----------
    lag
        Hours, any shape.
    hours, daily
        As in `Temporal`.

    Examples
    --------
    >>> correlation(np.array([0.0, 24.0]), 24.0, 3.0).round(3).tolist()
    [1.0, 0.368]
    """
    out = np.exp(-np.abs(lag) / hours)
    if daily is not None:
        out = out * np.exp(-2.0 * (np.sin(np.pi * lag / _DAY) * _DAY / (2.0 * np.pi * daily)) ** 2)
    return np.asarray(out)
