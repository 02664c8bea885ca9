"""Questions to a store of hours: means as written, sigma exact where it is kept and never too small elsewhere."""

import numpy as np
import pytest
import query_stores as stores
import shapely

from pipeline.answers import GRID, open_dataset, open_source, query
from pipeline.errors import GridError, StoreError

DAY = "2024-07-15"
LEFT_OUT = ("2024-07-15T05", "2024-07-15T06")


@pytest.fixture(scope="module")
def gaps(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gaps")
    stores.hours_of(run, folder, LEFT_OUT)
    return folder / "store"


def test_an_hour_of_a_region_has_the_totals_and_the_exact_sigma_of_its_run(run, hours):
    asked, told = (query(s, ["EAST", "ALL"], DAY, freq="hour") for s in (hours, run.store))
    for name in ("prior", "posterior", "prior_std", "posterior_std"):
        np.testing.assert_allclose(asked[name].values, told[name].values, rtol=1e-6)
    assert asked["exact"].values.all()


def test_means_of_any_area_and_period_are_those_of_the_run(run, hours):
    triangle = shapely.Polygon([(118.1, 28.05), (119.2, 28.3), (118.6, 29.0)])
    for area in ("EAST", triangle, GRID):
        for frequency in ("all", "day", "hour"):
            asked, told = (query(s, area, DAY, freq=frequency) for s in (hours, run.store))
            for name in ("prior", "posterior"):
                # fields keep twelve bits of the mantissa
                error = np.abs(asked[name] - told[name]) / np.maximum(np.abs(told[name]), told["posterior_std"])
                assert float(error.max()) < 2.0**-12


@pytest.mark.parametrize("frequency", ["all", "hour"])
def test_the_upper_estimate_is_no_smaller_than_the_exact_sigma_and_no_larger_than_the_prior(run, hours, frequency):
    areas = ["EAST", "WEST", "ALL", shapely.box(118.2, 28.1, 118.9, 28.9), GRID]
    asked, told = (query(s, areas, "2024-07-15T02Z/2024-07-15T20Z", freq=frequency) for s in (hours, run.store))
    # sigmas of cells are those of members: a few percent of noise in each
    slack = 1.0 if frequency == "all" else 1.1
    assert np.all(asked["posterior_std"] * slack >= told["posterior_std"])
    assert np.all(asked["posterior_std"] <= asked["prior_std"] * 1.01)
    # it is not so large as to tell nothing
    assert float((asked["posterior_std"] / told["posterior_std"]).median()) < 1.6


def test_a_polygons_prior_is_exact_and_a_regions_nearly_so(run, hours):
    box = shapely.box(118.2, 28.1, 118.9, 28.9)
    for area, tolerance in ((box, 2e-3), (GRID, 2e-3), ("EAST", 2e-2)):
        asked, told = (query(s, area, DAY) for s in (hours, run.store))
        np.testing.assert_allclose(asked["prior_std"].values, told["prior_std"].values, rtol=tolerance)


def test_hours_without_a_version_are_missing_and_not_guessed(run, gaps):
    asked = query(gaps, ["EAST", GRID], DAY)
    assert (int(asked["hours"][0]), int(asked["hours_missing"][0])) == (22, 2)
    hourly = query(run.store, ["EAST", GRID], DAY, freq="hour")
    kept = ~np.isin(hourly["time"].values.astype("datetime64[h]").astype(str), LEFT_OUT)
    np.testing.assert_allclose(asked["posterior"][..., 0], hourly["posterior"].isel(time=kept).sum("time"), rtol=1e-3)
    assert np.isfinite(asked["posterior_std"].values).all()


def test_a_cell_is_what_its_fields_say(run, hours):
    for store in (run.store, hours):
        asked = query(store, (119.05, 28.7), DAY, freq="hour").isel(region=0)
        field = run.result["flux_posterior"].sel(time=slice("2024-07-15T00", "2024-07-15T23")).isel(y=3, x=4)
        np.testing.assert_allclose(asked["flux_posterior"][:-1], field, rtol=2.0**-12, atol=1e-9)
        with pytest.raises(GridError, match="a point must lie in the grid"):
            query(store, (10.0, 50.0), DAY)


def test_a_version_is_told_and_can_be_asked_for_again(run, hours):
    now = query(hours, "EAST", DAY)
    source = open_source(hours)
    try:
        assert source.version.id == now.attrs["version"]
    finally:
        source.close()
    again = query(hours, "EAST", DAY, version=now.attrs["version"])
    assert again.identical(now)
    assert query(hours, "EAST", DAY, as_of="2024-07-16T02:00Z").identical(now)
    with pytest.raises(StoreError, match="at or before that time"):
        query(hours, "EAST", DAY, as_of="1969-07-16T00:00Z")
    with pytest.raises(StoreError):
        query(hours, "EAST", DAY, version="no-such-version")


def test_an_opened_store_tells_its_units(hours):
    found = open_dataset(hours)
    assert found["flux_posterior_std"].attrs["units"] == "umol m-2 s-1"
    assert found["region_prior"].attrs["units"] == "t"
    assert found["region_covariance"].attrs["units"] == "t2"


def test_what_is_known_of_an_hour_is_told(hours):
    source = open_source(hours)
    try:
        facts = source.facts(source.hours[:2])
    finally:
        source.close()
    assert facts == [{"status": "P2", "condition": "full", "revision": 1, "used": 2}] * 2
