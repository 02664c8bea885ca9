"""A result of some hours of a window only: what the hourly service keeps of it, for what these hours cost.

Numbers are those of `pipeline.inversion.result`, to the rounding of their precision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from kernels.jit import one_blas_thread
from pipeline.grid import Regions
from pipeline.inversion.assemble import Assembled
from pipeline.inversion.diagnostics import DIAGNOSTICS, leave_out, leave_out_groups, summarise
from pipeline.inversion.posterior import Spread, members_at
from pipeline.inversion.result_observed import observed_variables
from pipeline.inversion.result_regions import region_weights
from pipeline.inversion.rows import Rows
from pipeline.inversion.solve import Solution
from pipeline.inversion.totals import asked_totals, hourly_functionals
from pipeline.settings import Settings
from pipeline.units import Species, species


def functionals_of_hours(
    regions: Regions, gas: Species, hours: np.ndarray, window: int, dtype: np.dtype
) -> Rows | None:
    """Return what `signal` must be given for `posterior_of_hours`; None without regions.

    Parameters
    ----------
    regions
        Areas whose totals are reported.
    gas
        The species.
    hours
        Places in the window, ascending.
    window
        Hours of the window.
    dtype
        Precision of the covariances.
    """
    if not regions.ids:
        return None
    return hourly_functionals(region_weights(regions, gas), window, dtype, only=hours)


def posterior_of_hours(
    settings: Settings,
    regions: Regions,
    observations: xr.Dataset,
    time: np.ndarray,
    assembled: Assembled,
    solution: Solution,
    hours: np.ndarray,
    *,
    towers: xr.Dataset | None = None,
    functionals: Rows | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> xr.Dataset:
    """Return fields and totals of some hours, and everything about the observations of the window.

    Parameters
    ----------
    regions, observations, time, assembled, solution, towers
        As for `pipeline.inversion.posterior`; the sectors are normal.
    hours
        Places in `time`, ascending.
    functionals
        Of `functionals_of_hours`, with which the problem was solved.
    progress
        Called with (stage, done, of).

    Returns
    -------
    flux_prior, flux_prior_std, flux_posterior, flux_posterior_std (sector, time, y, x); region_hourly_prior,
    _prior_std, _posterior, _posterior_std (sector, region, time), region_hourly_posterior_covariance (time, sector,
    region, sector_2, region_2); obs_*, tower_obs_* and diagnostic_*; as in a whole result.
    """
    gas = species(settings.case.species)
    problem, told = solution.problem, progress or (lambda *_: None)
    spread, members = Spread(solution, hours), settings.solver.members
    with one_blas_thread():
        for number, (deviation, update) in enumerate(members_at(solution, members, settings.solver.seed, hours)):
            told("ensemble", number, members)
            spread.add(deviation, update)
    dims = ("sector", "time", "y", "x")
    prior = problem.prior[:, hours]
    variables: dict[str, Any] = {
        "flux_prior": (dims, prior),
        "flux_prior_std": (dims, np.stack([c.sigma[hours] for c in problem.covariances])),
        "flux_posterior": (dims, prior + problem.correction_at(solution.weights, hours)),
        "flux_posterior_std": (dims, spread.sigma()),
    }
    told("totals", 0, 0)
    if functionals is not None:
        variables |= _totals(solution, functionals, hours.size, len(regions.ids), settings.solver.threads)
    told("diagnostics", 0, 0)
    inverse = solution.factor.inverse()
    group = leave_out_groups(assembled.station, assembled.platform, assembled.time)
    left_out = leave_out(solution, inverse, group)
    air = np.zeros(group.size, dtype=bool)
    air[assembled.air.at] = True
    summary = summarise(solution, inverse, left_out, air)
    unit = gas.mole_fraction_unit
    variables |= observed_variables(solution, assembled.air, observations, left_out, unit, "obs", assembled.compared)
    if towers is not None:
        variables |= observed_variables(solution, assembled.towers, towers, left_out, gas.flux_unit, "tower_obs")
    variables |= {
        f"diagnostic_{name}": ((), getattr(summary, name), {"long_name": meaning})
        for name, meaning in DIAGNOSTICS.items()
    }
    return xr.Dataset(variables, coords={"time": time[hours]})


def _totals(solution: Solution, functionals: Rows, hours: int, regions: int, threads: int) -> dict[str, Any]:
    found = asked_totals(solution, functionals, threads=threads)
    sectors = found.prior_mean.shape[0]

    def mean(values: np.ndarray) -> np.ndarray:
        return values.reshape(sectors, hours, regions).transpose(0, 2, 1)

    def covariance(values: np.ndarray) -> np.ndarray:
        split = values.reshape(sectors, hours, regions, sectors, hours, regions)
        return np.einsum("strutq->tsruq", split)

    prior, posterior = covariance(found.prior_covariance), covariance(found.posterior_covariance)

    def sigma(values: np.ndarray) -> np.ndarray:
        return np.sqrt(np.clip(np.einsum("tsrsr->srt", values), 0.0, None))

    dims = ("sector", "region", "time")
    return {
        "region_hourly_prior": (dims, mean(found.prior_mean)),
        "region_hourly_prior_std": (dims, sigma(prior)),
        "region_hourly_posterior": (dims, mean(found.posterior_mean)),
        "region_hourly_posterior_std": (dims, sigma(posterior)),
        "region_hourly_posterior_covariance": (("time", "sector", "region", "sector_2", "region_2"), posterior),
    }
