"""Where footprints are needed: one "receptors" dataset of stations' hours, soundings, and segments of drives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.ingest.account import Account
from pipeline.ingest.columns import read_columns
from pipeline.ingest.mobile import read_mobile
from pipeline.ingest.one_scale import on_one_scale
from pipeline.ingest.registry import read_rules, unused_thresholds
from pipeline.ingest.stations import read_stations
from pipeline.ingest.surroundings import Surroundings
from pipeline.schema import Flag, is_used, label
from pipeline.settings import Settings
from pipeline.units import SECONDS_PER_HOUR

_LAYERED = {"averaging_kernel": "layer", "pressure_edge": "layer_edge"}
#: what a point has beside columns: it is all air of the model, none of it a retrieval's prior, and on no track
_POINT = {"prior_part": 0.0, "kernel_sum": 1.0, "track": -1, "along": 0.0}


def all_receptors(
    settings: Settings,
    root: Path,
    registry: pd.DataFrame,
    around: Surroundings | None = None,
    *,
    cache: Path | None = None,
) -> tuple[xr.Dataset, xr.Dataset, list[Account], list[str]]:
    """Return every observation of a case, the receptors of those that can be used, and what became of the rest.

    Parameters
    ----------
    settings
        The case; its stations, columns and mobile laboratories.
    root
        Folder of the input paths.
    registry
        Table of `station_meta.load`.
    around
        The weather at stations, when there is any.
    cache
        Folder of what was read before; it changes no number.

    Returns
    -------
    observations
        Dataset "observations" of `pipeline.schema`, of all kinds, sorted by time, station, height.
    receptors
        Dataset "receptors", sorted likewise; flagged observations have none, for they need no footprint.
    accounts
        One per file: stations first, then columns, then mobile laboratories.
    notes
        Sentences for the output.

    Raises
    ------
    ConfigError, InputError
        As `read_stations`, `read_columns` and `read_mobile`.
    """
    observed, released = [], []
    accounts: list[Account] = []
    notes: list[str] = []
    if settings.stations:
        hourly, accounts, alarms = read_stations(settings, root, registry, around, cache=cache)
        notes += alarms
        observed.append(hourly)
        released.append(_of_used(station_receptors(hourly), hourly))
    if settings.columns:
        soundings, columns, told, remarks = read_columns(settings, root, cache=cache)
        notes += remarks
        observed.append(soundings)
        released.append(_of_used(columns, _compared(soundings)))
        accounts += told
    if settings.mobile:
        segments, drives, told = read_mobile(settings, root, registry)
        observed.append(segments)
        released.append(_of_used(drives, _compared(segments)))
        accounts += told
    notes += unused_thresholds(settings, read_rules(settings, root, registry))
    observations = label(_sorted(xr.concat(_alike(observed), dim="obs", combine_attrs="override")), "observations")
    observations, scales = on_one_scale(observations, settings)
    notes += scales
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


def _alike(parts: Sequence[xr.Dataset]) -> list[xr.Dataset]:
    """Return datasets of observations with the variables any of them has, filled where one has not."""
    names = {name: part[name].dtype for part in parts for name in map(str, part.data_vars)}
    return [
        part.assign(
            {
                name: ("obs", np.full(part.sizes["obs"], _POINT.get(name, np.nan), dtype=kind))
                for name, kind in names.items()
                if name not in part
            }
        )
        for part in parts
    ]


def _compared(observations: xr.Dataset) -> xr.Dataset:
    """Return observations of which those that are only compared with count as used: they are traced too."""
    return observations.assign(flag=observations["flag"] & ~np.uint32(Flag.HELD_OUT))


def _of_used(receptors: xr.Dataset, observations: xr.Dataset) -> xr.Dataset:
    """Return the receptors whose observations, row for row, the inversion may use."""
    return receptors.isel(obs=np.flatnonzero(is_used(observations["flag"].values)))


def _sorted(dataset: xr.Dataset) -> xr.Dataset:
    keys = (dataset["height"].values, dataset["station"].values, dataset["time"].values)
    return dataset.isel(obs=np.lexsort(keys))
