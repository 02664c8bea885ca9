"""Passes and the strips along them: one for a narrow track, several for a swath, whatever the direction."""

import numpy as np
import pytest

from pipeline.ingest.tracks import passes, tracks

SECOND = np.timedelta64(1, "s")
START = np.datetime64("2024-07-15T05:30:00", "ns")
KM = 111.195


def flight(along, side, heading, speed=6.8):
    """Return time, lon, lat of places along and to the right of a track over 30 N, 120 E."""
    angle = np.radians(heading)
    east = along * np.sin(angle) + side * np.cos(angle)
    north = along * np.cos(angle) - side * np.sin(angle)
    lat = 30.0 + north / KM
    lon = 120.0 + east / (KM * np.cos(np.radians(30.0)))
    return START + np.round(along / speed * 1000) * np.timedelta64(1, "ms"), lon, lat


def whole_seconds(time):
    return time.astype("datetime64[s]").astype("datetime64[ns]")


@pytest.mark.parametrize("heading", [-12.8, -167.2, 60.0])
def test_a_narrow_track_is_one_strip_and_distances_along_it_are_those_over_ground(heading):
    along, side = np.arange(-200.0, 200.0, 2.25), np.tile([-4.5, -1.3, 1.9, 4.5], 45)[:178]
    time, lon, lat = flight(along, side, heading)
    strip, found = tracks(whole_seconds(time), lon, lat, np.zeros(along.size, int), 20.0)
    assert np.unique(strip).size == 1
    gaps = np.abs(found[:, None] - found[None, :]) - np.abs(along[:, None] - along[None, :])
    # half of a percent of the width of the plane, and a degree of direction over 9 km
    assert np.abs(gaps).max() < 3.0


def test_a_swath_is_cut_into_strips_along_its_flight():
    along, side = np.meshgrid(np.arange(-140.0, 141.0, 7.0), np.arange(-140.0, 141.0, 7.0), indexing="ij")
    time, lon, lat = flight(along.ravel(), side.ravel(), -12.8)
    strip, found = tracks(whole_seconds(time), lon, lat, np.zeros(along.size, int), 20.0)
    widths = [np.ptp(side.ravel()[strip == number]) for number in np.unique(strip)]
    assert np.unique(strip).size == 15
    assert max(widths) < 26.0
    assert np.abs(found - along.ravel() - np.mean(found - along.ravel())).max() < 5.0


def test_clouds_that_leave_a_diagonal_of_a_swath_do_not_turn_its_flight():
    along, side = np.meshgrid(np.arange(-140.0, 141.0, 7.0), np.arange(-140.0, 141.0, 7.0), indexing="ij")
    clear = np.abs(along - side).ravel() < 60
    time, lon, lat = flight(along.ravel()[clear], side.ravel()[clear], -12.8)
    found = tracks(whole_seconds(time), lon, lat, np.zeros(clear.sum(), int), 20.0)[1]
    slope = np.polyfit(along.ravel()[clear], found, 1)[0]
    assert slope == pytest.approx(1.0, abs=0.05)


def test_strips_of_two_passes_differ():
    along = np.arange(-50.0, 51.0, 10.0)
    time, lon, lat = flight(np.tile(along, 2), np.zeros(22), -12.8)
    time = time + np.repeat([0, 5900], 11) * SECOND
    number = passes(time, 20.0)
    strip, _ = tracks(time, lon, lat, number, 20.0)
    assert number.tolist() == [0] * 11 + [1] * 11
    assert np.unique(strip[:11]).size == np.unique(strip[11:]).size == 1
    assert strip[0] != strip[11]


def test_places_of_one_moment_lie_along_a_meridian():
    strip, along = tracks(np.repeat(START, 2), np.full(2, 120.0), np.array([30.0, 30.1]), np.zeros(2, int), 20.0)
    assert strip[0] == strip[1]
    assert along[1] - along[0] == pytest.approx(11.12, abs=0.01)


def test_no_sounding_has_no_track():
    none = np.zeros(0)
    strip, along = tracks(none.astype("datetime64[ns]"), none, none, none.astype(int), 20.0)
    assert strip.size == along.size == 0
