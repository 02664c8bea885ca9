"""The linear Gaussian problem in plain arrays: everything the solution needs, nothing it does not.

y = b + sum_k H f_k + e_b + e,   f_k ~ N(f_k^a, Q_k),   e_b ~ N(0, B),   e ~ N(0, R)      (science.md 1 and 2)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from pipeline.errors import SolverError
from pipeline.inversion.covariance import SeparableCovariance


@dataclass(frozen=True, eq=False)
class Problem:
    """One window's inversion.

    Parameters
    ----------
    value : (m,) float64
        Observed mole fractions y.
    variance : (m,) float64
        Diagonal of R: measurement and representation error variance.
    background : (m,) float64
        Prior background b.
    background_covariance : (m, m) float64
        Covariance B of the background error between observations.
    footprint : csr_array (m, time * y * x)
        H, the same for each sector.
    prior : (sector, time, y, x) float64
        Prior mean fluxes f^a.
    covariances : one `SeparableCovariance` per sector
        Q_k; errors of different sectors are uncorrelated.
    """

    value: np.ndarray
    variance: np.ndarray
    background: np.ndarray
    background_covariance: np.ndarray
    footprint: scipy.sparse.csr_array
    prior: np.ndarray
    covariances: tuple[SeparableCovariance, ...]

    def __post_init__(self) -> None:
        m = self.value.size
        sizes = {
            "variance": self.variance.shape == (m,),
            "background": self.background.shape == (m,),
            "background_covariance": self.background_covariance.shape == (m, m),
            "footprint": self.footprint.shape == (m, self.prior[0].size),
            "covariances": [c.shape for c in self.covariances] == [self.prior.shape[1:]] * self.prior.shape[0],
        }
        for name, fits in sizes.items():
            if not fits:
                raise SolverError(
                    "sizes must agree",
                    got=f"{name} against {m} observations and prior {self.prior.shape}",
                    remedy="align first",
                    where=name,
                )
        if m == 0:
            raise SolverError(
                "there must be observations", got=0, remedy="see the account of rejected rows", where="value"
            )
        for name in ("value", "variance", "background", "prior"):
            if not np.all(np.isfinite(getattr(self, name))):
                raise SolverError(
                    "values must be finite", got="NaN or infinity", remedy="reject such rows at ingest", where=name
                )
        if np.any(self.variance <= 0):
            raise SolverError(
                "every observation needs a positive error",
                got=float(self.variance.min()),
                remedy="set uncertainty or representation_error",
                where="variance",
            )

    @property
    def state_shape(self) -> tuple[int, int, int]:
        """(time, y, x)."""
        return self.covariances[0].shape

    def project(self, flux: np.ndarray) -> np.ndarray:
        """Return sum_k H f_k for flux : (..., sector, time, y, x), as (..., m)."""
        total = flux.sum(axis=-4)
        flat = total.reshape(-1, self.footprint.shape[1])
        return np.ascontiguousarray((self.footprint @ flat.T).T).reshape(*total.shape[:-3], self.value.size)

    def spread(self, weights: np.ndarray) -> np.ndarray:
        """Return H^T w for w : (..., m), as (..., time, y, x); the adjoint of `project` for one sector."""
        flat = weights.reshape(-1, self.value.size)
        return np.ascontiguousarray((self.footprint.T @ flat.T).T).reshape(*weights.shape[:-1], *self.state_shape)

    def prior_mole_fraction(self) -> np.ndarray:
        """Return b + H f^a, (m,)."""
        return self.background + self.project(self.prior)
