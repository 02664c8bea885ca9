"""A background by hour from a CSV or Parquet table whose columns are declared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.errors import ConfigError, TimeError
from pipeline.ingest.formats.samples import BAD_TIME
from pipeline.ingest.formats.table import Table, read_table
from pipeline.settings import TableColumns
from pipeline.units import Species, mole_fraction_factor


def read_series(
    path: Path, table: TableColumns | None, footprints: xr.Dataset, gas: Species
) -> tuple[np.ndarray, list[str]]:
    """Return the table's value at the hour of each footprint row.

    Labels are UTC and mark the start of the hour; a label with another zone is converted. A `station` column gives
    each station its own series.

    Returns
    -------
    values : (obs,) float64
        In the species' unit.
    notes
        What was left out.

    Raises
    ------
    ConfigError
        When columns are not declared, or one is that would not be used.
    FormatError
        When the table cannot be read or lacks a column.
    TimeError
        For labels that are not whole hours, occur twice, or are missing for a row.
    """
    if table is None:
        raise ConfigError("kind series needs its columns", remedy="add [background.table]", where="background")
    if table.uncertainty is not None:
        raise ConfigError(
            "the background's error is background.sigma",
            got=f"uncertainty column {table.uncertainty}",
            remedy="remove it from [background.table]",
            where="background",
        )
    rows = read_table(path, table)
    _check_labels(rows, where=f"{path.name}: {table.time}")
    usable = (rows.reason == "") & np.isfinite(rows.value)
    every = np.full(rows.label.size, "") if rows.station is None else rows.station
    series = pd.Series(
        rows.value[usable] * mole_fraction_factor(table.unit, gas, where=path.name),
        index=pd.MultiIndex.from_arrays([every[usable], rows.label[usable]]),
    )
    if series.index.has_duplicates:
        twice = series.index[series.index.duplicated()][0]
        raise TimeError(
            "an hour must occur once", got=" ".join(map(str, twice)).strip(), remedy="remove one", where=path.name
        )
    wanted = footprints["station"].values.astype(str) if table.station else np.full(footprints.sizes["obs"], "")
    found = series.reindex(pd.MultiIndex.from_arrays([wanted, footprints["time"].values])).to_numpy()
    missing = ~np.isfinite(found)
    if missing.any():
        hours = np.unique(footprints["time"].values[missing]).astype("datetime64[h]")
        raise TimeError(
            "the background must cover every footprint hour",
            got=f"{hours.size} hours missing: {', '.join(map(str, hours[:5]))}{', ...' if hours.size > 5 else ''}",
            remedy="complete the table; nothing is interpolated",
            where=path.name,
        )
    left = int((~usable).sum())
    notes = [f"background: {path.name}: {left} rows without a usable value were left out"] if left else []
    return found, [*notes, *(f"background: {path.name}: {note}" for note in rows.notes)]


def _check_labels(rows: Table, *, where: str) -> None:
    """Raise unless every row has a readable label, a whole hour."""
    unreadable = rows.reason == BAD_TIME
    if unreadable.any():
        raise TimeError(
            "times must match the declared format",
            got=str(rows.written[unreadable][0]),
            remedy="correct time_format",
            where=where,
        )
    odd = ~np.isnat(rows.label) & (rows.label != rows.label.astype("datetime64[h]"))
    if odd.any():
        raise TimeError(
            "a background label must be a whole hour",
            got=str(rows.written[odd][0]),
            remedy="average to hours; complete the column",
            where=where,
        )


def series_hours(path: Path, table: TableColumns) -> dict[int, str]:
    """Return of each hour since 1970 (UTC) that a series tells of what it says, as text: to see which hours change.

    Raises
    ------
    FormatError
        When the table cannot be read or lacks a column.
    """
    rows = read_table(path, table)
    every = np.full(rows.label.size, "") if rows.station is None else rows.station
    hour = rows.label.astype("datetime64[h]").astype(np.int64)
    found: dict[int, str] = {}
    for row in np.flatnonzero(~np.isnat(rows.label)):
        said = f"{every[row]} {rows.label[row]} {float(rows.value[row]).hex()} {rows.reason[row]}"
        found[int(hour[row])] = f"{found.get(int(hour[row]), '')}{said}\n"
    return found
