"""Where footprints are needed: one "receptors" dataset of the hours of stations and the soundings of satellites."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.ingest.account import Account
from pipeline.ingest.columns import read_columns
from pipeline.ingest.stations import read_stations
from pipeline.schema import is_used, label
from pipeline.settings import Settings
from pipeline.units import SECONDS_PER_HOUR

_LAYERED = {"averaging_kernel": "layer", "pressure_edge": "layer_edge"}


def all_receptors(
    settings: Settings, root: Path, registry: pd.DataFrame
) -> tuple[xr.Dataset, xr.Dataset, list[Account], list[str]]:
    """Return every observation of a case, the receptors of those that can be used, and what became of the rest.

    Parameters
    ----------
    settings
        The case; its stations and columns.
    root
        Folder of the input paths.
    registry
        Table of `station_meta.load`.

    Returns
    -------
    observations
        Dataset "observations" of `pipeline.schema`, stations and columns, sorted by time, station, height.
    receptors
        Dataset "receptors", sorted likewise; flagged observations have none, for they need no footprint.
    accounts
        One per file: stations first, then columns.
    notes
        Sentences for the output.

    Raises
    ------
    ConfigError, InputError
        As `read_stations` and `read_columns`.
    """
    observed, released = [], []
    accounts: list[Account] = []
    notes: list[str] = []
    if settings.stations:
        hourly, accounts, alarms = read_stations(settings, root, registry)
        notes += alarms
        # a point is all air of the model: none of it is a retrieval's prior
        size = hourly.sizes["obs"]
        point = {"prior_part": ("obs", np.zeros(size)), "kernel_sum": ("obs", np.ones(size))}
        observed.append(hourly.assign(point) if settings.columns else hourly)
        released.append(_of_used(station_receptors(hourly), hourly))
    if settings.columns:
        soundings, columns, told, remarks = read_columns(settings, root)
        notes += remarks
        observed.append(soundings)
        released.append(_of_used(columns, soundings))
        accounts += told
    observations = label(_sorted(xr.concat(observed, dim="obs", combine_attrs="override")), "observations")
    receptors = merge(released)
    spared = observations.sizes["obs"] - receptors.sizes["obs"]
    if spared:
        notes.append(f"receptors: {spared} of {observations.sizes['obs']} observations are flagged, and have none")
    return observations, receptors, accounts, notes


def station_receptors(observations: xr.Dataset) -> xr.Dataset:
    """Return one receptor per hourly observation, flagged or not: a release from the inlet over the whole hour.

    Parameters
    ----------
    observations
        Dataset "observations" of `pipeline.schema`, hourly means.
    """
    size = observations.sizes["obs"]
    bare = xr.Dataset(
        {
            **{name: ("obs", observations[name].values) for name in ("time", "station", "lon", "lat", "height")},
            "duration": ("obs", np.full(size, SECONDS_PER_HOUR)),
        },
        attrs={"species": observations.attrs["species"]},
    )
    return label(bare, "receptors")


def merge(parts: Sequence[xr.Dataset]) -> xr.Dataset:
    """Return "receptors" datasets as one, sorted by time, station, height.

    Points have NaN for kernel and layer edges beside columns; without columns there are neither.

    Parameters
    ----------
    parts
        At least one; those with layers have the same number of them.
    """
    layers = {dim: part.sizes[dim] for part in parts for dim in _LAYERED.values() if dim in part.dims}
    filled = [
        part.assign(
            {
                name: (("obs", dim), np.full((part.sizes["obs"], layers[dim]), np.nan))
                for name, dim in _LAYERED.items()
                if dim in layers and name not in part
            }
        )
        for part in parts
    ]
    return label(_sorted(xr.concat(filled, dim="obs", combine_attrs="override")), "receptors")


def _of_used(receptors: xr.Dataset, observations: xr.Dataset) -> xr.Dataset:
    """Return the receptors whose observations, row for row, the inversion may use."""
    return receptors.isel(obs=np.flatnonzero(is_used(observations["flag"].values)))


def _sorted(dataset: xr.Dataset) -> xr.Dataset:
    keys = (dataset["height"].values, dataset["station"].values, dataset["time"].values)
    return dataset.isel(obs=np.lexsort(keys))
