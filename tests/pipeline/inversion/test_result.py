"""From checked Datasets to the posterior Dataset and its store."""

import json
from pathlib import Path

import numpy as np
import pipeline_windows as windows
import pytest
import xarray as xr

from pipeline.errors import ConfigError, InputError, SolverError
from pipeline.grid import Grid, make_regions, open_store, write_store
from pipeline.inversion import assemble, footprint_matrix, match_rows, posterior, region_functionals, solve
from pipeline.schema import HOUR
from pipeline.units import SPECIES, tonnes_per_flux_unit


@pytest.fixture(scope="module")
def inputs():
    random = np.random.default_rng(5)
    observed = windows.observations(random)
    rows = windows.footprints(random, observed)
    return observed, rows, windows.background(rows), windows.fluxes(random)


@pytest.fixture(scope="module")
def solved(inputs):
    settings = windows.settings(precision="double")
    assembled = assemble(settings, windows.GRID, *inputs)
    return settings, assembled, windows.solved(assembled.problem)


@pytest.fixture(scope="module")
def result(inputs, solved):
    settings, assembled, solution = solved
    return posterior(settings, windows.GRID, windows.regions(), inputs[0], windows.TIME, assembled, solution)


def test_footprint_rows_land_on_their_hours_and_cells(inputs):
    rows = inputs[1]
    matrix = (
        footprint_matrix(rows, windows.TIME, windows.GRID).toarray().reshape(-1, windows.TIME.size, windows.GRID.size)
    )
    entries = slice(*rows["indptr"].values[4:6])
    for hour, cell, value in zip(*(rows[name].values[entries] for name in ("hour", "cell", "footprint")), strict=True):
        assert matrix[4, int((hour - windows.TIME[0]) / HOUR), cell] == value
    assert matrix.sum() == pytest.approx(rows["footprint"].values.sum(), rel=1e-12)


def test_observations_are_used_or_have_a_reason(inputs, solved):
    _, assembled, _ = solved
    reasons = assembled.air.reason
    assert reasons[0] == "no footprint"
    assert reasons[3] == "flagged range fail"
    assert np.sum(reasons == "") == assembled.air.rows.size == inputs[0].sizes["obs"] - 2


def test_each_station_has_its_own_representation_error(inputs, solved):
    _, assembled, _ = solved
    station = inputs[0]["station"].values[assembled.air.rows]
    expected = np.where(station == "AAA", 1.0, 9.0) + 0.2**2
    np.testing.assert_allclose(assembled.problem.variance, expected)


def test_a_share_of_the_enhancement_counts_emission_and_uptake_alike(inputs):
    observed, rows, _, prior = inputs
    settings = windows.settings(precision="double")
    feeds = [feed.model_copy(update={"enhancement_error": 0.3}) for feed in settings.stations]
    assembled = assemble(settings.model_copy(update={"stations": feeds}), windows.GRID, *inputs)
    matrix = footprint_matrix(rows, windows.TIME, windows.GRID)[match_rows(observed, rows)[assembled.air.rows]]
    enhancement = matrix @ np.abs(prior["flux"].values).sum(axis=0).ravel()
    plain = assemble(settings, windows.GRID, *inputs).problem.variance
    np.testing.assert_allclose(assembled.problem.variance, plain + (0.3 * enhancement) ** 2, rtol=1e-12)
    assert enhancement.min() > 0


def test_the_order_of_observations_and_footprints_does_not_change_the_fluxes(inputs, solved):
    observed, rows, carried, prior = inputs
    order = np.random.default_rng(1).permutation(observed.sizes["obs"])
    again = solve(assemble(solved[0], windows.GRID, observed.isel(obs=order), rows, carried, prior).problem)
    np.testing.assert_allclose(again.flux, solved[2].flux, rtol=1e-9, atol=1e-9)


def test_two_footprints_of_one_hour_are_refused(inputs):
    observed, rows, *_ = inputs
    doubled = rows.assign(time=("obs", np.full(rows.sizes["obs"], rows["time"].values[0])))
    with pytest.raises(SolverError, match="must have one footprint"):
        match_rows(observed, doubled)


def test_a_footprint_outside_the_window_or_the_grid_is_refused(inputs):
    rows = inputs[1]
    with pytest.raises(SolverError, match="hours must lie in the flux window"):
        footprint_matrix(rows, windows.TIME[10:], windows.GRID)
    with pytest.raises(SolverError, match="cells must lie in the grid"):
        footprint_matrix(rows.assign(cell=rows["cell"] + 20), windows.TIME, windows.GRID)


