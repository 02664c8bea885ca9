"""The simulated weather, read back from its files, is what was put in, and conserves mass; footprints check it."""

import numpy as np
import pytest
import xarray as xr

from pipeline.footprints import made_footprints, make_footprints
from pipeline.grid import Grid, lambert_grid
from pipeline.ingest import read_meteorology
from pipeline.osse.air_column import (
    density,
    dry_density,
    full_levels,
    mass_levels,
    pressure,
    wind_profile,
)
from pipeline.osse.case_file import write_case
from pipeline.osse.network import sites
from pipeline.osse.plan import Plan
from pipeline.osse.weather import EPOCH, TransportError, local_hour, perturbed, simulate_weather
from pipeline.osse.weather_files import SPACING, weather_grid, wider, write_weather
from pipeline.osse.wind import vertical_wind, winds
from pipeline.osse.world import draw_world
from pipeline.schema import HOUR, label
from pipeline.settings import MeteorologySettings, read_settings
from pipeline.units import MOLAR_MASS_AIR

START = np.datetime64("2024-07-14T18", "ns")
GRID = lambert_grid(west=118, east=123, south=27, north=31.5, spacing=30_000.0)
AROUND = weather_grid(GRID)
WIDE = wider(AROUND)
#: of moist air, over which the dry share is one less the humidity
HUMIDITY = 0.016


def uniform(hours, u, v, height, heat):
    """Weather that is the same everywhere and always, over flat ground."""
    times = START + HOUR * np.arange(hours + 1)
    values = {"high": complex(u, v), "low": complex(u, v), "breeze": 0j, "slope": 0j}
    values |= {"boundary_layer_height": height, "heat_flux": heat, "radiation": 500.0, "temperature": 300.0}
    flat = {"terrain": 0.0, "roughness": 0.3}
    return xr.Dataset(
        {n: (("time", "y", "x"), np.full((times.size, *WIDE.shape), f)) for n, f in values.items()}
        | {n: (("y", "x"), np.full(WIDE.shape, f)) for n, f in flat.items()},
        coords={"time": times},
    )


@pytest.fixture(scope="module")
def weather():
    # 02, 08 and 14 Beijing time: shallow and stable, growing, deep and unstable
    return simulate_weather(START + HOUR * np.array([0, 6, 12]), WIDE, draw_world(5))


