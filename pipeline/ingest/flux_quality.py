"""Quality tests that only fluxes of towers have: night, the turbulence flag, the friction velocity, spikes.

Thresholds are those of `station_meta.sink_rules`. A spike depends on the days about it only, `spike_days` of them, so
that a window of fixed length finds what a whole record does.
"""

from __future__ import annotations

import numpy as np

from pipeline.ingest.quality import VERSIONS as OF_SAMPLES
from pipeline.ingest.temporal import sin_elevation
from pipeline.schema import Flag
from station_meta import SinkRules

#: number of each test, raised when it would find something else in the same rows
VERSIONS: dict[Flag, int] = {
    **{flag: OF_SAMPLES[flag] for flag in (Flag.RANGE_FAIL, Flag.RANGE_SUSPECT, Flag.FLAT_LINE)},
    Flag.SPIKE: 1,
    Flag.LOW_TURBULENCE: 2,
    Flag.GAP_FILLED: 1,
}
_DAY = np.timedelta64(1, "D")
#: MAD of a normal distribution of unit standard deviation
_MAD_OF_NORMAL = 0.6744897501960817


def is_night(middle: np.ndarray, radiation: np.ndarray, lon: float, lat: float, rules: SinkRules) -> np.ndarray:
    """Return the mask of rows of night, (row,) bool.

    Parameters
    ----------
    middle : (row,) datetime64[ns]
        Middle of each row, UTC; NaT where unknown, which is no night.
    radiation : (row,) float64
        Incoming shortwave radiation, W m-2; NaN where unknown: there the sun's elevation tells.
    lon, lat
        Of the tower, degrees.
    """
    known = ~np.isnat(middle)
    low = np.zeros(middle.size, dtype=bool)
    sine = sin_elevation(middle[known], np.asarray(lon), np.asarray(lat))
    low[known] = sine < np.sin(np.radians(rules.night_elevation))
    return np.where(np.isfinite(radiation), radiation < rules.night_radiation, low)


def spikes(
    time: np.ndarray, value: np.ndarray, night: np.ndarray, interval: np.timedelta64, rules: SinkRules
) -> np.ndarray:
    """Return the mask of fluxes that stand out of their two neighbours, day and night apart.

    The double difference of a row is `(x_i - x_i-1) - (x_i+1 - x_i)`, where both neighbours are there. It is compared
    with the median Md and the median absolute deviation MAD of the same half of the day over `spike_days`: the row is a
    spike where it lies outside `Md +- z MAD / 0.6745`. A row of night with a neighbour by day counts to the day, whose
    noise is in its double difference. A lone spike gives its neighbours double differences of the other sign, half as
    large; those are not spikes for it.

    Parameters
    ----------
    time : (row,) datetime64[ns]
        Start of each row, ascending, each once.
    value : (row,) float64
        umol m-2 s-1, none missing.
    night : (row,) bool
    interval
        Averaging interval of a row.

    References
    ----------
    Papale et al. 2006, doi:10.5194/bg-3-571-2006, their equations 1 to 3; dusk and dawn, and that a row is left alone
    for its neighbour's sake, are ours.
    """
    away, deep = np.full(value.size, np.nan), np.zeros(value.size, dtype=bool)
    if value.size > 2:
        step = np.diff(time) == interval
        away[1:-1] = np.where(step[:-1] & step[1:], -np.diff(value, 2), np.nan)
        deep[1:-1] = night[:-2] & night[1:-1] & night[2:]
    days = time.astype("datetime64[D]")
    half = rules.spike_days // 2 * _DAY
    far, found = np.zeros(value.size), np.zeros(value.size, dtype=bool)
    for one in np.unique(days):
        first, last = np.searchsorted(days, [one - half, one + half + _DAY])
        for dark in (False, True):
            near = np.flatnonzero((deep[first:last] == dark) & np.isfinite(away[first:last])) + first
            if near.size < rules.spike_fewest:
                continue
            centre = np.median(away[near])
            deviation = max(np.median(np.abs(away[near] - centre)) / _MAD_OF_NORMAL, rules.spike_floor)
            mine = near[days[near] == one]
            far[mine] = away[mine] - centre
            found[mine] = np.abs(far[mine]) > rules.spike_deviations * deviation
    # the neighbours in a spike's double difference are the rows next to it
    size, across = np.abs(far), far[:-1] * far[1:] < 0
    spared = np.zeros(value.size, dtype=bool)
    spared[:-1] |= across & found[1:] & (size[1:] > rules.spike_neighbour * size[:-1])
    spared[1:] |= across & found[:-1] & (size[:-1] > rules.spike_neighbour * size[1:])
    return found & ~spared
