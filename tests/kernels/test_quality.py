"""Flat line, rise and running median agree with their definitions, written plainly, and with cases worked by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernels.quality import far_from_median, flat_windows, rises

MAD_TO_SIGMA = 1.4826022185056018
#: seeds of random series; small steps, so that ties and equal extremes are common
SEEDS = st.integers(0, 10**6)


def series(seed, most=60, kept=0.85):
    """Seconds with gaps, and values of a few steps with an outlier now and then."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, most))
    second = 60.0 * np.flatnonzero(rng.random(count) < kept)
    value = np.cumsum(rng.integers(-1, 2, second.size) * (rng.random(second.size) < 0.4)) * 0.5
    value += 8.0 * (rng.random(second.size) < 0.08) * rng.choice([-1, 1], second.size)
    return second, 420.0 + value


def flat(second, value, length, span, tolerance):
    lows, highs = np.empty((2, value.size), dtype=np.int64)
    out = np.ones(value.size, dtype=bool)
    flat_windows(second, value, length, span, tolerance, lows, highs, out)
    return out


def rising(value, sigma, *, alpha=1.0, longest=np.inf, place=None, visit=None):
    value = np.asarray(value, dtype=float)
    place = np.arange(value.size, dtype=float) if place is None else np.asarray(place, dtype=float)
    visit = np.zeros(value.size, dtype=np.int64) if visit is None else np.asarray(visit)
    out = np.ones(value.size, dtype=bool)
    rises(place, visit, value, np.full(value.size, sigma, dtype=float), alpha, longest, out)
    return out


def far(second, value, *, half=600.0, alpha=3.0, floor=0.0):
    value = np.asarray(value, dtype=float)
    out = np.ones(value.size, dtype=bool)
    far_from_median(np.asarray(second, dtype=float), value, half, alpha, floor, np.empty(value.size), out)
    return out


@settings(max_examples=120, deadline=None)
@given(seed=SEEDS, length=st.integers(2, 9), tolerance=st.sampled_from([0.0, 0.5, 1.0]))
def test_a_flat_window_is_one_whose_extremes_are_near_and_that_no_gap_breaks(seed, length, tolerance):
    second, value = series(seed)
    span = 60.0 * length
    expected = np.zeros(value.size, dtype=bool)
    for first in range(value.size - length + 1):
        window = slice(first, first + length)
        whole = second[window][-1] - second[window][0] < span
        expected[window] |= whole and np.ptp(value[window]) <= tolerance
    np.testing.assert_array_equal(flat(second, value, length, span, tolerance), expected)


def test_the_reference_of_flat_windows_sees_flat_and_other_samples():
    shares = [flat(*series(seed), 3, 180.0, 0.5).mean() for seed in range(50) if series(seed)[1].size]
    assert 0.2 < np.mean(shares) < 0.8


def test_two_flat_runs_that_share_a_sample_are_both_flat_and_three_equal_of_four_are_not():
    second = np.arange(8) * 60.0
    # windows of four within 1: samples 0-3 (0, 0, 1, 1) and 3-6 (1, 2, 2, 2)
    value = np.array([0.0, 0, 1, 1, 2, 2, 2, 5])
    assert flat(second, value, 4, 240.0, 1.0).tolist() == [True] * 7 + [False]
    assert not flat(second, value, 4, 240.0, 0.0).any()
    # a sample late by a minute makes the window as long as the span
    second[3:] += 60.0
    assert flat(second, value, 4, 240.0, 1.0).tolist() == [False] * 3 + [True] * 4 + [False]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_fewer_samples_than_a_window_are_never_flat(count):
    assert not flat(np.arange(count) * 60.0, np.full(count, 420.0), 4, 240.0, 1.0).any()


@settings(max_examples=120, deadline=None)
@given(seed=SEEDS, length=st.integers(2, 9), tolerance=st.sampled_from([0.0, 0.5, 1.0]))
def test_the_ends_of_flat_windows_are_what_qartod_calls_flat(seed, length, tolerance):
    qartod = pytest.importorskip("ioos_qc.qartod", reason="the reference ioos_qc is not installed")
    second, value = series(seed, kept=1.0)
    # QARTOD marks the last sample of a window, whose range is below the tolerance; ours all, of a range up to it
    seconds = (length - 1) * 60
    ends = qartod.flat_line_test(value, second, seconds, seconds, np.nextafter(tolerance, np.inf)) == 4
    expected = np.zeros(value.size, dtype=bool)
    for end in np.flatnonzero(ends):
        expected[end - length + 1 : end + 1] = True
    if value.size < 3:  # of which QARTOD says nothing
        return
    np.testing.assert_array_equal(flat(second, value, length, 60.0 * length, tolerance), expected)


def plain_rises(place, visit, value, sigma, alpha, longest):
    """The definition with marks that wait until it is known how long the rise lasts."""
    out = np.zeros(value.size, dtype=bool)
    for stretch in np.unique(visit):
        base, *rest = np.flatnonzero(visit == stretch)
        waiting = []
        for i in rest:
            due = max(place[i] - place[base] - 1.0, 0.0)
            above = value[i] > value[base] + (alpha + np.sqrt(due)) * sigma[i]
            if above and place[i] - place[base] <= longest:
                waiting.append(i)
                continue
            out[waiting] = not above
            base, waiting = i, []
        out[waiting] = True
    return out


