"""Members of the posterior of a problem with log-normal sectors: a Hamiltonian chain about the linear solution.

The posterior of the state s is a Gaussian, that of the linear solution N(s^, P), times exp(-Phi), with

    2 Phi = r^T E^-1 r - l^T E^-1 l,   r = y - b - h(s),   l = r linearised about s^,   E = B + S + R

A trajectory turns (s - s^, v), v ~ N(0, P), by an angle, which is exact for the Gaussian, and kicks v by -P grad Phi
in between; it is accepted by its error of energy (Beskos et al. 2011, Stoch. Proc. Appl. 121, 2201). So the chain
samples the posterior itself, whatever the number of unknowns, and takes no K but the one there is; where Phi = 0 each
step is exact. It turns by more than a right angle: members are then anticorrelated, and their mean is nearer to the
posterior's than that of as many independent ones (of 3 times as many in the Gaussian case, correlation -1/2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.inversion.factor import Factor, factorise
from pipeline.inversion.lognormal import LogProblem
from pipeline.inversion.solve import Solution

#: angles of a trajectory, rad: 120 degrees on average; drawn, so that no period of the chain meets one of the problem
_ANGLES = (np.pi / 2, 5 * np.pi / 6)
#: trajectories before the first member; the number of steps is fitted in them
_WARM = 20
#: steps of a trajectory: at first, at least, at most
_STEPS, _FEWEST, _MOST = 8, 3, 100
#: error of energy at which a trajectory is given up: it would be accepted once in e^50 times
_LOST = 50.0
#: share of trajectories that should be accepted
_WANTED = 0.85


@dataclass(frozen=True, eq=False)
class Member:
    """One member, and a draw of the prior beside it.

    Parameters
    ----------
    flux, prior : (sector, time, y, x)
        Of the posterior and of the prior.
    weights : (m,)
        E^-1 (y - b - H f): what the shared errors are estimated with, C w.
    accepted
        Whether its trajectory was accepted; if not, the member is the one before.
    """

    flux: np.ndarray
    prior: np.ndarray
    weights: np.ndarray
    accepted: bool


@dataclass(frozen=True, eq=False)
class _State:
    """Where the chain is: s - s^, flux, E^-1 r, Phi, its gradient and P times that."""

    offset: np.ndarray
    flux: np.ndarray
    weights: np.ndarray
    potential: float
    gradient: np.ndarray
    force: np.ndarray


class Chain:
    """The chain of one window.

    Parameters
    ----------
    log
        The window.
    solution
        Of `solve_log`.
    about : (sector, time, y, x)
        The flux it was linearised about.
    seed
        Of all that is drawn.
    """

    def __init__(self, log: LogProblem, solution: Solution, about: np.ndarray, seed: int) -> None:
        self.log, self.solution = log, solution
        self.random = np.random.default_rng(seed)
        self.steps = _STEPS
        self._tangent = log.tangent(about)
        self._errors = _errors(log)
        self._mean = log.centre + log.move(self._tangent, solution.weights)[1]
        self._linear = log.problem.variance * solution.weights + log.shared(solution.weights)

    def members(self, count: int) -> Iterator[Member]:
        """Yield the members, in the chain's order."""
        state, size = self._state(np.zeros_like(self._mean)), float(np.log(_STEPS))
        for number in range(_WARM):
            self.steps = round(np.exp(size))
            state, probability, _ = self._trajectory(state, self._drawn()[0])
            # Robbins and Monro (1951): smaller and smaller changes towards the wanted share
            size += 1.5 * (_WANTED - probability) / np.sqrt(1 + number)
            size = float(np.clip(size, np.log(_FEWEST), np.log(_MOST)))
        for _ in range(count):
            velocity, drawn = self._drawn()
            state, _, accepted = self._trajectory(state, velocity)
            yield Member(state.flux, self.log.flux(self.log.centre + drawn), state.weights, accepted)

    def _trajectory(self, state: _State, velocity: np.ndarray) -> tuple[_State, float, bool]:
        """Return where the chain is next, the probability of taking the trajectory's end, and whether it was."""
        angle = float(self.random.uniform(*_ANGLES)) / self.steps
        cosine, sine = float(np.cos(angle)), float(np.sin(angle))
        at, energy = state, 0.0
        with np.errstate(over="ignore", invalid="ignore"):  # of a trajectory that runs off: it is given up
            for _ in range(self.steps):
                energy += _kick(velocity, at, angle)
                offset = cosine * at.offset + sine * velocity
                velocity = cosine * velocity - sine * at.offset
                at = self._state(offset)
                energy += _kick(velocity, at, angle)
                if not energy + at.potential - state.potential < _LOST:
                    return state, 0.0, False
        energy += at.potential - state.potential
        probability = float(np.exp(min(0.0, -energy)))
        accepted = bool(self.random.random() < probability)
        return (at if accepted else state), probability, accepted

    def _state(self, offset: np.ndarray) -> _State:
        log, problem, tangent = self.log, self.log.problem, self._tangent
        flux = log.flux(self._mean + offset)
        residual = problem.value - problem.background - problem.project(flux)
        linear = self._linear - problem.project(tangent * offset)
        weights, plain = self._errors.solve(np.stack([residual, linear], axis=1)).T
        dual, moved = log.move(log.tangent(flux), weights)
        # P grad Phi = Q J^^T K^-1 (l + J^ p) - p with p = Q J^T E^-1 r: P Q^-1 and Woodbury's formula
        answer = self.solution.factor.solve(linear + problem.project(tangent * moved))
        force = log.move(tangent, answer)[1] - moved
        gradient = log.pull(tangent, plain) - dual
        potential = 0.5 * float(residual @ weights - linear @ plain)
        return _State(offset, flux, weights, potential, gradient, force)

    def _drawn(self) -> tuple[np.ndarray, np.ndarray]:
        """Return a draw of N(0, P), and the draw of N(0, Q) it was made of."""
        log, problem, random = self.log, self.log.problem, self.random
        prior = np.stack([c.draw(random) for c in problem.covariances])
        noise = np.sqrt(problem.variance) * random.standard_normal(problem.value.size)
        for error in problem.errors:
            noise += error.draw(random)
        weights = self.solution.factor.solve(problem.project(self._tangent * prior) + noise)
        return prior - log.move(self._tangent, weights)[1], prior


def _kick(velocity: np.ndarray, at: _State, angle: float) -> float:
    """Kick the velocity for half a step, in place; return the change of v^T P^-1 v / 2."""
    half = 0.5 * angle
    across = float(np.sum(velocity * at.gradient, dtype=np.float64))
    along = float(np.sum(at.gradient * at.force, dtype=np.float64))
    velocity -= velocity.dtype.type(half) * at.force
    return -half * across + 0.5 * half**2 * along


def _errors(log: LogProblem) -> Factor:
    """Return the factor of E."""
    system = np.diag(log.problem.variance)
    for error in log.problem.errors:
        error.add_to(system)
    return factorise(system)
