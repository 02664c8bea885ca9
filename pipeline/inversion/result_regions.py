"""What a result says of regions: totals by hour and by period, with exact covariance, and how much the data tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

from pipeline.grid import Regions
from pipeline.inversion.rows import Rows
from pipeline.inversion.solve import Solution
from pipeline.inversion.totals import (
    Totals,
    averaging_kernel,
    combined,
    hourly_functionals,
    hourly_totals,
    period_totals,
)
from pipeline.units import SECONDS_PER_HOUR, Species, tonnes_per_flux_unit

Variables = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Report:
    """Regions and periods of a result.

    Parameters
    ----------
    periods
        Name to hours, (time,) bool; the first is the union of all others.
    regions
        Areas.
    weights : csr_array (region, cell)
        Of `region_weights`.
    """

    periods: dict[str, np.ndarray]
    regions: Regions
    weights: scipy.sparse.csr_array

    @property
    def parts(self) -> np.ndarray:
        """Hours of the periods that do not overlap, (part, time) bool."""
        masks = list(self.periods.values())
        return np.array(masks[1:] or masks)

    @property
    def unions(self) -> np.ndarray:
        """Which parts make up each period, (period, part) bool."""
        parts = self.parts
        return np.array([[bool(np.any(mask & part)) for part in parts] for mask in self.periods.values()])

    def totals_of(self, flux: np.ndarray) -> np.ndarray:
        """Return the totals of a field (sector, time, y, x): (sector, region, period)."""
        masks = np.array(list(self.periods.values()), dtype=float)
        flat = flux.reshape(*flux.shape[:2], -1)
        return np.stack([self.weights @ (masks @ part).T for part in flat])

    def coordinates(self) -> Variables:
        """Return the coordinates of regions and periods."""
        regions = self.regions
        return {
            "region": ("region", np.array(regions.ids, dtype=object)),
            "region_name": ("region", np.array(regions.names, dtype=object)),
            "region_name_en": ("region", np.array(regions.names_en, dtype=object)),
            "region_level": ("region", np.array(regions.levels, dtype=object)),
            "region_area": (
                "region",
                regions.areas,
                {"units": "m2", "long_name": "area of the region inside the grid"},
            ),
            "period": ("period", np.array(list(self.periods), dtype=object)),
        }


def region_weights(regions: Regions, gas: Species) -> scipy.sparse.csr_array:
    """Return rows such that weights . flux is a region's total in one hour, tonnes."""
    return scipy.sparse.csr_array(regions.weights * (tonnes_per_flux_unit(gas) * SECONDS_PER_HOUR))


def region_functionals(regions: Regions, gas: Species, hours: int, dtype: np.dtype) -> Rows | None:
    """Return what `solve` must be given for `region_variables`; None without regions."""
    if not regions.ids:
        return None
    return hourly_functionals(region_weights(regions, gas), hours, dtype)


def region_variables(solution: Solution, report: Report, draws: np.ndarray, *, threads: int) -> Variables:
    """Return everything about regions.

    Parameters
    ----------
    solution
        Solved with `region_functionals`.
    report
        Regions and periods.
    draws : (member, sector, region, period)
        Deviations of the ensemble's totals.
    threads
        Blocks at once; 0 for all cores.
    """
    sectors = solution.problem.prior.shape[0]
    shape = (sectors, len(report.regions.ids), len(report.periods))
    if not report.regions.ids:
        nothing = np.zeros((sectors, 0, sectors, 0))
        found = Totals(np.zeros((sectors, 0)), nothing, np.zeros((sectors, 0)), nothing)
    else:
        parts = period_totals(solution, report.weights, report.parts, threads=threads)
        found = combined(parts, report.unions, shape[1])
    variables = {**_periods(found, draws, shape), "region_fraction": _fraction(report.regions)}
    if report.regions.ids:
        variables |= _hours(solution, report, threads)
        kernel = averaging_kernel(
            solution, report.weights, report.regions.fractions, report.periods["all"], threads=threads
        )
        variables["region_averaging_kernel"] = (
            ("sector", "region", "sector_2", "region_2"),
            kernel,
            {"units": "1", "long_name": "change of a region's total per change of the true total of region_2"},
        )
    return variables


