"""TROPOMI's level 2 through a whole case: receptors, footprints, K and store, as any observation goes."""

import numpy as np
import pytest
import weather_cases as cases
import xarray as xr
from granule_files import S5P_KERNEL, S5P_PRIOR, write_s5p

from pipeline.case import run_case
from pipeline.grid import open_store
from pipeline.ingest.soundings import OUTSIDE_AREA
from pipeline.schema import Flag

CASE = """
[case]
name = "swath"
title = "A swath over a small case"
species = "ch4"
flux_hours = { start = 2025-05-01T02:00:00Z, end = 2025-05-01T10:00:00Z }
observation_hours = { start = 2025-05-01T08:00:00Z, end = 2025-05-01T10:00:00Z }
[grid]
crs = "EPSG:4326"
x = { first = 8.3, step = 0.1, count = 8 }
y = { first = 49.2, step = 0.1, count = 6 }
[regions]
boxes = [{ id = "ALL", name = "all", box = [8.25, 9.05, 49.15, 49.75] }]
[[columns]]
id = "TROPOMI"
format = "tropomi-l2"
files = ["S5P_*.nc"]
top = 3000
representation_error = 4.5
scale_error = 0
COLUMNS
[transport]
folder = "made"
hours = 6
particles = 400
top = 4000
[transport.meteorology]
format = "era5"
files = ["era5_*.nc"]
[[sectors]]
name = "all"
sigma_fraction = 0.5
length = 30
hours = 24
[[sectors.sources]]
file = "flux.nc"
format = "netcdf"
variable = "flux"
[background]
kind = "series"
file = "background.csv"
sigma = 5
hours = 6
table = { time = "time", value = "ch4", unit = "ppb" }
[solver]
threads = 1
members = 8
[outputs]
store = "swath.zarr"
"""
BACKGROUND = 1880.0
#: three lines of four pixels 5 km apart; the last lies outside the grid, and one over water
LON, LAT = np.meshgrid(8.48 + 0.05 * np.arange(4), 49.38 + 0.05 * np.arange(3))
LON[2, 3] = 12.0
GROUND = np.zeros(LON.shape)
GROUND[0, 0] = 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("swath")
    cases.write_hours(root, range(12))
    x, y = np.meshgrid(cases.GRID.x, cases.GRID.y)
    flux = 50.0 + 40.0 * np.sin(9 * x) * np.cos(7 * y)
    coords = {"lat": ("lat", cases.GRID.y, {"units": "degrees_north"}), "lon": ("lon", cases.GRID.x)}
    xr.Dataset({"flux": (("lat", "lon"), flux, {"units": "nmol m-2 s-1"})}, coords=coords).to_netcdf(root / "flux.nc")
    hours = "".join(f"2025-05-01T{hour:02d}:00:00Z,{BACKGROUND}\n" for hour in range(24))
    (root / "background.csv").write_text(f"time,ch4\n{hours}", encoding="utf-8")
    write_s5p(root / "S5P_swath.nc", LON, LAT, start="2025-05-01T08:30:00", surface_classification=GROUND,
              methane_mixing_ratio_bias_corrected_destriped=1852.0 + np.arange(12).reshape(3, 4))  # fmt: skip
    return root


@pytest.fixture(scope="module")
def store(folder):
    """Return a maker of stores, each made once."""
    made = {}

    def run(columns=""):
        if columns not in made:
            path = folder / f"case{len(made)}.toml"
            path.write_text(CASE.replace("COLUMNS", columns), encoding="utf-8")
            made[columns] = open_store(run_case(path, store=path.with_suffix(".zarr"))).load()
        return made[columns]

    return run


def rows_of(folder):
    """Return station -> row, of every hour file of footprints."""
    found = {}
    for path in (folder / "made" / "footprints").rglob("*.nc"):
        found |= {name: row for (name, _), row in cases.rows_of(path).items()}
    return found


def test_every_pixel_has_its_outcome(store):
    found = store()
    reason = found["obs_reason"].values.astype(str)
    assert found.sizes["obs"] == 11
    assert (reason == "").sum() == 10
    assert (reason == "flagged instrument").sum() == 1
    assert (found["obs_flag"].values[reason != ""] & Flag.INSTRUMENT).all()
    for words in ("water (flagged instrument)", OUTSIDE_AREA):
        assert words in found.attrs["account"]


