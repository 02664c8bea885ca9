"""The linear Gaussian problem in plain arrays: everything the solution needs, nothing it does not.

y = b + sum_k H_k f_k + e_b + beta + e,  f_k ~ N(f_k^a, Q_k),  e_b ~ N(0, B),  beta ~ N(0, S),  e ~ N(0, R)
(docs/method.md). H_k is H with each row multiplied by how much its observation sees of sector k: 1 for air, 0 or 1
for a flux measured at a tower.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse

from pipeline.errors import SolverError
from pipeline.inversion.correlated import CorrelatedError
from pipeline.inversion.covariance import Covariance
from pipeline.inversion.cross import Span
from pipeline.inversion.rows import Rows, rows_of


@dataclass(frozen=True, eq=False)
class Problem:
    """One window's inversion.

    Parameters
    ----------
    value : (m,) float64
        Observations y, each in its own unit. Sorted by time.
    variance : (m,) float64
        Diagonal of R: measurement and representation error variance.
    background : (m,) float64
        What the model says without fluxes: prior background b.
    errors
        Errors that observations share: of the background, of sensors.
    footprint : csr_array (m, time * y * x)
        H, indices in order, in the precision of the covariances.
    prior : (sector, time, y, x)
        Prior mean fluxes f^a.
    covariances : one `Covariance` per sector
        Q_k; errors of different sectors are uncorrelated.
    share : (sector, m) or None
        How much each observation sees of each sector; 1 when not given.
    span : (m,) hours or None
        First and last hour a row of H may reach; see `pipeline.inversion.cross`. From the entries when not given.
    """

    value: np.ndarray
    variance: np.ndarray
    background: np.ndarray
    errors: tuple[CorrelatedError, ...]
    footprint: scipy.sparse.csr_array
    prior: np.ndarray
    covariances: tuple[Covariance, ...]
    share: np.ndarray | None = None
    span: Span | None = None

    def __post_init__(self) -> None:
        m = self.value.size
        sizes = {
            "variance": self.variance.shape == (m,),
            "background": self.background.shape == (m,),
            "errors": all(e.sigma.shape == e.hours.shape == e.group.shape == (m,) for e in self.errors),
            "footprint": self.footprint.shape == (m, self.prior[0].size),
            "covariances": [c.shape for c in self.covariances] == [self.prior.shape[1:]] * self.prior.shape[0],
            "share": self.share is None or self.share.shape == (self.prior.shape[0], m),
            "span": self.span is None or self.span.first.shape == self.span.last.shape == (m,),
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
        if self.span is not None:
            first, last = self.rows.span
            astray = (last >= 0) & ((first < self.span.first) | (last > self.span.last))
            if astray.any():
                raise SolverError(
                    "footprints must lie within their hours",
                    got=f"{int(astray.sum())} that do not",
                    remedy="give the hours they may reach",
                    where="span",
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

    @cached_property
    def rows(self) -> Rows:
        """H, cut into hours."""
        return rows_of(self.footprint, self.state_shape[0])

    def take(self, kept: np.ndarray) -> Problem:
        """Return the problem of some observations only, in the order given."""
        if np.array_equal(kept, np.arange(self.value.size)):
            return self
        return replace(
            self,
            value=self.value[kept],
            variance=self.variance[kept],
            background=self.background[kept],
            errors=tuple(error.take(kept) for error in self.errors),
            footprint=self.footprint[kept],
            share=None if self.share is None else self.share[:, kept],
            span=None if self.span is None else Span(self.span.first[kept], self.span.last[kept]),
        )

    def sector_rows(self, sector: int) -> Rows:
        """Return H_k D_k."""
        return self.rows.scaled(self.covariances[sector].sigma, None if self.share is None else self.share[sector])

    def project(self, flux: np.ndarray) -> np.ndarray:
        """Return sum_k H_k f_k for flux : (sector, time, y, x), as (m,) float64."""
        out = self.rows.times(flux.sum(axis=0))
        if self.share is not None:
            out *= self.share[0]
            at, rows = self._apart
            if at.size:
                seen = self.share[:, at]
                out[at] = np.sum([share * rows.times(part) for share, part in zip(seen, flux, strict=True)], axis=0)
        return out

    def spread(self, weights: np.ndarray, sector: int) -> np.ndarray:
        """Return H_k^T w for w : (m,), as (time, y, x); the adjoint of `project` for one sector."""
        seen = weights if self.share is None else weights * self.share[sector]
        return self.rows.spread(seen, self.dtype).reshape(self.state_shape)

    def spreads(self, weights: np.ndarray) -> list[np.ndarray]:
        """Return `spread` for every sector; rows that see all sectors alike are read once."""
        sectors = range(len(self.covariances))
        if self.share is None:
            return [self.spread(weights, 0)] * len(sectors)
        at, rows = self._apart
        alike = weights * self.share[0]
        alike[at] = 0.0
        common = self.rows.spread(alike, self.dtype)
        own = [rows.spread(weights[at] * self.share[k, at], self.dtype) for k in sectors]
        return [(common + part).reshape(self.state_shape) for part in own]

    @property
    def dtype(self) -> np.dtype:
        """Precision of fields."""
        return self.covariances[0].dtype

    @cached_property
    def _apart(self) -> tuple[np.ndarray, Rows]:
        """Places of the rows that do not see all sectors alike, and these rows."""
        assert self.share is not None
        at = np.flatnonzero((self.share != self.share[0]).any(axis=0))
        return at, self.rows.take(at)

    def correction(self, weights: np.ndarray) -> np.ndarray:
        """Return Q_k H_k^T w of every sector, (sector, time, y, x), for w : (m,)."""
        return np.stack([c.apply(part) for c, part in zip(self.covariances, self.spreads(weights), strict=True)])

    def correction_at(self, weights: np.ndarray, hours: np.ndarray) -> np.ndarray:
        """Return `correction` at some hours only, (sector, hour, y, x)."""
        parts = self.spreads(weights)
        return np.stack([c.apply_at(part, hours) for c, part in zip(self.covariances, parts, strict=True)])

    def prior_value(self) -> np.ndarray:
        """Return what the prior says of each observation, b + sum_k H_k f_k^a, (m,)."""
        return self.background + self.project(self.prior)