def test_no_usable_observation_is_an_error_that_counts_the_reasons(inputs):
    observed, *others = inputs
    flagged = observed.assign(flag=("obs", np.full(observed.sizes["obs"], 1, dtype=np.uint32), observed["flag"].attrs))
    with pytest.raises(SolverError, match="'flagged missing': 48"):
        assemble(windows.settings(), windows.GRID, flagged, *others)


def test_regional_totals_are_the_integral_of_the_fields(result):
    hours = result.sel(time=result["time"] >= np.datetime64("2024-07-15"))
    tonnes = tonnes_per_flux_unit(SPECIES["co2"]) * 3600
    field = (hours["flux_posterior"].astype(float).sum("time").values * windows.GRID.area).sum(axis=(1, 2)) * tonnes
    whole = result["region_posterior"].sel(region="ALL", period="all").values
    np.testing.assert_allclose(whole, field, rtol=1e-6)


def test_two_halves_add_up_to_the_whole_with_their_covariance(result):
    parts = result["region_posterior"].sel(region=["WEST", "EAST"]).sum("region")
    np.testing.assert_allclose(parts, result["region_posterior"].sel(region="ALL"), rtol=1e-9)
    covariance = result["region_posterior_covariance"].isel(sector=0, sector_2=0, period=0, period_2=0).values
    assert covariance[:2, :2].sum() == pytest.approx(result["region_posterior_std"].values[0, 2, 0] ** 2, rel=1e-9)


def test_a_case_without_regions_has_a_result_without_totals(inputs, solved, result, tmp_path):
    settings, assembled, _ = solved
    assert not settings.regions.zhejiang
    none = make_regions(settings.regions, windows.GRID, tmp_path)
    functionals = region_functionals(none, SPECIES["co2"], windows.TIME.size, assembled.problem.prior.dtype)
    solution = solve(assembled.problem, functionals=functionals)
    found = posterior(settings, windows.GRID, none, inputs[0], windows.TIME, assembled, solution)
    assert found.sizes["region"] == 0
    assert found["region_net_posterior_std"].shape == (0, found.sizes["period"])
    assert found["region_ensemble"].shape == (8, 2, 0, found.sizes["period"])
    assert "region_averaging_kernel" not in found
    for name in ("flux_posterior", "flux_posterior_std", "obs_posterior"):
        np.testing.assert_array_equal(found[name].values, result[name].values)
    write_store(found, tmp_path / "a.zarr")
    assert open_store(tmp_path / "a.zarr").sizes["region"] == 0


def test_the_net_uncertainty_counts_the_covariance_of_sectors(result):
    covariance = result["region_posterior_covariance"].isel(region=1, region_2=1, period=1, period_2=1).values
    assert result["region_net_posterior_std"].values[1, 1] == pytest.approx(np.sqrt(covariance.sum()), rel=1e-9)
    # two sectors seen by the same footprints are anticorrelated after the fact
    assert covariance[0, 1] < 0


def test_kept_members_scatter_about_the_posterior_mean_by_its_sigma(result):
    draws = result["flux_ensemble"]
    assert draws.dtype == np.float32
    scaled = (draws - result["flux_posterior"]) / result["flux_posterior_std"].where(result["flux_posterior_std"] > 0)
    # cells and hours are correlated, so the mean square over all of them and 8 members is only near 1
    assert float((scaled**2).mean()) == pytest.approx(1.0, abs=0.25)
    assert abs(float(scaled.mean())) < 0.25


def test_posterior_uncertainty_never_exceeds_the_prior(result):
    assert (result["region_posterior_std"] <= result["region_prior_std"] * (1 + 1e-12)).all()
    assert (result["flux_posterior_std"] <= result["flux_prior_std"] * (1 + 1e-6)).all()
    assert result["diagnostic_posterior_rmse"] < result["diagnostic_prior_rmse"]


def test_a_store_is_opened_by_plain_xarray_with_cf_metadata(result, tmp_path):
    write_store(result, tmp_path / "a.zarr")
    plain = xr.open_zarr(tmp_path / "a.zarr")
    flux = plain["flux_posterior"]
    assert flux.attrs["standard_name"] == "surface_upward_mole_flux_of_carbon_dioxide"
    assert flux.attrs["cell_methods"] == "time: mean area: mean"
    assert flux.attrs["grid_mapping"] == "crs"
    assert plain["crs"].attrs["grid_mapping_name"] == "latitude_longitude"
    assert np.array_equal(plain["time"].values, windows.TIME)
    assert Grid.from_dataset(plain) == windows.GRID
    assert np.array_equal(flux.values, result["flux_posterior"].values)
    assert plain["obs_reason"].values.tolist() == result["obs_reason"].values.tolist()


