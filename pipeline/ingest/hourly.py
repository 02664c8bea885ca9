"""Samples to UTC hours: mean, spread, count, completeness, and the uncertainty of the mean."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from pipeline.errors import ConfigError, TimeError
from pipeline.ingest.formats.samples import HOUR
from pipeline.schema import Flag
from pipeline.settings import Completeness


@dataclass(frozen=True)
class Hours:
    """One entry per hour that has a kept sample or a sample refused by a quality test.

    Attributes
    ----------
    time : (hour,) datetime64[ns]
        Start of the hour, UTC, ascending.
    value, spread : (hour,) float64
        Mean of the kept samples, and their standard deviation with n-1; NaN where there are too few.
    count : (hour,) int64
        Kept samples; for hourly input, the measurements the provider counted, or 1.
    coverage : (hour,) float64
        Share of the hour the kept samples cover.
    flag : (hour,) uint32
        Bits of the kept samples, or of the refused ones with MISSING where none is kept; INCOMPLETE.
    first : (hour,) int64
        The hour's first kept sample, or first refused one where none is kept.
    """

    time: np.ndarray
    value: np.ndarray
    spread: np.ndarray
    count: np.ndarray
    coverage: np.ndarray
    flag: np.ndarray
    first: np.ndarray

    def take(self, kept: np.ndarray) -> Hours:
        """Return some of the hours, by mask."""
        return Hours(**{item.name: getattr(self, item.name)[kept] for item in fields(self)})


def hourly_means(
    time: np.ndarray,
    value: np.ndarray,
    spread: np.ndarray,
    count: np.ndarray,
    bits: np.ndarray,
    kept: np.ndarray,
    refused: np.ndarray,
    interval: np.timedelta64,
    completeness: Completeness,
    *,
    where: str = "",
) -> Hours:
    """Return hourly means of samples; input that is hourly already passes through with its own spread and count.

    Parameters
    ----------
    time : (sample,) datetime64[ns]
        Start of each sample's interval, UTC, ascending; kept ones each once.
    value, spread : (sample,) float64
        In the species' own unit.
    count : (sample,) int64
        Measurements behind each sample; 0 for unknown.
    bits : (sample,) uint32
        Quality bits.
    kept, refused : (sample,) bool
        Samples of the mean; samples a quality test refused. Others are not looked at.
    interval
        Averaging interval of a sample; of longer ones none may be kept.
    completeness
        Samples an hour needs. It does not apply to hourly input, whose provider has judged that.

    Raises
    ------
    ConfigError
        When the expected samples do not fit in an hour.
    TimeError
        When hourly input does not start on whole hours of UTC.
    """
    hourly = bool(interval >= HOUR)
    if hourly:
        _check_whole_hours(time[kept | refused], where)
    else:
        _check_expected(interval, completeness, where)
    hour_of = time.astype("datetime64[h]")
    hours, flag, first = _groups(hour_of, bits, kept, refused)
    at = np.searchsorted(hours, hour_of[kept])
    n = np.bincount(at, minlength=hours.size)
    mean = _divide(np.bincount(at, weights=value[kept], minlength=hours.size), n)
    squares = np.bincount(at, weights=(value[kept] - mean[at]) ** 2, minlength=hours.size)
    std = np.sqrt(_divide(squares, np.maximum(n - 1, 0)))
    if hourly:
        std = np.where(n > 0, spread[first], np.nan)
        n = np.where(n > 0, np.maximum(count[first], 1), 0)
    else:
        flag[n < completeness.minimum] |= np.uint32(Flag.INCOMPLETE)
    share = np.where(n > 0, 1.0, 0.0) if hourly else np.minimum(1.0, n * float(interval / HOUR))
    return Hours(hours.astype("datetime64[ns]"), mean, std, n, share, flag, first)


def uncertainty_of_mean(
    measurement: np.ndarray, spread: np.ndarray, count: np.ndarray, coverage: np.ndarray
) -> np.ndarray:
    """Return the one-sigma uncertainty of an hourly mean as an estimate of the whole hour's.

    `sqrt(u^2 + (1 - f) s^2 / n)`: measurement uncertainty u does not shrink with n, for errors of calibration are
    common to all samples; s^2 / n is what sampling a share f of the hour adds, and vanishes for a full hour, whose
    variability is no error of its mean (finite population correction; Cochran 1977, Sampling Techniques, chapter 2).

    Parameters
    ----------
    measurement, spread : (hour,) float64
        u and s in the species' own unit; an unknown s adds nothing.
    count : (hour,) int64
        n.
    coverage : (hour,) float64
        f in [0, 1].

    Examples
    --------
    >>> u, s, n, f = np.array([0.3]), np.array([2.0]), np.array([20]), np.array([0.2])
    >>> uncertainty_of_mean(u, s, n, f).tolist()
    [0.5]
    """
    sampling = (1.0 - coverage) * np.where(np.isnan(spread), 0.0, spread) ** 2 / np.maximum(count, 1)
    return np.sqrt(measurement**2 + sampling)


def _groups(
    hour_of: np.ndarray, bits: np.ndarray, kept: np.ndarray, refused: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return hours with a kept or refused sample, their combined bits, and the sample that stands for each."""
    has = np.flatnonzero(kept | refused)
    hours = np.unique(hour_of[has])
    with_mean = np.isin(hours, hour_of[kept])
    # an hour with a mean is told by the samples in it, one without by those that were refused
    tells = has[kept[has] | ~with_mean[np.searchsorted(hours, hour_of[has])]]
    at = np.searchsorted(hours, hour_of[tells])
    flag = np.zeros(hours.size, dtype=np.uint32)
    np.bitwise_or.at(flag, at, bits[tells].astype(np.uint32))
    flag[~with_mean] |= np.uint32(Flag.MISSING)
    first = tells[np.unique(at, return_index=True)[1]]
    return hours, flag, first


def _divide(total: np.ndarray, n: np.ndarray) -> np.ndarray:
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _check_expected(interval: np.timedelta64, completeness: Completeness, where: str) -> None:
    if completeness.expected * interval > HOUR:
        raise ConfigError(
            f"the expected samples of {interval} must fit in an hour",
            got=f"completeness.expected {completeness.expected}",
            remedy=f"at most {HOUR // interval}",
            where=where,
        )


def _check_whole_hours(time: np.ndarray, where: str) -> None:
    off = time != time.astype("datetime64[h]")
    if off.any():
        raise TimeError(
            "hourly means must start on whole hours of UTC",
            got=f"{time[np.argmax(off)]}, and {int(off.sum()) - 1} more",
            remedy="check zone and hour_label of the feed",
            where=where,
        )
