"""Sigma of sums over hours and cells of which only each one's sigma is kept: an upper estimate.

Measurements take part of a prior error away, mostly what cells and hours have in common. What is left is then less
correlated between hours and cells than the prior was, and

    Var(sum_i w_i f_i)  <=  sum_ij w_i s_i C_ij s_j w_j

with the posterior sigmas s and the *prior's* correlations C. It holds with equality where nothing was measured. It is
no theorem (measuring a difference of two makes their errors more alike): docs/query.md shows how far it is off.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg

from pipeline.errors import SizeError
from pipeline.grid import Grid
from pipeline.inversion import Correlation, Temporal, time_correlation

#: 240 MB, three times over
MOST_NUMBERS = 30_000_000
#: cells whose hours are smoothed at once, and hours whose maps are
_CELLS, _HOURS = 2048, 64


def require_numbers(hours: int, cells: int) -> None:
    """Raise unless the sigmas of so many hours and cells can be summed at once.

    Raises
    ------
    SizeError
        For more numbers than `MOST_NUMBERS`.
    """
    if hours * cells > MOST_NUMBERS:
        raise SizeError(
            f"a sum with its sigma may have {MOST_NUMBERS:.0e} numbers of a field",
            got=f"{hours} hours of {cells} cells",
            remedy=f"ask for parts of {MOST_NUMBERS // cells} hours (--freq month), or for a declared region",
            where="period",
        )


def variance_in_time(sigma: np.ndarray, places: np.ndarray, correlation: Correlation) -> np.ndarray:
    """Return sum_tt' s_t T(t - t') s_t' of series: (...).

    Parameters
    ----------
    sigma : (hour, ...)
        Of each hour.
    places : (hour,) int
        Hours since some hour, ascending; where there is none, nothing is counted.
    correlation
        Between hours.
    """
    dense = _dense(sigma, places)
    return np.einsum("t...,t...->...", dense, _smoothed(dense, correlation))


class Patch:
    """Some cells of a grid, and how the prior errors of one sector are correlated between them.

    Parameters
    ----------
    grid
        Of the store.
    cells : (cell,) int
        Flat indices on it.
    correlation
        Between cells and hours.
    """

    def __init__(self, grid: Grid, cells: np.ndarray, correlation: Correlation) -> None:
        # an isotropic correlation is periodic on a grid much larger than its length: the whole one
        separable = correlation.kind == "separable"
        self._part, self._inside = _cropped(grid, cells) if separable else (grid, cells)
        self._correlation = correlation
        self._spatial = correlation.covariance(np.ones((1, *self._part.shape)), self._part).spatial

    def variance(self, weighted: np.ndarray, places: np.ndarray) -> float:
        """Return sum_ij w_i s_i C_ij s_j w_j over hours and cells.

        Parameters
        ----------
        weighted : (hour, cell) float
            w s.
        places : (hour,) int
            Hours since some hour, ascending.
        """
        dense = _dense(weighted, places)
        return max(float(self._products(dense, _smoothed(dense, self._correlation)).sum()), 0.0)

    def variance_of_hours(self, weighted: np.ndarray) -> np.ndarray:
        """Return the same of each hour alone, (hour,), for w s : (hour, cell)."""
        return np.maximum(self._products(weighted, weighted), 0.0)

    def _products(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return l^T C r of each hour: (hour,)."""
        out = np.zeros(left.shape[0])
        for first in range(0, out.size, _HOURS):
            block = left[first : first + _HOURS]
            maps = np.zeros((block.shape[0], self._part.size))
            maps[:, self._inside] = block
            spread = self._spatial.apply(maps.reshape(-1, *self._part.shape)).reshape(block.shape[0], -1)
            out[first : first + _HOURS] = np.einsum("hc,hc->h", spread[:, self._inside], right[first : first + _HOURS])
        return out


def _dense(series: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return a series with zeros in its gaps."""
    dense = np.zeros((int(places[-1] - places[0]) + 1, *series.shape[1:]))
    dense[places - places[0]] = series
    return dense


def _smoothed(dense: np.ndarray, correlation: Correlation) -> np.ndarray:
    """Return T s along the first axis."""
    if dense.shape[0] == 1:
        return dense
    flat = dense.reshape(dense.shape[0], -1)
    if correlation.daily is None:
        out = np.array(flat, order="C")
        Temporal(dense.shape[0], correlation.hours).apply(out)
    else:
        column = time_correlation(np.arange(dense.shape[0]), correlation.hours, correlation.daily)
        out = np.empty_like(flat)
        for first in range(0, flat.shape[1], _CELLS):
            out[:, first : first + _CELLS] = scipy.linalg.matmul_toeplitz(column, flat[:, first : first + _CELLS])
    return out.reshape(dense.shape)


def _cropped(grid: Grid, cells: np.ndarray) -> tuple[Grid, np.ndarray]:
    """Return the part of a grid around some cells, and their flat indices in it."""
    y, x = np.divmod(cells, grid.nx)
    south, north, west, east = y.min(), y.max(), x.min(), x.max()
    part = Grid(grid.crs, grid.x_edges[west : east + 2], grid.y_edges[south : north + 2])
    return part, (y - south) * part.nx + (x - west)
