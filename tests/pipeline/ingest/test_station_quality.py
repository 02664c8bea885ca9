"""Range, flat line and spike tests flag what they name, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import RegistryError
from pipeline.ingest.quality import (
    assess,
    assess_hours,
    flat_line,
    hampel_spikes,
    range_bits,
    rejected,
    rules_of,
    sd_spikes,
    sigma_before,
)
from pipeline.schema import Flag
from station_meta import load_rules

MINUTE = np.timedelta64(60, "s")
HOUR = np.timedelta64(3600, "s")
RULES = load_rules()
REGIONAL, CITY, MICRO = (RULES.of("co2", name) for name in ("regional", "city", "micro"))


def series(count, seed=3, sigma=0.4):
    """A quiet day of minutes: a slow wave, 0.4 ppm of turbulence that is correlated over some minutes."""
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
    with pytest.raises(RegistryError, match=r"station ZJ_M01: .*thresholds of ch4 must be declared.*got 'micro'"):
        rules_of(RULES, "ch4", "micro", "ZJ_M01", where="station ZJ_M01")


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

    sigma = REGIONAL.spike_sigma  # no week before
    place = np.arange(1440.0)
    expected = plain(place, value, sigma) & plain(place, value[::-1], sigma)[::-1]
    np.testing.assert_array_equal(sd_spikes(time, value, MINUTE, REGIONAL), expected)
    assert expected.sum() > 5


def test_hampel_finds_both_signs():
    time, value = series(600)
    value[[200, 400]] += [60, -60]
    found = hampel_spikes(time, value, MINUTE, MICRO)
    assert found[[200, 400]].all()
    assert found.sum() < 20


def test_a_spike_is_refused_in_the_country_and_kept_in_the_city():
    time, value = series(1440)
    value[700:703] += 40
    bits = assess(time, value, MINUTE, REGIONAL)
    assert rejected(bits, MINUTE, REGIONAL)[700:703].all()
    bits = assess(time, value, MINUTE, CITY)
    assert (bits[700:703] & np.uint32(Flag.SPIKE) > 0).all()
    assert not rejected(bits, MINUTE, CITY).any()


def test_an_hour_above_both_neighbours_is_a_spike_of_an_hourly_feed_and_taken_out():
    time = np.datetime64("2024-07-04T00", "ns") + np.array([0, 1, 2, 3, 4, 5, 7, 8]) * HOUR
    value = np.array([420.0, 450.1, 420.0, 450.0, 420.0, 420.0, 480.0, 420.0])
    bits = assess(time, value, HOUR, MICRO)
    # 450.0 is just 30 ppm higher, 480 has no hour before it
    assert np.flatnonzero(bits & np.uint32(Flag.SPIKE)).tolist() == [1]
    assert np.flatnonzero(rejected(bits, HOUR, MICRO)).tolist() == [1]
    assert not rejected(bits, MINUTE, MICRO).any()


def test_hourly_values_of_an_analyser_have_no_spike_test():
    time = np.datetime64("2024-07-04T00", "ns") + np.arange(200) * HOUR
    value = np.where(np.arange(200) == 100, 480.0, 420.0 + np.sin(np.arange(200)))
    assert not assess(time, value, HOUR, REGIONAL).any()


def test_a_failed_value_hides_no_spike():
    time, value = series(1440)
    value[699], value[700] = 2000.0, value[698] + 30
    assert assess(time, value, MINUTE, replace(REGIONAL, spike_kept=True))[700] & Flag.SPIKE


def test_sigma_is_that_between_the_quartiles_of_the_seven_days_before_the_day():
    time, value = series(9 * 1440)
    sigma = sigma_before(time, value, REGIONAL)
    assert (sigma[:1440] == REGIONAL.spike_sigma).all()
    week = value[1440 : 8 * 1440]
    low, high = np.quantile(week, [0.25, 0.75])
    np.testing.assert_allclose(sigma[8 * 1440 :], week[(week >= low) & (week <= high)].std(), rtol=1e-3)


def test_a_day_is_judged_the_same_with_its_week_and_margins_as_in_the_whole_record():
    time, value = series(12 * 1440, sigma=0.9)
    rng = np.random.default_rng(5)
    value[rng.integers(0, value.size, 200)] += rng.uniform(2, 40, 200)
    value[9 * 1440 - 3 : 9 * 1440 + 2] += 25  # a spike over midnight
    value[5000:5020] = 420.0
    for rules in (REGIONAL, MICRO):
        whole = assess(time, value, MINUTE, rules)
        assert whole[9 * 1440 : 10 * 1440].any()
        for day in range(8, 11):
            margin = round(rules.spike_longest)
            window = slice((day - 7) * 1440 - 1440, (day + 1) * 1440 + margin)
            part = assess(time[window], value[window], MINUTE, rules)
            own = slice(day * 1440 - window.start, (day + 1) * 1440 - window.start)
            np.testing.assert_array_equal(part[own], whole[day * 1440 : (day + 1) * 1440])


@pytest.mark.parametrize("offset", [1, 7, 61, 433, 1001])
def test_a_verdict_does_not_hang_on_where_the_record_begins(offset):
    time, value = series(4 * 1440, sigma=1.5)
    time = time + np.timedelta64(37_000_003, "us")
    # without a week before, for that is another where the record begins later
    for rules in (MICRO, replace(REGIONAL, spike_history=10**9)):
        whole = assess(time, value, MINUTE, rules)
        part = assess(time[offset:], value[offset:], MINUTE, rules)
        later = 3 * 1440
        np.testing.assert_array_equal(part[later - offset :], whole[later:])


def test_minutes_with_one_missing_are_no_unbroken_run_wherever_they_stand():
    for first in range(0, 1300, 7):
        time, value = series(1440)
        value[first : first + 11] = 421.0
        keep = np.arange(1440) != first + 5
        assert not flat_line(time[keep], value[keep], MINUTE, REGIONAL).any(), first


def test_a_rise_that_lasts_longer_than_a_spike_may_is_air():
    time, value = series(1440)
    quiet = sd_spikes(time, value, MINUTE, REGIONAL)
    plume = value.copy()
    plume[500:900] += 60  # up, and down again after more than six hours
    short = replace(REGIONAL, spike_longest=390.0, spike_alpha=1.0)
    assert not (sd_spikes(time, plume, MINUTE, short) & ~quiet)[500:900].any()
    assert (sd_spikes(time, plume, MINUTE, replace(short, spike_longest=420.0)) & ~quiet)[500:900].all()


def test_hampel_agrees_with_the_definition():
    rng = np.random.default_rng(8)
    keep = rng.random(400) < 0.8
    time = (np.datetime64("2024-07-04T00", "ns") + np.arange(400) * MINUTE)[keep]
    value = np.round(rng.normal(420, 2, time.size), 1)  # ties
    value[rng.integers(0, time.size, 20)] += rng.normal(0, 15, 20)
    found = hampel_spikes(time, value, MINUTE, MICRO)
    for i in range(time.size):
        near = value[np.abs(time - time[i]) <= np.timedelta64(60, "m")]
        sigma = max(1.4826022185056018 * np.median(np.abs(near - np.median(near))), MICRO.spike_floor)
        assert found[i] == (abs(value[i] - np.median(near)) > 3.0 * sigma)
    assert 5 < found.sum() < 60


def test_an_hour_far_from_the_hour_before_is_a_rate_suspect():
    time = np.datetime64("2024-07-04T00", "ns") + np.array([0, 1, 2, 4]) * HOUR
    value, spread = np.array([420.0, 451.0, 450.0, 420.0]), np.full(4, np.nan)
    # 420 after 450 with an hour between is no rate
    assert assess_hours(time, value, spread, REGIONAL).tolist() == [0, int(Flag.RATE), 0, 0]


def test_an_hour_of_uneven_air_is_flagged_and_not_selected():
    time = np.datetime64("2024-07-04T00", "ns") + np.arange(3) * HOUR
    bits = assess_hours(time, np.full(3, 420.0), np.array([2.0, 2.1, np.nan]), REGIONAL)
    assert bits.tolist() == [0, int(Flag.HOURLY_SPREAD | Flag.NOT_SELECTED_WEATHER), 0]
