"""An hour of which nothing was observed: the prior in the posterior's place, with the prior's uncertainty."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from pipeline.grid import Grid, Regions
from pipeline.inversion.correlation import stated_covariance
from pipeline.inversion.result_regions import region_weights
from pipeline.schema import check
from pipeline.settings import Settings
from pipeline.units import species


def prior_only(settings: Settings, grid: Grid, regions: Regions, fluxes: xr.Dataset) -> xr.Dataset:
    """Return the fields and hourly regional totals of hours as a result has them, for want of observations.

    Parameters
    ----------
    settings
        The case.
    grid, regions
        Of the case.
    fluxes
        Dataset "fluxes": the prior of the hours wanted.

    Returns
    -------
    flux_prior, flux_prior_std, flux_posterior, flux_posterior_std (sector, time, y, x), and region_hourly_prior,
    _prior_std, _posterior, _posterior_std (sector, region, time) and region_hourly_posterior_covariance (time, sector,
    region, sector_2, region_2), in the units of `pipeline.inversion.result`.
    """
    check(fluxes, "fluxes")
    flux, std = (fluxes[name].values.astype(np.float32) for name in ("flux", "flux_std"))
    weights = region_weights(regions, species(settings.case.species))
    sectors, hours = flux.shape[:2]
    count = len(regions.ids)
    total = np.stack([weights @ part.reshape(hours, -1).T.astype(float) for part in flux])
    covariance = np.zeros((hours, sectors, count, sectors, count))
    dense = weights.toarray().reshape(count, 1, *grid.shape)
    for k, sector in enumerate(settings.sectors):
        for hour in range(hours):
            # of one hour alone, so that correlation in time plays no part
            one = stated_covariance(sector, std[k, hour : hour + 1].astype(np.float64), grid)
            covariance[hour, k, :, k, :] = dense.reshape(count, -1) @ one.apply(dense).reshape(count, -1).T
    sigma = np.sqrt(np.einsum("tsrsr->srt", covariance))
    dims, of_region = ("sector", "time", "y", "x"), ("sector", "region", "time")
    variables: dict[str, Any] = {
        "flux_prior": (dims, flux),
        "flux_prior_std": (dims, std),
        "flux_posterior": (dims, flux),
        "flux_posterior_std": (dims, std),
        "region_hourly_prior": (of_region, total),
        "region_hourly_prior_std": (of_region, sigma),
        "region_hourly_posterior": (of_region, total),
        "region_hourly_posterior_std": (of_region, sigma),
        "region_hourly_posterior_covariance": (("time", "sector", "region", "sector_2", "region_2"), covariance),
    }
    return xr.Dataset(variables, coords={"time": fluxes["time"].values})
