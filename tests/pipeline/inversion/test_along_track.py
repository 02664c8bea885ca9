"""Errors of retrievals along a track: the stated covariance, against a dense one, and the same variance as without."""

import numpy as np
import pipeline_windows as windows
import pytest

from pipeline.errors import SolverError
from pipeline.inversion import assemble
from pipeline.settings import ColumnSettings

COLUMN = {"format": "openmethane", "files": ["*"], "representation_error": 0.4}
SHARED = [
    {"id": "OCO2", **COLUMN, "correlated_share": 0.6},
    {"id": "IMAGER", **COLUMN, "correlated_share": 0.3, "correlation_km": 40.0},
    {"id": "PLAIN", **COLUMN},
]
MAKERS = ["OCO2", "OCO2", "OCO2", "OCO2", "IMAGER", "IMAGER", "IMAGER", "PLAIN", "PLAIN"]
TRACK = np.array([0, 0, 0, 1, 0, 0, 0, -1, -1])
ALONG = np.array([0.0, 12.0, 55.0, 12.0, 3.0, -40.0, 12.0, 0.0, 0.0])


def window(columns, *, tracks=True):
    """Return the soundings' rows of a window with stations, and what it assembles to."""
    random = np.random.default_rng(8)
    observed = windows.observations(random)
    chosen = 6 + np.arange(len(MAKERS))
    station, kind = (observed[name].values.astype(object) for name in ("station", "platform"))
    height, sigma = observed["height"].values.copy(), observed["uncertainty"].values.copy()
    for row, maker in zip(chosen, MAKERS, strict=True):
        station[row], kind[row], height[row] = f"{maker}-20240715T0600{row:02d}+28.500+118.500", "satellite", 6000.0
    sigma[chosen] = 0.5 + 0.1 * np.arange(len(MAKERS))
    names = (("station", station), ("platform", kind), ("height", height), ("uncertainty", sigma))
    observed = observed.assign({name: ("obs", values, observed[name].attrs) for name, values in names})
    if tracks:
        track, along = np.full(observed.sizes["obs"], -1), np.zeros(observed.sizes["obs"])
        track[chosen], along[chosen] = TRACK, ALONG
        observed = observed.assign(track=("obs", track, {"units": "1"}), along=("obs", along, {"units": "km"}))
    rows = windows.footprints(random, observed)
    settings = windows.settings().model_copy(update={"columns": [ColumnSettings.model_validate(c) for c in columns]})
    found = assemble(settings, windows.GRID, observed, rows, windows.background(rows), windows.fluxes(random))
    return observed, found


def dense(error):
    apart = np.abs(error.hours[:, None] - error.hours[None, :])
    same = error.group[:, None] == error.group[None, :]
    return np.outer(error.sigma, error.sigma) * np.exp(-apart / error.e_folding) * same


def retrieval(assembled):
    return [error for error in assembled.problem.errors if error.name == "retrieval"]


def test_the_covariance_is_that_of_pairs_along_a_track():
    observed, assembled = window(SHARED)
    rows = assembled.air.rows
    of = {row: number for number, row in enumerate(6 + np.arange(len(MAKERS)))}
    expected = np.zeros((rows.size, rows.size))
    sigma = observed["uncertainty"].values
    stated = {"OCO2": (0.6, 20.0), "IMAGER": (0.3, 40.0), "PLAIN": (0.0, 1.0)}
    for i, one in enumerate(rows.tolist()):
        for j, other in enumerate(rows.tolist()):
            if one not in of or other not in of:
                continue
            a, b = of[one], of[other]
            share, km = stated[MAKERS[a]]
            if MAKERS[a] == MAKERS[b] and TRACK[a] == TRACK[b]:
                expected[i, j] = share * sigma[one] * sigma[other] * np.exp(-abs(ALONG[a] - ALONG[b]) / km)
    errors = retrieval(assembled)
    assert sorted(error.e_folding for error in errors) == [20.0, 40.0]
    np.testing.assert_allclose(sum(dense(error) for error in errors), expected, rtol=1e-12, atol=1e-14)
    # the chain that the solver uses, against the dense matrix
    vector = np.random.default_rng(3).normal(size=rows.size)
    np.testing.assert_allclose(sum(error.apply(vector) for error in errors), expected @ vector, rtol=1e-10, atol=1e-12)
    system = np.zeros_like(expected)
    for error in errors:
        error.add_to(system)
    np.testing.assert_allclose(np.tril(system), np.tril(expected), rtol=1e-12, atol=1e-14)
    assert np.count_nonzero(np.tril(expected, -1)) == 6


def test_the_variance_of_a_sounding_is_what_it_is_without():
    _, plain = window([{**column, "correlated_share": 0.0} for column in SHARED])
    _, shared = window(SHARED)
    total = shared.problem.variance + sum(error.sigma**2 for error in retrieval(shared))
    np.testing.assert_allclose(total, plain.problem.variance, rtol=1e-12)
    assert np.any(shared.problem.variance < plain.problem.variance)


def test_without_the_setting_nothing_changes():
    _, one = window([{**column, "correlated_share": 0.0} for column in SHARED], tracks=False)
    _, two = window([{**column, "correlated_share": 0.0} for column in SHARED])
    assert retrieval(one) == retrieval(two) == []
    np.testing.assert_array_equal(one.problem.variance, two.problem.variance)
    assert [error.name for error in one.problem.errors] == ["background"]


def test_soundings_that_do_not_say_where_they_are_are_refused():
    with pytest.raises(SolverError, match="soundings with a correlated error must have a track"):
        window(SHARED, tracks=False)


def test_correlated_soundings_tell_less_than_independent_ones():
    def information(columns):
        _, assembled = window(columns)
        problem = assembled.problem
        noise = np.diag(problem.variance) + sum(dense(error) for error in problem.errors)
        seen = problem.project(problem.prior)
        return seen @ np.linalg.solve(noise, seen)

    alone = information([{**column, "correlated_share": 0.0} for column in SHARED])
    assert information(SHARED) < alone
