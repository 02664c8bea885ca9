"""The simulated weather, read back from its files, is what was put in; its footprints have their closed forms."""

import numpy as np
import pytest
import xarray as xr

from pipeline.footprints import made_footprints, make_footprints
from pipeline.grid import Grid, lambert_grid
from pipeline.ingest import read_meteorology
from pipeline.osse.air_column import air_column, density, full_levels, mass_levels, pressure
from pipeline.osse.case_file import write_case
from pipeline.osse.network import sites
from pipeline.osse.weather import simulate_weather
from pipeline.osse.weather_files import SPACING, weather_grid, write_weather
from pipeline.osse.world import draw_world
from pipeline.schema import HOUR, label
from pipeline.settings import MeteorologySettings, read_settings
from pipeline.units import MOLAR_MASS_AIR

START = np.datetime64("2024-07-14T18", "ns")
GRID = lambert_grid(west=118, east=123, south=27, north=31.5, spacing=30_000.0)
#: of moist air, over which the dry share is one less the humidity
HUMIDITY = 0.016


def uniform(hours, u, v, height, heat):
    times = START + HOUR * np.arange(hours + 1)
    fields = {"u": u, "v": v, "boundary_layer_height": height, "heat_flux": heat}
    return xr.Dataset({n: ("time", np.full(times.size, f)) for n, f in fields.items()}, coords={"time": times})


@pytest.fixture(scope="module")
def weather():
    # from 02 to 14 Beijing time: shallow and stable, growing, deep and unstable
    return simulate_weather(START + HOUR * np.arange(0, 13), draw_world(5))


@pytest.fixture(scope="module")
def read(weather, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weather")
    paths = write_weather(folder, weather, GRID)
    assert paths[0].name == "wrfout_d01_2024-07-14_18:00:00"
    settings = MeteorologySettings(format="wrf", files=["wrfout_d01_*"])
    return read_meteorology(settings, folder, weather["time"].values[0], weather["time"].values[-1])


def test_surface_fields_read_back_are_those_put_in(weather, read):
    np.testing.assert_array_equal(read["time"], weather["time"])
    for name in ("boundary_layer_height", "heat_flux"):
        np.testing.assert_allclose(
            read[name].values, np.broadcast_to(weather[name].values[:, None, None], read[name].shape), rtol=1e-6
        )
    assert not read["terrain"].values.any()
    assert not read["w"].values.any()


def test_mean_wind_of_the_boundary_layer_read_back_is_the_one_put_in(weather, read):
    for index in range(weather.sizes["time"]):
        depth = float(weather["boundary_layer_height"][index])
        fine = np.linspace(0, depth, 2000)
        height = np.append(0, read["height"].values[index, :, 4, 7])
        speed = float(np.hypot(weather["u"][index], weather["v"][index]))
        for name in ("u", "v"):
            profile = np.append(0, read[name].values[index, :, 4, 7])
            mean = np.trapezoid(np.interp(fine, height, profile), fine) / depth
            # 24 levels and straight lines between them: within 4 % of the speed
            assert mean == pytest.approx(float(weather[name][index]), abs=0.04 * speed)


def test_density_read_back_is_that_of_a_linear_virtual_temperature(read):
    height = read["height"].values[0].astype(float)
    np.testing.assert_allclose(read["density"].values[0], density(height), rtol=1e-5)
    np.testing.assert_allclose(read["pressure"].values[0], pressure(height), rtol=1e-5)
    np.testing.assert_allclose(read["height"].values[:, :, 0, 0], np.broadcast_to(mass_levels(), (13, 24)), rtol=1e-5)


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
    assert found.crs == weather_grid(GRID).crs
    np.testing.assert_allclose(found.x_edges, weather_grid(GRID).x_edges, atol=5)
    x, y = np.meshgrid(GRID.x_edges[[0, -1]], GRID.y_edges[[0, -1]])
    column, row = found.from_lonlat(*GRID.to_lonlat(x, y))
    assert column.min() - found.x_edges[0] > 1.9 * SPACING
    assert found.x_edges[-1] - column.max() > 1.9 * SPACING
    assert row.min() - found.y_edges[0] > 1.9 * SPACING
    assert found.y_edges[-1] - row.max() > 1.9 * SPACING


def test_neutral_wind_is_logarithmic_near_the_ground():
    air = air_column(3.0, -4.0, boundary_layer_height=1000.0, heat_flux=0.0)
    low = mass_levels() < 100
    speed = np.hypot(air.u, air.v)[low]
    np.testing.assert_allclose(speed, air.friction_velocity / 0.4 * np.log1p(mass_levels()[low] / 0.3), rtol=1e-12)
    assert low.sum() >= 3


def test_wind_veers_and_strengthens_with_height():
    air = air_column(3.0, -4.0, boundary_layer_height=600.0, heat_flux=-5.0)
    assert (np.diff(np.unwrap(np.arctan2(air.v, air.u))) < 0).all()
    assert (np.diff(np.hypot(air.u, air.v)) > -1e-12).all()


def test_the_sun_mixes_momentum_down_and_the_night_holds_it():
    friction = [
        air_column(3.0, 1.0, boundary_layer_height=600.0, heat_flux=heat).friction_velocity
        for heat in (-8.0, 0.0, 100.0, 250.0)
    ]
    assert (np.diff(friction) > 0).all()
    assert friction[0] > 0.05
    assert friction[-1] < 0.6


def test_its_footprint_sums_to_residence_time_over_mixing_depth_and_lies_upwind(tmp_path):
    hours, depth, u, v = 5, 1000.0, 4.0, -3.0
    (tmp_path / "weather").mkdir()
    write_weather(tmp_path / "weather", uniform(hours + 1, u, v, depth, 150.0), GRID)
    window = (START, START + HOUR * (hours + 1))
    write_case(
        tmp_path / "case.toml",
        sites(START, spectrometers=1, micro=0),
        flux_hours=window,
        observation_hours=(window[1] - HOUR, window[1]),
        spacing=30_000.0,
    )
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
