"""Flux fields as files of the kinds inventories and biosphere models come in."""

from __future__ import annotations

from pathlib import Path

import netCDF4
import numpy as np
import rasterio

from pipeline.grid import Grid

_EPOCH = np.datetime64("2000-01-01T00:00:00", "h")


def write_annual_netcdf(path: Path, grid: Grid, flux: np.ndarray, variable: str) -> None:
    """Write an annual mean, kg m-2 s-1, as lat-lon netCDF laid out like EDGAR's: (lat, lon), units in attributes.

    Parameters
    ----------
    path
        File to write.
    grid
        Lon-lat grid.
    flux : (lat, lon) float64
        kg m-2 s-1, positive upward.
    variable
        Name of the variable, for example emi_co2.
    """
    with netCDF4.Dataset(path, "w") as file:
        _lonlat_axes(file, grid)
        field = file.createVariable(variable, "f4", ("lat", "lon"), zlib=True)
        field.units = "kg m-2 s-1"
        field.standard_name = "tendency_of_atmosphere_mass_content_of_carbon_dioxide_due_to_emission"
        field.cell_methods = "time: mean area: mean"
        field[:] = flux
        file.Conventions = "CF-1.8"
        file.title = "Simulated annual CO2 emission, known points not included"


def write_hourly_netcdf(path: Path, grid: Grid, times: np.ndarray, flux: np.ndarray, variable: str) -> None:
    """Write hourly means, mol m-2 s-1, as lat-lon netCDF with times at the start of the hour.

    Parameters
    ----------
    path
        File to write.
    grid
        Lon-lat grid.
    times : (time,) datetime64[ns]
        Hour starts, UTC.
    flux : (time, lat, lon) float64
        mol m-2 s-1, positive upward.
    variable
        Name of the variable, for example nee.
    """
    with netCDF4.Dataset(path, "w") as file:
        _lonlat_axes(file, grid)
        file.createDimension("time", times.size)
        time = file.createVariable("time", "i4", ("time",))
        time.units = "hours since 2000-01-01 00:00:00"
        time.calendar = "standard"
        time.long_name = "start of the hour, UTC"
        time.label = "left"
        time[:] = (times.astype("datetime64[h]") - _EPOCH).astype(np.int64)
        field = file.createVariable(variable, "f4", ("time", "lat", "lon"), zlib=True)
        field.units = "mol m-2 s-1"
        field.long_name = "net ecosystem exchange, positive upward"
        field[:] = flux
        file.Conventions = "CF-1.8"
        file.title = "Simulated net ecosystem exchange of CO2"


def write_shares(path: Path, grid: Grid, share: np.ndarray, variable: str) -> None:
    """Write shares of 0 to 1 as lat-lon netCDF.

    Parameters
    ----------
    path
        File to write.
    grid
        Lon-lat grid.
    share : (lat, lon) float64
        1.
    variable
        Name of the variable, for example land.
    """
    with netCDF4.Dataset(path, "w") as file:
        _lonlat_axes(file, grid)
        field = file.createVariable(variable, "f4", ("lat", "lon"), zlib=True)
        field.units = "1"
        field.long_name = "share of the cell where fluxes are uncertain: land and its shore"
        field[:] = share
        file.Conventions = "CF-1.8"


def write_geotiff(path: Path, grid: Grid, tonnes: np.ndarray) -> None:
    """Write totals per cell, t per year, as a north-up GeoTIFF; the format has no place for the unit.

    Parameters
    ----------
    path
        File to write.
    grid
        Grid of even cells.
    tonnes : (ny, nx) float64
        t cell-1 year-1, rows from south to north.
    """
    step_x, step_y = (float(edges[1] - edges[0]) for edges in (grid.x_edges, grid.y_edges))
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=grid.ny,
        width=grid.nx,
        count=1,
        dtype="float32",
        crs=grid.crs,
        transform=rasterio.Affine(step_x, 0, grid.x_edges[0], 0, -step_y, grid.y_edges[-1]),
        compress="deflate",
    ) as file:
        file.write(tonnes[::-1].astype(np.float32), 1)


def _lonlat_axes(file: netCDF4.Dataset, grid: Grid) -> None:
    for name, values, units in (("lat", grid.y, "degrees_north"), ("lon", grid.x, "degrees_east")):
        file.createDimension(name, values.size)
        axis = file.createVariable(name, "f8", (name,))
        axis.units = units
        axis.standard_name = {"lat": "latitude", "lon": "longitude"}[name]
        axis[:] = values
