"""The mole fraction carried in from outside: boundary curtains, a table by hour, or a field where particles end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from pipeline.errors import ConfigError, CoordinateError, InputError, TimeError, UnitError
from pipeline.grid.definition import Grid
from pipeline.ingest.axes import find_frame, require_domain
from pipeline.ingest.background_field import sample_field
from pipeline.ingest.exits import exits_of_ends
from pipeline.ingest.files import expand
from pipeline.ingest.labels import start_labels
from pipeline.ingest.netcdf import decode_times, open_netcdf
from pipeline.ingest.series import read_series
from pipeline.schema import label
from pipeline.settings import Settings
from pipeline.units import Species, mole_fraction_factor

_SIDES = ("north", "east", "south", "west")
#: mole fractions in the species' unit that air far from any source can have; a wrong unit is outside by decades
PLAUSIBLE = {"co2": (200.0, 1000.0), "ch4": (500.0, 5000.0), "co": (10.0, 2000.0)}


def read_background(
    settings: Settings, footprints: xr.Dataset, gas: Species, grid: Grid, root: Path
) -> tuple[xr.Dataset, list[str]]:
    """Return the background of every footprint row.

    Parameters
    ----------
    settings
        `background` names the file, or for kind "field" the files.
    footprints
        Dataset "footprints" of `pipeline.schema`; kind "curtains" needs its exit shares or ends, "field" its ends.
    gas
        The species.
    grid
        The domain's grid.
    root
        Folder of the input paths.

    Returns
    -------
    background
        Dataset "background" of `pipeline.schema`, one row per footprint row.
    notes
        Sentences for the output, among them how many of the particles the mean rests on.

    Raises
    ------
    InputError
        One of its kinds, naming file, rule, value and remedy.
    """
    chosen = settings.background
    paths = expand(root, chosen.file)
    if len(paths) != 1 and chosen.kind != "field":
        raise ConfigError(
            "the background is one file", got=[p.name for p in paths], remedy="name it", where="background"
        )
    spread = None
    if chosen.variable is not None:
        values, spread, share, notes = sample_field(paths, chosen.variable, chosen.unit, footprints, gas)
    elif chosen.kind == "curtains":
        values, share, notes = _curtains(paths[0], chosen.unit, footprints, gas, grid)
    else:
        values, notes = read_series(paths[0], chosen.table, footprints, gas)
        share = np.ones(values.size)
    _require_plausible(values, gas, paths[0].name)
    dataset = xr.Dataset(
        {
            "time": ("obs", footprints["time"].values),
            "station": ("obs", footprints["station"].values),
            "background": ("obs", values),
            "exit_share": ("obs", share),
        },
        attrs={"species": gas.name},
    )
    if spread is not None:
        dataset["background_spread"] = ("obs", spread)
    return label(dataset, "background"), notes


def _require_plausible(values: np.ndarray, gas: Species, name: str) -> None:
    """Raise unless all mole fractions are ones that air can have."""
    low, high = PLAUSIBLE[gas.name]
    odd = ~((values >= low) & (values <= high))
    if odd.any():
        raise UnitError(
            f"background {gas.name} must lie within {low:g} to {high:g} {gas.mole_fraction_unit}",
            got=f"{values[odd][0]:.6g} {gas.mole_fraction_unit}",
            remedy="correct the declared unit, or the file",
            where=name,
        )


def _curtains(
    path: Path, declared: str | None, footprints: xr.Dataset, gas: Species, grid: Grid
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return (obs,) background, (obs,) exit share before normalisation, and notes.

    b_i = sum(share_i * vmr) / sum(share_i) over all sides, heights and boundary cells.
    """
    ended = "end_reason" in footprints
    if not ended and any(f"exit_{side}" not in footprints for side in _SIDES):
        raise InputError(
            "curtains need particle exits in the footprints",
            got=[name for name in footprints.data_vars if str(name).startswith("exit")],
            remedy='use kind = "series", or footprints with particle_locations',
            where="background",
        )
    rows = footprints.sizes["obs"]
    weighted, share = np.zeros(rows), np.zeros(rows)
    with open_netcdf(path) as data:
        step, notes = _steps(data, footprints["time"].values, path.name)
        heights = _heights(data, path.name) if ended else footprints["exit_height"].values
        made = exits_of_ends(footprints, grid, heights) if ended else {}
        for side in _SIDES:
            curtain = _curtain(data, side, declared, gas, grid, heights, path.name)
            exits = made[side] if ended else footprints[f"exit_{side}"].values
            weighted += np.einsum("ohc,ohc->o", exits, curtain[step])
            share += exits.sum(axis=(1, 2))
    bare = ~(share > 0)  # also NaN
    if bare.any():
        raise InputError(
            "every row must have particle exits",
            got=f"{int(bare.sum())} of {rows} have none, first {footprints['time'].values[bare][0]}",
            remedy='leave those hours out of observation_hours, or use kind = "series"',
            where="background",
        )
    notes.append(
        f"background: exit shares sum to {share.min():.3g}-{share.max():.3g} of the particles (mean {share.mean():.3g})"
        " and are normalised, so the background is a mean over the exits inside the window; the background correction,"
        " with its correlation time, absorbs what the others would have brought"
    )
    return weighted / share, share, notes


