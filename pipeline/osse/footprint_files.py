"""Footprints as STILT writes them: one netCDF per receptor, (time, y, x), named by time, place and height.

Layout of github.com/uataq/stilt, `write_footprint`: foot in ppm (umol-1 m2 s), times in seconds since 1970 at the
start of each hour, the CRS as a PROJ.4 string.
"""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import xarray as xr

from pipeline.grid import Grid

_EPOCH = np.datetime64("1970-01-01T00:00:00", "s")


def write_stilt(folder: Path, footprints: xr.Dataset, grid: Grid) -> list[Path]:
    """Write every row of the footprints as a file and return the paths.

    Parameters
    ----------
    folder
        Folder to write into, made when it is missing.
    footprints
        Dataset "footprints" of `pipeline.schema`.
    grid
        Projected grid whose CRS is a PROJ string.
    """
    folder.mkdir(parents=True, exist_ok=True)
    edges = footprints["indptr"].values
    hour, cell, value = (footprints[name].values for name in ("hour", "cell", "footprint"))
    paths = []
    for row, name in enumerate(_names(footprints)):
        entries = slice(edges[row], edges[row + 1])
        times, layer = np.unique(hour[entries], return_inverse=True)
        foot = np.zeros((times.size, grid.size), dtype=np.float32)
        foot[layer, cell[entries]] = value[entries]
        paths.append(folder / name)
        _write(paths[-1], grid, times, foot.reshape(times.size, *grid.shape))
    return paths


def _names(footprints: xr.Dataset) -> list[str]:
    """Return the simulation names: YYYYMMDDHHMM_lon_lat_zagl_foot.nc, the time being the middle of the hour."""
    # STILT's receptor is an instant and its layers lie before it; the hour's own layer starts before its middle
    stamps = pd.DatetimeIndex(footprints["time"].values + np.timedelta64(30, "m")).strftime("%Y%m%d%H%M")
    places = zip(*(footprints[name].values for name in ("lon", "lat", "height")), strict=True)
    return [
        f"{stamp}_{lon:.10g}_{lat:.10g}_{height:g}_foot.nc"
        for stamp, (lon, lat, height) in zip(stamps, places, strict=True)
    ]


def _write(path: Path, grid: Grid, times: np.ndarray, foot: np.ndarray) -> None:
    with netCDF4.Dataset(path, "w") as file:
        for name, values in (("x", grid.x), ("y", grid.y)):
            file.createDimension(name, values.size)
            axis = file.createVariable(name, "f8", (name,))
            axis.units = "m"
            axis.standard_name = f"projection_{name}_coordinate"
            axis.long_name = f"{name} coordinate at cell center"
            axis[:] = values
        file.createDimension("time", times.size)
        time = file.createVariable("time", "f8", ("time",))
        time.units = "seconds since 1970-01-01 00:00:00Z"
        time.standard_name = "time"
        time.long_name = "utc time"
        time.calendar = "standard"
        time[:] = (times.astype("datetime64[s]") - _EPOCH).astype(np.float64)
        field = file.createVariable("foot", "f4", ("time", "y", "x"), fill_value=-1.0, zlib=True, complevel=1)
        field.units = "ppm (umol-1 m2 s)"
        field.standard_name = "footprint"
        field.long_name = "surface influence footprint of an analytic plume"
        field[:] = foot
        file.crs = grid.crs
        file.crs_format = "PROJ.4"
        file.documentation = "layout of github.com/uataq/stilt"
        file.title = "Footprint of an analytic plume"
