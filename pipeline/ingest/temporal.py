"""Shapes in time that spread a constant field over hours; each has mean 1 over a day, so the mass stays."""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from pipeline.errors import ConfigError, InputError
from pipeline.grid.definition import Grid
from pipeline.schema import HOUR

_DAY = np.timedelta64(24, "h")


def hour_shape(
    profile: Literal["flat", "daylight"] | list[float], zone: str, hours: np.ndarray, grid: Grid
) -> np.ndarray:
    """Return the factor of each hour.

    Parameters
    ----------
    profile
        "flat"; "daylight"; or 24 weights, the first for the hour that starts at local midnight.
    zone
        Zone of the 24 weights; an hour counts as the local hour it starts in.
    hours : (time,) datetime64[ns]
        Hour starts, UTC.

    Returns
    -------
    (time, 1, 1) or (time, ny, nx) float64, mean 1 over 24 hours

    Raises
    ------
    ConfigError
        For an unknown zone.
    InputError
        For "daylight" where the sun does not rise on a day.
    """
    if profile == "flat":
        return np.ones((hours.size, 1, 1))
    if profile == "daylight":
        return daylight(hours, grid)
    weights = np.asarray(profile, dtype=np.float64)
    try:
        local = pd.DatetimeIndex(hours).tz_localize("UTC").tz_convert(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError(
            "the zone must be known", got=zone, remedy='use a name such as "Asia/Shanghai"', where="profile_zone"
        ) from error
    return (weights / weights.mean())[local.hour][:, None, None]


def daylight(hours: np.ndarray, grid: Grid) -> np.ndarray:
    """Return max(0, sin of solar elevation) at the middle of each hour over its mean on that UTC day in that cell.

    Parameters
    ----------
    hours : (time,) datetime64[ns]
        Hour starts, UTC.

    Returns
    -------
    (time, ny, nx) float64, mean 1 over the 24 hours of a UTC day

    Raises
    ------
    InputError
        Where the sun does not rise on a day: nothing can be spread over no light.
    """
    lon, lat = grid.lonlat
    day = hours.astype("datetime64[D]")
    out = np.empty((hours.size, *grid.shape))
    for one in np.unique(day):
        starts = one.astype("datetime64[ns]") + np.arange(24) * HOUR
        middles = starts + np.timedelta64(30, "m")
        light = np.clip(sin_elevation(middles[:, None, None], lon, lat), 0.0, None)
        mean = light.mean(axis=0)
        if not np.all(mean > 0):
            raise InputError(
                "daylight needs a sun that rises",
                got=f"{int((mean <= 0).sum())} cells in the dark on {one}",
                remedy="use another profile",
                where="profile",
            )
        here = day == one
        out[here] = (light / mean)[((hours[here] - starts[0]) // HOUR).astype(int)]
    return out


def sin_elevation(time: np.ndarray, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Return the sine of the sun's elevation, without refraction.

    Parameters
    ----------
    time
        datetime64, UTC.
    lon, lat
        Degrees; broadcast with `time`.

    References
    ----------
    Michalsky 1988 (Solar Energy 40, 227): the Astronomical Almanac's approximate position, good to 0.01 degree from
    1950 to 2050.
    """
    days = (time - np.datetime64("2000-01-01T12:00", "ns")) / _DAY
    anomaly = np.radians(357.528 + 0.9856003 * days)
    longitude = np.radians(280.460 + 0.9856474 * days + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    obliquity = np.radians(23.439 - 4e-7 * days)
    ascension = np.arctan2(np.cos(obliquity) * np.sin(longitude), np.cos(longitude))
    declination = np.arcsin(np.sin(obliquity) * np.sin(longitude))
    hour = (time - time.astype("datetime64[D]")) / HOUR
    sidereal = np.radians(15.0 * (6.697375 + 0.0657098242 * days + hour) + lon)
    phi = np.radians(lat)
    return np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(sidereal - ascension)
