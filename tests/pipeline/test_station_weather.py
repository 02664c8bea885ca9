"""The weather at stations is that of the files, between their points and times; hours are selected by it."""

import numpy as np
import pytest
import weather_cases as cases

from pipeline.footprints_weather import CaseWeather
from pipeline.ingest import read_meteorology
from pipeline.ingest.surroundings import selection_bits
from pipeline.schema import HOUR, Flag
from pipeline.station_weather import StationWeather
from station_meta import load_rules

REGIONAL = load_rules().of("co2", "regional")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weather")
    cases.write_hours(folder, range(4))
    return folder


@pytest.fixture
def weather(root, tmp_path):
    return StationWeather(CaseWeather(cases.settings().transport, cases.GRID, root, tmp_path))


def test_the_boundary_layer_is_linear_between_the_weathers_points(weather):
    lon, lat = np.array([8.55, 8.7, 9.0]), np.array([49.4, 49.55, 49.25])
    _, layer = weather(lon, lat, np.full(3, cases.START + HOUR))
    # 500 m and 10 m more every quarter of a degree east of 8 E
    np.testing.assert_allclose(layer, 500 + 40 * (lon - 8.0), rtol=1e-5)


def test_the_wind_is_the_files_at_the_middle_of_the_hour_on_a_logarithmic_profile(weather, root):
    settings = cases.settings().transport
    times = [cases.START + hour * HOUR for hour in (1, 2)]
    met = read_meteorology(settings.meteorology, root, *times)
    at = {"y": 2, "x": 3}
    height = met["height"].isel(**at).values[0]
    lowest = int(np.argmax(height > 0))
    z0 = float(met["roughness"].isel(time=0, **at))
    u, v = (met[name].isel(level=lowest, **at).values.mean() for name in ("u", "v"))
    expected = np.hypot(u, v) * np.log1p(10 / z0) / np.log1p(height[lowest] / z0)
    wind, _ = weather(np.array([8.75]), np.array([49.5]), np.array([times[0]]))
    assert expected > 0.1
    np.testing.assert_allclose(wind, expected, rtol=1e-4)


def test_outside_the_weather_in_place_or_time_nothing_is_known(weather):
    lon, lat = np.array([8.5, 30.0, 8.5, 8.5]), np.array([49.5, 49.5, 10.0, 49.5])
    hours = cases.START + np.array([1, 1, 1, 40]) * HOUR
    for found in weather(lon, lat, hours):
        assert np.isfinite(found).tolist() == [True, False, False, False]


def test_hours_are_selected_by_the_sun_the_wind_and_the_boundary_layer():
    time = np.datetime64("2024-07-01T03", "ns") + np.arange(4) * HOUR  # 11 to 14 o'clock at 120 E
    wind, layer = np.array([3.0, 1.9, 2.0, np.nan]), np.array([600.0, 600.0, 499.0, 600.0])
    hour, weather = int(Flag.NOT_SELECTED_HOUR), int(Flag.NOT_SELECTED_WEATHER)
    found = selection_bits(time, 120.0, REGIONAL.hours, wind, layer, REGIONAL)
    assert found.tolist() == [hour, weather, weather, weather]
    assert selection_bits(time, 120.0, None, None, None, REGIONAL).tolist() == [0, 0, 0, 0]
    assert selection_bits(time, 120.0, (12, 13), None, None, REGIONAL).tolist() == [hour, 0, hour, hour]


@pytest.mark.parametrize(
    ("hours", "selected"),
    [
        ((20, 6), [*range(6), *range(20, 24)]),
        ((23, 1), [0, 23]),
        ((20, 0), range(20, 24)),
        ((24, 6), range(6)),
        ((0, 24), range(24)),
        ((6, 20), range(6, 20)),
    ],
)
def test_hours_may_go_over_midnight(hours, selected):
    time = np.datetime64("2024-06-30T16", "ns") + np.arange(24) * HOUR  # the first is midnight at 120 E
    found = selection_bits(time, 120.0, hours, None, None, REGIONAL)
    assert np.flatnonzero(found == 0).tolist() == list(selected)
    assert np.isin(found, [0, int(Flag.NOT_SELECTED_HOUR)]).all()
