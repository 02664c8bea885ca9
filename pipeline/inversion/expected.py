"""What observations that are not there yet would tell of totals: posterior variance depends on no value.

Of a linear Gaussian problem the posterior covariance is a function of H, Q and the errors alone (Tarantola 2005, eq.
3.38; Rodgers 2000, eq. 2.27), so that a network is judged before it stands (Rayner et al. 1996, Tellus B 48, 433). With
0 the network's observations and c the candidates', K = H Q H^T + B + S + R, and p = H Q a^T of a total a:

    [K_00 K_0c]          K_00 = L L^T,   W = L^-1 K_0c
    [K_c0 K_cc] = K      S = K_cc - W^T W           covariance of the candidates' observations, given the network's
                         g = p_c - W^T L^-1 p_0     their covariance with the total, given the network's
    Var(a f | 0)    = a Q a^T - |L^-1 p_0|^2
    Var(a f | 0, j) = Var(a f | 0) - g_j^T S_jj^-1 g_j

for the observations j of one candidate: the Schur complement of K_00 in the bordered system (Golub and Van Loan 2013,
sect. 3.2). Errors that observations share (background, offsets) are in K and so in S. Once j is chosen it belongs to
the network, and the rest follow by one more block of the same elimination:

    S <- S - S_.j S_jj^-1 S_j.,   g <- g - S_.j S_jj^-1 g_j

Choosing the best one, then the best beside it, is incremental optimisation (Patra and Maksyutov 2002, Geophys. Res.
Lett. 29, 1458; with backward particles Ziehn et al. 2014, Atmos. Chem. Phys. 14, 9363).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg

from pipeline.errors import SolverError
from pipeline.inversion.cross import products
from pipeline.inversion.factor import factorise
from pipeline.inversion.problem import Problem
from pipeline.inversion.rows import Rows
from pipeline.inversion.solve import Told, signal


@dataclass(frozen=True, eq=False)
class Expected:
    """Totals and candidates' observations, given a network.

    Parameters
    ----------
    prior : (functional,)
        a Q a^T.
    variance : (functional,)
        Given the network's observations.
    system : (c, c)
        S, symmetric.
    totals : (c, functional)
        g.
    """

    prior: np.ndarray
    variance: np.ndarray
    system: np.ndarray
    totals: np.ndarray

    def reduction(self, rows: np.ndarray) -> np.ndarray:
        """Return by how much some observations together lower each total's variance, (functional,), never negative.

        Raises
        ------
        SolverError
            When their covariance is not positive definite.
        """
        if not rows.size:
            return np.zeros_like(self.variance)
        half: np.ndarray = scipy.linalg.solve_triangular(self._lower(rows), self.totals[rows], lower=True)
        return np.sum(half**2, axis=0)

    def given(self, rows: np.ndarray) -> Expected:
        """Return the same with some observations in the network; what is left of them afterwards means nothing.

        Raises
        ------
        SolverError
            As `reduction`.
        """
        if not rows.size:
            return self
        lower = self._lower(rows)
        across = scipy.linalg.solve_triangular(lower, self.system[rows], lower=True)
        half = scipy.linalg.solve_triangular(lower, self.totals[rows], lower=True)
        return replace(
            self,
            variance=self.variance - np.sum(half**2, axis=0),
            system=self.system - across.T @ across,
            totals=self.totals - across.T @ half,
        )

    def _lower(self, rows: np.ndarray) -> np.ndarray:
        try:
            return np.asarray(scipy.linalg.cholesky(self.system[np.ix_(rows, rows)], lower=True))
        except scipy.linalg.LinAlgError as error:
            raise SolverError(
                "the covariance of a candidate's observations must be positive definite",
                got=str(error),
                remedy="raise the smallest observation errors of its class",
                where="design",
            ) from error


def expected(
    problem: Problem,
    network: int,
    functionals: Rows,
    *,
    sectors: Sequence[int],
    threads: int = 0,
    progress: Told | None = None,
) -> Expected:
    """Return totals and candidates' observations, given the network.

    Parameters
    ----------
    problem
        The network's observations, then the candidates'; values and background count for nothing.
    network
        How many are the network's; there may be none.
    functionals
        Totals a, rows over (hour, cell).
    sectors
        Whose fluxes a total adds up.
    threads
        Blocks of K made at once; 0 for all cores.
    progress
        Called with the share of K that is done.

    Raises
    ------
    SolverError
        When K of the network is not positive definite or its condition number exceeds 1e12.
    """
    chosen = list(sectors)
    made = signal(problem, functionals=functionals, threads=threads, progress=progress)
    system, totals = made.system, made.totals[:, chosen].sum(axis=1, dtype=np.float64)
    for error in problem.errors:
        error.add_to(system)
    system[np.diag_indices_from(system)] += problem.variance
    prior = np.sum([_prior_variance(problem, k, functionals, threads) for k in chosen], axis=0)
    rest = np.tril(system[network:, network:])
    rest += np.tril(rest, -1).T
    if not network:
        return Expected(prior, prior, rest, totals)
    across = system[network:, :network].T.copy()
    own = system[:network, :network].copy()
    # the two large matrices need not stand beside the factor
    del system, made
    factor = factorise(own)
    half = factor.half(totals[:network])
    across = factor.half(across)
    rest -= across.T @ across
    return Expected(prior, prior - np.sum(half**2, axis=0), rest, totals[network:] - across.T @ half)


def _prior_variance(problem: Problem, sector: int, functionals: Rows, threads: int) -> np.ndarray:
    """Return a Q a^T of one sector, (functional,)."""
    covariance, out = problem.covariances[sector], np.zeros(functionals.count)
    scaled = functionals.scaled(covariance.sigma)

    def put(rows: np.ndarray, block: np.ndarray) -> None:
        out[rows] = block[rows, np.arange(rows.size)]

    products(scaled, scaled, covariance, put, threads=threads)
    return out
