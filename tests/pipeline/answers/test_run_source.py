"""Questions to a finished run: any area, any hours, the same answer as the run's own."""

import numpy as np
import pytest
import query_stores as stores
import shapely

from pipeline.answers import open_source, query
from pipeline.errors import InputError

DAY = "2024-07-15"


def test_a_declared_region_has_the_totals_of_the_run(run):
    answer = query(run.store, "EAST", DAY).isel(region=0, time=0)
    told = run.result.sel(region="EAST", period="all")
    for name in ("prior", "posterior"):
        np.testing.assert_allclose(answer[name][:-1], told[f"region_{name}"], rtol=1e-9)
        np.testing.assert_allclose(answer[f"{name}_std"][:-1], told[f"region_{name}_std"], rtol=1e-8)
        assert float(answer[f"{name}_std"][-1]) == pytest.approx(float(told[f"region_net_{name}_std"]), rel=1e-8)
        np.testing.assert_allclose(answer[name][-1], answer[name][:-1].sum(), rtol=1e-12)
    assert (int(answer["hours"]), int(answer["hours_missing"]), float(answer["outside"])) == (24, 0, 0.0)
    assert bool(answer["exact"])
    assert answer.attrs["linearised"] == 0


def test_hours_of_a_region_from_the_runs_table_are_those_of_the_kept_solution(run):
    # a box is no declared region: its hours are asked of the solution
    told, asked = (query(run.store, area, DAY, freq="hour") for area in ("EAST", stores.EAST))
    assert told.sizes["time"] == 24
    for name in ("prior", "prior_std", "posterior", "posterior_std", "data_share", "flux_posterior_std"):
        np.testing.assert_allclose(told[name].values, asked[name].values, rtol=2e-5, atol=1e-7)
    np.testing.assert_array_equal(told["exact"].values, asked["exact"].values)


def test_hours_of_a_region_leave_the_covariances_of_the_others_where_they_are(run):
    # of a month and a hundred regions they are hundreds of megabytes
    name = "region_hourly_posterior_covariance"
    source = open_source(run.store)
    several = [*source.regions.ids, source.regions.ids[0]]
    told = query(source, several, DAY, freq="hour")
    for number, region in enumerate(several):
        one = query(source, region, DAY, freq="hour").isel(region=0)
        np.testing.assert_allclose(told["posterior_std"].isel(region=number), one["posterior_std"], rtol=1e-12)
    # xarray keeps what was read whole
    assert not source.posterior[name].variable._in_memory


def test_a_box_and_a_polygon_of_the_region_have_the_same_total(run, tmp_path):
    west, east, south, north = stores.EAST
    path = stores.geojson(tmp_path / "east.geojson", stores.square(*stores.EAST))
    polygon = shapely.box(west, south, east, north)
    expected = query(run.store, "EAST", DAY)
    for area in (stores.EAST, path, polygon, stores.square(*stores.EAST)):
        answer = query(run.store, area, DAY)
        for name in ("posterior", "posterior_std", "flux_posterior"):
            np.testing.assert_allclose(answer[name].values, expected[name].values, rtol=1e-6)


