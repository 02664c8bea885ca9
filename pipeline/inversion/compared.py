"""Observations that are only compared with: the model says what they should be, and they say nothing to it.

    prior h f^a + b,   posterior h f^ + b^ + beta^,   b^ = b + c^T z,   beta^ = s^T z

h is the row of H, c and s the covariances of its background and of its sensor's offset with those of the problem's
observations, z = K^-1 d: the rows that `pipeline.inversion.solve` would give such an observation, had it been used with
an infinite error. They never enter K.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pipeline.inversion.correlated import CorrelatedError
from pipeline.inversion.rows import Rows
from pipeline.inversion.solve import Solution
from pipeline.schema import Flag, is_used


@dataclass(frozen=True, eq=False)
class Compared:
    """Where they stand, and what a model needs to make them.

    Parameters
    ----------
    rows : (c,) int
        Index into the Dataset.
    sigma : (c,) float64
        One-sigma measurement and representation error, unit of the observation.
    background : (c,) float64
        What the model says without fluxes.
    footprint : Rows
        H of them, in the precision of the covariances.
    errors
        Of the background and of offsets: (m + c,), the problem's observations first, in their order.
    """

    rows: np.ndarray
    sigma: np.ndarray
    background: np.ndarray
    footprint: Rows
    errors: tuple[CorrelatedError, ...]

    def beside(self, kept: np.ndarray) -> Compared:
        """Return them beside some of the problem's observations only.

        Parameters
        ----------
        kept : (k,) int
            As for `Problem.take`.
        """
        count = self.rows.size
        return replace(
            self,
            errors=tuple(e.take(np.append(kept, np.arange(e.sigma.size - count, e.sigma.size))) for e in self.errors),
        )

    def shared(self, solution: Solution, name: str) -> np.ndarray:
        """Return the posterior mean of a shared error at each, (c,): zero when there is no such."""
        out = np.zeros(self.rows.size)
        for error in self.errors:
            if error.name == name:
                told = np.append(solution.mean_weights, np.zeros(self.rows.size))
                out += error.apply(told)[told.size - out.size :]
        return out

    def modelled(self, solution: Solution) -> dict[str, np.ndarray]:
        """Return what a result says of each, (c,), by the name that it has there."""
        background = self.background + self.shared(solution, "background")
        offset = self.shared(solution, "offset")
        return {
            "error": self.sigma,
            "background_prior": self.background,
            "background_posterior": background,
            "offset": offset,
            "prior": self.background + self.footprint.times(solution.stated_prior.sum(axis=0)),
            "posterior": background + offset + self.footprint.times(solution.flux.sum(axis=0)),
        }


def only_held_out(flag: np.ndarray) -> np.ndarray:
    """Return the mask of observations that the inversion would use, were they not held out.

    Parameters
    ----------
    flag : (obs,) uint32
        Quality bits.

    Examples
    --------
    >>> only_held_out(np.array([0, Flag.HELD_OUT, Flag.HELD_OUT | Flag.INCOMPLETE], dtype=np.uint32)).tolist()
    [False, True, False]
    """
    bits = np.asarray(flag, dtype=np.uint32)
    return ~is_used(bits) & is_used(bits & ~np.uint32(Flag.HELD_OUT))
