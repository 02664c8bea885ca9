"""Prior error covariance of one sector as an operator: Q = D (T (x) S) D, T between hours, S between cells.

Nothing of size n x n is formed. With the root R = D F_T F_S the covariance is Q = R R^T, so a draw of N(0, Q) is R w,
w ~ N(0, I), and Q is symmetric and positive by construction. Fields are in the precision of sigma.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.errors import SolverError
from pipeline.grid import Grid
from pipeline.inversion.nested import Nested
from pipeline.inversion.spatial import Shape, Spatial, spatial_correlation
from pipeline.inversion.temporal import Temporal


@dataclass(frozen=True, eq=False)
class Covariance:
    """Covariance of one sector's flux error.

    Parameters
    ----------
    sigma : (time, y, x) float32 or float64
        Prior standard deviation, flux unit; zero where the flux is certain. Its precision is that of all products.
    temporal
        T.
    spatial
        S.
    """

    sigma: np.ndarray
    temporal: Temporal
    spatial: Spatial

    def __post_init__(self) -> None:
        if self.temporal.count != self.sigma.shape[0]:
            raise SolverError(
                "sizes must agree",
                got=f"{self.temporal.count} hours of correlation for {self.sigma.shape}",
                remedy="align first",
                where="covariance",
            )
        if not np.all(np.isfinite(self.sigma)) or np.any(self.sigma < 0):
            raise SolverError(
                "standard deviations must be finite and not negative",
                got=f"{int(np.sum(~np.isfinite(self.sigma) | (self.sigma < 0)))} bad values",
                remedy="check the prior flux and sigma_fraction",
                where="covariance",
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(time, y, x)."""
        hours, ny, nx = self.sigma.shape
        return hours, ny, nx

    @property
    def dtype(self) -> np.dtype:
        """Precision of all products."""
        return self.sigma.dtype

    @property
    def white_shape(self) -> tuple[int, int, int]:
        """Shape of what `sqrt_apply` is applied to."""
        return (self.shape[0], *self.spatial.white_shape)

    def sqrt_apply(self, white: np.ndarray) -> np.ndarray:
        """Return R w for w : (..., *white_shape), as (..., time, y, x); w is left unchanged."""
        flat = np.array(white, dtype=self.dtype, order="C").reshape(-1, *self.spatial.white_shape)
        out = self.spatial.root(flat).reshape(-1, self.shape[0], self.shape[1] * self.shape[2])
        for part in out:
            self.temporal.root(part)
        field = out.reshape(*white.shape[:-3], *self.shape)
        field *= self.sigma
        return field

    def sqrt_adjoint(self, field: np.ndarray) -> np.ndarray:
        """Return R^T v for v : (..., time, y, x); the adjoint of `sqrt_apply`."""
        out = self._scaled(field)
        for part in out:
            self.temporal.root_adjoint(part)
        maps = self.spatial.root_adjoint(out.reshape(-1, *self.shape[1:]))
        return maps.reshape(*field.shape[:-3], *self.white_shape)

    def apply(self, field: np.ndarray) -> np.ndarray:
        """Return Q v for v : (..., time, y, x), flux unit squared times v's."""
        out = self._scaled(field)
        for part in out:
            self.temporal.apply(part)
        maps = self.spatial.apply(out.reshape(-1, *self.shape[1:]))
        return maps.reshape(field.shape) * self.sigma

    def apply_at(self, field: np.ndarray, hours: np.ndarray) -> np.ndarray:
        """Return Q v at some hours only, (hour, y, x), for v : (time, y, x)."""
        scaled = self._scaled(field)[0]
        weighted = self.temporal.matrix[hours].astype(self.dtype) @ scaled
        return self.spatial.apply(weighted.reshape(-1, *self.shape[1:])) * self.sigma[hours]

    def draw(self, random: np.random.Generator) -> np.ndarray:
        """Return a draw of N(0, Q), (time, y, x)."""
        return self.sqrt_apply(self.white(random))

    def white(self, random: np.random.Generator) -> np.ndarray:
        """Return a draw of N(0, I) for `sqrt_apply`, `white_shape`."""
        return random.standard_normal(self.white_shape, dtype=self.dtype)

    def _scaled(self, field: np.ndarray) -> np.ndarray:
        """Return D v as new memory, (batch, time, y * x)."""
        scaled = np.multiply(field, self.sigma, dtype=self.dtype)
        return scaled.reshape(-1, self.shape[0], self.shape[1] * self.shape[2])


def sector_covariance(
    sigma: np.ndarray,
    grid: Grid,
    *,
    length: float,
    hours: float,
    daily: float | None = None,
    kind: Shape = "separable",
    wide: tuple[float, float] | None = None,
) -> Covariance:
    """Return the covariance of one sector on a grid.

    Parameters
    ----------
    sigma : (time, y, x)
        Prior standard deviation of hourly fluxes; float32 or float64.
    grid
        Gives the distances between cells.
    length
        e-folding distance, km.
    hours
        e-folding time, hours.
    daily
        Width of the same-hour-of-day term, hours; None for none.
    kind
        Of `spatial_correlation`.
    wide
        A longer distance, km, and its share of the variance; None for one distance.
    """
    spatial: Spatial = spatial_correlation(grid, length, kind)
    if wide is not None:
        far, share = wide
        spatial = Nested((spatial, spatial_correlation(grid, far, kind)), (1 - share, share))
    return Covariance(sigma, Temporal(sigma.shape[0], hours, daily), spatial)
