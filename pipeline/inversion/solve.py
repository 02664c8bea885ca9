"""The exact solution in observation space (Tarantola 2005, eq. 3.37-3.38).

    d = y - H f^a - b,   K = H Q H^T + B + S + R = L L^T,   z = K^-1 d,   f^_k = f_k^a + Q_k H_k^T z

m observations, n cell-hours: K is m x m and stands in one place; H Q is made a block of rows at a time, read out
against H and against the regional totals, and never kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.inversion.factor import Factor, factorise
from pipeline.inversion.problem import Problem
from pipeline.inversion.rows import Rows
from pipeline.inversion.sources import Asked, Run, Sources, in_threads

#: called with the share that is done, 0 to 1
Told = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Signal:
    """What flux errors do to observations and totals.

    Parameters
    ----------
    system : (m, m) float64
        sum_k H_k Q_k H_k^T in the lower triangle, diagonal included; zero above.
    totals : (m, sector, functional) float32 or float64
        H_k Q_k a^T for each functional a, in the covariances' precision.
    """

    system: np.ndarray
    totals: np.ndarray


@dataclass(frozen=True, eq=False)
class Solution:
    """The factored system; every result below is derived from it.

    Parameters
    ----------
    problem
        What was solved.
    innovation : (m,)
        d, observed minus prior.
    signal_variance : (m,)
        Diagonal of H Q H^T.
    factor
        L with L L^T = K.
    weights : (m,)
        z = K^-1 d.
    totals : (m, sector, functional)
        H_k Q_k a^T of the functionals asked for.
    """

    problem: Problem
    innovation: np.ndarray
    signal_variance: np.ndarray
    factor: Factor
    weights: np.ndarray
    totals: np.ndarray

    @cached_property
    def flux(self) -> np.ndarray:
        """Posterior mean fluxes, (sector, time, y, x)."""
        return self.problem.prior + self.correction(self.weights)

    @property
    def stated_prior(self) -> np.ndarray:
        """Prior mean fluxes as they were stated, (sector, time, y, x)."""
        return self.problem.prior

    @property
    def mean_weights(self) -> np.ndarray:
        """Weights of the posterior mean, (m,)."""
        return self.weights

    def shared(self, name: str) -> np.ndarray:
        """Return the posterior mean of a shared error at each observation, (m,): C z; zero when there is no such."""
        weights = self.mean_weights
        return np.sum(
            [e.apply(weights) for e in self.problem.errors if e.name == name] or [np.zeros(weights.size)], axis=0
        )

    @property
    def background(self) -> np.ndarray:
        """Posterior mean background at each observation, (m,)."""
        return self.problem.background + self.shared("background")

    @property
    def prior_residual(self) -> np.ndarray:
        """Observed minus what the prior says, (m,)."""
        return self.innovation

    @property
    def modelled(self) -> np.ndarray:
        """Posterior model of each observation, (m,): y - R z, equal to H f^ + b^ + beta^."""
        return self.problem.value - self.problem.variance * self.mean_weights

    def correction(self, weights: np.ndarray) -> np.ndarray:
        """Return Q_k H_k^T w of every sector, (sector, time, y, x), for w : (m,)."""
        return self.problem.correction(weights)


def solve(
    problem: Problem, *, functionals: Rows | None = None, threads: int = 0, progress: Told | None = None
) -> Solution:
    """Return the exact solution.

    Parameters
    ----------
    problem
        The window.
    functionals
        Totals a^T f whose uncertainty will be asked for: rows over (hour, cell).
    threads
        Blocks of K made at once; 0 for all cores.
    progress
        Called with the share of K that is done.

    Raises
    ------
    SolverError
        When K is not positive definite or its condition number exceeds 1e12.
    """
    return solution_of(problem, signal(problem, functionals=functionals, threads=threads, progress=progress))


def solution_of(problem: Problem, signal: Signal) -> Solution:
    """Return the solution from what `signal` returned; its system is overwritten by the factor."""
    system = signal.system
    variance = np.diagonal(system).copy()
    for error in problem.errors:
        error.add_to(system)
    system[np.diag_indices_from(system)] += problem.variance
    factor = factorise(system)
    innovation = problem.value - problem.prior_value()
    return Solution(problem, innovation, variance, factor, factor.solve(innovation), signal.totals)


def signal(
    problem: Problem,
    *,
    functionals: Rows | None = None,
    threads: int = 0,
    progress: Told | None = None,
    run: Run | None = None,
) -> Signal:
    """Return H Q H^T, and H Q a^T of the functionals.

    Parameters
    ----------
    problem, functionals, threads, progress
        As for `solve`.
    run
        Who makes the blocks; threads of this process when not given.
    """
    sources = Sources(problem, functionals)
    m, sectors = sources.observations, len(problem.covariances)
    system = np.zeros((m, m))
    totals = np.zeros((m, sectors, sources.rows.count - m), problem.covariances[0].dtype)
    asked = Asked(np.arange(m), np.arange(sources.rows.count), np.arange(1, m + 1), m)
    make = in_threads(threads) if run is None else run
    done = 0
    for k in range(sectors):

        def put(rows: np.ndarray, block: np.ndarray, k: int = k) -> None:
            nonlocal done
            for row, column in zip(rows.tolist(), block.T, strict=True):
                system[row, : row + 1] += column[: row + 1]
                totals[row, k] = column[m:]
            done += rows.size
            if progress is not None:
                progress(done / (m * sectors))

        make(sources, k, asked, put)
    return Signal(system, totals)
