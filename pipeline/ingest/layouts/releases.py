"""Files of hourly releases: NAME as OpenGHG stores it (`fp`, `fp_HiTRes`), and the PARIS layout (`srr`).

OpenGHG gives `fp_HiTRes` no unit: it is the unit of `fp`. Its `H_back` are hours back from the release hour, its last
bin holds what is not resolved in time: the total less the resolved part, so it can be negative. In the files seen it
is filled for every second release only, and its sum differs from `fp`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from pipeline import units
from pipeline.errors import TimeError
from pipeline.grid.definition import Grid
from pipeline.ingest.layouts.release_file import ReleaseFile
from pipeline.ingest.layouts.rows import Account, Receptors, Row, entries, flat
from pipeline.ingest.layouts.timing import Bins, time_shares
from pipeline.ingest.netcdf import open_netcdf
from pipeline.schema import HOUR
from pipeline.settings import FootprintSettings

_RESOLVED = "fp_HiTRes"
#: values held at once while a file is read, 256 MB of float64
_BLOCK = 2**25


def read_releases(
    path: Path,
    part: FootprintSettings,
    grid: Grid,
    receptors: Receptors,
    window: tuple[np.datetime64, np.datetime64],
    account: Account,
) -> list[Row]:
    """Return the rows of one file whose release hours lie in `window`.

    Raises
    ------
    InputError
        One of its kinds, naming the file and the variable.
    """
    with open_netcdf(path) as data:
        file = ReleaseFile.check(data, path.name, part, grid)
        wanted = _wanted(file, window, receptors, account)
        if not wanted:
            return []
        lon, lat = (file.per_release(name) for name in ("release_lon", "release_lat"))
        for index in wanted:
            receptors.require_site(
                file.station, float(lon[index]), float(lat[index]), file.times[index], where=file.name
            )
        exits = file.exits(wanted)
        rows = []
        for index, lags, values in _values(file, part, wanted, account):
            account.count("negative values were kept as given", int((values < 0).sum()))
            rows.append(
                Row(
                    file.times[index],
                    file.station,
                    float(lon[index]),
                    float(lat[index]),
                    float(file.height[index]),
                    *entries(file.times[index], lags, values),
                    exits=exits.get(index),
                )
            )
    return rows


def _wanted(
    file: ReleaseFile, window: tuple[np.datetime64, np.datetime64], receptors: Receptors, account: Account
) -> list[int]:
    """Return the indices of releases the case uses, and count the others."""
    inside = (file.times >= window[0]) & (file.times < window[1])
    used = np.array([receptors.wanted(file.station, float(height)) for height in file.height])
    account.count("rows outside observation_hours were left out", int((~inside).sum()))
    account.count(
        f"rows of {file.station}, a station and inlet the case does not use, were left out", int((inside & ~used).sum())
    )
    return [int(index) for index in np.flatnonzero(inside & used)]


def _values(
    file: ReleaseFile, part: FootprintSettings, wanted: list[int], account: Account
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield (row, lags, (lag, cell) values) of each usable row."""
    if part.timing == "integrated":
        yield from _integrated(file, wanted, account)
        return
    resolved = file.variable(_RESOLVED)
    where = f"{file.name}: {_RESOLVED}"
    back = file.variable("H_back")
    if str(back.attrs.get("units", "hours")) not in ("h", "hour", "hours", "hrs"):
        raise TimeError("H_back must be in hours", got=back.attrs["units"], remedy="convert it", where=where)
    bins = Bins.from_file(back.values, part.residual_hours, where=where)
    account.remark(
        f"footprints: {file.name}: bins of {bins.width} h back from the release hour; the last, from {bins.start[-1]} h"
        f" on, is not resolved and is spread over {part.residual_hours} h"
    )
    if part.timing == "hourly":
        factor = file.factor
        if "units" in resolved.attrs:
            factor = units.footprint_factor(str(resolved.attrs["units"]), where=where)
        yield from _hourly(file, resolved, bins, factor, wanted, account)
    else:
        yield from _shares(file, resolved, bins, wanted, account)


def _integrated(file: ReleaseFile, wanted: list[int], account: Account) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    for block in _blocks(wanted, file.frame.grid.size):
        fields = flat(file.frame.oriented(file.field.isel(time=block), ("time",)), file.frame.grid) * file.factor
        for index, values in zip(block, fields, strict=True):
            if np.isfinite(values).all():
                yield index, np.zeros(1, dtype=np.int64), values[None]
            else:
                account.count("rows with missing values were left out")


def _hourly(
    file: ReleaseFile, resolved: xr.DataArray, bins: Bins, factor: float, wanted: list[int], account: Account
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    spread = bins.spread.T * factor
    for block in _blocks(wanted, file.frame.grid.size * bins.lags.size):
        for index, values in zip(block, _read_resolved(file, resolved, block), strict=True):
            if np.isfinite(values).all():
                yield index, bins.lags, spread @ values
            else:
                account.count("rows without a time-resolved footprint were left out")


def _shares(
    file: ReleaseFile, resolved: xr.DataArray, bins: Bins, wanted: list[int], account: Account
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    reach = bins.width * HOUR
    for block in _blocks(wanted, file.frame.grid.size * bins.lags.size):
        first = int(np.searchsorted(file.times, file.times[block[0]] - reach))
        last = int(np.searchsorted(file.times, file.times[block[-1]] + reach, side="right"))
        near = _read_resolved(file, resolved, list(range(first, last)))
        filled = np.isfinite(near).all(axis=(1, 2))
        account.count(
            "negative time-resolved values counted as zero in the shares",
            int((near[[index - first for index in block]] < 0).sum()),
        )
        for index, lags, totals in _integrated(file, block, account):
            donors = _donors(index - first, filled, file.times[first:last], reach)
            # donors have (bin, cell); shares want (cell, bin)
            share = time_shares(np.clip(near[donors], 0.0, None).sum(axis=0).T) if donors else None
            if not totals.any():
                yield index, lags, totals
            elif share is None:
                account.count("rows without time shares within one bin were left out")
            else:
                if donors != [index - first]:
                    account.count("rows took the time shares of the neighbouring releases")
                yield index, bins.lags, ((totals[0][:, None] * share) @ bins.spread).T


def _donors(row: int, filled: np.ndarray, times: np.ndarray, reach: np.timedelta64) -> list[int]:
    """Return the rows that give a row its shares: itself, else the nearest earlier and later ones within reach."""
    if filled[row]:
        return [row]
    earlier = [i for i in range(row) if filled[i] and times[row] - times[i] <= reach]
    later = [i for i in range(row + 1, filled.size) if filled[i] and times[i] - times[row] <= reach]
    return earlier[-1:] + later[:1]


def _read_resolved(file: ReleaseFile, resolved: xr.DataArray, rows: list[int]) -> np.ndarray:
    """Return (row, bin, cell) float64."""
    return flat(file.frame.oriented(resolved.isel(time=rows), ("time", "H_back")), file.frame.grid)


def _blocks(rows: list[int], values_per_row: int) -> Iterator[list[int]]:
    step = max(1, _BLOCK // values_per_row)
    for start in range(0, len(rows), step):
        yield rows[start : start + step]
