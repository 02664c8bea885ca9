"""Where a vehicle was: which positions of a track can be believed, and where the air of a reading came in.

The tests see positions only, so they do not depend on the gas.
"""

from __future__ import annotations

import numpy as np

from pipeline.ingest.axes import distance

NO_POSITION = "no position"
SWAPPED = "longitude and latitude look swapped"
OUTSIDE_BOX = "position outside the box"
JUMP = "position jumps"
FROZEN = "position frozen while moving"
NO_PLACE = "no position when the air came in"

_SECOND = np.timedelta64(1, "s")


def position_reasons(
    time: np.ndarray,
    lon: np.ndarray,
    lat: np.ndarray,
    speed: np.ndarray,
    no_fix: np.ndarray,
    *,
    box: tuple[float, float, float, float],
    speed_most: float,
    moving: float,
    frozen_seconds: float,
) -> np.ndarray:
    """Return why each position cannot be believed, in words; empty where it can: (row,) object.

    Parameters
    ----------
    time : (row,) datetime64[ns]
        Ascending, each once.
    lon, lat : (row,) float64
        Degrees; NaN where missing.
    speed : (row,) float64
        m s-1 as the vehicle says; NaN where it does not, and a frozen position is then not looked for.
    no_fix : (row,) object
        What the receiver itself says.
    box
        West, east, south, north, degrees.
    speed_most
        Between two positions, m s-1; a faster one jumps.
    moving, frozen_seconds
        A position that stays for that long while the speed, m s-1, is more than that is frozen from its second row on.
    """
    reason = np.asarray(no_fix, dtype=object).copy()
    # a comparison with NaN is false
    globe = (np.abs(lat) <= 90.0) & (np.abs(lon) <= 180.0)
    swapped = _inside(lat, lon, box) & ~_inside(lon, lat, box)
    for mask, text in (
        (np.isnan(lon) | np.isnan(lat), NO_POSITION),
        (swapped, SWAPPED),
        (~(globe & _inside(lon, lat, box)), OUTSIDE_BOX),
    ):
        reason[mask & (reason == "")] = text
    good = np.flatnonzero(reason == "")
    reason[good[_frozen(time[good], lon[good], lat[good], speed[good], moving, frozen_seconds)]] = FROZEN
    # a position that thaws is far from where it froze, but not for the time since
    good = np.flatnonzero(reason == "")
    reason[good[jumps(time[good], lon[good], lat[good], speed_most)]] = JUMP
    return reason


def _inside(lon: np.ndarray, lat: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    west, east, south, north = box
    return np.asarray((lon >= west) & (lon <= east) & (lat >= south) & (lat <= north))


def jumps(time: np.ndarray, lon: np.ndarray, lat: np.ndarray, speed_most: float) -> np.ndarray:
    """Return the mask of positions the vehicle cannot have been at, (row,) bool.

    The track is cut where two positions are too far apart for their times. The longest piece is believed; going away
    from it in both directions, each other piece is from where it can be reached from the last position believed.

    Parameters
    ----------
    time, lon, lat : (row,)
        Ascending times, and degrees, none missing.
    speed_most
        m s-1.

    Examples
    --------
    >>> time = np.arange(5).astype("datetime64[s]").astype("datetime64[ns]")
    >>> jumps(time, np.array([120.0, 120.0001, 121.0, 120.0003, 120.0004]), np.full(5, 30.0), 50.0).tolist()
    [False, False, True, False, False]
    """

    def too_far(one: np.ndarray | int, other: np.ndarray) -> np.ndarray:
        away = distance(lon[one], lat[one], lon[other], lat[other])
        return np.asarray(away > speed_most * np.abs((time[other] - time[one]) / _SECOND))

    out = np.zeros(time.size, dtype=bool)
    if time.size < 2:
        return out
    rows = np.arange(time.size - 1)
    cuts = np.flatnonzero(too_far(rows, rows + 1)) + 1
    pieces = list(zip([0, *cuts.tolist()], [*(cuts - 1).tolist(), time.size - 1], strict=True))
    longest = max(range(len(pieces)), key=lambda i: pieces[i][1] - pieces[i][0])
    last = pieces[longest][1]
    for first, end in pieces[longest + 1 :]:
        reached = ~too_far(last, np.arange(first, end + 1))
        begin = first + int(np.argmax(reached)) if reached.any() else end + 1
        out[first:begin] = True
        last = end if begin <= end else last
    last = pieces[longest][0]
    for first, end in reversed(pieces[:longest]):
        reached = ~too_far(last, np.arange(first, end + 1))
        stop = first + int(np.flatnonzero(reached)[-1]) if reached.any() else first - 1
        out[stop + 1 : end + 1] = True
        last = first if stop >= first else last
    return out


def _frozen(
    time: np.ndarray, lon: np.ndarray, lat: np.ndarray, speed: np.ndarray, moving: float, seconds: float
) -> np.ndarray:
    """Return the mask of positions that stay where they were although the vehicle moves."""
    out = np.zeros(time.size, dtype=bool)
    if time.size < 2:
        return out
    # NaN speeds compare as false: without a speed nothing is frozen
    stays = np.concatenate([[False], (np.diff(lon) == 0) & (np.diff(lat) == 0)]) & (speed > moving)
    run = np.cumsum(~stays)
    first = np.searchsorted(run, run)
    last = np.searchsorted(run, run, side="right") - 1
    long = (time[last] - time[first]) / _SECOND >= seconds
    return np.asarray(stays & long)


def at_inlet(
    time: np.ndarray, lon: np.ndarray, lat: np.ndarray, reason: np.ndarray, *, lag: float, gap: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return where the air of each reading came in, (lon, lat) in degrees, and why that is not known.

    A reading at t shows the air of t - lag. Its place lies on the line between the positions before and after that
    time, and cannot be believed when one of them cannot.

    Parameters
    ----------
    time : (row,) datetime64[ns]
        Ascending, each once.
    lon, lat : (row,) float64
        Degrees.
    reason : (row,) object
        Of `position_reasons`.
    lag
        Seconds.
    gap
        Longest time between the two positions, seconds.
    """
    entry = time - np.timedelta64(round(lag * 1e9), "ns")
    after = np.searchsorted(time, entry)
    before = np.where(time[after] == entry, after, after - 1)
    known = before >= 0
    before = np.maximum(before, 0)
    span = (time[after] - time[before]) / _SECOND
    share = np.where(span > 0, ((entry - time[before]) / _SECOND) / np.where(span > 0, span, 1.0), 0.0)
    out = np.where(reason[before] != "", reason[before], reason[after]).astype(object)
    out[~known | ((span > gap) & (out == ""))] = NO_PLACE
    place = [values[before] + share * (values[after] - values[before]) for values in (lon, lat)]
    return place[0], place[1], out
