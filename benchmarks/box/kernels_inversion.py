"""The kernels of the inversion and of quality control, each at the size the province gives them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.ndimage
import scipy.signal
import scipy.sparse

from benchmarks.box import plain
from benchmarks.box.case import Case
from benchmarks.problems import SHAPES, make_problem
from kernels import exponential, lanes, quality, sparse, tangent
from pipeline.inversion import Separable, signal, solve
from pipeline.inversion.factor import factorise


@dataclass(frozen=True)
class _Shape:
    ny: int
    nx: int
    hours: int
    rows: int
    entries: int
    observations: int
    samples: int
    problem: str


_SHAPES = {
    "full": _Shape(170, 177, 24, 256, 6000, 1500, 100_000, "A"),
    "tiny": _Shape(12, 14, 4, 32, 40, 60, 2000, "tiny"),
}


def cases(size: str) -> list[Case]:
    """Return the cases of a size."""
    shape = _SHAPES[size]
    return [*_recursions(shape), *_maps(shape), *_tangents(shape), *_rows(shape), *_whole(shape), *_quality(shape)]


def _recursions(shape: _Shape) -> list[Case]:
    """One axis of a covariance's root, against scipy's compiled recursive filter."""
    field = np.random.default_rng(1).standard_normal((1, shape.hours, shape.ny * shape.nx))
    a = float(np.exp(-0.2))
    gain = float(np.sqrt(1 - a * a))
    steps = np.full(shape.hours, a), np.full(shape.hours, gain)

    def filtered() -> object:
        return scipy.signal.lfilter([gain], [1.0, -a], field, axis=1)

    return [
        Case(f"exponential.{name}", "scipy.signal.lfilter", lambda run=run: run(field, *steps), filtered,  # type: ignore[misc]
             bytes=2 * field.nbytes)
        for name, run in (("forward", exponential.forward_serial), ("backward", exponential.backward_serial))
    ]  # fmt: skip


def _factor(length: int) -> tuple[np.ndarray, np.ndarray]:
    decay, gain = exponential.coefficients(np.full(length - 1, 0.15))
    return decay.astype(np.float32), gain.astype(np.float32)


def _maps(shape: _Shape) -> list[Case]:
    """Maps side by side, against the same maps one after the other."""
    random = np.random.default_rng(2)
    apart = random.standard_normal((lanes.LANES, shape.ny, shape.nx)).astype(np.float32)
    beside = np.ascontiguousarray(apart.transpose(1, 2, 0))
    x, y = _factor(shape.nx), _factor(shape.ny)
    count = shape.rows
    start = np.arange(count + 1, dtype=np.int64) * (shape.entries // shape.hours)
    length = shape.entries // shape.hours
    first = random.integers(0, shape.ny * shape.nx - 4 * length if shape.ny * shape.nx > 4 * length else 1, count)
    # a plume's cells of one hour lie near one another
    spread = np.sort(random.integers(0, min(4 * length, shape.ny * shape.nx), (count, length)), axis=1)
    cell = ((first[:, None] + spread) % (shape.ny * shape.nx)).ravel().astype(np.uint32)
    value = random.random(cell.size, np.float32)
    flat, out = beside.reshape(-1, lanes.LANES), np.zeros((count, lanes.LANES))
    every, hour = np.arange(count), np.zeros(count, np.int64)
    rows = np.arange(lanes.LANES)
    weight = np.ones(1, np.float32)
    matrix = scipy.sparse.csr_array((value, cell, start), shape=(count, flat.shape[0]))
    some = matrix[: lanes.LANES]
    twice = 2 * beside.nbytes
    return [
        Case("lanes.smooth_x", "map by map", lambda: lanes.smooth_x(beside, *x),
             lambda: plain.smooth_x(apart, *x), bytes=2 * twice),
        Case("lanes.smooth_y", "map by map", lambda: lanes.smooth_y(beside.reshape(shape.ny, -1), *y),
             lambda: plain.smooth_y(apart, *y), bytes=2 * twice),
        Case("lanes.scatter", "scipy.sparse, rows made dense",
             lambda: lanes.scatter(flat, rows, np.arange(count + 1), hour, start, cell, value, weight),
             lambda: np.ascontiguousarray(some.toarray().T)),
        Case("lanes.gather", "map by map",
             lambda: lanes.gather(flat, out, every, every, start, cell, value, 1.0),
             lambda: plain.gather(apart.reshape(lanes.LANES, -1), out, start, cell, value),
             bytes=cell.size * lanes.LANES * 4.0),
    ]  # fmt: skip


def _tangents(shape: _Shape) -> list[Case]:
    """A map and its tangent, side by side with others against one after the other."""
    random = np.random.default_rng(3)
    apart = random.standard_normal((2, lanes.LANES, shape.ny, shape.nx)).astype(np.float32)
    field, along = (np.ascontiguousarray(one.transpose(1, 2, 0)) for one in apart)
    x, y = (
        tangent.tangent_coefficients(np.full(length - 1, 0.15)).astype(np.float32) for length in (shape.nx, shape.ny)
    )
    rows = field.reshape(shape.ny, -1), along.reshape(shape.ny, -1)
    traffic = 8.0 * field.nbytes
    return [
        Case("tangent.smooth_x", "map by map", lambda: tangent.smooth_x(field, along, x),
             lambda: plain.tangent_x(*apart, x), bytes=traffic),
        Case("tangent.smooth_y", "map by map", lambda: tangent.smooth_y(*rows, y),
             lambda: plain.tangent_y(*apart, y), bytes=traffic),
    ]  # fmt: skip


def _rows(shape: _Shape) -> list[Case]:
    """Products of sparse rows with fields, against scipy.sparse."""
    random = np.random.default_rng(4)
    cells, length = shape.ny * shape.nx, shape.entries // shape.hours
    segments = shape.rows * shape.hours
    hour = np.tile(np.arange(shape.hours), shape.rows)
    row = np.repeat(np.arange(shape.rows), shape.hours)
    start = np.arange(segments + 1) * length
    cell = np.sort(random.integers(0, cells, (segments, length)), axis=1).ravel().astype(np.uint32)
    value = random.random(cell.size, np.float32)
    field = random.random((shape.hours, cells), np.float32)
    of_row = np.arange(shape.rows + 1) * shape.hours
    order = np.argsort(hour, kind="stable")
    first = np.arange(shape.hours + 1) * shape.rows
    weight, scaled = random.random(shape.rows), np.empty_like(value)
    out = np.zeros(shape.rows)
    index = (np.repeat(hour, length) * cells + cell).astype(np.int64)
    matrix = scipy.sparse.csr_array((value, index, start[:: shape.hours]), shape=(shape.rows, field.size))
    per_entry = np.repeat(weight, shape.hours * length)
    traffic = cell.nbytes + value.nbytes + 4.0 * cell.size
    return [
        Case("sparse.project", "scipy.sparse",
             lambda: sparse.project_serial(of_row, hour, start, cell, value, field, out),
             lambda: matrix @ field.ravel(), bytes=traffic),
        Case("sparse.spread", "scipy.sparse",
             lambda: sparse.spread_serial(order, first, row, start, cell, value, weight, field),
             lambda: matrix.T @ weight, bytes=traffic + 4.0 * cell.size),
        Case("sparse.scale", "numpy, entry by entry",
             lambda: sparse.scale_serial(row, hour, start, cell, value, field, weight, scaled),
             lambda: field.ravel()[index] * value * per_entry, bytes=traffic + scaled.nbytes),
    ]  # fmt: skip


def _whole(shape: _Shape) -> list[Case]:
    """What the kernels are put together for: Q f, the factor of K, a window."""
    problem = make_problem(SHAPES[shape.problem])
    covariance = problem.covariances[0]
    field = np.random.default_rng(5).standard_normal(covariance.shape)
    spatial = covariance.spatial
    assert isinstance(spatial, Separable)
    dense, flat = np.kron(spatial.axis_matrix(0), spatial.axis_matrix(1)), field[0].ravel()
    m = shape.observations
    half = np.random.default_rng(6).standard_normal((m, m))
    positive = half @ half.T + m * np.eye(m)
    found = np.tril(signal(problem).system)
    system = found + np.tril(found, -1).T + np.diag(problem.variance)

    return [
        # the dense matrix over all hours would be hours^2 as large
        Case("covariance times a field", "dense product", lambda: covariance.apply(field), lambda: dense @ flat,
             part=1.0 / covariance.shape[0] ** 2),
        Case("factor of K", "scipy.linalg.cholesky", lambda: factorise(positive.copy()),
             lambda: scipy.linalg.cholesky(positive, lower=True), flops=m**3 / 3),
        Case("inversion of a small window", "its Cholesky factorisation alone", lambda: solve(problem),
             lambda: scipy.linalg.cholesky(system, lower=True)),
    ]  # fmt: skip


def _quality(shape: _Shape) -> list[Case]:
    """Tests of one station's minutes, against every window looked at afresh."""
    random = np.random.default_rng(7)
    n, minute = shape.samples, 60_000_000_000
    value = 425.0 + np.cumsum(random.normal(0.0, 0.05, n)) + random.normal(0.0, 0.2, n)
    time = np.arange(n, dtype=np.int64) * minute
    lows, highs, flat = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, bool)
    order = np.empty(n)
    place, visit, sigma = np.arange(n, dtype=float), np.zeros(n, np.int64), np.full(n, 0.3)
    length, half = 60, 30
    return [
        Case("quality.flat_windows", "every window looked through",
             lambda: quality.flat_windows(time, value, length, 2 * length * minute, 0.01, lows, highs, flat),
             lambda: plain.flat_windows(value, length, 0.01, flat)),
        Case("quality.far_from_median", "every window sorted",
             lambda: quality.far_from_median(time, value, half * minute, 4.0, 0.1, order, flat),
             lambda: plain.far_from_median(value[: n // 20], half, 4.0, 0.1, flat), part=0.05),
        Case("quality.rises", "", lambda: quality.rises(place, visit, value, sigma, 3.0, 30.0, flat),
             bytes=4.0 * value.nbytes),
    ]  # fmt: skip
