"""What any part of a window's observations tells: exact, from the system that was solved, without solving it again.

K of a part of the rows is that part of K, and a total's posterior covariance knows no data, only who observed:
a^T Q a' - (H Q a)_p^T K_pp^-1 (H Q a')_p for a part p (Tarantola 2005, eq. 3.38).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg
import scipy.sparse
import xarray as xr

from benchmarks.evidence.worlds import Opened
from pipeline.grid import Grid
from pipeline.inversion import Problem, Rows, Solution, Totals, factorise, products, rows_of
from pipeline.inversion.totals import asked_totals
from pipeline.units import SECONDS_PER_HOUR, species, tonnes_per_flux_unit

#: sum of the sectors
NET = "net"


@dataclass(frozen=True, eq=False)
class Told:
    """What a part of the observations says of totals.

    Parameters
    ----------
    mean : (sector, day, region)
        Posterior mean, kt.
    covariance : (sector, day, region, sector, day, region)
        kt2.
    """

    mean: np.ndarray
    covariance: np.ndarray

    def over(self, days: np.ndarray, sector: int | None) -> tuple[np.ndarray, np.ndarray]:
        """Return (mean, sigma) of every region's total of a sector, or the net, over some days, kt: (region,) each.

        Parameters
        ----------
        days : (day,) bool
            Those that are summed.
        sector
            Its place; None for the sum.
        """
        chosen = slice(None) if sector is None else slice(sector, sector + 1)
        mean = self.mean[chosen][:, days].sum(axis=(0, 1))
        part = self.covariance[chosen][:, days][:, :, :, chosen][:, :, :, :, days]
        variance = np.einsum("adrber->r", part)
        return mean, np.sqrt(np.clip(variance, 0, None))


class Parts:
    """A solved world, ready to be asked about parts of its rows.

    Parameters
    ----------
    opened
        The world.
    levels
        Of the regions whose totals are asked for.
    """

    def __init__(self, opened: Opened, levels: tuple[str, ...] = ("province", "city")) -> None:
        self.opened, self.problem = opened, opened.solution.problem
        posterior = opened.posterior
        level = posterior["region_level"].values.astype(str)
        self.at = np.flatnonzero(np.isin(level, levels))
        self.level = level[self.at]
        self.names = [str(posterior["region_name_en"].values[one]) for one in self.at]
        self.sectors = [str(one) for one in posterior["sector"].values]
        self.weights = _weights(posterior, self.at)
        self.day = _day_masks(posterior["time"].values, opened.time)
        functionals = functionals_of(self.weights, self.day, self.problem)
        self.projected = projected(self.problem, functionals)
        self.prior = asked_totals(replace(opened.solution, totals=self.projected), functionals)
        self.system = system_of(opened.solution)

    def told(self, rows: np.ndarray) -> Told:
        """Return what some rows, (k,) places in ascending order, say of every total."""
        innovation = self.opened.solution.innovation
        return self._shaped(*conditioned(self.system, self.projected, innovation, self.prior, rows))

    def signal(self, rows: np.ndarray) -> np.ndarray:
        """Return the degrees of freedom for signal of the fluxes, by row, of an inversion of some rows alone."""
        factor = factorise(np.ascontiguousarray(self.system[np.ix_(rows, rows)]))
        return signal_by_row(self.problem, rows, factor.inverse())

    def truth(self) -> np.ndarray:
        """Return the true totals, kt: (sector, day, region)."""
        with xr.open_dataset(self.opened.truth) as known:
            flux = known["flux"].sel(sector=self.sectors, time=self.opened.posterior["time"].values)
            flat = flux.transpose("sector", "time", "y", "x").values.astype(np.float64)
        flat = flat.reshape(*flat.shape[:2], -1)
        return 1e-3 * np.stack([self.day.astype(float) @ (self.weights @ one.T).T for one in flat])

    def _shaped(self, mean: np.ndarray, covariance: np.ndarray) -> Told:
        shape = (len(self.sectors), self.day.shape[0], len(self.names))
        return Told(1e-3 * mean.reshape(shape), 1e-6 * covariance.reshape(shape * 2))


def conditioned(
    system: np.ndarray, projected: np.ndarray, innovation: np.ndarray, prior: Totals, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and covariance of totals after some rows alone, shaped as in `Totals`.

    Parameters
    ----------
    system : (m, m)
        K of all rows.
    projected : (m, sector, functional)
        H Q a^T.
    innovation : (m,)
        Observed minus prior.
    prior
        Whose prior is used.
    rows : (k,)
        Places, ascending; none gives the prior.
    """
    if rows.size == 0:
        return prior.prior_mean, prior.prior_covariance
    factor = factorise(np.ascontiguousarray(system[np.ix_(rows, rows)]))
    seen = projected[rows].reshape(rows.size, -1)
    half = factor.half(seen)
    increment = (seen.T @ factor.solve(innovation[rows])).reshape(prior.prior_mean.shape)
    explained = (half.T @ half).reshape(prior.prior_covariance.shape)
    return prior.prior_mean + increment, prior.prior_covariance - explained


