"""ARL packed files, the weather files of HYSPLIT and STILT: index records, labels, and the unpacking of one field.

A file is a row of records of one length: a 50-byte label in text, then one byte per grid point. Each time period
starts with an index record that lists the records after it, so a record is found by seeking; the whole file is never
read. Layout and packing: Draxler & Hess (1997), NOAA Technical Memorandum ERL ARL-224, and the HYSPLIT user's guide,
"Meteorological data: ARL packed format".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from pipeline.errors import FormatError, InputError, TimeError

LABEL_BYTES = 50
#: the index record's text before its list of levels
_FIXED_BYTES = 108
_LEVEL_BYTES, _VARIABLE_BYTES = 8, 8
#: years are two digits; HYSPLIT reads those above this as 19xx
_LAST_YEAR_OF_2000S = 40


@dataclass(frozen=True)
class Label:
    """The 50 bytes of text that begin every record."""

    #: start of the label's hour, UTC
    time: np.datetime64
    #: hours since the forecast began; -1 marks a field that is missing
    forecast: int
    #: number of the level, 0 at the surface
    level: int
    grid: str
    variable: str
    #: of the packed differences: one step is 2**(exponent - 7)
    exponent: int
    precision: float
    first: float


@dataclass(frozen=True)
class Period:
    """One time in the file: its grid, and where its records are."""

    time: np.datetime64
    source: str
    #: the 12 numbers that define the grid, in the order of the file
    grid: tuple[float, ...]
    nx: int
    ny: int
    #: 1 sigma, 2 pressure, 3 terrain-following, 4 hybrid
    vertical: int
    #: value of each level in the vertical coordinate; the first is the surface
    levels: tuple[float, ...]
    #: (level number, variable, checksum) of each record, in file order
    fields: tuple[tuple[int, str, int], ...]
    #: record number of the index record, from 0
    record: int

    @property
    def record_bytes(self) -> int:
        """Length of every record."""
        return LABEL_BYTES + self.nx * self.ny


def index(path: str | Path) -> pd.DataFrame:
    """Return the table of the data records of a file, read from its index records alone.

    Returns
    -------
    One row per record: time (UTC), level (number, 0 at the surface), value (of the level, in the vertical
    coordinate), variable, checksum, record (number in the file, from 0).

    Raises
    ------
    InputError, FormatError, TimeError
        As `periods`.
    """
    rows = [
        (period.time, level, period.levels[level], variable, checksum, period.record + 1 + number)
        for period in periods(path)
        for number, (level, variable, checksum) in enumerate(period.fields)
    ]
    return pd.DataFrame(rows, columns=["time", "level", "value", "variable", "checksum", "record"])


def periods(path: str | Path) -> list[Period]:
    """Return the time periods of a file, in file order.

    Raises
    ------
    InputError
        When there is no such file.
    FormatError
        For a file that does not start with an index record, an index that cannot be read, records of unequal length,
        or a file that ends inside a record or a period.
    TimeError
        For an impossible date.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("the file must exist", got=str(path), remedy="check the path")
    size = path.stat().st_size
    found: list[Period] = []
    with path.open("rb") as stream:
        offset = record = 0
        while offset < size or not found:
            period = _read_period(stream, offset, record, path.name)
            if found and period.record_bytes != found[0].record_bytes:
                raise FormatError(
                    f"every record must have the {found[0].record_bytes} bytes of the first",
                    got=period.record_bytes,
                    remedy="the file joins different grids; split it",
                    where=f"{path.name}:record {record}",
                )
            record += 1 + len(period.fields)
            offset = record * period.record_bytes
            found.append(period)
            if offset > size:
                raise _truncated(path.name, size // period.record_bytes, offset, size)
    return found


def read_field(stream: BinaryIO, period: Period, number: int, name: str) -> np.ndarray:
    """Return one field.

    Parameters
    ----------
    stream
        The file, open for reading bytes.
    period
        From `periods`.
    number
        Place of the record in `period.fields`.
    name
        The file's name, for messages.

    Returns
    -------
    (ny, nx) float64, in the file's unit; rows from the sync row upward

    Raises
    ------
    FormatError
        For a record cut short, one that is not the one its index lists, one marked missing, or one whose bytes do not
        add up to the index's checksum.
    """
    level, variable, expected = period.fields[number]
    record = period.record + 1 + number
    where = f"{name}:record {record}"
    stream.seek(record * period.record_bytes)
    data = stream.read(period.record_bytes)
    if len(data) < period.record_bytes:
        raise _truncated(name, record, (record + 1) * period.record_bytes, record * period.record_bytes + len(data))
    label = read_label(data[:LABEL_BYTES], where)
    hour = period.time.astype("datetime64[h]")
    if (label.variable, label.level, label.time) != (variable, level, hour):
        raise FormatError(
            f"the record must be {variable} on level {level} at {hour}, as its index says",
            got=f"{label.variable} on level {label.level} at {label.time}",
            remedy="the file is damaged or its period incomplete; fetch it again",
            where=where,
        )
    if label.forecast < 0:
        raise FormatError(
            "the field must not be marked missing (forecast hour -1)",
            got=variable,
            remedy="use a file that has it",
            where=where,
        )
    packed = np.frombuffer(data, dtype=np.uint8, offset=LABEL_BYTES).reshape(period.ny, period.nx)
    if checksum(packed) != expected:
        raise FormatError(
            f"the bytes of {variable} on level {level} must add up to the index's checksum {expected}",
            got=checksum(packed),
            remedy="the file is damaged; fetch it again",
            where=where,
        )
    return unpack(packed, label.exponent, label.first, label.precision)


def unpack(packed: np.ndarray, exponent: int, first: float, precision: float) -> np.ndarray:
    """Return the values of packed differences.

    Parameters
    ----------
    packed : (ny, nx) uint8
        Differences plus 127, in steps of 2**(exponent - 7): along a row from its left neighbour, at the start of a
        row from the start of the row before.
    exponent, first, precision
        From the label: of the step; the value the first difference is added to; values smaller than it are zero.

    Returns
    -------
    (ny, nx) float64

    Examples
    --------
    >>> unpack(np.array([[127, 129], [126, 127]], dtype=np.uint8), 7, 10.0, 0.5).tolist()
    [[10.0, 12.0], [9.0, 9.0]]
    """
    steps = packed.astype(np.int64) - 127
    # whole numbers add up exactly, where the original accumulates rounding
    steps[:, 0] = np.cumsum(steps[:, 0])
    values = first + np.cumsum(steps, axis=1) * 2.0 ** (exponent - 7)
    values[np.abs(values) < precision] = 0.0
    return values


def checksum(packed: np.ndarray) -> int:
    """Return the rotating sum of bytes: 255 is taken off whenever the sum passes it.

    Examples
    --------
    >>> checksum(np.array([200, 55], dtype=np.uint8)), checksum(np.array([200, 56], dtype=np.uint8))
    (255, 1)
    """
    total = int(packed.sum(dtype=np.int64))
    return (total - 1) % 255 + 1 if total else 0


def read_label(data: bytes, where: str) -> Label:
    """Return the label of a record.

    Raises
    ------
    FormatError
        For bytes that are not a label.
    TimeError
        For an impossible date.
    """
    try:
        text = data.decode("ascii")
        # blanks within fixed columns are zeros, as Fortran reads them
        year, month, day, hour, forecast, level = (int(text[i : i + 2].strip() or 0) for i in range(0, 12, 2))
        exponent, precision, first = int(text[18:22]), float(text[22:36]), float(text[36:50])
    except (UnicodeDecodeError, ValueError) as error:
        raise _unreadable("a label", data[:LABEL_BYTES], where) from error
    year += 2000 if year <= _LAST_YEAR_OF_2000S else 1900
    try:
        time = np.datetime64(f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}", "h")
    except ValueError as error:
        raise TimeError("the label's date must exist", got=text[:8], remedy="fetch it again", where=where) from error
    return Label(time, forecast, level, text[12:14], text[14:18], exponent, precision, first)


def _read_period(stream: BinaryIO, offset: int, record: int, name: str) -> Period:
    """Read the index record at an offset."""
    where = f"{name}:record {record}"
    stream.seek(offset)
    head = stream.read(LABEL_BYTES + _FIXED_BYTES)
    if head[14:18] != b"INDX":
        raise FormatError(
            "a time period must start with an INDX record",
            got=head[:LABEL_BYTES],
            remedy="the file is no ARL packed file, or damaged",
            where=where,
        )
    if len(head) < LABEL_BYTES + _FIXED_BYTES:
        raise _truncated(name, record, offset + LABEL_BYTES + _FIXED_BYTES, offset + len(head))
    label = read_label(head[:LABEL_BYTES], where)
    try:
        text = head[LABEL_BYTES:].decode("ascii")
        minutes = int(text[7:9].strip() or 0)
        grid = tuple(float(text[i : i + 7]) for i in range(9, 93, 7))
        nx, ny, nz = (int(text[i : i + 3]) for i in range(93, 102, 3))
        vertical, length = int(text[102:104]), int(text[104:108])
    except (UnicodeDecodeError, ValueError) as error:
        raise _unreadable("an index record", head[LABEL_BYTES:], where) from error
    thousands = [1000 * (ord(letter) - 64) if letter >= "@" else 0 for letter in label.grid]
    nx, ny = nx + thousands[0], ny + thousands[1]
    if not _FIXED_BYTES <= length <= nx * ny:
        raise FormatError(
            f"the index must fit in a record of {nx} x {ny} bytes", got=length, remedy="fetch it again", where=where
        )
    listing = stream.read(length - _FIXED_BYTES)
    if len(listing) < length - _FIXED_BYTES:
        raise _truncated(name, record, offset + LABEL_BYTES + length, offset + len(head) + len(listing))
    levels, fields = _read_listing(listing, nz, where)
    time = (label.time + np.timedelta64(minutes, "m")).astype("datetime64[ns]")
    return Period(time, text[:4], grid, nx, ny, vertical, levels, fields, record)


def _read_listing(data: bytes, nz: int, where: str) -> tuple[tuple[float, ...], tuple[tuple[int, str, int], ...]]:
    """Return the levels and fields that the second part of an index record lists."""
    try:
        rows = list(_levels_of(data.decode("ascii"), nz))
    except (UnicodeDecodeError, ValueError) as error:
        raise _unreadable("an index record's list of levels", data[:LABEL_BYTES], where) from error
    levels = tuple(value for value, _ in rows)
    fields = tuple((number, *field) for number, (_, listed) in enumerate(rows) for field in listed)
    return levels, fields


def _levels_of(text: str, nz: int) -> Iterator[tuple[float, list[tuple[str, int]]]]:
    """Yield the value of each level and its (variable, checksum) pairs."""
    at = 0
    for _ in range(nz):
        value, count = float(text[at : at + 6]), int(text[at + 6 : at + _LEVEL_BYTES])
        at += _LEVEL_BYTES
        starts = range(at, at + count * _VARIABLE_BYTES, _VARIABLE_BYTES)
        yield value, [(text[i : i + 4], int(text[i + 4 : i + 7])) for i in starts]
        at += count * _VARIABLE_BYTES


def _truncated(name: str, record: int, needed: int, size: int) -> FormatError:
    return FormatError(
        f"the file must hold the {needed} bytes its index promises",
        got=f"{size} bytes",
        remedy="it is truncated; fetch it again",
        where=f"{name}:record {record}",
    )


def _unreadable(what: str, data: bytes, where: str) -> FormatError:
    return FormatError(
        f"{what} must be text in its fixed columns",
        got=data,
        remedy="the file is no ARL packed file, or damaged",
        where=where,
    )
