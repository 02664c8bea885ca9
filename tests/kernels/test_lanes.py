"""Maps with lanes: each lane against plain loops over its own row, in both precisions."""

import numpy as np
import pytest
from sparse_rows import CELLS, HOURS, NX, NY, Sparse

from kernels import exponential, lanes


@pytest.fixture(params=[np.float32, np.float64])
def dtype(request):
    return request.param


def tolerance(dtype):
    return 1e-5 if dtype == np.float32 else 1e-13


def test_scatter_fills_each_lane_with_its_weighted_row_and_the_rest_with_zero(dtype):
    rows = Sparse(dtype)
    weight = np.array([0.5, 0.0, 2.0, -1.0], dtype)
    chosen = np.array([4, 2, 0])
    field = np.full((CELLS, lanes.LANES), 7.0, dtype)
    lanes.scatter(field, chosen, rows.row_start, rows.hour, rows.start, rows.cell, rows.value, weight)
    expected = np.einsum("t,rtc->cr", weight, rows.dense[chosen])
    np.testing.assert_allclose(field[:, :3], expected, rtol=0, atol=tolerance(dtype))
    assert np.all(field[:, 3:] == 0)


def test_gather_sums_each_segment_against_every_lane(dtype):
    rows = Sparse(dtype)
    field = np.random.default_rng(2).standard_normal((CELLS, lanes.LANES)).astype(dtype)
    out = np.ones((7, lanes.LANES))
    segments = np.flatnonzero(rows.hour == 2)
    lanes.gather(field, out, segments, rows.row, rows.start, rows.cell, rows.value, 0.25)
    np.testing.assert_allclose(out, 1 + 0.25 * rows.dense[:, 2] @ field, rtol=0, atol=20 * tolerance(dtype))


def test_scatter_and_gather_are_adjoint(dtype):
    rows = Sparse(dtype)
    random = np.random.default_rng(3)
    field = np.empty((CELLS, lanes.LANES), dtype)
    lanes.scatter(
        field, np.arange(7), rows.row_start, rows.hour, rows.start, rows.cell, rows.value, np.ones(HOURS, dtype)
    )
    other = random.standard_normal((CELLS, lanes.LANES)).astype(dtype)
    out = np.zeros((7, lanes.LANES))
    lanes.gather(other, out, np.arange(rows.row.size), rows.row, rows.start, rows.cell, rows.value, 1.0)
    assert np.trace(out[:, :7]) == pytest.approx(np.sum(field * other, dtype=float), abs=1e3 * tolerance(dtype))


@pytest.mark.parametrize("axis", ["x", "y"])
def test_smoothing_is_the_recursion_of_each_lane_and_the_dense_exponential(axis, dtype):
    random = np.random.default_rng(4)
    n = NX if axis == "x" else NY
    step = random.uniform(0.1, 1.0, n - 1)
    decay, gain = (part.astype(dtype) for part in exponential.coefficients(step))
    field = random.standard_normal((NY, NX, lanes.LANES)).astype(dtype)
    position = np.concatenate([[0.0], np.cumsum(step)])
    dense = np.exp(-np.abs(position[:, None] - position[None, :]))
    expected = np.einsum("xi,yil->yxl" if axis == "x" else "yi,ixl->yxl", dense, field.astype(float))
    if axis == "x":
        lanes.smooth_x(field, decay, gain)
    else:
        lanes.smooth_y(field.reshape(NY, -1), decay, gain)
    np.testing.assert_allclose(field, expected, rtol=0, atol=20 * tolerance(dtype))


def test_a_lane_does_not_depend_on_its_neighbours(dtype):
    rows = Sparse(dtype)
    weight = np.ones(HOURS, dtype)

    def one(chosen, lane):
        field = np.empty((CELLS, lanes.LANES), dtype)
        lanes.scatter(field, np.array(chosen), rows.row_start, rows.hour, rows.start, rows.cell, rows.value, weight)
        decay, gain = (part.astype(dtype) for part in exponential.coefficients(np.full(NX - 1, 0.3)))
        lanes.smooth_x(field.reshape(NY, NX, lanes.LANES), decay, gain)
        out = np.zeros((7, lanes.LANES))
        lanes.gather(field, out, np.arange(rows.row.size), rows.row, rows.start, rows.cell, rows.value, 1.0)
        return out[:, lane]

    np.testing.assert_array_equal(one([5], 0), one([1, 3, 5, 6], 2))
