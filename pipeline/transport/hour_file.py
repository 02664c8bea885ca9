"""Footprints on disk: one netCDF file for the receptors of one hour, each row with the key of what it was made from."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pipeline.errors import GridError, SchemaError
from pipeline.grid import Grid
from pipeline.schema import check
from pipeline.settings import TransportSettings
from pipeline.transport.code import code_digest
from pipeline.transport.release import Receptor
from pipeline.transport.weather_store import write_whole

#: settings of [transport] that say where things are, not what a footprint is
_PLACES = {"meteorology", "folder"}
#: locks of a folder: an hour shares one with those so many hours before and after
_LOCKS = 1024


def settings_digest(settings: TransportSettings, grid: Grid) -> bytes:
    """Return a digest of the code and of everything in the settings that a footprint depends on."""
    told = {name: value for name, value in settings.model_dump().items() if name not in _PLACES}
    edges = [grid.x_edges.tolist(), grid.y_edges.tolist()]
    return hashlib.sha256(json.dumps([code_digest(), told, grid.crs, edges]).encode()).digest()


def row_key(receptor: Receptor, settings: bytes, weather: Sequence[str]) -> str:
    """Return the key of one footprint: what it is made from, by content.

    Parameters
    ----------
    settings
        `settings_digest`.
    weather
        Digests of the weather times it reads, in order of time.
    """
    digest = hashlib.sha256(settings)
    digest.update(receptor.digest)
    digest.update("\n".join(weather).encode())
    return digest.hexdigest()[:32]


def hour_path(folder: Path, hour: np.datetime64) -> Path:
    """Return the path of an hour's file under a folder, by year and month."""
    name = str(hour.astype("datetime64[h]")).replace("-", "")
    return folder / name[:4] / name[4:6] / f"{name}.nc"


@contextlib.contextmanager
def writing(folder: Path, hour: np.datetime64) -> Iterator[None]:
    """Let one process at a time bring an hour's file up to date: the next finds what this one made.

    Where the disk knows no locks, as some shared ones do, two may make the same footprints; either file is right.

    Parameters
    ----------
    folder
        Of the hours' files.
    hour
        UTC.
    """
    number = int(hour.astype("datetime64[h]").astype(np.int64)) % _LOCKS
    path = folder / "locks" / f"{number:04d}"
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        with contextlib.suppress(OSError):
            # dropped with the descriptor, whatever becomes of the process
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_hour(path: Path, dataset: xr.Dataset) -> None:
    """Write an hour's footprints, which carry the variable `key`; the file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # in one order, whatever was joined: the same footprints are the same bytes
    dataset = dataset.reset_coords()[sorted(map(str, dataset.variables))].set_coords(list(dataset.coords))
    packed: dict[str, dict[str, Any]]
    packed = {str(n): {"zlib": True, "complevel": 1} for n, v in dataset.variables.items() if v.dtype.kind in "iuf"}
    for name in ("time", "hour"):
        packed[name] = {"units": "hours since 1970-01-01", "calendar": "proleptic_gregorian", "dtype": "int64"}
    write_whole(path, lambda beside: dataset.to_netcdf(beside, engine="netcdf4", encoding=packed))


def read_hour(path: Path, grid: Grid) -> xr.Dataset | None:
    """Return an hour's footprints; None when there is no file, it cannot be read, or it is of another grid."""
    try:
        with xr.open_dataset(path, engine="netcdf4") as dataset:
            # how the file was packed says nothing of how the next one shall be
            found = check(dataset.load().drop_encoding(), "footprints")
        return found if Grid.from_dataset(found) == grid and found["key"].dims == ("obs",) else None
    except (OSError, ValueError, KeyError, RuntimeError, GridError, SchemaError):
        return None
