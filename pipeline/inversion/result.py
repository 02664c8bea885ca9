"""The posterior Dataset: fields, regional totals with covariance, observations, diagnostics.

Variables of the fields are (sector, time, y, x) in the species' flux unit; regional totals are tonnes of the
species per period; everything about observations starts with `obs_`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse
import xarray as xr

from pipeline.grid import Grid, Regions
from pipeline.inversion.assemble import Assembled
from pipeline.inversion.diagnostics import leave_out, summarise
from pipeline.inversion.posterior import members, spread_of, totals
from pipeline.inversion.solve import Solution
from pipeline.schema import HOUR, SATELLITE, instruments
from pipeline.settings import Settings
from pipeline.units import SECONDS_PER_HOUR, Species, species, tonnes_per_flux_unit

Variables = dict[str, Any]

#: CF's modifier of a standard name for the uncertainty of the quantity
_STD = " standard_error"

#: diagnostics of every run, in the order they are shown
DIAGNOSTICS = {
    "observations": "observations used",
    "chi2": "reduced chi2: 1 when the stated errors are right",
    "dofs_flux": "degrees of freedom for signal of the fluxes",
    "dofs_background": "degrees of freedom for signal of the background",
    "prior_bias": "mean of observed minus prior",
    "prior_rmse": "root mean square of observed minus prior",
    "posterior_bias": "mean of observed minus posterior",
    "posterior_rmse": "root mean square of observed minus posterior",
    "left_out_rmse": "root mean square of observed minus predicted without the observation's group",
    "left_out_sigma": "root mean square of the stated uncertainty of that",
}


def posterior(
    settings: Settings,
    grid: Grid,
    regions: Regions,
    observations: xr.Dataset,
    time: np.ndarray,
    assembled: Assembled,
    solution: Solution,
    *,
    progress: Callable[[int], None] | None = None,
) -> xr.Dataset:
    """Return the posterior Dataset of one window.

    Parameters
    ----------
    regions
        Areas whose totals are reported, with the share of each cell.
    time : (time,) datetime64
        Flux hours.
    progress
        Called with the number of ensemble members done.
    """
    gas = species(settings.case.species)
    periods = reporting_periods(time, settings)
    rows = _functionals(regions, periods, gas)
    shape = (solution.problem.prior.shape[0], len(regions.ids), len(periods))
    left_out = leave_out(solution, leave_out_groups(observations.isel(obs=assembled.rows)))
    deviations, std, draws = _ensemble(settings, solution, rows, progress)
    variables: Variables = {
        **_fields(solution, std, gas),
        **_regional(solution, rows, draws, shape),
        **_observed(solution, assembled, observations, left_out, gas),
        **_diagnostics(solution, left_out),
        "region_fraction": (
            ("region", "y", "x"),
            regions.fractions.toarray().reshape(len(regions.ids), *grid.shape),
            {"units": "1", "long_name": "share of the cell's area inside the region", "grid_mapping": "crs"},
        ),
    }
    if deviations is not None:
        deviations += solution.flux
        variables["flux_ensemble"] = (
            ("member", "sector", "time", "y", "x"),
            deviations,
            _flux_attrs(gas, "posterior ensemble member"),
        )
    coords = {
        **grid.coordinates(),
        "sector": ("sector", np.array([s.name for s in settings.sectors], dtype=object)),
        "time": (
            "time",
            time,
            {"standard_name": "time", "long_name": "start of the hour, UTC", "axis": "T", "bounds": "time_bounds"},
        ),
        "time_bounds": (("time", "edge"), np.stack([time, time + HOUR], axis=1)),
        "region": ("region", np.array(regions.ids, dtype=object)),
        "region_name": ("region", np.array(regions.names, dtype=object)),
        "region_name_en": ("region", np.array(regions.names_en, dtype=object)),
        "region_level": ("region", np.array(regions.levels, dtype=object)),
        "region_area": ("region", regions.areas, {"units": "m2", "long_name": "area of the region inside the grid"}),
        "period": ("period", np.array(list(periods), dtype=object)),
    }
    attrs = {"Conventions": "CF-1.11", "title": settings.case.title, "species": gas.name}
    return xr.Dataset(variables, coords=coords, attrs=attrs)


def reporting_periods(time: np.ndarray, settings: Settings) -> dict[str, np.ndarray]:
    """Return the hours (mask over time) of each period: "all" hours with observations, and each UTC day of them."""
    start, end = settings.case.observation_hours.bounds
    observed = (time >= start) & (time < end)
    days = time.astype("datetime64[D]")
    periods = {"all": observed}
    for day in np.unique(days[observed]):
        periods[str(day)] = observed & (days == day)
    return periods


def _functionals(regions: Regions, periods: dict[str, np.ndarray], gas: Species) -> scipy.sparse.csr_array:
    """Return rows a (region-major, then period) such that a . flux is the total in tonnes."""
    hours = np.array(list(periods.values()), dtype=np.float64)
    tonnes = tonnes_per_flux_unit(gas) * SECONDS_PER_HOUR
    return scipy.sparse.csr_array(
        scipy.sparse.vstack(
            [scipy.sparse.kron(hours * tonnes, regions.weights[[r]], format="csr") for r in range(len(regions.ids))]
        )
        if regions.ids
        else (0, hours.shape[1] * regions.grid.size)
    )


def _ensemble(
    settings: Settings, solution: Solution, rows: scipy.sparse.csr_array, progress: Callable[[int], None] | None
) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
    """Run the members once: (their fields if kept, posterior std, their deviations of every functional)."""
    count, sectors = settings.solver.members, solution.problem.prior.shape[0]
    kept = np.empty((count, *solution.problem.prior.shape), np.float32) if settings.outputs.ensemble else None
    totals_of = np.empty((count, sectors, rows.shape[0]))

    def run() -> Any:
        for j, (deviation, update) in enumerate(members(solution, count, settings.solver.seed)):
            if kept is not None:
                kept[j] = deviation
            totals_of[j] = (rows @ deviation.reshape(sectors, -1).T).T
            yield deviation, update
            if progress is not None:
                progress(j + 1)

    std = spread_of(solution, run())
    return kept, std, totals_of


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
        name: (dims, field.astype(np.float32), _flux_attrs(gas, what, modifier))
        for name, field, what, modifier in (
            ("flux_prior", solution.problem.prior, "prior flux", ""),
            ("flux_prior_std", prior_std, "standard deviation of the prior flux", _STD),
            ("flux_posterior", solution.flux, "posterior mean flux", ""),
            ("flux_posterior_std", std, "standard deviation of the posterior flux (ensemble estimate)", _STD),
        )
    }


def _regional(
    solution: Solution, rows: scipy.sparse.csr_array, draws: np.ndarray, shape: tuple[int, int, int]
) -> Variables:
    result = totals(solution, rows)
    dims = ("sector", "region", "period")
    squared = (*dims, "sector_2", "region_2", "period_2")

    def sigma(covariance: np.ndarray, kept: tuple[int, ...]) -> np.ndarray:
        return np.sqrt(np.clip(np.diag(covariance.reshape(int(np.prod(kept)), -1)), 0.0, None)).reshape(kept)

    def net(covariance: np.ndarray) -> np.ndarray:
        return sigma(covariance.sum(axis=(0, 2)), shape[1:])

    def attrs(what: str, unit: str = "t") -> dict[str, str]:
        return {"units": unit, "long_name": f"{what} of the region and period"}

    mean = result.posterior_mean.reshape(shape)
    prior, posterior_ = result.prior_covariance, result.posterior_covariance
    return {
        "region_prior": (dims, result.prior_mean.reshape(shape), attrs("prior total")),
        "region_prior_std": (dims, sigma(prior, shape), attrs("sigma of the prior total")),
        "region_posterior": (dims, mean, attrs("posterior total")),
        "region_posterior_std": (dims, sigma(posterior_, shape), attrs("sigma of the posterior total")),
        "region_posterior_covariance": (squared, posterior_.reshape(shape * 2), attrs("posterior covariance", "t2")),
        "region_net_prior_std": (dims[1:], net(prior), attrs("sigma of the prior net total")),
        "region_net_posterior_std": (dims[1:], net(posterior_), attrs("sigma of the posterior net total")),
        "region_ensemble": (("member", *dims), mean + draws.reshape(-1, *shape), attrs("posterior ensemble of totals")),
    }


def _observed(
    solution: Solution,
    assembled: Assembled,
    observations: xr.Dataset,
    left_out: tuple[np.ndarray, np.ndarray],
    gas: Species,
) -> Variables:
    """Per observation: what was measured, what the prior and the posterior say; NaN where it was not used."""
    problem, rows = solution.problem, assembled.rows
    error, sigma = left_out
    prior_variance = np.diag(solution.signal) + np.diag(problem.background_covariance)

    def full(values: np.ndarray, meaning: str) -> Any:
        out = np.full(observations.sizes["obs"], np.nan)
        out[rows] = values
        return ("obs", out, {"units": gas.mole_fraction_unit, "long_name": meaning})

    copied = {
        f"obs_{name}": ("obs", np.asarray(observations[name].values), dict(observations[name].attrs))
        for name in ("time", "value", "uncertainty", "spread", "count", "flag", "lon", "lat", "height")
    }
    text = {
        f"obs_{name}": ("obs", np.asarray(observations[name].values).astype(str).astype(object))
        for name in ("station", "platform", "scale")
    }
    return {
        **copied,
        **text,
        "obs_reason": ("obs", assembled.reason, {"long_name": "why the observation was not used; empty when it was"}),
        "obs_error": full(np.sqrt(problem.variance), "one-sigma measurement and representation error"),
        "obs_background_prior": full(problem.background, "prior background"),
        "obs_background_posterior": full(solution.background, "posterior background"),
        "obs_prior": full(problem.value - solution.innovation, "prior modelled mole fraction"),
        "obs_prior_std": full(np.sqrt(prior_variance), "prior modelled uncertainty, fluxes and background"),
        "obs_posterior": full(solution.mole_fraction, "posterior modelled mole fraction"),
        "obs_left_out_residual": full(error, "observed minus predicted without the observation's group"),
        "obs_left_out_std": full(sigma, "stated uncertainty of that residual"),
    }


def leave_out_groups(used: xr.Dataset) -> np.ndarray:
    """Return the group of each used observation: its station, or the overpass of a satellite's instrument.

    An overpass is an hour of soundings: without one of them, its neighbours would tell the same. When there is one
    group only, its UTC days are the groups.
    """
    station, platform = used["station"].values, np.asarray(used["platform"].values).astype(str)
    hour = used["time"].values.astype("datetime64[h]").astype(str)
    overpass = np.where(platform == SATELLITE, np.char.add(" ", hour), "")
    group = np.char.add(instruments(station, platform), overpass)
    if np.unique(group).size > 1:
        return group
    return used["time"].values.astype("datetime64[D]").astype(str)


def _diagnostics(solution: Solution, left_out: tuple[np.ndarray, np.ndarray]) -> Variables:
    summary = summarise(solution, left_out)
    return {
        f"diagnostic_{name}": ((), getattr(summary, name), {"long_name": meaning})
        for name, meaning in DIAGNOSTICS.items()
    }
