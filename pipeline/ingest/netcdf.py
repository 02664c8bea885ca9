"""NetCDF files of others, opened only after their first bytes and their length have been checked.

The C library reads a classic file that was cut short as zeros, without an error, so the length that the header
promises is computed here and compared with the file's. HDF5 files state their own end.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr

from pipeline.errors import FormatError, InputError, TimeError
from pipeline.ingest.classic import ClassicHeader
from pipeline.ingest.signatures import HDF5, foreign_kind

# calendars in which every date of the Gregorian era is a real date
_REAL_CALENDARS = ("standard", "gregorian", "proleptic_gregorian")
_UNIT_SECONDS = {"day": 86400, "d": 86400, "hour": 3600, "hr": 3600, "h": 3600, "minute": 60, "min": 60}
_UNIT_SECONDS |= {"second": 1, "sec": 1, "s": 1}
# the first day of the Gregorian calendar: before it "standard" means Julian; and about the last that ns can hold
_GREGORIAN, _LAST = np.datetime64("1582-10-15", "ms"), np.datetime64("2262-01-01", "ms")


@contextmanager
def open_netcdf(path: str | Path, *, group: str | None = None) -> Iterator[xr.Dataset]:
    """Open a checked netCDF file; fill values become NaN, times stay numbers (see `decode_times`).

    Parameters
    ----------
    path
        The file.
    group
        Path of a group; the root when not given.

    Raises
    ------
    InputError
        When there is no such file.
    FormatError
        When the file is not netCDF, is shorter than its header promises, or cannot be read; or has no such group.
    """
    path = Path(path)
    check_file(path)
    try:
        dataset = xr.open_dataset(path, engine="netcdf4", group=group, decode_times=False, decode_timedelta=False)
    except (OSError, RuntimeError, ValueError, AttributeError) as error:
        # AttributeError is what netCDF4 raises for an attribute it cannot read
        raise _unreadable(path, error) from error
    with dataset:
        try:
            yield dataset
        except RuntimeError as error:
            # the library's own errors while values are read; anything else is not about the file
            if str(error).startswith("NetCDF:"):
                raise _unreadable(path, error) from error
            raise


def check_file(path: Path) -> None:
    """Raise unless the file begins as netCDF and is as long as its header says.

    Raises
    ------
    InputError
        When there is no such file.
    FormatError
        Naming what the file starts with, or both lengths.
    """
    if not path.is_file():
        raise InputError("the file must exist", got=str(path), remedy="check the path under inputs.root")
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(64)
        if head.startswith(HDF5):
            promised = _hdf5_length(head, path)
        elif head[:3] == b"CDF" and head[3:4] in (b"\x01", b"\x02", b"\x05"):
            stream.seek(0)
            promised = ClassicHeader(stream, size, path).data_end()
        else:
            kind, remedy = foreign_kind(head) or ("", "convert it to netCDF")
            raise FormatError(
                "the file must start as netCDF: CDF or HDF5",
                got=f"{kind}: {_shown(head)}" if kind else _shown(head),
                remedy="fetch it again" if head.lstrip()[:1] in (b"<", b"") else remedy,
                where=path.name,
            )
    if size < promised:
        raise FormatError(
            f"the file must hold the {promised} bytes its header promises",
            got=f"{size} bytes",
            remedy="it is truncated; fetch it again",
            where=path.name,
        )


def decode_times(time: xr.DataArray, *, where: str) -> np.ndarray:
    """Return CF times as UTC.

    Parameters
    ----------
    time
        Numbers with `units` "<unit> since <date>" and, unless it is the standard one, `calendar`. A date without a
        zone is UTC, as CF says.

    Returns
    -------
    datetime64[ns] of the same shape, rounded to milliseconds

    Raises
    ------
    TimeError
        For a missing or unusable unit, a calendar without real dates, missing values, dates before 1582, or numbers
        too coarse to tell seconds apart.
    """
    unit, calendar = time.attrs.get("units"), str(time.attrs.get("calendar", "standard")).lower()
    if not isinstance(unit, str) or " since " not in unit:
        raise TimeError("a time must have units since a date", got=unit, remedy="add the CF attribute", where=where)
    if calendar not in _REAL_CALENDARS:
        raise TimeError(
            "the calendar must be the real one",
            got=calendar,
            remedy=f"convert to {_REAL_CALENDARS[0]}; model calendars have no hours to compare with",
            where=where,
        )
    seconds = _UNIT_SECONDS.get(unit.split()[0].lower().removesuffix("s") or "s")
    if seconds is None:
        raise TimeError("time must count days, hours, minutes or seconds", got=unit, remedy="convert it", where=where)
    values = np.asarray(time.values)
    if values.size == 0 or values.dtype.kind not in "iuf" or not np.all(np.isfinite(values)):
        got = values.ravel()[:3].tolist()
        raise TimeError("every time must be a number", got=got, remedy="remove fills", where=where)
    coarse = seconds * float(np.spacing(np.abs(values).max())) if values.dtype.kind == "f" else 0.0
    if coarse > 0.5:
        raise TimeError(
            "times must be stored finely enough to tell seconds apart",
            got=f"{values.dtype} steps of {coarse:.3g} s",
            remedy="store float64 or integers",
            where=where,
        )
    # milliseconds since the first do not fit in the 32 bits that many files store seconds in
    return _from_first(values.astype(np.float64), unit, calendar, seconds, where)


def _from_first(values: np.ndarray, unit: str, calendar: str, seconds: int, where: str) -> np.ndarray:
    """Decode the first value by the library, which knows Julian dates and zones, and count from it."""
    first = values.flat[0]
    try:
        # the reference date is exact; a fraction of a unit is added in milliseconds below
        whole = np.floor(first)
        date: Any = netCDF4.num2date(whole, unit, calendar, only_use_cftime_datetimes=True)
        start = np.datetime64(date.isoformat(), "ms")
    except (ValueError, OverflowError) as error:
        raise TimeError("the time unit must be readable", got=unit, remedy=str(error), where=where) from error
    offset = (values - whole) * (1000 * seconds)
    allowed = ((end - start).astype(np.float64) for end in (_GREGORIAN, _LAST))
    if offset.min() < next(allowed) or offset.max() > next(allowed):
        got = [f"{value:g}" for value in (values.min(), values.max())]
        raise TimeError(f"times must lie between 1582 and 2262, in {unit}", got=got, remedy="check it", where=where)
    return np.asarray(start + np.round(offset).astype("timedelta64[ms]")).astype("datetime64[ns]")


def _unreadable(path: Path, error: Exception) -> FormatError:
    return FormatError("the file must be readable netCDF", got=str(error), remedy="fetch it again", where=path.name)


def _shown(head: bytes) -> str:
    """Return the first bytes for a message: nothing, text, or hexadecimal."""
    if not head:
        return "an empty file"
    start = head[:24].strip()
    return start.decode() if start.isascii() and start.decode().isprintable() else start.hex(" ")


def _hdf5_length(head: bytes, path: Path) -> int:
    """Return the end-of-file address of an HDF5 superblock (HDF5 file format specification, II.A)."""
    # offset of the end-of-file address, and of the byte holding the width of addresses, by superblock version
    layout = {0: (40, 13), 1: (44, 13), 2: (28, 9), 3: (28, 9)}
    version = head[8] if len(head) == 64 else None
    if version not in layout or head[layout[version][1]] != 8:
        raise FormatError(
            "the HDF5 header must be whole, of version 0 to 3, with 8-byte addresses",
            got=f"version {version}, {len(head)} bytes",
            remedy="fetch it again",
            where=path.name,
        )
    return int(struct.unpack_from("<Q", head, layout[version][0])[0])
