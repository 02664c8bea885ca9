"""The mobile laboratory of a simulated case: a round in its city, second by second, with all a road brings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.ingest import sounding_ids
from pipeline.osse.network import Site
from pipeline.schema import HOUR, label

#: the drive begins so long after the start of the case's first day, h (noon by the sun), and lasts, s
BEGINS, LASTS = 4, 2400
#: radius of the round, km; speed between lights, km/h; a red light comes every, s, and lasts, s
_RADIUS, _SPEED, _LIGHT_EVERY, _LIGHT = 3.5, 34.0, 300, 35
#: the air of the model is asked for every, s of the drive
_NODE = 60
#: seconds from the inlet to the analyser
LAG = 8
#: one-sigma noise of a second, ppm; of the street's own air, ppm, and its memory, s
_NOISE, _STREET, _STREET_MEMORY = 0.3, 2.0, 40.0
#: vehicles ahead: how many, their plumes in CO2, ppm, and their length, s
_PLUMES, _PLUME, _PLUME_LENGTH = 6, (15.0, 60.0), (6, 15)
#: at a light the vehicle sees its own exhaust: ppm of CO2, ppb of CO
_OWN_CO2, _OWN_CO = 180.0, 2500.0
#: CO of the street, ppb, and its noise
_CO, _CO_NOISE = 350.0, 15.0
#: share of seconds without a position, and how many positions jump, by degrees
_NO_FIX, _JUMPS, _JUMP = 0.01, 4, 0.03
_KM_PER_DEGREE = 111.2
_SECOND = np.timedelta64(1, "s")


@dataclass(frozen=True, eq=False)
class Drive:
    """One drive.

    Parameters
    ----------
    site
        The laboratory.
    time : (second,) datetime64[ns]
        UTC.
    lon, lat : (second,) float64
        Where it is, degrees.
    speed : (second,) float64
        km/h.
    """

    site: Site
    time: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    speed: np.ndarray

    def receptors(self) -> xr.Dataset:
        """Return the dataset "receptors" of the places along the drive at which the true air is asked for."""
        at = slice(None, None, _NODE)
        lon, lat, time = self.lon[at], self.lat[at], self.time[at]
        bare = xr.Dataset(
            {
                "time": ("obs", time),
                "duration": ("obs", np.zeros(time.size)),
                "station": ("obs", sounding_ids(self.site.id, time, lon, lat)),
                "lon": ("obs", lon),
                "lat": ("obs", lat),
                "height": ("obs", np.full(time.size, self.site.height)),
            },
            attrs={"species": "co2"},
        )
        return label(bare, "receptors")


def round_trip(site: Site, start: np.datetime64) -> Drive:
    """Return a drive round a laboratory's base on the case's first day.

    Parameters
    ----------
    site
        The laboratory.
    start
        Start of the case's observations, UTC.
    """
    second = np.arange(LASTS)
    speed = np.where(second % _LIGHT_EVERY >= _LIGHT_EVERY - _LIGHT, 0.0, _SPEED)
    angle = np.cumsum(speed / 3600.0) / _RADIUS
    lat = site.station.lat + _RADIUS * np.sin(angle) / _KM_PER_DEGREE
    lon = site.station.lon + _RADIUS * np.cos(angle) / (_KM_PER_DEGREE * np.cos(np.radians(site.station.lat)))
    time = (start + BEGINS * HOUR).astype("datetime64[ns]") + second * _SECOND
    return Drive(site, time, np.round(lon, 6), np.round(lat, 6), speed)


def write_drive(path: Path, drive: Drive, air: np.ndarray, rng: np.random.Generator) -> None:
    """Write a drive as a laboratory's logger does: CSV by the second, UTC.

    Parameters
    ----------
    path
        File to write.
    drive
        Where and when.
    air : (node,) float64
        True mole fraction at the places of `Drive.receptors`, ppm.
    """
    second = np.arange(drive.time.size)
    true = np.interp(second, second[::_NODE], air) + _street(second.size, rng)
    for first in rng.integers(0, second.size, _PLUMES):
        length = int(rng.integers(*_PLUME_LENGTH))
        true[first : first + length] += rng.uniform(*_PLUME)
    stands = drive.speed == 0
    true = true + np.where(stands, _OWN_CO2, 0.0)
    co = _CO + rng.normal(0, _CO_NOISE, second.size) + np.where(stands, _OWN_CO, 0.0)
    # both analysers show what came in at the inlet before
    before = np.maximum(second - LAG, 0)
    seen, seen_co = (true + rng.normal(0, _NOISE, second.size))[before], co[before]
    lon, lat = drive.lon.copy(), drive.lat.copy()
    lat[rng.integers(0, second.size, _JUMPS)] += _JUMP
    fix = np.where(rng.random(second.size) < _NO_FIX, 0, 1)
    frame = pd.DataFrame(
        {
            "time": pd.DatetimeIndex(drive.time).strftime("%Y-%m-%d %H:%M:%S"),
            "lon": np.char.mod("%.6f", lon),
            "lat": np.char.mod("%.6f", lat),
            "fix": fix,
            "speed_kmh": drive.speed,
            "co2_ppm": np.round(seen, 2),
            "co_ppb": np.round(seen_co, 0),
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False, lineterminator="\n")


def _street(size: int, rng: np.random.Generator) -> np.ndarray:
    """Return what the street adds to the air of the model's cell, ppm: the size of first-order noise."""
    keep = np.exp(-1.0 / _STREET_MEMORY)
    noise = rng.normal(0, _STREET * np.sqrt(1 - keep**2), size)
    for i in range(1, size):
        noise[i] += keep * noise[i - 1]
    return np.abs(noise)
