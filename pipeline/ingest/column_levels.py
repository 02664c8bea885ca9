"""Columns in layouts that give kernel, prior profile and pressure weights by level: OCO's Lite files, and GHG-CCI's.

Kernel and profile stand at levels, or in layers between `pressure_levels`: which, the numbers tell, and in which order
they run where the contract leaves it open. A quality flag of 0 is good and any other bad; times are seconds since 1970,
cut to whole ones here.
"""

from __future__ import annotations

import numpy as np

from pipeline.errors import FormatError
from pipeline.ingest.column_granule import Granule
from pipeline.ingest.netcdf import decode_times
from pipeline.ingest.soundings import (
    OUTSIDE_AREA,
    Area,
    Soundings,
    first_fault,
    layer_edges,
    prior_and_share,
    sounding_ids,
    upward,
    wanted,
)
from pipeline.units import Species

_DEEP = ("pressure", "kernel", "profile", "weight")


def read(granule: Granule, gas: Species, area: Area) -> Soundings:
    """Return the soundings of an area.

    Raises
    ------
    FormatError, UnitError, TimeError
        Naming the variable that is not as it must be.
    """
    contract = granule.contract
    lon, lat = granule.numbers("longitude", 1), granule.numbers("latitude", 1)
    rows = np.flatnonzero(wanted(lon, lat, area))
    lon, lat = lon[rows], lat[rows]
    value, uncertainty = (granule.numbers(what, 1)[rows] for what in ("value", "uncertainty"))
    deep = [granule.numbers(what, 2) for what in _DEEP]
    _check_shapes(granule, deep)
    ends = [float(np.nanmean(deep[0][:, at])) if np.isfinite(deep[0][:, at]).any() else np.nan for at in (0, -1)]
    granule.check_order(*ends)
    pressure, kernel, profile, weight = upward(*(values[rows] for values in deep))
    profile = profile * granule.factor("profile", gas)
    prior_part, kernel_sum = prior_and_share(weight, kernel, profile)
    # to the second: ids and receptors are told apart by seconds
    time = decode_times(granule.variable("time"), where=granule.where("time"))[rows]
    time = time.astype("datetime64[s]").astype("datetime64[ns]")
    flag = granule.numbers("flag", 1)[rows] if granule.has("flag") else np.zeros(rows.size)
    falls = np.isfinite(pressure).all(axis=1) & (np.diff(pressure, axis=1) < 0).all(axis=1) & (pressure[:, -1] >= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        edge = layer_edges(pressure, kernel.shape[1])
    size = rows.size
    native = granule.variable("id").values[rows] if granule.has("id") else sounding_ids("", time, lon, lat)
    return Soundings(
        time=time,
        lon=lon,
        lat=lat,
        value=value * granule.factor("value", gas),
        uncertainty=contract.uncertainty_factor * uncertainty * granule.factor("uncertainty", gas),
        fault=first_fault(size, [*_flagged(granule, flag, rows), *_displaced(granule, lon, lat, rows)]),
        complete=falls & np.isfinite(flag) & np.isfinite(prior_part) & np.isfinite(kernel_sum),
        kernel=kernel,
        edge=edge,
        prior_part=prior_part,
        kernel_sum=kernel_sum,
        native=native.astype(str).astype(object),
        identity=granule.identity,
        left_out={OUTSIDE_AREA: granule.variable("time").size - size},
        remarks=() if granule.has("flag") else (f"{granule.identity}: the files hold no quality flag",),
    )


def _check_shapes(granule: Granule, deep: list[np.ndarray]) -> None:
    pressure, kernel, profile, weight = deep
    layers = kernel.shape[1]
    granule.check_layers(layers)
    if profile.shape[1] != layers or weight.shape[1] != layers or pressure.shape[1] not in (layers, layers + 1):
        raise FormatError(
            "kernel, prior profile and pressure weight must have one number a layer, pressure one an edge or a level",
            got={granule.contract.variables[what]: values.shape[1] for what, values in zip(_DEEP, deep, strict=True)},
            remedy="correct the file",
            where=granule.path.name,
        )


def _flagged(granule: Granule, flag: np.ndarray, rows: np.ndarray) -> list[tuple[np.ndarray, str]]:
    """Return what the product's own quality says."""
    found = [(np.isfinite(flag) & (flag != 0), f"{granule.contract.variables.get('flag')} is not 0")]
    most = granule.contract.warn_level_most
    if most is not None:
        found.append((granule.numbers("warn_level", 1)[rows] > most, f"warn level above {most}"))
    return found


def _displaced(granule: Granule, lon: np.ndarray, lat: np.ndarray, rows: np.ndarray) -> list[tuple[np.ndarray, str]]:
    """Return soundings whose centre does not lie between their own corners, where the file has those."""
    if not granule.has("longitude_corners"):
        return []
    corners = tuple(granule.numbers(what, 2)[rows] for what in ("longitude_corners", "latitude_corners"))
    return [outside_corners(lon, lat, *corners)]


def outside_corners(
    lon: np.ndarray, lat: np.ndarray, lon_corners: np.ndarray, lat_corners: np.ndarray
) -> tuple[np.ndarray, str]:
    """Return which centres (n,) lie outside the box of their corners (n, corner), degrees, and that rule in words.

    Corners that are not told, NaN, exclude nothing.
    """
    east = (lon_corners - lon[:, None] + 180.0) % 360.0 - 180.0
    north = lat_corners - lat[:, None]
    outside = [(np.min(way, axis=1) > 0) | (np.max(way, axis=1) < 0) for way in (east, north)]
    return outside[0] | outside[1], "centre outside its own corners"
