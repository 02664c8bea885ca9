"""A generic CSV or Parquet table: its columns, unit, label form, fills, encoding and flags are declared in settings."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.errors import ConfigError, FormatError, TimeError
from pipeline.ingest.formats.samples import BAD_NUMBER, BAD_TIME, RAGGED, Samples, first_reason, is_fill, samples
from pipeline.ingest.formats.text import column, note_ragged, numbers, read_lines
from pipeline.settings import StationSettings, TableColumns
from pipeline.units import Species

_PARQUET = b"PAR1"
# an offset from UTC after a clock time; the year of 01-07-2014 is none
_OFFSET = r"[T ]\d.*(?:Z|[+-]\d\d(?::?\d\d)?)$"


@dataclass(frozen=True)
class Table:
    """The rows of a declared table, in the file's order.

    Attributes
    ----------
    written : (row,) object
        Time labels as they stand in the file.
    label : (row,) datetime64[ns]
        The same read; NaT where unreadable.
    zone
        "UTC" where the labels carry an offset, else None.
    value : (row,) float64
        NaN for declared fills, blanks and unreadable numbers.
    uncertainty : (row,) float64 or None
        None where no column is declared.
    station : (row,) object or None
        None where no column is declared.
    reason : (row,) object
        Why the row cannot be used; empty where it can.
    notes
        Facts about the file that its reader should see.
    environment
        Declared columns of the instrument's surroundings by name, (row,) float64 each; NaN where there is no number.
    """

    written: np.ndarray
    label: np.ndarray
    zone: str | None
    value: np.ndarray
    uncertainty: np.ndarray | None
    station: np.ndarray | None
    reason: np.ndarray
    notes: tuple[str, ...]
    environment: dict[str, np.ndarray]


def read(path: Path, feed: StationSettings, gas: Species) -> Samples:  # noqa: ARG001 - readers share one signature
    """Return the rows of a declared table; which gas it holds is declared by its value column.

    Raises
    ------
    ConfigError
        When the feed has no table section.
    InputError
        Of `read_table`.
    """
    if feed.table is None:
        raise ConfigError("format table needs its columns", remedy="add the section table", where=f"station {feed.id}")
    found = read_table(path, feed.table)
    reason = found.reason
    if found.station is not None:
        other = (found.station != feed.id) & (reason != RAGGED)
        reason = np.where(other, np.array([f"other station {name}" for name in found.station], dtype=object), reason)
    return samples(
        found.label,
        found.value,
        reason,
        unit=feed.table.unit,
        interval=np.timedelta64(round(feed.table.minutes * 60), "s"),
        marks=None,
        zone=found.zone,
        where=path.name,
        uncertainty=found.uncertainty,
        notes=found.notes,
        environment=found.environment,
    )


def read_table(path: Path, table: TableColumns) -> Table:
    """Return the rows of a table as its columns are declared.

    Raises
    ------
    FormatError
        When a declared column is missing, or the file cannot be read as declared.
    TimeError
        When only some of the labels carry an offset from UTC.
    """
    frame, ragged, notes = _parquet(path, table) if _is_parquet(path) else _csv(path, table)
    label, zone = _labels(frame[table.time], table, where=f"{path.name}: {table.time}")
    value, bad = _values(frame[table.value], table)
    tests: list[tuple[np.ndarray, str | np.ndarray]] = [(ragged, RAGGED), (np.isnat(label), BAD_TIME)]
    for name, valid in table.valid_flags.items():
        flag = frame[name].to_numpy(dtype=object)
        tests.append((~np.isin(flag.astype(str), valid), np.array([f"{name} {f!s}" for f in flag], dtype=object)))
    tests.append((bad, BAD_NUMBER))
    return Table(
        frame[table.time].to_numpy(dtype=object),
        label,
        zone,
        value,
        None if table.uncertainty is None else _values(frame[table.uncertainty], table)[0],
        None if table.station is None else frame[table.station].astype("str").to_numpy(dtype=object),
        first_reason(len(label), *tests),
        notes,
        {name: _values(frame[column], table)[0] for name, column in table.environment.items()},
    )


def _columns(table: TableColumns) -> list[str]:
    named = [table.time, table.value, table.uncertainty, table.station, *table.valid_flags, *table.environment.values()]
    return list(dict.fromkeys(name for name in named if name is not None))


def _is_parquet(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(4) == _PARQUET


def _csv(path: Path, table: TableColumns) -> tuple[pd.DataFrame, np.ndarray, tuple[str, ...]]:
    """Return the declared columns as text, a mask of rows of another width, and a note that names those."""
    # strict: a quote that is never closed would else swallow all lines after it
    records = csv.reader(read_lines(path, table.encoding), delimiter=table.separator, strict=True)
    try:
        names = [name.strip() for name in next(records)]
        rows = [(records.line_num, row) for row in records if row]
    except csv.Error as error:
        raise FormatError(
            "the text must be CSV",
            got=f"{error}, at line {records.line_num}",
            remedy="correct the quotes or the separator; fetch it again",
            where=path.name,
        ) from error
    at = {name: column(names, name, where=path.name) for name in _columns(table)}
    width = len(names)
    ragged = np.array([len(row) != width for _, row in rows], dtype=bool)
    if not rows or ragged.all():
        raise FormatError(
            f"a row must have {width} columns",
            got=f"{len(rows[0][1])} at line {rows[0][0]}" if rows else "no row",
            remedy="check the separator; fetch it again",
            where=path.name,
        )
    cells = {name: [row[place].strip() if len(row) == width else "" for _, row in rows] for name, place in at.items()}
    notes = note_ragged([line for line, row in rows if len(row) != width], width)
    return pd.DataFrame(cells, dtype="str"), ragged, notes


def _parquet(path: Path, table: TableColumns) -> tuple[pd.DataFrame, np.ndarray, tuple[str, ...]]:
    try:
        frame = pd.read_parquet(path)
    except (pa.ArrowException, OSError) as error:
        raise FormatError(
            "the file must be whole Parquet", got=str(error)[:80], remedy="fetch it again", where=path.name
        ) from error
    for name in _columns(table):
        column([str(known) for known in frame.columns], name, where=path.name)
    return frame, np.zeros(len(frame), dtype=bool), ()


def _labels(written: pd.Series, table: TableColumns, *, where: str) -> tuple[np.ndarray, str | None]:
    """Return labels and, when they carry an offset from UTC, the zone they were turned to."""
    # "ISO8601" lets labels differ in their precision, and refuses every other form
    form = table.time_format or "ISO8601"
    if pd.api.types.is_datetime64_any_dtype(written.dtype):
        text, carries_offset = written, getattr(written.dt, "tz", None) is not None
    else:
        text = written.astype("str")
        if table.time_format:
            carries_offset = "%z" in form.lower()
        else:
            carries_offset = _carry_offset(text[text.notna() & (text != "")], where)
    found = pd.to_datetime(text, format=form, errors="coerce", utc=carries_offset)
    if carries_offset:
        found = found.dt.tz_convert("UTC").dt.tz_localize(None)
    return found.to_numpy("datetime64[ns]"), "UTC" if carries_offset else None


def _carry_offset(text: pd.Series, where: str) -> bool:
    offset = text.str.contains(_OFFSET, regex=True, case=False)
    if offset.any() and not offset.all():
        raise TimeError(
            "all time labels must carry an offset from UTC, or none",
            got=text[~offset].iloc[0],
            remedy="write them alike",
            where=where,
        )
    return bool(offset.any())


def _values(cells: pd.Series, table: TableColumns) -> tuple[np.ndarray, np.ndarray]:
    """Return values with declared fills as NaN, and a mask of cells that are no number."""
    if pd.api.types.is_numeric_dtype(cells.dtype):
        value, bad = cells.to_numpy(dtype=np.float64, na_value=np.nan), np.zeros(len(cells), dtype=bool)
    else:
        value, bad = numbers(cells.to_numpy(dtype=object))
    return np.where(is_fill(value, table.fill_values), np.nan, value), bad
