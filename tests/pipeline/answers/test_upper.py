"""Sums of sigmas with the prior's correlations: the dense quadratic form, and closed cases."""

import numpy as np
import pytest

from pipeline.answers import upper
from pipeline.answers.upper import Patch, require_numbers, variance_in_time
from pipeline.errors import InputError
from pipeline.grid import Grid
from pipeline.inversion import Correlation, time_correlation

GRID = Grid.from_centres("EPSG:4326", 118.0 + 0.25 * np.arange(7), 28.0 + 0.25 * np.arange(6))
PLACES = np.array([3, 4, 5, 9, 10, 40])


def correlation(**words):
    return Correlation(**{"length": 40.0, "hours": 6.0, "daily": None, "kind": "separable", "wide": None, **words})


def dense_time(words):
    lag = PLACES[:, None] - PLACES[None, :]
    return time_correlation(lag, words.hours, words.daily)


@pytest.mark.parametrize("daily", [None, 3.0])
def test_sums_over_hours_are_the_dense_quadratic_form(daily):
    words = correlation(daily=daily)
    sigma = np.random.default_rng(1).uniform(0.5, 2.0, (PLACES.size, 3))
    expected = np.einsum("tr,tu,ur->r", sigma, dense_time(words), sigma)
    np.testing.assert_allclose(variance_in_time(sigma, PLACES, words), expected, rtol=1e-10)


@pytest.mark.parametrize(
    "words",
    [{}, {"daily": 3.0}, {"kind": "exponential"}, {"kind": "gaussian", "length": 30.0}, {"wide": (120.0, 0.3)}],
)
def test_sums_over_cells_and_hours_are_the_dense_quadratic_form(words):
    told = correlation(**words)
    cells = np.array([8, 9, 10, 15, 16, 17, 24])
    weighted = np.random.default_rng(2).uniform(-1.0, 2.0, (PLACES.size, cells.size))
    spatial = told.covariance(np.ones((1, *GRID.shape)), GRID).spatial
    dense = spatial.apply(np.eye(GRID.size).reshape(-1, *GRID.shape)).reshape(GRID.size, GRID.size)
    between = dense[np.ix_(cells, cells)]
    expected = np.einsum("tc,tu,cd,ud->", weighted, dense_time(told), between, weighted)
    found = Patch(GRID, cells, told).variance(weighted, PLACES)
    # part of a lon-lat grid has its own mean width of cells
    assert found == pytest.approx(expected, rel=5e-3 if told.kind == "separable" else 1e-6)


def test_what_is_wholly_correlated_adds_up_and_what_is_not_adds_in_squares():
    sigma = np.array([1.0, 2.0, 3.0])
    places = np.arange(3)
    assert variance_in_time(sigma, places, correlation(hours=1e9)) == pytest.approx(36.0, rel=1e-6)
    assert variance_in_time(sigma, places, correlation(hours=1e-3)) == pytest.approx(14.0, rel=1e-6)
    assert variance_in_time(sigma[:1], places[:1], correlation()) == pytest.approx(1.0)


def test_more_numbers_than_memory_has_are_refused_before_they_are_read(monkeypatch):
    monkeypatch.setattr(upper, "MOST_NUMBERS", 1000)
    require_numbers(100, 10)
    with pytest.raises(InputError, match="ask for parts of 100 hours"):
        require_numbers(101, 10)
