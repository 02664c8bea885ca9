"""The weather as the particles read it."""

import numpy as np
import pytest
from simple_weather import SCALE_HEIGHT, meteorology

from kernels import air
from pipeline.errors import CoordinateError, InputError
from pipeline.grid import Grid, lambert_grid
from pipeline.settings import MeteorologySettings, TransportSettings
from pipeline.transport import Receptor, WeatherWindow, prepare, trace_receptor
from pipeline.transport.metric import cells_per_metre, place_on
from pipeline.transport.weather import levels

LID = 12_000.0
LAMBERT = Grid.from_centres("EPSG:3034", np.arange(3.6e6, 4.6e6, 25e3), np.arange(2.2e6, 3.3e6, 25e3))
LONLAT = Grid.from_centres("EPSG:4326", np.arange(4.0, 16.1, 0.25), np.arange(45.0, 57.1, 0.25))


def transport(**changes):
    weather = MeteorologySettings(format="wrf", files=["unused"])
    return TransportSettings(meteorology=weather, folder="unused", **({"particles": 200, "hours": 6} | changes))


def window_of(dataset, weather, target, lid=LID):
    prepared = prepare(dataset, weather, lid)
    window = WeatherWindow(weather, target, lid, 3600.0, len(prepared))
    for time, one in zip(dataset["time"].values, prepared, strict=True):
        window.put(window.index(time), one)
    last = window.index(dataset["time"].values[-1])
    return window, window.bounds(0, last)


@pytest.mark.parametrize("grid", [LAMBERT, LONLAT], ids=["lambert", "lonlat"])
def test_cells_are_as_long_as_their_true_areas_say(grid):
    per_x, per_y = cells_per_metre(grid)
    # both on their own ellipsoid; a conformal map's cells and a lon-lat grid's are rectangles to second order
    np.testing.assert_allclose(1 / (per_x * per_y), grid.area, rtol=2e-4)


def earthward(grid, east, north):
    """Return the wind along a grid's axes that blows east and north, by the turning of the grid's meridians."""
    lon, lat = grid.lonlat
    x0, y0 = grid.from_lonlat(lon, lat - 1e-4)
    x1, y1 = grid.from_lonlat(lon, lat + 1e-4)
    angle = np.arctan2(x1 - x0, y1 - y0)
    return east * np.cos(angle) + north * np.sin(angle), north * np.cos(angle) - east * np.sin(angle)


@pytest.mark.parametrize("weather", [LAMBERT, LONLAT], ids=["lambert", "lonlat"])
def test_a_south_wind_carries_particles_along_the_meridian(weather):
    """Speed and turning on a projected grid: 6 h of 10 m/s from the south are 216 km of latitude."""
    u, v = earthward(weather, 0.0, 10.0)
    target = lambert_grid(west=5.0, east=15.0, south=46.0, north=56.0, spacing=10e3)
    window, bounds = window_of(meteorology(weather, 8, u=u, v=v, layer=200.0), weather, target)
    receptor = Receptor(np.datetime64("2024-06-01T07", "ns"), 0.0, "A", 12.0, 52.0, 5000.0)
    made = trace_receptor(receptor, window, bounds, transport())
    assert np.all(made.reason == 1)
    metres_per_degree = 111_300.0
    assert 52.0 - made.end[:, 1].mean() == pytest.approx(216_000.0 / metres_per_degree, rel=2e-3)
    # half a kilometre aside in 216; what is left is the horizontal turbulence's mean over 200 particles
    assert made.end[:, 0].mean() == pytest.approx(12.0, abs=0.007)


def test_volume_is_wind_in_cells_and_dry_density():
    dataset = meteorology(LAMBERT, 1, u=8.0, v=-3.0, humidity=0.01)
    (one,) = prepare(dataset, LAMBERT, LID)
    per_x, per_y = cells_per_metre(LAMBERT)
    high = 30
    np.testing.assert_allclose(one.volume[:, :, high, 0], 8.0 * per_x, rtol=1e-5)
    np.testing.assert_allclose(one.volume[:, :, high, 1], -3.0 * per_y, rtol=1e-5)
    # linear between levels of the source: exact there
    level = int(np.flatnonzero(levels(LID) == 100.0)[0])
    moist = dataset["density"].values[0, 1]
    np.testing.assert_allclose(one.volume[:, :, level, 3], moist * 0.99, rtol=1e-5)


