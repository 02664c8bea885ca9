"""Likelihood of a window's innovations as a function of the errors' parameters, with gradient and information.

With K of `pipeline.inversion.solve`, d the innovations and X the drifts that are given away (Michalak et al. 2005,
J. Geophys. Res. 110, D24107, eq. 9-13, for the restricted likelihood; Kitanidis 1995, Water Resour. Res. 31, 2411):

    P = K^-1 - K^-1 X (X^T K^-1 X)^-1 X^T K^-1,   z = P d
    log l = -1/2 (d^T P d + log det K + log det X^T K^-1 X)
    d log l / d theta_i = 1/2 z^T K_i z - 1/2 tr(P K_i),   K_i = dK / d theta_i
    Fisher's information I_ij = 1/2 tr(P K_i P K_j)

Without drifts P = K^-1 and the last term is absent. Constants are left out; X is made orthonormal, so that log l is
that of the part of d which the drifts cannot make. theta are logarithms of factors on what the problem states.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.linalg

from pipeline.inversion.correlated import CorrelatedError
from pipeline.inversion.factor import factorise
from pipeline.inversion.problem import Problem
from pipeline.inversion.restated import Parameter, moved_covariance, moved_error
from pipeline.inversion.rows import Rows
from pipeline.inversion.slopes import Slopes, slopes

#: directions of the drifts below this share of the strongest are none
_DEPENDENT = 1e-10


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The likelihood at one place.

    Parameters
    ----------
    value
        log l, without its constants.
    gradient : (parameter,)
        Of log l by the logarithms of the factors.
    chi2
        d^T P d over its degrees of freedom.
    projection : (m, m)
        P.
    derivatives : one (m, m), or (m,) for a diagonal, per parameter
        dK / d theta.
    """

    value: float
    gradient: np.ndarray
    chi2: float
    projection: np.ndarray
    derivatives: list[np.ndarray]

    def information(self) -> np.ndarray:
        """Return Fisher's information, (parameter, parameter)."""
        products = [_times(self.projection, d) for d in self.derivatives]
        return np.array([[0.5 * float(np.vdot(a, b.T)) for b in products] for a in products])


