"""A model's mole fractions where and when the particles of our own footprints end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from pipeline.errors import InputError, TimeError
from pipeline.ingest.background_axes import Ends, Field
from pipeline.ingest.background_ioapi import is_ioapi, open_ioapi
from pipeline.ingest.background_lonlat import open_lonlat
from pipeline.ingest.netcdf import open_netcdf
from pipeline.units import Species

#: particles sampled at once: some 300 MB of work arrays
PARTICLES_AT_ONCE = 1 << 20
#: particles that stand for less than this share of a row's air are named as part of a column
WHOLE = 0.999

_PLACE = ("end_lon", "end_lat", "end_height", "end_pressure", "end_age")
_NEEDED = (*_PLACE, "end_weight")


def sample_field(
    paths: Sequence[Path],
    variable: str,
    unit: str | None,
    footprints: xr.Dataset,
    gas: Species,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Return the weighted mean of a field over the ends of each row's particles.

    b = sum(w c) / sum(w), over the particles whose end is known. c is linear in time, in ln p between the middles of
    levels (or the value of the layer, in CMAQ's files) and in both horizontal directions; an end below the lowest
    level or above the highest takes that level's value. Nothing is extrapolated in time or horizontally.

    For a column the particles stand for the air below the top of the release. Their mean is taken for the whole
    column, and noted.

    Parameters
    ----------
    paths
        netCDF files: longitude-latitude with pressure or hybrid levels, or CMAQ's; known by their content.
    variable
        The mole fraction.
    unit
        Its unit, used where a file states none.
    footprints
        Dataset "footprints" of `pipeline.schema` with its end_* variables; NaN where a particle was lost.
    gas
        The species.

    Returns
    -------
    mean, spread : (obs,) float64
        In the species' unit; spread is the weighted standard deviation over particles.
    share : (obs,) float64
        Sum of the weights the mean rests on.
    notes
        Sentences for the output.

    Raises
    ------
    InputError
        One of its kinds: no ends in the footprints, a row without any, a time or place the files do not cover, a
        layout, unit or vertical coordinate that is not known.
    """
    missing = [name for name in _NEEDED if name not in footprints]
    if missing:
        raise InputError(
            "kind field needs where particles end in the footprints",
            got=f"no {', '.join(missing)}",
            remedy="make them with `tianyan footprints`, or use another kind",
            where="background",
        )
    field = _open(paths, variable, unit, gas)
    rows = footprints.sizes["obs"]
    mean, spread, share, released = (np.empty(rows) for _ in range(4))
    tally = np.zeros(3, dtype=np.int64)
    for block in _blocks(footprints):
        ends, known, weight, given = _ends(footprints, block)
        values = np.zeros(weight.shape)
        values[known], beyond = _sample(field, ends, paths[0].name)
        share[block], released[block] = weight.sum(axis=1), given
        # each row has ends: `_ends` has checked it
        mean[block] = (weight * values).sum(axis=1) / share[block]
        square = (weight * (values - mean[block, None]) ** 2).sum(axis=1)
        spread[block] = np.sqrt(square / share[block])
        tally += (int((~known).sum()), *beyond)
    return mean, spread, share, [*field.notes, *_notes(tally, mean.size * footprints.sizes["particle"], released)]


def _open(paths: Sequence[Path], variable: str, unit: str | None, gas: Species) -> Field:
    with open_netcdf(paths[0]) as data:
        ioapi = is_ioapi(data)
    return open_ioapi(paths, variable, unit, gas) if ioapi else open_lonlat(paths, variable, unit, gas)


def _notes(tally: np.ndarray, particles: int, released: np.ndarray) -> list[str]:
    """Return sentences on lost particles, ends beyond the levels, and columns."""
    lost, below, above = (int(count) for count in tally)
    notes = []
    if lost:
        notes.append(
            f"background: {lost} of {particles} particles have no end and are left out; the weights of the others are"
            " normalised"
        )
    if below or above:
        ended = particles - lost
        notes.append(
            f"background: {100 * below / ended:.1f} % of the ends lie below the middle of the lowest level and"
            f" {100 * above / ended:.1f} % above that of the highest; they take that level's value"
        )
    part = released < WHOLE
    if part.any():
        notes.append(
            f"background: in {int(part.sum())} of {released.size} rows the particles stand for"
            f" {released[part].min():.3g}-{released[part].max():.3g} of the column; their mean is taken for all of it"
        )
    return notes


