"""Quality flags of samples: range, flat line, spike. Each test writes its own bit; none alters a value.

The limits are defaults by species and station class, from the network publications gathered in the project's notes on
observations; those marked there as our own proposal await the network owner's numbers. The lower limits suit air of
the last decade: global CO2 was 356 ppm in 1992, below today's fail limit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from pipeline.errors import RegistryError
from pipeline.schema import HOUR, Flag
from pipeline.units import Species

_WEEK = np.timedelta64(7, "D")
#: MAD of a normal distribution to its standard deviation
_MAD_TO_SIGMA = 1.4826
#: fewer samples than this give no trustworthy quartiles of a week
_WEEK_MINIMUM = 60


@dataclass(frozen=True)
class Limits:
    """Thresholds of one species and station class, in the species' own unit.

    Attributes
    ----------
    fail, suspect
        (low, high): outside is RANGE_FAIL, RANGE_SUSPECT.
    flat_minutes, flat_tolerance
        FLAT_LINE where the samples of that long, at least `flat_samples` of them, differ by no more.
    spike
        "sd" (El Yazidi 2018) with `spike_alpha`, "hampel" with `spike_alpha` standard deviations in
        `spike_minutes`, or None.
    spike_gap
        Minutes without a sample after which "sd" takes the next one as no spike.
    spike_floor
        Least standard deviation the spike test assumes: the noise of the instrument.
    spike_kept
        True where a spike is a local signal that stays in the hourly mean, only flagged.
    scale_error
        Added to the measurement uncertainty of values on another scale than the station's.
    """

    fail: tuple[float, float]
    suspect: tuple[float, float]
    flat_minutes: float = 10.0
    flat_tolerance: float = 0.005
    flat_samples: int = 4
    spike: Literal["sd", "hampel"] | None = "sd"
    spike_alpha: float = 1.0
    spike_minutes: float = 120.0
    spike_gap: float = 10.0
    spike_floor: float = 0.1
    spike_kept: bool = False
    scale_error: float = 0.0


_INF = float("inf")
_CO2 = Limits(fail=(370.0, 1000.0), suspect=(395.0, 600.0), scale_error=0.2)
_CO2_CITY = replace(_CO2, fail=(370.0, 2000.0), suspect=(395.0, 800.0), spike_kept=True)
# low-cost NDIR sensors: noise of ppm, so a flat line is hours within half a ppm
_CO2_MICRO = Limits(
    fail=(350.0, 5000.0), suspect=(390.0, 1200.0), flat_minutes=360.0, flat_tolerance=0.5,
    spike="hampel", spike_alpha=3.0, spike_floor=1.0, spike_kept=True,
)  # fmt: skip
# a plume is what a vehicle looks for, so it has no spike test
_CO2_MOBILE = replace(_CO2, fail=(370.0, 5000.0), suspect=(370.0, 2000.0), flat_minutes=0.5, spike=None)
# tolerances of the flat line as the same share of the mole fraction as 0.005 ppm of CO2
_CH4 = Limits(fail=(1750.0, 10000.0), suspect=(1850.0, 3000.0), flat_tolerance=0.025, spike_floor=1.0)
_CH4_CITY = replace(_CH4, fail=(1750.0, 20000.0), suspect=(1750.0, 5000.0), spike_kept=True)
_CH4_MOBILE = replace(_CH4, fail=(1750.0, 1e5), suspect=(-_INF, _INF), flat_minutes=0.5, spike=None)
_CO = Limits(fail=(30.0, 5000.0), suspect=(-_INF, 1500.0), flat_tolerance=0.002, spike_alpha=3.0, spike_floor=2.0)
_CO_CITY = replace(_CO, fail=(30.0, 20000.0), suspect=(-_INF, 5000.0), spike_kept=True)

# background and external stations are towers and mountains with the instruments of regional ones
_REGIONAL = ("provincial", "regional", "background", "external")
LIMITS: dict[tuple[str, str], Limits] = {
    **{("co2", kind): _CO2 for kind in _REGIONAL},
    **{("ch4", kind): _CH4 for kind in _REGIONAL},
    **{("co", kind): _CO for kind in _REGIONAL},
    ("co2", "city"): _CO2_CITY, ("ch4", "city"): _CH4_CITY, ("co", "city"): _CO_CITY,
    ("co2", "micro"): _CO2_MICRO,
    ("co2", "mobile"): _CO2_MOBILE, ("ch4", "mobile"): _CH4_MOBILE,
}  # fmt: skip


def limits_of(gas: Species, station_class: str, *, where: str = "") -> Limits:
    """Return the limits of a species at a class of station.

    Raises
    ------
    RegistryError
        When none are declared.
    """
    try:
        return LIMITS[gas.name, station_class]
    except KeyError:
        known = ", ".join(sorted({kind for name, kind in LIMITS if name == gas.name}))
        raise RegistryError(
            f"quality limits of {gas.name} must be declared for the station's class",
            got=station_class,
            remedy=f"use one of {known}, or declare them in pipeline/ingest/quality.py",
            where=where,
        ) from None


def assess(time: np.ndarray, value: np.ndarray, interval: np.timedelta64, limits: Limits) -> np.ndarray:
    """Return the quality bits of each sample.

    Parameters
    ----------
    time : (sample,) datetime64[ns]
        Ascending, each once.
    value : (sample,) float64
        In the species' own unit, none missing.
    interval
        Averaging interval of a sample. Spikes are looked for in samples shorter than an hour only.
    limits
        Thresholds.

    Returns
    -------
    (sample,) uint32
        Bits of `pipeline.schema.Flag`.
    """
    bits = range_bits(value, limits)
    bits[flat_line(time, value, interval, limits)] |= np.uint32(Flag.FLAT_LINE)
    # a value that cannot be air says nothing about its neighbours
    usable = np.flatnonzero((bits & np.uint32(Flag.RANGE_FAIL | Flag.FLAT_LINE)) == 0)
    if limits.spike is not None and interval < HOUR:
        test = sd_spikes if limits.spike == "sd" else hampel_spikes
        found = test(time[usable], value[usable], interval, limits)
        bits[usable[found]] |= np.uint32(Flag.SPIKE)
    return bits


def rejected(bits: np.ndarray, limits: Limits) -> np.ndarray:
    """Return the mask of samples that stay out of an hourly mean."""
    refuse = Flag.RANGE_FAIL | Flag.FLAT_LINE | (Flag(0) if limits.spike_kept else Flag.SPIKE)
    return (bits & np.uint32(refuse)) != 0


def range_bits(value: np.ndarray, limits: Limits) -> np.ndarray:
    """Return RANGE_FAIL or RANGE_SUSPECT bits, (sample,) uint32."""
    fail = (value < limits.fail[0]) | (value > limits.fail[1])
    suspect = ~fail & ((value < limits.suspect[0]) | (value > limits.suspect[1]))
    return np.where(fail, np.uint32(Flag.RANGE_FAIL), np.where(suspect, np.uint32(Flag.RANGE_SUSPECT), np.uint32(0)))


def flat_line(time: np.ndarray, value: np.ndarray, interval: np.timedelta64, limits: Limits) -> np.ndarray:
    """Return the mask of samples in an unbroken run that varies by no more than the tolerance.

    Every sample of a window of `flat_minutes` whose largest and smallest value are that near is marked.
    """
    step = float(interval / np.timedelta64(1, "m"))
    n = max(limits.flat_samples, int(np.ceil(limits.flat_minutes / step)))
    flat = np.zeros(value.size, dtype=bool)
    if value.size < n:
        return flat
    rolling = pd.Series(value).rolling(n)
    # decimals of the file are not exact in binary: a hair more than the tolerance is still the tolerance
    near = (rolling.max() - rolling.min()).to_numpy()[n - 1 :] <= limits.flat_tolerance * (1 + 1e-6)
    unbroken = (time[n - 1 :] - time[: time.size - n + 1]) < n * interval
    ends = np.flatnonzero(near & unbroken) + n - 1
    # +1 where a window opens, -1 after it closes: inside any window the running sum is positive
    edges = np.zeros(value.size + 1, dtype=np.int64)
    np.add.at(edges, ends - n + 1, 1)
    np.add.at(edges, ends + 1, -1)
    return np.cumsum(edges[:-1]) > 0


def sd_spikes(time: np.ndarray, value: np.ndarray, interval: np.timedelta64, limits: Limits) -> np.ndarray:
    """Return the mask of positive spikes by the standard deviation method, where a forward and a backward run agree.

    Going through time, a sample is above its past while `C > C_unf + alpha sigma + sqrt(n) sigma`, with `C_unf` the
    last sample that was not, n the samples due between the two, and sigma the standard deviation of the week's values
    between their quartiles. A spike is above its past and its future. Taking either alone would call the air after
    a front a spike, and the half day around one low outlier. A gap longer than `spike_gap` starts anew: an analyser
    that visits several inlets in turn would otherwise lose whole visits of a growing night-time plume. A week with
    few samples has no spikes.

    References
    ----------
    El Yazidi et al. 2018, doi:10.5194/amt-11-1599-2018 (threshold and sigma; alpha 1 for CO2 and CH4, 3 for CO).
    """
    if value.size == 0:
        return np.zeros(0, dtype=bool)
    sigma = _weekly_sigma(time, value, limits.spike_floor)
    place = (time - time[0]) / interval
    visit = np.concatenate([[0], np.cumsum(np.diff(time) > np.timedelta64(round(limits.spike_gap * 60), "s"))])
    forward = _rises(place, visit, value, sigma, limits.spike_alpha)
    backward = _rises(-place[::-1], visit[::-1], value[::-1], sigma[::-1], limits.spike_alpha)[::-1]
    return forward & backward


def hampel_spikes(time: np.ndarray, value: np.ndarray, interval: np.timedelta64, limits: Limits) -> np.ndarray:  # noqa: ARG001
    """Return the mask of values further than `spike_alpha` robust deviations from the running median.

    References
    ----------
    Hampel 1974, doi:10.1080/01621459.1974.10482962; 120 minutes and 3 deviations as in ICOS Cities Munich.
    """
    window = pd.Timedelta(minutes=limits.spike_minutes)
    series = pd.Series(value, index=pd.DatetimeIndex(time))
    away = (series - series.rolling(window, center=True).median()).abs()
    sigma = np.maximum(_MAD_TO_SIGMA * away.rolling(window, center=True).median(), limits.spike_floor)
    return (away > limits.spike_alpha * sigma).to_numpy(dtype=bool)


def _weekly_sigma(time: np.ndarray, value: np.ndarray, floor: float) -> np.ndarray:
    """Return for each sample the standard deviation of its week's values between the quartiles; NaN for few."""
    # weeks count from the epoch, so they do not move with where a file starts
    weeks, week = np.unique((time - np.datetime64(0, "ns")) // _WEEK, return_inverse=True)
    sigma = np.full(weeks.size, np.nan)
    for i in range(weeks.size):
        values = value[week == i]
        if values.size >= _WEEK_MINIMUM:
            low, high = np.quantile(values, [0.25, 0.75])
            sigma[i] = max(floor, values[(values >= low) & (values <= high)].std())
    return sigma[week]


def _rises(place: np.ndarray, visit: np.ndarray, value: np.ndarray, sigma: np.ndarray, alpha: float) -> np.ndarray:
    """Return the samples above the rising threshold; only the samples after a jump are walked through.

    Parameters
    ----------
    place : (sample,) float64
        Ascending position in sampling intervals.
    visit : (sample,) int64
        Number of the unbroken stretch; a spike ends with it at the latest.
    """
    spike = np.zeros(value.size, dtype=bool)

    def between(steps: np.ndarray) -> np.ndarray:
        # labels that jitter can lie nearer than one interval
        return np.sqrt(np.maximum(steps - 1, 0.0))

    def above(i: int, last: int) -> bool:
        return bool(value[i] - value[last] > (alpha + between(place[i] - place[last])) * sigma[i])

    jump = np.diff(value) > (alpha + between(np.diff(place))) * sigma[1:]
    end = 0
    for last in np.flatnonzero(jump & (np.diff(visit) == 0)).tolist():
        if last < end:
            continue  # inside the spike that began before
        end = last + 1
        while end < value.size and visit[end] == visit[last] and above(end, last):
            end += 1
        spike[last + 1 : end] = True
    return spike
