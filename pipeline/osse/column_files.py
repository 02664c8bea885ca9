"""Columns as satellite products deliver them: OCO-2 Lite of version 11, and the common layout of ESA's GHG-CCI."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import netCDF4
import numpy as np

from pipeline.osse.soundings import Soundings

#: what OCO-2 and GHG-CCI files write for no value
OCO2_FILL, CCI_FILL = -999999.0, -999.0
#: one sounding in this many is followed by a bad one, 2 km on, seen through the edge of a cloud: too low by this, ppm,
#: or not retrieved at all
_BAD_EVERY, _BAD_STEP, _CLOUDY = 5, 0.02, 6.0
#: WMO CO2 X2019 = 1.00079 X2007 - 0.142 ppm (Hall et al. 2021, Atmos. Meas. Tech. 14, 3015)
_SCALE_FACTOR, _SCALE_STEP = 1.00079, 0.142
_EPOCH = "seconds since 1970-01-01 00:00:00"
_HPA, _PPM = {"units": "hPa"}, {"units": "ppm"}


def write_oco2_lite(path: Path, soundings: Soundings, values: np.ndarray) -> None:
    """Write columns as an OCO-2 Lite file: levels from space to the surface, bad soundings among the good.

    Parameters
    ----------
    path
        File to write; Lite files hold one day each.
    soundings
        At least one, with kernel and profile at levels.
    values : (n,) float64
        Columns on WMO CO2 X2019, ppm.
    """
    add = partial(_add, fill=OCO2_FILL)
    seen, column, bad = _with_bad(soundings, values)
    ordinal = _ordinal(seen.time)
    with _file(path, {"sounding_id": seen.size, "levels": seen.kernel.shape[1], "vertices": 4}) as data:
        data.setncatts(
            {
                "title": "OCO-2 L2FP Lite Output, simulated",
                "Platform": "OCO-2",
                "Sensor": "OCO-2",
                "BuildId": "B11.2",
                "CollectionLabel": "simulated",
                "creation_date": "Jul 15, 2024",
            }
        )
        one, deep, corner = ("sounding_id",), ("sounding_id", "levels"), ("sounding_id", "vertices")
        add(data, "sounding_id", "i8", one, _sounding_id(seen.time, ordinal), {"units": "YYYYMMDDhhmmssmf"})
        add(data, "time", "f8", one, _seconds(seen.time), {"units": _EPOCH})
        add(data, "latitude", "f4", one, seen.lat, {"units": "degrees_north"})
        add(data, "longitude", "f4", one, seen.lon, {"units": "degrees_east"})
        add(data, "vertex_latitude", "f4", corner, seen.lat_corners, {"units": "degrees_north"})
        add(data, "vertex_longitude", "f4", corner, seen.lon_corners, {"units": "degrees_east"})
        older = (column + _SCALE_STEP) / _SCALE_FACTOR
        add(data, "xco2", "f4", one, older, {**_PPM, "long_name": "Bias-corrected XCO2 on X2007 scale"})
        add(data, "xco2_x2019", "f4", one, column, {**_PPM, "long_name": "Bias-corrected XCO2 on X2019 scale"})
        add(data, "xco2_uncertainty", "f4", one, seen.sigma, _PPM)
        add(data, "xco2_apriori", "f4", one, (seen.weight * seen.profile).sum(axis=1), _PPM)
        add(data, "xco2_quality_flag", "i1", one, bad, {"comment": "0=Good, 1=Bad"})
        order = {"comment": "oriented space-to-surface"}
        add(data, "pressure_levels", "f4", deep, seen.pressure[:, ::-1], {**_HPA, **order})
        add(data, "pressure_weight", "f4", deep, seen.weight[:, ::-1], order)
        add(data, "xco2_averaging_kernel", "f4", deep, seen.kernel[:, ::-1], order)
        add(data, "co2_profile_apriori", "f4", deep, seen.profile[:, ::-1], {**_PPM, **order})
        group = data.createGroup("Sounding")
        add(group, "operation_mode", "i1", one, np.zeros(seen.size), {"comment": "0=Nadir, 1=Glint, 2=Target, 3=X"})
        add(group, "footprint", "i1", one, ordinal % 8 + 1, {})
        add(data.createGroup("Retrieval"), "psurf", "f4", one, seen.surface_pressure, _HPA)


def write_swath(path: Path, soundings: Soundings, values: np.ndarray) -> None:
    """Write columns in the GHG-CCI layout: layers from the ground up, bad soundings among the good.

    Parameters
    ----------
    path
        File to write.
    soundings
        At least one, with kernel and profile in layers between the pressures.
    values : (n,) float64
        Columns, ppm.
    """
    add = partial(_add, fill=CCI_FILL)
    seen, column, bad = _with_bad(soundings, values)
    layers = seen.kernel.shape[1]
    dims = {"sounding_dim": seen.size, "layer_dim": layers, "level_dim": seen.pressure.shape[1], "corners_dim": 4}
    with _file(path, dims) as data:
        data.setncatts(
            {
                "title": "XCO2 of a wide-swath imager, simulated",
                "Conventions": "CF-1.6",
                "sensor": "simulated imager",
                "product_version": "1",
                "comment": "Profiles are ordered from the surface to the top of the atmosphere.",
            }
        )
        one, deep, corner = ("sounding_dim",), ("sounding_dim", "layer_dim"), ("sounding_dim", "corners_dim")
        add(data, "time", "f8", one, _seconds(seen.time), {"units": _EPOCH, "calendar": "standard"})
        add(data, "latitude", "f4", one, seen.lat, {"units": "degrees_north"})
        add(data, "longitude", "f4", one, seen.lon, {"units": "degrees_east"})
        add(data, "latitude_corners", "f4", corner, seen.lat_corners, {"units": "degrees_north"})
        add(data, "longitude_corners", "f4", corner, seen.lon_corners, {"units": "degrees_east"})
        add(data, "xco2", "f4", one, column, _PPM)
        add(data, "xco2_uncertainty", "f4", one, seen.sigma, _PPM)
        add(data, "xco2_quality_flag", "i1", one, bad, {"flag_values": "0, 1", "flag_meanings": "good bad"})
        add(data, "xco2_averaging_kernel", "f4", deep, seen.kernel, {"units": "1"})
        add(data, "co2_profile_apriori", "f4", deep, seen.profile, _PPM)
        add(data, "pressure_levels", "f4", ("sounding_dim", "level_dim"), seen.pressure, _HPA)
        add(data, "pressure_weight", "f4", deep, seen.weight, {"units": "1"})


def _with_bad(soundings: Soundings, values: np.ndarray) -> tuple[Soundings, np.ndarray, np.ndarray]:
    """Return soundings, columns and quality flags with bad ones put in; every other of these was not retrieved."""
    count = soundings.size
    rows = np.concatenate([np.arange(count), np.arange(0, count, _BAD_EVERY)])
    order = np.argsort(rows, kind="stable")
    rows, bad = rows[order], (np.arange(rows.size) >= count)[order]
    seen = soundings.at(rows)
    moved = np.where(bad, _BAD_STEP, 0.0)
    lost = bad & (np.cumsum(bad) % 2 == 0)
    seen = replace(
        seen,
        lat=seen.lat + moved,
        lat_corners=seen.lat_corners + moved[:, None],
        sigma=np.where(lost, np.nan, seen.sigma),
    )
    column = np.where(lost, np.nan, values[rows] - np.where(bad, _CLOUDY, 0.0))
    return seen, column, bad.astype(np.int8)


def _ordinal(time: np.ndarray) -> np.ndarray:
    """Return the place of each sounding among those of its second, from 0; times ascend."""
    first = np.searchsorted(time, time)
    return np.arange(time.size) - first


def _sounding_id(time: np.ndarray, ordinal: np.ndarray) -> np.ndarray:
    """Return OCO-2's ids: date, time to tenths of a second, footprint; at most 80 of a second."""
    second = np.char.replace(np.datetime_as_string(time, unit="s"), "T", "")
    digits = np.char.replace(np.char.replace(second, "-", ""), ":", "").astype(np.int64)
    return np.asarray(100 * digits + 10 * (ordinal // 8) + ordinal % 8 + 1)


def _seconds(time: np.ndarray) -> np.ndarray:
    return np.asarray(time.astype("datetime64[s]").astype(np.float64))


@contextmanager
def _file(path: Path, dims: dict[str, int]) -> Iterator[netCDF4.Dataset]:
    """Open a new file with dims."""
    with netCDF4.Dataset(path, "w") as data:
        for name, size in dims.items():
            data.createDimension(name, size)
        yield data


def _add(
    data: netCDF4.Dataset,
    name: str,
    kind: str,
    dims: tuple[str, ...],
    values: np.ndarray,
    attrs: dict[str, str],
    *,
    fill: float,
) -> None:
    """Write a variable; floats that are not finite become the fill."""
    number = kind.startswith("f")
    variable = data.createVariable(name, kind, dims, fill_value=fill if number else None, zlib=True, complevel=1)
    variable.setncatts(attrs)
    variable[:] = np.where(np.isfinite(values), values, fill) if number else values
