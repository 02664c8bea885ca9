"""Range, flat line and spike tests flag what they name, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import RegistryError
from pipeline.ingest.quality import LIMITS, assess, flat_line, hampel_spikes, limits_of, range_bits, rejected, sd_spikes
from pipeline.schema import Flag
from pipeline.units import species

MINUTE = np.timedelta64(60, "s")
HOUR = np.timedelta64(3600, "s")
REGIONAL, CITY = LIMITS["co2", "regional"], LIMITS["co2", "city"]


def series(count, seed=3, sigma=0.6):
    """A quiet day of minutes: a slow wave, 0.6 ppm of turbulence that is correlated over some minutes."""
    rng = np.random.default_rng(seed)
    noise = np.convolve(rng.normal(0, sigma, count + 9), np.ones(10) / np.sqrt(10), "valid")
    time = np.datetime64("2024-07-04T00", "ns") + np.arange(count) * MINUTE
    return time, 420 + 4 * np.sin(np.arange(count) / 200) + noise


def test_limits_belong_to_the_passing_side():
    value = np.array([369.9, 370, 394.9, 395, 600, 600.1, 1000, 1000.1])
    fail, suspect = int(Flag.RANGE_FAIL), int(Flag.RANGE_SUSPECT)
    assert range_bits(value, REGIONAL).tolist() == [fail, suspect, suspect, 0, 0, suspect, suspect, fail]


def test_labels_that_jitter_are_no_reason_to_fail():
    time, value = series(120)
    value[50] += 20
    expected = sd_spikes(time, value, MINUTE, REGIONAL)
    time[50] -= np.timedelta64(20, "s")
    assert expected[50]
    np.testing.assert_array_equal(sd_spikes(time, value, MINUTE, REGIONAL), expected)


def test_a_class_without_limits_is_refused():
    with pytest.raises(RegistryError, match=r"quality limits of ch4 must be declared.*got 'micro'.*regional"):
        limits_of(species("ch4"), "micro")


def test_ten_equal_minutes_are_flat_and_nine_are_not():
    time, value = series(60)
    value[20:29] = 421.0
    assert not flat_line(time, value, MINUTE, REGIONAL).any()
    value[29] = 421.005  # within the tolerance
    np.testing.assert_array_equal(np.flatnonzero(flat_line(time, value, MINUTE, REGIONAL)), np.arange(20, 30))


def test_a_gap_breaks_a_flat_run():
    time, value = series(60)
    value[20:30] = 421.0
    time[25:] += 5 * MINUTE
    assert not flat_line(time, value, MINUTE, REGIONAL).any()


def test_four_equal_hours_are_flat():
    time = np.datetime64("2024-07-04T00", "ns") + np.arange(8) * HOUR
    value = np.array([420.0, 421, 422, 422, 422, 422, 423, 424])
    assert np.flatnonzero(flat_line(time, value, HOUR, REGIONAL)).tolist() == [2, 3, 4, 5]


def test_a_spike_of_minutes_is_found_whole_and_the_rest_of_the_day_left():
    time, value = series(1440)
    quiet = sd_spikes(time, value, MINUTE, REGIONAL)
    value[700:704] += [30, 45, 40, 20]
    found = sd_spikes(time, value, MINUTE, REGIONAL)
    assert found[700:704].all()
    assert (found & ~quiet).sum() == 4


def test_a_dip_or_a_step_is_no_spike():
    time, value = series(1440)
    quiet = sd_spikes(time, value, MINUTE, REGIONAL)
    dip, front = value.copy(), value.copy()
    dip[700:704] -= 30
    front[700:] += 15
    for changed in (dip, front):
        assert (sd_spikes(time, changed, MINUTE, REGIONAL) & ~quiet).sum() <= 2


def test_spikes_do_not_depend_on_the_direction_of_time():
    time, value = series(1440)
    value[[300, 301, 900]] += [20, 10, 25]
    back = sd_spikes(time, value[::-1].copy(), MINUTE, REGIONAL)[::-1]
    np.testing.assert_array_equal(sd_spikes(time, value, MINUTE, REGIONAL), back)


def test_a_visit_after_a_gap_starts_anew():
    time, value = series(1440)
    minute = np.arange(1440) % 60
    visits = minute < 20
    value[600:660] += 15  # one visit of a plume that is wider than the visit
    found = sd_spikes(time[visits], value[visits], MINUTE, REGIONAL)
    assert not found[(time[visits] >= time[600]) & (time[visits] < time[660])].any()


def test_the_walk_after_jumps_equals_the_walk_through_all():
    time, value = series(1440, sigma=2.0)
    value[[100, 101, 102, 500, 1200]] += [9, 14, 3, 8, 30]

    def plain(place, values, sigma):
        spike, last = np.zeros(values.size, dtype=bool), 0
        for i in range(1, values.size):
            spike[i] = values[i] > values[last] + (1 + np.sqrt(place[i] - place[last] - 1)) * sigma
            last = last if spike[i] else i
        return spike

    low, high = np.quantile(value, [0.25, 0.75])
    sigma = value[(value >= low) & (value <= high)].std()
    place = np.arange(1440.0)
    expected = plain(place, value, sigma) & plain(place, value[::-1], sigma)[::-1]
    np.testing.assert_array_equal(sd_spikes(time, value, MINUTE, REGIONAL), expected)
    assert expected.sum() > 5


def test_hampel_finds_both_signs():
    time, value = series(600)
    value[[200, 400]] += [60, -60]
    found = hampel_spikes(time, value, MINUTE, LIMITS["co2", "micro"])
    assert found[[200, 400]].all()
    assert found.sum() < 20


def test_a_spike_is_refused_in_the_country_and_kept_in_the_city():
    time, value = series(1440)
    value[700:703] += 40
    bits = assess(time, value, MINUTE, REGIONAL)
    assert rejected(bits, REGIONAL)[700:703].all()
    bits = assess(time, value, MINUTE, CITY)
    assert (bits[700:703] & np.uint32(Flag.SPIKE) > 0).all()
    assert not rejected(bits, CITY).any()


def test_hourly_values_have_no_spike_test():
    time = np.datetime64("2024-07-04T00", "ns") + np.arange(200) * HOUR
    value = np.where(np.arange(200) == 100, 480.0, 420.0 + np.sin(np.arange(200)))
    assert not assess(time, value, HOUR, REGIONAL).any()


def test_a_failed_value_hides_no_spike():
    time, value = series(1440)
    value[699], value[700] = 2000.0, value[698] + 30
    assert assess(time, value, MINUTE, replace(REGIONAL, spike_kept=True))[700] & Flag.SPIKE
