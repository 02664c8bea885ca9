import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from pipeline.grid.gcj02 import CHINA, from_gcj02, to_gcj02


def test_the_forward_transform_gives_the_published_point():
    # the test point of eviltransform: WGS84 (31.1774276, 121.5272106) is GCJ-02 (31.17530398364597, 121.531541859215)
    lon, lat = to_gcj02(121.5272106, 31.1774276)
    assert (lon, lat) == (pytest.approx(121.531541859215, abs=1e-9), pytest.approx(31.17530398364597, abs=1e-9))


def test_round_trips_close_over_zhejiang():
    lon, lat = np.meshgrid(np.linspace(118, 123, 301), np.linspace(27, 31.5, 271))
    for there, back in ((to_gcj02, from_gcj02), (from_gcj02, to_gcj02)):
        x, y = back(*there(lon, lat))
        assert max(np.abs(x - lon).max(), np.abs(y - lat).max()) < 1e-9


@settings(max_examples=100, deadline=None)
@given(st.floats(73, 136), st.floats(2, 55))
def test_round_trips_close_anywhere_in_the_box(lon, lat):
    x, y = from_gcj02(*to_gcj02(lon, lat))
    assert (x, y) == (pytest.approx(lon, abs=1e-7), pytest.approx(lat, abs=1e-7))


def test_the_shift_is_300_to_700_m_in_zhejiang():
    lon, lat = np.meshgrid(np.linspace(118, 123, 51), np.linspace(27, 31.5, 46))
    _, _, metres = Geod(ellps="WGS84").inv(lon, lat, *to_gcj02(lon, lat))
    assert 300 < metres.min() < metres.max() < 700


def test_nothing_is_shifted_outside_the_box():
    west, east, south, north = CHINA
    lon = np.array([west - 0.1, east + 0.1, 120.0, 120.0, 0.0, 1.3])
    lat = np.array([30.0, 30.0, south - 0.1, north + 0.1, 0.0, 52.5])
    for transform in (to_gcj02, from_gcj02):
        x, y = transform(lon, lat)
        np.testing.assert_array_equal(x, lon)
        np.testing.assert_array_equal(y, lat)
