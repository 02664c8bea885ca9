"""What a result says when sectors are log-normal: means and sigmas of the members, the rest of the linear solution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from pipeline.errors import SolverError
from pipeline.inversion.lognormal import LARGEST, Found, LogProblem
from pipeline.inversion.lognormal_chain import Chain
from pipeline.inversion.result_regions import Report
from pipeline.inversion.solve import Solution
from pipeline.settings import Settings

Variables = dict[str, Any]

#: share of accepted trajectories below which the members are not worth their name
_ENOUGH = 0.3
#: what stays of the linear solution, and what is written after its name
_LINEAR = (
    "region_posterior_covariance", "region_hourly_posterior_covariance", "region_averaging_kernel",
)  # fmt: skip
_SAID = " (of the solution linearised about the mean)"


@dataclass(frozen=True, eq=False)
class LogRun:
    """A window with log-normal sectors: the problem, and how the iteration to its linear solution ended."""

    log: LogProblem
    found: Found

    def notes(self, names: list[str]) -> list[str]:
        """Return what a reader should know of it.

        Parameters
        ----------
        names
            Of the sectors.
        """
        log, found = self.log, self.found
        listed = ", ".join(name for name, is_log in zip(names, log.log, strict=True) if is_log)
        ended = "" if found.converged else "; it had not converged: raise solver.iterations"
        notes = [
            f"log-normal: {listed}; linearised about the mean in {found.iterations} iteration(s), the last of which "
            f"changed the cost by {100 * found.change:.2g} %{ended}",
            "posterior mean and sigma of fluxes, totals and observations are those of the members (and so is the prior "
            "sigma of totals); covariances, averaging kernels, chi2, degrees of freedom and left-out residuals are of "
            "the linear solution",
        ]
        return notes + [
            f"{name}: {share:.1%} of the stated prior variance is left out: where the prior is 0 the flux stays 0, and "
            f"sigma of its logarithm is at most {LARGEST:g}"
            for name, share in zip(names, log.dropped.tolist(), strict=True)
            if share > 1e-3
        ]


class _Moments:
    """Mean and sigma of arrays that come one by one, about a value near their mean."""

    def __init__(self, about: np.ndarray) -> None:
        self._about, self._count = about, 0
        self._sum, self._square = np.zeros_like(about), np.zeros_like(about)

    def add(self, values: np.ndarray) -> None:
        """Take in one."""
        apart = values - self._about
        self._sum += apart
        self._square += np.square(apart)
        self._count += 1

    @property
    def mean(self) -> np.ndarray:
        """Mean of what came."""
        return np.asarray(self._about + self._sum / self._count)

    @property
    def sigma(self) -> np.ndarray:
        """Standard deviation of what came."""
        variance = (self._square - np.square(self._sum) / self._count) / max(1, self._count - 1)
        return np.sqrt(np.maximum(variance, 0))


@dataclass(frozen=True, eq=False)
class Sampled(Solution):
    """The linear solution, and what the members say in its place.

    Parameters
    ----------
    run
        The window.
    mean, std : (sector, time, y, x)
        Of the members' fluxes.
    drawn_weights : (m,)
        Mean of E^-1 (y - b - H f).
    kept : (member, sector, time, y, x) or None
        The members' deviations from the mean.
    totals_drawn, prior_totals_drawn : (member, sector, region, period)
        Totals of the members and of draws of the prior.
    hourly_std, prior_hourly_std : (sector, region, time)
        Sigma of hourly totals.
    accepted
        Share of trajectories accepted.
    """

    run: LogRun
    mean: np.ndarray
    std: np.ndarray
    drawn_weights: np.ndarray
    kept: np.ndarray | None
    totals_drawn: np.ndarray
    prior_totals_drawn: np.ndarray
    hourly_std: np.ndarray
    prior_hourly_std: np.ndarray
    accepted: float

    @property
    def flux(self) -> np.ndarray:
        """Mean of the members, (sector, time, y, x)."""
        return self.mean

    @property
    def prior_residual(self) -> np.ndarray:
        """Observed minus what the stated prior says, (m,)."""
        return np.asarray(self.problem.value - self.run.log.problem.prior_value())

    @property
    def stated_prior(self) -> np.ndarray:
        """Prior mean fluxes as they were stated, not as they were linearised, (sector, time, y, x)."""
        return self.run.log.problem.prior

    @property
    def mean_weights(self) -> np.ndarray:
        """Weights of the members' mean, (m,)."""
        return self.drawn_weights


