"""Where particles start, what they stand for, and how wide their footprints are smoothed."""

import numpy as np
import pytest
import xarray as xr
from simple_weather import SCALE_HEIGHT, meteorology

from pipeline.grid import Grid, lambert_grid
from pipeline.schema import label
from pipeline.transport import Receptor, WeatherWindow, prepare, receptors_of, within
from pipeline.transport.release import position, start
from pipeline.transport.trace import bandwidths

WEATHER = Grid.from_centres("EPSG:4326", 118.0 + 0.25 * np.arange(12), 28.0 + 0.25 * np.arange(10))
TARGET = Grid.from_centres("EPSG:4326", 118.5 + 0.03 * np.arange(50), 28.5 + 0.03 * np.arange(50))
LID, TOP = 12_000.0, 6000.0
TIME = np.datetime64("2024-06-01T01:12", "ns")
HUMIDITY = 0.01
#: share of the surface pressure at the top of the release
AT_TOP = float(np.exp(-TOP / SCALE_HEIGHT))


@pytest.fixture(scope="module")
def window():
    # the pressure is constant below the lowest level: that one near the ground
    heights = np.geomspace(1.0, 13_000.0, 160)
    air = meteorology(WEATHER, 4, heights=heights, humidity=HUMIDITY)
    out = WeatherWindow(WEATHER, TARGET, LID, 3600.0, 4)
    for time, one in zip(air["time"].values, prepare(air, WEATHER, LID), strict=True):
        out.put(out.index(time), one)
    return out


def bounds(window):
    first = window.index(np.datetime64("2024-06-01T00", "ns"))
    return window.bounds(first, first + 3)


def column(kernel, edges):
    return Receptor(TIME, 0.0, "S1", 119.1, 29.2, TOP, np.asarray(kernel, float), np.asarray(edges, float))


def dry_share(top):
    """Return the share of the dry column below a pressure, by hydrostatics: all above the lid counts as dry."""
    at_lid = np.exp(-LID / SCALE_HEIGHT)
    return (1 - HUMIDITY) * (1 - top) / ((1 - HUMIDITY) * (1 - at_lid) + at_lid)


def test_an_hours_release_spreads_evenly_over_the_hour(window):
    receptor = Receptor(TIME, 3600.0, "AAA", 119.1, 29.2, 50.0)
    first = start(receptor, window, bounds(window), 60)
    begin = (TIME - np.datetime64(0, "s")) / np.timedelta64(1, "s")
    np.testing.assert_allclose(first[:, 3], begin + 60.0 * (np.arange(60) + 0.5))
    np.testing.assert_array_equal(first[:, 2], 50.0)
    assert first[:, 4].sum() == pytest.approx(1.0, rel=1e-12)
    np.testing.assert_allclose(first[:, 0], (119.1 - 118.0) / 0.25)
    np.testing.assert_allclose(first[:, 1], (29.2 - 28.0) / 0.25)


def test_a_column_of_kernel_one_weighs_the_dry_air_below_its_top(window):
    first = start(column([1.0, 1.0, 1.0], [1.0, 0.7, 0.3, 0.0]), window, bounds(window), 400)
    assert first[:, 4].sum() == pytest.approx(dry_share(AT_TOP), rel=2e-3)
    # evenly from the ground to the top, all at once
    np.testing.assert_allclose(first[:, 2], TOP * (np.arange(400) + 0.5) / 400)
    assert np.ptp(first[:, 3]) == 0.0
    # a thinner slab of air above weighs less
    assert np.all(np.diff(first[:, 4]) < 0.0)


def test_a_kernel_of_two_doubles_the_weights(window):
    edges = [1.0, 0.7, 0.3, 0.0]
    one, two = (start(column([a] * 3, edges), window, bounds(window), 64)[:, 4] for a in (1.0, 2.0))
    np.testing.assert_allclose(two, 2.0 * one, rtol=1e-14)


def test_layers_count_from_the_ground_up(window):
    edge = 0.8
    first = start(column([1.0, 0.0], [1.0, edge, 0.0]), window, bounds(window), 1000)
    height = -SCALE_HEIGHT * np.log(edge)
    clear = np.abs(first[:, 2] - height) > 2.0
    np.testing.assert_array_equal(first[clear, 4] > 0.0, first[clear, 2] < height)
    assert first[:, 4].sum() == pytest.approx(dry_share(edge), rel=5e-3)


