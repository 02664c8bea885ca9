"""A drive cut into segments of about a hundred metres, each an observation: medians, for single peaks are not the air.

References
----------
Brantley et al. 2014, doi:10.5194/amt-7-2169-2014: medians of short segments are robust against near sources.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.schema import HOUR

#: m per degree of latitude on a sphere of the earth's mean radius (6371 km)
_METRES_PER_DEGREE = 6371.0e3 * np.pi / 180.0
_SECOND = np.timedelta64(1, "s")


def segment_numbers(
    time: np.ndarray, lon: np.ndarray, lat: np.ndarray, *, metres: float, seconds: float, gap: float
) -> np.ndarray:
    """Return the number of the segment each sample belongs to, from 0 up: (sample,) int64.

    A segment ends before the sample that is further than `metres` from its first one as the crow flies (so that a
    standing vehicle's position may wander), `seconds` later than it, `gap` seconds later than the sample before, or in
    another hour of UTC, in which a footprint's hours and the hours asked for begin.

    Parameters
    ----------
    time : (sample,) datetime64[ns]
        Ascending.
    lon, lat : (sample,) float64
        Degrees.
    metres, seconds, gap
        See above.

    Examples
    --------
    >>> time = np.arange(6).astype("datetime64[s]").astype("datetime64[ns]")
    >>> north = 30 + np.array([0.0, 40.0, 80.0, 120.0, 160.0, 200.0]) / 111194.9
    >>> segment_numbers(time, np.full(6, 120.0), north, metres=100, seconds=60, gap=5).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    out = np.zeros(time.size, dtype=np.int64)
    if time.size == 0:
        return out
    shrink = np.cos(np.radians(lat))
    clock = (time - time[0]) / _SECOND
    breaks = np.concatenate([[True], (np.diff(clock) > gap) | (np.diff(time.astype("datetime64[h]")) != 0 * HOUR)])
    number, first = -1, 0
    for i in range(time.size):
        away = _METRES_PER_DEGREE * np.hypot((lon[i] - lon[first]) * shrink[first], lat[i] - lat[first])
        if breaks[i] or away > metres or clock[i] - clock[first] > seconds:
            number, first = number + 1, i
        out[i] = number
    return out


def segments_of(samples: pd.DataFrame, step: float) -> pd.DataFrame:
    """Return one row per segment, in the order of time.

    Parameters
    ----------
    samples
        Columns segment, time, lon, lat, value, enhancement, bits, source; ascending in time.
    step
        Seconds a sample stands for.

    Returns
    -------
    DataFrame
        time (first sample), middle (mean time), seconds (from the first sample to the end of the last), lon, lat
        (means), value, enhancement (medians), spread (standard deviation with n-1), count, bits (those of any sample),
        source (of the first sample).
    """
    groups = samples.groupby("segment", sort=True)
    first, last = groups["time"].min(), groups["time"].max()
    since = (samples["time"] - groups["time"].transform("min")).dt.total_seconds()
    # to the millisecond, for the id is made of it: the mean of times themselves is wrong by some hundred ns
    middle = first + pd.to_timedelta(since.groupby(samples["segment"]).mean().round(3), unit="s")
    bits = samples["bits"].to_numpy(dtype=np.uint32)
    starts = np.searchsorted(samples["segment"].to_numpy(), first.index.to_numpy())
    return pd.DataFrame(
        {
            "time": first,
            "middle": middle.astype(first.dtype),
            "seconds": (last - first).dt.total_seconds() + step,
            "lon": groups["lon"].mean(),
            "lat": groups["lat"].mean(),
            "value": groups["value"].median(),
            "enhancement": groups["enhancement"].median(),
            "spread": groups["value"].std(),
            "count": groups.size(),
            "bits": np.bitwise_or.reduceat(bits, starts) if starts.size else bits,
            "source": groups["source"].first(),
        }
    )