def sample(
    settings: Settings, run: LogRun, solution: Solution, report: Report, progress: Callable[[int], None] | None
) -> Sampled:
    """Return the solution as the members have it.

    Parameters
    ----------
    settings
        Members, seed.
    run, solution
        Of `solve_log`.
    report
        Regions and periods.
    progress
        Called with the number of members done.

    Raises
    ------
    SolverError
        When too few trajectories are accepted for the members to be draws of the posterior.
    """
    log, count, about = run.log, settings.solver.members, run.found.point.flux
    kept = np.empty((count, *about.shape), np.float32) if settings.outputs.ensemble else None
    flux, weights, seen = _Moments(about), _Moments(solution.weights), _Moments(np.zeros_like(solution.weights))
    hourly = [_Moments(_hourly(report, field)) for field in (about, log.problem.prior)]
    drawn: list[tuple[np.ndarray, np.ndarray]] = []
    accepted = 0
    for j, member in enumerate(Chain(log, solution, about, settings.solver.seed).members(count)):
        flux.add(member.flux)
        weights.add(member.weights)
        seen.add(log.problem.project(member.prior - log.problem.prior))
        for moments, field in zip(hourly, (member.flux, member.prior), strict=True):
            moments.add(_hourly(report, field))
        drawn.append((report.totals_of(member.flux), report.totals_of(member.prior)))
        accepted += member.accepted
        if kept is not None:
            kept[j] = member.flux
        if progress is not None:
            progress(j + 1)
    _require_moving(accepted / count)
    mean = flux.mean
    if kept is not None:
        kept -= mean
    linear = {field.name: getattr(solution, field.name) for field in fields(Solution)}
    return Sampled(
        **{**linear, "signal_variance": seen.sigma**2},
        run=run,
        mean=mean,
        std=flux.sigma,
        drawn_weights=weights.mean,
        kept=kept,
        totals_drawn=np.array([totals for totals, _ in drawn]),
        prior_totals_drawn=np.array([totals for _, totals in drawn]),
        hourly_std=hourly[0].sigma,
        prior_hourly_std=hourly[1].sigma,
        accepted=accepted / count,
    )


def of_members(sampled: Sampled, report: Report, variables: Variables) -> Variables:
    """Return the variables that the members, or the stated prior, give instead of the linear solution.

    Parameters
    ----------
    sampled
        Of `sample`.
    report
        Regions and periods.
    variables
        Of the linear solution: dims and attributes stay.
    """
    log = sampled.run.log
    drawn, prior = sampled.totals_drawn, sampled.prior_totals_drawn
    values = {
        "flux_prior": log.problem.prior,
        "flux_prior_std": log.prior_std,
        "region_prior": report.totals_of(log.problem.prior),
        "region_prior_std": prior.std(axis=0, ddof=1),
        "region_posterior": drawn.mean(axis=0),
        "region_posterior_std": drawn.std(axis=0, ddof=1),
        "region_net_prior_std": prior.sum(axis=1).std(axis=0, ddof=1),
        "region_net_posterior_std": drawn.sum(axis=1).std(axis=0, ddof=1),
        "region_ensemble": drawn,
        "region_hourly_prior": _hourly(report, log.problem.prior),
        "region_hourly_prior_std": sampled.prior_hourly_std,
        "region_hourly_posterior": _hourly(report, sampled.mean),
        "region_hourly_posterior_std": sampled.hourly_std,
    }
    found = {
        name: (variables[name][0], value, variables[name][2]) for name, value in values.items() if name in variables
    }
    for name in (name for name in _LINEAR if name in variables):
        dims, value, attrs = variables[name]
        found[name] = (dims, value, {**attrs, "long_name": attrs["long_name"] + _SAID})
    return found


def _hourly(report: Report, flux: np.ndarray) -> np.ndarray:
    """Return the totals of every region and hour, (sector, region, time)."""
    return np.stack([report.weights @ field.reshape(field.shape[0], -1).T for field in flux])


def _require_moving(accepted: float) -> None:
    if accepted < _ENOUGH:
        raise SolverError(
            f"at least {_ENOUGH:.0%} of the chain's trajectories must be accepted",
            got=f"{accepted:.0%}",
            remedy="the log-normal sector's sigma is too wide for so exact observations: lower sigma_fraction, raise "
            'representation_error, or set distribution = "normal"',
            where="sectors",
        )
