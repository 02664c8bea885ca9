"""The weather at places that ingest asks for, and the selection of hours by it.

Who holds the weather hands over a function, for `ingest` reads observations and knows no particles.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipeline.schema import HOUR, Flag
from station_meta import QualityRules

#: (lon, lat, hours) of n places and times, degrees and UTC hour starts -> wind speed at 10 m, m s-1, and depth of the
#: boundary layer, m: (n,) each, at the middle of the hour; NaN where there is no weather
Surroundings = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

#: the earth turns by this in an hour
_DEGREES_PER_HOUR = 15.0


def solar_time(time: np.ndarray, lon: float) -> np.ndarray:
    """Return times by the sun: whole hours from UTC by longitude."""
    local: np.ndarray = time + round(lon / _DEGREES_PER_HOUR) * HOUR
    return local


def solar_hour(time: np.ndarray, lon: float) -> np.ndarray:
    """Return the hour of the day by the sun, 0 to 23: whole hours from UTC by longitude.

    The sun, not the clock, makes the day; and the zone of a feed says how its labels are written, which may be UTC
    anywhere.

    Examples
    --------
    >>> solar_hour(np.array(["2024-07-01T04"], dtype="datetime64[h]"), 120.0).tolist()
    [12]
    """
    local = solar_time(time, lon)
    hour: np.ndarray = (local - local.astype("datetime64[D]")) // HOUR
    return hour


def is_within(hour: np.ndarray, hours: tuple[float, float]) -> np.ndarray:
    """Return the mask of hours of the day that lie in [from, to), which may go over midnight.

    Examples
    --------
    >>> is_within(np.array([5, 6, 19, 20]), (20, 6)).tolist()
    [True, False, False, True]
    """
    start, end = hours
    from_start, before_end = hour >= start, hour < end
    return np.asarray(from_start & before_end if start < end else from_start | before_end)


def selection_bits(
    time: np.ndarray, lon: float, hours: tuple[float, float] | None, wind: np.ndarray | None,
    layer: np.ndarray | None, rules: QualityRules,
) -> np.ndarray:  # fmt: skip
    """Return the bits of hours that are good but not selected, (hour,) uint32.

    NOT_SELECTED_HOUR outside `hours` of the solar day; NOT_SELECTED_WEATHER where the wind or the boundary layer is
    below the thresholds, or unknown.

    Parameters
    ----------
    time : (hour,) datetime64[ns]
        UTC.
    lon
        Degrees.
    hours
        [from, to) of the solar day, over midnight where from is the later; None: all.
    wind, layer : (hour,) float64
        m s-1 and m; None: not asked.
    """
    bits = np.zeros(time.size, dtype=np.uint32)
    if hours is not None and time.size:
        bits[~is_within(solar_hour(time, lon), hours)] |= np.uint32(Flag.NOT_SELECTED_HOUR)
    for given, least in ((wind, rules.wind), (layer, rules.mixing)):
        if given is not None and least is not None:
            # a comparison with NaN is false
            bits[~(given >= least)] |= np.uint32(Flag.NOT_SELECTED_WEATHER)
    return bits