@pytest.fixture(scope="module")
def read(weather, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weather")
    paths = write_weather(folder, weather, GRID)
    assert paths[0].name == "wrfout_d01_2024-07-14_18:00:00"
    settings = MeteorologySettings(format="wrf", files=["wrfout_d01_*"])
    parts = [read_meteorology(settings, folder, time, time) for time in weather["time"].values]
    return xr.concat(parts, "time", data_vars="minimal")


@pytest.fixture(scope="module")
def month():
    """Four weeks on the weather's own grid, every third hour."""
    return simulate_weather(EPOCH + 3 * HOUR * np.arange(28 * 8), WIDE, draw_world(2))


def inner(values):
    return values[..., 1:-1, 1:-1]


def test_surface_fields_read_back_are_those_put_in(weather, read):
    np.testing.assert_array_equal(read["time"], weather["time"])
    for name in ("boundary_layer_height", "heat_flux"):
        np.testing.assert_allclose(read[name].values, inner(weather[name].values), rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(read["terrain"].values, inner(weather["terrain"].values), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(read["roughness"].values[0], inner(weather["roughness"].values), rtol=1e-6)


def test_density_read_back_is_that_of_a_linear_virtual_temperature_above_sea(read):
    height = read["height"].values[0].astype(float)
    above_sea = height + read["terrain"].values
    np.testing.assert_allclose(read["density"].values[0], density(above_sea), rtol=1e-5)
    np.testing.assert_allclose(read["pressure"].values[0], pressure(above_sea), rtol=1e-5)
    expected = np.broadcast_to(mass_levels()[:, None, None], height.shape)
    np.testing.assert_allclose(height, expected, rtol=1e-5, atol=1e-3)


def test_dry_mass_is_conserved_in_what_the_particles_read(read):
    """Mean over four neighbours of div (rho u): horizontal and vertical parts cancel between mass points."""
    terrain = read["terrain"].values.astype(float)
    slope_y, slope_x = np.gradient(terrain, SPACING)
    for index in range(read.sizes["time"]):
        hour = {name: read[name].values[index].astype(float) for name in ("u", "v", "w", "height")}
        across = hour["w"] - hour["u"] * slope_x - hour["v"] * slope_y
        mass = dry_density(hour["height"] + terrain)
        east, north, up = mass * hour["u"], mass * hour["v"], mass * across
        sideways = four(np.diff(east, axis=2), 1) / SPACING + four(np.diff(north, axis=1), 2) / SPACING
        corner = four(four(up, 1), 2)
        rise = np.gradient(corner, mass_levels(), axis=0)
        # from the second level: below the first the wind is a logarithm, not a line
        left = (sideways + rise)[1:-1]
        assert left.std() < 0.08 * sideways[1:-1].std()
        assert sideways[1:-1].std() > 5e-6


def four(values, axis):
    return 0.5 * (np.delete(values, 0, axis) + np.delete(values, -1, axis))


def test_columns_neither_gain_nor_lose_mass(weather):
    for index in range(weather.sizes["time"]):
        found = winds(weather.isel(time=index), SPACING)
        assert not found.across[0].any()
        assert np.abs(found.across[-1]).max() < 1e-12
        assert np.abs(found.across).max() > 0.005


def test_edges_of_the_vertical_wind_have_the_means_that_readers_take(weather):
    found = winds(weather.isel(time=2), SPACING)
    terrain = inner(weather["terrain"].values)
    edges = vertical_wind(found, terrain, SPACING)
    slope_y, slope_x = np.gradient(terrain, SPACING)
    u, v = 0.5 * (found.u[:, :, 1:] + found.u[:, :, :-1]), 0.5 * (found.v[:, 1:] + found.v[:, :-1])
    across = 0.5 * (edges[1:] + edges[:-1]) - u * slope_x - v * slope_y
    np.testing.assert_allclose(across, 0.5 * (found.across[1:] + found.across[:-1]), atol=1e-10)
    # and they do not zigzag: neighbours differ by less than the wind that rises over the hills
    assert np.abs(np.diff(edges, axis=0)).max() < 2 * np.abs(across + u * slope_x + v * slope_y).max()


def test_mean_wind_of_the_boundary_layer_read_back_is_the_one_put_in(tmp_path):
    weather = uniform(0, 3.0, -2.0, 900.0, 150.0)
    write_weather(tmp_path, weather, GRID)
    read = read_meteorology(MeteorologySettings(format="wrf", files=["wrfout_d01_*"]), tmp_path, START, START)
    fine = np.linspace(0, 900.0, 2000)
    height = np.append(0, read["height"].values[0, :, 4, 7])
    for name, put in (("u", 3.0), ("v", -2.0)):
        profile = np.append(0, read[name].values[0, :, 4, 7])
        # 24 levels and straight lines between them: within 4 % of the speed
        assert np.trapezoid(np.interp(fine, height, profile), fine) / 900.0 == pytest.approx(put, abs=0.04 * 3.6)
    assert np.abs(read["w"].values).max() < 1e-6


def test_the_air_is_in_hydrostatic_balance():
    height = np.linspace(0, 12_000, 1201)
    slope = np.gradient(pressure(height), height)[1:-1]
    np.testing.assert_allclose(slope, -9.81 * density(height)[1:-1], rtol=1e-5)


def test_levels_rise_from_twenty_metres_to_above_the_lid():
    edges = full_levels()
    assert edges.size == 25
    assert edges[1] == pytest.approx(20)
    assert edges[-1] == pytest.approx(12_500)
    np.testing.assert_allclose(np.diff(np.diff(edges)[1:] / np.diff(edges)[:-1]), 0, atol=1e-9)


def test_the_weather_covers_the_flux_grid_and_two_cells_more(read):
    found = Grid.from_dataset(read)
    assert found.crs == AROUND.crs
    np.testing.assert_allclose(found.x_edges, AROUND.x_edges, atol=5)
    x, y = np.meshgrid(GRID.x_edges[[0, -1]], GRID.y_edges[[0, -1]])
    column, row = found.from_lonlat(*GRID.to_lonlat(x, y))
    assert column.min() - found.x_edges[0] > 1.9 * SPACING
    assert found.x_edges[-1] - column.max() > 1.9 * SPACING
    assert row.min() - found.y_edges[0] > 1.9 * SPACING
    assert found.y_edges[-1] - row.max() > 1.9 * SPACING


def profile(u, v, depth, heat):
    one = np.ones((1, 1))
    shape, friction = wind_profile(complex(u, v) * one, depth=depth * one, heat_flux=heat * one, roughness=0.3 * one)
    return complex(u, v) * shape[:, 0, 0], float(friction[0, 0])


def test_neutral_wind_is_logarithmic_near_the_ground():
    wind, friction = profile(3.0, -4.0, 1000.0, 0.0)
    low = mass_levels() < 100
    np.testing.assert_allclose(np.abs(wind[low]), friction / 0.4 * np.log1p(mass_levels()[low] / 0.3), rtol=1e-12)
    assert low.sum() >= 3


def test_wind_veers_and_strengthens_with_height():
    wind, _ = profile(3.0, -4.0, 600.0, -5.0)
    assert (np.diff(np.unwrap(np.angle(wind))) < 0).all()
    assert (np.diff(np.abs(wind)) > -1e-12).all()


def test_the_sun_mixes_momentum_down_and_the_night_holds_it():
    friction = [profile(3.0, 1.0, 600.0, heat)[1] for heat in (-8.0, 0.0, 100.0, 250.0)]
    assert (np.diff(friction) > 0).all()
    assert friction[0] > 0.05
    assert friction[-1] < 0.6


def by_hour(month, name, at):
    """Mean by local hour of day at the weather's cell over a place."""
    cell = int(WIDE.locate([at[0]], [at[1]])[0])
    series = month[name].values.reshape(month.sizes["time"], -1)[:, cell]
    hour = local_hour(month["time"].values) - 0.5
    return {int(h): series[hour == h].mean() for h in np.unique(hour)}


INLAND, SEA = (119.7, 29.1), (122.6, 28.5)


def test_the_boundary_layer_is_deep_by_day_over_land_and_even_over_the_sea(month):
    land, sea = by_hour(month, "boundary_layer_height", INLAND), by_hour(month, "boundary_layer_height", SEA)
    assert max(land, key=land.get) == 14
    assert land[14] > 1000
    assert land[2] < 350
    assert max(sea.values()) - min(sea.values()) < 50
    assert land[2] < sea[2] < land[14]


def test_the_breeze_blows_from_the_sea_by_day_and_weakly_back_at_night(month):
    # on the coast of Taizhou the sea lies in the east
    breeze = by_hour(month, "breeze", (121.6, 28.6))
    assert breeze[14].real < -1.5
    assert 0 < breeze[5].real < -0.5 * breeze[14].real
    assert abs(by_hour(month, "breeze", (118.9, 28.9))[14]) < 0.1


def test_air_rises_on_slopes_by_day_and_drains_at_night(month):
    terrain = month["terrain"].values
    slope_y, slope_x = np.gradient(terrain, SPACING)
    uphill = (month["slope"].values * (slope_x - 1j * slope_y)).real
    hour = local_hour(month["time"].values) - 0.5
    steep = np.hypot(slope_x, slope_y) > 0.01
    assert (uphill[hour == 14][:, steep] > 0).all()
    assert (uphill[hour == 2][:, steep] < 0).all()


def test_the_low_wind_turns_aside_at_hills_and_no_mean_wind_is_lost(month):
    ratio = month["low"].values - month["high"].values
    high = month["terrain"].values > 300
    flat = (month["terrain"].values < 20) & (np.arange(WIDE.nx) > 0.75 * WIDE.nx)
    assert np.abs(ratio[:, high]).mean() > 4 * np.abs(ratio[:, flat]).mean()
    assert np.abs(ratio.mean(axis=(1, 2))).max() < 0.5


def test_the_wind_turns_through_all_directions_in_a_week(month):
    week = month["high"].values[: 7 * 8, WIDE.ny // 2, WIDE.nx // 2]
    assert np.ptp(np.unwrap(np.angle(week))) > 2 * np.pi
    assert 1.0 < np.abs(week).min() < np.abs(week).max() < 9.0


def test_sun_and_warmth_have_their_day(month):
    light, warmth = by_hour(month, "radiation", INLAND), by_hour(month, "temperature", INLAND)
    assert light[2] == light[23] == 0
    assert 550 < light[11] < 1000
    assert max(warmth, key=warmth.get) == 14
    assert 5 < warmth[14] - warmth[2] < 10
    moist = by_hour(month, "humidity", INLAND)
    assert moist[2] > moist[14] > 40


def test_a_longer_case_has_the_same_weather_in_the_hours_of_a_shorter_one():
    times = EPOCH + HOUR * np.arange(5)
    short, long = (simulate_weather(t, WIDE, draw_world(3)) for t in (times[2:], times))
    xr.testing.assert_allclose(short, long.isel(time=slice(2, None)))


def test_the_transport_error_has_the_stated_size_and_lasts(month):
    times = EPOCH + HOUR * np.arange(240)
    weather = simulate_weather(times, WIDE, draw_world(4))
    happened = perturbed(weather, WIDE, TransportError(), np.random.default_rng(1))
    ratio = happened["high"].values / weather["high"].values
    speed, turn = np.abs(ratio) - 1, np.degrees(np.angle(ratio))
    depth = np.log(happened["boundary_layer_height"].values / weather["boundary_layer_height"].values)
    for found, stated in ((speed, 0.10), (turn, 10.0), (depth, 0.20)):
        assert found.std() == pytest.approx(stated, rel=0.2)
        later = np.corrcoef(found[18:].ravel(), found[:-18].ravel())[0, 1]
        assert later == pytest.approx(np.exp(-1), abs=0.2)
        cells = round(80e3 / SPACING)
        beside = np.corrcoef(found[:, :, cells:].ravel(), found[:, :, :-cells].ravel())[0, 1]
        assert 0.3 < beside < 0.8
    assert happened["radiation"].equals(weather["radiation"])


def test_its_footprint_sums_to_residence_time_over_mixing_depth_and_lies_upwind(tmp_path):
    hours, depth, u, v = 5, 1000.0, 4.0, -3.0
    (tmp_path / "weather").mkdir()
    write_weather(tmp_path / "weather", uniform(hours + 1, u, v, depth, 150.0), GRID)
    window = (START, START + HOUR * (hours + 1))
    plan = Plan(seed=1, hours=1, spacing_km=30.0)
    write_case(tmp_path / "case.toml", plan, sites(START, spectrometers=1, micro=0), [])
    settings = read_settings(tmp_path / "case.toml")
    assert settings.transport is not None
    transport = settings.transport.model_copy(update={"hours": hours, "particles": 2000, "smoothing": 0.0})
    settings = settings.model_copy(update={"transport": transport})
    fine = lambert_grid(west=118, east=123, south=27, north=31.5, spacing=6000.0)
    receptor = xr.Dataset(
        {
            "time": ("obs", [window[1] - HOUR]),
            "station": ("obs", ["ZJ_P01"]),
            **{n: ("obs", [f]) for n, f in {"lon": 120.5, "lat": 29.25, "height": 50.0, "duration": 3600.0}.items()},
        },
        attrs={"species": "co2"},
    )
    made = make_footprints(
        settings, fine, label(receptor, "receptors"), tmp_path, tmp_path / "transport", progress=lambda *_: None
    )
    footprints, _ = made_footprints(made, fine, window)
    back = ((window[1] - HOUR - footprints["hour"].values) / HOUR).astype(int)
    value, cell = footprints["footprint"].values, footprints["cell"].values
    dry = float(density(np.linspace(0, depth, 50)).mean()) * (1 - HUMIDITY)
    whole = MOLAR_MASS_AIR * 3600 / (dry * depth)
    x, y = fine.from_lonlat(120.5, 29.25)
    for lag in (2, 3, 4):
        at = back == lag
        # a few per cent escape through the layer's top, and 2000 particles leave a few per cent of noise
        assert value[at].sum() == pytest.approx(whole, rel=0.12)
        east = np.average(fine.x[cell[at] % fine.nx], weights=value[at]) - float(x)
        north = np.average(fine.y[cell[at] // fine.nx], weights=value[at]) - float(y)
        travelled = 5.0 * 3600 * lag
        assert np.hypot(east + u * 3600 * lag, north + v * 3600 * lag) < 0.12 * travelled
