"""Range, flat line and the spikes of hours flag what QARTOD's tests of ioos_qc flag, where the two mean the same."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ingest.quality import flat_line, hourly_spikes, range_bits
from pipeline.schema import Flag
from station_meta import load_rules

qartod = pytest.importorskip("ioos_qc.qartod", reason="the reference ioos_qc is not installed")

GOOD, SUSPECT, FAIL = 1, 3, 4
RULES = load_rules()
CLASSES = [(gas, name) for gas in ("co2", "ch4", "co") for name in RULES.classes_of(gas)]
HOUR, MINUTE = np.timedelta64(3600, "s"), np.timedelta64(60, "s")
#: QARTOD has no quality of its own for each test; ours are bits
AS_QARTOD = {0: GOOD, int(Flag.RANGE_SUSPECT): SUSPECT, int(Flag.RANGE_FAIL): FAIL}


def times(count, interval):
    return np.datetime64("2024-07-01T00", "ns") + np.arange(count) * interval


@pytest.mark.parametrize(("gas", "station_class"), CLASSES)
def test_ranges_are_gross_ranges_up_to_and_with_their_limits(gas, station_class):
    rules = RULES.of(gas, station_class)
    edges = [edge for edge in (*rules.fail, *rules.suspect) if np.isfinite(edge)]
    value = np.array([f(edge, to) for edge in edges for f, to in ((np.nextafter, 0), (max, edge), (np.nextafter, 1e9))])
    # a suspect limit that is open is the fail limit to QARTOD
    suspect = (max(rules.suspect[0], rules.fail[0]), min(rules.suspect[1], rules.fail[1]))
    expected = qartod.gross_range_test(value, rules.fail, suspect)
    found = [AS_QARTOD[int(bits)] for bits in range_bits(value, rules)]
    assert found == expected.tolist()
    assert {SUSPECT, FAIL, GOOD} >= set(found) >= {FAIL, GOOD}


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), rise=st.sampled_from([5.0, 10.0, 30.0]))
def test_spikes_of_hours_are_the_upward_ones_of_the_differential_test(seed, rise):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(3, 60))
    value = 420.0 + np.round(rng.normal(0, 4, count) + 40.0 * (rng.random(count) < 0.1) * rng.choice([-1, 1], count))
    rules = replace(RULES.of("co2", "micro"), spike_hour=rise)
    found = hourly_spikes(times(count, HOUR), value, rules)
    both = qartod.spike_test(value, suspect_threshold=rise, fail_threshold=1e9, method="differential") == SUSPECT
    upward = np.zeros(count, dtype=bool)
    upward[1:-1] = value[1:-1] > value[:-2]
    np.testing.assert_array_equal(found, both & upward)


def test_the_reference_of_hourly_spikes_sees_both_signs():
    value = np.array([420.0, 460, 420, 380, 420])
    assert qartod.spike_test(value, 30.0, 1e9, method="differential").tolist()[1:-1] == [SUSPECT, GOOD, SUSPECT]
    assert hourly_spikes(times(5, HOUR), value, RULES.of("co2", "micro")).tolist() == [False, True, False, False, False]


@pytest.mark.parametrize(("station_class", "interval", "length"), [("regional", MINUTE, 10), ("micro", HOUR, 6)])
def test_the_last_samples_of_flat_windows_are_flat_lines(station_class, interval, length):
    rules = RULES.of("co2", station_class)
    tolerance = rules.flat_tolerance
    rng = np.random.default_rng(7)
    value = 420.0 + np.cumsum(rng.choice([-2, -1, 0, 0, 0, 0, 1, 2], 2000)) * 0.8 * tolerance
    for first in (300, 700, 1200):
        value[first : first + length + 3] = value[first]
    found = flat_line(times(value.size, interval), value, interval, rules)
    # QARTOD marks the last sample of a window only, and by a range below the tolerance
    seconds = int((length - 1) * (interval / np.timedelta64(1, "s")))
    ends = qartod.flat_line_test(value, times(value.size, interval), seconds, seconds, tolerance * (1 + 1e-6)) == FAIL
    assert 4 * 3 <= ends.sum() < 500
    expected = np.any([np.roll(ends, -back) for back in range(length)], axis=0)
    np.testing.assert_array_equal(found, expected)