def _fraction(regions: Regions) -> Any:
    return (
        ("region", "y", "x"),
        regions.fractions.toarray().reshape(len(regions.ids), *regions.grid.shape),
        {"units": "1", "long_name": "share of the cell's area inside the region", "grid_mapping": "crs"},
    )


def _periods(found: Totals, draws: np.ndarray, shape: tuple[int, int, int]) -> Variables:
    dims = ("sector", "region", "period")
    squared = (*dims, "sector_2", "region_2", "period_2")
    sectors, regions, periods = shape

    def mean(values: np.ndarray) -> np.ndarray:
        return values.reshape(sectors, periods, regions).transpose(0, 2, 1)

    def square(covariance: np.ndarray) -> np.ndarray:
        split = covariance.reshape(sectors, periods, regions, sectors, periods, regions)
        return np.ascontiguousarray(split.transpose(0, 2, 1, 3, 5, 4))

    def sigma(covariance: np.ndarray) -> np.ndarray:
        flat = covariance.reshape(int(np.prod(shape)), int(np.prod(shape)))
        return np.sqrt(np.clip(np.diag(flat), 0.0, None)).reshape(shape)

    def net(covariance: np.ndarray) -> np.ndarray:
        summed = covariance.sum(axis=(0, 3)).reshape(regions * periods, regions * periods)
        return np.sqrt(np.clip(np.diag(summed), 0.0, None)).reshape(shape[1:])

    prior, posterior = square(found.prior_covariance), square(found.posterior_covariance)
    estimate = mean(found.posterior_mean)
    return {
        "region_prior": (dims, mean(found.prior_mean), _attrs("prior total")),
        "region_prior_std": (dims, sigma(prior), _attrs("sigma of the prior total")),
        "region_posterior": (dims, estimate, _attrs("posterior total")),
        "region_posterior_std": (dims, sigma(posterior), _attrs("sigma of the posterior total")),
        "region_posterior_covariance": (squared, posterior, _attrs("posterior covariance", "t2")),
        "region_net_prior_std": (dims[1:], net(prior), _attrs("sigma of the prior net total")),
        "region_net_posterior_std": (dims[1:], net(posterior), _attrs("sigma of the posterior net total")),
        "region_ensemble": (("member", *dims), estimate + draws, _attrs("posterior ensemble of totals")),
    }


def _hours(solution: Solution, report: Report, threads: int) -> Variables:
    found = hourly_totals(solution, report.weights, threads=threads)
    dims = ("sector", "region", "time")
    squared = ("time", "sector", "region", "sector_2", "region_2")

    def sigma(covariance: np.ndarray) -> np.ndarray:
        variance = np.einsum("tsrsr->srt", covariance)
        return np.sqrt(np.clip(variance, 0.0, None))

    def attrs(what: str, unit: str = "t") -> dict[str, str]:
        return {"units": unit, "long_name": f"{what} of the region in one hour"}

    return {
        "region_hourly_prior": (dims, found.prior_mean, attrs("prior total")),
        "region_hourly_prior_std": (dims, sigma(found.prior_covariance), attrs("sigma of the prior total")),
        "region_hourly_posterior": (dims, found.posterior_mean, attrs("posterior total")),
        "region_hourly_posterior_std": (dims, sigma(found.posterior_covariance), attrs("sigma of the posterior total")),
        "region_hourly_posterior_covariance": (
            squared, found.posterior_covariance, attrs("posterior covariance", "t2")
        ),
    }  # fmt: skip


def _attrs(what: str, unit: str = "t") -> dict[str, str]:
    return {"units": unit, "long_name": f"{what} of the region and period"}
