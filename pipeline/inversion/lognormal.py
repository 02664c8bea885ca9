"""Sectors whose flux cannot be negative: f = m exp(s), s ~ N(mu, Q_s), solved by Gauss-Newton in observation space.

With the stated prior m and its error sigma, sigma_s^2 = log(1 + (sigma / m)^2) and mu = -sigma_s^2 / 2 keep the prior's
mean and variance. At f_k the model is y = h(f_k) + J (s - s_k) with J = H diag(f_k), so an iteration is the linear
problem with D = diag(f_k) sigma_s (Rodgers 2000, eq. 5.9, in observation space):

    s_(k+1) = c + Q_s J^T K_k^-1 (y - h(f_k) + J (s_k - c)),   K_k = J Q_s J^T + B + S + R

and a step is halved until the cost falls. The mode of the logarithm's posterior is not published: where data bind a sum
of many cells and none of them alone, its exp is too low, where they say nothing by exp(-sigma_s^2 / 2). So

- the linear solution, for K, diagnostics and covariances, is made about the mean: c = 0 instead of mu, which makes
  f_k = m, not m exp(mu), where data say nothing;
- the mean itself, and sigma, come from members of the true posterior, by a chain about that linear solution
  (`pipeline.inversion.lognormal_chain`). Randomised maximum likelihood (Bardsley et al. 2014, SIAM J. Sci. Comput. 36,
  A1895) without its weights put totals of the tests' problem half a sigma too high.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from pipeline.errors import SolverError
from pipeline.inversion.covariance import Covariance
from pipeline.inversion.problem import Problem
from pipeline.inversion.rows import Rows
from pipeline.inversion.solve import Solution, Told, solve

#: largest sigma_s, a flux known to a factor 7.4; it would be more where the prior is tiny and the floor of sigma is not
LARGEST = 2.0
#: relative change of the cost at which the iteration ends
TOLERANCE = 1e-4
#: halvings of a step before the iteration is called ended
_HALVINGS = 12


@dataclass(frozen=True, eq=False)
class Point:
    """One value of everything unknown.

    Parameters
    ----------
    dual, deviation : (sector, time, y, x)
        v and Q v: the state's distance from its centre.
    weights : (m,)
        w: shared errors are C w.
    flux : (sector, time, y, x)
        f.
    residual : (m,)
        y - b - H f - C w.
    cost
        Half of v^T Q v + w^T C w + residual^T R^-1 residual.
    """

    dual: np.ndarray
    deviation: np.ndarray
    weights: np.ndarray
    flux: np.ndarray
    residual: np.ndarray
    cost: float


#: returns K^-1 d with K at a point, for (point, d)
Weigh = Callable[[Point, np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Found:
    """Where an iteration ended.

    Parameters
    ----------
    point
        There.
    iterations
        Steps taken.
    change
        Relative change of the cost in the last one.
    """

    point: Point
    iterations: int
    change: float

    @property
    def converged(self) -> bool:
        """Whether the cost had stopped falling."""
        return self.change < TOLERANCE


@dataclass(frozen=True, eq=False)
class LogProblem:
    """A problem some of whose sectors are log-normal.

    Parameters
    ----------
    problem
        Its covariances are Q_s for log-normal sectors (sigma_s, no unit) and Q for the others.
    log : (sector,) bool
        Which are log-normal.
    dropped : (sector,) float64
        Share of the stated prior variance that is not in Q_s: where m is 0, or sigma_s stopped at `LARGEST`.
    """

    problem: Problem
    log: np.ndarray
    dropped: np.ndarray

    @property
    def centre(self) -> np.ndarray:
        """Prior mean of the state, (sector, time, y, x): mu of log-normal sectors, 0 of others."""
        return np.stack(
            [-0.5 * np.square(c.sigma) * np.float32(log) for c, log in self._sectors()]
        ).astype(self.problem.prior.dtype)  # fmt: skip

    @property
    def prior_std(self) -> np.ndarray:
        """Prior sigma of the flux, (sector, time, y, x): m sqrt(exp(sigma_s^2) - 1)."""
        prior = self.problem.prior
        return np.stack(
            [prior[k] * np.sqrt(np.expm1(np.square(c.sigma))) if log else c.sigma
             for k, (c, log) in enumerate(self._sectors())]
        )  # fmt: skip

    def flux(self, state: np.ndarray) -> np.ndarray:
        """Return f of a state: m exp(s), or the prior plus s."""
        prior = self.problem.prior
        return np.stack([prior[k] * np.exp(state[k]) if log else prior[k] + state[k] for k, log in enumerate(self.log)])

    def tangent(self, flux: np.ndarray) -> np.ndarray:
        """Return df/ds, (sector, time, y, x): f itself where it is log-normal and uncertain, else 1."""
        return np.stack([flux[k] if log else np.ones_like(flux[k]) for k, log in enumerate(self.log)])

    def pull(self, tangent: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return v = J^T w of every sector, (sector, time, y, x), for w : (m,)."""
        return np.stack([tangent[k] * self.problem.spread(weights, k) for k in range(self.log.size)])

    def move(self, tangent: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return v = J^T w and Q v of every sector, (sector, time, y, x), for w : (m,)."""
        dual = self.pull(tangent, weights)
        return dual, np.stack([c.apply(dual[k]) for k, (c, _) in enumerate(self._sectors())])

    def shared(self, weights: np.ndarray) -> np.ndarray:
        """Return C w of all shared errors together, (m,)."""
        return np.sum([e.apply(weights) for e in self.problem.errors] or [np.zeros(weights.size)], axis=0)

    def point(
        self, value: np.ndarray, centre: np.ndarray, dual: np.ndarray, deviation: np.ndarray, weights: np.ndarray
    ) -> Point:
        """Return a point with its flux, residual and cost, of observations `value` and a centre."""
        problem, shared = self.problem, self.shared(weights)
        flux = self.flux(centre + deviation)
        residual = value - problem.background - problem.project(flux) - shared
        bound = float(np.sum(dual * deviation, dtype=np.float64) + weights @ shared)
        cost = 0.5 * (bound + float(np.sum(residual**2 / problem.variance)))
        return Point(dual, deviation, weights, flux, residual, cost)

    def linearised(self, at: Point) -> Problem:
        """Return the linear problem about a point whose centre is 0."""
        tangent = self.tangent(at.flux)
        covariances = tuple(replace(c, sigma=tangent[k] * c.sigma) for k, (c, _) in enumerate(self._sectors()))
        return replace(self.problem, prior=at.flux - tangent * at.deviation, covariances=covariances)

    def _sectors(self) -> Iterator[tuple[Covariance, bool]]:
        return zip(self.problem.covariances, self.log.tolist(), strict=True)


def log_problem(problem: Problem, log: np.ndarray, names: list[str]) -> LogProblem:
    """Return the problem with some sectors log-normal, their prior mean and variance as stated.

    Parameters
    ----------
    problem
        With prior m and sigma of every sector.
    log : (sector,) bool
        Which are log-normal.
    names
        Of the sectors.

    Raises
    ------
    SolverError
        Where the prior of a log-normal sector is negative and uncertain.
    """
    covariances, dropped = list(problem.covariances), np.zeros(log.size)
    for k in np.flatnonzero(log):
        sigma, prior = covariances[k].sigma, problem.prior[k]
        below = (prior < 0) & (sigma > 0)
        if below.any():
            raise SolverError(
                "the prior of a log-normal sector must not be negative",
                got=f"{int(below.sum())} of {below.size} cell-hours, {float(prior[below].min()):g} at the least",
                remedy='set distribution = "normal", or keep uptake in a sector of its own',
                where=f"sectors.{names[k]}",
            )
        # a prior below this floor has sigma_s at its bound: no quotient that could overflow is taken
        floor = sigma / np.sqrt(np.expm1(LARGEST**2))
        uncertain = (prior > 0) & (sigma > 0)
        ratio = np.divide(sigma, np.maximum(prior, floor), out=np.zeros_like(sigma), where=uncertain)
        sigma_s = np.sqrt(np.log1p(np.square(ratio))).astype(sigma.dtype)
        stated = float(np.sum(np.square(sigma), dtype=np.float64))
        kept = float(np.sum(np.square(prior) * np.expm1(np.square(sigma_s)), dtype=np.float64))
        dropped[k] = max(0.0, 1 - kept / stated) if stated > 0 else 0.0
        covariances[k] = replace(covariances[k], sigma=sigma_s)
    return LogProblem(replace(problem, covariances=tuple(covariances)), log, dropped)


def minimise(
    log: LogProblem, value: np.ndarray, centre: np.ndarray, weigh: Weigh, start: Point, iterations: int
) -> Found:
    """Return where the cost stops falling, by Gauss-Newton with halved steps.

    Parameters
    ----------
    log
        The problem.
    value : (m,)
        Observations.
    centre : (sector, time, y, x)
        Prior mean of the state.
    weigh
        K^-1 d at a point; exact, or nearly.
    start
        Where to begin.
    iterations
        Most steps.
    """
    at, change, problem = start, np.inf, log.problem
    for number in range(iterations):
        tangent = log.tangent(at.flux)
        d = value - problem.background - problem.project(at.flux - tangent * at.deviation)
        weights = weigh(at, d)
        dual, deviation = log.move(tangent, weights)
        found = _downhill(log, value, centre, at, (dual, deviation, weights))
        if found is None:
            return Found(at, number, 0.0 if change < 1e2 * TOLERANCE else change)
        change, at = (at.cost - found.cost) / max(at.cost, np.finfo(float).tiny), found
        if change < TOLERANCE:
            return Found(at, number + 1, change)
    return Found(at, iterations, change)


def _downhill(
    log: LogProblem, value: np.ndarray, centre: np.ndarray, at: Point, to: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> Point | None:
    """Return the first point of lower cost on the way back from a full step; None when there is none."""
    found, step = log.point(value, centre, *to), 1.0
    for _ in range(_HALVINGS):
        if found.cost < at.cost:
            return found
        step *= 0.5
        mixed = (a + step * (b - a) for a, b in zip((at.dual, at.deviation, at.weights), to, strict=True))
        found = log.point(value, centre, *mixed)
    return None


def solve_log(
    log: LogProblem,
    *,
    iterations: int,
    functionals: Rows | None = None,
    threads: int = 0,
    progress: Told | None = None,
) -> tuple[Solution, Found]:
    """Return the solution of the problem linearised about its mean, and how the iteration to it ended.

    Parameters
    ----------
    log
        The window.
    iterations
        Most re-linearisations; each makes K anew, and so does the solution itself.
    functionals, threads, progress
        As for `solve`; the progress is that of the last K.
    """
    value, nothing = log.problem.value, np.zeros(log.problem.value.size)
    state = np.zeros_like(log.problem.prior)

    def weigh(at: Point, d: np.ndarray) -> np.ndarray:
        return solve(log.linearised(at), threads=threads).factor.solve(d)

    found = minimise(log, value, state, weigh, log.point(value, state, state, state, nothing), iterations)
    if progress is not None:
        progress(0.0)
    linear = log.linearised(found.point)
    return solve(linear, functionals=functionals, threads=threads, progress=progress), found
