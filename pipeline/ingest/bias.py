"""The drifting bias of a cheap sensor, hour by hour: a Kalman filter against the spectrometers around it.

State b: a random walk, b(t + dt) = b(t) + N(0, walk^2 dt). Observation: sensor minus the spectrometers' field, b +
N(0, observation^2), in hours of well-mixed air alone, in which the air of a city and its surroundings is alike (the
idea is Shusterman's et al. 2016, doi:10.5194/acp-16-13449-2016). Plain arrays throughout. What comes out for an hour
depends on the hours up to it alone, and between two observations on the state after the first: a record may be cut
anywhere, or its rows come in any order, without a bit of difference.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pipeline.errors import TimeError
from pipeline.schema import HOUR
from station_meta import BiasRules

_DAY = np.timedelta64(24, "h")
_NEVER = np.datetime64("NaT", "h")
#: m: stations nearer than this weigh alike, for a grid cell is no smaller
_NEAREST = 3000.0


@dataclass(frozen=True)
class State:
    """All that later hours need of the earlier ones.

    Parameters
    ----------
    since
        Hour, UTC, from which the bias walks on.
    bias, variance
        At that hour: ppm and ppm2.
    anchor
        Last hour that agreed with the spectrometers, or beside one, UTC; NaT when there was none.
    told
        Whether spectrometers around it ever told the bias.
    day
        Solar day of the last well-mixed hour, days since 1970; -1 before the first.
    total, count
        Of that day's differences, ppm, and their number.
    day_bias, day_variance
        Before that day's first difference (or since the bias was last set anew in it): ppm and ppm2.
    days
        Days in a row before that one which spoke for a jump: positive upward, negative downward.
    """

    since: np.datetime64
    bias: float
    variance: float
    anchor: np.datetime64 = _NEVER
    told: bool = False
    day: int = -1
    total: float = 0.0
    count: int = 0
    day_bias: float = 0.0
    day_variance: float = 0.0
    days: int = 0


@dataclass(frozen=True, eq=False)
class Track:
    """What the filter says hour by hour, in the order the hours were given.

    Parameters
    ----------
    bias, sigma : (hour,) float64
        Estimate and its one-sigma error, ppm; while a jump is suspected sigma is at least that after a reset.
    anchor_age : (hour,) float64
        Hours since the last hour that agreed with the spectrometers; NaN when there was none.
    told : (hour,) bool
        Whether spectrometers around it had told the bias by then.
    used : (hour,) bool
        Hours whose difference the filter took: they are no evidence a second time.
    reset, suspected : (hour,) bool
        Hours in which the bias was set anew; hours in which it may have jumped.
    """

    bias: np.ndarray
    sigma: np.ndarray
    anchor_age: np.ndarray
    told: np.ndarray
    used: np.ndarray
    reset: np.ndarray
    suspected: np.ndarray


def first_state(when: np.datetime64, rules: BiasRules) -> State:
    """Return the state of a sensor that was never beside a reference."""
    return State(when.astype("datetime64[h]"), 0.0, rules.reset**2)


def track(
    state: State, time: np.ndarray, day: np.ndarray, difference: np.ndarray, rules: BiasRules
) -> tuple[Track, State]:
    """Return the bias in each hour, and the state after the last.

    Parameters
    ----------
    state
        Of the hours before; `first_state` when there are none.
    time : (hour,) datetime64
        UTC, in any order, each once, none before `state.since` nor up to `state.anchor`.
    day : (hour,) int64
        Solar day each lies in, days since 1970.
    difference : (hour,) float64
        Sensor minus the spectrometers' field, ppm; NaN in hours of which it says nothing.
    rules
        Thresholds.

    Raises
    ------
    TimeError
        For an hour before the state or one that is there twice.
    """
    order = np.argsort(time, kind="stable")
    hour = time[order].astype("datetime64[h]")
    _check_hours(hour, state)
    observed = np.flatnonzero(np.isfinite(difference[order]))
    states = [state]
    used, reset = np.zeros(hour.size, dtype=bool), np.zeros(hour.size, dtype=bool)
    for i in observed.tolist():
        at = order[i]
        state, used[at], reset[at] = _step(state, hour[i], int(day[at]), float(difference[at]), rules)
        states.append(state)
    # an hour is told by the state after the last observation up to it
    last = np.empty(hour.size, dtype=np.int64)
    last[order] = np.searchsorted(observed, np.arange(hour.size), side="right")
    bias, variance = (np.array([getattr(s, name) for s in states])[last] for name in ("bias", "variance"))
    since, anchor = (np.array([getattr(s, name) for s in states])[last] for name in ("since", "anchor"))
    suspected, told = np.array([(_suspects(s, rules), s.told) for s in states]).T[:, last]
    hours = time.astype("datetime64[h]")
    sigma = np.sqrt(variance + rules.walk**2 * ((hours - since) / _DAY))
    sigma = np.where(suspected, np.maximum(sigma, rules.reset), sigma)
    return Track(bias, sigma, (hours - anchor) / HOUR, told, used, reset, suspected), state


def _step(state: State, hour: np.datetime64, day: int, difference: float, rules: BiasRules) -> tuple[State, bool, bool]:
    """Return the state after one observation, whether it was taken, and whether it set the bias anew."""
    variance = state.variance + rules.walk**2 * float((hour - state.since) / _DAY)
    if day != state.day:
        days = _in_a_row(state, rules)
        state = replace(state, day=day, total=0.0, count=0, day_bias=state.bias, day_variance=variance, days=days)
    state = replace(state, total=state.total + difference, count=state.count + 1)
    innovation = difference - state.bias
    if abs(_in_a_row(state, rules)) >= rules.jump_days:
        state = _updated(state, hour, rules.reset**2, innovation, rules)
        anew = replace(state, total=0.0, count=0, day_bias=state.bias, day_variance=state.variance, days=0)
        return anew, True, True
    near = abs(innovation) <= rules.gate * np.sqrt(variance + rules.observation**2)
    if near and not _speaks(state, rules):
        return _updated(state, hour, variance, innovation, rules), True, False
    return state, False, False


def _speaks(state: State, rules: BiasRules) -> int:
    """Return 1 or -1 when the mean of a day's differences lies so far above or below the bias before it, else 0.

    A day is judged by its mean, for its hours err less together than each alone: single hours of a jump of 8 ppm lie
    between gate and jump threshold, where they would neither move the bias nor speak.
    """
    if state.count == 0:
        return 0
    distance = state.total / state.count - state.day_bias
    far = abs(distance) > rules.jump * np.sqrt(state.day_variance + rules.observation**2 / state.count)
    return (1 if distance > 0 else -1) if far else 0


def _in_a_row(state: State, rules: BiasRules) -> int:
    """Return the days in a row that speak for a jump, the state's own day among them; 0 when that one does not."""
    sign = _speaks(state, rules)
    return sign * (abs(state.days) + 1) if state.days * sign > 0 else sign


