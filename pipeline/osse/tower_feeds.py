"""What the sink stations of a simulated case measure, written as their files deliver it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from pipeline.grid import Grid
from pipeline.inversion.towers import tower_matrix
from pipeline.osse.air_column import wind_profile
from pipeline.osse.case_file import TOWER_ERROR, TOWER_FRICTION, TOWER_RADIUS, sink_file
from pipeline.osse.network import Site
from pipeline.osse.plan import Plan
from pipeline.osse.sink_files import tower_record, write_fluxnet
from pipeline.osse.weather_points import weather_at

#: a tower's stand takes up and gives off more or less than the cells around it, one-sigma share
_STAND = 0.15


def write_towers(
    folder: Path,
    plan: Plan,
    towers: Sequence[Site],
    truth: xr.Dataset,
    grid: Grid,
    weather: xr.Dataset,
    around: Grid,
    times: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Write the feed of every sink station.

    Parameters
    ----------
    folder
        Of the case.
    plan
        A matched case has the stated errors only.
    towers
        Sink stations.
    truth
        True fluxes on `grid`.
    weather
        Of `simulate_weather` on `around`.
    times : (hour,) datetime64[ns]
        Hours with observations, UTC.
    """
    if not towers:
        return
    fluxes = tower_fluxes(truth, grid, towers, times)
    friction = friction_at(weather, around, towers, times)
    for at, (tower, own) in enumerate(zip(towers, rng.spawn(len(towers)), strict=True)):
        apart = own.normal(0, TOWER_ERROR, times.size) if plan.matched else own.normal(0, _STAND) * fluxes[at]
        flux = fluxes[at] + apart
        halves, calm = np.repeat(flux, 2), np.repeat(friction[at], 2)
        record = tower_record(halves, calm, own, calm=TOWER_FRICTION, faults=not plan.matched)
        write_fluxnet(folder / sink_file(tower), times[0], record)


def tower_fluxes(truth: xr.Dataset, grid: Grid, towers: Sequence[Site], times: np.ndarray) -> np.ndarray:
    """Return the true net exchange over each tower's disc, umol m-2 s-1: (tower, hour)."""
    names = ("lon", "lat")
    wanted = xr.Dataset(
        {
            "time": ("obs", np.tile(times, len(towers))),
            "station": ("obs", np.repeat([tower.id for tower in towers], times.size)),
            "radius": ("obs", np.full(times.size * len(towers), 1e3 * TOWER_RADIUS)),
            **{n: ("obs", np.repeat([getattr(t.station, n) for t in towers], times.size)) for n in names},
        }
    )
    matrix = tower_matrix(wanted, truth["time"].values, grid)
    flux = truth["flux"].sel(sector="biosphere").values.ravel()
    seen: np.ndarray = (matrix @ flux).reshape(len(towers), times.size)
    return seen


def friction_at(weather: xr.Dataset, around: Grid, towers: Sequence[Site], times: np.ndarray) -> np.ndarray:
    """Return the friction velocity at each tower, m s-1: (tower, hour)."""
    lon, lat = ([getattr(tower.station, name) for tower in towers] for name in ("lon", "lat"))
    low, slope, depth, heat = (
        weather_at(weather, around, lon, lat, times, name)
        for name in ("low", "slope", "boundary_layer_height", "heat_flux")
    )
    roughness = np.full(depth.shape, float(weather["roughness"].max()))
    _, friction = wind_profile(low + 0.5 * slope, depth=depth, heat_flux=heat, roughness=roughness)
    return friction
