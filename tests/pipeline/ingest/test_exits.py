"""Ends of our own particles as exits through the sides of the grid."""

import numpy as np
import pytest
import xarray as xr
from ingest_cases import lonlat_grid

from pipeline.ingest.exits import exits_of_ends

GRID = lonlat_grid()
HEIGHTS = np.array([500.0, 1500.0, 2500.0])
REASONS = "travelling time_up left_the_grid left_the_weather weather_ended lost"


def ends(*particles):
    """Return one row of "footprints" with the ends (lon, lat, height, reason, weight) of its particles."""
    columns = list(zip(*particles, strict=True))
    data = {name: (("obs", "particle"), np.array([column])) for name, column in
            zip(("end_lon", "end_lat", "end_height", "end_reason", "end_weight"), columns, strict=True)}  # fmt: skip
    out = xr.Dataset(data)
    out["end_reason"].attrs["flag_meanings"] = REASONS
    return out


def test_each_particle_leaves_through_the_side_it_is_beyond():
    west, east, south, north = GRID.x_edges[0], GRID.x_edges[-1], GRID.y_edges[0], GRID.y_edges[-1]
    x, y = GRID.x[2], GRID.y[1]
    row = ends(
        (x, north + 0.01, 900.0, 2, 0.1),
        (east + 0.01, y, 1100.0, 2, 0.2),
        (x, south - 0.01, 9000.0, 3, 0.3),
        (west - 0.01, y, 0.0, 2, 0.15),
    )
    found = exits_of_ends(row, GRID, HEIGHTS)
    expected = {"north": (0, 2, 0.1), "east": (1, 1, 0.2), "south": (2, 2, 0.3), "west": (0, 1, 0.15)}
    for side, (level, cell, share) in expected.items():
        assert found[side][0, level, cell] == share
        assert found[side].sum() == share


def test_particles_that_did_not_leave_have_no_exit():
    x, y = GRID.x[2], GRID.y[1]
    row = ends((x, y, 900.0, 1, 0.4), (x, y, 900.0, 4, 0.3), (np.nan, np.nan, np.nan, 5, 0.2), (x, y + 50, 9.0, 2, 0.1))
    found = exits_of_ends(row, GRID, HEIGHTS)
    assert sum(values.sum() for values in found.values()) == pytest.approx(0.1)


def test_the_shares_sum_to_the_weights_of_those_that_left():
    random = np.random.default_rng(4)
    count = 500
    # on a ring outside the grid: every side, corner and level
    angle = random.uniform(0, 2 * np.pi, count)
    centre = 0.5 * (GRID.x_edges[0] + GRID.x_edges[-1]), 0.5 * (GRID.y_edges[0] + GRID.y_edges[-1])
    lon, lat = centre[0] + 9 * np.cos(angle), centre[1] + 9 * np.sin(angle)
    weight = random.random(count)
    row = ends(*zip(lon, lat, random.uniform(0, 4000, count), np.full(count, 2), weight, strict=True))
    found = exits_of_ends(row, GRID, HEIGHTS)
    assert all(values.sum() > 0 for values in found.values())
    assert sum(values.sum() for values in found.values()) == pytest.approx(weight.sum(), rel=1e-12)
