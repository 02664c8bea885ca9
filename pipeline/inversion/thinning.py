"""Fewer observations of a window, spread evenly over stations and hours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.inversion.correlated import CorrelatedError
from pipeline.inversion.covariance import Covariance
from pipeline.inversion.cross import Span
from pipeline.inversion.problem import Problem


def thinned(
    station: np.ndarray, platform: np.ndarray, hour: np.ndarray, *, most: int, every: int = 1, seed: int = 1
) -> np.ndarray:
    """Return which observations to keep, ascending.

    Of every n-th hour, in the order of platforms, stations and hours, one of each of `most` strata of equal size is
    drawn: each station keeps its share, and the steps between kept hours differ, so that no cycle of a day is missed.

    Parameters
    ----------
    station, platform : (m,) text
        Of each observation.
    hour : (m,) int
        Index of its hour.
    most
        Observations to keep at most.
    every
        Keep every n-th hour.
    seed
        Fixes which.

    Examples
    --------
    >>> thinned(np.repeat(["A", "B"], 6), np.full(12, "city"), np.tile(np.arange(6), 2), most=12, every=3).tolist()
    [0, 3, 6, 9]
    """
    kept = np.flatnonzero((hour - hour.min()) % every == 0)
    if kept.size > most:
        order = kept[np.lexsort((hour[kept], station[kept], platform[kept]))]
        edges = np.arange(most + 1) * kept.size / most
        place = edges[:-1] + np.random.default_rng(seed).random(most) * np.diff(edges)
        kept = np.sort(order[place.astype(int)])
    return kept


def taken(problem: Problem, kept: np.ndarray) -> Problem:
    """Return the problem of some observations only, in double precision."""
    errors = tuple(
        CorrelatedError(e.name, e.sigma[kept], e.hours[kept], e.group[kept], e.e_folding) for e in problem.errors
    )
    return replace(
        problem,
        value=problem.value[kept],
        variance=problem.variance[kept],
        background=problem.background[kept],
        errors=errors,
        footprint=problem.footprint[kept].astype(np.float64),
        prior=problem.prior.astype(np.float64),
        covariances=tuple(Covariance(c.sigma.astype(np.float64), c.temporal, c.spatial) for c in problem.covariances),
        share=None if problem.share is None else problem.share[:, kept],
        span=None if problem.span is None else Span(problem.span.first[kept], problem.span.last[kept]),
    )
