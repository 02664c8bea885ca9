"""Reference problems of the inversion with frozen seeds: A, B, C (and one tiny for the tests), exported as plain npz.

Plumes stand in for footprints: every past hour a Gaussian patch upwind, wider and weaker as it grows older, cut at
three standard deviations; about 6 000 entries an observation at the size of C, as our own footprints at 3 km have.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse

from pipeline.grid import Grid
from pipeline.inversion import CorrelatedError, Covariance, Problem, Span, sector_covariance

#: hours a plume reaches back, and observations in 48 whose sensor has an offset of its own
BACK = 24


@dataclass(frozen=True)
class Shape:
    """Size of a problem; hours include the BACK hours before the first observation's when there are as many."""

    ny: int
    nx: int
    hours: int
    sectors: int
    observations: int
    precision: str

    @property
    def back(self) -> int:
        """Hours before the first observation."""
        return min(BACK, self.hours // 2)


SHAPES = {
    "tiny": Shape(6, 7, 10, 2, 24, "float64"),
    "A": Shape(20, 20, 24, 1, 500, "float64"),
    "B": Shape(50, 50, 48, 1, 2000, "float32"),
    "C": Shape(170, 177, 96, 2, 8000, "float32"),
}
#: of each sector: e-folding km and hours, sigma of one cell's hour, umol m-2 s-1
_SECTORS = ((20.0, 48.0, 4.0), (150.0, 8.0, 3.0))


def make_problem(shape: Shape, seed: int = 2) -> Problem:
    """Return the problem of a size; the seed freezes it.

    Values are drawn from the problem's own statistics, so that its reduced chi2 is near 1.
    """
    random = np.random.default_rng(seed)
    grid = Grid.from_centres("EPSG:32650", 3000.0 * np.arange(shape.nx), 3.2e6 + 3000.0 * np.arange(shape.ny))
    state = (shape.hours, shape.ny, shape.nx)
    kinds = _SECTORS[: shape.sectors]
    covariances = tuple(_covariance(random, grid, state, shape.precision, *kind) for kind in kinds)
    m = shape.observations
    # whole networks hour by hour, as many stations as it takes
    observed = shape.hours - shape.back
    stations = -(-m // observed)
    hour = shape.back + np.arange(m) // stations
    station = np.arange(m) % stations
    footprint = _plumes(random, shape, hour, station, stations)
    cheap = station >= stations // 3
    errors = (
        CorrelatedError("background", np.full(m, 0.8), hour.astype(float), np.zeros(m, int), 8.0),
        CorrelatedError("offset", np.where(cheap, 3.0, 0.0), hour.astype(float), station, 240.0),
    )
    variance = np.where(cheap, 16.0, 4.0)
    prior = random.normal(2.0, 1.0, (shape.sectors, *state)).astype(shape.precision)
    span = Span(hour - shape.back, hour)
    bare = Problem(np.zeros(m), variance, np.full(m, 420.0), errors, footprint, prior, covariances, span=span)
    truth = prior + np.stack([c.draw(random) for c in covariances])
    noise = np.sqrt(variance) * random.standard_normal(m) + sum(e.draw(random) for e in errors)
    value = bare.background + bare.project(truth) + noise
    return Problem(value, variance, bare.background, errors, footprint, prior, covariances, span=span)


def _covariance(
    random: np.random.Generator, grid: Grid, state: tuple[int, int, int], precision: str, length: float, hours: float,
    sigma: float,
) -> Covariance:  # fmt: skip
    field = sigma * random.lognormal(0.0, 0.7, state[1:]) * (1.0 + 0.5 * np.cos(np.arange(state[0]) / 4))[:, None, None]
    return sector_covariance(field.astype(precision), grid, length=length, hours=hours)


def _plumes(
    random: np.random.Generator, shape: Shape, hour: np.ndarray, station: np.ndarray, stations: int
) -> scipy.sparse.csr_array:
    """Return H: a patch an hour, along a wind that turns with time."""
    where = random.uniform(0.15, 0.85, (stations, 2)) * (shape.ny, shape.nx)
    cells = shape.ny * shape.nx
    # smaller plumes on smaller grids
    scale = min(1.0, shape.nx / 100.0)
    angle = np.cumsum(random.normal(0.0, 0.25, shape.hours))
    indptr, indices, data = [0], [], []
    for t, s in zip(hour.tolist(), station.tolist(), strict=True):
        y, x = where[s]
        found = []
        for lag in range(shape.back + 1):
            spread = scale * (1.0 + 0.22 * lag)
            reach = int(3 * spread)
            rows = np.arange(max(0, int(y) - reach), min(shape.ny, int(y) + reach + 1))
            columns = np.arange(max(0, int(x) - reach), min(shape.nx, int(x) + reach + 1))
            if rows.size and columns.size:
                patch = np.exp(-0.5 * ((rows[:, None] - y) ** 2 + (columns[None, :] - x) ** 2) / spread**2)
                kept = patch > 0.011
                cell = (rows[:, None] * shape.nx + columns[None, :])[kept]
                found.append(
                    (
                        ((t - lag) * cells + cell).astype(np.int32),
                        (0.3 / spread**2 * np.exp(-lag / 15) * patch[kept]).astype(shape.precision),
                    )
                )
            y -= 3.5 * scale * np.sin(angle[t - lag])
            x -= 3.5 * scale * np.cos(angle[t - lag])
        # the oldest hour first: indices in order
        indices += [part[0] for part in found[::-1]]
        data += [part[1] for part in found[::-1]]
        indptr.append(indptr[-1] + sum(part[0].size for part in found))
    arrays = (np.concatenate(data), np.concatenate(indices), np.array(indptr))
    return scipy.sparse.csr_array(arrays, shape=(hour.size, shape.hours * cells))


def export(problem: Problem, path: Path) -> None:
    """Write a problem as plain arrays, so that other codes can be run on it.

    y, R (diagonal), b; H as data, indices, indptr and shape; prior and sigma (sector, time, y, x); the correlations as
    dense matrices per axis for each sector k: T_k, Y_k, X_k; shared errors as sigma, hours, group, e_folding each.
    """
    arrays: dict[str, np.ndarray] = {
        "y": problem.value,
        "R": problem.variance,
        "b": problem.background,
        "prior": problem.prior,
        "sigma": np.stack([c.sigma for c in problem.covariances]),
        **{f"H_{name}": getattr(problem.footprint, name) for name in ("data", "indices", "indptr")},
        "H_shape": np.array(problem.footprint.shape),
    }
    for k, covariance in enumerate(problem.covariances):
        arrays[f"T_{k}"] = covariance.temporal.matrix
        for name, axis in (("Y", 0), ("X", 1)):
            arrays[f"{name}_{k}"] = covariance.spatial.axis_matrix(axis)
    for error in problem.errors:
        for name in ("sigma", "hours", "group", "e_folding"):
            arrays[f"{error.name}_{name}"] = np.asarray(getattr(error, name))
    np.savez_compressed(path, **arrays)
