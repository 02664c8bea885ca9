"""Quality flags of one station's samples and hours. Each test writes its own bit; none alters a value.

Thresholds are those of `station_meta.rules`. What becomes of a sample depends on samples near it only: on those of its
UTC day, of `spike_longest` before and after that day, and of the week before. A test that is given those alone finds
what it finds in a whole record, so the hourly service judges an hour by a window of fixed length and keeps no state.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from kernels.quality import far_from_median, flat_windows, rises
from pipeline.errors import RegistryError
from pipeline.schema import HOUR, Flag
from station_meta import QualityRules, Rules, StationMetaError

#: number of each test, raised when it would find something else in the same samples
VERSIONS: dict[Flag, int] = {
    Flag.INSTRUMENT: 1,
    Flag.RANGE_FAIL: 1,
    Flag.RANGE_SUSPECT: 1,
    Flag.FLAT_LINE: 3,
    Flag.SPIKE: 4,
    Flag.RATE: 1,
    Flag.HOURLY_SPREAD: 1,
}
_DAY, _WEEK = np.timedelta64(1, "D"), np.timedelta64(7, "D")
#: decimals of a file are not exact in binary: a hair more than a tolerance is still the tolerance
_HAIR = 1 + 1e-6


class Bounds(Protocol):
    """What a range test compares with: (low, high) pairs in the species' own unit."""

    @property
    def fail(self) -> tuple[float, float]:
        """Outside is RANGE_FAIL."""

    @property
    def suspect(self) -> tuple[float, float]:
        """Outside is RANGE_SUSPECT."""


def rules_of(rules: Rules, gas: str, station_class: str, station: str, *, where: str = "") -> QualityRules:
    """Return the thresholds of a species at a station.

    Raises
    ------
    RegistryError
        When none are declared for its class.
    """
    try:
        return rules.of(gas, station_class, station)
    except StationMetaError as error:
        place = f"{where}: {error.where}" if where else error.where
        raise RegistryError(error.rule, got=error.got, remedy=error.remedy, where=place) from error


def assess(time: np.ndarray, value: np.ndarray, interval: np.timedelta64, rules: QualityRules) -> np.ndarray:
    """Return the quality bits of each sample.

    Parameters
    ----------
    time : (sample,) datetime64[ns]
        Ascending, each once.
    value : (sample,) float64
        In the species' own unit, none missing.
    interval
        Averaging interval of a sample. Spikes of hourly samples are those above both neighbours.
    rules
        Thresholds.

    Returns
    -------
    (sample,) uint32
        Bits of `pipeline.schema.Flag`.
    """
    bits = range_bits(value, rules)
    bits[flat_line(time, value, interval, rules)] |= np.uint32(Flag.FLAT_LINE)
    # a value that cannot be air says nothing about its neighbours
    usable = np.flatnonzero((bits & np.uint32(Flag.RANGE_FAIL | Flag.FLAT_LINE)) == 0)
    if interval >= HOUR:
        found = hourly_spikes(time[usable], value[usable], rules)
    elif rules.spike != "none":
        test = sd_spikes if rules.spike == "sd" else hampel_spikes
        found = test(time[usable], value[usable], interval, rules)
    else:
        found = np.zeros(usable.size, dtype=bool)
    bits[usable[found]] |= np.uint32(Flag.SPIKE)
    return bits


def rejected(bits: np.ndarray, interval: np.timedelta64, rules: QualityRules) -> np.ndarray:
    """Return the mask of samples that stay out of an hourly mean; a spike that is the whole hour always does."""
    kept = rules.spike_kept and interval < HOUR
    refuse = Flag.INSTRUMENT | Flag.RANGE_FAIL | Flag.FLAT_LINE | (Flag(0) if kept else Flag.SPIKE)
    return (bits & np.uint32(refuse)) != 0


def assess_hours(time: np.ndarray, value: np.ndarray, spread: np.ndarray, rules: QualityRules) -> np.ndarray:
    """Return the quality bits that hourly means have by themselves.

    RATE marks an hour whose mean is further from that of the hour before than `rate`; HOURLY_SPREAD one whose samples
    deviate by more than `spread`, which is not selected either: the air there is not that of a 3 km cell.

    Parameters
    ----------
    time : (hour,) datetime64[ns]
        Ascending, each once.
    value, spread : (hour,) float64
        Mean and standard deviation, NaN where unknown.

    Returns
    -------
    (hour,) uint32
    """
    bits = np.zeros(value.size, dtype=np.uint32)
    if rules.rate is not None and value.size:
        # a comparison with NaN is false
        jump = (np.abs(np.diff(value)) > rules.rate) & (np.diff(time) == HOUR)
        bits[1:][jump] |= np.uint32(Flag.RATE)
    if rules.spread is not None:
        bits[spread > rules.spread] |= np.uint32(Flag.HOURLY_SPREAD | Flag.NOT_SELECTED_WEATHER)
    return bits


def range_bits(value: np.ndarray, bounds: Bounds) -> np.ndarray:
    """Return RANGE_FAIL or RANGE_SUSPECT bits, (sample,) uint32."""
    fail = (value < bounds.fail[0]) | (value > bounds.fail[1])
    suspect = ~fail & ((value < bounds.suspect[0]) | (value > bounds.suspect[1]))
    return np.where(fail, np.uint32(Flag.RANGE_FAIL), np.where(suspect, np.uint32(Flag.RANGE_SUSPECT), np.uint32(0)))


