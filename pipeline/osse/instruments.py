"""What instruments make of the true air: noise, gaps, spikes, stuck values, drift, and files that come late.

Sizes: spectrometers as in high-precision networks, whose hourly means are far better than the air is alike within a
cell; micro sensors as infrared ones in field tests, whose hourly error is 1 to 4 ppm after calibration (Grange et al.
2025; Delaria et al. 2021) and whose zero and span drift over weeks and move with temperature and humidity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from pipeline.osse.background import first_order

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
    offset, offset_days
        One-sigma error of a sensor's zero, ppm, and its e-folding time, days.
    per_kelvin, per_percent
        One-sigma of how a sensor's zero moves with temperature, ppm K-1, and with relative humidity, ppm %-1.
    slope
        One-sigma error of a sensor's span, as a share of what lies above the sensor's zero of `ZERO_AT`.
    """

    hour_noise: float
    minute_noise: float
    offset: float = 0.0
    offset_days: float = 10.0
    per_kelvin: float = 0.0
    per_percent: float = 0.0
    slope: float = 0.0


INSTRUMENTS = {
    "provincial": Instrument(hour_noise=1.5, minute_noise=0.4),
    "regional": Instrument(hour_noise=1.5, minute_noise=0.4),
    "city": Instrument(hour_noise=2.5, minute_noise=1.2),
    "micro": Instrument(hour_noise=4.0, minute_noise=0.0, offset=3.0, per_kelvin=0.15, per_percent=0.03, slope=0.02),
}
#: clean air in which a micro sensor's zero is set, ppm
ZERO_AT = 420.0
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
#: of a micro sensor: share of hours lost; chance that a day has a stuck spell, and its length, hours; spikes a day,
#: and their size, ppm: wetness in the cell, breath
_LOST, _MICRO_STUCK, _MICRO_SPIKES, _MICRO_SPIKE_SIZE = 0.05, (0.03, 9), 0.1, (40.0, 150.0)
#: chance that the last files of a station are late, and how many days of them at most
_LATE, _LATE_DAYS = 0.05, 2
_DAY = 24


def true_air(footprints: xr.Dataset, fluxes: xr.Dataset) -> np.ndarray:
    """Return the true enhancement at each receptor hour, ppm: H f summed over sectors.

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


@dataclass(frozen=True, eq=False)
class Record:
    """What an instrument reports.

    Parameters
    ----------
    values : (sample,) float64
        ppm; NaN where it reports nothing.
    harmed : (hour,) bool
        Hours with a spike, or in which it is stuck.
    """

    values: np.ndarray
    harmed: np.ndarray


def minute_record(air: np.ndarray, instrument: Instrument, rng: np.random.Generator) -> Record:
    """Return what an analyser reports minute by minute."""
    hourly = air + rng.normal(0, instrument.hour_noise, air.size)
    # a straight line through each hour towards its neighbours leaves the hourly mean alone
    slope = np.gradient(hourly) if hourly.size > 1 else np.zeros(1)
    within = (np.arange(MINUTES) + 0.5) / MINUTES - 0.5
    minutes = hourly[:, None] + slope[:, None] * within + _turbulence(hourly.size, instrument, rng)
    return _with_faults(minutes.ravel(), rng)


def micro_record(
    air: np.ndarray, instrument: Instrument, temperature: np.ndarray, humidity: np.ndarray, rng: np.random.Generator
) -> Record:
    """Return what a micro sensor reports hour by hour.

    Parameters
    ----------
    air : (hour,) float64
        True mole fraction, ppm.
    instrument
        Of its class; this sensor's own sensitivities are drawn from it.
    temperature, humidity : (hour,) float64
        Around the sensor: K, and relative humidity in %. Only their departures from the mean of the record matter: the
        rest is part of the zero.
    """
    per_kelvin, per_percent, slope = rng.normal(0, (instrument.per_kelvin, instrument.per_percent, instrument.slope))
    record = air + slope * (air - ZERO_AT)
    record += first_order(air.size, instrument.offset, _DAY * instrument.offset_days, rng)
    record += per_kelvin * (temperature - temperature.mean()) + per_percent * (humidity - humidity.mean())
    record += rng.normal(0, instrument.hour_noise, air.size)
    days, sound = air.size / _DAY, record.copy()
    for at in rng.integers(0, air.size, rng.poisson(_MICRO_SPIKES * days)):
        record[at] += rng.uniform(*_MICRO_SPIKE_SIZE)
    chance, length = _MICRO_STUCK
    for at in rng.integers(0, air.size, rng.poisson(chance * days)):
        record[at : at + length] = record[at]
    harmed = record != sound
    record[rng.random(air.size) < _LOST] = np.nan
    return Record(record, harmed)


def late_from(hours: int, rng: np.random.Generator) -> int:
    """Return the first hour of a record whose daily files have not arrived; `hours` when all have.

    Now and then, the files of a station's last day or two are late; the first day never is.

    Parameters
    ----------
    hours
        Length of the record, whose files begin at its start and every 24 hours thereafter.
    """
    late = rng.random() < _LATE
    days = int(rng.integers(1, _LATE_DAYS + 1))
    files = -(-hours // _DAY)
    return _DAY * max(files - days, 1) if late and files > 1 else hours


def _turbulence(hours: int, instrument: Instrument, rng: np.random.Generator) -> np.ndarray:
    """Return first-order noise with zero mean in every hour: (hour, minute)."""
    keep = np.exp(-1 / _MEMORY)
    noise = rng.normal(0, instrument.minute_noise, hours * MINUTES)
    for i in range(1, noise.size):
        noise[i] = keep * noise[i - 1] + np.sqrt(1 - keep**2) * noise[i]
    by_hour = noise.reshape(hours, MINUTES)
    return by_hour - by_hour.mean(axis=1, keepdims=True)


def _with_faults(minutes: np.ndarray, rng: np.random.Generator) -> Record:
    """Return the record with spikes, now and then a stuck spell, and gaps; their number scales with its length."""
    out = minutes.copy()
    days = minutes.size / (24 * MINUTES)
    for at in rng.integers(0, out.size, rng.poisson(_SPIKES * days)):
        out[at] += rng.uniform(*_SPIKE_SIZE)
    if rng.random() < _STUCK[0] * days:
        at = int(rng.integers(0, max(1, out.size - _STUCK[1])))
        out[at : at + _STUCK[1]] = out[at]
    harmed = (out != minutes).reshape(-1, MINUTES).any(axis=1)
    for at in rng.integers(0, out.size, rng.poisson(_GAPS * days)):
        out[at : at + rng.integers(*_GAP_LENGTH)] = np.nan
    return Record(out, harmed)
