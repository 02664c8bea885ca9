"""Diagnostics of every run, all in closed form (science.md section 3).

reduced chi2 = d^T K^-1 d / m (1 when the stated errors are right); degrees of freedom for signal
tr(H Q H^T K^-1), and likewise of the background (Rodgers 2000, eq. 2.56); leave-group-out prediction
r_g = [(K^-1)_gg]^-1 (K^-1 d)_g with covariance [(K^-1)_gg]^-1: the residual the group would have, had it been left
out (the block form of Craven and Wahba 1979).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from pipeline.inversion.solve import Solution
from pipeline.units import Species


@dataclass(frozen=True)
class Summary:
    """Scalars of one run; mole fractions in the species' unit."""

    observations: int
    chi2: float
    dofs_flux: float
    dofs_background: float
    prior_bias: float
    prior_rmse: float
    posterior_bias: float
    posterior_rmse: float
    left_out_rmse: float
    left_out_sigma: float


def summarise(solution: Solution, left_out: tuple[np.ndarray, np.ndarray]) -> Summary:
    """Return the scalars; `left_out` is what `leave_out` returned."""
    problem = solution.problem
    residual = problem.value - solution.mole_fraction
    error, sigma = left_out
    return Summary(
        observations=problem.value.size,
        chi2=float(solution.innovation @ solution.weights / problem.value.size),
        dofs_flux=float(np.sum(solution.signal * solution.inverse)),
        dofs_background=float(np.sum(problem.background_covariance * solution.inverse)),
        prior_bias=float(solution.innovation.mean()),
        prior_rmse=rms(solution.innovation),
        posterior_bias=float(residual.mean()),
        posterior_rmse=rms(residual),
        left_out_rmse=rms(error),
        left_out_sigma=rms(sigma),
    )


def leave_out(solution: Solution, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (residual, sigma) of each observation predicted without its whole group.

    Parameters
    ----------
    group : (m,)
        Label of each observation, see `pipeline.inversion.result.leave_out_groups`.

    Returns
    -------
    residual, sigma: (m,) float64, mole-fraction unit
    """
    residual, sigma = np.empty(group.size), np.empty(group.size)
    for name in np.unique(group):
        rows = np.flatnonzero(group == name)
        covariance = scipy.linalg.inv(solution.inverse[np.ix_(rows, rows)])
        residual[rows] = covariance @ solution.weights[rows]
        sigma[rows] = np.sqrt(np.diag(covariance))
    return residual, sigma


def constraint_notes(solution: Solution, gas: Species) -> list[str]:
    """Return a sentence when errors of the background move an observation more than those of the prior fluxes do.

    Both are root mean squares over the observations: of sqrt(diag(H Q H^T)) and of sqrt(diag(B)).
    """
    flux = float(np.sqrt(np.mean(np.diag(solution.signal))))
    carried = float(np.sqrt(np.mean(np.diag(solution.problem.background_covariance))))
    if flux >= carried:
        return []
    return [
        f"the background dominates: errors of the prior fluxes move an observation by {flux:.3g} "
        f"{gas.mole_fraction_unit}, those of the background by {carried:.3g} {gas.mole_fraction_unit}; "
        "the fluxes are little constrained"
    ]


def rms(values: np.ndarray) -> float:
    """Root mean square.

    Examples
    --------
    >>> rms(np.array([3.0, -4.0, 0.0, 0.0]))
    2.5
    """
    return float(np.sqrt(np.mean(np.square(values))))
