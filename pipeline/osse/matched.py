"""A truth that is just what the case file assumes: the prior, as ingest reads it, plus a draw of the stated errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from pipeline.grid import Grid
from pipeline.ingest import read_fluxes
from pipeline.inversion import stated_covariance
from pipeline.osse.background import first_order
from pipeline.osse.network import Site
from pipeline.osse.truth import as_dataset
from pipeline.settings import Settings


def matched_fluxes(settings: Settings, grid: Grid, root: Path, rng: np.random.Generator) -> xr.Dataset:
    """Return fluxes drawn from N(prior, Q), as `truth.true_fluxes` does.

    Parameters
    ----------
    settings
        The case; its prior's files are there.
    grid
        The case's grid.
    root
        Folder of the inputs.
    """
    fluxes, _ = read_fluxes(settings, grid, root)
    flux = fluxes["flux"].values.astype(np.float32)
    for index, sector in enumerate(settings.sectors):
        sigma = fluxes["flux_std"].values[index].astype(np.float32)
        covariance = stated_covariance(sector, sigma, grid)
        flux[index] += covariance.draw(rng)
    return as_dataset(flux, grid, fluxes["time"].values)


def matched_record(settings: Settings, site: Site, air: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return hourly means with just the errors that the case states for a site's feed, ppm: (hour,).

    Parameters
    ----------
    air : (hour,)
        True mole fraction, ppm.
    """
    feed = next(feed for feed in settings.stations if feed.id == site.id)
    sigma = np.hypot(feed.representation_error, site.station.uncertainty_of("co2"))
    record = air + rng.normal(0, sigma, air.size)
    if feed.offset is not None:
        record = record + first_order(air.size, feed.offset.sigma, feed.offset.hours, rng)
    return record
