"""Time labels of station feeds: from a declared zone and label convention to the start of the interval in UTC."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from pipeline.errors import TimeError
from pipeline.ingest.formats.samples import Mark

#: half intervals from the start to what a label marks
_HALVES: dict[Mark, int] = {"start": 0, "centre": 1, "end": 2}


def utc_start(label: np.ndarray, zone: str, marks: Mark, interval: np.timedelta64, *, where: str = "") -> np.ndarray:
    """Return the start of each sampling interval in UTC.

    Parameters
    ----------
    label : (row,) datetime64[ns]
        Clock time of the feed's zone; NaT stays NaT.
    zone
        Name in the tz database, so that summer time of any year is known ("Asia/Shanghai" had it from 1986 to 1991).
    marks
        What a label marks.
    interval
        Averaging interval.

    Returns
    -------
    (row,) datetime64[ns]
        NaT also for a clock time that the zone skips, or has twice, when clocks change.

    Raises
    ------
    TimeError
        When the zone is not in the tz database.

    Examples
    --------
    >>> end = np.array(["2024-07-01T09:00"], dtype="datetime64[ns]")
    >>> utc_start(end, "Asia/Shanghai", "end", np.timedelta64(1, "h"))
    array(['2024-07-01T00:00:00.000000000'], dtype='datetime64[ns]')
    """
    known = zone_of(zone, where=where)
    index = pd.DatetimeIndex(label).tz_localize(known, ambiguous="NaT", nonexistent="NaT")
    utc = index.tz_convert("UTC").tz_localize(None).to_numpy("datetime64[ns]")
    half = interval.astype("timedelta64[ns]") // 2
    return np.asarray(utc - _HALVES[marks] * half)


def standard_offset(zone: str, year: int, *, where: str = "") -> np.timedelta64:
    """Return the offset from UTC of a zone's standard time: the smaller one of January and July.

    Raises
    ------
    TimeError
        When the zone is not in the tz database.

    Examples
    --------
    >>> standard_offset("Europe/London", 2014), standard_offset("Asia/Shanghai", 1988)
    (np.timedelta64(0,'s'), np.timedelta64(28800,'s'))
    """
    known = zone_of(zone, where=where)
    offsets = [pd.Timestamp(year, month, 1, tz=known).utcoffset() for month in (1, 7)]
    return np.timedelta64(min(round(offset.total_seconds()) for offset in offsets if offset is not None), "s")


def zone_of(zone: str, *, where: str = "") -> ZoneInfo:
    """Return the zone of a name.

    Raises
    ------
    TimeError
        When it is not in the tz database.
    """
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise TimeError(
            "the zone must be in the tz database", got=zone, remedy="use for example Asia/Shanghai", where=where
        ) from error
