"""A small simulated case: its files read back, its bytes repeat, and its inversion comes nearer the truth."""

import hashlib
import io
import shutil
import tomllib

import netCDF4
import numpy as np
import pytest
import rasterio
import xarray as xr
from rich.console import Console

import station_meta
from pipeline.case import run_case, transport_folder
from pipeline.case_inputs import input_files
from pipeline.cli_osse import places
from pipeline.errors import InputError
from pipeline.footprints import make_footprints
from pipeline.grid import Grid, grid_from_settings, open_store
from pipeline.ingest import all_receptors, read_background, read_fluxes, read_stations
from pipeline.osse import TransportError, make_demo, print_score, score, summary
from pipeline.osse.instruments import true_air
from pipeline.osse.score import figures
from pipeline.schema import FAIL, HOUR
from pipeline.settings import read_settings
from pipeline.transport import join, read_hour
from pipeline.units import SECONDS_PER_YEAR, SPECIES

SMALL = {
    "spacing_km": 30.0, "hours": 8, "spectrometers": 3, "micro": 1, "sinks": 0, "columns": False, "particles": 60,
    "hours_back": 8,
}  # fmt: skip


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    return make_demo(tmp_path_factory.mktemp("demo"), seed=3, **SMALL)


@pytest.fixture(scope="module")
def settings(case):
    return read_settings(case)


@pytest.fixture(scope="module")
def truth(case):
    return xr.load_dataset(case.parent / "truth.nc")


@pytest.fixture(scope="module")
def footprints(case, settings):
    grid = grid_from_settings(settings.grid)
    return join([read_hour(path, grid) for path in sorted(case.parent.glob("transport/footprints/*/*/*.nc"))])


@pytest.fixture(scope="module")
def copied(case, tmp_path_factory):
    """The case elsewhere: a run leaves its mark on the folder."""
    return shutil.copytree(case.parent, tmp_path_factory.mktemp("copy") / "case") / "case.toml"


@pytest.fixture(scope="module")
def store(copied, tmp_path_factory):
    return run_case(copied, store=tmp_path_factory.mktemp("store") / "posterior.zarr")


def digests(folder):
    """Digests of all but the prepared weather, which knows when its files were written."""
    names = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in names.items()
        if not name.startswith("transport/weather")
    }


def test_the_same_seed_gives_the_same_bytes(case, tmp_path):
    again = make_demo(tmp_path, seed=3, **SMALL)
    assert digests(again.parent) == digests(case.parent)


def test_another_seed_gives_another_case_in_the_same_folder(case, tmp_path):
    make_demo(tmp_path, seed=3, **SMALL)
    make_demo(tmp_path, seed=4, **{**SMALL, "hours": 3})
    other, first = digests(tmp_path), digests(case.parent)
    # nothing of the longer case is left
    assert sum(name.startswith("weather/wrfout_d01_") for name in other) == 8 + 3 + 1
    assert all(other[name] != first[name] for name in other if name.startswith("stations"))


def test_a_folder_with_other_peoples_inputs_is_left_alone(tmp_path):
    precious = tmp_path / "stations" / "mine.csv"
    precious.parent.mkdir()
    precious.write_text("1,2\n")
    with pytest.raises(InputError, match=r"must be new, or hold an earlier simulated case; got \['stations'\]"):
        make_demo(tmp_path, seed=3, **SMALL)
    assert precious.read_text() == "1,2\n"


