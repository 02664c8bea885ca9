"""What the store keeps of an hour: its maps, its regions' totals, its stations, and a manifest of how it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from pipeline.errors import SolverError
from pipeline.grid import Grid, Regions
from pipeline.inversion import correlation_coordinates, station_numbers
from pipeline.schema import Flag, is_used
from pipeline.settings import Settings

FIELDS = ("flux_prior", "flux_prior_std", "flux_posterior", "flux_posterior_std")
TOTALS = ("prior", "prior_std", "posterior", "posterior_std")
#: share of a class's observations that may be without a footprint before the hour is degraded
LOST = 0.25
#: bits that say that a good measurement is not used: its station reports
_GOOD = ~np.uint32(Flag.NOT_SELECTED_HOUR | Flag.NOT_SELECTED_WEATHER | Flag.HELD_OUT | Flag.INNOVATION)


def template(settings: Settings, grid: Grid, regions: Regions) -> xr.Dataset:
    """Return the store's template: every variable of an hour, without a time, and all coordinates.

    Parameters
    ----------
    settings, grid, regions
        Of the case: sectors in the order of the settings. Stations come and go: they are in the manifests.
    """
    names = [sector.name for sector in settings.sectors]
    shape = (len(names), *grid.shape)
    count = len(regions.ids)
    text: dict[str, Any] = {
        "sector": ("sector", np.array(names, dtype=object)),
        "sector_2": ("sector_2", np.array(names, dtype=object)),
        "region": ("region", np.array(regions.ids, dtype=object)),
        "region_name": ("region", np.array(regions.names, dtype=object)),
        "region_name_en": ("region", np.array(regions.names_en, dtype=object)),
        "region_level": ("region", np.array(regions.levels, dtype=object)),
        "region_area": ("region", np.asarray(regions.areas), {"units": "m2", "long_name": "area inside the grid"}),
        "region_fraction": (
            ("region", "y", "x"),
            regions.fractions.toarray().reshape(count, *grid.shape),
            {"units": "1", "long_name": "share of the cell's area inside the region"},
        ),
        **correlation_coordinates(settings.sectors),
    }
    variables: dict[str, Any] = {
        **{name: (("sector", "y", "x"), np.zeros(shape, np.float32)) for name in FIELDS},
        **{f"region_{name}": (("sector", "region"), np.zeros((len(names), count))) for name in TOTALS},
        "region_covariance": (("sector", "sector_2", "region"), np.zeros((len(names), len(names), count))),
    }
    return xr.Dataset(variables, coords={**grid.coordinates(), **text}, attrs={"species": settings.case.species})


def of_hour(result: xr.Dataset, hour: np.datetime64) -> xr.Dataset:
    """Return what the store keeps of one hour of a result.

    Parameters
    ----------
    result
        Of a window (`pipeline.inversion.posterior`) or of `prior_only`.
    hour
        One of its times.
    """
    at = int(np.flatnonzero(result["time"].values == hour.astype("datetime64[ns]"))[0])
    one = result.isel(time=at, drop=True)
    sectors = one.sizes["sector"]
    # a number too large for the store is found by `require_finite`
    with np.errstate(over="ignore"):
        maps = {name: one[name].values.astype(np.float32) for name in FIELDS}
    variables: dict[str, Any] = {name: (("sector", "y", "x"), values) for name, values in maps.items()}
    for name in TOTALS:
        found = f"region_hourly_{name}"
        values = one[found].values if found in one else np.zeros((sectors, 0))
        variables[f"region_{name}"] = (("sector", "region"), values.astype(np.float64))
    squared = "region_hourly_posterior_covariance"
    covariance = np.einsum("srtr->str", one[squared].values) if squared in one else np.zeros((sectors, sectors, 0))
    variables["region_covariance"] = (("sector", "sector_2", "region"), covariance.astype(np.float64))
    return xr.Dataset(variables)


def require_finite(data: xr.Dataset) -> xr.Dataset:
    """Return what the store is to keep of an hour, unchanged.

    Parameters
    ----------
    data
        Of `of_hour`.

    Raises
    ------
    SolverError
        When any of it is not a number.
    """
    for name, values in data.data_vars.items():
        wrong = int(np.count_nonzero(~np.isfinite(values.values)))
        if wrong:
            raise SolverError(
                "every number that is published must be finite",
                got=f"{wrong} of {values.size} that are not",
                remedy="check the prior, its errors and the footprints of the window",
                where=str(name),
            )
    return data


def stations(result: xr.Dataset, hour: np.datetime64) -> dict[str, dict[str, float | None]]:
    """Return what each station and inlet measured in an hour, and what the models say of it, "station/height" first.

    Numbers have six digits, which no measurement exceeds; None is not a number.
    """
    return {
        feed: {name: float(f"{number:.6g}") if np.isfinite(number) else None for name, number in told.items()}
        for feed, told in station_numbers(result, np.array([hour]))[0].items()
    }


def counts(result: xr.Dataset, start: np.datetime64, end: np.datetime64) -> dict[str, dict[str, int]]:
    """Return of each class of observations in hours [start, end) how many there are, how many are used, and why not.

    The numbers of a class add up: seen is used and every reason together.
    """
    told: dict[str, dict[str, int]] = {}
    for prefix in ("obs", "tower_obs"):
        if f"{prefix}_time" not in result:
            continue
        time, platform, reason = (result[f"{prefix}_{name}"].values for name in ("time", "platform", "reason"))
        for row in np.flatnonzero((time >= start) & (time < end)):
            mine = told.setdefault(str(platform[row]), {"seen": 0, "used": 0})
            why = str(reason[row]) or "used"
            mine["seen"] += 1
            mine[why] = mine.get(why, 0) + 1
    return {name: dict(sorted(found.items())) for name, found in sorted(told.items())}


def shortages(counted: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return why an hour is degraded by what was seen and could not be used, in words.

    Parameters
    ----------
    counted
        Of `counts`.
    """
    told = []
    for name, found in counted.items():
        lost = found.get("no footprint", 0) + found.get("no background", 0)
        if lost > LOST * found["seen"]:
            told.append(f"{lost} of {found['seen']} observations of class {name} have no footprint or background")
    return told


def reporting(observations: xr.Dataset, classes: Sequence[str], start: np.datetime64, end: np.datetime64) -> list[str]:
    """Return the stations of some classes that measured well in hours [start, end), used or not."""
    time, flag = observations["time"].values, observations["flag"].values
    inside = (time >= start) & (time < end) & np.isin(observations["platform"].values.astype(str), classes)
    good = inside & is_used(flag & _GOOD)
    return sorted(set(observations["station"].values[good].astype(str)))


def diagnostics(result: xr.Dataset) -> Mapping[str, float]:
    """Return the scalars of a result that are numbers."""
    found = {str(name): float(result[name]) for name in result.data_vars if str(name).startswith("diagnostic_")}
    return {name.removeprefix("diagnostic_"): value for name, value in found.items() if np.isfinite(value)}
