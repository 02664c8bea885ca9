"""A background by hour from a CSV or Parquet table whose columns are declared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.errors import ConfigError, FormatError, TimeError
from pipeline.settings import TableColumns
from pipeline.units import Species, mole_fraction_factor

_PARQUET = b"PAR1"


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
    frame = _read(path, table)
    value = pd.to_numeric(frame[table.value], errors="coerce").to_numpy(dtype=np.float64)
    usable = np.isfinite(value) & ~np.isin(value, table.fill_values)
    for column, valid in table.valid_flags.items():
        usable &= frame[column].astype(str).isin(valid).to_numpy()
    time = _times(frame[table.time], table, path.name)
    station = frame[table.station].astype(str).to_numpy() if table.station else np.full(len(frame), "")
    series = pd.Series(
        value[usable] * mole_fraction_factor(table.unit, gas, where=path.name),
        index=pd.MultiIndex.from_arrays([station[usable], time[usable]]),
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
            got=f"{hours.size} hours missing: {', '.join(map(str, hours[:5]))}{' ...' if hours.size > 5 else ''}",
            remedy="complete the table; nothing is interpolated",
            where=path.name,
        )
    left = int((~usable).sum())
    notes = [f"background: {path.name}: {left} rows without a usable value were left out"] if left else []
    return found, notes


def _read(path: Path, table: TableColumns) -> pd.DataFrame:
    """Return the declared columns of a CSV or Parquet file."""
    try:
        with path.open("rb") as stream:
            parquet = stream.read(4) == _PARQUET
        if parquet:
            frame = pd.read_parquet(path)
        else:
            frame = pd.read_csv(path, sep=table.separator, encoding=table.encoding, dtype=str)
    except (ValueError, OSError) as error:  # pandas' and pyarrow's parsing errors are ValueErrors
        raise FormatError(
            "the background must be a CSV or Parquet table", got=str(error), remedy="check the file", where=path.name
        ) from error
    wanted = [table.time, table.value, *table.valid_flags, *([table.station] if table.station else [])]
    absent = [name for name in wanted if name not in frame.columns]
    if absent:
        raise FormatError(
            "the table must hold the declared columns",
            got=absent,
            remedy=f"it holds {', '.join(map(str, frame.columns))}",
            where=path.name,
        )
    return frame


def _times(column: pd.Series, table: TableColumns, name: str) -> np.ndarray:
    """Return UTC hour labels, datetime64[ns]."""
    try:
        times = pd.to_datetime(column, format=table.time_format or "ISO8601", utc=True)
    except (ValueError, TypeError) as error:
        raise TimeError(
            "times must match the declared format",
            got=str(error).split("\n", maxsplit=1)[0],
            remedy="correct time_format",
            where=f"{name}: {table.time}",
        ) from error
    hours = times.dt.tz_localize(None).to_numpy(dtype="datetime64[ns]")
    odd = np.isnat(hours) | (hours != hours.astype("datetime64[h]"))
    if odd.any():
        raise TimeError(
            "a background label must be a whole hour",
            got=str(column.to_numpy()[odd][0]),
            remedy="average to hours; complete the column",
            where=f"{name}: {table.time}",
        )
    return hours
