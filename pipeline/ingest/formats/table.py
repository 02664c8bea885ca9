"""A generic CSV or Parquet table: its columns, unit, label form, fills, encoding and flags are declared in settings."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.errors import ConfigError, FormatError, InputError
from pipeline.ingest.formats.samples import BAD_NUMBER, BAD_TIME, RAGGED, Samples, first_reason, samples
from pipeline.ingest.formats.text import column, numbers, read_lines
from pipeline.settings import StationSettings, TableColumns
from pipeline.units import Species


def read(path: Path, feed: StationSettings, gas: Species) -> Samples:  # noqa: ARG001 - readers share one signature
    """Return the rows of a declared table; which gas it holds is declared by its value column.

    Raises
    ------
    ConfigError
        When the feed has no table section.
    FormatError
        When a declared column is missing, or the file cannot be read as declared.
    """
    table = feed.table
    if table is None:
        raise ConfigError("format table needs its columns", remedy="add the section table", where=f"station {feed.id}")
    frame, ragged, notes = _parquet(path, table) if path.suffix == ".parquet" else _csv(path, table)
    label, zone = _labels(frame[table.time], table)
    value, bad = _values(frame[table.value], table)
    uncertainty = None if table.uncertainty is None else _values(frame[table.uncertainty], table)[0]
    tests: list[tuple[np.ndarray, str | np.ndarray]] = [(ragged, RAGGED)]
    if table.station is not None:
        site = frame[table.station].to_numpy(dtype=object)
        tests.append((site != feed.id, np.array([f"other station {name}" for name in site], dtype=object)))
    tests.append((np.isnat(label), BAD_TIME))
    for name, valid in table.valid_flags.items():
        flag = frame[name].to_numpy(dtype=object)
        tests.append((~np.isin(flag.astype(str), valid), np.array([f"{name} {f!s}" for f in flag], dtype=object)))
    tests.append((bad, BAD_NUMBER))
    return samples(
        label,
        value,
        first_reason(len(label), *tests),
        unit=table.unit,
        interval=np.timedelta64(round(table.minutes * 60), "s"),
        marks=None,
        zone=zone,
        where=path.name,
        uncertainty=uncertainty,
        notes=notes,
    )


def _columns(table: TableColumns) -> list[str]:
    named = [table.time, table.value, table.uncertainty, table.station, *table.valid_flags]
    return [name for name in named if name is not None]


def _csv(path: Path, table: TableColumns) -> tuple[pd.DataFrame, np.ndarray, tuple[str, ...]]:
    """Return the declared columns as text, a mask of rows of another width, and a note that names those."""
    lines = read_lines(path, table.encoding)
    records = csv.reader(lines, delimiter=table.separator)
    names = [name.strip() for name in next(records)]
    at = {name: column(names, name, where=path.name) for name in _columns(table)}
    rows = [(records.line_num, row) for row in records if row]
    ragged = np.array([len(row) != len(names) for _, row in rows], dtype=bool)
    bad = [str(line) for line, row in rows if len(row) != len(names)]
    if not rows or ragged.all():
        raise FormatError(
            f"a row must have {len(names)} columns",
            got=f"{len(rows[0][1])} at line {rows[0][0]}" if rows else "no row",
            remedy="check the separator; fetch it again",
            where=path.name,
        )
    cells = {
        name: [row[place].strip() if len(row) == len(names) else "" for _, row in rows] for name, place in at.items()
    }
    notes = (f"not {len(names)} columns at line {', '.join(bad[:5])}{', ...' if len(bad) > 5 else ''}",) if bad else ()
    return pd.DataFrame(cells, dtype="str"), ragged, notes


def _parquet(path: Path, table: TableColumns) -> tuple[pd.DataFrame, np.ndarray, tuple[str, ...]]:
    if not path.is_file():
        raise InputError("the file must exist", got=str(path), remedy="check the path under inputs.root")
    try:
        frame = pd.read_parquet(path)
    except (pa.ArrowException, OSError) as error:
        raise FormatError(
            "the file must be whole Parquet", got=str(error)[:80], remedy="fetch it again", where=path.name
        ) from error
    for name in _columns(table):
        column([str(known) for known in frame.columns], name, where=path.name)
    return frame, np.zeros(len(frame), dtype=bool), ()


def _labels(column_: pd.Series, table: TableColumns) -> tuple[np.ndarray, str | None]:
    """Return labels and, when they carry an offset from UTC, the zone they were turned to."""
    # "mixed" lets ISO 8601 labels differ in their precision; "ISO8601" refuses every other form
    form = table.time_format or "ISO8601"
    carries_offset = pd.api.types.is_datetime64_any_dtype(column_.dtype) and getattr(column_.dt, "tz", None) is not None
    text = None if pd.api.types.is_datetime64_any_dtype(column_.dtype) else column_.astype("str")
    if text is not None:
        carries_offset = bool(text.str.contains(r"(?:Z|[+-]\d\d:?\d\d)$", regex=True).any())
    found = pd.to_datetime(column_ if text is None else text, format=form, errors="coerce", utc=carries_offset)
    if carries_offset:
        found = found.dt.tz_convert("UTC").dt.tz_localize(None)
    return found.to_numpy("datetime64[ns]"), "UTC" if carries_offset else None


def _values(column_: pd.Series, table: TableColumns) -> tuple[np.ndarray, np.ndarray]:
    """Return values with declared fills as NaN, and a mask of cells that are no number."""
    if pd.api.types.is_numeric_dtype(column_.dtype):
        value, bad = column_.to_numpy(dtype=np.float64, na_value=np.nan), np.zeros(len(column_), dtype=bool)
    else:
        value, bad = numbers(column_.to_numpy(dtype=object))
    return np.where(np.isin(value, table.fill_values), np.nan, value), bad
