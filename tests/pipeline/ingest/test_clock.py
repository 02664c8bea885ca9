"""Labels of any declared zone and convention come to the same start of the interval in UTC."""

import numpy as np
import pytest

from pipeline.errors import TimeError
from pipeline.ingest.clock import standard_offset, utc_start

HOUR = np.timedelta64(3600, "s")
UTC = np.datetime64("2024-06-30T22", "ns") + np.arange(5) * HOUR


@pytest.mark.parametrize(("marks", "halves"), [("start", 0), ("centre", 1), ("end", 2)])
@pytest.mark.parametrize(("zone", "offset"), [("UTC", 0), ("Asia/Shanghai", 8), ("America/New_York", -4)])
def test_zone_and_label_are_undone(zone, offset, marks, halves):
    label = UTC + offset * HOUR + halves * (HOUR // 2)
    np.testing.assert_array_equal(utc_start(label, zone, marks, HOUR), UTC)


def test_beijing_had_summer_time_in_1988():
    label = np.array(["1988-07-01T09", "1985-07-01T08"], dtype="datetime64[ns]")
    expected = np.array(["1988-07-01T00", "1985-07-01T00"], dtype="datetime64[ns]")
    np.testing.assert_array_equal(utc_start(label, "Asia/Shanghai", "start", HOUR), expected)


def test_clock_times_that_do_not_exist_or_come_twice_are_not_guessed():
    label = np.array(["2024-03-31T01:30", "2024-10-27T01:30", "2024-07-01T01:30", "NaT"], dtype="datetime64[ns]")
    found = utc_start(label, "Europe/London", "start", HOUR)
    assert np.isnat(found).tolist() == [True, True, False, True]


def test_an_unknown_zone_is_refused():
    with pytest.raises(TimeError, match=r"f: the zone must be in the tz database; got 'Beijing'"):
        utc_start(UTC, "Beijing", "start", HOUR, where="f")


def test_standard_time_is_not_summer_time():
    assert standard_offset("Europe/London", 2014) == np.timedelta64(0, "s")
    assert standard_offset("Australia/Sydney", 2014) == np.timedelta64(36000, "s")
