"""Comparisons with neighbours find a wrong zone, unit or place, and leave a station alone that is merely noisy."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.ingest.neighbours import NeighbourRules, Series, compare
from pipeline.schema import Flag
from station_meta import load_rules

RULES = load_rules()
NEIGHBOURS = RULES.table("neighbours", NeighbourRules)
HOUR = np.timedelta64(1, "h")
DAYS = 9


def network(count=5, *, noise=1.5, seed=3):
    """Stations some 20 km apart under one air: a night-time rise, weather of days, and noise of their own."""
    rng = np.random.default_rng(seed)
    time = np.datetime64("2024-07-01T00", "ns") + np.arange(24 * DAYS) * HOUR
    local = (np.arange(time.size) + 8) % 24
    # air piles up until sunrise and is mixed within two hours after it
    shared = 420 + np.where(local < 7, 2.0 * (local + 5), np.where(local < 9, 24 - 12.0 * (local - 7), 0.0))
    shared = shared + 6 * np.sin(np.arange(time.size) / 40)
    return [
        Series(
            f"C{i}",
            "city",
            120.0 + 0.2 * i,
            30.0,
            10.0,
            time,
            shared + rng.normal(0, noise, time.size),
            np.zeros(time.size, dtype=np.uint32),
            RULES.of("co2", "city"),
        )
        for i in range(count)
    ]


def flagged(bits, flag):
    return (bits & np.uint32(flag)) != 0


def test_a_sound_network_raises_no_alarm():
    bits, alarms = compare(network(), "co2", NEIGHBOURS)
    assert alarms == []
    assert not any(part.any() for part in bits)


@pytest.mark.parametrize("lag", [8, -8, 5])
def test_a_shifted_clock_is_found_with_its_hours_and_only_at_its_station(lag):
    series = network()
    series[2] = replace(series[2], value=np.roll(series[2].value, lag))
    bits, alarms = compare(series, "co2", NEIGHBOURS)
    assert [alarm.station for alarm in alarms] == ["C2"]
    assert f"{lag:+d} h" in str(alarms[0])
    # seven days must end with the day that is judged
    days = np.unique(series[2].time[flagged(bits[2], Flag.LAG_SUSPECT)].astype("datetime64[D]"))
    assert days[0] == np.datetime64("2024-07-01")
    assert days.size >= 7
    assert not any(flagged(bits[i], Flag.LAG_SUSPECT).any() for i in (0, 1, 3, 4))


@pytest.mark.parametrize("lag", [1, -1])
def test_a_label_off_by_one_hour_is_not_told_from_places_that_differ_by_an_hour(lag):
    series = network()
    series[2] = replace(series[2], value=np.roll(series[2].value, lag))
    bits, alarms = compare(series, "co2", NEIGHBOURS)
    assert alarms == []
    assert not flagged(bits[2], Flag.LAG_SUSPECT).any()
    # a gain of a tenth would tell them, and every tenth sound sensor of the simulated network with them
    assert [alarm.station for alarm in compare(series, "co2", replace(NEIGHBOURS, lag_gain=0.1))[1]] == ["C2"]


def test_a_wrong_unit_is_found_on_every_day():
    series = network()
    series[1] = replace(series[1], value=series[1].value * 1.83)
    bits, alarms = compare(series, "co2", NEIGHBOURS)
    assert [alarm.station for alarm in alarms] == ["C1"]
    assert "mg m-3" in alarms[0].what
    assert alarms[0].days == DAYS
    assert flagged(bits[1], Flag.UNIT_SUSPECT).all()
    assert not any(flagged(bits[i], Flag.UNIT_SUSPECT).any() for i in (0, 2, 3, 4))


def test_what_was_found_stays_found_when_more_days_come():
    series = network(noise=6.0, seed=11)
    series[2] = replace(series[2], value=np.roll(series[2].value, 5))
    whole, _ = compare(series, "co2", NEIGHBOURS)
    end = 24 * (DAYS - 1)
    short = [replace(s, time=s.time[:end], value=s.value[:end], flag=s.flag[:end]) for s in series]
    found = compare(short, "co2", NEIGHBOURS)[0]
    assert flagged(found[2], Flag.LAG_SUSPECT).all()
    for first, then in zip(found, whole, strict=True):
        assert not (first & ~then[:end]).any()


@pytest.mark.parametrize("lag", [1, -1])
def test_an_hour_is_too_little_to_tell_from_a_place_whose_air_is_an_hour_later(lag):
    series = network()
    series[2] = replace(series[2], value=np.roll(series[2].value, lag))
    assert compare(series, "co2", NEIGHBOURS)[1] == []


def test_six_days_are_too_few_to_judge_a_clock_by():
    series = network()
    series[2] = replace(series[2], value=np.roll(series[2].value, 8))
    short = [replace(s, time=s.time[:144], value=s.value[:144], flag=s.flag[:144]) for s in series]
    alarms = compare(short, "co2", NEIGHBOURS)[1]
    assert not any(alarm.flag & Flag.LAG_SUSPECT for alarm in alarms)


def test_an_hour_apart_from_its_neighbours_is_a_suspect_in_mixed_hours_only():
    series = network(noise=0.5)
    value = series[0].value.copy()
    value[[100, 110]] += 30  # 12 and 22 o'clock local
    series[0] = replace(series[0], value=value)
    bits, _ = compare(series, "co2", NEIGHBOURS)
    assert np.flatnonzero(flagged(bits[0], Flag.BUDDY)).tolist() == [100]


@pytest.mark.parametrize("step", [25.0, -25.0])
def test_a_jump_is_found_on_the_days_whose_mixed_hours_follow_it(step):
    series = network(noise=0.5)
    jump = 24 * 3 + 12  # after the mixed hours of the fourth day
    value = series[1].value + np.where(np.arange(24 * DAYS) >= jump, step, 0.0)
    bits, alarms = compare([series[0], replace(series[1], value=value), *series[2:]], "co2", NEIGHBOURS)
    assert [(alarm.station, alarm.days) for alarm in alarms] == [("C1", DAYS - 4)]
    assert "a jump" in str(alarms[0])
    np.testing.assert_array_equal(flagged(bits[1], Flag.INSTRUMENT), np.arange(24 * DAYS) >= 24 * 4)
    left = replace(series[1], value=value, rules=replace(series[1].rules, apart=None))
    assert compare([series[0], left, *series[2:]], "co2", NEIGHBOURS)[1] == []


def test_a_plume_of_two_hours_is_no_jump():
    series = network(noise=0.5)
    value = series[1].value.copy()
    value[100:102] += 60.0  # noon of the fifth day
    bits, alarms = compare([series[0], replace(series[1], value=value), *series[2:]], "co2", NEIGHBOURS)
    assert alarms == []
    assert np.flatnonzero(flagged(bits[1], Flag.BUDDY)).tolist() == [100, 101]


def test_a_tower_counts_once_however_many_inlets_it_has():
    series = network(noise=0.5)
    sound = series[0]
    tower = [replace(series[1], height=h, value=series[1].value + 30.0) for h in (10.0, 50.0, 100.0)]
    assert compare([sound, *tower], "co2", NEIGHBOURS)[1] == []
    # with three towers more, the one that is wrong is found at each of its inlets
    found = compare([sound, *tower, *series[2:]], "co2", NEIGHBOURS)[1]
    assert [alarm.station for alarm in found] == ["C1", "C1", "C1"]


def test_a_sensor_whose_offset_is_solved_for_may_lie_apart_but_not_jump():
    series = network(noise=0.5)
    always = replace(series[1], value=series[1].value + 40.0, has_offset=True)
    assert compare([series[0], always, *series[2:]], "co2", NEIGHBOURS)[1] == []
    later = np.where(np.arange(24 * DAYS) >= 24 * 4, 30.0, 0.0)
    jumps = replace(always, value=always.value + later)
    (alarm,) = compare([series[0], jumps, *series[2:]], "co2", NEIGHBOURS)[1]
    assert alarm.days == DAYS - 4


def test_few_common_hours_are_no_unit():
    series = network()
    hours = np.arange(24 * DAYS) % 24 < 5
    short = replace(
        series[1], time=series[1].time[hours], value=1.83 * series[1].value[hours], flag=series[1].flag[hours]
    )
    alarms = compare([series[0], short, *series[2:]], "co2", NEIGHBOURS)[1]
    assert not any(alarm.flag & Flag.UNIT_SUSPECT for alarm in alarms)


def test_micro_stations_are_nobodys_reference():
    series = network(6)
    wrong = [
        replace(s, station_class="micro", value=s.value * 1.83, rules=RULES.of("co2", "micro")) for s in series[:4]
    ]
    bits, alarms = compare([*wrong, *series[4:]], "co2", NEIGHBOURS)
    # two spectrometers are too few for any verdict, and four sensors are none
    assert alarms == []
    assert not any(part.any() for part in bits)


def test_stations_beyond_the_radius_are_not_compared():
    series = network()
    series[4] = replace(series[4], lon=125.0, value=series[4].value * 1.83)
    assert compare(series, "co2", NEIGHBOURS)[1] == []


def test_failed_hours_and_empty_stations_take_no_part():
    series = network()
    bad = np.full(series[0].time.size, np.uint32(Flag.RANGE_FAIL))
    series[0] = replace(series[0], value=series[0].value * 1.83, flag=bad)
    none = np.zeros(0)
    series[1] = replace(series[1], time=none.astype("datetime64[ns]"), value=none, flag=none.astype(np.uint32))
    bits, alarms = compare(series, "co2", NEIGHBOURS)
    assert alarms == []
    assert [part.size for part in bits] == [one.time.size for one in series]
