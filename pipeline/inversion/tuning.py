"""The error parameters under which a window's innovations are most likely, and how well it knows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.optimize

from pipeline.inversion.likelihood import Evaluation, Likelihood
from pipeline.inversion.restated import Parameter

#: a factor stays within 1 / LIMIT and LIMIT
LIMIT = 10.0
#: a parameter whose standard error is larger, as a share, is not determined; two that go together more closely are one
UNDETERMINED, TOGETHER = 0.5, 0.9
#: evaluations at most, and slope per standard error at which the search ends
_MOST, _FLAT = 60, 0.01

#: called with (evaluations so far, log l)
Told = Callable[[int, float], None]


@dataclass(frozen=True, eq=False)
class Tuned:
    """The maximum.

    Parameters
    ----------
    parameters
        What was sought.
    factor : (parameter,)
        On what the problem states.
    error : (parameter,)
        Standard error of log factor, from Fisher's information: 0.1 is 10 %; infinite when there is none.
    correlation : (parameter, parameter)
        Of the errors; 0 with a parameter at its bound.
    bound : (parameter,) bool
        Whether the factor stands at 1 / LIMIT or LIMIT.
    before, after
        The likelihood where the search began, and at the maximum.
    evaluations
        How often it was asked.
    converged
        Whether the search ended at a maximum.
    """

    parameters: tuple[Parameter, ...]
    factor: np.ndarray
    error: np.ndarray
    correlation: np.ndarray
    bound: np.ndarray
    before: Evaluation
    after: Evaluation
    evaluations: int
    converged: bool

    @property
    def determined(self) -> np.ndarray:
        """(parameter,) bool: whether the observations tell the parameter."""
        return ~self.bound & (self.error <= UNDETERMINED)

    def together(self) -> list[tuple[Parameter, Parameter, float]]:
        """Return pairs that the observations hardly tell apart, with the correlation of their errors."""
        rows, columns = np.nonzero(np.tril(np.abs(self.correlation), -1) > TOGETHER)
        return [
            (self.parameters[j], self.parameters[i], float(self.correlation[i, j]))
            for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
        ]


def tune(likelihood: Likelihood, *, progress: Told | None = None) -> Tuned:
    """Return the parameters of the largest likelihood: L-BFGS-B on logarithms within bounds.

    Steps are in units of the standard errors at the start, so that length and sigma are sought on equal terms.

    Parameters
    ----------
    likelihood
        Of what.
    progress
        Called after every evaluation.

    Raises
    ------
    SolverError
        When K of the problem as it stands cannot be used.
    """
    count = len(likelihood.parameters)
    before = likelihood.evaluate(np.zeros(count))
    scale = 1.0 / np.sqrt(np.maximum(np.diagonal(before.information()), 1.0))
    asked = 1

    def cost(step: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal asked
        found = likelihood.evaluate(step * scale)
        asked += 1
        if progress is not None:
            progress(asked, found.value)
        return -found.value, -found.gradient * scale

    edge = np.log(LIMIT)
    result = scipy.optimize.minimize(
        cost,
        np.zeros(count),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-edge / s, edge / s) for s in scale],
        options={"maxcor": 20, "gtol": _FLAT, "ftol": 1e-7, "maxfun": _MOST},
    )
    theta = result.x * scale
    after = likelihood.evaluate(theta)
    bound = np.abs(theta) > edge * (1 - 1e-9)
    error, correlation = _uncertainty(after.information(), ~bound)
    return Tuned(
        likelihood.parameters, np.exp(theta), error, correlation, bound, before, after, asked, bool(result.success)
    )


def _uncertainty(information: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return standard errors and their correlations; those of parameters that are not free are infinite and 0."""
    error = np.full(free.size, np.inf)
    correlation = np.eye(free.size)
    index = np.flatnonzero(free)
    if index.size:
        value, vector = np.linalg.eigh(information[np.ix_(index, index)])
        # a direction without information has an error without end, but the matrix must stay finite
        covariance = (vector / np.maximum(value, 1e-12 * max(float(value.max()), 1.0))) @ vector.T
        spread = np.sqrt(np.diagonal(covariance))
        error[index] = spread
        correlation[np.ix_(index, index)] = covariance / np.outer(spread, spread)
    return error, correlation