def test_the_modelled_column_is_prior_part_background_and_what_its_footprint_sees(store, folder):
    found = store()
    footprints = rows_of(folder)
    x, y = np.meshgrid(cases.GRID.x, cases.GRID.y)
    flux = (50.0 + 40.0 * np.sin(9 * x) * np.cos(7 * y)).ravel()
    used = np.flatnonzero(found["obs_reason"].values.astype(str) == "")
    seen = []
    for row in used.tolist():
        mine = footprints[str(found["obs_station"].values[row])]
        kept = mine["hour"] >= np.datetime64("2025-05-01T02")
        seen.append(float((mine["footprint"][kept].astype(float) * flux[mine["cell"][kept]]).sum()))
        expected = found["obs_background_prior"].values[row] + seen[-1]
        assert found["obs_prior"].values[row] == pytest.approx(expected, rel=1e-6)
    # a column below 3 km sees some of the ground's flux, and none of it twice
    assert 0.05 < min(seen) < max(seen) < 20
    # X = sum w ((1 - A) x_a + A b), layers of equal weight; a kernel is 0.001 more than that of the pixel before
    kernel = S5P_KERNEL[None, :] + 0.001 * np.arange(12)[:, None]
    without = ((1 - kernel) * S5P_PRIOR).mean(axis=1) + kernel.mean(axis=1) * BACKGROUND
    pixel = np.round(found["obs_value"].values[used] - 1852.0).astype(int)
    np.testing.assert_allclose(found["obs_background_prior"].values[used], without[pixel], rtol=1e-5)


def test_columns_above_the_prior_raise_the_fluxes_they_see(store):
    found = store()
    used = found["obs_reason"].values.astype(str) == ""
    excess = (found["obs_value"] - found["obs_prior"]).values[used]
    left = (found["obs_value"] - found["obs_posterior"]).values[used]
    assert np.sum(left**2) < np.sum(excess**2)


def test_a_superobservation_goes_the_same_way_and_sees_what_its_soundings_see_together(store, folder):
    single, averaged = store(), store("superobs_cells = 1")
    used = averaged["obs_reason"].values.astype(str) == ""
    # cells of 0.1 degree: pixels of 0.05 degree, four and fewer of them in one
    count = averaged["obs_count"].values[used]
    assert count.sum() == 10
    assert 1 < count.max() <= 4
    grid = cases.GRID
    cell = grid.locate(single["obs_lon"].values, single["obs_lat"].values)
    for row in np.flatnonzero(used).tolist():
        here = grid.locate(averaged["obs_lon"].values[row], averaged["obs_lat"].values[row])[0]
        members = (cell == here) & (single["obs_reason"].values.astype(str) == "")
        assert members.sum() == averaged["obs_count"].values[row]
        value = single["obs_value"].values[members].mean()
        assert averaged["obs_value"].values[row] == pytest.approx(value, rel=1e-9)
        # its own particles from the middle of its soundings: as many particles' noise apart
        assert averaged["obs_prior"].values[row] == pytest.approx(single["obs_prior"].values[members].mean(), abs=0.3)
        # sigma_o^2 ((1 - r) / p + r) + sigma_t^2, sigma_o twice the 5 ppb of the file
        p = members.sum()
        expected = np.sqrt(10.0**2 * (0.45 / p + 0.55) + 4.5**2)
        assert averaged["obs_error"].values[row] == pytest.approx(expected, rel=1e-6)
    assert "super-observations" in averaged.attrs["notes"]


def test_errors_along_the_track_are_part_of_the_same_variance(store):
    plain, shared = store(), store("correlated_share = 0.5")
    used = plain["obs_reason"].values.astype(str) == ""
    own = np.hypot(10.0 * np.sqrt(0.5), 4.5)
    np.testing.assert_allclose(plain["obs_error"].values[used], np.hypot(10.0, 4.5), rtol=1e-6)
    np.testing.assert_allclose(shared["obs_error"].values[used], own, rtol=1e-6)
    # what leaves a sounding's own error is in the errors it shares
    total = [
        found["obs_error"].values[used] ** 2 + found["obs_prior_std"].values[used] ** 2 for found in (plain, shared)
    ]
    np.testing.assert_allclose(*total, rtol=1e-6)
    assert np.abs(plain["flux_posterior"] - shared["flux_posterior"]).max() > 1e-3
