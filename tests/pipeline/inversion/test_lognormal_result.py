"""From Datasets to the posterior Dataset, its store and later questions, with a log-normal sector."""

import numpy as np
import pipeline_windows as windows
import pytest

from kernels.jit import set_threads
from pipeline.answers import query
from pipeline.errors import SolverError
from pipeline.grid import write_store
from pipeline.inversion import (
    LogRun,
    assemble,
    log_problem,
    memory_needed,
    pack,
    posterior,
    region_functionals,
    solve_log,
)
from pipeline.units import SPECIES, tonnes_per_flux_unit

MEMBERS = 48
TONNES = tonnes_per_flux_unit(SPECIES["co2"]) * 3600


def settings(distribution="lognormal"):
    plain = windows.settings(precision="double", members=MEMBERS)
    first = plain.sectors[0].model_copy(update={"distribution": distribution})
    return plain.model_copy(update={"sectors": [first, plain.sectors[1]]})


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    # fields of 900 numbers are not worth a second thread
    set_threads(1)
    yield
    set_threads(0)


@pytest.fixture(scope="module")
def inputs():
    random = np.random.default_rng(5)
    observed = windows.observations(random)
    rows = windows.footprints(random, observed)
    fluxes = windows.fluxes(random)
    fluxes["flux"].values[0] = np.abs(fluxes["flux"].values[0])
    fluxes["flux"].values[0, :, 0, 0] = 0.0
    fluxes["flux_std"].values[:] = 0.3 + 0.5 * np.abs(fluxes["flux"].values)
    fluxes["flux_std"].values[0, :, 0, 0] = 5.0
    return observed, rows, windows.background(rows), fluxes


def solved(stated, inputs):
    """The result and the linear solution."""
    assembled = assemble(stated, windows.GRID, *inputs)
    problem = assembled.problem
    functionals = region_functionals(windows.regions(), SPECIES["co2"], windows.TIME.size, problem.prior.dtype)
    log = log_problem(problem, np.array([True, False]), ["anthropogenic", "biosphere"])
    solution, found = solve_log(log, iterations=8, functionals=functionals)
    told = (stated, windows.GRID, windows.regions(), inputs[0], windows.TIME, assembled, solution)
    return posterior(*told, log=LogRun(log, found)), solution


@pytest.fixture(scope="module")
def run(inputs):
    return solved(settings(), inputs)


@pytest.fixture(scope="module")
def store(run, tmp_path_factory):
    result, solution = run
    path = tmp_path_factory.mktemp("log") / "a.zarr"
    write_store(result, path, pack(solution, settings()))
    return path


def test_no_member_and_no_mean_is_negative_and_nothing_stays_nothing(run):
    first = run[0].sel(sector="anthropogenic")
    assert (first["flux_ensemble"] >= 0).all()
    assert (first["flux_posterior"] >= 0).all()
    for name in ("flux_prior", "flux_posterior", "flux_posterior_std"):
        assert np.all(first[name].values[:, 0, 0] == 0)


def test_the_prior_is_the_stated_one(run, inputs):
    result, fluxes = run[0], inputs[3]
    np.testing.assert_allclose(result["flux_prior"].values, fluxes["flux"].values, rtol=1e-12)
    certain = fluxes["flux"].values == 0
    stated = np.where(certain, 0.0, fluxes["flux_std"].values)
    # sigma is cut where a tiny prior meets the floor: sigma_s of 2 is 7.3 times the prior
    bound = np.maximum(np.abs(fluxes["flux"].values) * np.sqrt(np.expm1(4.0)), np.arange(2)[:, None, None, None] * 1e9)
    np.testing.assert_allclose(result["flux_prior_std"].values, np.minimum(stated, bound), rtol=1e-9)
    used = result["obs_reason"].values == ""
    budget = result["obs_prior"].values - result["obs_background_prior"].values
    assembled = assemble(settings("normal"), windows.GRID, *inputs).problem
    np.testing.assert_allclose(np.sort(budget[used]), np.sort(assembled.project(assembled.prior)), rtol=1e-9)


def test_means_and_sigmas_of_totals_are_those_of_the_members(run):
    result = run[0]
    draws = result["region_ensemble"]
    np.testing.assert_allclose(result["region_posterior"], draws.mean("member"), rtol=1e-9)
    np.testing.assert_allclose(result["region_posterior_std"], draws.std("member", ddof=1), rtol=1e-9)
    hours = result.sel(time=result["time"] >= np.datetime64("2024-07-15"))
    field = (hours["flux_posterior"].sum("time").values * windows.GRID.area).sum(axis=(1, 2)) * TONNES
    np.testing.assert_allclose(result["region_posterior"].sel(region="ALL", period="all"), field, rtol=1e-9)
    hourly = hours["region_hourly_posterior"].sum("time")
    np.testing.assert_allclose(hourly, result["region_posterior"].sel(period="all"), rtol=1e-9)


