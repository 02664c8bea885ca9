"""Tests that compare a station with its neighbours: buddy, jump, time lag, unit. They alarm; nothing is put right.

The neighbours of a station are those of high precision within a radius, never itself; a micro or a mobile station is
nobody's reference, so that it cannot take a precise one out of use. The unit is judged by the UTC day; the lag over
several, all of which are suspect when it is found: what a clock did wrong on Sunday it did on Monday before.

Sources: lag and unit tests are our own proposal; the buddy test is that of air-quality networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.ingest.axes import distance
from pipeline.ingest.surroundings import solar_hour
from pipeline.schema import FAIL, HOUR, Flag
from station_meta import PRECISE_CLASSES, QualityRules, StationMetaError

#: number of each test, raised when it would find something else in the same hours
VERSIONS: dict[Flag, int] = {Flag.BUDDY: 4, Flag.LAG_SUSPECT: 3, Flag.UNIT_SUSPECT: 2}
#: MAD of a normal distribution to its standard deviation
_MAD_TO_SIGMA = 1.4826
_DAY = 24


@dataclass(frozen=True)
class NeighbourRules:
    """Table `neighbours` of the thresholds; see there for the meaning of each.

    Parameters
    ----------
    radius
        km.
    fewest
        Neighbours that must have a value.
    mixed, mixed_least
        [from, to) local hours of the buddy test, and how many of a day a verdict on the day needs.
    lag_days, lag_most, lag_share, lag_gain, lag_correlation
        Days, hours, share of the hours, correlations.
    unit_hours, unit_least
        Hours, and how many of them both must have.
    units
        By species, and by what went wrong: (low, high) of a median's ratio to the neighbours'.
    """

    radius: float
    fewest: int
    mixed: tuple[float, float]
    mixed_least: int
    lag_days: int
    lag_most: int
    lag_share: float
    lag_gain: float
    lag_correlation: float
    unit_hours: int
    unit_least: int
    units: dict[str, dict[str, tuple[float, float]]] = field(hash=False)

    def __post_init__(self) -> None:
        """Raise unless the numbers can be thresholds."""
        (start, end), least = self.mixed, self.mixed_least
        shares = (self.lag_share, self.lag_gain, self.lag_correlation)
        ratios = [pair for of_gas in self.units.values() for pair in of_gas.values()]
        for good, rule, got in (
            (self.radius > 0, "radius must be positive", self.radius),
            (self.fewest >= 1, "fewest must be a count", self.fewest),
            (0 <= start < end <= _DAY, "mixed must be hours of one day", self.mixed),
            (1 <= least <= end - start, "mixed_least must be a count of mixed hours", least),
            (self.lag_days >= 1, "lag_days must be a count", self.lag_days),
            (self.lag_most >= 1, "lag_most must be a count", self.lag_most),
            (min(shares) > 0 and max(shares) <= 1, "lag_share, lag_gain and lag_correlation must be shares", shares),
            (self.unit_hours >= 1, "unit_hours must be a count", self.unit_hours),
            (1 <= self.unit_least <= self.unit_hours, "unit_least must be a count of unit_hours", self.unit_least),
            (all(0 < low < high for low, high in ratios), "units must be ratios that rise", self.units),
        ):
            if not good:
                raise StationMetaError(rule, got=got, remedy="correct the thresholds")


@dataclass(frozen=True, eq=False)
class Series:
    """The hours of one inlet.

    Parameters
    ----------
    station, station_class
        Id, and class.
    lon, lat
        Degrees.
    height
        Of the inlet, m.
    time : (hour,) datetime64[ns]
        Ascending, each once.
    value : (hour,) float64
        Species unit.
    flag : (hour,) uint32
        Bits so far.
    rules
        Its own thresholds.
    has_offset
        Whether its distance from the others may last: the inversion solves for an offset of such a sensor.
    """

    station: str
    station_class: str
    lon: float
    lat: float
    height: float
    time: np.ndarray
    value: np.ndarray
    flag: np.ndarray
    rules: QualityRules
    has_offset: bool = False


@dataclass(frozen=True)
class Alarm:
    """One finding that a person should look at.

    Parameters
    ----------
    station, height
        Its id, and its inlet, m.
    flag
        LAG_SUSPECT or UNIT_SUSPECT, or BUDDY and INSTRUMENT: a jump.
    what
        In words.
    days
        Days on which it was found.
    """

    station: str
    height: float
    flag: Flag
    what: str
    days: int

    def __str__(self) -> str:
        return f"{self.station} at {self.height:g} m: {self.what} on {self.days} day(s); its hours there are not used"


def compare(series: Sequence[Series], gas: str, rules: NeighbourRules) -> tuple[list[np.ndarray], list[Alarm]]:
    """Return the bits that comparisons add to each series, and the alarms.

    Parameters
    ----------
    series
        All inlets of a network that measure one species.
    gas
        Species name.
    rules
        Thresholds.

    Returns
    -------
    bits
        (hour,) uint32 for each series.
    alarms
        In the order of the series.
    """
    bits = [np.zeros(one.time.size, dtype=np.uint32) for one in series]
    if not any(one.time.size for one in series):
        return bits, []
    start, table = _table(series)
    near = _near(series, rules.radius)
    alarms: list[Alarm] = []
    for at, one in enumerate(series):
        if near[at].sum() < rules.fewest or one.time.size == 0:
            continue
        # only hours of neighbours that are enough; medians of none would warn
        others = table[near[at]]
        enough = np.isfinite(others).sum(axis=0) >= rules.fewest
        typical = np.full(table.shape[1], np.nan)
        typical[enough] = np.nanmedian(others[:, enough], axis=0)
        mixed = _is_mixed(start, typical.size, one.lon, rules)
        away, theirs = (np.where(mixed, values - typical, np.nan) for values in (table[at], others))
        place = _hours_since(one.time, start)
        if one.rules.buddy is not None:
            around = np.full(typical.size, np.nan)
            around[enough] = _MAD_TO_SIGMA * np.nanmedian(np.abs(others[:, enough] - typical[enough]), axis=0)
            # a comparison with NaN is false
            beyond = np.abs(away) > np.maximum(one.rules.buddy[0] * around, one.rules.buddy[1])
            bits[at][beyond[place]] |= np.uint32(Flag.BUDDY)
        lags = _lags(table[at], typical, start, rules)
        units = _units(table[at], typical, start, rules, gas)
        # what a wrong clock or unit explains is no jump
        explained = {day for found in (lags, units) for days in found.values() for day in days}
        jumps = _jumps(away, theirs, start, one, rules, explained)
        for flag, found in (
            (Flag.LAG_SUSPECT, lags),
            (Flag.UNIT_SUSPECT, units),
            (Flag.BUDDY | Flag.INSTRUMENT, jumps),
        ):
            day = (place + start) // _DAY
            for what, days in found.items():
                bits[at][np.isin(day, days)] |= np.uint32(flag)
                alarms.append(Alarm(one.station, one.height, flag, what, len(days)))
    return bits, alarms


def _is_mixed(start: int, size: int, lon: float, rules: NeighbourRules) -> np.ndarray:
    """Return the mask of mixed hours among `size` hours from `start`."""
    time = np.datetime64(0, "ns") + (start + np.arange(size)) * HOUR
    hour = solar_hour(time, lon)
    return np.asarray((hour >= rules.mixed[0]) & (hour < rules.mixed[1]))


def _jumps(
    away: np.ndarray, theirs: np.ndarray, start: int, one: Series, rules: NeighbourRules, explained: set[int]
) -> dict[str, list[int]]:
    """Return the days since 1970 whose mixed hours lie far from the neighbours' as a whole, by what was found.

    Far is beyond both a factor on the spread of the neighbours' own days and a least. A sensor whose offset is solved
    for is compared with itself: with its median distance on the last days that were no jump, of `lag_days`; where there
    are none, its distance is taken as its offset.

    Parameters
    ----------
    away : (hour,) float64
        Departure from the neighbours' median in mixed hours, NaN in others.
    theirs : (neighbour, hour) float64
        The same of each neighbour.
    """
    if one.rules.apart is None:
        return {}
    factor, least = one.rules.apart
    usual: dict[int, float] = {}
    days = []
    for day in range(away.size // _DAY):
        hours = slice(day * _DAY, (day + 1) * _DAY)
        own = _median(away[hours], rules.mixed_least)
        others = np.array([_median(row, rules.mixed_least) for row in theirs[:, hours]])
        others = others[np.isfinite(others)]
        if np.isnan(own) or others.size < rules.fewest:
            continue
        before = [usual[d] for d in range(day - rules.lag_days, day) if d in usual]
        expected = (float(np.median(before)) if before else own) if one.has_offset else 0.0
        if abs(own - expected) <= max(factor * _MAD_TO_SIGMA * float(np.median(np.abs(others))), least):
            usual[day] = own
        elif start // _DAY + day not in explained:
            days.append(start // _DAY + day)
    return {"lies far from its neighbours in mixed hours (a jump?)": days} if days else {}


def _median(values: np.ndarray, least: int) -> float:
    """Return the median of what is there, NaN of fewer than `least`."""
    there = values[np.isfinite(values)]
    return float(np.median(there)) if there.size >= least else np.nan


def _table(series: Sequence[Series]) -> tuple[int, np.ndarray]:
    """Return (first hour since 1970, (series, hour) values): NaN where there is none or it failed a test."""
    start = int(min(_hours_since(one.time, 0).min() for one in series if one.time.size)) // _DAY * _DAY
    end = int(max(_hours_since(one.time, 0).max() for one in series if one.time.size)) + 1
    table = np.full((len(series), -(-(end - start) // _DAY) * _DAY), np.nan)
    for at, one in enumerate(series):
        good = (one.flag & np.uint32(FAIL)) == 0
        table[at, _hours_since(one.time[good], start)] = one.value[good]
    return start, table


def _near(series: Sequence[Series], radius: float) -> np.ndarray:
    """Return for each series the mask of those that may be its reference: of each other station the lowest inlet."""
    lon, lat = (np.array([getattr(one, name) for one in series]) for name in ("lon", "lat"))
    station = np.array([one.station for one in series])
    lowest: dict[str, float] = {}
    for one in series:
        lowest[one.station] = min(one.height, lowest.get(one.station, np.inf))
    precise = np.array([o.station_class in PRECISE_CLASSES and o.height == lowest[o.station] for o in series])
    apart = distance(lon[:, None], lat[:, None], lon[None, :], lat[None, :])
    return np.asarray((apart <= 1000.0 * radius) & (station[:, None] != station[None, :]) & precise[None, :])


def _lags(own: np.ndarray, typical: np.ndarray, start: int, rules: NeighbourRules) -> dict[str, list[int]]:
    """Return days since 1970 by what was found: the lag in hours that goes better than none over days with them."""
    lags = np.arange(-rules.lag_most, rules.lag_most + 1)
    own, typical = _of_the_day(own), _of_the_day(typical)
    score = np.array([_correlations(own, _shifted(typical, int(lag)), rules) for lag in lags])
    best = np.argmax(np.nan_to_num(score, nan=-2.0), axis=0)
    found: dict[str, list[int]] = {}
    for day in np.flatnonzero(np.isfinite(score).all(axis=0)):
        top = score[best[day], day]
        if top >= rules.lag_correlation and top - score[rules.lag_most, day] >= rules.lag_gain:
            what = f"goes with its neighbours {lags[best[day]]:+d} h (a zone or a label?)"
            days = start // _DAY + np.arange(day - rules.lag_days + 1, day + 1)
            found[what] = sorted({*found.get(what, []), *days.tolist()})
    return found


def _of_the_day(values: np.ndarray) -> np.ndarray:
    """Return departures from the mean of the 25 hours around: what comes and goes within a day tells the clock."""
    window = np.ones(_DAY + 1)
    known = np.isfinite(values)
    total = np.convolve(np.where(known, values, 0.0), window)[_DAY // 2 : _DAY // 2 + values.size]
    count = np.convolve(known, window)[_DAY // 2 : _DAY // 2 + values.size]
    return np.asarray(values - total / np.maximum(count, 1.0))


def _shifted(typical: np.ndarray, lag: int) -> np.ndarray:
    """Return typical(t - lag), NaN outside the record."""
    out = np.full(typical.size, np.nan)
    if lag >= 0:
        out[lag:] = typical[: typical.size - lag]
    else:
        out[:lag] = typical[-lag:]
    return out


def _correlations(one: np.ndarray, other: np.ndarray, rules: NeighbourRules) -> np.ndarray:
    """Return Pearson's correlation over the `lag_days` that end with each day, NaN where too few hours have both."""
    both = np.isfinite(one) & np.isfinite(other)
    # whole records' means taken off first: sums of squares of departures keep their digits
    a, b = (np.where(both, values - np.mean(values[both]) if both.any() else 0.0, 0.0) for values in (one, other))
    daily = np.stack([both, a, b, a * a, b * b, a * b]).reshape(6, -1, _DAY).sum(axis=2)
    summed = np.cumsum(daily, axis=1)
    summed[:, rules.lag_days :] -= summed[:, : -rules.lag_days].copy()
    n, sum_a, sum_b, aa, bb, ab = summed
    enough = n >= rules.lag_share * _DAY * rules.lag_days
    enough[: rules.lag_days - 1] = False
    out = np.full(n.size, np.nan)
    n, sum_a, sum_b, aa, bb, ab = (values[enough] for values in (n, sum_a, sum_b, aa, bb, ab))
    scale = np.sqrt(np.maximum(aa - sum_a**2 / n, 0.0) * np.maximum(bb - sum_b**2 / n, 0.0))
    flat = scale <= 0.0
    out[enough] = np.where(flat, np.nan, (ab - sum_a * sum_b / n) / np.where(flat, 1.0, scale))
    return out


def _units(own: np.ndarray, typical: np.ndarray, start: int, rules: NeighbourRules, gas: str) -> dict[str, list[int]]:
    """Return days since 1970 by what was found: the unit whose ratio the medians have."""
    found: dict[str, list[int]] = {}
    for end in range(_DAY, own.size + 1, _DAY):
        window = slice(max(end - rules.unit_hours, 0), end)
        both = np.isfinite(own[window]) & np.isfinite(typical[window])
        if both.sum() < rules.unit_least:
            continue
        ratio = float(np.median(own[window][both]) / np.median(typical[window][both]))
        for name, (low, high) in rules.units.get(gas, {}).items():
            if low <= ratio <= high:
                found.setdefault(f"stands in a fixed ratio to its neighbours ({name}?)", []).append(
                    (start + end) // _DAY - 1
                )
    return found


def _hours_since(time: np.ndarray, start: int) -> np.ndarray:
    return np.asarray((time - np.datetime64(0, "ns")) // HOUR) - start
