"""Totals with exact uncertainty: mean a^T f^, covariance a^T Q a' - (L^-1 H Q a)^T (L^-1 H Q a') (Tarantola 2005).

Regional totals are asked for hour by hour, and for periods of whole hours. H Q a^T of every region and hour comes out
of the making of K (`solve.signal`), since each block's maps stand there anyway; that of a period is a sum of hours.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import scipy.sparse

from kernels import lanes
from kernels.jit import cores
from pipeline.inversion.covariance import Covariance
from pipeline.inversion.cross import products
from pipeline.inversion.rows import Rows, rows_of
from pipeline.inversion.solve import Solution

#: hours whose totals go through the factor at once
_HOURS = 8


@dataclass(frozen=True, eq=False)
class Totals:
    """Linear functionals of each sector's flux.

    Shapes: mean (sector, functional); covariance (sector, functional, sector, functional); units are the weights'
    unit times the flux unit.
    """

    prior_mean: np.ndarray
    prior_covariance: np.ndarray
    posterior_mean: np.ndarray
    posterior_covariance: np.ndarray


@dataclass(frozen=True, eq=False)
class HourlyTotals:
    """Totals of every region in every hour; the covariance is that between regions and sectors within an hour.

    Shapes: mean (sector, region, time); covariance (time, sector, region, sector, region).
    """

    prior_mean: np.ndarray
    prior_covariance: np.ndarray
    posterior_mean: np.ndarray
    posterior_covariance: np.ndarray


def hourly_functionals(
    weights: scipy.sparse.csr_array, hours: int, dtype: np.dtype, *, only: np.ndarray | None = None
) -> Rows:
    """Return one row per hour and region, hours first: the total of that region in that hour.

    Parameters
    ----------
    weights : csr_array (region, cell)
        Such that weights . flux is a region's total in one hour.
    hours
        Hours of the window.
    dtype
        Precision of the covariances.
    only
        Hours of the window that are wanted, ascending; all when not given.
    """
    wanted = np.eye(hours, dtype=bool) if only is None else np.eye(hours, dtype=bool)[only]
    return rows_of(_by_hour(weights.astype(dtype), wanted), hours)


def totals(solution: Solution, functionals: Rows, *, threads: int = 0) -> Totals:
    """Return exact means and covariances of a^T f for every sector and any functionals.

    Parameters
    ----------
    solution
        The solved window.
    functionals
        Rows a over (hour, cell), in the covariances' precision.
    threads
        Blocks at once; 0 for all cores.
    """
    problem, count = solution.problem, functionals.count
    projected = np.zeros((problem.value.size, len(problem.covariances), count))
    for k, covariance in enumerate(problem.covariances):

        def put(rows: np.ndarray, block: np.ndarray, k: int = k) -> None:
            projected[:, k, rows] = block

        scaled = functionals.scaled(covariance.sigma)
        products(scaled, problem.sector_rows(k), covariance, put, threads=threads)
    prior_covariance = _prior_covariance(problem.covariances, functionals, threads)
    prior_mean = np.stack([_product(functionals, flux) for flux in problem.prior])
    return _conditioned(solution, projected, prior_mean, prior_covariance)


def asked_totals(solution: Solution, functionals: Rows, *, threads: int = 0) -> Totals:
    """Return what `totals` returns, of the functionals that the solution was made with.

    Parameters
    ----------
    solution
        Solved with `functionals`.
    functionals
        Rows a over (hour, cell).
    threads
        Blocks at once; 0 for all cores.
    """
    problem = solution.problem
    prior_mean = np.stack([_product(functionals, flux) for flux in problem.prior])
    prior_covariance = _prior_covariance(problem.covariances, functionals, threads)
    return _conditioned(solution, solution.totals.astype(np.float64), prior_mean, prior_covariance)


def period_totals(
    solution: Solution, weights: scipy.sparse.csr_array, hours: np.ndarray, *, threads: int = 0
) -> Totals:
    """Return exact totals of every region over periods that do not overlap; functionals are period by period.

    Parameters
    ----------
    solution
        Solved with `hourly_functionals` of the same weights.
    weights : csr_array (region, cell)
        As there.
    hours : (period, time) bool
        The hours of each period.
    threads
        Blocks at once; 0 for all cores.
    """
    problem = solution.problem
    m, sectors, regions = problem.value.size, len(problem.covariances), weights.shape[0]
    by_hour = solution.totals.reshape(m, sectors, -1, regions)
    projected = np.stack([by_hour[:, :, mask].sum(axis=2, dtype=np.float64) for mask in hours], axis=2)
    rows = rows_of(_by_hour(weights.astype(problem.covariances[0].dtype), hours), hours.shape[1])
    flat = problem.prior.reshape(sectors, hours.shape[1], -1)
    prior_mean = np.stack([hours.astype(float) @ (weights @ flux.T).T for flux in flat])
    prior_covariance = _prior_covariance(problem.covariances, rows, threads)
    return _conditioned(solution, projected.reshape(m, sectors, -1), prior_mean.reshape(sectors, -1), prior_covariance)


def combined(found: Totals, groups: np.ndarray, regions: int) -> Totals:
    """Return the totals of unions of periods.

    Parameters
    ----------
    found
        Of `period_totals`.
    groups : (union, period) bool
        The periods of each union.
    regions
        Number of regions.
    """
    sectors, periods = found.prior_mean.shape[0], groups.shape[1]
    union = groups.astype(float)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.einsum("up,spr->sur", union, values.reshape(sectors, periods, regions)).reshape(sectors, -1)

    def covariance(values: np.ndarray) -> np.ndarray:
        split = values.reshape(sectors, periods, regions, sectors, periods, regions)
        joined = np.einsum("up,sprtqo,vq->surtvo", union, split, union, optimize=True)
        return joined.reshape(sectors, -1, sectors, groups.shape[0] * regions)

    return Totals(
        mean(found.prior_mean),
        covariance(found.prior_covariance),
        mean(found.posterior_mean),
        covariance(found.posterior_covariance),
    )


def hourly_totals(solution: Solution, weights: scipy.sparse.csr_array, *, threads: int = 0) -> HourlyTotals:
    """Return exact totals of every region and hour, in the precision of the covariances.

    Parameters
    ----------
    solution
        Solved with `hourly_functionals` of the same weights.
    weights : csr_array (region, cell)
        As there.
    threads
        Blocks at once; 0 for all cores.
    """
    problem = solution.problem
    sectors, hours = problem.prior.shape[:2]
    regions = weights.shape[0]
    flat = problem.prior.reshape(sectors, hours, -1)
    prior_covariance = np.zeros((hours, sectors, regions, sectors, regions), solution.totals.dtype)
    rows = hourly_functionals(weights, hours, problem.prior.dtype)
    for k, covariance in enumerate(problem.covariances):
        prior_covariance[:, k, :, k] = _same_hour(covariance, rows, regions, threads)
    posterior_covariance = prior_covariance.copy()
    # a few hours at a time: what L^-1 makes of all of them would be as large as the totals themselves
    lower = solution.factor.cast(solution.totals.dtype)
    for t in range(0, hours, _HOURS):
        mine = solution.totals[:, :, t * regions : (t + _HOURS) * regions]
        reduced = lower.half(mine.reshape(problem.value.size, -1)).reshape(problem.value.size, sectors, -1, regions)
        for at in range(reduced.shape[2]):
            one = np.ascontiguousarray(reduced[:, :, at]).reshape(problem.value.size, -1)
            posterior_covariance[t + at] -= (one.T @ one).reshape(sectors, regions, sectors, regions)
    return HourlyTotals(
        np.stack([weights @ flux.T for flux in flat]),
        prior_covariance,
        np.stack([weights @ flux.T for flux in solution.flux.reshape(flat.shape)]),
        posterior_covariance,
    )


def averaging_kernel(
    solution: Solution,
    weights: scipy.sparse.csr_array,
    fractions: scipy.sparse.csr_array,
    hours: np.ndarray,
    *,
    threads: int = 0,
) -> np.ndarray:
    """Return how the totals of a period answer to the truth: A = a^T Q H^T K^-1 H p, (sector, region, sector, region).

    A[k, r, l, q] is the change of the estimated total of sector k and region r when the true total of sector l and
    region q is larger by one, spread over the region's cells and hours like the prior's sigma (Rodgers 2000, eq. 3.4).

    Parameters
    ----------
    solution
        Solved with `hourly_functionals` of the same weights.
    weights : csr_array (region, cell)
        As there.
    fractions : csr_array (region, cell)
        Share of each cell inside the region.
    hours : (time,) bool
        The period.
    threads
        Regions worked on at once, `LANES` each; 0 for all cores.
    """
    problem = solution.problem
    m, sectors, regions = problem.value.size, len(problem.covariances), weights.shape[0]
    asked = solution.totals.reshape(m, sectors, -1, regions)[:, :, hours].sum(axis=2, dtype=np.float64)
    seen = np.stack([_seen(solution, k, weights, fractions, hours, threads) for k in range(sectors)], axis=1)
    kernel = asked.reshape(m, -1).T @ solution.factor.solve(seen.reshape(m, -1))
    return np.asarray(kernel).reshape(sectors, regions, sectors, regions)


def _seen(
    solution: Solution,
    k: int,
    weights: scipy.sparse.csr_array,
    fractions: scipy.sparse.csr_array,
    hours: np.ndarray,
    threads: int,
) -> np.ndarray:
    """Return H p of each region, (m, region): p is a total of one of sector k, shaped like sigma within the period."""
    problem, regions = solution.problem, weights.shape[0]
    sigma = np.where(hours[:, None, None], problem.covariances[k].sigma, 0)
    rows = problem.rows.scaled(sigma, None if problem.share is None else problem.share[k])
    seen = np.zeros((problem.value.size, regions))

    def run(first: int) -> None:
        some = fractions[first : first + lanes.LANES].toarray()
        maps, out = np.zeros((rows.cells, lanes.LANES), sigma.dtype), np.zeros((rows.count, lanes.LANES))
        maps[:, : some.shape[0]] = some.T
        lanes.gather(maps, out, np.arange(rows.row.size), rows.row, rows.start, rows.cell, rows.value, 1.0)
        seen[:, first : first + some.shape[0]] = out[:, : some.shape[0]]

    with ThreadPoolExecutor(threads or cores()) as pool:
        list(pool.map(run, range(0, regions, lanes.LANES)))
    total = weights @ sigma.reshape(sigma.shape[0], -1).sum(axis=0, dtype=np.float64)
    return seen * np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)


def _conditioned(
    solution: Solution, projected: np.ndarray, prior_mean: np.ndarray, prior_covariance: np.ndarray
) -> Totals:
    """Return prior and posterior of functionals from H Q a^T : (m, sector, functional)."""
    flat = projected.reshape(projected.shape[0], -1)
    reduced = solution.factor.half(flat)
    explained = (reduced.T @ reduced).reshape(prior_covariance.shape)
    increment = (flat.T @ solution.weights).reshape(prior_mean.shape)
    return Totals(prior_mean, prior_covariance, prior_mean + increment, prior_covariance - explained)


def _prior_covariance(covariances: tuple[Covariance, ...], functionals: Rows, threads: int) -> np.ndarray:
    """Return a^T Q a' of every sector, (sector, functional, sector, functional); nothing between sectors."""
    count = functionals.count
    out = np.zeros((len(covariances), count, len(covariances), count))
    for k, covariance in enumerate(covariances):

        def put(rows: np.ndarray, block: np.ndarray, k: int = k) -> None:
            out[k, rows, k] = block.T

        scaled = functionals.scaled(covariance.sigma)
        products(scaled, scaled, covariance, put, threads=threads)
        # each pair is computed from both sides: equal but for rounding
        out[k, :, k] = 0.5 * (out[k, :, k] + out[k, :, k].T)
    return out


