"""Simulated satellites: where they look, and that ingest reads from their files just what was put in."""

import netCDF4
import numpy as np
import pytest
import xarray as xr
from column_files import column_case

from pipeline.grid import lambert_grid
from pipeline.ingest import all_receptors
from pipeline.osse.column_files import write_oco2_lite, write_swath
from pipeline.osse.soundings import column_of, oco2_soundings, sounding_receptors, swath_soundings
from pipeline.schema import Flag, is_used
from pipeline.settings import GridSettings

GRID = lambert_grid(west=118, east=123, south=27, north=31.5, spacing=9000.0)
DAYS = np.datetime64("2024-07-15") + np.arange(7)
KINDS = {
    "OCO2": (oco2_soundings, write_oco2_lite, "oco2-lite"),
    "IMAGER": (swath_soundings, write_swath, "ghg-cci"),
}


@pytest.fixture(scope="module", params=KINDS)
def written(request, tmp_path_factory):
    """A week's soundings with their columns, and what ingest makes of the file."""
    look, write, layout = KINDS[request.param]
    soundings = look(GRID, DAYS, np.random.default_rng(4))
    background, added = 424 + np.arange(soundings.size) / 100, np.linspace(0, 2, soundings.size)
    values = column_of(soundings, background, added, np.random.default_rng(5))
    folder = tmp_path_factory.mktemp("columns")
    write(folder / "a.nc", soundings, values)
    case = column_case(
        species="co2", id=request.param, format=layout, hours=("2024-07-15T00", "2024-07-22T00"), top=5000.0,
        uncertainty_factor=1.0,
    )  # fmt: skip
    case = case.model_copy(update={"grid": GridSettings(box=(118, 123, 27, 31.5), spacing=9000.0)})
    return request.param, soundings, background, added, values, all_receptors(case, folder, None), folder


def test_a_file_gives_back_the_receptors_its_soundings_were_made_with(written):
    name, soundings, _, _, _, (_, receptors, _, _), _ = written
    xr.testing.assert_identical(receptors, sounding_receptors(soundings, name, 5000.0))


def test_a_file_gives_back_columns_and_what_a_model_needs_to_make_them(written):
    _, soundings, background, added, values, (observations, _, _, _), _ = written
    used = observations.isel(obs=is_used(observations["flag"].values))
    np.testing.assert_allclose(used["value"].values, values, rtol=1e-7)
    np.testing.assert_allclose(used["uncertainty"].values, soundings.sigma, rtol=1e-7)
    modelled = used["prior_part"].values + used["kernel_sum"].values * background + added
    # what is left is the noise alone
    noise = (used["value"].values - modelled) / soundings.sigma
    assert abs(noise.mean()) < 4 / np.sqrt(noise.size)
    assert noise.std() == pytest.approx(1, abs=4 / np.sqrt(2 * noise.size))


