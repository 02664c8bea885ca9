"""The Cholesky factor of K, made where K stands: one matrix of m x m is all that is held."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from pipeline.errors import SolverError

#: K is refused above this condition number (docs/service_faults.md, fault 55)
_MAX_CONDITION = 1e12
#: rows of K looked at at once
_CHUNK = 512


@dataclass(frozen=True, eq=False)
class Factor:
    """L with L L^T = K.

    Parameters
    ----------
    lower : (m, m) float64 or float32, C order
        L in the lower triangle, diagonal included; what stands above means nothing.
    """

    lower: np.ndarray

    def cast(self, dtype: np.dtype) -> Factor:
        """Return the factor in another precision."""
        return Factor(self.lower.astype(dtype, copy=False))

    def half(self, right: np.ndarray) -> np.ndarray:
        """Return L^-1 r for r : (m, k)."""
        # the transpose of a C array is what LAPACK takes without a copy
        return np.asarray(
            scipy.linalg.solve_triangular(self.lower.T, right, trans="T", lower=False, check_finite=False)
        )

    def solve(self, right: np.ndarray) -> np.ndarray:
        """Return K^-1 r for r : (m,) or (m, k)."""
        return np.asarray(scipy.linalg.cho_solve((self.lower.T, False), right, check_finite=False))

    def inverse(self) -> np.ndarray:
        """Return K^-1 in the lower triangle of a new (m, m) float64, C order; what stands above means nothing."""
        out, status = scipy.linalg.lapack.dpotri(np.array(self.lower).T, lower=0, overwrite_c=1)
        assert status == 0
        return np.asarray(out.T)


def factorise(system: np.ndarray) -> Factor:
    """Return the factor of K, which is overwritten.

    Parameters
    ----------
    system : (m, m) float64, C order
        Lower triangle of K, diagonal included; what stands above is not read.

    Raises
    ------
    SolverError
        When K is not finite, not positive definite, or its condition number exceeds 1e12.
    """
    norm = _norm(system)
    if not np.isfinite(norm):
        # not every LAPACK ends at a NaN
        raise SolverError(
            "K = HQH' + B + S + R must be finite",
            got=f"a norm of {norm:g}",
            remedy="check the error settings and the footprints",
            where="solve",
        )
    upper, status = scipy.linalg.lapack.dpotrf(system.T, lower=0, clean=0, overwrite_a=1)
    if status != 0:
        raise SolverError(
            "K = HQH' + B + S + R must be positive definite",
            got=f"observation {status} of {system.shape[0]} fails",
            remedy="check the error settings; none may be 0",
            where="solve",
        )
    reciprocal, status = scipy.linalg.lapack.dpocon(upper, norm, uplo="U")
    if status != 0 or reciprocal * _MAX_CONDITION < 1:
        raise SolverError(
            f"the condition number of K must stay below {_MAX_CONDITION:g}",
            got=f"1/{reciprocal:g}",
            remedy="raise the smallest observation errors",
            where="solve",
        )
    return Factor(np.asarray(upper.T))


def _norm(system: np.ndarray) -> float:
    """Return the 1-norm of a symmetric matrix of which the lower triangle is given."""
    total = np.zeros(system.shape[0])
    for at in range(0, system.shape[0], _CHUNK):
        rows = np.abs(np.tril(system[at : at + _CHUNK], at))
        total[at : at + _CHUNK] += rows.sum(axis=1)
        total += rows.sum(axis=0)
        # the diagonal was counted along the row and along the column
        with np.errstate(invalid="ignore"):
            total[at : at + _CHUNK] -= rows[np.arange(rows.shape[0]), np.arange(at, at + rows.shape[0])]
    return float(total.max())