@pytest.mark.parametrize(
    ("change", "message"),
    [({"hours": 0}, "hours must be at least 1; got 0"), ({"micro": 99}, r"micro must lie in \[0, 80\]; got 99")],
)
def test_an_impossible_case_is_refused(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        make_demo(tmp_path, seed=1, **{**SMALL, **change})


def test_the_case_does_not_name_the_truth(case, settings):
    assert "truth" not in str(tomllib.loads(case.read_text(encoding="utf-8")))
    names = {path.name for path in input_files(settings, case.parent)}
    assert "truth.nc" not in names
    assert len(names) == 4 + (SMALL["hours"] + SMALL["hours_back"] + 1) + 4 + 1


def test_truth_lies_on_the_domains_grid_and_hours(settings, truth):
    assert Grid.from_dataset(truth) == grid_from_settings(settings.grid)
    start, end = settings.case.flux_hours.bounds
    assert truth["time"].values[0] == start
    assert truth["time"].values[-1] + HOUR == end
    assert truth["flux"].dims == ("sector", "time", "y", "x")


def test_every_receptor_hour_has_a_footprint(settings, footprints):
    start, end = settings.case.observation_hours.bounds
    assert footprints.sizes["obs"] == 4 * SMALL["hours"]
    np.testing.assert_array_equal(np.unique(footprints["time"].values), np.arange(start, end, HOUR))
    # the receptor's own hour is among its flux hours, and none is later
    own = np.repeat(footprints["time"].values, np.diff(footprints["indptr"].values))
    back = (own - footprints["hour"].values) // HOUR
    assert back.min() == 0
    assert 5 < back.max() <= 8


def test_the_case_finds_the_footprints_its_truth_was_made_with(copied, settings):
    _, receptors, _, _ = all_receptors(settings, copied.parent, station_meta.load())
    grid, folder = grid_from_settings(settings.grid), transport_folder(settings, copied)
    made = make_footprints(settings, grid, receptors, copied.parent, folder, progress=lambda *_: None)
    assert (made.computed, made.kept, made.failures) == (0, receptors.sizes["obs"], [])
    assert made.prepared == 0


def test_station_files_hold_the_true_air_within_their_noise(case, settings, truth, footprints):
    observations, accounts, _ = read_stations(settings, case.parent, station_meta.load())
    grid = grid_from_settings(settings.grid)
    background, _ = read_background(settings, footprints, SPECIES["co2"], grid, case.parent)
    air = true_air(footprints, truth) + background["background"].values
    keys = list(zip(footprints["station"].values, footprints["time"].values, strict=True))
    # night hours are good, though the case does not select them
    used = observations.isel(obs=(observations["flag"].values & np.uint32(FAIL)) == 0)
    at = [keys.index(key) for key in zip(used["station"].values, used["time"].values, strict=True)]
    error = used["value"].values - air[at]
    assert used.sizes["obs"] >= 15
    # noise of 1.5 to 4.5 ppm and a background wrong by about 0.8 ppm
    assert np.abs(error).max() < 12
    assert len(accounts) == 4


def test_minute_text_has_gcwerks_shape(case):
    lines = (case.parent / "stations/zj_p01.picarro.1minute.100m.dat").read_text(encoding="ascii").splitlines()
    assert lines[0] == "Created:  16 Jul 24 08:30 GMT"
    assert lines[1].split() == ["-", "-", "-", "-", "co2", "co2", "co2"]
    assert lines[2].split() == ["date", "time", "type", "port", "C", "stdev", "N"]
    assert len(lines) == 3 + SMALL["hours"] * 60
    assert lines[3].startswith("240715 000030       air    9 ")
    assert len({len(line) for line in lines[3:]}) == 1


def test_micro_labels_end_the_hour_in_beijing_time(case):
    (path,) = case.parent.glob("stations/zj_m*.csv")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "time,co2_ppm,status"
    assert lines[1].startswith("2024-07-15 09:00:00,")
    assert len(lines) == 1 + SMALL["hours"]


def test_prior_files_are_read_in_their_units(case, settings):
    grid = grid_from_settings(settings.grid)
    fluxes, _ = read_fluxes(settings, grid, case.parent)
    anthropogenic = fluxes["flux"].sel(sector="anthropogenic").values
    per_year = (anthropogenic.mean(axis=0) * grid.area).sum() * 44.009e-12 * SECONDS_PER_YEAR * 1e-6
    with netCDF4.Dataset(case.parent / "fluxes/inventory_diffuse.nc") as file:
        assert file["emi_co2"].units == "kg m-2 s-1"
    with rasterio.open(case.parent / "fluxes/inventory_points.tif") as image:
        plants = float(image.read(1).sum()) * 1e-6
    assert 50 < plants < 300
    # Mt per year of province and neighbours, within the hours' share of the day
    assert 500 < per_year < 1300
    assert fluxes["flux"].sel(sector="biosphere").values.min() < -3


def test_the_inversion_comes_nearer_the_observations(store):
    found = open_store(store)
    # six hours of deep, well mixed air: instruments' errors of 1.5 to 4.5 ppm are most of the prior's misfit
    assert found["diagnostic_posterior_rmse"].item() < 0.95 * found["diagnostic_prior_rmse"].item()
    assert 0.4 < found["diagnostic_chi2"].item() < 2.5
    assert found["diagnostic_observations"].item() >= 15


def test_the_score_covers_every_sector_and_region(case, store):
    table = score(store, case.parent / "truth.nc")
    assert set(table["sector"]) == {"anthropogenic", "biosphere", "net"}
    assert table.groupby("sector")["level"].value_counts().to_dict() == {
        (sector, level): count
        for sector in ("anthropogenic", "biosphere", "net")
        for level, count in (("province", 1), ("city", 11), ("county", 90))
    }
    by_sector = table.set_index(["sector", "region"])
    for column in ("truth", "prior", "posterior"):
        parts = by_sector.loc["anthropogenic", column] + by_sector.loc["biosphere", column]
        np.testing.assert_allclose(by_sector.loc["net", column], parts, rtol=1e-9)
    assert (table["sigma"] <= table["prior_sigma"] * (1 + 1e-9)).all()
    # six hours of the simulated province
    assert by_sector.loc[("anthropogenic", "330000"), "truth"] == pytest.approx(1100 / 4, rel=0.4)
    text = io.StringIO()
    print_score(store, case.parent / "truth.nc", Console(file=text, width=120))
    assert "Hangzhou" in text.getvalue()
    assert "truth within the 90 % interval" in text.getvalue()


def test_summary_is_rms_and_coverage_of_the_cities(case, store):
    table = score(store, case.parent / "truth.nc").head(12).copy()
    cities = table["level"] == "city"
    table["truth"], table["prior"], table["posterior"] = 10.0, 13.0, 9.0
    table["covered"] = cities & (np.arange(12) < 6)
    found = summary(table, "anthropogenic")
    assert found["prior_rmse"] == pytest.approx(3)
    assert found["posterior_rmse"] == pytest.approx(1)
    assert found["covered"] == pytest.approx(5 / 11)


def test_figures_of_merit_are_those_of_the_table_and_the_store(case, store):
    truth = case.parent / "truth.nc"
    table = score(store, truth)
    found = summary(table, "anthropogenic")
    province = table[(table["sector"] == "anthropogenic") & (table["level"] == "province")].iloc[0]
    total, cities, covered, chi2, left_out = figures(store, truth)
    assert total.prior == pytest.approx(100 * abs(province["prior"] / province["truth"] - 1))
    assert total.posterior == pytest.approx(100 * abs(province["posterior"] / province["truth"] - 1))
    assert cities.posterior == pytest.approx(found["posterior_rmse_percent"])
    assert covered.posterior == pytest.approx(100 * found["covered"])
    assert chi2.posterior == open_store(store)["diagnostic_chi2"].item()
    assert left_out.posterior > 0
    for row in (total, cities, covered, chi2, left_out):
        assert row.met == (row.target[0] <= row.posterior <= row.target[1])


def test_emission_and_uptake_of_a_city_cannot_be_told_apart_wholly(case, store):
    table = score(store, case.parent / "truth.nc")
    found = table[table["sector"] == "anthropogenic"]["correlation"]
    # one column of air sees the sum of both: what is given to one is taken from the other
    assert found.between(-1, 0.05).all()
    assert found.min() < -0.05
    assert table[table["sector"] == "net"]["correlation"].isna().all()


def test_the_score_finds_store_and_truth_of_a_folder(tmp_path):
    for missing in ("posterior.zarr/zarr.json", "truth.nc"):
        with pytest.raises(InputError, match="store and truth must be there"):
            places(tmp_path)
        (tmp_path / missing).parent.mkdir(exist_ok=True)
        (tmp_path / missing).touch()
    assert places(tmp_path) == (tmp_path / "posterior.zarr", tmp_path / "truth.nc")
    assert places(tmp_path / "posterior.zarr") == (tmp_path / "posterior.zarr", tmp_path / "truth.nc")


def test_another_draw_shares_weather_and_footprints(case, tmp_path):
    folder = shutil.copytree(case.parent, tmp_path / "case")
    before = digests(folder)
    stamp = (folder / "weather/wrfout_d01_2024-07-15_00:00:00").stat().st_mtime_ns
    make_demo(folder, seed=3, draw=9, **SMALL)
    after = digests(folder)
    assert (folder / "weather/wrfout_d01_2024-07-15_00:00:00").stat().st_mtime_ns == stamp
    changed = {name.split("/")[0] for name in before if after[name] != before[name]}
    assert changed == {"stations", "fluxes", "background", "truth.nc"}


def test_with_transport_error_the_air_is_not_what_the_cases_weather_says(case, tmp_path):
    folder = shutil.copytree(case.parent, tmp_path / "case")
    make_demo(folder, seed=3, transport_error=TransportError(speed=0.3, direction=40.0), **SMALL)
    before, after = digests(case.parent), digests(folder)
    changed = {name.split("/")[0] for name in before if after[name] != before[name]}
    # only what was measured, and the note in the truth; the case still names the same weather
    assert changed == {"stations", "truth.nc"}
    assert list(folder.glob("transport_true/footprints/*/*/*.nc"))
    names = {path.parent.name for path in input_files(read_settings(folder / "case.toml"), folder)}
    assert "weather_true" not in names


def test_a_matched_truth_departs_from_the_prior_by_what_is_stated(case, tmp_path):
    folder = shutil.copytree(case.parent, tmp_path / "case")
    path = make_demo(folder, seed=3, matched=True, **SMALL)
    settings = read_settings(path)
    fluxes, _ = read_fluxes(settings, grid_from_settings(settings.grid), folder)
    truth = xr.load_dataset(folder / "truth.nc")
    std = fluxes["flux_std"].values
    away = (truth["flux"].values - fluxes["flux"].values)[std > 0] / std[std > 0]
    # few independent values on 17 x 16 cells of 30 km
    assert away.std() == pytest.approx(1, abs=0.25)
    assert (truth["flux"].values == fluxes["flux"].values.astype(np.float32))[std == 0].all()


def test_a_score_against_another_cases_truth_is_refused(store, tmp_path):
    other = make_demo(tmp_path, seed=3, **{**SMALL, "hours": 3})
    with pytest.raises(InputError, match="store and truth must be of one case"):
        score(store, other.parent / "truth.nc")
