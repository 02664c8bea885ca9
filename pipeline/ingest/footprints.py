"""Footprints made elsewhere, joined into the sparse dataset "footprints" of `pipeline.schema`."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.errors import CoordinateError, InputError
from pipeline.grid.definition import Grid
from pipeline.ingest.files import expand
from pipeline.ingest.layouts.releases import read_releases
from pipeline.ingest.layouts.rows import Account, Receptors, Row
from pipeline.ingest.layouts.stilt import read_stilt
from pipeline.schema import label
from pipeline.settings import Settings

_READERS = {"name": read_releases, "paris": read_releases, "stilt": read_stilt}
_SIDE_DIMS = {"exit_north": "x", "exit_east": "y", "exit_south": "x", "exit_west": "y"}


def read_footprints(settings: Settings, grid: Grid, root: Path, registry: pd.DataFrame) -> tuple[xr.Dataset, list[str]]:
    """Read every footprint file of a case.

    Parameters
    ----------
    settings
        The case; `footprints` names the files, `case.observation_hours` the rows, `case.flux_hours` the entries kept.
    grid
        The domain's grid, which every file must have.
    root
        Folder of the input paths.
    registry
        Table of `station_meta.load`.

    Returns
    -------
    footprints
        Dataset "footprints" of `pipeline.schema`, rows by (time, station, height), with the grid's coordinates.
    notes
        Sentences for the output: what was left out, counted, and what the files cannot tell.

    Raises
    ------
    InputError
        One of its kinds, naming file, rule, value and remedy; also when no row is left or a row occurs twice.
    """
    account, receptors = Account(), Receptors(settings, registry)
    rows: list[Row] = []
    for part in settings.footprints:
        for pattern in part.files:
            for path in expand(root, pattern):
                window = settings.case.observation_hours.bounds
                rows += _READERS[part.format](path, part, grid, receptors, window, account)
    rows.sort(key=lambda row: (row.time, row.station, row.height))
    _require_rows(rows, account)
    rows = _within(rows, settings.case.flux_hours.bounds, account)
    return _dataset(rows, settings.case.species, grid), account.sentences()


def _require_rows(rows: list[Row], account: Account) -> None:
    """Raise when nothing is left, or a receptor hour occurs twice."""
    if not rows:
        raise InputError(
            "at least one footprint must be of this case",
            got="; ".join(account.sentences()) or "no files",
            remedy="check observation_hours, stations and heights against the files",
            where="footprints",
        )
    keys = [(row.time, row.station, row.height) for row in rows]
    for one, other in itertools.pairwise(keys):
        if one == other:
            raise InputError(
                "a receptor must have one footprint an hour",
                got=f"two of {one[1]} at {one[2]:g} m, {one[0]}",
                remedy="list each file once, or remove one of them",
                where="footprints",
            )


def _within(rows: list[Row], window: tuple[np.datetime64, np.datetime64], account: Account) -> list[Row]:
    """Drop entries outside the flux hours, and say how much they were."""
    kept, total, lost, count = [], 0.0, 0.0, 0
    for row in rows:
        inside = (row.hour >= window[0]) & (row.hour < window[1])
        total += float(np.abs(row.value).sum())
        lost += float(np.abs(row.value[~inside]).sum())
        count += int((~inside).sum())
        kept.append(
            Row(
                row.time,
                row.station,
                row.lon,
                row.lat,
                row.height,
                row.hour[inside],
                row.cell[inside],
                row.value[inside],
                row.exits,
            )
        )
    if count:
        account.count(f"entries outside flux_hours, {100 * lost / total:.2g} % of the footprint, were dropped", count)
    account.count("rows have no footprint inside the grid and flux_hours", sum(row.value.size == 0 for row in kept))
    return kept


def _dataset(rows: list[Row], species: str, grid: Grid) -> xr.Dataset:
    """Return the rows as the sparse dataset."""
    counts = [row.value.size for row in rows]
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        "time": (("obs",), np.array([row.time for row in rows], dtype="datetime64[ns]")),
        "station": (("obs",), np.array([row.station for row in rows])),
        "lon": (("obs",), np.array([row.lon for row in rows])),
        "lat": (("obs",), np.array([row.lat for row in rows])),
        "height": (("obs",), np.array([row.height for row in rows])),
        "indptr": (("row_edge",), np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)),
        "hour": (("entry",), np.concatenate([row.hour for row in rows])),
        "cell": (("entry",), np.concatenate([row.cell for row in rows])),
        "footprint": (("entry",), np.concatenate([row.value for row in rows])),
    }
    # lon and lat are the receptors' here, not the cells' as in other datasets
    coordinates = {name: value for name, value in grid.coordinates().items() if name not in variables}
    found = [row.exits.height for row in rows if row.exits is not None]
    if found:
        height = found[0]
        if any(not np.array_equal(height, other) for other in found):
            raise CoordinateError(
                "all files must have the same exit heights",
                got=[other.tolist()[:3] for other in (height, found[-1])],
                remedy="use files of one model set-up",
                where="footprints",
            )
        coordinates["exit_height"] = ("exit_height", height, {"units": "m", "long_name": "height of exit"})
        for name, dim in _SIDE_DIMS.items():
            variables[name] = (("obs", "exit_height", dim), _side(rows, name, height.size, grid, dim))
    dataset = xr.Dataset(variables, coords=coordinates, attrs={"species": species})
    return label(dataset, "footprints")


def _side(rows: list[Row], name: str, levels: int, grid: Grid, dim: str) -> np.ndarray:
    """Return one side's shares (obs, exit_height, dim); NaN for rows whose file has none."""
    empty = np.full((levels, grid.nx if dim == "x" else grid.ny), np.nan)
    return np.stack([row.exits.sides[name] if row.exits is not None else empty for row in rows])
