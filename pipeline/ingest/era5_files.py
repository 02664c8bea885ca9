"""ERA5 files, netCDF or GRIB, opened as parts with one set of names, dims and units.

The fields may be in one file or in several (the Climate Data Store delivers pressure levels and single levels apart),
so a part is whatever fields share their axes, and the reader looks for a field in all parts of an hour.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pipeline.errors import ConfigError, CoordinateError, FormatError, InputError, TimeError, UnitError
from pipeline.ingest.axes import Frame, find_frame
from pipeline.ingest.netcdf import decode_times, open_netcdf

_TIMES = ("valid_time", "time")
_LEVELS = ("pressure_level", "isobaricInhPa", "plev", "level")
#: CDO and GRIB call the field 2t, the Climate Data Store t2m
_OTHER_NAMES = {"2t": "t2m"}
_PASCAL = {"pa": 1.0, "hpa": 100.0, "millibars": 100.0, "millibar": 100.0, "mbar": 100.0, "mb": 100.0}
_GRIB = (".grib", ".grib2", ".grb", ".grb2")


@dataclass(frozen=True)
class Part:
    """Fields of a file that share their axes."""

    #: the file's name, for messages
    name: str
    fields: xr.Dataset
    frame: Frame
    #: (time,) UTC; empty where the file has no time and its fields hold for every hour
    times: np.ndarray
    time_dim: str | None
    level_dim: str | None
    #: (level,) Pa, from the ground up; empty without levels
    pressure: np.ndarray

    def has(self, field: str, *, levels: bool) -> bool:
        """Return whether the field is here, on levels or at the surface: the name z is used for both."""
        return field in self.fields and (self.level_dim in self.fields[field].dims) == levels

    def at(self, time: np.datetime64) -> bool:
        """Return whether the part holds the time, or holds for every time."""
        return self.times.size == 0 or bool(np.any(self.times == time))

    def read(self, field: str, time: np.datetime64) -> np.ndarray:
        """Return a field at one time as (y, x) or (level, y, x), float64, all three ascending from south-west up."""
        values = self.fields[field]
        if self.time_dim in values.dims:
            values = values.isel({self.time_dim: int(np.flatnonzero(self.times == time)[0])})
        if self.level_dim is None or self.level_dim not in values.dims:
            return self.frame.oriented(values)
        array = self.frame.oriented(values, (self.level_dim,))
        return array[np.argsort(-_pressure(self.fields, self.level_dim, self.name), kind="stable")]


@contextmanager
def open_era5(path: Path) -> Iterator[list[Part]]:
    """Open the parts of a file.

    Raises
    ------
    InputError, FormatError
        For a file that is absent, truncated or unreadable.
    ConfigError
        For GRIB without the package cfgrib.
    TimeError, CoordinateError, UnitError
        For axes that cannot be used.
    """
    if path.suffix.lower() in _GRIB:
        yield [_part(dataset, path.name) for dataset in _open_grib(path)]
    else:
        with open_netcdf(path) as dataset:
            yield [_part(dataset, path.name)]


def era5_times(path: Path) -> np.ndarray:
    """Return the times of a file, sorted, datetime64[ns]; none for fields that hold for every hour.

    Raises
    ------
    InputError
        One of its kinds, as `open_era5`.
    """
    with open_era5(path) as parts:
        return np.unique(np.concatenate([part.times for part in parts]))


def _open_grib(path: Path) -> list[xr.Dataset]:
    """Return the messages of a GRIB file as datasets, one for each set of axes."""
    if not path.is_file():
        raise InputError("the file must exist", got=str(path), remedy="check the path under inputs.root")
    try:
        cfgrib, eccodes = (importlib.import_module(name) for name in ("cfgrib", "eccodes"))
    except (ModuleNotFoundError, RuntimeError) as error:
        # RuntimeError is what eccodes raises without its C library
        raise ConfigError(
            "GRIB files are read by the package cfgrib",
            got=f"not installed: {error}",
            remedy='pip install "carbon-tianyan[grib]", or fetch netCDF',
            where=path.name,
        ) from error
    # without indexpath cfgrib writes an index beside the file, and believes an old one; forecasts (boundary layer,
    # fluxes) count steps from their start, and are of their valid time like the analyses
    arguments = {"indexpath": "", "errors": "raise", "time_dims": ["valid_time"]}
    try:
        with warnings.catch_warnings():
            # cfgrib merges with xarray's present defaults, whose change xarray announces
            warnings.filterwarnings("ignore", category=FutureWarning, module="cfgrib")
            found: list[xr.Dataset] = cfgrib.open_datasets(str(path), backend_kwargs=arguments)
    except (OSError, EOFError, ValueError, KeyError, eccodes.CodesInternalError) as error:
        remedy = "fetch it again"
        raise FormatError("the file must be readable GRIB", got=str(error), remedy=remedy, where=path.name) from error
    if not found:
        raise FormatError("the file must hold GRIB messages", got="none", remedy="fetch it again", where=path.name)
    return found


def _part(dataset: xr.Dataset, name: str) -> Part:
    """Return a dataset as a part, its axes found and checked."""
    dataset = dataset.rename({old: new for old, new in _OTHER_NAMES.items() if old in dataset.data_vars})
    mappings = {str(dataset[key].attrs.get("grid_mapping")) for key in dataset.data_vars} & set(dataset.variables)
    # CDO writes the projection as a PROJ string under a grid_mapping_name of its own
    for mapping in mappings:
        if "proj_params" in dataset[mapping].attrs:
            dataset = dataset.assign_attrs(crs=dataset[mapping].attrs["proj_params"])
    frame = find_frame(dataset, tuple(map(str, dataset.dims)), where=name)
    times, time_dim = _times(dataset, name)
    level_dim = next((dim for dim in _LEVELS if dim in dataset.dims), None)
    pressure = np.empty(0) if level_dim is None else np.sort(_pressure(dataset, level_dim, name))[::-1]
    return Part(name, dataset, frame, times, time_dim, level_dim, pressure)


def _times(dataset: xr.Dataset, name: str) -> tuple[np.ndarray, str | None]:
    """Return the valid times and their dim."""
    key = next((key for key in _TIMES if key in dataset.variables), None)
    if key is None:
        return np.empty(0, dtype="datetime64[ns]"), None
    time, where = dataset[key], f"{name}:{key}"
    if time.ndim > 1:
        raise TimeError(
            "fields must have one axis of valid times", got=time.dims, remedy="split the forecast steps", where=where
        )
    values: Any = time.values if time.dtype.kind == "M" else decode_times(time, where=where)
    times = np.atleast_1d(values).astype("datetime64[ns]")
    if np.unique(times).size != times.size:
        raise TimeError("a file must hold each time once", got=times.size, remedy="remove the copies", where=where)
    return times, str(time.dims[0]) if time.ndim else None


def _pressure(dataset: xr.Dataset, level_dim: str, name: str) -> np.ndarray:
    """Return the pressure of the levels in the file's order, Pa."""
    where = f"{name}:{level_dim}"
    unit = str(dataset[level_dim].attrs.get("units", ""))
    if unit.lower() not in _PASCAL:
        raise UnitError("levels must be pressures in Pa or hPa", got=unit, remedy="give the axis a unit", where=where)
    values = dataset[level_dim].values.astype(np.float64) * _PASCAL[unit.lower()]
    if not np.all(values > 0) or np.unique(values).size != values.size:
        got = values.tolist()
        raise CoordinateError("pressures must be positive, each once", got=got, remedy="check the axis", where=where)
    return values