def _same_hour(covariance: Covariance, rows: Rows, regions: int, threads: int) -> np.ndarray:
    """Return a^T Q a' between the regions of each hour, (time, region, region), of `hourly_functionals`."""
    out = np.zeros((rows.hours, regions, regions), covariance.dtype)

    def put(block: np.ndarray, product: np.ndarray) -> None:
        for row, column in zip(block.tolist(), product.T, strict=True):
            hour, region = divmod(row, regions)
            out[hour, region] = column[hour * regions : (hour + 1) * regions]

    scaled = rows.scaled(covariance.sigma)
    products(scaled, scaled, covariance, put, beyond=False, threads=threads)
    return np.asarray(0.5 * (out + out.transpose(0, 2, 1)))


def _by_hour(weights: scipy.sparse.csr_array, hours: np.ndarray) -> scipy.sparse.csr_array:
    """Return the region rows over the hours of each period, (period * region, time * cell), periods first."""
    return scipy.sparse.csr_array(
        scipy.sparse.vstack([scipy.sparse.kron(mask.astype(weights.dtype), weights, format="csr") for mask in hours])
    )


def _product(functionals: Rows, flux: np.ndarray) -> np.ndarray:
    """Return a^T f of each functional, float64."""
    entries = np.repeat(np.arange(functionals.row.size), np.diff(functionals.start))
    values = flux.reshape(functionals.hours, -1)[functionals.hour[entries], functionals.cell]
    return np.bincount(
        functionals.row[entries], functionals.value.astype(np.float64) * values, minlength=functionals.count
    )
