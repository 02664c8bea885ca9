"""The store of a run: one Zarr v3 folder, written aside and renamed, opened by plain `xarray.open_zarr`."""

from __future__ import annotations

import shutil
import uuid
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec

from pipeline.errors import InputError


def write_store(dataset: xr.Dataset, path: Path) -> None:
    """Write the dataset to a Zarr folder, replacing an earlier one only when the new one is whole.

    Times are encoded as whole hours since 1970 where they are whole, seconds otherwise (the default, days since the
    first value, shifts appended hours); every chunk carries a CRC-32C checksum, because Zarr's default codec returns
    numbers from a chunk with a flipped bit. One chunk holds one hour of one sector.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        # 1.: consolidated metadata is not in the Zarr v3 specification yet; without it plain open_zarr warns
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
            dataset.to_zarr(aside, mode="w", zarr_format=3, consolidated=False, encoding=_encoding(dataset))
            zarr.consolidate_metadata(str(aside))
        _replace(aside, path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


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
    return dataset


def _replace(source: Path, target: Path) -> None:
    """Put a folder in the place of another; the old one is removed last."""
    if not target.exists():
        source.rename(target)
        return
    old = target.with_name(f".{target.name}.old.{uuid.uuid4().hex[:8]}")
    target.rename(old)
    source.rename(target)
    shutil.rmtree(old)


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
                encoding[str(name)]["chunks"] = (*[1] * (variable.ndim - 2), *variable.shape[-2:])
    return encoding
