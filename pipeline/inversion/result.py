"""The posterior Dataset: fields, regional totals with covariance, observations, diagnostics.

Variables of the fields are (sector, time, y, x) in the species' flux unit; regional totals are tonnes of the
species per hour or period; what is about observations of air starts with `obs_`, about towers with `tower_obs_`, about
stations with `station_`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from kernels.jit import one_blas_thread
from pipeline.grid import Grid, Regions
from pipeline.inversion.assemble import Assembled
from pipeline.inversion.diagnostics import DIAGNOSTICS, leave_out, leave_out_groups, summarise
from pipeline.inversion.lognormal_result import LogRun, Sampled, of_members, sample
from pipeline.inversion.posterior import Draw, Spread, members
from pipeline.inversion.result_observed import observed_variables, station_variables
from pipeline.inversion.result_regions import Report, region_variables, region_weights
from pipeline.inversion.solve import Solution
from pipeline.schema import HOUR
from pipeline.settings import Settings
from pipeline.units import Species, species

Variables = dict[str, Any]

#: CF's modifier of a standard name for the uncertainty of the quantity
_STD = " standard_error"


def posterior(
    settings: Settings,
    grid: Grid,
    regions: Regions,
    observations: xr.Dataset,
    time: np.ndarray,
    assembled: Assembled,
    solution: Solution,
    *,
    towers: xr.Dataset | None = None,
    progress: Callable[[int], None] | None = None,
    draw: Draw = members,
    log: LogRun | None = None,
) -> xr.Dataset:
    """Return the posterior Dataset of one window.

    Parameters
    ----------
    regions
        Areas whose totals are reported.
    observations, towers
        What was assembled; all of it, used or not.
    time : (time,) datetime64
        Flux hours.
    assembled, solution
        The problem and its solution, solved with `region_functionals`.
    progress
        Called with the number of members done.
    draw
        Who makes the members.
    log
        Of `solve_log`, when sectors are log-normal; its chain makes the members then.
    """
    gas = species(settings.case.species)
    report = Report(reporting_periods(time, settings), regions, region_weights(regions, gas))
    if log is None:
        deviations, std, draws = _ensemble(settings, solution, report, progress, draw)
    else:
        solution = sample(settings, log, solution, report, progress)
        deviations, std, draws = solution.kept, solution.std, solution.totals_drawn
    inverse = solution.factor.inverse()
    group = leave_out_groups(assembled.station, assembled.platform, assembled.time)
    left_out = leave_out(solution, inverse, group)
    air = np.zeros(group.size, dtype=bool)
    air[assembled.air.at] = True
    summary = summarise(solution, inverse, left_out, air)
    del inverse
    variables: Variables = {
        **_fields(solution, std, gas),
        **region_variables(solution, report, draws, threads=settings.solver.threads),
        **observed_variables(
            solution, assembled.air, observations, left_out, gas.mole_fraction_unit, "obs", assembled.compared
        ),
    }
    if towers is not None:
        variables |= observed_variables(solution, assembled.towers, towers, left_out, gas.flux_unit, "tower_obs")
    variables |= station_variables(solution, assembled, group, left_out)
    for name, meaning in DIAGNOSTICS.items():
        variables[f"diagnostic_{name}"] = ((), getattr(summary, name), {"long_name": meaning})
    if isinstance(solution, Sampled):
        variables |= of_members(solution, report, variables)
    if deviations is not None:
        deviations += solution.flux
        variables["flux_ensemble"] = (
            ("member", "sector", "time", "y", "x"),
            deviations,
            _flux_attrs(gas, "posterior ensemble member"),
        )
    attrs: dict[str, Any] = {"Conventions": "CF-1.11", "title": settings.case.title, "species": gas.name}
    if log is not None:
        attrs["lognormal"] = "\n".join(log.notes([s.name for s in settings.sectors]))
        attrs["converged"] = int(log.found.converged)
    return xr.Dataset(variables, coords=_coordinates(settings, grid, time) | report.coordinates(), attrs=attrs)


def reporting_periods(time: np.ndarray, settings: Settings) -> dict[str, np.ndarray]:
    """Return the hours (mask over time) of each period: "all" hours with observations, and each UTC day of them."""
    start, end = settings.case.observation_hours.bounds
    observed = (time >= start) & (time < end)
    days = time.astype("datetime64[D]")
    periods = {"all": observed}
    for day in np.unique(days[observed]):
        periods[str(day)] = observed & (days == day)
    return periods


def _coordinates(settings: Settings, grid: Grid, time: np.ndarray) -> Variables:
    """Return the axes of the fields."""
    hours = {"standard_name": "time", "long_name": "start of the hour, UTC", "axis": "T", "bounds": "time_bounds"}
    return {
        **grid.coordinates(),
        "sector": ("sector", np.array([s.name for s in settings.sectors], dtype=object)),
        "time": ("time", time, hours),
        "time_bounds": (("time", "edge"), np.stack([time, time + HOUR], axis=1)),
    }


def _ensemble(
    settings: Settings,
    solution: Solution,
    report: Report,
    progress: Callable[[int], None] | None,
    draw: Draw,
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Run the members once: (their fields if kept, posterior std, their deviations of every region's totals)."""
    count, prior = settings.solver.members, solution.problem.prior
    kept = np.empty((count, *prior.shape), np.float32) if settings.outputs.ensemble else None
    draws = np.empty((count, prior.shape[0], len(report.regions.ids), len(report.periods)))
    spread = Spread(solution)
    with one_blas_thread():
        for j, (deviation, update) in enumerate(draw(solution, count, settings.solver.seed)):
            spread.add(deviation, update)
            draws[j] = report.totals_of(deviation)
            if kept is not None:
                kept[j] = deviation
            if progress is not None:
                progress(j + 1)
    return kept, spread.sigma(), draws


def _flux_attrs(gas: Species, what: str, modifier: str = "") -> dict[str, str]:
    return {
        "standard_name": f"surface_upward_mole_flux_of_{gas.standard_name}{modifier}",
        "long_name": f"{what}, hourly mean, positive upward",
        "units": gas.flux_unit,
        "cell_methods": "time: mean area: mean",
        "grid_mapping": "crs",
    }


def _fields(solution: Solution, std: np.ndarray, gas: Species) -> Variables:
    dims = ("sector", "time", "y", "x")
    prior_std = np.stack([c.sigma for c in solution.problem.covariances])
    return {
        name: (dims, field, _flux_attrs(gas, what, modifier))
        for name, field, what, modifier in (
            ("flux_prior", solution.problem.prior, "prior flux", ""),
            ("flux_prior_std", prior_std, "standard deviation of the prior flux", _STD),
            ("flux_posterior", solution.flux, "posterior mean flux", ""),
            ("flux_posterior_std", std, "standard deviation of the posterior flux (ensemble estimate)", _STD),
        )
    }