def flat_line(time: np.ndarray, value: np.ndarray, interval: np.timedelta64, rules: QualityRules) -> np.ndarray:
    """Return the mask of samples in an unbroken run that varies by no more than the tolerance.

    Every sample of a window of `flat_minutes` whose largest and smallest value are that near is marked.
    """
    step = interval / np.timedelta64(1, "m")
    length = max(rules.flat_samples, int(np.ceil(rules.flat_minutes / step)))
    flat = np.zeros(value.size, dtype=bool)
    work = np.empty((2, value.size), dtype=np.int64)
    span = length * int(interval / np.timedelta64(1, "ns"))
    flat_windows(_nanoseconds(time), value, length, span, rules.flat_tolerance * _HAIR, work[0], work[1], flat)
    return flat


def sd_spikes(time: np.ndarray, value: np.ndarray, interval: np.timedelta64, rules: QualityRules) -> np.ndarray:
    """Return the mask of positive spikes by the standard deviation method, where a forward and a backward run agree.

    Going through time, a sample is above its past while `C > C_unf + alpha sigma + sqrt(n) sigma`, with `C_unf` the
    last sample that was not, n the samples due between the two, and sigma the standard deviation of a week's values
    between their quartiles: the week before the day, or `spike_sigma` where it has few samples. A spike is above its
    past and its future. Taking either alone would call the air after a front a spike, and the half day around one low
    outlier. A gap longer than `spike_gap` starts anew: an analyser that visits several inlets in turn would otherwise
    lose whole visits of a growing night-time plume.

    References
    ----------
    El Yazidi et al. 2018, doi:10.5194/amt-11-1599-2018 (threshold and sigma; alpha 1 for CO2 and CH4, 3 for CO).
    """
    spike = np.zeros(value.size, dtype=bool)
    if value.size == 0:
        return spike
    sigma = sigma_before(time, value, rules)
    gap = np.timedelta64(round(rules.spike_gap * 60), "s")
    visit = np.concatenate([[0], np.cumsum(np.diff(time) > gap)])
    longest = rules.spike_longest / (interval / np.timedelta64(1, "m"))
    margin = np.timedelta64(round(rules.spike_longest * 60), "s")
    for day in np.unique(time.astype("datetime64[D]")):
        ends = np.searchsorted(time, np.array([day - margin, day, day + _DAY, day + _DAY + margin], time.dtype))
        near, own = slice(ends[0], ends[3]), slice(ends[1], ends[2])
        above_past, above_future = (np.zeros(ends[3] - ends[0], dtype=bool) for _ in range(2))
        at = (time[near] - day.astype(time.dtype)) / interval
        stretch, values, around = visit[near], value[near], sigma[near]
        rises(at, stretch, values, around, rules.spike_alpha, longest, above_past)
        at, stretch, values, around = (np.ascontiguousarray(row[::-1]) for row in (-at, stretch, values, around))
        rises(at, stretch, values, around, rules.spike_alpha, longest, above_future)
        spike[own] = (above_past & above_future[::-1])[ends[1] - ends[0] : ends[2] - ends[0]]
    return spike


def hampel_spikes(time: np.ndarray, value: np.ndarray, interval: np.timedelta64, rules: QualityRules) -> np.ndarray:  # noqa: ARG001
    """Return the mask of values further than `spike_alpha` robust deviations from the running median.

    References
    ----------
    Hampel 1974, doi:10.1080/01621459.1974.10482962; 120 minutes and 3 deviations as in ICOS Cities Munich.
    """
    far = np.zeros(value.size, dtype=bool)
    half = round(0.5e9 * 60.0 * rules.spike_minutes)
    work = np.empty(value.size)
    far_from_median(_nanoseconds(time), value, half, rules.spike_alpha, rules.spike_floor, work, far)
    return far


def hourly_spikes(time: np.ndarray, value: np.ndarray, rules: QualityRules) -> np.ndarray:
    """Return the mask of hours that exceed the hours before and after, both there, by more than `spike_hour`."""
    spike = np.zeros(value.size, dtype=bool)
    if rules.spike_hour is not None and value.size > 2:
        near = (np.diff(time)[:-1] == HOUR) & (np.diff(time)[1:] == HOUR)
        rise = value[1:-1] - np.maximum(value[:-2], value[2:])
        spike[1:-1] = near & (rise > rules.spike_hour)
    return spike


def sigma_before(time: np.ndarray, value: np.ndarray, rules: QualityRules) -> np.ndarray:
    """Return for each sample the standard deviation between the quartiles of the seven days before its UTC day.

    Returns
    -------
    (sample,) float64
        At least `spike_floor`; `spike_sigma` where those days have fewer than `spike_history` samples.
    """
    sigma = np.empty(value.size)
    for day in np.unique(time.astype("datetime64[D]")):
        first, start, end = np.searchsorted(time, np.array([day - _WEEK, day, day + _DAY], time.dtype))
        sigma[start:end] = rules.spike_sigma
        if start - first >= rules.spike_history:
            week = np.sort(value[first:start])
            inner = week[week.size // 4 : week.size - week.size // 4]
            sigma[start:end] = max(rules.spike_floor, inner.std())
    return sigma


def _nanoseconds(time: np.ndarray) -> np.ndarray:
    """Return times as whole nanoseconds since 1970, (sample,) int64."""
    return np.asarray(time.astype("datetime64[ns]").astype(np.int64))
