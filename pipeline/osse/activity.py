"""When people emit: days and weeks of traffic, industry, homes and power plants, by local time."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.osse.weather import ZONE

#: what each activity emits at a weekend over a working day
WEEKEND = {"traffic": 0.80, "industry": 0.88, "homes": 1.10, "power": 0.93}
ACTIVITIES = tuple(WEEKEND)


def activity(name: str, times: np.ndarray) -> np.ndarray:
    """Return how strong an activity is in each hour over its mean of a week: (time,).

    Parameters
    ----------
    name
        One of `ACTIVITIES`.
    times : (time,) datetime64[ns]
        Hour starts, UTC.
    """
    local = pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(ZONE)
    week = _week(name)
    out: np.ndarray = week[np.asarray(local.day_of_week >= 5, dtype=int), np.asarray(local.hour)]
    return out


def _week(name: str) -> np.ndarray:
    """Return (working day or weekend, local hour), of mean 1 over five days and two."""
    hour = np.arange(24) + 0.5
    day, weekend = _shapes(name, hour)
    table = np.stack([day / day.mean(), WEEKEND[name] * weekend / weekend.mean()])
    week: np.ndarray = table / ((5 * table[0] + 2 * table[1]).mean() / 7)
    return week


def _shapes(name: str, hour: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the shapes of a working day and of a weekend day, by local hour."""

    def peak(at: float, width: float) -> np.ndarray:
        out: np.ndarray = np.exp(-0.5 * ((hour - at) / width) ** 2)
        return out

    if name == "traffic":
        return 0.35 + peak(8.0, 1.6) + 0.4 * peak(13.0, 3.0) + 1.1 * peak(18.0, 2.2), 0.35 + peak(14.5, 5.0)
    if name == "industry":
        shift = 0.75 + 0.35 * peak(10.5, 2.5) + 0.35 * peak(15.5, 2.5)
        return shift, 0.8 + 0.2 * peak(13.0, 4.0)
    if name == "homes":
        return 0.4 + 0.8 * peak(7.2, 1.2) + 0.5 * peak(11.8, 1.0) + 1.2 * peak(18.8, 1.8), (
            0.45 + 0.5 * peak(8.5, 1.6) + 0.7 * peak(12.0, 1.3) + 1.1 * peak(18.5, 2.0)
        )
    even = 1 + 0.15 * np.cos(2 * np.pi * (hour - 15) / 24)
    return even, even
