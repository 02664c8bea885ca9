"""Correlation of flux errors between cells of one hour: separable exponential, or isotropic by FFT.

Separable: exp(-|dx| / L) exp(-|dy| / L), applied exactly in O(N) by recursions along x and y. Isotropic: a function of
distance, applied exactly by embedding the grid in a periodic one on which the correlation is diagonal under the
Fourier transform (Dietrich and Newsam 1997, SIAM J. Sci. Comput. 18, 1088).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np
import pyproj
import scipy.fft

from kernels import exponential, lanes
from pipeline.errors import SolverError
from pipeline.grid import Grid

Shape = Literal["separable", "exponential", "matern", "gaussian"]

#: correlation by distance in units of the length; matern is that of order 3/2
_ISOTROPIC: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "exponential": lambda r: np.exp(-r),
    "matern": lambda r: (1.0 + np.sqrt(3.0) * r) * np.exp(-np.sqrt(3.0) * r),
    "gaussian": lambda r: np.exp(-0.5 * r * r),
}
#: the periodic grid is enlarged up to this many times; what negative eigenvalues are left must be this small a share
_LARGEST, _NEGATIVE = 8, 1e-6
#: sides of cells may differ by this share before the grid counts as uneven
_UNEVEN = 1e-2


class Spatial(Protocol):
    """Correlation C = F F^T on the maps of one grid. Arrays handed over may be overwritten and returned."""

    @property
    def white_shape(self) -> tuple[int, int]:
        """(y, x) of what F is applied to."""

    def apply(self, field: np.ndarray) -> np.ndarray:
        """Return C v for v : (outer, y, x)."""

    def root(self, white: np.ndarray) -> np.ndarray:
        """Return F w, (outer, y, x), for w : (outer, *white_shape)."""

    def root_adjoint(self, field: np.ndarray) -> np.ndarray:
        """Return F^T v, (outer, *white_shape), for v : (outer, y, x)."""

    def smooth(self, field: np.ndarray) -> None:
        """Apply C in place to maps with lanes, (y, x, LANES), in this thread alone."""


@dataclass(frozen=True, eq=False)
class Separable:
    """exp(-|dx| / L) exp(-|dy| / L) by recursions.

    Parameters
    ----------
    steps_y, steps_x : (ny - 1,), (nx - 1,) float64
        Distance between neighbours in units of the e-folding length.
    """

    steps_y: np.ndarray
    steps_x: np.ndarray

    def __post_init__(self) -> None:
        for axis, step in (("y", self.steps_y), ("x", self.steps_x)):
            if np.any(~(step > 0)):
                raise SolverError(
                    "neighbours must lie at positive distances",
                    got=f"axis {axis}: smallest step {step.min(initial=np.inf):g}",
                    remedy="check the correlation lengths and the axis",
                    where="covariance",
                )

    @property
    def white_shape(self) -> tuple[int, int]:
        """That of the maps."""
        return self.steps_y.size + 1, self.steps_x.size + 1

    def apply(self, field: np.ndarray) -> np.ndarray:
        """Return C v; see `Spatial`."""
        return self.root(self.root_adjoint(field))

    def root(self, white: np.ndarray) -> np.ndarray:
        """Return F w, F = F_Y F_X; in place."""
        return self._sweep(white, exponential.forward, (1, 0))

    def root_adjoint(self, field: np.ndarray) -> np.ndarray:
        """Return F^T v; in place."""
        return self._sweep(field, exponential.backward, (0, 1))

    def smooth(self, field: np.ndarray) -> None:
        """Apply C to maps with lanes; see `Spatial`."""
        y, x = self._cast(field.dtype)
        lanes.smooth_x(field, *x)
        lanes.smooth_y(field.reshape(field.shape[0], -1), *y)

    def axis_matrix(self, axis: int) -> np.ndarray:
        """Return the dense correlation along y (0) or x (1), float64."""
        position = np.concatenate([[0.0], np.cumsum((self.steps_y, self.steps_x)[axis])])
        return np.exp(-np.abs(position[:, None] - position[None, :]))

    def _sweep(self, field: np.ndarray, sweep: exponential.Sweep, axes: tuple[int, int]) -> np.ndarray:
        pairs = self._cast(field.dtype)
        ny, nx = self.white_shape
        views = (field.reshape(-1, ny, nx), field.reshape(-1, nx, 1))
        for axis in axes:
            sweep(views[axis], *pairs[axis])
        return field

    def _cast(self, dtype: np.dtype) -> list[tuple[np.ndarray, np.ndarray]]:
        return [(decay.astype(dtype), gain.astype(dtype)) for decay, gain in self._pairs]

    @cached_property
    def _pairs(self) -> list[tuple[np.ndarray, np.ndarray]]:
        return [exponential.coefficients(step) for step in (self.steps_y, self.steps_x)]


@dataclass(frozen=True, eq=False)
class Isotropic:
    """A function of distance on an even grid, by FFT on a periodic grid that holds it.

    Parameters
    ----------
    shape
        (ny, nx).
    steps
        Cell sides along y and x in units of the length.
    kind
        exponential, matern (of order 3/2) or gaussian.

    Raises
    ------
    SolverError
        When no periodic grid of reasonable size holds the correlation: the length is too long for the grid.
    """

    shape: tuple[int, int]
    steps: tuple[float, float]
    kind: str

    def __post_init__(self) -> None:
        _ = self.eigenvalues

    @property
    def eigenvalues(self) -> np.ndarray:
        """Of the periodic correlation, half of the plane as `scipy.fft.rfft2` has it; none is negative."""
        return self._embedding[1]

    @property
    def _sizes(self) -> tuple[int, int]:
        return self._embedding[0]

    @cached_property
    def _embedding(self) -> tuple[tuple[int, int], np.ndarray]:
        """Size and eigenvalues of the smallest periodic grid that holds the correlation."""
        factor, least = 2, 0.0
        while factor <= _LARGEST:
            sizes = (
                scipy.fft.next_fast_len(factor * self.shape[0], real=True),
                scipy.fft.next_fast_len(factor * self.shape[1], real=True),
            )
            away = [
                step * np.minimum(np.arange(size), size - np.arange(size))
                for step, size in zip(self.steps, sizes, strict=True)
            ]
            correlation = _ISOTROPIC[self.kind](np.hypot(away[0][:, None], away[1][None, :]))
            found = scipy.fft.rfft2(correlation).real
            least = float(found.min() / found.max())
            if -found[found < 0].sum() <= _NEGATIVE * np.abs(found).sum():
                return sizes, np.maximum(found, 0.0)
            factor *= 2
        raise SolverError(
            "an isotropic correlation must fit a periodic grid",
            got=f"{self.kind} over {1 / self.steps[0]:.3g} cells on {self.shape}: an eigenvalue of {least:.2g}",
            remedy="shorten sectors.length, or take the separable correlation",
            where="covariance",
        )

    @property
    def white_shape(self) -> tuple[int, int]:
        """That of the periodic grid."""
        return self._sizes

    def apply(self, field: np.ndarray) -> np.ndarray:
        """Return C v; see `Spatial`."""
        return self._filter(field, self.eigenvalues, self.shape)

    def root(self, white: np.ndarray) -> np.ndarray:
        """Return F w: the symmetric root on the periodic grid, cut to the grid."""
        return self._filter(white, np.sqrt(self.eigenvalues), self.shape)

    def root_adjoint(self, field: np.ndarray) -> np.ndarray:
        """Return F^T v: v with zeros around it, then the symmetric root."""
        return self._filter(field, np.sqrt(self.eigenvalues), self._sizes)

    def smooth(self, field: np.ndarray) -> None:
        """Apply C to maps with lanes; see `Spatial`."""
        maps = np.ascontiguousarray(np.moveaxis(field, -1, 0))
        field[:] = np.moveaxis(self.apply(maps), 0, -1)

    def _filter(self, field: np.ndarray, factor: np.ndarray, out: tuple[int, int]) -> np.ndarray:
        spectrum = scipy.fft.rfft2(field, self._sizes)
        spectrum *= factor.astype(field.dtype)
        return np.ascontiguousarray(scipy.fft.irfft2(spectrum, self._sizes)[..., : out[0], : out[1]])


def spatial_correlation(grid: Grid, length: float, kind: Shape) -> Spatial:
    """Return the correlation of a grid's maps.

    Parameters
    ----------
    grid
        Gives the distances between neighbouring centres: geodesic, along the middle row and the middle column (one
        distance per pair of columns; on a lon-lat grid that is exact on the middle row).
    length
        e-folding distance, or the length scale of matern and gaussian, km.
    kind
        separable, or an isotropic one.

    Raises
    ------
    SolverError
        For an isotropic correlation on a grid of uneven cells, or one too long for the grid.
    """
    lon, lat = grid.lonlat
    row, column = grid.ny // 2, grid.nx // 2
    along_y = _distances(lon[:, column], lat[:, column]) / (length * 1e3)
    along_x = _distances(lon[row], lat[row]) / (length * 1e3)
    if kind == "separable":
        return Separable(along_y, along_x)
    for axis, step in (("y", along_y), ("x", along_x)):
        if np.ptp(step) > _UNEVEN * step.mean():
            raise SolverError(
                "an isotropic correlation needs even cells",
                got=f"{step.min() * length:.3g} to {step.max() * length:.3g} km along {axis}",
                remedy="take the separable correlation, or a grid of even cells",
                where="covariance",
            )
    return Isotropic(grid.shape, (float(along_y.mean()), float(along_x.mean())), kind)


def _distances(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Geodesic distances between consecutive points, m."""
    _, _, distance = pyproj.Geod(ellps="WGS84").inv(lon[:-1], lat[:-1], lon[1:], lat[1:])
    return np.asarray(distance)
