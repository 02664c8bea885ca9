"""Answers as files: totals as CSV, Parquet, JSON, netCDF; maps as CF netCDF, cloud-optimised GeoTIFF, CSV, Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyproj
import rasterio
import rasterio.shutil
import xarray as xr

from pipeline.answers.tables import frame
from pipeline.errors import ConfigError
from pipeline.grid import Grid

#: a cell that begins so is a formula to a spreadsheet (OWASP, CSV injection)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def require_format(path: Path, *, tables: bool = False) -> None:
    """Raise unless an answer can be written to a file of this name.

    Parameters
    ----------
    path
        The file.
    tables
        Whether it must be a format of tables.

    Raises
    ------
    ConfigError
        When its ending is none of those known.
    """
    known = [ending for ending, write in WRITERS.items() if write is not None or not tables]
    require_ending(path, path.suffix.lower(), known)


def require_ending(path: Path, ending: str, known: Sequence[str]) -> None:
    """Raise unless a file ends as one of those known.

    Raises
    ------
    ConfigError
        When it does not.
    """
    if ending not in known:
        raise ConfigError(
            "the file's ending says what is written",
            got=path.name,
            remedy=f"end it with one of {', '.join(known)}",
            where="--output",
        )


def write_frame(table: pd.DataFrame, path: Path) -> None:
    """Write a table to a file: .csv, .json or .parquet.

    Raises
    ------
    ConfigError
        For another ending.
    """
    require_format(path, tables=True)
    write = WRITERS[path.suffix.lower()]
    assert write is not None
    write(table, path)


def write_table(answer: xr.Dataset, path: Path) -> int:
    """Write an answer to a file; return how many rows it has.

    Parameters
    ----------
    answer
        Of `pipeline.answers.query`.
    path
        Its ending says how: .csv, .json and .parquet have the columns of `frame`, .nc is the Dataset.

    Raises
    ------
    ConfigError
        For another ending.
    """
    require_format(path)
    table = frame(answer)
    if WRITERS[path.suffix.lower()] is None:
        flat = answer.assign_coords({n: c.astype(str) for n, c in answer.coords.items() if c.dtype.kind == "O"})
        flat.assign(exact=flat["exact"].astype("int8")).to_netcdf(path, engine="netcdf4")
    else:
        write_frame(table, path)
    return len(table)


def csv_text(table: pd.DataFrame) -> str:
    """Return a table as CSV: UTF-8, times as 2024-07-15T06:00:00Z, text that looks like a formula quoted."""
    return str(_plain(table).to_csv(index=False, quoting=csv.QUOTE_MINIMAL, lineterminator="\n"))


def json_text(table: pd.DataFrame) -> str:
    """Return a table as JSON: a list of rows; what is no number is null."""
    rows = _plain(table, formulas=True).astype(object).where(table.notna(), None).to_dict("records")
    return json.dumps(rows, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _plain(table: pd.DataFrame, *, formulas: bool = False) -> pd.DataFrame:
    out = table.copy()
    for name in out:
        if isinstance(out[name].dtype, pd.DatetimeTZDtype):
            out[name] = out[name].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        elif pd.api.types.is_string_dtype(out[name].dtype) and not formulas:
            out[name] = [f"'{v}" if isinstance(v, str) and v.startswith(_FORMULA) else v for v in out[name]]
    return out


def _csv(table: pd.DataFrame, path: Path) -> None:
    path.write_text(csv_text(table), encoding="utf-8")


def _json(table: pd.DataFrame, path: Path) -> None:
    path.write_text(json_text(table), encoding="utf-8")


def _parquet(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path, index=False)


#: how a table is written, by the ending of the file
WRITERS: dict[str, Callable[[pd.DataFrame, Path], None] | None] = {
    ".csv": _csv,
    ".json": _json,
    ".parquet": _parquet,
    ".nc": None,
}


def write_maps(maps: xr.Dataset, path: Path) -> None:
    """Write maps to a file.

    Parameters
    ----------
    maps
        Of `pipeline.answers.mean_maps`.
    path
        Its ending says how: .nc is CF netCDF; .tif is a cloud-optimised GeoTIFF of one part of the period, a band for
        each variable and sector; .csv and .parquet have a row for each sector, part and cell.

    Raises
    ------
    ConfigError
        For another ending, or a GeoTIFF of several parts.
    """
    require_map_format(path)
    suffix = path.suffix.lower()
    if suffix == ".nc":
        _netcdf(maps, path)
    elif suffix == ".tif":
        _geotiff(maps, path)
    else:
        table = map_frame(maps)
        if suffix == ".csv":
            path.write_text(csv_text(table), encoding="utf-8")
        else:
            table.to_parquet(path, index=False)


def require_map_format(path: Path) -> None:
    """Raise unless maps can be written to a file of this name.

    Raises
    ------
    ConfigError
        When its ending is none of those known.
    """
    require_ending(path, path.suffix.lower(), MAP_ENDINGS)


def map_frame(maps: xr.Dataset) -> pd.DataFrame:
    """Return maps as a table: one row for each sector, part of the period and cell."""
    names = [name for name in maps if maps[name].dims == ("sector", "time", "y", "x")]
    table = maps[names].reset_coords(drop=True).to_dataframe(dim_order=["sector", "time", "y", "x"]).reset_index()
    repeat = maps.sizes["sector"] * maps.sizes["time"]
    for name, values in zip(("lat", "lon"), Grid.from_dataset(maps).lonlat[::-1], strict=True):
        table.insert(4, name, np.tile(values.ravel(), repeat))
    table["time"] = pd.to_datetime(table["time"], utc=True)
    return table


def _netcdf(maps: xr.Dataset, path: Path) -> None:
    """Write CF netCDF: times as hours since 1970, text as text, numbers compressed without loss."""
    fields = [name for name in maps if maps[name].dims == ("sector", "time", "y", "x")]
    encoding: dict[str, dict[str, object]] = {
        str(name): {"zlib": True, "complevel": 4, "shuffle": True, "_FillValue": np.float32(np.nan)} for name in fields
    }
    encoding["time"] = {"units": "hours since 1970-01-01", "dtype": "int64", "calendar": "proleptic_gregorian"}
    flat = maps.assign_coords(sector=maps["sector"].astype(str))
    flat.to_netcdf(path, engine="netcdf4", encoding=encoding)


def _geotiff(maps: xr.Dataset, path: Path) -> None:
    if maps.sizes["time"] != 1:
        raise ConfigError(
            "a GeoTIFF holds one map of each sector",
            got=f"{maps.sizes['time']} parts",
            remedy="ask for the mean of the period (--freq all), or write .nc",
            where="--output",
        )
    grid = Grid.from_dataset(maps)
    west, east, south, north = (float(edges[at]) for edges in (grid.x_edges, grid.y_edges) for at in (0, -1))
    # north up: the first row of an image is the northernmost
    transform = rasterio.Affine((east - west) / grid.nx, 0.0, west, 0.0, (south - north) / grid.ny, north)
    bands = [
        (f"{name} {sector}", maps[name].sel(sector=sector).isel(time=0).values[::-1], maps[name].attrs["units"])
        for name in maps
        if maps[name].dims == ("sector", "time", "y", "x")
        for sector in maps["sector"].values
    ]
    profile = {
        "driver": "GTiff", "count": len(bands), "dtype": "float32", "width": grid.nx, "height": grid.ny,
        "crs": rasterio.crs.CRS.from_wkt(pyproj.CRS(grid.crs).to_wkt()), "transform": transform, "nodata": np.nan,
    }  # fmt: skip
    with rasterio.MemoryFile() as memory:
        with memory.open(**profile) as out:
            for number, (name, values, unit) in enumerate(bands, 1):
                out.write(values.astype(np.float32), number)
                out.set_band_description(number, name)
                out.set_band_unit(number, unit)
            out.update_tags(**{key: str(value) for key, value in maps.attrs.items()})
        rasterio.shutil.copy(memory.name, path, driver="COG", compress="DEFLATE", predictor="YES")


#: endings of files of maps
MAP_ENDINGS = (".nc", ".tif", ".csv", ".parquet")