@settings(max_examples=150, deadline=None)
@given(seed=SEEDS, alpha=st.sampled_from([0.3, 1.0, 3.0]), longest=st.sampled_from([2.0, 5.0, 1000.0]))
def test_a_rise_is_above_the_last_sample_that_was_none_until_it_has_lasted_too_long(seed, alpha, longest):
    second, value = series(seed)
    rng = np.random.default_rng(seed)
    place = second / 60.0 + rng.uniform(-0.05, 0.05, value.size)  # labels jitter
    visit = np.cumsum(rng.random(value.size) < 0.05)
    sigma = np.where(rng.random(value.size) < 0.1, np.nan, rng.uniform(0.2, 1.5, value.size))
    out = np.ones(value.size, dtype=bool)
    rises(place, visit, value, sigma, alpha, longest, out)
    np.testing.assert_array_equal(out, plain_rises(place, visit, value, sigma, alpha, longest))


def test_each_sample_due_since_the_last_one_lifts_the_threshold():
    # sigma 1, alpha 1: one above, at once; 1 + sqrt(1) after one sample; 1 + sqrt(2) = 2.414 after two
    assert rising([0.0, 1.1, 2.1, 2.5], 1.0).tolist() == [False, True, True, True]
    assert rising([0.0, 1.1, 2.1, 2.4], 1.0).tolist() == [False, True, True, False]
    assert rising([0.0, 1.0], 1.0).tolist() == [False, False]
    # samples that are due count, whether they came or not: none in between is 1 + sqrt(3) = 2.732
    assert rising([0.0, 2.7], 1.0, place=[0, 4]).tolist() == [False, False]
    assert rising([0.0, 2.8], 1.0, place=[0, 4]).tolist() == [False, True]


def test_a_rise_that_lasts_longer_than_the_longest_is_air_and_the_next_is_told_from_it():
    value = [0.0, 9, 9, 9, 9, 9, 20, 9]
    assert rising(value, 1.0, longest=7).tolist() == [False] + [True] * 7
    assert rising(value, 1.0, longest=4).tolist() == [False] * 6 + [True, False]
    # one that is over in time stays marked, whatever comes later
    assert rising([0.0, 9, 9, 0, 9, 9, 9, 9], 1.0, longest=3).tolist() == [False, True, True] + [False] * 5


def test_a_rise_ends_with_its_stretch_and_nothing_is_above_an_unknown_sigma():
    assert rising([0.0, 9, 9, 9], 1.0, visit=[0, 0, 1, 1]).tolist() == [False, True, False, False]
    assert not rising([0.0, 9, 0, 9], np.nan).any()


@pytest.mark.parametrize("count", [0, 1])
def test_no_rise_without_a_past(count):
    assert not rising([420.0] * count, 0.1).any()


@settings(max_examples=120, deadline=None)
@given(seed=SEEDS, half=st.sampled_from([0.0, 60.0, 150.0, 600.0]), floor=st.sampled_from([0.0, 0.3]))
def test_the_running_median_is_that_of_the_samples_within_the_half_window(seed, half, floor):
    second, value = series(seed)
    expected = np.zeros(value.size, dtype=bool)
    for i in range(value.size):
        near = value[np.abs(second - second[i]) <= half]
        sigma = max(MAD_TO_SIGMA * np.median(np.abs(near - np.median(near))), floor)
        expected[i] = abs(value[i] - np.median(near)) > 3.0 * sigma
    np.testing.assert_array_equal(far(second, value, half=half, floor=floor), expected)


@pytest.mark.parametrize(
    ("value", "median", "distance"),
    [
        ([1.0, 2, 4, 9], 3.0, 1.5),  # even: distances 2, 1, 1, 6
        ([1.0, 2, 4, 9, 30], 4.0, 3.0),  # odd: 3, 2, 0, 5, 26
        ([9.0, 4, 2, 1], 3.0, 1.5),  # the same, falling
        ([7.0, 7, 7, 8, 20], 7.0, 0.0),  # ties: most are the median
        ([1.0, 1, 5, 5], 3.0, 2.0),  # the median is no sample
        ([1.0, 2, 2, 2, 3, 8], 2.0, 0.5),  # ties at an even count: 1, 0, 0, 0, 1, 6
        ([0.0, 10, 11, 12], 10.5, 1.0),  # the left side runs out last
        ([0.0, 1, 2, 12], 1.5, 1.0),
    ],
)
def test_a_sample_is_far_beyond_so_many_median_distances(value, median, distance):
    value = np.array(value)
    sigma = max(MAD_TO_SIGMA * distance, 0.1)
    second = np.arange(value.size) * 60.0
    for alpha in (0.5, 1.0, 2.0, 5.0):
        np.testing.assert_array_equal(far(second, value, alpha=alpha, floor=0.1), abs(value - median) > alpha * sigma)
    # the very edge, on both sides, of the sample that is furthest
    edge = abs(value - median).max() / sigma
    assert far(second, value, alpha=edge * (1 - 1e-9), floor=0.1).any()
    assert not far(second, value, alpha=edge * (1 + 1e-9), floor=0.1).any()


@pytest.mark.parametrize("count", [0, 1])
def test_one_sample_alone_is_its_own_median(count):
    assert not far(np.zeros(count), np.full(count, 420.0)).any()


def test_an_hour_s_window_forgets_what_is_further_away():
    # eleven samples a minute apart see five minutes: the step is far from neither side's median but at its edge
    second, value = np.arange(40) * 60.0, np.where(np.arange(40) < 20, 0.0, 10.0)
    assert not far(second, value, half=300.0, floor=1.0).any()
    value[30] = 20.0
    assert np.flatnonzero(far(second, value, half=300.0, floor=1.0)).tolist() == [30]