@dataclass(frozen=True, eq=False)
class Likelihood:
    """Likelihood of the innovations of a problem.

    Parameters
    ----------
    problem
        What is stated, in double precision; thin it first (`pipeline.inversion.thinning`), all is dense here.
    sectors
        Name of each sector.
    classes : (m,) text
        Class of each observation.
    parameters
        What is sought.
    drifts : (m, q) or None
        Columns of X; None for the plain likelihood.
    threads
        0 for all cores.
    """

    problem: Problem
    sectors: tuple[str, ...]
    classes: np.ndarray
    parameters: tuple[Parameter, ...]
    drifts: np.ndarray | None = None
    threads: int = 0
    _rows: list[Rows] = field(init=False)
    _innovation: np.ndarray = field(init=False)
    _known: dict[int, tuple[tuple[float, float], Slopes]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        rows = [self.problem.sector_rows(k) for k in range(len(self.sectors))]
        object.__setattr__(self, "_rows", rows)
        object.__setattr__(self, "_innovation", self.problem.value - self.problem.prior_value())
        if self.drifts is not None:
            object.__setattr__(self, "drifts", _orthonormal(self.drifts))

    def evaluate(self, theta: np.ndarray) -> Evaluation:
        """Return the likelihood with each factor at exp(theta).

        Raises
        ------
        SolverError
            As `factorise`.
        """
        system, derivatives = self.system(theta)
        factor = factorise(system)
        lower = factor.inverse()
        projection = np.tril(lower) + np.tril(lower, -1).T
        logarithm = 2.0 * float(np.sum(np.log(np.diagonal(factor.lower))))
        degrees = self._innovation.size
        if self.drifts is not None:
            pulled = projection @ self.drifts
            inner = scipy.linalg.cho_factor(self.drifts.T @ pulled, lower=True)
            projection -= pulled @ scipy.linalg.cho_solve(inner, pulled.T)
            logarithm += 2.0 * float(np.sum(np.log(np.diagonal(inner[0]))))
            degrees -= self.drifts.shape[1]
        z = projection @ self._innovation
        fit = float(self._innovation @ z)
        gradient = np.array([_quadratic(z, d) - _trace(projection, d) for d in derivatives]) / 2.0
        return Evaluation(-0.5 * (fit + logarithm), gradient, fit / degrees, projection, derivatives)

    def system(self, theta: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Return K, (m, m), and dK / d theta of each parameter, a vector where it is a diagonal."""
        factors = dict(zip(self.parameters, np.exp(theta).tolist(), strict=True))
        found: dict[Parameter, np.ndarray] = {}
        inflated = self.problem.variance.copy()
        for name in np.unique(self.classes).tolist():
            mine = self.classes == name
            inflated[mine] *= factors.get(Parameter("inflation", name), 1.0)
            found[Parameter("inflation", name)] = np.where(mine, inflated, 0.0)
        total = np.diag(inflated)
        for k, name in enumerate(self.sectors):
            times = [factors.get(Parameter(kind, name), 1.0) for kind in ("sigma", "length", "hours")]
            part, scale = self._slopes(k, times[1], times[2]), times[0] ** 2
            total += scale * part.signal
            found[Parameter("sigma", name)] = 2.0 * scale * part.signal
            found[Parameter("hours", name)] = scale * part.by_hours
            if part.by_length is not None:
                found[Parameter("length", name)] = scale * part.by_length
        for name in dict.fromkeys(error.name for error in self.problem.errors):
            kinds = (Parameter("shared sigma", name), Parameter("shared hours", name))
            matrix, slope = _shared(
                [e for e in self.problem.errors if e.name == name], *(factors.get(kind, 1.0) for kind in kinds)
            )
            total += matrix
            found |= dict(zip(kinds, (2.0 * matrix, slope), strict=True))
        return total, [found[parameter] for parameter in self.parameters]

    def _slopes(self, sector: int, length: float, hours: float) -> Slopes:
        """Return H Q H^T of a sector and its derivatives, made anew only when length or time have moved."""
        known = self._known.get(sector)
        if known is None or known[0] != (length, hours):
            moved = moved_covariance(self.problem.covariances[sector], 1.0, length, hours)
            known = ((length, hours), slopes(self._rows[sector], moved, threads=self.threads))
            self._known[sector] = known
        return known[1]


def drifts_of(problem: Problem) -> np.ndarray:
    """Return the usual drifts, (m, 1 + sectors): one background for all, and one factor on each sector's prior."""
    shared = [error.sigma for error in problem.errors if error.name == "background"]
    parts = [_alone(problem.prior, k) for k in range(len(problem.covariances))]
    return np.stack([*shared, *(problem.project(part) for part in parts)], axis=1)


def _alone(prior: np.ndarray, sector: int) -> np.ndarray:
    out = np.zeros_like(prior)
    out[sector] = prior[sector]
    return out


def _shared(errors: list[CorrelatedError], sigma: float, hours: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the covariance of shared errors of one name, and its derivative by the logarithm of their time."""
    m = errors[0].sigma.size
    matrix, slope = np.zeros((m, m)), np.zeros((m, m))
    for error in errors:
        moved = moved_error(error, sigma, hours)
        part = np.zeros((m, m))
        moved.add_to(part)
        part = np.tril(part) + np.tril(part, -1).T
        matrix += part
        slope += part * np.abs(error.hours[:, None] - error.hours[None, :]) / moved.e_folding
    return matrix, slope


def _orthonormal(columns: np.ndarray) -> np.ndarray:
    """Return an orthonormal basis of some columns; one that is 0, or a sum of others, adds nothing."""
    size = np.linalg.norm(columns, axis=0)
    left, strength, _ = np.linalg.svd(columns[:, size > 0] / size[size > 0], full_matrices=False)
    return np.asarray(left[:, strength > _DEPENDENT * strength.max(initial=0.0)])


def _times(matrix: np.ndarray, derivative: np.ndarray) -> np.ndarray:
    """Return P K_i."""
    return np.asarray(matrix * derivative if derivative.ndim == 1 else matrix @ derivative)


def _trace(matrix: np.ndarray, derivative: np.ndarray) -> float:
    """Return tr(P K_i)."""
    return float(np.vdot(np.diagonal(matrix) if derivative.ndim == 1 else matrix, derivative))


def _quadratic(z: np.ndarray, derivative: np.ndarray) -> float:
    """Return z^T K_i z."""
    return float(z @ (derivative * z if derivative.ndim == 1 else derivative @ z))