def _blocks(footprints: xr.Dataset) -> Iterator[np.ndarray]:
    """Yield row indices of neighbouring hours, so that few steps of the files serve each block."""
    order = np.argsort(footprints["time"].values, kind="stable")
    size = max(1, PARTICLES_AT_ONCE // max(1, footprints.sizes["particle"]))
    for start in range(0, order.size, size):
        yield order[start : start + size]


def _ends(footprints: xr.Dataset, block: np.ndarray) -> tuple[Ends, np.ndarray, np.ndarray, np.ndarray]:
    """Return the known ends (n,), which they are and their weights (row, particle), and each row's whole weight."""
    found = {name: np.asarray(footprints[name].isel(obs=block).values, dtype=np.float64) for name in _NEEDED}
    known = np.logical_and.reduce([np.isfinite(values) for values in found.values()])
    weight = np.where(known, found["end_weight"], 0.0)
    times = footprints["time"].values[block]
    if np.any(weight < 0) or np.any(found["end_pressure"][known] <= 0):
        raise InputError(
            "weights must not be negative, and pressures must be positive",
            got=f"weight {weight.min():g}, pressure {np.nanmin(found['end_pressure']):g} Pa",
            remedy="make the footprints anew",
            where="footprints.end_weight, footprints.end_pressure",
        )
    bare = ~(weight.sum(axis=1) > 0)
    if bare.any():
        raise InputError(
            "every row must have particles whose end is known",
            got=f"{int(bare.sum())} of {bare.size} rows have none, first {times[bare][0]}",
            remedy="leave those hours out of observation_hours, or give weather that reaches farther back",
            where="background",
        )
    lon, lat, height, pressure, age = (found[name][known] for name in _PLACE)
    row = np.broadcast_to(np.arange(block.size)[:, None], known.shape)[known]
    time = times[row] - np.round(1e9 * age).astype("timedelta64[ns]")
    return Ends(lon, lat, height, pressure, time), known, weight, np.nansum(found["end_weight"], axis=1)


def _sample(field: Field, ends: Ends, name: str) -> tuple[np.ndarray, tuple[int, int]]:
    """Return (n,) values at the ends, and how many lie below the lowest level and above the highest."""
    lower, later = _steps(field.times, ends.time, name)
    values = np.empty(ends.lon.size)
    below = above = 0
    order = np.argsort(lower, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(lower[order])) + 1):
        if group.size == 0:
            continue
        some = Ends(*(column[group] for column in (ends.lon, ends.lat, ends.height, ends.pressure, ends.time)))
        corners, target, step = field.place(some), field.target(some), int(lower[group[0]])
        cells, index = np.unique(corners.cell, return_inverse=True)
        index = index.reshape(corners.cell.shape)
        total = np.zeros(group.size)
        off = np.zeros((2, group.size), dtype=bool)
        for add, part in ((0, 1.0 - later[group]), (1, later[group])):
            if not part.any():
                continue
            read = field.read(step + add, cells)
            for cell, weight in zip(index, corners.weight, strict=True):
                column, outside = _column(*read, cell, target)
                total += part * weight * column
                off |= outside
        values[group] = total
        below, above = below + int(off[0].sum()), above + int(off[1].sum())
    return values, (below, above)


def _steps(times: np.ndarray | None, wanted: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return (n,) the step at or before each time, and the share of the way to the next."""
    if times is None:
        return np.zeros(wanted.size, dtype=np.int64), np.zeros(wanted.size)
    outside = (wanted < times[0]) | (wanted > times[-1])
    if outside.any():
        raise TimeError(
            "the field must cover the time of every particle's end",
            got=f"{times[0]} to {times[-1]}; {int(outside.sum())} of {wanted.size} ends outside, from "
            f"{wanted[outside].min()} to {wanted[outside].max()}",
            remedy="give more files; nothing is extrapolated",
            where=name,
        )
    lower = np.clip(np.searchsorted(times, wanted, side="right") - 1, 0, max(times.size - 2, 0))
    if times.size == 1:
        return lower, np.zeros(wanted.size)
    return lower, (wanted - times[lower]) / (times[lower + 1] - times[lower])


def _column(
    values: np.ndarray, levels: np.ndarray, cell: np.ndarray, target: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return (n,) values at a vertical coordinate, linear between levels, and (2, n) whether below or above them all.

    values, levels : (level, cell), levels ascending; cell, target : (n,)
    """
    top = levels.shape[0] - 1
    outside = np.stack([target < levels[0, cell], target > levels[top, cell]])
    if top == 0:
        return values[0, cell], outside
    low, high = np.zeros(cell.size, dtype=np.int64), np.full(cell.size, top)
    # halve the range until it is one layer: memory stays that of the particles, whatever the number of levels
    for _ in range(int(np.ceil(np.log2(top)))):
        middle = (low + high) // 2
        reached = levels[middle, cell] <= target
        low, high = np.where(reached, middle, low), np.where(reached, high, middle)
    base, next_up = levels[low, cell], levels[low + 1, cell]
    share = np.clip((target - base) / (next_up - base), 0.0, 1.0)
    return (1.0 - share) * values[low, cell] + share * values[low + 1, cell], outside
