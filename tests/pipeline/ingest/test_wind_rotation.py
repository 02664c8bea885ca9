"""Winds on projected grids: turned as one, along the meridian, speed kept, PROJ's own convergence."""

import numpy as np
import pyproj
import pytest

from pipeline.errors import CoordinateError
from pipeline.grid import Grid
from pipeline.ingest.wind_rotation import earth_to_grid

UTM = Grid.from_centres("EPSG:32632", 3e5 + 5e4 * np.arange(9), 5.0e6 + 1e5 * np.arange(7))
LAMBERT = Grid.from_centres(
    "+proj=lcc +lat_1=30 +lat_2=60 +lat_0=29 +lon_0=110 +datum=WGS84 +units=m",
    1e6 + 6e4 * np.arange(8),
    -2e5 + 6e4 * np.arange(6),
)
SOUTH = Grid.from_centres("+proj=stere +lat_0=-90 +lat_ts=-71 +lon_0=0 +datum=WGS84", [5e5, 6e5, 7e5], [8e5, 9e5])
SPHERE = Grid.from_centres(
    "+proj=lcc +lat_1=40 +lat_0=40 +lon_0=-97 +R=6371200 +units=m", 5e5 + 1e5 * np.arange(5), [1e5, 2e5, 3e5]
)
PROJECTED = pytest.mark.parametrize("grid", [UTM, LAMBERT, SOUTH, SPHERE], ids=["utm", "lambert", "south", "sphere"])


def winds(grid):
    rng = np.random.default_rng(3)
    return rng.normal(5.0, 8.0, (2, *grid.shape)), rng.normal(-2.0, 8.0, (2, *grid.shape))


@PROJECTED
def test_speed_is_kept_and_all_winds_of_a_place_turn_by_one_angle(grid):
    east, north = winds(grid)
    u, v = earth_to_grid(east, north, grid)
    np.testing.assert_allclose(np.hypot(u, v), np.hypot(east, north), rtol=1e-12)
    x, y = earth_to_grid(np.ones(grid.shape), np.zeros(grid.shape), grid)
    # components along what was due east, and to its left
    np.testing.assert_allclose((u * x + v * y, v * x - u * y), (east, north), atol=1e-10)
    assert float(np.abs(u - east).max()) > 0.2, "the case must be turned"


@PROJECTED
def test_a_wind_due_north_moves_a_point_along_its_meridian(grid):
    ones = np.ones(grid.shape)
    u, v = earth_to_grid(0 * ones, ones, grid)
    x, y = np.meshgrid(grid.x, grid.y)
    lon, lat = grid.to_lonlat(x + 100 * u, y + 100 * v)
    np.testing.assert_allclose(lon, grid.lonlat[0], atol=1e-7)
    assert np.all(lat > grid.lonlat[1])
    u, v = earth_to_grid(ones, 0 * ones, grid)
    lon, lat = grid.to_lonlat(x + 100 * u, y + 100 * v)
    # a parallel bends away from its tangent with the square of the distance
    np.testing.assert_allclose(lat, grid.lonlat[1], atol=2e-7)
    assert np.all(lon > grid.lonlat[0])


@pytest.mark.parametrize("grid", [UTM, LAMBERT], ids=["utm", "lambert"])
def test_the_angle_is_the_convergence_that_proj_gives(grid):
    u, v = earth_to_grid(np.zeros(grid.shape), np.ones(grid.shape), grid)
    factors = pyproj.Proj(grid.crs).get_factors(*grid.lonlat)
    np.testing.assert_allclose(np.degrees(np.arctan2(u, v)), -np.asarray(factors.meridian_convergence), atol=1e-5)


def test_on_longitude_latitude_nothing_turns():
    grid = Grid.from_centres("EPSG:4326", [8.0, 8.5, 9.0], [45.0, 45.5])
    east, north = winds(grid)
    assert earth_to_grid(east, north, grid)[0] is east
    assert earth_to_grid(east, north, grid)[1] is north


def test_maps_that_are_not_conformal_are_refused():
    grid = Grid.from_centres("+proj=laea +lat_0=45 +lon_0=0 +datum=WGS84", [2e6, 2.1e6], [1e6, 1.1e6])
    with pytest.raises(CoordinateError, match=r"winds: .*only on a conformal map.*got '0\.\d+ in \+proj=laea"):
        earth_to_grid(*winds(grid), grid)
