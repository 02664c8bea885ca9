"""Fewer observations of a window, spread evenly over stations and hours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.inversion.covariance import Covariance
from pipeline.inversion.problem import Problem

#: hours that follow each other and are kept together
RUN = 3


def thinned(
    station: np.ndarray, platform: np.ndarray, hour: np.ndarray, *, most: int, every: int = 1, seed: int = 1
) -> np.ndarray:
    """Return which observations to keep, ascending.

    Hours are taken `RUN` at a time. Of the runs, and in each of them of each platform's stations, the same share is
    drawn: runs evenly over the window, stations anew in each run. Hours that follow each other tell the errors of one
    observation from those that last, stations of one hour those that all have in common, far hours how long they last.

    Parameters
    ----------
    station, platform : (m,) text
        Of each observation.
    hour : (m,) int
        Index of its hour.
    most
        Observations to keep at most.
    every
        Keep every n-th hour; runs are of the hours that are left.
    seed
        Fixes which.

    Examples
    --------
    >>> thinned(np.repeat(["A", "B"], 6), np.full(12, "city"), np.tile(np.arange(6), 2), most=12, every=3).tolist()
    [0, 3, 6, 9]
    """
    kept = np.flatnonzero((hour - hour.min()) % every == 0)
    if kept.size <= most:
        return kept
    random, share = np.random.default_rng(seed), np.sqrt(most / kept.size)
    run = (hour[kept] - hour.min()) // (every * RUN)
    runs = np.unique(run)
    edges = np.linspace(0, runs.size, int(np.ceil(share * runs.size)) + 1)
    drawn = runs[(edges[:-1] + random.random(edges.size - 1) * np.diff(edges)).astype(int)]
    # a station of a run: all or nothing of it
    parts: list[np.ndarray] = []
    for one in np.unique(drawn):
        mine = kept[run == one]
        for name in np.unique(platform[mine]):
            group = mine[platform[mine] == name]
            stations = random.permutation(np.unique(station[group]))
            parts += [group[station[group] == s] for s in stations[: int(np.ceil(share * stations.size))].tolist()]
    parts = [parts[at] for at in random.permutation(len(parts))]
    within = np.cumsum([part.size for part in parts]) <= most
    return np.sort(np.concatenate([part for part, fits in zip(parts, within, strict=True) if fits] or [kept[:most]]))


def taken(problem: Problem, kept: np.ndarray) -> Problem:
    """Return the problem of some observations only, in double precision."""
    some = problem.take(kept)
    return replace(
        some,
        footprint=some.footprint.astype(np.float64),
        prior=some.prior.astype(np.float64),
        covariances=tuple(Covariance(c.sigma.astype(np.float64), c.temporal, c.spatial) for c in some.covariances),
    )