def test_bad_soundings_are_in_the_file_and_stay_out(written):
    _, soundings, _, _, _, (observations, _, accounts, _), _ = written
    flag = observations["flag"].values
    bad = ~is_used(flag)
    assert bad.sum() == -(-soundings.size // 5)
    assert np.all(flag[bad] & int(Flag.INSTRUMENT))
    assert 0.4 < ((flag[bad] & int(Flag.MISSING)) > 0).mean() < 0.6
    assert accounts[0].rows_read == soundings.size + bad.sum()


def test_air_that_is_its_own_prior_is_retrieved_as_it_is():
    soundings = swath_soundings(GRID, DAYS[:1], np.random.default_rng(1))
    even = np.full_like(soundings.profile, 420.0)
    quiet = type(soundings)(**(vars(soundings) | {"profile": even, "sigma": np.zeros(soundings.size)}))
    found = column_of(quiet, np.full(soundings.size, 420.0), np.zeros(soundings.size), np.random.default_rng(0))
    np.testing.assert_allclose(found, 420.0, rtol=1e-6)


def test_a_narrow_track_crosses_every_third_day_elsewhere():
    soundings = oco2_soundings(GRID, DAYS, np.random.default_rng(2))
    days, day = np.unique(soundings.time.astype("datetime64[D]"), return_inverse=True)
    assert days.tolist() == DAYS[::3].tolist()
    middles = []
    for k in range(days.size):
        lon, lat = soundings.lon[day == k], soundings.lat[day == k]
        assert 20 < lon.size <= 100
        slope, middle = np.polyfit(lat - 29.25, lon, 1)
        # a ground track leans west on its way north; the swath is 10 km wide
        assert np.degrees(np.arctan(slope * np.cos(np.radians(29.25)))) == pytest.approx(-12.8, abs=1)
        assert np.ptp(lon - slope * (lat - 29.25)) * 97 < 14
        middles.append(middle)
    assert np.ptp(middles) > 0.3
    minutes = (soundings.time - soundings.time.astype("datetime64[D]")) / np.timedelta64(1, "m")
    assert 310 < minutes.min() < minutes.max() < 350


def test_a_swath_is_wide_cloudy_and_no_more_than_asked():
    soundings = swath_soundings(GRID, DAYS[:3], np.random.default_rng(3), most=60)
    counts = np.unique(soundings.time.astype("datetime64[D]"), return_counts=True)[1]
    assert counts.tolist() == [60, 60, 60]
    assert np.ptp(soundings.lon) > 1.5
    # clouds hang together: the nearest clear pixel is much nearer than chance would have it
    one = soundings.at(soundings.time < DAYS[1])
    apart = np.hypot((one.lon[:, None] - one.lon) * 97, (one.lat[:, None] - one.lat) * 111)
    np.fill_diagonal(apart, np.inf)
    area = 260 * 4.3 * 111
    assert np.median(apart.min(axis=1)) < 0.75 * 0.5 * np.sqrt(area / one.size)


@pytest.mark.parametrize("look", [oco2_soundings, swath_soundings])
def test_soundings_lie_well_within_the_grid_with_their_corners_about_them(look):
    soundings = look(GRID, DAYS, np.random.default_rng(6))
    row, column = np.divmod(GRID.locate(soundings.lon, soundings.lat), GRID.nx)
    assert row.min() >= 2
    assert row.max() < GRID.ny - 2
    assert column.min() >= 2
    assert column.max() < GRID.nx - 2
    np.testing.assert_allclose(soundings.lon_corners.mean(axis=1), soundings.lon, atol=1e-4)
    east = (soundings.lon_corners - soundings.lon[:, None]) * 111.2 * np.cos(np.radians(soundings.lat[:, None]))
    north = (soundings.lat_corners - soundings.lat[:, None]) * 111.2
    area = 0.5 * (east * np.roll(north, -1, axis=1) - np.roll(east, -1, axis=1) * north).sum(axis=1)
    sides = (1.29 * 2.25) if look is oco2_soundings else 49.0
    np.testing.assert_allclose(area, sides, rtol=0.01)


def test_the_same_seed_looks_the_same_way():
    for look in (oco2_soundings, swath_soundings):
        one, two = (look(GRID, DAYS, np.random.default_rng(9)) for _ in range(2))
        for name, values in vars(one).items():
            np.testing.assert_array_equal(values, getattr(two, name))


def test_an_oco2_file_has_the_published_names_order_and_fills(tmp_path):
    soundings = oco2_soundings(GRID, DAYS[:1], np.random.default_rng(4))
    write_oco2_lite(tmp_path / "a.nc4", soundings, np.full(soundings.size, 424.0))
    with netCDF4.Dataset(tmp_path / "a.nc4") as data:
        data.set_auto_mask(False)
        assert data["pressure_levels"].shape[1] == 20
        assert np.all(np.diff(data["pressure_levels"][:], axis=1) > 0)
        assert set(data["xco2_quality_flag"][:]) == {0, 1}
        assert data["xco2"]._FillValue == np.float32(-999999.0)
        assert (data["xco2_x2019"][:] == -999999).any()
        assert np.unique(data["sounding_id"][:]).size == data["sounding_id"].size
        assert str(data["sounding_id"][0]).startswith("2024071505")
        good = data["xco2_quality_flag"][:] == 0
        # X2019 is 0.19 ppm above X2007 in today's air (Hall et al. 2021)
        np.testing.assert_allclose((data["xco2_x2019"][:] - data["xco2"][:])[good], 0.193, atol=1e-3)
        assert data["Retrieval/psurf"].units == "hPa"
        assert set(data["Sounding/footprint"][:]) <= set(range(1, 9))