def system_of(solution: Solution) -> np.ndarray:
    """Return K = L L^T, whole, (m, m)."""
    lower = np.tril(solution.factor.lower)
    upper = scipy.linalg.blas.dsyrk(1.0, lower.T, trans=1, lower=0)
    out = np.asarray(upper.T)
    return out + np.tril(out, -1).T


def signal_by_row(problem: Problem, rows: np.ndarray, inverse: np.ndarray) -> np.ndarray:
    """Return the diagonal of H Q H^T K^-1 for an inversion of some rows, (k,): its sum is their degrees of freedom.

    H Q H^T K^-1 = 1 - (B + S + R) K^-1 (Rodgers 2000, eq. 2.56). A row's share may be negative where it shares an
    error with others.

    Parameters
    ----------
    problem
        All rows.
    rows : (k,)
        Those that were solved, ascending.
    inverse : (k, k)
        K^-1 of these, lower triangle.
    """
    share = 1.0 - problem.variance[rows] * np.diagonal(inverse)
    for error in problem.errors:
        for left, right, tile in error.take(rows).tiles():
            pairs = np.where(right[None, :] <= left[:, None], tile * inverse[np.ix_(left, right)], 0.0)
            share[left] -= pairs.sum(axis=1)
            # a pair below the diagonal stands for both halves
            share[right] -= np.where(right[None, :] < left[:, None], pairs, 0.0).sum(axis=0)
    return share


def projected(problem: Problem, functionals: Rows) -> np.ndarray:
    """Return H Q a^T of every sector, (m, sector, functional) float64."""
    out = np.zeros((problem.value.size, len(problem.covariances), functionals.count))
    for k, covariance in enumerate(problem.covariances):

        def put(rows: np.ndarray, block: np.ndarray, k: int = k) -> None:
            out[:, k, rows] = block

        products(functionals.scaled(covariance.sigma), problem.sector_rows(k), covariance, put)
    return out


def functionals_of(weights: scipy.sparse.csr_array, days: np.ndarray, problem: Problem) -> Rows:
    """Return one row a day and region, days first: its total of the day."""
    dtype = problem.covariances[0].dtype
    blocks = [scipy.sparse.kron(day.astype(dtype), weights.astype(dtype), format="csr") for day in days]
    return rows_of(scipy.sparse.csr_array(scipy.sparse.vstack(blocks)), days.shape[1])


def _weights(posterior: xr.Dataset, at: np.ndarray) -> scipy.sparse.csr_array:
    """Return rows such that weights . flux is a region's total in one hour, t."""
    tonnes = tonnes_per_flux_unit(species(str(posterior.attrs["species"]))) * SECONDS_PER_HOUR
    area = Grid.from_dataset(posterior).area
    fraction = posterior["region_fraction"].values[at] * area * tonnes
    return scipy.sparse.csr_array(fraction.reshape(at.size, -1))


def _day_masks(time: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return the hours of each day with observations, (day, time) bool."""
    day = time.astype("datetime64[D]")
    return np.stack([day == one for one in np.unique(observed.astype("datetime64[D]"))])
