"""What is kept of a few hours of a window is what a whole result says of them."""

import numpy as np
import pipeline_windows as windows
import pytest

from pipeline.inversion import (
    assemble,
    functionals_of_hours,
    posterior,
    posterior_of_hours,
    prior_only,
    solve,
    stated_covariance,
)
from pipeline.inversion.problem_digest import problem_digest
from pipeline.units import SPECIES

HOURS = np.array([9, 17])


@pytest.fixture(scope="module", params=["double", "single"])
def both(request):
    """A whole result, and that of two hours, of the same window."""
    random = np.random.default_rng(5)
    observed = windows.observations(random)
    rows = windows.footprints(random, observed)
    inputs = observed, rows, windows.background(rows), windows.fluxes(random)
    settings = windows.settings(precision=request.param)
    assembled = assemble(settings, windows.GRID, *inputs)
    whole = posterior(
        settings, windows.GRID, windows.regions(), observed, windows.TIME, assembled, windows.solved(assembled.problem)
    )
    regions, gas, problem = windows.regions(), SPECIES["co2"], assembled.problem
    wanted = functionals_of_hours(regions, gas, HOURS, windows.TIME.size, problem.prior.dtype)
    solution = solve(problem, functionals=wanted)
    few = posterior_of_hours(settings, regions, observed, windows.TIME, assembled, solution, HOURS, functionals=wanted)
    return request.param, whole, few


def test_fields_totals_and_their_uncertainty_are_those_of_the_whole_result(both):
    precision, whole, few = both
    close = {"rtol": 1e-9, "atol": 1e-12} if precision == "double" else {"rtol": 2e-4, "atol": 2e-4}
    names = [str(name) for name in few.data_vars if "time" in few[name].dims]
    assert len(names) == 9
    for name in names:
        np.testing.assert_allclose(few[name].values, whole[name].isel(time=HOURS).values, err_msg=name, **close)
    # and they say something: the posterior is another than the prior, and surer
    assert np.abs(few["flux_posterior"] - few["flux_prior"]).max() > 0.1
    assert (few["region_hourly_posterior_std"] < few["region_hourly_prior_std"]).all()


def test_observations_and_diagnostics_are_those_of_the_whole_result(both):
    _, whole, few = both
    names = [name for name in few.data_vars if str(name).startswith(("obs_", "diagnostic_"))]
    assert len(names) > 20
    for name in names:
        if few[name].dtype.kind == "f":
            np.testing.assert_allclose(few[name].values, whole[name].values, rtol=1e-5, atol=1e-6, err_msg=name)
        else:
            np.testing.assert_array_equal(few[name].values, whole[name].values, err_msg=name)


def test_an_hour_of_which_nothing_was_observed_is_the_prior_with_its_covariance():
    settings, regions = windows.settings(precision="double"), windows.regions()
    fluxes = windows.fluxes(np.random.default_rng(5)).isel(time=[7])
    found = prior_only(settings, windows.GRID, regions, fluxes)
    np.testing.assert_array_equal(found["flux_posterior"], fluxes["flux"].values.astype(np.float32))
    np.testing.assert_array_equal(found["flux_posterior_std"], fluxes["flux_std"].values.astype(np.float32))
    # dense reference: a^T Q a' with Q of one hour, column by column
    weights = found["region_hourly_prior"].values[0, :, 0]
    assert weights.shape == (3,)
    for k, sector in enumerate(settings.sectors):
        sigma = fluxes["flux_std"].values[k].astype(np.float32).astype(float)
        covariance = stated_covariance(sector, sigma, windows.GRID)
        dense = covariance.apply(np.eye(windows.GRID.size).reshape(-1, 1, *windows.GRID.shape))
        dense = dense.reshape(windows.GRID.size, windows.GRID.size)
        area = (regions.weights * (44.0095e-12 * 3600)).toarray()
        expected = area @ dense @ area.T
        found_k = found["region_hourly_posterior_covariance"].values[0, k, :, k]
        np.testing.assert_allclose(found_k / found_k.max(), expected / expected.max(), rtol=1e-6)
        np.testing.assert_allclose(np.sqrt(np.diag(found_k)), found["region_hourly_prior_std"].values[k, :, 0])


def test_whatever_changes_in_a_problem_changes_its_digest():
    random = np.random.default_rng(5)
    observed = windows.observations(random)
    rows = windows.footprints(random, observed)
    inputs = observed, rows, windows.background(rows), windows.fluxes(random)
    digests = {problem_digest(assemble(windows.settings(), windows.GRID, *inputs).problem) for _ in range(2)}
    assert len(digests) == 1
    for number, name in ((0, "value"), (1, "footprint"), (2, "background"), (3, "flux"), (3, "flux_std")):
        changed = [part.copy(deep=True) for part in inputs]
        values = changed[number][name].values.copy()
        values.flat[-1] *= 1.001
        changed[number][name] = changed[number][name].copy(data=values)
        digests.add(problem_digest(assemble(windows.settings(), windows.GRID, *changed).problem))
    wider = windows.settings()
    wider = wider.model_copy(update={"sectors": [s.model_copy(update={"length": 41.0}) for s in wider.sectors]})
    digests.add(problem_digest(assemble(wider, windows.GRID, *inputs).problem))
    assert len(digests) == 7
