"""Fluxes of towers: what is night, and what stands out of its two neighbours."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.ingest.flux_quality import is_night, spikes
from station_meta import SinkRules, load_rules

RULES = load_rules().table("sink", SinkRules)
HALF = np.timedelta64(30, "m")
START = np.datetime64("2024-06-20T00", "ns")
DAYS = 21


def record(seed=1, days=DAYS, day_noise=3.0, night_noise=0.4):
    """Half hours of uptake by day and respiration at night, with errors of long tails."""
    random = np.random.default_rng(seed)
    time = START + HALF * np.arange(48 * days)
    sun = np.cos(2 * np.pi * (np.arange(time.size) / 48 - 0.5))
    night = sun < 0
    noise = random.laplace(0, 1, time.size) / np.sqrt(2) * np.where(night, night_noise, day_noise)
    return time, np.where(night, 4.0, 4 - 20 * sun) + noise, night


def slowly(time, value, night, rules):
    """The test as it is written: of each row by itself."""
    day = time.astype("datetime64[D]")
    away = {}
    for i in range(1, len(time) - 1):
        if time[i] - time[i - 1] == HALF == time[i + 1] - time[i]:
            away[i] = (value[i] - value[i - 1]) - (value[i + 1] - value[i])
    far, beyond = {}, set()
    for i, own in away.items():
        about = [k for k in away if abs((day[k] - day[i]).astype(int)) <= rules.spike_days // 2]
        near = [away[k] for k in about if night[k - 1 : k + 2].all() == night[i - 1 : i + 2].all()]
        if len(near) >= rules.spike_fewest:
            centre = np.median(near)
            spread = np.median([abs(d - centre) for d in near]) / 0.6744897501960817
            far[i] = own - centre
            if abs(far[i]) / max(spread, rules.spike_floor) > rules.spike_deviations:
                beyond.add(i)

    def for_a_neighbour(i):
        beside = [far[k] for k in (i - 1, i + 1) if k in beyond]
        return any(d * far[i] < 0 and abs(d) > rules.spike_neighbour * abs(far[i]) for d in beside)

    return np.array([i in beyond and not for_a_neighbour(i) for i in range(len(time))])


def test_it_is_the_test_as_written_also_with_gaps():
    time, value, night = record(days=18)
    random = np.random.default_rng(5)
    value[random.choice(value.size, 60, replace=False)] += random.normal(0, 15, 60)
    kept = random.random(time.size) > 0.1
    time, value, night = time[kept], value[kept], night[kept]
    found = spikes(time, value, night, HALF, RULES)
    assert 10 < found.sum() < 60
    np.testing.assert_array_equal(found, slowly(time, value, night, RULES))


def test_a_lone_spike_is_found_and_its_neighbours_are_left_alone():
    time, value, night = record()
    assert not spikes(time, value, night, HALF, RULES).any()
    random = np.random.default_rng(8)
    at = 5 + 12 * random.choice((time.size - 10) // 12, 40, replace=False)
    struck = value.copy()
    struck[at] += random.choice([-1, 1], at.size) * np.where(night[at], 8.0, 60.0)
    np.testing.assert_array_equal(np.flatnonzero(spikes(time, struck, night, HALF, RULES)), np.sort(at))
    # without that rule each would cost three half hours
    alone = replace(RULES, spike_neighbour=1.999)
    assert spikes(time, struck, night, HALF, alone).sum() > 1.3 * at.size


def test_day_and_night_are_apart():
    time, value, night = record()
    dark, bright = 48 * 10 + 2, 48 * 10 + 24
    assert night[dark]
    assert not night[bright]
    value[[dark, bright]] += 6
    assert np.flatnonzero(spikes(time, value, night, HALF, RULES)).tolist() == [dark]
    assert not spikes(time, value, np.zeros_like(night), HALF, RULES)[dark]


def test_an_even_rise_changes_nothing():
    time, value, night = record()
    value[300] += 50
    found = spikes(time, value, night, HALF, RULES)
    assert found[300]
    np.testing.assert_array_equal(spikes(time, value + 0.25 * np.arange(time.size), night, HALF, RULES), found)


def test_a_day_is_judged_by_the_days_about_it_alone():
    time, value, night = record(days=40)
    random = np.random.default_rng(2)
    value[random.choice(value.size, 40, replace=False)] += 40
    found = spikes(time, value, night, HALF, RULES)
    day = time.astype("datetime64[D]")
    half = np.timedelta64(RULES.spike_days // 2, "D")
    for one in day[[20 * 48, 21 * 48, 22 * 48]]:
        # a double difference also needs the row before and the row after
        near = (time >= one - half - HALF) & (time < one + half + np.timedelta64(1, "D") + HALF)
        again = spikes(time[near], value[near], night[near], HALF, RULES)
        np.testing.assert_array_equal(again[day[near] == one], found[day == one])
    assert found.sum() > 20


def test_what_has_no_two_neighbours_or_too_few_days_about_it_is_not_tested():
    time, value, night = record()
    value[500] += 60
    assert np.flatnonzero(spikes(time, value, night, HALF, RULES)).tolist() == [500]
    gap = np.arange(time.size) != 501
    assert not spikes(time[gap], value[gap], night[gap], HALF, RULES)[500]
    later = np.where(np.arange(time.size) > 500, time + HALF // 2, time)
    assert not spikes(later, value, night, HALF, RULES)[500]
    short = slice(495, 510)
    assert not spikes(time[short], value[short], night[short], HALF, RULES).any()
    for size in range(3):
        assert spikes(time[:size], value[:size], night[:size], HALF, RULES).shape == (size,)


def test_night_is_told_by_radiation_and_else_by_the_sun():
    # at the equator on the meridian, at an equinox, the sun is up from six to six but for seven minutes
    time = np.datetime64("2024-03-20T00:15", "ns") + HALF * np.arange(48)
    hour = np.arange(48) / 2
    unknown = np.full(48, np.nan)
    by_sun = is_night(time, unknown, 0.0, 0.0, RULES)
    np.testing.assert_array_equal(by_sun, (hour < 6) | (hour >= 18))
    # half round the earth it is the other way, but for the half hours of rise and set
    other = is_night(time, unknown, 180.0, 0.0, RULES)
    assert np.flatnonzero(other == by_sun).size <= 2
    light = np.where(hour < 12, 9.9, 10.0)
    light[::4] = np.nan
    told = is_night(time, light, 0.0, 0.0, RULES)
    np.testing.assert_array_equal(told, np.where(np.isnan(light), by_sun, hour < 12))
    assert is_night(np.array(["NaT"], "datetime64[ns]"), np.array([np.nan]), 0.0, 0.0, RULES).tolist() == [False]


@pytest.mark.parametrize("night", [True, False])
def test_fluxes_that_stand_still_have_no_spikes(night):
    time = START + HALF * np.arange(480)
    value = np.full(480, 2.5) + 1e-12 * np.random.default_rng(0).normal(size=480)
    assert not spikes(time, value, np.full(480, night), HALF, RULES).any()
