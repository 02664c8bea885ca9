"""Passes of an instrument, and the strips of a pass along which its errors hang together."""

from __future__ import annotations

import numpy as np

#: mean radius of the Earth, km (IUGG)
_EARTH_RADIUS = 6371.0


def passes(time: np.ndarray, gap_minutes: float) -> np.ndarray:
    """Return the number of the pass of each sounding of one instrument, (obs,) int64 from 0, in order of time.

    Parameters
    ----------
    time : (obs,) datetime64[ns]
        In any order.
    gap_minutes
        A new pass begins after so long without a sounding.

    Examples
    --------
    >>> passes(np.array(["2024-07-01T05:00", "2024-07-01T06:40", "2024-07-01T05:01"], "datetime64[ns]"), 20.0).tolist()
    [0, 1, 0]
    """
    order = np.argsort(time, kind="stable")
    number = np.zeros(time.size, dtype=np.int64)
    apart = np.diff(time[order]) > np.timedelta64(round(60e9 * gap_minutes), "ns")
    number[order[1:]] = np.cumsum(apart)
    return number


def tracks(
    time: np.ndarray, lon: np.ndarray, lat: np.ndarray, pass_number: np.ndarray, width: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return (strip, distance along it in km) of each sounding, so that a strip is a line of soundings.

    A pass goes where its times grow: by least squares t = t_0 + g . x, x the place in a plane. Places spread over less
    than `width` tell little of the direction, and are damped: across a track of 10 km, seconds are mostly rounding. A
    wide swath is cut into strips of `width`; a narrow track is one.

    Parameters
    ----------
    time : (obs,) datetime64[ns]
    lon, lat : (obs,) float64
        Degrees.
    pass_number : (obs,) int64
        Of `passes`.
    width
        Of a strip, km.

    Returns
    -------
    strip : (obs,) int64
        From 0; strips of two passes differ.
    along : (obs,) float64
        km from the middle of the pass.
    """
    side, along = np.zeros(time.size, dtype=np.int64), np.zeros(time.size)
    for number in np.unique(pass_number):
        rows = np.flatnonzero(pass_number == number)
        place = _plane(lon[rows], lat[rows])
        seconds = (time[rows] - time[rows].min()) / np.timedelta64(1, "s")
        ahead = _direction(place, seconds - seconds.mean(), width)
        along[rows] = place @ ahead
        side[rows] = np.round(place @ np.array([ahead[1], -ahead[0]]) / width)
    _, strip = np.unique(np.stack([pass_number, side]), axis=1, return_inverse=True)
    return strip.reshape(-1).astype(np.int64), along


def _plane(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Return places in a plane about their middle, km east and north: (n, 2)."""
    east = (lon - lon[0] + 180.0) % 360.0 - 180.0
    middle = lat.mean()
    degree = np.radians(1.0) * _EARTH_RADIUS
    return degree * np.column_stack([(east - east.mean()) * np.cos(np.radians(middle)), lat - middle])


def _direction(place: np.ndarray, seconds: np.ndarray, width: float) -> np.ndarray:
    """Return the unit vector along which times grow; north where they do not."""
    # a twelfth of the square: what places spread evenly over the width vary by
    covariance = place.T @ place / seconds.size + width**2 / 12.0 * np.eye(2)
    slope = np.linalg.solve(covariance, place.T @ seconds / seconds.size)
    length = float(np.hypot(*slope))
    return slope / length if length > 0 else np.array([0.0, 1.0])