def test_air_follows_the_terrain():
    """Wind along a slope without vertical velocity blows into the ground: relative to it the air sinks by u dz/dx."""
    slope = 0.01
    terrain = np.broadcast_to((LAMBERT.x - LAMBERT.x[0]) * slope, LAMBERT.shape)
    dataset = meteorology(LAMBERT, 1, u=10.0, terrain=terrain)
    (one,) = prepare(dataset, LAMBERT, LID)
    per_x, _ = cells_per_metre(LAMBERT)
    spacing = LAMBERT.x[1] - LAMBERT.x[0]
    level = int(np.flatnonzero(levels(LID) == 100.0)[0])
    np.testing.assert_allclose(one.volume[:, 1:-1, level, 2], (-10.0 * slope * spacing * per_x)[:, 1:-1], rtol=1e-4)
    assert np.all(one.volume[:, :, 0, 2] == 0)
    assert np.all(one.volume[:, :, -1, 2] == 0)


@pytest.mark.parametrize(("flux", "sign"), [(200.0, -1), (-20.0, 1), (0.0, 0)])
def test_the_obukhov_length_has_the_sign_of_the_stratification(flux, sign):
    (one,) = prepare(meteorology(LAMBERT, 1, flux=flux, friction=0.4), LAMBERT, LID)
    inverse = one.surface[..., air.INVERSE_L]
    assert np.all(np.sign(inverse) == sign)
    temperature = SCALE_HEIGHT * 9.81 / 287.0
    buoyancy = 9.81 * flux / (one.surface[..., air.DENSITY] * 1005.0 * temperature)
    np.testing.assert_allclose(inverse, -0.4 * buoyancy / 0.4**3, rtol=1e-4, atol=1e-12)
    convective = np.cbrt(max(flux, 0.0) / abs(flux) * buoyancy * 1000.0) if flux else 0.0 * buoyancy
    np.testing.assert_allclose(one.surface[..., air.CONVECTIVE], convective, rtol=1e-4)


def test_the_density_under_the_dilution_height_is_that_of_the_column():
    """What `kernels.steps` makes of two numbers per column against the integral of the profile."""
    (one,) = prepare(meteorology(LAMBERT, 1), LAMBERT, LID)
    ground, slope = (float(one.surface[3, 4, column]) for column in (air.DENSITY, air.DENSITY_SLOPE))
    temperature = SCALE_HEIGHT * 9.81 / 287.0
    for depth in (50.0, 500.0, 1500.0):
        true = 1e5 / (287.0 * temperature) * SCALE_HEIGHT * (1 - np.exp(-depth / SCALE_HEIGHT))
        assert depth * ground * np.exp(0.5 * depth * slope) == pytest.approx(true, rel=2e-3)


def test_missing_values_are_refused_by_name():
    dataset = meteorology(LAMBERT, 1, u=1.0)
    dataset["u"].values[0, 2, 3, 4] = np.nan
    with pytest.raises(InputError, match=r"meteorology\.u: weather must have no missing values; got '1 of "):
        prepare(dataset, LAMBERT, LID)


def test_weather_of_another_place_is_refused():
    with pytest.raises(CoordinateError, match="the weather must overlap the flux grid"):
        place_on(LONLAT, lambert_grid(west=118.0, east=119.0, south=28.0, north=29.0, spacing=3e3))


def test_places_on_the_flux_grid_are_right_between_the_weathers_points():
    target = lambert_grid(west=8.0, east=12.0, south=49.0, north=53.0, spacing=3e3)
    place = place_on(LAMBERT, target)
    at = np.array([[12.3, 17.8], [20.5, 21.5]])
    for column, row in at:
        x = LAMBERT.x[0] + column * 25e3
        y = LAMBERT.y[0] + row * 25e3
        true_x, true_y = target.from_lonlat(*LAMBERT.to_lonlat(x, y))
        found = air.locate(place, column, row)
        # 25 km cells: lines of one map bend by 13 m in the other
        assert found[0] == pytest.approx((float(true_x) - target.x_edges[0]) / 3e3, abs=0.01)
        assert found[1] == pytest.approx((float(true_y) - target.y_edges[0]) / 3e3, abs=0.01)
