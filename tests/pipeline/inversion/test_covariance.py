"""Q as an operator: the dense matrix it stands for, its root, its adjoint, its two precisions."""

import numpy as np
import pytest
import small_problem as small

from pipeline.errors import SolverError
from pipeline.grid import Grid
from pipeline.inversion import Isotropic, Temporal, sector_covariance, spatial_correlation

EVEN = Grid.from_centres("EPSG:32650", 5e5 + 3000.0 * np.arange(7), 3.2e6 + 3000.0 * np.arange(5))


def field(seed, *outer):
    return np.random.default_rng(seed).standard_normal((*outer, *small.SHAPE))


@pytest.fixture(scope="module", params=small.KINDS)
def covariance(request):
    sigma = np.random.default_rng(0).uniform(0.3, 2.0, (2, *small.SHAPE))
    return small.covariances(sigma, request.param)[0]


def distances():
    """Between the cells of the small grid, in steps along its middle row and column, km."""
    from pyproj import Geod

    lon, lat = small.GRID.lonlat
    geod = Geod(ellps="WGS84")
    x = geod.inv(lon[2, :-1], lat[2, :-1], lon[2, 1:], lat[2, 1:])[2] / 1e3
    y = geod.inv(lon[:-1, 2], lat[:-1, 2], lon[1:, 2], lat[1:, 2])[2] / 1e3
    return np.concatenate([[0], np.cumsum(y)]), np.concatenate([[0], np.cumsum(x)])


def test_separable_covariance_is_the_kronecker_product_of_exponentials():
    sigma = np.random.default_rng(0).uniform(0.3, 2.0, small.SHAPE)
    covariance = sector_covariance(sigma, small.GRID, length=40.0, hours=5.0)
    y, x = distances()
    t = np.arange(small.SHAPE[0]) / 5.0
    parts = [np.exp(-np.abs(p[:, None] - p[None, :])) for p in (t, y / 40.0, x / 40.0)]
    expected = np.kron(parts[0], np.kron(parts[1], parts[2])) * sigma.ravel()[:, None] * sigma.ravel()[None, :]
    np.testing.assert_allclose(small.dense_covariance(covariance), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "formula"),
    [
        ("exponential", lambda r: np.exp(-r)),
        ("matern", lambda r: (1 + np.sqrt(3) * r) * np.exp(-np.sqrt(3) * r)),
        ("gaussian", lambda r: np.exp(-(r**2) / 2)),
    ],
)
def test_isotropic_correlation_depends_on_distance_alone(kind, formula):
    y, x = (axis.ravel() for axis in np.meshgrid(3.0 * np.arange(5), 3.0 * np.arange(7), indexing="ij"))
    distance = np.hypot(y[:, None] - y[None, :], x[:, None] - x[None, :])
    spatial = spatial_correlation(EVEN, 7.0, kind)
    found = spatial.apply(np.eye(35).reshape(35, 5, 7)).reshape(35, 35)
    # a UTM grid's cells are 3 km but for the map's scale, 4 parts in 10 000
    np.testing.assert_allclose(found, formula(distance / 7.0), rtol=0, atol=5e-4)


def test_two_lengths_add_up_by_their_shares_of_the_variance():
    sigma = np.random.default_rng(0).uniform(0.3, 2.0, small.SHAPE)
    one, far, both = (
        small.dense_covariance(sector_covariance(sigma, small.GRID, hours=5.0, **words))
        for words in ({"length": 40.0}, {"length": 150.0}, {"length": 40.0, "wide": (150.0, 0.3)})
    )
    np.testing.assert_allclose(both, 0.7 * one + 0.3 * far, rtol=0, atol=1e-12)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.2])
def test_a_share_that_is_none_or_all_is_refused(share):
    with pytest.raises(SolverError, match=r"shares of the variance must be positive.*check sectors\.wide\.share"):
        sector_covariance(np.ones(small.SHAPE), small.GRID, length=40.0, hours=5.0, wide=(150.0, share))


def test_daily_term_ties_the_same_hour_of_days():
    correlation = Temporal(49, 1000.0, 2.0).matrix[0]
    assert correlation[24] == pytest.approx(np.exp(-0.024), rel=1e-12)
    # for short lags the periodic term is a Gaussian of its width
    assert correlation[1] == pytest.approx(np.exp(-0.001 - 1 / 8), rel=5e-3)
    assert correlation[12] == pytest.approx(np.exp(-0.012 - 2 * (12 / (2 * np.pi)) ** 2), rel=1e-12)


def test_root_times_its_transpose_is_the_covariance(covariance):
    white = np.eye(int(np.prod(covariance.white_shape))).reshape(-1, *covariance.white_shape)
    root = covariance.sqrt_apply(white).reshape(len(white), -1)
    np.testing.assert_allclose(root.T @ root, small.dense_covariance(covariance), rtol=0, atol=1e-9)


def test_square_root_and_its_adjoint_pass_the_dot_test(covariance):
    random = np.random.default_rng(1)
    w, v = random.standard_normal(covariance.white_shape), random.standard_normal(covariance.shape)
    left = np.sum(covariance.sqrt_apply(w) * v)
    assert left == pytest.approx(np.sum(w * covariance.sqrt_adjoint(v)), rel=1e-12)


def test_covariance_is_symmetric_and_leaves_its_input_alone(covariance):
    u, v = field(2), field(3)
    kept = u.copy()
    assert np.sum(v * covariance.apply(u)) == pytest.approx(np.sum(u * covariance.apply(v)), rel=1e-12)
    assert np.array_equal(u, kept)


def test_a_batch_is_its_members_one_by_one(covariance):
    batch = field(4, 3)
    np.testing.assert_array_equal(covariance.apply(batch)[1], covariance.apply(batch[1]))


def test_single_precision_agrees_with_double_to_its_digits(covariance):
    single = type(covariance)(covariance.sigma.astype(np.float32), covariance.temporal, covariance.spatial)
    found = single.apply(field(5))
    assert found.dtype == np.float32
    exact = covariance.apply(field(5))
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-5 * np.abs(exact).max())


def test_draws_have_the_covariance(covariance):
    random = np.random.default_rng(6)
    count = 3000
    draws = np.array([covariance.draw(random)[2].ravel() for _ in range(count)])
    cells = small.SHAPE[1] * small.SHAPE[2]
    exact = small.dense_covariance(covariance)[2 * cells : 3 * cells, 2 * cells : 3 * cells]
    sigma = np.sqrt(np.diag(exact))
    error = np.sqrt((np.outer(sigma, sigma) ** 2 + exact**2) / count)
    assert np.all(np.abs(draws.T @ draws / count - exact) < 5 * error)


def test_a_length_too_long_for_a_periodic_grid_is_refused_with_a_remedy():
    with pytest.raises(SolverError, match=r"must fit a periodic grid.*gaussian over 1e\+03 cells.*shorten"):
        Isotropic((5, 7), (0.001, 0.001), "gaussian")


def test_isotropic_correlation_on_uneven_cells_is_refused():
    uneven = Grid("EPSG:32650", 5e5 + 3000.0 * np.arange(5), 3.2e6 + np.array([0.0, 2000.0, 6000.0, 7000.0]))
    with pytest.raises(SolverError, match="needs even cells"):
        spatial_correlation(uneven, 40.0, "matern")


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_an_impossible_sigma_is_refused(bad):
    sigma = np.ones(small.SHAPE)
    sigma[1, 2, 3] = bad
    with pytest.raises(SolverError, match="finite and not negative; got '1 bad values'"):
        sector_covariance(sigma, small.GRID, length=40.0, hours=5.0)
