"""Gridded flux files as they come: netCDF, GeoTIFF, and CDIAC text; one field, its grid, its unit, its hours."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import rasterio.errors
import xarray as xr

from pipeline.errors import ConfigError, CoordinateError, FormatError, TimeError, UnitError
from pipeline.grid.definition import Grid
from pipeline.ingest.axes import find_frame
from pipeline.ingest.labels import require_whole_hours, start_labels, step_hours
from pipeline.ingest.netcdf import open_netcdf
from pipeline.schema import HOUR
from pipeline.settings import FluxSource
from pipeline.units import Species, flux_factor

# the first bytes of classic TIFF and BigTIFF, little and big end first
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


@dataclass(frozen=True)
class Field:
    """A field as the file holds it, both axes ascending."""

    #: (step, y, x) float64 in `unit`; NaN where missing
    values: np.ndarray
    grid: Grid
    unit: str
    #: (hour,) index into the steps for each flux hour
    step: np.ndarray


def read_field(path: Path, source: FluxSource, hours: np.ndarray, domain: Grid, gas: Species) -> Field:
    """Read one flux file.

    Parameters
    ----------
    path
        The file.
    source
        What the settings say about it.
    hours : (hour,) datetime64[ns]
        Flux hours to cover.
    domain
        Longitudes are turned to lie near it.
    gas
        To compare a declared unit with the file's.

    Raises
    ------
    ConfigError
        When the settings ask of a format what it cannot hold.
    InputError
        One of its kinds, naming file and variable.
    """
    if source.time == "hourly" and source.format != "netcdf":
        raise ConfigError(
            f"format {source.format} holds one field", got='time "hourly"', remedy='use "constant"', where=source.file
        )
    return _READERS[source.format](path, source, hours, domain, gas)


def _read_netcdf(path: Path, source: FluxSource, hours: np.ndarray, domain: Grid, gas: Species) -> Field:
    with open_netcdf(path) as data:
        if source.variable not in data.data_vars:
            raise FormatError(
                "the file must hold the declared variable",
                got=source.variable,
                remedy=f"it holds {', '.join(map(str, data.data_vars))}",
                where=path.name,
            )
        where = f"{path.name}: {source.variable}"
        field = data[source.variable]
        frame = find_frame(data, tuple(map(str, field.dims)), where=where, near=domain)
        unit = _unit(field.attrs.get("units"), source, gas, where)
        if source.time == "hourly":
            first, step = _cover(data, field, hours, path.name)
            field = field.isel(time=slice(first, first + int(step.max()) + 1))
            return Field(frame.oriented(field, ("time",)), frame.grid, unit, step)
        if field.sizes.get("time", 1) != 1:
            raise TimeError(
                "a constant source must be one field",
                got=f"{field.sizes['time']} times",
                remedy='declare time = "hourly", or average the file',
                where=where,
            )
        return Field(frame.oriented(field)[None], frame.grid, unit, np.zeros(hours.size, dtype=np.int64))


def _unit(stated: object, source: FluxSource, gas: Species, where: str) -> str:
    """Return the file's unit, or the declared one when the file states none; two must agree."""
    if stated in (None, "") and source.unit is None:
        raise UnitError("a flux must have a unit", remedy="declare unit for this source", where=where)
    if stated in (None, ""):
        return str(source.unit)
    if source.unit is not None and flux_factor(source.unit, gas) != flux_factor(str(stated), gas, where=where):
        raise UnitError(
            f"the declared unit must be the file's, {stated}",
            got=source.unit,
            remedy="remove the declared one, or correct the file and say so",
            where=where,
        )
    return str(stated)


