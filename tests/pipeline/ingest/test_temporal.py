"""Shapes in time: mean one over a day, and the sun where it stands."""

import numpy as np
import pytest
from ingest_cases import lonlat_grid, times

from pipeline.errors import ConfigError, InputError
from pipeline.grid.definition import Grid
from pipeline.ingest.temporal import daylight, hour_shape, sin_elevation

DAY = times(24, "2014-07-01T00")
WEIGHTS = [float(hour + 1) for hour in range(24)]


@pytest.mark.parametrize("profile", ["flat", "daylight", WEIGHTS])
def test_the_mean_over_a_day_is_one(profile):
    shape = hour_shape(profile, "Asia/Shanghai", DAY, lonlat_grid())
    np.testing.assert_allclose(np.broadcast_to(shape, (24, 4, 5)).mean(axis=0), 1.0, rtol=1e-12)


def test_weights_count_from_local_midnight():
    # local midnight in Shanghai is 16:00 UTC of the day before
    shape = hour_shape(WEIGHTS, "Asia/Shanghai", times(3, "2014-06-30T16"), lonlat_grid())
    np.testing.assert_allclose(shape.ravel(), np.array([1, 2, 3]) / 12.5, rtol=1e-12)


def test_an_unknown_zone_is_refused():
    with pytest.raises(ConfigError, match="zone must be known; got 'Asia/Atlantis'"):
        hour_shape(WEIGHTS, "Asia/Atlantis", DAY, lonlat_grid())


def test_part_of_a_day_has_the_factors_of_the_whole_day():
    grid = lonlat_grid()
    np.testing.assert_array_equal(daylight(DAY[9:15], grid), daylight(DAY, grid)[9:15])


def test_daylight_is_zero_at_night_and_highest_at_local_noon():
    grid = Grid.from_centres("EPSG:4326", [119.0, 121.0], [29.0, 30.0])
    shape = daylight(DAY, grid)
    # 120 E: noon is 04 UTC, midnight 16 UTC
    assert shape[:, 0, 0].argmax() in (3, 4)
    assert shape[12:20].max() == 0.0


def test_polar_night_has_no_daylight_to_spread_over():
    grid = Grid.from_centres("EPSG:4326", [10.0, 11.0], [84.0, 85.0])
    with pytest.raises(InputError, match=r"needs a sun that rises; got '4 cells in the dark on 2014-12-21"):
        daylight(times(2, "2014-12-21T10"), grid)


def highest(when):
    """Return the sun's greatest elevation along 30 N at one instant, and the longitude where it is, degrees."""
    lon = np.linspace(-180, 180, 360001)
    height = sin_elevation(np.datetime64(when, "ns"), lon, np.full(lon.size, 30.0))
    return np.degrees(np.arcsin(height.max())), lon[height.argmax()]


@pytest.mark.parametrize(
    ("when", "declination"),
    [  # the equinoxes and solstices of 2014 and 2024, UTC
        ("2014-03-20T16:57", 0.0),
        ("2014-06-21T10:51", 23.44),
        ("2014-09-23T02:29", 0.0),
        ("2014-12-21T23:03", -23.44),
        ("2024-03-20T03:06", 0.0),
        ("2024-09-22T12:44", 0.0),
    ],
)
def test_the_sun_crosses_the_equator_at_the_equinox(when, declination):
    # where the sun is at its highest, its elevation is 90 - |lat - declination|
    assert highest(when)[0] == pytest.approx(60 + declination, abs=0.02)


@pytest.mark.parametrize(("when", "minutes"), [("2014-02-11T12", -14.2), ("2014-11-03T12", 16.4)])
def test_the_sun_is_late_in_february_and_early_in_november(when, minutes):
    # the extremes of the equation of time; at 12 UTC the sun is highest one degree west for each four minutes late
    assert -4 * highest(when)[1] == pytest.approx(minutes, abs=0.1)
