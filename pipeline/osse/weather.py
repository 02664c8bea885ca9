"""Simulated weather: one wind for the whole province, a boundary layer and a sun, and the air carried in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.osse.world import World
from pipeline.schema import HOUR

ZONE = "Asia/Shanghai"
#: m: at night, and at the height of the day
_BOUNDARY_LAYER = (300.0, 1500.0)
#: sensible heat flux, W m-2: at night, and at noon
_HEAT_FLUX = (-8.0, 250.0)
#: ppm, about what the marine air east of the province holds in July
_BACKGROUND_MEAN = 424.0


def local_hour(times: np.ndarray) -> np.ndarray:
    """Return the local hour of day at the middle of each UTC hour, float64 in [0, 24).

    Examples
    --------
    >>> local_hour(np.array(["2024-07-15T00"], dtype="datetime64[ns]")).tolist()
    [8.5]
    """
    local = pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(ZONE)
    return np.asarray(local.hour, dtype=np.float64) + 0.5


def simulate_weather(times: np.ndarray, world: World) -> xr.Dataset:
    """Return wind, boundary-layer height and heat flux at instants.

    Parameters
    ----------
    times : (time,) datetime64[ns]
        Whole hours, UTC.
    world
        Phases of the wind's turning.

    Returns
    -------
    Dataset over time with u, v (m s-1, the mean over the boundary layer), boundary_layer_height (m) and heat_flux
    (W m-2, upward). The wind turns through about half a circle in two days, so that every city is upwind of some
    station at some hour.
    """
    hours = (times - times[0]) / HOUR
    direction = world.turn[0] + np.pi * hours / 48 + 0.3 * np.sin(2 * np.pi * hours / 17 + world.turn[1])
    speed = 3.2 + 0.8 * np.sin(2 * np.pi * hours / 31 + world.turn[2])
    # `local_hour` is of the hour's middle, the weather of its start
    hour = local_hour(times) - 0.5
    # sea breeze from the east in the afternoon, land breeze at night
    breeze = -1.2 * np.cos(2 * np.pi * (hour - 15) / 24)
    night, day = _BOUNDARY_LAYER
    height = night + (day - night) * np.clip(np.sin(np.pi * (hour - 7) / 13), 0, None)
    cold, warm = _HEAT_FLUX
    # the layer still stands when the ground already cools
    heat = cold + (warm - cold) * np.clip(np.sin(np.pi * (hour - 6.5) / 11.5), 0, None)
    return xr.Dataset(
        {
            "u": ("time", speed * np.cos(direction) + breeze),
            "v": ("time", speed * np.sin(direction)),
            "boundary_layer_height": ("time", height),
            "heat_flux": ("time", heat),
        },
        coords={"time": times},
    )


def simulate_background(
    times: np.ndarray, world: World, *, error: float, memory: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return (true, estimated) background mole fractions by hour, ppm.

    Parameters
    ----------
    times : (time,) datetime64[ns]
        Hour starts, UTC.
    world
        Stream of the error.
    error
        One-sigma error of the estimate, ppm.
    memory
        e-folding time of the error, hours.
    """
    rng = world.background_rng
    hours = (times - times[0]) / HOUR
    phase = rng.uniform(0, 2 * np.pi, 2)
    estimate = (
        _BACKGROUND_MEAN
        + 2.0 * np.sin(2 * np.pi * hours / 70 + phase[0])
        + 0.5 * np.cos(2 * np.pi * hours / 24 + phase[1])
    )
    wrong = np.empty(times.size)
    wrong[0] = rng.normal(0, error)
    keep = np.exp(-1 / memory)
    for i, shock in enumerate(rng.normal(0, error * np.sqrt(1 - keep**2), times.size - 1)):
        wrong[i + 1] = keep * wrong[i] + shock
    return estimate + wrong, estimate