def test_bounds_and_grid_mapping_stand_in_their_own_attributes_only(result, tmp_path):
    write_store(result, tmp_path / "a.zarr")
    related = {"crs", "x_bounds", "y_bounds", "time_bounds"}
    named = set()
    for path in (tmp_path / "a.zarr").rglob("zarr.json"):
        attributes = json.loads(path.read_text(encoding="utf-8"))["attributes"]
        assert not related & set(attributes.get("coordinates", "").split()), path
        named |= {attributes[key] for key in ("bounds", "grid_mapping") if key in attributes}
    assert named == related
    plain = xr.open_zarr(tmp_path / "a.zarr", decode_coords="all")
    assert related <= set(plain.coords)
    std = plain["flux_posterior_std"].attrs["standard_name"]
    assert std == "surface_upward_mole_flux_of_carbon_dioxide standard_error"


def test_a_store_copied_to_netcdf_holds_the_same(result, tmp_path):
    write_store(result, tmp_path / "a.zarr")
    xr.open_zarr(tmp_path / "a.zarr").to_netcdf(tmp_path / "a.nc")
    with xr.open_dataset(tmp_path / "a.nc") as copy:
        assert np.array_equal(copy["flux_posterior"].values, result["flux_posterior"].values)
        assert copy["obs_reason"].values.tolist() == result["obs_reason"].values.tolist()
        assert np.array_equal(copy["time_bounds"].values, result["time_bounds"].values)


def test_the_same_inputs_give_the_same_bytes(result, inputs, solved, tmp_path):
    settings, assembled, _ = solved
    again = posterior(
        settings, windows.GRID, windows.regions(), inputs[0], windows.TIME, assembled, windows.solved(assembled.problem)
    )
    for name, dataset in (("a", result), ("b", again)):
        write_store(dataset, tmp_path / name)
    files = [
        {p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*") if p.is_file()} for n in "ab"
    ]
    assert files[0] == files[1]
    assert len(files[0]) > 100


def test_a_flipped_bit_is_an_error_never_a_number(result, tmp_path):
    write_store(result, tmp_path / "a.zarr")
    chunk = next(p for p in (tmp_path / "a.zarr" / "flux_prior" / "c").rglob("*") if p.is_file())
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 4
    chunk.write_bytes(data)
    with pytest.raises(ValueError, match="checksum"):
        open_store(tmp_path / "a.zarr")["flux_prior"].load()


def test_a_failed_write_leaves_the_earlier_store_whole(result, tmp_path, monkeypatch):
    write_store(result, tmp_path / "a.zarr")
    monkeypatch.setattr("zarr.consolidate_metadata", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_store(result.isel(time=slice(0, 3)), tmp_path / "a.zarr")
    assert open_store(tmp_path / "a.zarr").sizes["time"] == windows.TIME.size
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


def test_a_failed_exchange_puts_the_earlier_store_back(result, tmp_path, monkeypatch):
    write_store(result, tmp_path / "a.zarr")
    rename = Path.rename

    def refuse_the_new(self, target):
        if Path(target).name == "a.zarr" and ".old." not in self.name:
            raise OSError("no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse_the_new)
    with pytest.raises(OSError, match="no"):
        write_store(result.isel(time=slice(0, 3)), tmp_path / "a.zarr")
    assert open_store(tmp_path / "a.zarr").sizes["time"] == windows.TIME.size
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


def test_a_folder_that_is_not_a_store_is_never_replaced(result, tmp_path):
    mine = tmp_path / "thesis"
    mine.mkdir()
    (mine / "chapter.txt").write_text("years of work")
    for path in (mine, mine / "chapter.txt"):
        with pytest.raises(ConfigError, match="only a Zarr folder may be replaced"):
            write_store(result, path)
    with pytest.raises(ConfigError, match="must be writable"):
        write_store(result, mine / "chapter.txt" / "a.zarr")
    assert [p.name for p in tmp_path.rglob("*")] == ["thesis", "chapter.txt"]


def test_a_second_run_replaces_the_first(result, tmp_path):
    write_store(result, tmp_path / "a.zarr")
    write_store(result.isel(time=slice(0, 3)), tmp_path / "a.zarr")
    assert open_store(tmp_path / "a.zarr").sizes["time"] == 3
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


def test_what_is_not_a_store_is_refused(tmp_path):
    with pytest.raises(InputError, match="there must be a store"):
        open_store(tmp_path / "none.zarr")
    xr.Dataset({"a": ("t", [1.0])}).to_zarr(tmp_path / "other.zarr", consolidated=False)
    with pytest.raises(InputError, match="must hold a posterior"):
        open_store(tmp_path / "other.zarr")
