"""H Q H'^T between sparse rows, whatever the covariance, the blocks, the threads and the neighbours."""

import numpy as np
import pytest
import scipy.sparse
import small_problem as small

from kernels.lanes import LANES
from pipeline.inversion import Span, products, rows_of, signal

T = small.SHAPE[0]


def many_rows(seed, count=2 * LANES + 5):
    """Rows that reach over a few hours each, in the order of their last hour."""
    random = np.random.default_rng(seed)
    last = np.sort(random.integers(1, T, count))
    dense = np.zeros((count, *small.SHAPE))
    for row, hour in enumerate(last):
        dense[row, max(0, hour - 2) : hour + 1] = random.random((min(3, hour + 1), *small.SHAPE[1:]))
    dense *= random.random(dense.shape) < 0.3
    return scipy.sparse.csr_array(dense.reshape(count, -1)), last


def product(left, right, covariance, **options):
    out = np.full((left.count, right.count), np.nan)

    def put(rows, block):
        out[rows] = block.T

    products(left, right, covariance, put, **options)
    return out


@pytest.fixture(scope="module", params=small.KINDS)
def covariance(request):
    sigma = np.random.default_rng(0).uniform(0.3, 2.0, (2, *small.SHAPE))
    return small.covariances(sigma, request.param)[0]


def test_product_is_the_dense_one(covariance):
    (left, _), (right, _) = many_rows(1), many_rows(2, 9)
    rows = [rows_of(matrix, T).scaled(covariance.sigma) for matrix in (left, right)]
    expected = left.toarray() @ small.dense_covariance(covariance) @ right.toarray().T
    np.testing.assert_allclose(product(*rows, covariance), expected, rtol=0, atol=1e-12 * np.abs(expected).max())


def test_product_and_its_mirror_agree(covariance):
    (left, _), (right, _) = many_rows(1), many_rows(2, 9)
    rows = [rows_of(matrix, T).scaled(covariance.sigma) for matrix in (left, right)]
    np.testing.assert_allclose(product(*rows, covariance), product(*rows[::-1], covariance).T, rtol=1e-12)


def test_single_precision_agrees_with_double_to_its_digits(covariance):
    matrix, _ = many_rows(1)
    double = product(*[rows_of(matrix, T).scaled(covariance.sigma)] * 2, covariance)
    sigma = covariance.sigma.astype(np.float32)
    single = type(covariance)(sigma, covariance.temporal, covariance.spatial)
    found = product(*[rows_of(matrix.astype(np.float32), T).scaled(sigma)] * 2, single)
    np.testing.assert_allclose(found, double, rtol=2e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neighbours_threads_and_order_leave_no_mark_on_a_number(dtype):
    matrix, last = many_rows(3)
    sigma = np.random.default_rng(0).uniform(0.3, 2.0, (2, *small.SHAPE)).astype(dtype)
    covariance = small.covariances(sigma)[0]
    rows = rows_of(matrix.astype(dtype), T).scaled(sigma[0])
    span = Span(np.maximum(last - 2, 0), last)
    whole = product(rows, rows, covariance, span=span, threads=2)
    np.testing.assert_array_equal(product(rows, rows, covariance, span=span, threads=1), whole)
    chosen = np.random.default_rng(4).permutation(rows.count)[:40]
    some = product(rows.take(chosen), rows, covariance, span=Span(span.first[chosen], span.last[chosen]))
    np.testing.assert_array_equal(some, whole[chosen])
    # and the other set may be cut as well
    np.testing.assert_array_equal(product(rows, rows.take(chosen), covariance, span=span), whole[:, chosen])


def test_rows_not_needed_are_left_out_and_those_always_needed_are_not(covariance):
    matrix, _ = many_rows(1)
    rows = rows_of(matrix, T).scaled(covariance.sigma)
    whole = product(rows, rows, covariance)
    below = np.arange(1, rows.count + 1)
    part = product(rows, rows, covariance, below=below, always=60)
    needed = (np.arange(rows.count)[None, :] < below[:, None]) | (np.arange(rows.count)[None, :] >= 60)
    np.testing.assert_array_equal(part[needed], whole[needed])
    assert np.any(part[~needed] == 0)


def test_a_window_that_begins_earlier_gives_the_same_numbers():
    matrix, last = many_rows(3)
    sigma = np.random.default_rng(0).uniform(0.3, 2.0, (2, *small.SHAPE))
    covariance = small.covariances(sigma)[0]
    longer = np.concatenate([np.ones((2, 2, *small.SHAPE[1:])), sigma], axis=1)
    shifted = scipy.sparse.csr_array(
        scipy.sparse.hstack([scipy.sparse.csr_array((matrix.shape[0], 2 * 20)), matrix], format="csr")
    )
    span = Span(np.maximum(last - 2, 0), last)
    rows = rows_of(matrix, T).scaled(sigma[0])
    moved = rows_of(shifted, T + 2).scaled(longer[0])
    from pipeline.inversion import sector_covariance

    wide = sector_covariance(longer[0], small.GRID, length=40.0, hours=5.0)
    np.testing.assert_array_equal(
        product(moved, moved, wide, span=Span(span.first + 2, span.last + 2)),
        product(rows, rows, covariance, span=span),
    )


def test_signal_is_the_lower_triangle_of_the_dense_one_and_its_totals():
    problem = small.make_problem()
    dense = small.dense_algebra(problem)
    matrix, rows = small.functionals()
    found = signal(problem, functionals=rows)
    expected = dense["h"] @ dense["q"] @ dense["h"].T
    np.testing.assert_allclose(found.system, np.tril(expected), rtol=0, atol=1e-12)
    for k in range(2):
        n = small.CELLS
        block = dense["h"][:, k * n : (k + 1) * n] @ dense["q"][k * n : (k + 1) * n, k * n : (k + 1) * n] @ matrix.T
        np.testing.assert_allclose(found.totals[:, k], block, rtol=0, atol=1e-11)


def test_rows_that_are_taken_are_those_of_the_matrix():
    matrix, _ = many_rows(5, 12)
    chosen = np.array([7, 0, 11])
    taken = rows_of(matrix, T).take(chosen)
    dense = np.zeros((3, T, 20))
    entries = np.repeat(np.arange(taken.row.size), np.diff(taken.start))
    dense[taken.row[entries], taken.hour[entries], taken.cell] = taken.value
    np.testing.assert_array_equal(dense.reshape(3, -1), matrix.toarray()[chosen])
