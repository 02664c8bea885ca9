"""Diagnostics of every run, all in closed form.

reduced chi2 = d^T K^-1 d / m (1 when the stated errors are right); degrees of freedom for signal tr(H Q H^T K^-1), and
likewise of the background and of sensor offsets (Rodgers 2000, eq. 2.56); leave-group-out prediction
r_g = [(K^-1)_gg]^-1 (K^-1 d)_g with covariance [(K^-1)_gg]^-1: the residual the group would have, had it been left
out (the block form of Craven and Wahba 1979). Its chi2, r_g^T (K^-1)_gg r_g / m_g, says whether a group agrees with
all the others within what is stated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from pipeline.inversion.solve import Solution
from pipeline.schema import instruments, is_single
from pipeline.units import Species

#: diagnostics of every run, in the order they are shown
DIAGNOSTICS = {
    "observations": "observations used",
    "chi2": "reduced chi2: 1 when the stated errors are right",
    "dofs_flux": "degrees of freedom for signal of the fluxes",
    "dofs_background": "degrees of freedom for signal of the background",
    "dofs_offset": "degrees of freedom for signal of sensor offsets",
    "prior_bias": "mean of observed minus prior",
    "prior_rmse": "root mean square of observed minus prior",
    "posterior_bias": "mean of observed minus posterior",
    "posterior_rmse": "root mean square of observed minus posterior",
    "left_out_rmse": "root mean square of observed minus predicted without the observation's group",
    "left_out_sigma": "root mean square of the stated uncertainty of that",
}


@dataclass(frozen=True, eq=False)
class LeftOut:
    """What every observation's group says of it when the group is left out.

    Parameters
    ----------
    residual, sigma : (m,) float64
        Observed minus predicted, and its stated uncertainty; the observation's unit.
    chi2 : (group,) float64
        r_g^T (K^-1)_gg r_g / m_g, groups in the order of their sorted labels.
    """

    residual: np.ndarray
    sigma: np.ndarray
    chi2: np.ndarray


@dataclass(frozen=True)
class Summary:
    """Scalars of one run; mole fractions in the species' unit, of observations of air alone."""

    observations: int
    chi2: float
    dofs_flux: float
    dofs_background: float
    dofs_offset: float
    prior_bias: float
    prior_rmse: float
    posterior_bias: float
    posterior_rmse: float
    left_out_rmse: float
    left_out_sigma: float


def summarise(solution: Solution, inverse: np.ndarray, left_out: LeftOut, air: np.ndarray) -> Summary:
    """Return the scalars.

    Parameters
    ----------
    solution
        The solved window.
    inverse : (m, m)
        K^-1, lower triangle (`Factor.inverse`).
    left_out
        Of `leave_out`.
    air : (m,) bool
        Observations of air, which share one unit.
    """
    problem = solution.problem
    residual = (problem.value - solution.modelled)[air]
    innovation = solution.prior_residual[air]
    shared = {error.name: error.trace_with(inverse) for error in problem.errors}
    # tr(K K^-1) = m is shared out among signal, shared errors and noise
    noise = float(problem.variance @ np.diagonal(inverse))
    return Summary(
        observations=problem.value.size,
        chi2=float(solution.innovation @ solution.weights / problem.value.size),
        dofs_flux=problem.value.size - sum(shared.values()) - noise,
        dofs_background=shared.get("background", 0.0),
        dofs_offset=shared.get("offset", 0.0),
        prior_bias=float(innovation.mean()),
        prior_rmse=rms(innovation),
        posterior_bias=float(residual.mean()),
        posterior_rmse=rms(residual),
        left_out_rmse=rms(left_out.residual[air]),
        left_out_sigma=rms(left_out.sigma[air]),
    )


def leave_out(solution: Solution, inverse: np.ndarray, group: np.ndarray) -> LeftOut:
    """Return what each observation would be, predicted without its whole group.

    Parameters
    ----------
    solution
        The solved window.
    inverse : (m, m)
        K^-1, lower triangle (`Factor.inverse`).
    group : (m,)
        Label of each observation.
    """
    residual, sigma = np.empty(group.size), np.empty(group.size)
    names, label = np.unique(group, return_inverse=True)
    chi2 = np.empty(names.size)
    for number in range(names.size):
        rows = np.flatnonzero(label == number)
        block = np.tril(inverse[np.ix_(rows, rows)])
        block += np.tril(block, -1).T
        covariance = scipy.linalg.inv(block)
        residual[rows] = covariance @ solution.weights[rows]
        sigma[rows] = np.sqrt(np.diag(covariance))
        chi2[number] = residual[rows] @ solution.weights[rows] / rows.size
    return LeftOut(residual, sigma, chi2)


def constraint_notes(solution: Solution, gas: Species) -> list[str]:
    """Return a sentence when errors of the background move an observation more than those of the prior fluxes do.

    Both are root mean squares over the observations of air: of sqrt(diag(H Q H^T)) and of sqrt(diag(B)).
    """
    background = sum(e.sigma**2 for e in solution.problem.errors if e.name == "background")
    air = np.asarray(background) > 0
    flux, carried = (float(np.sqrt(np.mean(v[air]))) for v in (solution.signal_variance, np.asarray(background)))
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


def leave_out_groups(station: np.ndarray, platform: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Return the group of each observation: its station, a satellite's overpass, or the hour of a drive.

    An overpass is an hour of soundings: without one of them, its neighbours would tell the same, and so it is with the
    segments of a drive. When there is one group only, its UTC days are the groups.

    Parameters
    ----------
    station, platform, time : (m,)
        Of each observation.
    """
    hour = np.datetime_as_string(time, unit="h")
    overpass = np.where(is_single(platform), np.char.add(" ", hour), "")
    group = np.char.add(instruments(station, platform), overpass)
    if np.unique(group).size > 1:
        return group
    return np.datetime_as_string(time, unit="D")