def test_polygons_of_a_file_are_counted_once_where_they_overlap(run, tmp_path):
    west, east, south, north = stores.EAST
    halves = (stores.square(west, 119.1, south, north), stores.square(119.0, east, south, north))
    collection = {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": g} for g in halves]}
    expected = query(run.store, "EAST")["posterior"].values
    for area in (stores.geojson(tmp_path / "two.geojson", *halves), collection):
        np.testing.assert_allclose(query(run.store, area)["posterior"].values, expected, rtol=1e-6)


def test_any_area_and_hours_agree_with_the_kept_ensemble(run):
    # a triangle over parts of cells, and five hours that are no reporting period
    triangle = shapely.Polygon([(118.1, 28.05), (119.2, 28.3), (118.6, 29.0)])
    answer = query(run.store, triangle, "2024-07-15T03Z/2024-07-15T08Z").isel(region=0, time=0)
    draws = run.draws(triangle, slice("2024-07-15T03", "2024-07-15T07"))
    mean, sigma = answer["posterior"].values, answer["posterior_std"].values
    totals = np.concatenate([draws, draws.sum(axis=1, keepdims=True)], axis=1)
    assert np.all(np.abs(totals.mean(axis=0) - mean) < 4 * sigma / np.sqrt(stores.MEMBERS))
    assert np.all(np.abs(totals.std(axis=0, ddof=1) / sigma - 1) < 4 / np.sqrt(2 * stores.MEMBERS))
    assert int(answer["hours"]) == 5


def test_parts_of_a_period_and_areas_add_up(run):
    areas = ["EAST", "WEST", "ALL"]
    whole = query(run.store, areas, DAY).isel(time=0)
    hours = query(run.store, areas, DAY, freq="hour")
    assert hours.sizes["time"] == 24
    for name in ("prior", "posterior"):
        np.testing.assert_allclose(hours[name].sum("time"), whole[name], rtol=1e-9)
        halves = whole[name].sel(region=["EAST", "WEST"]).sum("region")
        np.testing.assert_allclose(halves, whole[name].sel(region="ALL"), rtol=1e-9)
    assert np.all(whole["posterior_std"].sel(region="ALL") < whole["posterior_std"].isel(region=[0, 1]).sum("region"))


def test_totals_asked_in_blocks_are_those_asked_at_once(run, monkeypatch):
    from pipeline.answers import run_source

    areas = ["EAST", stores.EAST, "WEST"]
    whole = query(run.store, areas, DAY, freq="hour")
    monkeypatch.setattr(run_source, "_AT_ONCE", 7)
    parts = query(run.store, areas, DAY, freq="hour")
    for name in ("prior", "posterior", "prior_std", "posterior_std"):
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-9)


def test_one_sector_or_the_net_is_what_all_of_them_say(run):
    everything = query(run.store, "EAST", DAY)
    for name in ("biosphere", "net"):
        one = query(run.store, "EAST", DAY, sector=name)
        assert one["sector"].values.tolist() == [name]
        np.testing.assert_array_equal(
            one["posterior_std"].values, everything.sel(sector=[name])["posterior_std"].values
        )


def test_the_mean_flux_times_area_and_time_is_the_total(run):
    answer = query(run.store, "EAST", DAY)
    # umol m-2 s-1 of CO2: 44.009 g mol-1
    tonnes = answer["flux_posterior"] * 1e-6 * 44.009e-6 * answer["area"] * 24 * 3600
    np.testing.assert_allclose(tonnes, answer["posterior"], rtol=1e-9)


def test_what_lies_outside_the_grid_is_said(run):
    assert float(query(run.store, (119.0, 119.75, 28.0, 29.0))["outside"][0]) == pytest.approx(0.5, abs=1e-6)


def test_the_whole_grid_is_all_cells(run):
    from pipeline.answers import GRID

    expected = query(run.store, "ALL", DAY)
    for name in ("posterior", "posterior_std"):
        np.testing.assert_allclose(query(run.store, GRID, DAY)[name].values, expected[name].values, rtol=1e-6)


def test_hours_outside_the_window_are_counted_as_missing(run):
    answer = query(run.store, "EAST", "2024-07", freq="month")
    assert (int(answer["hours"][0]), int(answer["hours_missing"][0])) == (30, 31 * 24 - 30)


def test_a_store_that_kept_nothing_and_no_store_at_all_are_refused(run, tmp_path):
    with pytest.raises(InputError, match=r"must have kept its solution.*outputs\.query = true"):
        query(run.store.with_name("nothing-kept.zarr"), "EAST")
    with pytest.raises(InputError, match="there must be a store"):
        query(tmp_path / "none.zarr", "EAST")
    with pytest.raises(InputError, match="only a store of hours has versions"):
        query(run.store, "EAST", version="v1")
