"""What instruments make of the true air: noise, gaps, spikes and stuck values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

MINUTES = 60


@dataclass(frozen=True)
class Instrument:
    """The errors of one class of station.

    Parameters
    ----------
    hour_noise
        One-sigma difference between the air at the inlet and the model's cell, ppm, new every hour.
    minute_noise
        One-sigma turbulence within the hour, ppm; correlated over some minutes, mean zero over the hour.
    offset
        One-sigma constant error of a sensor, ppm.
    """

    hour_noise: float
    minute_noise: float
    offset: float = 0.0


INSTRUMENTS = {
    "provincial": Instrument(hour_noise=1.5, minute_noise=0.4),
    "regional": Instrument(hour_noise=1.5, minute_noise=0.4),
    "city": Instrument(hour_noise=2.5, minute_noise=1.2),
    "micro": Instrument(hour_noise=4.0, minute_noise=0.0, offset=2.0),
}
#: e-folding time of turbulence, minutes
_MEMORY = 4.0
#: chance that a station's day has a stuck spell, and its length, minutes
_STUCK = (0.1, 100)
#: gaps and spikes in a day of minutes
_GAPS, _SPIKES = 2, 2
#: calibrations and failures last this long, minutes
_GAP_LENGTH = (8, 100)
#: ppm above the air for one minute: a lorry, a generator
_SPIKE_SIZE = (25.0, 80.0)


def true_air(footprints: xr.Dataset, fluxes: xr.Dataset) -> np.ndarray:
    """Return the true enhancement at each receptor hour, ppm: H f summed over sectors (science.md 1).

    Parameters
    ----------
    footprints, fluxes
        Datasets of `pipeline.schema` on one grid; every footprint hour must be a flux hour.
    """
    total = fluxes["flux"].values.sum(axis=0).reshape(fluxes.sizes["time"], -1)
    hour = np.searchsorted(fluxes["time"].values, footprints["hour"].values)
    product = footprints["footprint"].values.astype(np.float64) * total[hour, footprints["cell"].values]
    rows = np.diff(footprints["indptr"].values)
    return np.bincount(np.repeat(np.arange(rows.size), rows), weights=product, minlength=rows.size)


def hourly_record(air: np.ndarray, instrument: Instrument, rng: np.random.Generator) -> np.ndarray:
    """Return what a sensor reports as hourly means, ppm: (hour,)."""
    return air + rng.normal(0, instrument.offset) + rng.normal(0, instrument.hour_noise, air.size)


def minute_record(air: np.ndarray, instrument: Instrument, rng: np.random.Generator) -> np.ndarray:
    """Return what an analyser reports minute by minute, ppm; NaN where it reports nothing: (hour * 60,)."""
    hourly = hourly_record(air, instrument, rng)
    # a straight line through each hour towards its neighbours leaves the hourly mean alone
    slope = np.gradient(hourly) if hourly.size > 1 else np.zeros(1)
    within = (np.arange(MINUTES) + 0.5) / MINUTES - 0.5
    minutes = hourly[:, None] + slope[:, None] * within + _turbulence(hourly.size, instrument, rng)
    return _with_faults(minutes.ravel(), rng)


def _turbulence(hours: int, instrument: Instrument, rng: np.random.Generator) -> np.ndarray:
    """Return first-order noise with zero mean in every hour: (hour, minute)."""
    keep = np.exp(-1 / _MEMORY)
    noise = rng.normal(0, instrument.minute_noise, hours * MINUTES)
    for i in range(1, noise.size):
        noise[i] = keep * noise[i - 1] + np.sqrt(1 - keep**2) * noise[i]
    by_hour = noise.reshape(hours, MINUTES)
    return by_hour - by_hour.mean(axis=1, keepdims=True)


def _with_faults(minutes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the record with spikes, now and then a stuck spell, and gaps; their number scales with its length."""
    out = minutes.copy()
    days = minutes.size / (24 * MINUTES)
    for at in rng.integers(0, out.size, rng.poisson(_SPIKES * days)):
        out[at] += rng.uniform(*_SPIKE_SIZE)
    if rng.random() < _STUCK[0] * days:
        at = int(rng.integers(0, max(1, out.size - _STUCK[1])))
        out[at : at + _STUCK[1]] = out[at]
    for at in rng.integers(0, out.size, rng.poisson(_GAPS * days)):
        out[at : at + rng.integers(*_GAP_LENGTH)] = np.nan
    return out
