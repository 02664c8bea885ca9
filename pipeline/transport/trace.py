"""The footprint of one receptor: particles, smoothing, and what is kept."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

import numpy as np

from kernels import particles, steps
from kernels.air import at_points
from kernels.smoothing import largest, smooth
from pipeline.settings import TransportSettings
from pipeline.transport.release import Receptor, start
from pipeline.transport.window import WeatherWindow, seconds
from pipeline.units import MOLAR_MASS_AIR, SECONDS_PER_HOUR

#: memory of horizontal turbulence, s (HYSPLIT's HSCALE)
MEMORY = 10_800.0
#: time scale of convective mixing, s, when it is on
CONVECTION_TIME = 3600.0
#: bandwidth of smoothing (Fasoli et al. 2018): 0.06 degrees for a spread of one degree after one day
_BANDWIDTH, _DEGREE, _DAY = 0.06, 111_200.0, 86_400.0
#: names of why a particle ended, in the order of `kernels.steps`
REASONS = ("travelling", "time up", "left the grid", "left the weather", "weather ended", "lost")


@dataclass(frozen=True, eq=False)
class Footprint:
    """One receptor's footprint.

    Parameters
    ----------
    receptor
        Whose.
    hour : (entry,) datetime64[ns]
        Start of the flux hour.
    cell : (entry,) int32
        Flat cell of the flux grid.
    value : (entry,) float32
        Change of mole fraction per unit flux, m2 s mol-1 (the same number in every species' units).
    truncated
        Share of the integral left out.
    end : (particle, 5) float64
        Longitude, latitude, height m, pressure Pa and age s of each particle's end; NaN for a lost one.
    reason : (particle,) int8
        Index into `REASONS`.
    weight : (particle,) float64
        What each stands for.
    spread : (back, 6) float64
        See `kernels.particles`.
    """

    receptor: Receptor
    hour: np.ndarray
    cell: np.ndarray
    value: np.ndarray
    truncated: float
    end: np.ndarray
    reason: np.ndarray
    weight: np.ndarray
    spread: np.ndarray


def options_of(settings: TransportSettings, step: float) -> np.ndarray:
    """Return the options of `kernels.particles`."""
    out = np.zeros(steps.OPTIONS)
    out[steps.STEP], out[steps.LID], out[steps.LOWEST] = step, settings.top, settings.lowest_layer
    out[steps.DILUTION], out[steps.MEMORY] = settings.dilution, MEMORY
    out[steps.NEAR_FIELD] = float(settings.near_field)
    out[steps.CONVECTION_TIME] = CONVECTION_TIME
    out[steps.MOLAR_MASS] = MOLAR_MASS_AIR
    return out


def trace_receptor(
    receptor: Receptor, window: WeatherWindow, bounds: np.ndarray, settings: TransportSettings
) -> Footprint:
    """Return the footprint of one receptor.

    The result depends on the receptor, the weather and the settings alone, to the bit.

    Parameters
    ----------
    window
        The weather.
    bounds : (3,) int64
        The unbroken weather round the receptor's time, of `WeatherWindow.bounds`.
    settings
        Section [transport].
    """
    first = start(receptor, window, bounds, settings.particles)
    last_hour = math.ceil(float(first[:, 3].max()) / SECONDS_PER_HOUR) - 1
    hours = settings.hours + math.ceil(receptor.duration / SECONDS_PER_HOUR) + 1
    field, scratch = _buffers((hours, *window.target.shape))
    spread = np.zeros((hours, steps.SPREAD_COLUMNS))
    end = np.empty((settings.particles, 5))
    particles.trace(
        window.volume, window.surface, window.place, window.heights, bounds, options_of(settings, window.step), first,
        settings.hours * SECONDS_PER_HOUR, last_hour, settings.seed, receptor.number, field, spread, end,
    )  # fmt: skip
    if settings.smoothing > 0.0:
        middle = float(np.mean(first[:, 3]))
        sigma = bandwidths(spread, middle, last_hour, window, settings.smoothing)
        smooth(field, sigma, scratch)
    back, cell, value, truncated = largest(field, settings.truncation)
    hour = (last_hour - back.astype(np.int64)).astype("datetime64[h]").astype("datetime64[ns]")
    return Footprint(
        receptor, hour, cell, value, truncated, _ends(receptor, window, bounds, end), end[:, 4].astype(np.int8),
        first[:, 4], spread,
    )  # fmt: skip


#: each thread's dense footprint, kept from one receptor to the next: fresh memory costs more than clearing it
_kept = threading.local()


def _buffers(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return this thread's footprint, all zero, and a layer of anything."""
    field: np.ndarray | None = getattr(_kept, "field", None)
    if field is None or field.shape != shape:
        _kept.field, _kept.layer = np.zeros(shape), np.zeros(shape[1:])
        return _kept.field, _kept.layer
    field[:] = 0.0
    return field, _kept.layer


def bandwidths(spread: np.ndarray, released: float, last_hour: int, window: WeatherWindow, factor: float) -> np.ndarray:
    """Return the smoothing's standard deviation of each hour back along x and y, (back, 2) float64, cells.

    sigma = 0.06 factor sqrt(D s t / day) with the particles' spread s = sqrt(var x + var y), D the length of a degree
    and t the time since release at the middle of the hour: the bandwidth of Fasoli et al. (2018, Geosci. Model Dev. 11,
    2813, section 2.3), which is in degrees there, written so that it does not depend on the grid's unit.
    """
    per_x, per_y = window.per_metre
    count = np.maximum(spread[:, 0], 1.0)
    variance = (spread[:, 3] / count - (spread[:, 1] / count) ** 2) / per_x**2
    variance += (spread[:, 4] / count - (spread[:, 2] / count) ** 2) / per_y**2
    metres = np.sqrt(np.maximum(variance, 0.0))
    # an hour with few particles left is as wide as the one before it
    for back in range(1, metres.size):
        if spread[back, 0] < 0.01 * spread[:, 0].max():
            metres[back] = metres[back - 1]
    middle = 0.5 * (metres + np.concatenate([[0.0], metres[:-1]]))
    age = np.maximum(released - SECONDS_PER_HOUR * (last_hour - np.arange(metres.size) + 0.5), 0.0)
    sigma = _BANDWIDTH * factor * np.sqrt(_DEGREE * middle * age / _DAY)
    return np.stack([sigma * per_x, sigma * per_y], axis=-1)


def _ends(receptor: Receptor, window: WeatherWindow, bounds: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return (particle, 5) longitude, latitude, height, pressure and age of the particles' ends."""
    lost = end[:, 4] == steps.LOST
    # a particle that left the weather ended just outside it: its pressure is that at the rim
    at = end[:, :4].copy()
    at[:, 0] = np.clip(at[:, 0], 0.0, window.weather.nx - 1)
    at[:, 1] = np.clip(at[:, 1], 0.0, window.weather.ny - 1)
    pressure = np.empty(end.shape[0])
    at_points(window.pressure, window.heights, bounds, window.step, at, pressure)
    x = window.weather.x[0] + end[:, 0] * (window.weather.x[1] - window.weather.x[0])
    y = window.weather.y[0] + end[:, 1] * (window.weather.y[1] - window.weather.y[0])
    lon, lat = window.weather.to_lonlat(x, y)
    hour = receptor.time.astype("datetime64[h]").astype("datetime64[ns]")
    out = np.stack([lon, lat, end[:, 2], pressure, seconds(hour) - end[:, 3]], axis=-1)
    out[lost] = np.nan
    return out