def test_kept_members_have_the_published_mean_and_sigma(run):
    result = run[0]
    draws = result["flux_ensemble"].astype(float)
    np.testing.assert_allclose(draws.mean("member"), result["flux_posterior"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(draws.std("member", ddof=1), result["flux_posterior_std"], rtol=1e-4, atol=1e-5)


def test_observed_prior_and_posterior_close_the_budget(run, inputs):
    result = run[0]
    assembled = assemble(settings(), windows.GRID, *inputs)
    seen = assembled.problem.project(result["flux_posterior"].values)
    rows = assembled.air.rows
    budget = seen + (result["obs_background_posterior"] + result["obs_offset"]).values[rows]
    np.testing.assert_allclose(result["obs_posterior"].values[rows], budget, rtol=0, atol=1e-8)
    assert result["diagnostic_posterior_rmse"] < result["diagnostic_prior_rmse"]


def test_what_is_of_the_linear_solution_is_named(run):
    result = run[0]
    for name in ("region_posterior_covariance", "region_hourly_posterior_covariance", "region_averaging_kernel"):
        assert "linearised" in result[name].attrs["long_name"]
    assert "linearised" not in result["region_posterior"].attrs["long_name"]
    assert "log-normal: anthropogenic; linearised about the mean in" in result.attrs["lognormal"]
    assert "of the stated prior variance is left out" in result.attrs["lognormal"]


def test_questions_are_answered_with_the_published_mean_and_a_linear_sigma(run, store):
    result = run[0]
    answer = query(store, "EAST", "2024-07-15").isel(region=0, time=0)
    told = result.sel(region="EAST", period="all")
    np.testing.assert_allclose(answer["posterior"][:-1], told["region_posterior"], rtol=1e-9)
    np.testing.assert_allclose(answer["prior"][:-1], told["region_prior"], rtol=1e-9)
    linear = result["region_posterior_covariance"].sel(region="EAST", period="all")
    linear = linear.isel(region_2=result["region"].values.tolist().index("EAST"), period_2=0)
    np.testing.assert_allclose(answer["posterior_std"][:-1], np.sqrt(np.diag(linear)), rtol=1e-6)
    np.testing.assert_allclose(answer["posterior_std"][-1], np.sqrt(linear.sum()), rtol=1e-6)
    assert answer.attrs["linearised"] == 1


def with_errors(inputs, share, error):
    """The window with a prior this uncertain, a share of itself, and with observations this exact, ppm."""
    observed, rows, background, fluxes = inputs
    prior = fluxes["flux"].values
    wide = np.stack([share * prior[0], np.full_like(prior[1], 0.3)])
    fluxes = fluxes.assign(flux_std=fluxes["flux_std"].copy(data=wide))
    observed = observed.assign(uncertainty=observed["uncertainty"].copy(data=np.full(observed.sizes["obs"], error)))
    feeds = [feed.model_copy(update={"representation_error": error}) for feed in settings().stations]
    return settings().model_copy(update={"stations": feeds}), (observed, rows, background, fluxes)


def test_a_chain_that_does_not_move_is_refused_with_its_share_and_a_remedy(inputs):
    with pytest.raises(SolverError) as refused:
        solved(*with_errors(inputs, 4.0, 0.01))
    error = refused.value
    assert error.where == "sectors"
    assert error.rule == "at least 30% of the chain's trajectories must be accepted"
    assert int(error.got.removesuffix("%")) < 30
    assert "lower sigma_fraction, raise representation_error, or set distribution" in error.remedy
    assert str(error) == f"sectors: {error.rule}; got {error.got!r}. Remedy: {error.remedy}."


@pytest.mark.parametrize(("share", "error"), [(0.3, 0.01), (4.0, 0.3)])
def test_what_the_refusal_advises_makes_it_move(inputs, share, error):
    result, _ = solved(*with_errors(inputs, share, error))
    draws = result["region_ensemble"].sel(sector="anthropogenic", region="ALL", period="all")
    assert np.unique(draws).size > 0.3 * MEMBERS


def test_a_normal_run_keeps_no_fields_twice(inputs):
    solution = windows.solved(assemble(settings("normal"), windows.GRID, *inputs).problem)
    assert "linear_prior" not in pack(solution, settings("normal"))


def test_memory_is_planned_for_the_chain():
    assert memory_needed(settings(), 30_000) > memory_needed(settings("normal"), 30_000)
