"""Coast lines and borders: where they are known to be, clipped to the box, turned to suit it."""

import numpy as np
import pytest
import shapely

from pipeline.coast import installed, lines, view_box
from pipeline.grid import Grid

pytestmark = pytest.mark.skipif(not installed(), reason="needs the extra maps")


def distance_km(pieces, lon, lat):
    shrink = np.cos(np.radians(lat))
    points = np.concatenate(pieces)
    return 111.2 * np.hypot((points[:, 0] - lon) * shrink, points[:, 1] - lat).min()


@pytest.mark.parametrize(
    ("lon", "lat"),
    [(149.224, -21.116), (121.873, 29.948), (-5.714, 50.066)],
    ids=["Mackay", "Beilun", "Land's End"],
)
def test_the_coast_passes_where_it_is(lon, lat):
    assert distance_km(lines("coast", (lon - 1, lat - 1, lon + 1, lat + 1)), lon, lat) < 8


def test_no_coast_lies_inland():
    assert lines("coast", (111.0, 41.5, 112.0, 42.5)) == []


def test_a_border_passes_between_two_countries():
    # the Rhine between Strasbourg and Kehl
    assert distance_km(lines("border", (7, 48, 9, 49)), 7.80, 48.57) < 5


def test_lines_keep_to_the_box():
    box = (119.0, 27.0, 123.0, 31.0)
    for resolution in ("i", "l", "c"):
        points = np.concatenate(lines("coast", box, resolution))
        assert points[:, 0].min() >= 119.0
        assert points[:, 0].max() <= 123.0
        assert points[:, 1].min() >= 27.0
        assert points[:, 1].max() <= 31.0


def test_a_box_across_the_date_line_has_the_lines_of_both_sides():
    across = lines("coast", (178.0, -19.0, 182.0, -15.0))
    here, there = lines("coast", (178.0, -19.0, 180.0, -15.0)), lines("coast", (-180.0, -19.0, -178.0, -15.0))

    def length(pieces):
        return sum(shapely.length(shapely.linestrings(piece)) for piece in pieces)

    assert length(here) > 1
    assert length(there) > 0.1
    assert length(across) == pytest.approx(length(here) + length(there), rel=1e-6)
    assert np.concatenate(across)[:, 0].min() > 177.9


def test_the_box_of_a_view_holds_all_of_it():
    grid = Grid.from_centres(
        "+proj=lcc +lat_0=30 +lon_0=179 +lat_1=25 +lat_2=35 +datum=WGS84 +units=m",
        30e3 * (np.arange(20) - 9.5),
        30e3 * (np.arange(20) - 9.5),
    )
    view = (-300.0, 300.0), (-300.0, 300.0)
    west, south, east, north = view_box(grid, view, 1e-3)
    lon, lat = grid.lonlat
    lon = lon % 360
    assert west < lon.min() < lon.max() < east < 184
    assert south < lat.min() < lat.max() < north
