"""Maps of a period, and the files they are written to: the same numbers, in the right places, with their units."""

import numpy as np
import pandas as pd
import pyproj
import pytest
import query_stores as stores
import rasterio
import xarray as xr

from pipeline.answers import maps as maps_module
from pipeline.answers import mean_maps, query
from pipeline.answers.export import write_maps
from pipeline.errors import ConfigError, InputError
from pipeline.grid import Grid


def test_maps_over_a_region_are_its_totals(store):
    maps = mean_maps(store, "2024-07-15", freq="day")
    grid = Grid.from_dataset(maps)
    totals = (maps[["flux_prior", "flux_posterior"]] * grid.area * stores.TONNES * 24).sum(["y", "x"]).isel(time=0)
    answer = query(store, "ALL", "2024-07-15").isel(region=0, time=0)
    for name in ("prior", "posterior"):
        np.testing.assert_allclose(totals[f"flux_{name}"], answer[name], rtol=2e-3, atol=10)
    np.testing.assert_allclose(maps["flux_change"], maps["flux_posterior"] - maps["flux_prior"], atol=1e-6)
    assert maps["sector"].values.tolist() == ["anthropogenic", "biosphere", "net"]
    assert maps["hours"].values.tolist() == [24]


def test_sigma_of_an_hour_is_that_of_the_store_and_of_a_day_between_independence_and_one_error(run, store):
    field = run.result["flux_posterior_std"].sel(sector="biosphere", time=slice("2024-07-15T00", "2024-07-15T23"))
    hour = mean_maps(store, "2024-07-15T03Z", sector="biosphere")["flux_posterior_std"][0, 0]
    np.testing.assert_allclose(hour, field.sel(time="2024-07-15T03"), rtol=2.0**-12)
    day = mean_maps(store, "2024-07-15", sector="biosphere")["flux_posterior_std"][0, 0].values
    assert np.all(day < field.values.mean(axis=0))
    assert np.all(day > np.sqrt((field.values**2).sum(axis=0)) / 24)


def test_hours_read_in_blocks_are_the_same_as_at_once(store, monkeypatch):
    whole = mean_maps(store, "2024-07-15")
    monkeypatch.setattr(maps_module, "_HOURS", 5)
    np.testing.assert_allclose(mean_maps(store, "2024-07-15")["flux_posterior"], whole["flux_posterior"], rtol=1e-6)


def test_a_netcdf_file_is_cf_and_says_the_same(store, tmp_path):
    maps = mean_maps(store, "2024-07-15T00Z/2024-07-15T06Z", freq="hour")
    write_maps(maps, tmp_path / "a.nc")
    with xr.open_dataset(tmp_path / "a.nc") as found:
        np.testing.assert_array_equal(found["flux_posterior"].values, maps["flux_posterior"].values)
        assert (
            found["time"].values.astype("datetime64[h]").tolist()
            == maps["time"].values.astype("datetime64[h]").tolist()
        )
        assert found["flux_posterior"].attrs["units"] == "umol m-2 s-1"
        assert found.attrs["Conventions"] == "CF-1.11"
        assert pyproj.CRS.from_cf(found["crs"].attrs).is_geographic
    with xr.open_dataset(tmp_path / "a.nc", decode_times=False) as raw:
        assert raw["time"].attrs["units"] == "hours since 1970-01-01"


def test_a_geotiff_is_cloud_optimised_north_up_and_in_place(store, tmp_path):
    maps = mean_maps(store, "2024-07-15")
    write_maps(maps, tmp_path / "a.tif")
    with rasterio.open(tmp_path / "a.tif") as found:
        assert found.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert found.crs.to_epsg() == 4326
        band = found.descriptions.index("flux_posterior net") + 1
        assert found.units[band - 1] == "umol m-2 s-1"
        west, south = float(maps["x"][0]), float(maps["y"][0])
        told = [value[0] for value in found.sample([(west, south), (west + 0.5, south + 0.75)], band)]
        expected = maps["flux_posterior"].sel(sector="net").isel(time=0)
        np.testing.assert_array_equal(told, [expected.values[0, 0], expected.values[3, 2]])
        assert found.tags()["version"] == maps.attrs["version"]
    with pytest.raises(ConfigError, match="holds one map of each sector; got '24 parts'"):
        write_maps(mean_maps(store, "2024-07-15", freq="hour"), tmp_path / "b.tif")


def test_tables_have_a_row_a_cell(store, tmp_path):
    maps = mean_maps(store, "2024-07-15", freq="day", sigma=False)
    write_maps(maps, tmp_path / "a.parquet")
    write_maps(maps, tmp_path / "a.csv")
    table, text = pd.read_parquet(tmp_path / "a.parquet"), pd.read_csv(tmp_path / "a.csv")
    assert len(table) == len(text) == 3 * 30
    row = table[(table.sector == "net") & np.isclose(table.lon, 118.5) & np.isclose(table.lat, 28.75)]
    assert row["flux_posterior"].item() == maps["flux_posterior"].sel(sector="net").isel(time=0).values[3, 2]
    np.testing.assert_allclose(text["flux_prior"], table["flux_prior"], rtol=1e-6)


def test_too_many_maps_and_unknown_endings_are_refused(store, tmp_path, monkeypatch):
    monkeypatch.setattr(maps_module, "MOST_NUMBERS", 1000)
    with pytest.raises(InputError, match=r"maps may have 1e\+03 numbers.*ask for 11 parts"):
        mean_maps(store, "2024-07-15", freq="hour")
    with pytest.raises(ConfigError, match=r"end it with one of \.nc, \.tif"):
        write_maps(mean_maps(store, "2024-07-15"), tmp_path / "a.hdf")
