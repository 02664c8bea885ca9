"""H f by rows and H^T w by hours: dense reference, adjoint, serial and parallel alike."""

import numpy as np
import pytest
from sparse_rows import CELLS, HOURS, Sparse

from kernels import sparse


def by_hour(rows):
    order = np.argsort(rows.hour, kind="stable")
    return order, np.searchsorted(rows.hour[order], np.arange(HOURS + 1))


def project(kernel, rows, field):
    out = np.empty(7)
    kernel(rows.row_start, rows.hour, rows.start, rows.cell, rows.value, field, out)
    return out


def spread(kernel, rows, weight, dtype=np.float64):
    field = np.zeros((HOURS, CELLS), dtype)
    kernel(*by_hour(rows), rows.row, rows.start, rows.cell, rows.value, weight, field)
    return field


@pytest.mark.parametrize("kernel", [sparse.project, sparse.project_serial])
def test_project_is_the_dense_product(kernel):
    rows = Sparse(np.float64)
    field = np.random.default_rng(5).standard_normal((HOURS, CELLS))
    np.testing.assert_allclose(project(kernel, rows, field), rows.dense.reshape(7, -1) @ field.ravel(), atol=1e-13)


@pytest.mark.parametrize("kernel", [sparse.spread, sparse.spread_serial])
def test_spread_is_the_dense_transpose(kernel):
    rows = Sparse(np.float64)
    weight = np.random.default_rng(6).standard_normal(7)
    weight[3] = 0.0
    np.testing.assert_allclose(spread(kernel, rows, weight), np.einsum("r,rtc->tc", weight, rows.dense), atol=1e-13)


def test_project_and_spread_pass_the_dot_test():
    rows = Sparse(np.float64)
    random = np.random.default_rng(7)
    field, weight = random.standard_normal((HOURS, CELLS)), random.standard_normal(7)
    left = project(sparse.project, rows, field) @ weight
    assert left == pytest.approx(np.sum(field * spread(sparse.spread, rows, weight)), rel=1e-13)


def test_project_sums_single_precision_in_double():
    rows = Sparse(np.float32)
    field = np.random.default_rng(8).standard_normal((HOURS, CELLS)).astype(np.float32)
    dense = np.zeros_like(rows.dense)
    entries = np.repeat(np.arange(rows.row.size), np.diff(rows.start))
    dense[rows.row[entries], rows.hour[entries], rows.cell] = rows.value
    expected = dense.reshape(7, -1) @ field.astype(float).ravel()
    np.testing.assert_allclose(project(sparse.project, rows, field), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kernel", [sparse.scale, sparse.scale_serial])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scale_multiplies_each_entry_by_the_field_and_its_rows_share(kernel, dtype):
    rows, random = Sparse(dtype), np.random.default_rng(4)
    field = random.random((HOURS, CELLS)).astype(dtype)
    share = random.random(rows.dense.shape[0]).astype(dtype)
    out = np.full(rows.value.size, np.nan, dtype)
    kernel(rows.row, rows.hour, rows.start, rows.cell, rows.value, field, share, out)
    expected = rows.dense.astype(dtype) * field * share[:, None, None]
    np.testing.assert_allclose(out, expected[rows.dense != 0], rtol=4 * np.finfo(dtype).eps)
