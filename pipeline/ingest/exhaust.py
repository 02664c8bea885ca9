"""The air of a road: what is above its background, and what is the vehicle's own exhaust."""

from __future__ import annotations

import numpy as np
import pandas as pd

OWN_TAIL = "own exhaust: slow, with the wind from behind"
OWN_JOINT = "own exhaust: CO and CO2 rise together"


def background_of(time: np.ndarray, value: np.ndarray, *, minutes: float, percentile: float) -> np.ndarray:
    """Return the moving percentile of values within so many minutes before and after, (row,) in the unit of value.

    Parameters
    ----------
    time : (row,) datetime64[ns]
        Ascending.
    value : (row,) float64
        None missing.
    minutes
        Half width of the window.
    percentile
        0 to 100.

    Notes
    -----
    Low percentiles over minutes are the usual background of mobile surveys: a plume lasts seconds, and the air between
    plumes is met within minutes.
    """
    series = pd.Series(value, index=pd.DatetimeIndex(time))
    # closed on both sides: the window is the same forward and backward in time
    window = pd.Timedelta(minutes=2 * minutes)
    return series.rolling(window, center=True, closed="both").quantile(percentile / 100.0).to_numpy()


def own_tail(speed: np.ndarray, heading: np.ndarray, wind_from: np.ndarray, *, slow: float) -> np.ndarray:
    """Return where a slow vehicle has the wind from behind, which carries its exhaust to its inlet: (row,) bool.

    Parameters
    ----------
    speed : (row,) float64
        m s-1.
    heading, wind_from : (row,) float64
        Degrees from north: direction of travel, and where the wind comes from. NaN where not known: false there.
    slow
        m s-1.

    Examples
    --------
    >>> own_tail(np.array([1.0, 1.0, 9.0]), np.zeros(3), np.array([170.0, 10.0, 180.0]), slow=2.8).tolist()
    [True, False, False]
    """
    # the wind blows along the heading when it comes from the half circle behind
    behind = np.cos(np.radians(wind_from - heading)) < 0
    return np.asarray((speed < slow) & behind)


def own_joint(rise: np.ndarray, co_rise: np.ndarray, *, least: float, co_least: float) -> np.ndarray:
    """Return where CO2 and CO are both far above their backgrounds, (row,) bool; false where one is not known.

    Parameters
    ----------
    rise, co_rise : (row,) float64
        Above their backgrounds, ppm and ppb.
    least, co_least
        What is far, ppm and ppb.
    """
    return np.asarray((rise > least) & (co_rise > co_least))