def _suspects(state: State, rules: BiasRules) -> bool:
    """Return whether the bias may have jumped: the day speaks for it, or the one before did."""
    return state.days != 0 or _speaks(state, rules) != 0


def _updated(state: State, hour: np.datetime64, variance: float, innovation: float, rules: BiasRules) -> State:
    """Return the state after an update of the scalar Kalman filter (Kalman 1960)."""
    gain = variance / (variance + rules.observation**2)
    bias, left = float(state.bias + gain * innovation), float((1 - gain) * variance)
    return replace(state, since=hour, bias=bias, variance=left, anchor=hour, told=True)


def _check_hours(hour: np.ndarray, state: State) -> None:
    twice = np.flatnonzero(hour[1:] == hour[:-1])
    if twice.size:
        raise TimeError(
            "an hour must be there once", got=str(hour[twice[0]]), remedy="report this", where="bias filter"
        )
    if hour.size and (hour[0] < state.since or hour[0] <= state.anchor):
        raise TimeError(
            f"hours must not lie before the filter's state, {state.since}",
            got=str(hour[0]),
            remedy="run the filter again from a state before the hours that came late",
            where="bias filter",
        )


def field_of(value: np.ndarray, distance: np.ndarray, rules: BiasRules) -> np.ndarray:
    """Return the spectrometers' field at a sensor; NaN where they are too few or differ too much.

    Parameters
    ----------
    value : (hour, station) float64
        Hourly means of the spectrometers, ppm; NaN where there is none.
    distance : (station,) float64
        From the sensor, m.
    rules
        Thresholds.

    Returns
    -------
    (hour,) float64
        Mean weighted by the inverse of the distance.
    """
    near = value[:, distance <= 1000.0 * rules.distance]
    there = np.isfinite(near)
    spread = np.where(there, near, -np.inf).max(axis=1, initial=-np.inf)
    spread = spread - np.where(there, near, np.inf).min(axis=1, initial=np.inf)
    weight = there / np.maximum(distance[distance <= 1000.0 * rules.distance], _NEAREST)
    enough = (there.sum(axis=1) >= rules.stations) & (spread < rules.spread)
    total = np.where(enough, weight.sum(axis=1), 1.0)
    return np.where(enough, (weight * np.where(there, near, 0.0)).sum(axis=1) / total, np.nan)


def is_mixed(
    local: np.ndarray, rules: BiasRules, wind: np.ndarray | None = None, boundary_layer: np.ndarray | None = None
) -> np.ndarray:
    """Return the mask of hours in which the air may be well mixed.

    Parameters
    ----------
    local : (hour,) datetime64[h]
        Solar time.
    rules
        Thresholds.
    wind, boundary_layer : (hour,) float64 or None
        Wind speed at 10 m, m s-1, and depth of the boundary layer, m, at the sensor; an hour in which they are NaN is
        not mixed. None: not asked, and the hour of day decides alone.
    """
    hour = (local - local.astype("datetime64[D]")) / HOUR
    mixed = (hour >= rules.local_hours[0]) & (hour < rules.local_hours[1])
    for given, least in ((wind, rules.wind), (boundary_layer, rules.boundary_layer)):
        if given is not None:
            mixed &= given >= least
    return mixed
