"""Hourly means worked by hand, and the completeness rule."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError, TimeError
from pipeline.ingest.hourly import hourly_means, uncertainty_of_mean
from pipeline.schema import Flag
from pipeline.settings import Completeness

MINUTE, HOUR = np.timedelta64(60, "s"), np.timedelta64(3600, "s")
START = np.datetime64("2024-07-01T00", "ns")


def means(time, value, *, kept=None, refused=None, bits=None, interval=MINUTE, spread=None, count=None, minimum=2):
    n = len(time)
    return hourly_means(
        time,
        np.asarray(value, dtype=float),
        np.full(n, np.nan) if spread is None else np.asarray(spread),
        np.zeros(n, dtype=int) if count is None else np.asarray(count),
        np.zeros(n, dtype=np.uint32) if bits is None else np.asarray(bits, dtype=np.uint32),
        np.ones(n, dtype=bool) if kept is None else np.asarray(kept),
        np.zeros(n, dtype=bool) if refused is None else np.asarray(refused),
        interval,
        Completeness(expected=60, minimum=minimum),
        where="a test",
    )


def test_mean_spread_and_count_are_those_worked_by_hand():
    # hour 0: 400, 402, 407 -> mean 403, squares 9 + 1 + 16 = 26, spread sqrt(26 / 2); hour 2: 410 alone
    time = START + np.array([0, 30, 59, 125]) * MINUTE
    hours = means(time, [400, 402, 407, 410])
    np.testing.assert_array_equal(hours.time, START + np.array([0, 2]) * HOUR)
    assert hours.value.tolist() == [403, 410]
    assert hours.spread[0] == pytest.approx(np.sqrt(13))
    assert np.isnan(hours.spread[1])
    assert hours.count.tolist() == [3, 1]
    assert hours.coverage.tolist() == pytest.approx([3 / 60, 1 / 60])


def test_fewer_samples_than_the_minimum_make_an_incomplete_hour():
    hours = means(START + np.arange(105) * MINUTE, np.arange(105.0), minimum=46)
    assert hours.count.tolist() == [60, 45]
    assert hours.flag.tolist() == [0, Flag.INCOMPLETE]


def test_refused_samples_are_not_averaged_but_an_hour_of_them_is_on_record():
    time = START + np.array([0, 1, 60, 61]) * MINUTE
    bits = [0, Flag.FLAT_LINE, Flag.FLAT_LINE, Flag.RANGE_FAIL]
    hours = means(
        time, [400, 500, 500, 2], bits=bits, kept=[True, False, False, False], refused=[False, True, True, True]
    )
    assert hours.value[0] == 400
    assert np.isnan(hours.value[1])
    assert hours.count.tolist() == [1, 0]
    assert hours.flag[0] == Flag.INCOMPLETE
    assert hours.flag[1] == Flag.INCOMPLETE | Flag.MISSING | Flag.FLAT_LINE | Flag.RANGE_FAIL


def test_hourly_input_passes_through():
    time = START + np.arange(2) * HOUR
    hours = means(time, [400, 401], interval=HOUR, spread=[1.5, np.nan], count=[49, 0])
    assert hours.value.tolist() == [400, 401]
    assert hours.spread.tolist() == pytest.approx([1.5, np.nan], nan_ok=True)
    assert hours.count.tolist() == [49, 1]
    assert hours.flag.tolist() == [0, 0]
    assert hours.coverage.tolist() == [1, 1]


def test_hourly_input_off_the_hour_is_refused():
    with pytest.raises(TimeError, match=r"whole hours of UTC; got '2024-07-01T00:30.*and 1 more'.*hour_label"):
        means(START + 30 * MINUTE + np.arange(2) * HOUR, [400, 401], interval=HOUR)


def test_more_samples_than_an_hour_holds_are_not_expected():
    with pytest.raises(ConfigError, match=r"must fit in an hour; got 'completeness.expected 60'. Remedy: at most 12"):
        means(START + 5 * np.arange(3) * MINUTE, [400, 401, 402], interval=5 * MINUTE)


def test_uncertainty_of_a_full_hour_is_that_of_the_measurement():
    u, s, n = np.array([0.3, 0.3]), np.array([5.0, np.nan]), np.array([60, 1])
    assert uncertainty_of_mean(u, s, n, np.array([1.0, 1 / 60])).tolist() == [0.3, 0.3]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 300), min_size=1, max_size=60, unique=True), st.randoms(use_true_random=False))
def test_hours_hold_every_sample_once(places, random):
    places = np.sort(places)
    value = np.array([random.uniform(380, 500) for _ in places])
    hours = means(START + places * MINUTE, value)
    assert hours.count.sum() == places.size
    assert np.sum(hours.value * hours.count) == pytest.approx(value.sum())
    for time, mean in zip(hours.time, hours.value, strict=True):
        inside = (START + places * MINUTE >= time) & (START + places * MINUTE < time + HOUR)
        assert mean == pytest.approx(value[inside].mean())
