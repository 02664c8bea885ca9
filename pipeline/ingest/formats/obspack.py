"""ObsPack netCDF. Laboratories differ: in unit, in flags, and in what `time` marks; each file says which.

Flags: `qcflag` is NOAA's three characters (first: rejected; second: good, not selected), `qc_flag` the ICOS letter.
`obs_flag` says whether an hour stands for large scales; a regional inversion wants local air too, so it is left alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from pipeline.errors import CoordinateError, FormatError, TimeError
from pipeline.ingest.formats.icos import VALID_FLAGS
from pipeline.ingest.formats.samples import Mark, Samples, first_reason, samples
from pipeline.ingest.netcdf import decode_times, open_netcdf
from pipeline.settings import StationSettings
from pipeline.units import Species

_CLAIMS: tuple[tuple[str, Mark], ...] = (("beginning", "start"), ("midpoint", "centre"), ("end of the", "end"))
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
#: fills that are declared wrongly, or not at all, are all below this; no height or count is
_FILLS_BELOW = -8.0


def read(path: Path, feed: StationSettings, gas: Species) -> Samples:
    """Return the rows of an ObsPack file.

    Raises
    ------
    FormatError
        When it is not whole netCDF, or not of a fixed station, or lacks values, species or unit.
    TimeError
        When the averaging interval or what a label marks is not stated, or two time variables contradict it.
    """
    with open_netcdf(path) as dataset:
        _check(dataset, gas, path)
        interval = _interval(dataset, path)
        label, marks = _labels(dataset, interval, path)
        reject, text, selected = _flags(dataset)
        height = _numbers(dataset, "intake_height")
        site = str(dataset.attrs.get("site_code", feed.id))
        reason = first_reason(
            len(label),
            (np.full(len(label), site != feed.id), f"other station {site}"),
            (
                np.isfinite(height) & (height != feed.height),
                np.array([f"other inlet {metres:g} m" for metres in height], dtype=object),
            ),
            (reject, text),
        )
        spread = next((_numbers(dataset, name) for name in ("value_std_dev", "value_unc") if name in dataset), None)
        count = _numbers(dataset, "nvalue")
        return samples(
            label,
            _numbers(dataset, "value"),
            reason,
            unit=str(dataset["value"].attrs.get("units", "")),
            interval=interval,
            marks=marks,
            zone="UTC",
            where=path.name,
            # of one measurement, or of an unknown number, the spread is written as 0
            spread=None if spread is None else np.where(count > 1, spread, np.nan),
            count=count,
            selected=selected,
            scale=str(dataset.attrs.get("dataset_calibration_scale", "")),
            position=_position(dataset, path),
            notes=() if {"qcflag", "qc_flag"} & set(map(str, dataset)) else ("no quality flags in the file",),
        )


def _check(dataset: xr.Dataset, gas: Species, path: Path) -> None:
    missing = [name for name in ("value", "time", "latitude", "longitude") if name not in dataset.variables]
    if missing:
        raise FormatError(
            "an ObsPack file must hold value, time, latitude and longitude",
            got=f"no {', '.join(missing)}",
            remedy="check the format",
            where=path.name,
        )
    for key, expected in (("dataset_parameter", gas.name), ("dataset_platform", "fixed")):
        found = str(dataset.attrs.get(key, "")).lower()
        if found != expected:
            raise FormatError(f"{key} must be {expected}", got=found, remedy="choose another file", where=path.name)


def _numbers(dataset: xr.Dataset, name: str) -> np.ndarray:
    """Return a variable as float64 without fills, NaN throughout when it is absent."""
    if name not in dataset:
        return np.full(dataset["time"].size, np.nan)
    found = dataset[name].values.astype(np.float64)
    # the mole fraction keeps its fills, which are counted when rows are judged
    return found if name == "value" else np.where(found > _FILLS_BELOW, found, np.nan)


def _interval(dataset: xr.Dataset, path: Path) -> np.timedelta64:
    number, unit = (dataset.attrs.get(f"dataset_data_frequency{suffix}") for suffix in ("", "_unit"))
    seconds = _SECONDS.get(str(unit).lower().rstrip("s"))
    try:
        if seconds is None or float(str(number)) <= 0:
            raise ValueError
        return np.timedelta64(round(float(str(number)) * seconds), "s")
    except ValueError:
        raise TimeError(
            "dataset_data_frequency and its unit must state the averaging interval",
            got=f"{number} {unit}",
            remedy="add the attributes, or declare the series as a table",
            where=path.name,
        ) from None


def _labels(dataset: xr.Dataset, interval: np.timedelta64, path: Path) -> tuple[np.ndarray, Mark | None]:
    """Return time labels and what they mark: the variable said to hold the beginning, checked against the other."""
    time = decode_times(dataset["time"], where=f"{path.name}:time")
    claim = _claim(dataset["time"])
    if "start_time" not in dataset or _claim(dataset["start_time"]) != "start":
        return time, claim
    start = decode_times(dataset["start_time"], where=f"{path.name}:start_time")
    share = {"start": 0, "centre": 1, "end": 2, None: 0}[claim]
    wrong = np.abs(time - start - share * interval // 2) > np.timedelta64(1, "s")
    if claim is not None and wrong.any():
        first = int(np.argmax(wrong))
        raise TimeError(
            f"time, the {claim}, must lie {share}/2 of {interval} after start_time",
            got=f"{time[first]} and {start[first]} in row {first}, and {int(wrong.sum()) - 1} more",
            remedy="ask the provider which is right",
            where=path.name,
        )
    return start, "start"


def _claim(variable: xr.DataArray) -> Mark | None:
    said = str(variable.attrs.get("comment", "")).lower()
    return next((mark for word, mark in _CLAIMS if word in said and "averag" in said), None)


def _flags(dataset: xr.Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (rejected, its reason, selected) of each row."""
    rows = dataset["time"].size
    reject, selected = np.zeros(rows, dtype=bool), np.ones(rows, dtype=bool)
    text = np.full(rows, "", dtype=object)
    if "qcflag" in dataset:
        flag = _letters(dataset["qcflag"])
        # "NA" is the declared fill: no flag was given
        column = [np.array([f[i : i + 1] if f != "NA" else "." for f in flag]) for i in (0, 1)]
        reject, selected = ~np.isin(column[0], [".", ""]), np.isin(column[1], [".", ""])
        text = np.array([f"flag {f}" for f in flag], dtype=object)
    elif "qc_flag" in dataset:
        flag = _letters(dataset["qc_flag"])
        reject = ~np.isin(flag, VALID_FLAGS)
        text = np.array([f"flag {f}" for f in flag], dtype=object)
    return reject, text, selected


def _letters(flag: xr.DataArray) -> np.ndarray:
    cells = (f.decode("ascii", "replace") if isinstance(f, bytes) else str(f) for f in flag.values)
    return np.array([cell.strip("\0 ") for cell in cells], dtype=np.str_)


def _position(dataset: xr.Dataset, path: Path) -> tuple[float, float] | None:
    """Return the one (lon, lat) of the series."""
    pairs = np.unique(np.stack([_numbers_at(dataset, name) for name in ("longitude", "latitude")]), axis=1)
    pairs = pairs[:, np.isfinite(pairs).all(axis=0)]
    if pairs.size == 0:
        return None
    # a hundredth of a degree is about the distance two positions may differ by
    if np.ptp(pairs, axis=1).max() > 0.01:
        raise CoordinateError(
            "a fixed station must stay in one place",
            got=pairs.T[:2].tolist(),
            remedy="split the file by position",
            where=path.name,
        )
    return float(np.median(pairs[0])), float(np.median(pairs[1]))


def _numbers_at(dataset: xr.Dataset, name: str) -> np.ndarray:
    found = dataset[name].values.astype(np.float64).ravel()
    return np.where(np.abs(found) <= 360, found, np.nan)