def _heights(data: xr.Dataset, name: str) -> np.ndarray:
    """Return the curtains' own heights, for exits that can be put to any."""
    values = np.asarray(data["height"].values if "height" in data.variables else [], dtype=np.float64)
    if values.ndim != 1 or values.size == 0 or not np.all(np.diff(values) > 0):
        raise CoordinateError(
            "curtains must have ascending heights",
            got=values[:3].tolist(),
            remedy="add the axis height, m above ground",
            where=f"{name}: height",
        )
    return values


def _steps(data: xr.Dataset, times: np.ndarray, name: str) -> tuple[np.ndarray, list[str]]:
    """Return the curtain step of each row, and notes; a scalar time holds for all rows."""
    where = f"{name}: time"
    if "time" not in data.dims:
        notes = []
        if "time" in data.variables:
            when = decode_times(data["time"], where=where)
            notes = [f"background: {name} holds one time, {when.astype('datetime64[m]')}, used for every hour"]
        return np.zeros(times.size, dtype=np.int64), notes
    labels = start_labels(data, "time", where=where)
    if labels.size < 2:
        raise TimeError(
            "a time axis must have two steps", got=labels.size, remedy="drop the axis from a constant file", where=where
        )
    # months differ in length: the last step is taken as long as the one before it
    end = labels[-1] + (labels[-1] - labels[-2])
    outside = (times < labels[0]) | (times >= end)
    if outside.any():
        raise TimeError(
            "the curtains must cover every row",
            got=f"{labels[0]} to {end}; {int(outside.sum())} rows outside, first {times[outside][0]}",
            remedy="give a longer file; nothing is extrapolated",
            where=where,
        )
    return np.searchsorted(labels, times, side="right") - 1, []


def _curtain(
    data: xr.Dataset, side: str, declared: str | None, gas: Species, grid: Grid, heights: np.ndarray, name: str
) -> np.ndarray:
    """Return one side's mole fractions (step, height, boundary cell), in the species' unit."""
    variable = f"vmr_{side[0]}"
    where = f"{name}: {variable}"
    if variable not in data.data_vars:
        raise InputError("curtains need four sides", got=list(data.data_vars), remedy="add it", where=where)
    field = data[variable]
    unit = field.attrs.get("units") or declared
    if unit is None:
        raise UnitError("the curtains must have a unit", remedy="declare background.unit", where=where)
    own = np.asarray(data["height"].values if "height" in data.variables else [], dtype=np.float64)
    if own.shape != heights.shape or not np.allclose(own, heights):
        raise CoordinateError(
            "the curtains' heights must be the exits'",
            got=own[:3].tolist(),
            remedy=f"exits are at {heights[:3].tolist()} m",
            where=f"{name}: height",
        )
    frame = find_frame(data, tuple(map(str, data.dims)), where=where, near=grid)
    require_domain(frame.grid, grid, where=where)
    lead = ("time", "height") if "time" in field.dims else ("height",)
    values = frame.along(field, "x" if side in ("north", "south") else "y", lead)
    if not np.isfinite(values).all():
        raise InputError(
            "curtains must have no missing values",
            got=f"{int((~np.isfinite(values)).sum())} missing",
            remedy="fill them in the file",
            where=where,
        )
    values = values * mole_fraction_factor(str(unit), gas, where=where)
    return values if "time" in field.dims else values[None]
