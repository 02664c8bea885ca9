"""The parameters that an inversion's errors are stated by, and a problem whose errors are stated otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pipeline.errors import SolverError
from pipeline.inversion.correlated import CorrelatedError
from pipeline.inversion.covariance import Covariance
from pipeline.inversion.nested import Nested, separable_parts
from pipeline.inversion.problem import Problem
from pipeline.inversion.spatial import Separable
from pipeline.inversion.temporal import Temporal

Kind = Literal["sigma", "length", "hours", "inflation", "shared sigma", "shared hours"]


@dataclass(frozen=True)
class Parameter:
    """One factor that is sought.

    Parameters
    ----------
    kind
        On sigma, length or e-folding time of a sector; on R of a class of observations; on sigma or e-folding time of
        a shared error.
    of
        Name of the sector, class or shared error.
    """

    kind: Kind
    of: str


def parameters_of(
    problem: Problem, sectors: Sequence[str], classes: np.ndarray, *, offset_hours: bool = False
) -> tuple[Parameter, ...]:
    """Return what can be sought in a problem: all but lengths of sectors that are not separable.

    Parameters
    ----------
    problem, sectors, classes
        As for `Likelihood`.
    offset_hours
        Seek the time over which offsets drift too; a window seldom tells it.
    """
    found = []
    for name, covariance in zip(sectors, problem.covariances, strict=True):
        found.append(Parameter("sigma", name))
        if separable_parts(covariance.spatial):
            found.append(Parameter("length", name))
        found.append(Parameter("hours", name))
    found += [Parameter("inflation", name) for name in np.unique(classes).tolist()]
    for name in dict.fromkeys(error.name for error in problem.errors if np.any(error.sigma > 0)):
        if name == "retrieval":
            continue  # a share of what the product states, not of what is sought
        found.append(Parameter("shared sigma", name))
        if name != "offset" or offset_hours:
            found.append(Parameter("shared hours", name))
    return tuple(found)


def restated(
    problem: Problem, sectors: Sequence[str], classes: np.ndarray, factors: Mapping[Parameter, float]
) -> Problem:
    """Return a problem with factors on what its errors are stated by.

    Parameters
    ----------
    problem, sectors, classes
        As for `Likelihood`.
    factors
        1 where none is given.
    """

    def of(kind: Kind, name: str) -> float:
        return factors.get(Parameter(kind, name), 1.0)

    return replace(
        problem,
        variance=problem.variance * np.array([of("inflation", name) for name in classes.tolist()]),
        covariances=tuple(
            moved_covariance(c, of("sigma", name), of("length", name), of("hours", name))
            for name, c in zip(sectors, problem.covariances, strict=True)
        ),
        errors=tuple(moved_error(e, of("shared sigma", e.name), of("shared hours", e.name)) for e in problem.errors),
    )


def moved_covariance(covariance: Covariance, sigma: float, length: float, hours: float) -> Covariance:
    """Return a covariance with factors on sigma, lengths and time; a length that is not separable must stay."""
    spatial, temporal = covariance.spatial, covariance.temporal
    parts = [
        (share, Separable(part.steps_y / length, part.steps_x / length)) for share, part in separable_parts(spatial)
    ]
    if len(parts) == 1:
        spatial = parts[0][1]
    elif parts:
        spatial = Nested(tuple(part for _, part in parts), tuple(share for share, _ in parts))
    elif length != 1.0:
        raise SolverError(
            "the length of a sector must be separable to be moved",
            got=type(spatial).__name__,
            remedy="leave its length as it is",
            where="tuning",
        )
    return Covariance(
        covariance.sigma * covariance.dtype.type(sigma),
        Temporal(temporal.count, temporal.hours * hours, temporal.daily),
        spatial,
    )


def moved_error(error: CorrelatedError, sigma: float, hours: float) -> CorrelatedError:
    """Return a shared error with factors on its sigma and time."""
    return replace(error, sigma=error.sigma * sigma, e_folding=error.e_folding * hours)
