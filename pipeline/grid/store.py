"""The store of a run: one Zarr v3 folder, written aside and renamed, opened by plain `xarray.open_zarr`."""

from __future__ import annotations

import os
import shutil
import time
import uuid
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec

from pipeline.errors import ConfigError, InputError

#: bytes of a chunk of a long row of numbers
_LONGEST = 2**24
#: group of a store that holds what answers later questions
_KEPT = "solution"


def write_store(dataset: xr.Dataset, path: Path, kept: xr.Dataset | None = None) -> None:
    """Write the dataset to a Zarr folder, replacing an earlier one only when the new one is whole.

    Times are encoded as whole hours since 1970 where they are whole, seconds otherwise (the default, days since the
    first value, shifts appended hours); every chunk carries a CRC-32C checksum, because Zarr's default codec returns
    numbers from a chunk with a flipped bit. A chunk holds whole maps of one sector (and member), about 1 MiB.

    Parameters
    ----------
    dataset
        What `open_store` gives back.
    path
        The folder.
    kept
        What `open_kept` gives back: a group of its own, which plain `open_zarr` does not read.

    Raises
    ------
    ConfigError
        See `require_writable`.
    """
    require_writable(path)
    # CF names bounds and grid mappings by attributes of their own; as coordinates they would also stand in the
    # `coordinates` of every variable
    related = {v.attrs.get(key) for v in dataset.variables.values() for key in ("bounds", "grid_mapping")}
    dataset = dataset.reset_coords([name for name in dataset.coords if name in related])
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        # 1.: consolidated metadata is not in the Zarr v3 specification yet; without it plain open_zarr warns
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
            options: dict[str, Any] = {"zarr_format": 3, "consolidated": False}
            dataset.to_zarr(aside, mode="w", encoding=_encoding(dataset), **options)
            if kept is not None:
                kept.to_zarr(aside, group=_KEPT, mode="a", encoding=_encoding(kept), **options)
            zarr.consolidate_metadata(str(aside))
        _replace(aside, path)
    finally:
        _remove(aside)


def require_writable(path: Path) -> None:
    """Raise unless a store can be put at `path`, before hours of work are spent on it.

    Raises
    ------
    ConfigError
        When something that is not a Zarr folder stands there (it would be deleted), or the folder around it cannot
        be written.
    """
    if path.exists() and not (path / "zarr.json").is_file():
        raise ConfigError(
            "only a Zarr folder may be replaced by a store",
            got=str(path),
            remedy="give a path of its own, for example one that ends in .zarr",
            where="store",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writable = os.access(path.parent, os.W_OK | os.X_OK)
    except OSError:
        writable = False
    if not writable:
        raise ConfigError(
            "the store's folder must be writable", got=str(path.parent), remedy="give another path", where="store"
        )


def open_store(path: Path) -> xr.Dataset:
    """Open a run's store, lazily.

    Raises
    ------
    InputError
        When there is no store of ours at that path.
    """
    try:
        dataset = xr.open_zarr(path, chunks=None, consolidated=False)
    except (FileNotFoundError, ValueError, KeyError, zarr.errors.GroupNotFoundError) as error:
        raise InputError("there must be a store", got=str(path), remedy="run `tianyan run CASE.toml` first") from error
    if "flux_posterior" not in dataset:
        raise InputError(
            "the store must hold a posterior",
            got=sorted(map(str, dataset))[:5],
            remedy="give a store that `tianyan run` wrote",
        )
    return _with_plain_text(dataset)


def open_kept(path: Path) -> xr.Dataset:
    """Open what a run kept for later questions.

    Raises
    ------
    InputError
        When the run kept nothing.
    """
    try:
        return _with_plain_text(xr.open_zarr(path, group=_KEPT, chunks=None, consolidated=False))
    except (FileNotFoundError, ValueError, KeyError, zarr.errors.GroupNotFoundError) as error:
        raise InputError(
            "the store must have kept its solution",
            got=path.name,
            remedy="run the case with outputs.query = true",
        ) from error


def _with_plain_text(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset with text as str objects: numpy's variable-width text neither casts nor sorts with them."""
    text = {name: v.astype(object) for name, v in dataset.variables.items() if v.dtype.kind == "T"}
    return dataset.assign({name: v for name, v in text.items() if name in dataset.data_vars}).assign_coords(
        {name: v for name, v in text.items() if name in dataset.coords}
    )


def _replace(source: Path, target: Path) -> None:
    """Put a folder in the place of another; the old one is removed last, and put back when the new one cannot come."""
    if not target.exists():
        source.rename(target)
        return
    old = target.with_name(f".{target.name}.old.{uuid.uuid4().hex[:8]}")
    target.rename(old)
    try:
        source.rename(target)
    except BaseException:
        old.rename(target)
        raise
    _remove(old)


def _remove(folder: Path) -> None:
    """Remove a folder, even one that Zarr's threads still write to after an interrupt."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)


def _encoding(dataset: xr.Dataset) -> dict[str, dict[str, Any]]:
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in dataset.variables.items():
        kind = variable.dtype.kind
        if kind == "M":
            whole = bool(np.all(variable.values == variable.values.astype("datetime64[h]")))
            step = "hours" if whole else "seconds"
            encoding[str(name)] = {
                "units": f"{step} since 1970-01-01T00:00:00",
                "dtype": "int64",
                "calendar": "proleptic_gregorian",
            }
        elif kind in "fiu" and variable.ndim:
            codec = BloscCodec(cname="zstd", clevel=3, shuffle="shuffle", typesize=variable.dtype.itemsize)
            encoding[str(name)] = {"compressors": (codec, Crc32cCodec())}
            if variable.dims[-4:] == ("sector", "time", "y", "x"):
                encoding[str(name)]["chunks"] = _chunks(variable.shape, variable.dtype.itemsize)
            elif variable.ndim == 1 and variable.nbytes > _LONGEST:
                encoding[str(name)]["chunks"] = (_LONGEST // variable.dtype.itemsize,)
    return encoding


def _chunks(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return chunks of whole (y, x) maps: as many hours as make about 1 MiB; the cost of a store is per file.

    Examples
    --------
    >>> _chunks((64, 2, 103, 12, 12), 4), _chunks((2, 96, 178, 176), 4)
    ((1, 1, 103, 12, 12), (1, 8, 178, 176))
    """
    *outer, hours, ny, nx = shape
    return (*[1] * len(outer), int(min(hours, max(1, 2**20 // (ny * nx * itemsize)))), ny, nx)