def _cover(data: xr.Dataset, field: xr.DataArray, hours: np.ndarray, name: str) -> tuple[int, np.ndarray]:
    """Return the first step needed, and for each hour the index of its step counted from that one."""
    where = f"{name}: time"
    if "time" not in field.dims or "time" not in data.variables:
        raise TimeError("an hourly source must have times", got=field.dims, remedy='use "constant"', where=where)
    times = start_labels(data, "time", where=where)
    require_whole_hours(times, where=where)
    width = step_hours(times, where=where) * HOUR
    end = times[-1] + width
    if hours[0] < times[0] or hours[-1] + HOUR > end:
        missing = [f"{hours[0]} to {times[0]}"] if hours[0] < times[0] else []
        missing += [f"{end} to {hours[-1] + HOUR}"] if hours[-1] + HOUR > end else []
        raise TimeError(
            "the file must cover every flux hour",
            got=f"{times[0]} to {end}; missing {' and '.join(missing)}",
            remedy="shorten case.flux_hours or give a longer file; nothing is extrapolated",
            where=where,
        )
    step = ((hours - times[0]) // width).astype(np.int64)
    return int(step[0]), step - step[0]


def _read_geotiff(path: Path, source: FluxSource, hours: np.ndarray, domain: Grid, gas: Species) -> Field:
    del domain, gas  # the overlap turns longitudes; a GeoTIFF states no unit
    with path.open("rb") as stream:
        head = stream.read(4)
    if head not in _TIFF:
        raise FormatError("the file must start as TIFF", got=head.hex(" "), remedy="fetch it again", where=path.name)
    try:
        with warnings.catch_warnings():
            # a file without georeference is refused below, with a remedy
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            with rasterio.open(path, driver="GTiff") as image:
                grid = _image_grid(image, path.name)
                values = image.read(1, masked=True).astype(np.float64).filled(np.nan)
                values = values * image.scales[0] + image.offsets[0]
    except rasterio.errors.RasterioError as error:
        raise FormatError(
            "the file must be readable GeoTIFF", got=str(error), remedy="fetch it again", where=path.name
        ) from error
    return Field(values[None, ::-1], grid, str(source.unit), np.zeros(hours.size, dtype=np.int64))


def _image_grid(image: rasterio.DatasetReader, name: str) -> Grid:
    """Return the grid of a north-up image with one band."""
    affine = image.transform
    if image.count != 1:
        raise FormatError("a GeoTIFF must have one band", got=image.count, remedy="split it", where=name)
    if image.crs is None or affine.b or affine.d or affine.a <= 0 or affine.e >= 0:
        raise CoordinateError(
            "a GeoTIFF must be georeferenced, north up",
            got={"crs": None if image.crs is None else str(image.crs), "transform": tuple(affine)[:6]},
            remedy="warp it with gdalwarp",
            where=name,
        )
    x = affine.c + affine.a * np.arange(image.width + 1)
    y = affine.f + affine.e * np.arange(image.height + 1)
    return Grid(image.crs.to_wkt(), x, y[::-1])


def _read_cdiac(path: Path, source: FluxSource, hours: np.ndarray, domain: Grid, gas: Species) -> Field:
    """Read CDIAC `gridcar`: one number a line, rows from 89.5 N down, columns from 179.5 W (NDP-058 readme)."""
    del domain, gas  # the overlap turns longitudes; the text states no unit
    try:
        values = np.array(path.read_text(encoding="ascii").split(), dtype=np.float64)
    except ValueError as error:
        raise FormatError("a CDIAC file must be numbers", got=str(error), remedy="fetch it", where=path.name) from error
    if values.size != 180 * 360:
        raise FormatError(
            "a CDIAC file must hold 180 x 360 numbers", got=values.size, remedy="fetch it again", where=path.name
        )
    grid = Grid("EPSG:4326", np.arange(-180.0, 181.0), np.arange(-90.0, 91.0))
    return Field(values.reshape(1, 180, 360)[:, ::-1], grid, str(source.unit), np.zeros(hours.size, dtype=np.int64))


_READERS: dict[str, Callable[[Path, FluxSource, np.ndarray, Grid, Species], Field]] = {
    "netcdf": _read_netcdf,
    "geotiff": _read_geotiff,
    "cdiac": _read_cdiac,
}
