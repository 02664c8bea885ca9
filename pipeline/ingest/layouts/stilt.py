"""STILT `*_foot.nc`: one receptor a file, hourly layers whose time label is the start of the flux hour.

STILT floors the minutes before the release to hours and labels each layer by the start of its hour (R-STILT
`calc_footprint`, `write_footprint`: "position = beginning of hour"). Receptor time and place stand in the file name
only: `YYYYMMDDHHMM_lon_lat_height_foot.nc` (the minutes are absent in older names).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import xarray as xr

from pipeline import units
from pipeline.errors import ConfigError, FormatError, InputError, TimeError, UnitError
from pipeline.grid.definition import Grid
from pipeline.ingest.axes import Frame, find_frame, require_domain
from pipeline.ingest.labels import require_whole_hours
from pipeline.ingest.layouts.rows import Account, Receptors, Row, entries, flat
from pipeline.ingest.netcdf import decode_times, open_netcdf
from pipeline.schema import HOUR
from pipeline.settings import FootprintSettings

_NAME = re.compile(r"(?P<time>\d{10}(\d{2})?)_(?P<rest>.+?)_?foot\.nc$")
_PLACE = re.compile(r"(?P<lon>-?\d+(\.\d+)?)_(?P<lat>-?\d+(\.\d+)?)_(?P<height>\d+(\.\d+)?)$")


def read_stilt(
    path: Path,
    part: FootprintSettings,
    grid: Grid,
    receptors: Receptors,
    window: tuple[np.datetime64, np.datetime64],
    account: Account,
) -> list[Row]:
    """Return the row of one file, or nothing when the case does not use its receptor.

    Raises
    ------
    InputError
        One of its kinds, naming the file and the variable.
    """
    if part.timing == "shares":
        raise ConfigError(
            "STILT footprints are hourly already",
            got='timing "shares"',
            remedy='use "hourly", or "integrated"',
            where="footprints",
        )
    release = _release_time(path.name)
    time = release.astype("datetime64[h]").astype("datetime64[ns]")
    if not window[0] <= time < window[1]:
        account.count("rows outside observation_hours were left out")
        return []
    station, lon, lat, height = _receptor(path.name, part, receptors, time)
    if station is None or not receptors.wanted(station, height):
        account.count("rows at places or inlets the case does not use were left out")
        return []
    with open_netcdf(path) as data:
        hours, values = _layers(data, path.name, grid, release)
    if not np.isfinite(values).all():
        account.count("rows with missing values were left out")
        return []
    account.count("negative values were kept as given", int((values < 0).sum()))
    lags = (time - hours) // HOUR
    if part.timing == "integrated":
        lags, values = np.zeros(1, dtype=np.int64), values.sum(axis=0, keepdims=True)
    return [Row(time, station, lon, lat, height, *entries(time, lags, values))]


def _release_time(name: str) -> np.datetime64:
    """Return the receptor's time from a file name.

    Raises
    ------
    InputError
        When the name does not hold it.
    """
    match = _NAME.search(name)
    if match is None:
        raise InputError(
            "a STILT file's name must hold the receptor: YYYYMMDDHHMM_lon_lat_height_foot.nc",
            got=name,
            remedy="rename it; the file itself does not say where and when its receptor is",
            where="footprints",
        )
    digits = match["time"].ljust(12, "0")
    text = f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}T{digits[8:10]}:{digits[10:12]}"
    try:
        return np.datetime64(text, "ns")
    except ValueError as error:
        raise TimeError("the name must hold a real time", got=name, remedy="correct it", where=name) from error


def _receptor(
    name: str, part: FootprintSettings, receptors: Receptors, time: np.datetime64
) -> tuple[str | None, float, float, float]:
    """Return (station, lon, lat, height) from the name, or from the settings where the name holds no place."""
    match = _NAME.search(name)
    place = _PLACE.match(match["rest"]) if match else None
    if place is not None:
        lon, lat, height = (float(place[key]) for key in ("lon", "lat", "height"))
        if part.station is None:
            return receptors.at(lon, lat, height, time), lon, lat, height
        receptors.require_site(part.station, lon, lat, time, where=name)
        return part.station, lon, lat, height
    if part.station is None or part.height is None:
        raise InputError(
            "the receptor's place must be known: in the file name, or declared",
            got=name,
            remedy="declare station and height in [[footprints]], or rename the file",
            where="footprints",
        )
    return part.station, *receptors.position(part.station, time), part.height


def _layers(data: xr.Dataset, name: str, grid: Grid, release: np.datetime64) -> tuple[np.ndarray, np.ndarray]:
    """Return flux hours (layer,) and values (layer, cell)."""
    where = f"{name}: foot"
    if "foot" not in data.variables or "time" not in data["foot"].dims:
        raise FormatError(
            "a STILT file must hold foot by time, y and x",
            got=dict(data.sizes),
            remedy="run STILT with hourly layers (time_integrate = FALSE)",
            where=where,
        )
    foot = data["foot"]
    if "units" not in foot.attrs:
        raise UnitError("a footprint must state its unit", remedy="add the attribute units", where=where)
    factor = units.footprint_factor(str(foot.attrs["units"]), where=where)
    frame: Frame = find_frame(data, tuple(map(str, foot.dims)), where=where, near=grid)
    require_domain(frame.grid, grid, where=where)
    hours = decode_times(data["time"], where=f"{name}: time")
    require_whole_hours(hours, where=f"{name}: time")
    if np.unique(hours).size < hours.size or hours.max() >= release:
        raise TimeError(
            "layers must be hours before the release, each once",
            got=f"{hours.max()} of a release at {release}",
            remedy="run STILT with hourly layers; correct the file name's time",
            where=f"{name}: time",
        )
    return hours, flat(frame.oriented(foot, ("time",)), frame.grid) * factor
