"""The innovation gate: an observation far beyond what prior and stated errors allow is not used.

|y - H f^a - b| > n sqrt((H Q H^T + B + S + R)_ii), n of the settings. Where more than a quarter of an hour's
observations of a kind (stations, towers, satellites, drives) would go, none of them does and the hour is degraded: a
wrong prior or wrong weather must not silence the network. One of three is more than a quarter, so a few stations
have no gate. It is a function of the window alone: a repeated hour decides the same, another window may not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from pipeline.inversion.assemble import Assembled, Used
from pipeline.inversion.problem import Problem
from pipeline.inversion.solve import Signal
from pipeline.schema import MOBILE, SATELLITE, Flag, why_unused

#: class of stations whose observations are fluxes
TOWER = "sink"
#: share of an hour's observations of a kind from which on the gate is off for that hour
MOST = 0.25


@dataclass(frozen=True, eq=False)
class Gate:
    """What the gate decided.

    Parameters
    ----------
    passed : (m,) bool
        Observations that are used.
    degraded : (k,) datetime64
        Hours in which the gate was off because too many would have gone.
    """

    passed: np.ndarray
    degraded: np.ndarray


def gate_of(problem: Problem, signal: Signal, time: np.ndarray, platform: np.ndarray, most_sigma: float) -> Gate:
    """Return which observations pass.

    Parameters
    ----------
    problem
        The window.
    signal
        Its H Q H^T, of which the diagonal is read.
    time : (m,) datetime64
        Of the observations.
    platform : (m,)
        Class of each.
    most_sigma
        Innovations up to this many of their stated sigma pass; 0 for no gate.
    """
    if most_sigma == 0:
        return Gate(np.ones(time.size, bool), time[:0])
    variance = np.diagonal(signal.system) + problem.variance + sum(error.sigma**2 for error in problem.errors)
    beyond = np.abs(problem.value - problem.prior_value()) > most_sigma * np.sqrt(variance)
    # an observation that lasts less than an hour belongs to the hour it falls in
    hour = time.astype("datetime64[h]")
    kind = np.select([platform == MOBILE, platform == SATELLITE, platform == TOWER], [3, 2, 1], 0)
    _, group = np.unique(np.stack([hour.astype(np.int64), kind]), axis=1, return_inverse=True)
    group = group.reshape(-1)
    too_many = (np.bincount(group, beyond) > MOST * np.bincount(group))[group]
    return Gate(~(beyond & ~too_many), np.unique(hour[too_many]))


def through(signal: Signal, passed: np.ndarray) -> Signal:
    """Return what `signal` says of the observations that pass; its arrays are overwritten and must not be used again.

    Parameters
    ----------
    passed : (m,) bool
        Of `Gate`.
    """
    kept = np.flatnonzero(passed)
    if kept.size == passed.size:
        return signal
    # rows move up within the same memory: a second K would be the largest thing there is
    system = signal.system.reshape(-1)[: kept.size**2].reshape(kept.size, kept.size)
    totals = signal.totals[: kept.size]
    for to, source in enumerate(kept.tolist()):
        system[to] = signal.system[source, kept]
        totals[to] = signal.totals[source]
    return Signal(system, totals)


def passing(assembled: Assembled, passed: np.ndarray) -> Assembled:
    """Return the problem of the observations that pass; the others are told as unused.

    Parameters
    ----------
    passed : (m,) bool
        Of `Gate`.
    """
    place, kept = np.where(passed, np.cumsum(passed) - 1, -1), np.flatnonzero(passed)
    return replace(
        assembled,
        problem=assembled.problem.take(kept),
        air=_used(assembled.air, place),
        towers=_used(assembled.towers, place),
        station=assembled.station[passed],
        platform=assembled.platform[passed],
        time=assembled.time[passed],
        compared=assembled.compared.beside(kept),
    )


def marked(observed: xr.Dataset, used: Used, passed: np.ndarray) -> xr.Dataset:
    """Return the Dataset that rows were used of, with the flag `INNOVATION` on those that do not pass.

    Parameters
    ----------
    used
        Where its rows stood before the gate.
    passed : (m,) bool
        Of `Gate`.
    """
    flag = observed["flag"].copy(deep=True)
    flag[used.rows[~passed[used.at]]] |= flag.dtype.type(Flag.INNOVATION)
    return observed.assign(flag=flag)


def gate_notes(gate: Gate, platform: np.ndarray, most_sigma: float) -> list[str]:
    """Return what a reader should know of the gate, in sentences.

    Parameters
    ----------
    platform : (m,)
        Class of each observation.
    most_sigma
        As for `gate_of`.
    """
    notes = []
    gone = platform[~gate.passed]
    if gone.size:
        classes = ", ".join(f"{name} {int(np.sum(gone == name))}" for name in np.unique(gone).tolist())
        notes.append(
            f"innovation gate: {gone.size} of {platform.size} observations lie more than {most_sigma:g} sigma from the "
            f"prior and are not used ({classes})"
        )
    if gate.degraded.size:
        first = gate.degraded[0].astype("datetime64[h]")
        notes.append(
            f"degraded: in {gate.degraded.size} hour(s), the first {first}Z, more than {MOST:.0%} of the observations "
            "of a kind lie beyond the innovation gate and were used. Check weather, prior and clocks"
        )
    return notes


def _used(used: Used, place: np.ndarray) -> Used:
    """Return where rows of a Dataset stand after some observations are gone."""
    stays = place[used.at] >= 0
    reason = used.reason.copy()
    reason[used.rows[~stays]] = why_unused(Flag.INNOVATION)
    return Used(used.rows[stays], place[used.at[stays]], reason)
