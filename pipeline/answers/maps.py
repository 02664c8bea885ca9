"""Maps of a period: the mean flux of each cell by sector and net, its sigma, and what data changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pipeline.answers.periods import Frequency, Period, groups
from pipeline.answers.query import NET, chosen_sectors, open_source, period_of, some_hours
from pipeline.answers.source import Source
from pipeline.answers.upper import require_numbers, variance_in_time
from pipeline.errors import SizeError
from pipeline.units import species

#: hours of a field that are read at once
_HOURS = 168
#: what a map can show
LAYERS = ("flux_prior", "flux_posterior", "flux_change", "flux_prior_std", "flux_posterior_std")
#: of one variable: 400 MB
MOST_NUMBERS = 100_000_000


def mean_maps(
    store: Source | Path | str,
    period: str | Period | tuple[np.datetime64, np.datetime64] | None = None,
    *,
    freq: Frequency = "all",
    sector: str | Sequence[str] | None = None,
    sigma: bool = True,
    version: str | None = None,
    as_of: datetime | str | None = None,
) -> xr.Dataset:
    """Return mean fluxes of a period, or of its parts.

    Parameters
    ----------
    store, period, freq, sector, version, as_of
        As for `query`.
    sigma
        Whether to make the sigmas too.

    Returns
    -------
    Dataset over sector (net last), time (start of each part), y and x: flux_prior, flux_posterior, flux_change (flux
    unit, positive upward), and flux_prior_std, flux_posterior_std: those of one hour as kept, else upper estimates
    (`pipeline.answers.upper`); those of net take sectors as independent. Hours without numbers are left out; `hours`
    says how many there were in each part.

    Raises
    ------
    InputError, StoreError
        As `query`, and for more numbers than `MOST_NUMBERS`.
    """
    if isinstance(store, Path | str):
        source = open_source(store, version=version, as_of=as_of)
        try:
            return mean_maps(source, period, freq=freq, sector=sector, sigma=sigma)
        finally:
            source.close()
    span, sectors = period_of(store, period), chosen_sectors(store, sector)
    hours = some_hours(store, span)
    starts, parts = groups(hours, freq)
    _require_size(store, len(parts), len(sectors))
    if sigma:
        require_numbers(max(part.size for part in parts), store.grid.size)
    unit = species(store.species).flux_unit
    named = {"flux_prior": "prior flux", "flux_posterior": "posterior flux"}
    if sigma:
        named |= {f"{name}_std": f"one sigma of the {meaning}" for name, meaning in named.items()}
    dims = ("sector", "time", "y", "x")
    variables: dict[str, Any] = {}
    for name, meaning in named.items():
        maps = np.stack([_maps(store, name, sectors, hours[part]) for part in parts], axis=1)
        told = {"units": unit, "long_name": f"{meaning}, mean of the period, positive upward", "grid_mapping": "crs"}
        variables[name] = (dims, maps, {**told, "cell_methods": "time: mean area: mean"})
    change = variables["flux_posterior"][1] - variables["flux_prior"][1]
    told = {"units": unit, "long_name": "posterior less prior flux", "grid_mapping": "crs"}
    variables["flux_change"] = (dims, change, told)
    count = np.array([part.size for part in parts])
    variables["hours"] = ("time", count, {"units": "1", "long_name": "hours that have numbers"})
    coords = {
        **store.grid.coordinates(),
        "sector": np.array(sectors, dtype=object),
        "time": ("time", starts.astype("datetime64[ns]"), {"standard_name": "time", "long_name": "start, UTC"}),
    }
    told = {"species": store.species, "period": str(span), "Conventions": "CF-1.11"}
    told |= {"store": store.version.store.name, "version": store.version.id}
    return xr.Dataset(variables, coords=coords, attrs=told)


def layer_map(source: Source, layer: str, sector: str, hours: np.ndarray) -> np.ndarray:
    """Return one map, as `mean_maps` has it: (y, x) float32, flux unit.

    Parameters
    ----------
    source
        To read from.
    layer
        Of `LAYERS`.
    sector
        Name, or net.
    hours : (n,) datetime64[h]
        Some of the source's, ascending.
    """
    if layer == "flux_change":
        return layer_map(source, "flux_posterior", sector, hours) - layer_map(source, "flux_prior", sector, hours)
    return _maps(source, layer, [sector], hours)[0]


def cell_sums(source: Source, name: str, sector: int, hours: np.ndarray) -> np.ndarray:
    """Return the sum of a field over hours, float64: (y, x).

    Parameters
    ----------
    source
        To read from.
    name
        Of the field.
    sector
        Its place.
    hours : (n,) datetime64[h]
        Some of the source's, ascending.
    """
    total = np.zeros(source.grid.shape)
    for first in range(0, hours.size, _HOURS):
        total += source.field(name, sector, hours[first : first + _HOURS]).sum(axis=0, dtype=np.float64)
    return total


def _require_size(source: Source, parts: int, sectors: int) -> None:
    most = MOST_NUMBERS // (source.grid.size * sectors)
    if parts > most:
        raise SizeError(
            f"maps may have {MOST_NUMBERS:.0e} numbers",
            got=f"{parts} maps of {sectors} sectors and {source.grid.size} cells",
            remedy=f"ask for {most} parts at a time, or for longer ones (--freq day)",
            where="period",
        )


def _maps(source: Source, name: str, sectors: Sequence[str], hours: np.ndarray) -> np.ndarray:
    """Return a field's mean, or the sigma of its mean, of some sectors: (sector, y, x) float32."""
    is_sigma = name.endswith("_std")
    make = _sigma if is_sigma else _mean
    wanted = source.sectors if NET in sectors else [one for one in source.sectors if one in sectors]
    each = {one: make(source, name, source.sectors.index(one), hours) for one in wanted}
    if NET in sectors:
        together = np.stack(list(each.values()))
        each[NET] = np.sqrt((together**2).sum(axis=0)) if is_sigma else together.sum(axis=0)
    return np.stack([each[one] for one in sectors]).astype(np.float32)


def _mean(source: Source, name: str, sector: int, hours: np.ndarray) -> np.ndarray:
    return cell_sums(source, name, sector, hours) / hours.size


def _sigma(source: Source, name: str, sector: int, hours: np.ndarray) -> np.ndarray:
    """Return sigma of each cell's mean, its errors correlated in time as the prior's."""
    field = source.field(name, sector, hours)
    places = (hours - hours[0]).astype(np.int64)
    return np.sqrt(variance_in_time(field, places, source.correlations[sector])) / hours.size
