"""Prior error covariance as an operator: Q = D (T (x) Y (x) X) D, exponential along each axis.

T, Y, X are applied exactly in O(N) by the recursions of `kernels.exponential`; nothing of size n x n is formed.
With the square root S = D F_T F_Y F_X (F lower triangular per axis) the covariance is Q = S S^T, so draws are S w,
w ~ N(0, I), and `apply` is the adjoint followed by the square root: symmetric and positive by construction.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyproj

from kernels import exponential
from pipeline.errors import SolverError
from pipeline.grid import Grid


@dataclass(frozen=True, eq=False)
class SeparableCovariance:
    """Covariance of one sector's flux error.

    Parameters
    ----------
    sigma : (time, y, x) float64
        Prior standard deviation, flux unit; zero where the flux is certain.
    steps : three arrays of (n - 1,) float64
        Distance between neighbours along time, y and x, in units of that axis' e-folding length.
    """

    sigma: np.ndarray
    steps: tuple[np.ndarray, np.ndarray, np.ndarray]

    def __post_init__(self) -> None:
        for axis, (n, step) in enumerate(zip(self.sigma.shape, self.steps, strict=True)):
            if step.shape != (n - 1,) or np.any(~(step > 0)):
                raise SolverError(
                    "neighbours must lie at positive distances",
                    got=f"axis {axis}: {step.shape[0]} steps for {n} points, smallest {step.min(initial=np.inf):g}",
                    remedy="check the correlation lengths and the axis",
                    where="covariance",
                )
        if not np.all(np.isfinite(self.sigma)) or np.any(self.sigma < 0):
            raise SolverError(
                "standard deviations must be finite and not negative",
                got=f"{int(np.sum(~(self.sigma >= 0)))} bad values",
                remedy="check the prior flux and sigma_fraction",
                where="covariance",
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(time, y, x)."""
        return self.sigma.shape

    @property
    def size(self) -> int:
        """Number of unknowns."""
        return self.sigma.size

    @cached_property
    def _coefficients(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """(decay, gain) of each axis; the first entry stands for the start of the recursion."""
        pairs = []
        for step in self.steps:
            decay = np.concatenate([[0.0], np.exp(-step)])
            # 1 - a^2 = -expm1(-2 step) keeps its digits when cells are much closer than the length
            gain = np.concatenate([[1.0], np.sqrt(-np.expm1(-2.0 * step))])
            pairs.append((decay, gain))
        return pairs

    def sqrt_apply(self, white: np.ndarray) -> np.ndarray:
        """Return S w: a draw of N(0, Q) when w ~ N(0, I).

        Parameters
        ----------
        white : (..., time, y, x) float64
            Left unchanged.
        """
        out = np.array(white, dtype=np.float64, order="C")
        for axis in range(3):
            exponential.forward(*self._view(out, axis))
        out *= self.sigma
        return out

    def sqrt_adjoint(self, field: np.ndarray) -> np.ndarray:
        """Return S^T v for v : (..., time, y, x); the adjoint of `sqrt_apply`."""
        out = np.ascontiguousarray(field * self.sigma, dtype=np.float64)
        for axis in (2, 1, 0):
            exponential.backward(*self._view(out, axis))
        return out

    def apply(self, field: np.ndarray) -> np.ndarray:
        """Return Q v for v : (..., time, y, x), flux unit squared times v's."""
        return self.sqrt_apply(self.sqrt_adjoint(field))

    def _view(self, field: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the field as (outer, n, inner) for one axis, with that axis' coefficients; shares memory."""
        inner = int(np.prod(self.shape[axis + 1 :]))
        decay, gain = self._coefficients[axis]
        return field.reshape(-1, self.shape[axis], inner), decay, gain


def separable_covariance(sigma: np.ndarray, grid: Grid, *, length: float, hours: float) -> SeparableCovariance:
    """Return the covariance on a grid.

    Parameters
    ----------
    sigma : (time, y, x)
        Prior standard deviation of hourly fluxes.
    grid
        Gives the distances between neighbouring centres: geodesic, along the middle row and the middle column
        (separability needs one distance per column pair; on a lon-lat grid that is exact on the middle row).
    length
        e-folding distance, km.
    hours
        e-folding time, hours.
    """
    lon, lat = grid.lonlat
    row, column = grid.ny // 2, grid.nx // 2
    along_x = _distances(lon[row], lat[row]) / (length * 1e3)
    along_y = _distances(lon[:, column], lat[:, column]) / (length * 1e3)
    along_t = np.full(sigma.shape[0] - 1, 1.0 / hours)
    return SeparableCovariance(np.asarray(sigma, dtype=np.float64), (along_t, along_y, along_x))


def _distances(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Geodesic distances between consecutive points, m."""
    _, _, distance = pyproj.Geod(ellps="WGS84").inv(lon[:-1], lat[:-1], lon[1:], lat[1:])
    return np.asarray(distance)


def exponential_matrix(hours: np.ndarray, e_folding: float) -> np.ndarray:
    """Return the dense correlation exp(-|dt| / e_folding) between observations, (m, m).

    Parameters
    ----------
    hours : (m,) float64
        Time of each observation, hours.
    e_folding
        Hours.
    """
    return np.exp(-np.abs(hours[:, None] - hours[None, :]) / e_folding)