def test_many_layers_add_up_to_kernel_times_share_of_the_column(window):
    edges = np.linspace(1.0, 0.0, 13)
    kernel = 0.4 + edges[:-1] ** 2
    first = start(column(kernel, edges), window, bounds(window), 4000)
    shares = np.array([dry_share(edge) for edge in np.maximum(edges, AT_TOP)])
    assert first[:, 4].sum() == pytest.approx(float(np.sum(kernel * np.diff(shares))), rel=2e-3)


def test_a_sounding_keeps_the_layers_it_has():
    rows = {
        "time": TIME, "station": "S1", "lon": 119.0, "lat": 29.0, "height": TOP, "duration": 0.0,
    }  # fmt: skip
    bare = xr.Dataset({name: ("obs", np.array([value] * 2)) for name, value in rows.items()}, attrs={"species": "ch4"})
    bare["averaging_kernel"] = (("obs", "layer"), np.array([[1.0, 0.8, np.nan], [np.nan] * 3]))
    bare["pressure_edge"] = (("obs", "layer_edge"), np.array([[1.0, 0.5, 0.1, np.nan], [np.nan] * 4]))
    sounding, point = receptors_of(label(bare, "receptors"))
    np.testing.assert_array_equal(sounding.kernel, [1.0, 0.8])
    np.testing.assert_array_equal(sounding.edges, [1.0, 0.5, 0.1])
    assert point.kernel is None
    assert point.edges is None
    assert sounding.digest != point.digest


@pytest.mark.parametrize("lon", [119.1 - 360.0, 119.1, 119.1 + 360.0])
def test_longitudes_may_be_counted_either_way(lon):
    receptor = Receptor(TIME, 0.0, "AAA", lon, 29.2, 50.0)
    assert position(receptor, WEATHER) == pytest.approx((4.4, 4.8))
    assert within(receptor, WEATHER)


@pytest.mark.parametrize(("lon", "lat"), [(117.9, 29.0), (120.8, 29.0), (119.0, 27.95), (119.0, 30.3)])
def test_between_the_outermost_centre_and_the_edge_there_is_no_weather(lon, lat):
    assert WEATHER.locate(lon, lat)[0] >= 0
    assert not within(Receptor(TIME, 0.0, "AAA", lon, lat, 50.0), WEATHER)


def spread_on(grid, lon, lat, hours):
    """Return the sums of `kernels.particles` for a cloud that stands still at these places."""
    x, y = grid.from_lonlat(lon, lat)
    at = [(v - edges[0]) / (edges[1] - edges[0]) for v, edges in ((x, grid.x_edges), (y, grid.y_edges))]
    sums = [lon.size, at[0].sum(), at[1].sum(), (at[0] ** 2).sum(), (at[1] ** 2).sum(), 0.0]
    return np.tile(np.array(sums), (hours, 1))


def test_the_bandwidth_does_not_depend_on_the_grids_unit():
    """The formula of Fasoli et al. is in degrees; put into metres as it stands it is 545 times too narrow."""
    random = np.random.default_rng(7)
    # a round cloud of 20 km about the middle of both grids
    lon = 119.235 + random.normal(0, 20e3, 5000) / (111.32e3 * np.cos(np.radians(29.235)))
    lat = 29.235 + random.normal(0, 20e3, 5000) / 110.9e3
    metres = {}
    lambert = lambert_grid(west=118.5, east=119.97, south=28.5, north=29.97, spacing=3000.0)
    for name, grid in (("lonlat", TARGET), ("lambert", lambert)):
        window = WeatherWindow(WEATHER, grid, LID, 3600.0, 2)
        sigma = bandwidths(spread_on(grid, lon, lat, 13), 12 * 3600.0, 11, window, 1.0)
        row = grid.area[grid.ny // 2, grid.nx // 2]
        # cells of known area, square on the Lambert grid; on the other their sides are as cos(latitude)
        ratio = np.cos(np.radians(grid.lonlat[1][grid.ny // 2, 0])) if grid.is_geographic else 1.0
        metres[name] = sigma * np.sqrt(row * np.array([ratio, 1 / ratio]))
    np.testing.assert_allclose(metres["lonlat"], metres["lambert"], rtol=0.01)
    # 0.06 degrees at a spread of one degree and an age of one day
    hours_back = np.arange(2, 13)
    degrees = np.sqrt(2.0) * 20e3 / 111.2e3
    expected = 0.06 * np.sqrt(degrees * (hours_back + 0.5) / 24) * 111.2e3
    np.testing.assert_allclose(metres["lambert"][2:], np.stack([expected] * 2, axis=1), rtol=0.02)
    assert expected.min() > 700.0
