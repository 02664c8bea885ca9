"""The bias filter: a function of the hours given, its statistics as stated, jumps found, nothing taken twice."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import TimeError
from pipeline.ingest.bias import State, field_of, first_state, is_mixed, track
from pipeline.schema import HOUR
from station_meta import BiasRules, load_rules

RULES = load_rules().table("bias_filter", BiasRules)
START = np.datetime64("2024-03-01T00", "h")


def record(days, bias, rng, *, noise=RULES.observation, share=0.8):
    """Hours, their days, and sensor minus field in five hours of each day (less a fifth of them)."""
    time = START + np.arange(24 * days) * HOUR
    day = time.astype("datetime64[D]").astype(np.int64)
    mixed = is_mixed(time + 8 * HOUR, RULES) & (rng.random(time.size) < share)
    truth = bias(np.arange(time.size) / 24) if callable(bias) else bias
    return time.astype("datetime64[ns]"), day, np.where(mixed, truth + rng.normal(0, noise, time.size), np.nan)


def eventful():
    """Forty days: slow drift, a jump upward, a gap of a week, outliers."""
    rng = np.random.default_rng(3)
    time, day, difference = record(40, lambda t: 0.1 * t + 14.0 * (t > 18), rng)
    difference[24 * 25 : 24 * 32] = np.nan
    seen = np.flatnonzero(np.isfinite(difference))
    difference[seen[[7, 30]]] += 25.0
    return time, day, difference


@pytest.mark.parametrize("cut", [1, 100, 437, 438, 444, 460, 487, 700, 933])
def test_a_record_cut_anywhere_with_its_state_is_the_whole_record_to_the_bit(cut):
    time, day, difference = eventful()
    whole, last = track(first_state(time[0], RULES), time, day, difference, RULES)
    assert whole.reset.sum() == 1
    first, state = track(first_state(time[0], RULES), time[:cut], day[:cut], difference[:cut], RULES)
    second, end = track(state, time[cut:], day[cut:], difference[cut:], RULES)
    for name in ("bias", "sigma", "anchor_age", "told", "used", "reset", "suspected"):
        joined = np.concatenate([getattr(first, name), getattr(second, name)])
        np.testing.assert_array_equal(joined, getattr(whole, name))
    assert end == last


def test_the_order_of_arrival_changes_no_bit():
    time, day, difference = eventful()
    whole, last = track(first_state(time[0], RULES), time, day, difference, RULES)
    order = np.random.default_rng(1).permutation(time.size)
    mixed, end = track(first_state(time[0], RULES), time[order], day[order], difference[order], RULES)
    for name in ("bias", "sigma", "anchor_age", "told", "used", "reset", "suspected"):
        np.testing.assert_array_equal(getattr(mixed, name), getattr(whole, name)[order])
    assert end == last


def test_the_filter_is_the_dense_conditional_mean_of_the_random_walk():
    time, day, difference = record(12, 3.0, np.random.default_rng(5))
    wide = replace(RULES, gate=50.0, jump=60.0)
    found, _ = track(first_state(time[0], wide), time, day, difference, wide)
    hours = np.arange(time.size) / 24
    walk = wide.reset**2 + wide.walk**2 * np.minimum.outer(hours, hours)
    for at in (40, 130, time.size - 1):
        seen = np.flatnonzero(np.isfinite(difference[: at + 1]))
        k = walk[np.ix_(seen, seen)] + wide.observation**2 * np.eye(seen.size)
        gain = np.linalg.solve(k, walk[seen, at])
        assert found.bias[at] == pytest.approx(gain @ difference[seen], rel=1e-9)
        assert found.sigma[at] ** 2 == pytest.approx(walk[at, at] - gain @ walk[seen, at], rel=1e-9)


def test_errors_are_as_large_as_stated_when_the_bias_walks_as_stated():
    rng, z = np.random.default_rng(8), []
    for _ in range(40):
        steps = rng.normal(0, RULES.walk / np.sqrt(24), 24 * 60)
        truth = rng.normal(0, RULES.reset) + np.cumsum(steps)
        time, day, difference = record(60, truth, rng)
        wide = replace(RULES, gate=50.0, jump=60.0)
        found, _ = track(first_state(time[0], wide), time, day, difference, wide)
        z.append(((found.bias - truth) / found.sigma)[24 * 20 :: 24 * 8])
    # 200 values, nearly independent: sigma of their mean square is sqrt(2 / 200) = 0.1
    assert np.mean(np.square(z)) == pytest.approx(1.0, abs=0.3)


def test_sigma_grows_as_a_random_walk_without_well_mixed_hours():
    state = State(START, 2.0, 0.5, START)
    time = START + 24 * HOUR * np.array([1, 10, 100])
    found, after = track(state, time, np.arange(3), np.full(3, np.nan), RULES)
    np.testing.assert_allclose(found.sigma, np.sqrt(0.5 + 0.25 * np.array([1, 10, 100])))
    assert found.anchor_age.tolist() == [24, 240, 2400]
    assert (found.bias == 2.0).all()
    assert after == state


def test_a_jump_is_found_on_the_third_day_and_not_before():
    time, day, difference = record(20, lambda t: 15.0 * (t >= 10), np.random.default_rng(2), noise=0.5)
    found, state = track(first_state(time[0], RULES), time, day, difference, RULES)
    at = np.flatnonzero(found.reset)
    assert (day[at] - day[0]).tolist() == [12]
    before = (day - day[0] >= 11) & (np.arange(time.size) < at[0])
    assert np.abs(found.bias[before]).max() < 1.0
    assert (found.sigma[before] >= RULES.reset).all()
    assert found.suspected[before].all()
    assert not found.suspected[at[0]]
    assert np.abs(found.bias[at[0] :] - 15.0).max() < 1.5
    assert not found.used[before].any()
    assert state.anchor == time[np.flatnonzero(np.isfinite(difference))[-1]]


def test_a_single_outlier_neither_moves_the_bias_nor_is_a_jump():
    time, day, difference = record(20, 1.0, np.random.default_rng(4), noise=0.5)
    clean, _ = track(first_state(time[0], RULES), time, day, difference, RULES)
    seen = np.flatnonzero(np.isfinite(difference))[::9][2:]
    spoiled = difference.copy()
    spoiled[seen] += 40.0
    found, _ = track(first_state(time[0], RULES), time, day, spoiled, RULES)
    assert not found.reset.any()
    assert not found.used[seen].any()
    assert np.abs(found.bias - clean.bias)[24 * 6 :].max() < 0.5


def test_three_days_of_which_two_agree_with_the_air_are_no_jump():
    time, day, difference = record(12, 0.0, np.random.default_rng(6), noise=0.5, share=1.0)
    upward, downward = (day - day[0] == 8) | (day - day[0] == 9), day - day[0] == 10
    found, _ = track(first_state(time[0], RULES), time, day, difference + 15.0 * upward - 15.0 * downward, RULES)
    # two days above and one below: no one value fits all three
    assert not found.reset.any()


def test_an_hour_up_to_the_state_or_twice_is_refused():
    time, day, difference = record(3, 0.0, np.random.default_rng(1))
    _, state = track(first_state(time[0], RULES), time, day, difference, RULES)
    with pytest.raises(TimeError, match="hours must not lie before the filter's state, 2024-03-03"):
        track(state, time[-1:] - 24 * HOUR, day[-1:], difference[-1:], RULES)
    with pytest.raises(TimeError, match="must not lie before"):
        track(state, np.array([state.anchor]), day[-1:], np.zeros(1), RULES)
    with pytest.raises(TimeError, match="an hour must be there once; got '2024-03-01T05'"):
        track(first_state(time[0], RULES), time[[5, 5]], day[:2], difference[:2], RULES)


def test_the_field_needs_near_stations_that_agree():
    value = np.array([[420.0, 421.0, 421.5, 430.0], [420.0, 421.0, 422.5, 430.0], [420.0, np.nan, 421.0, 420.5]])
    distance = np.array([10e3, 20e3, 40e3, 60e3])
    found = field_of(value, distance, RULES)
    weight = np.array([1 / 10, 1 / 20, 1 / 40])
    assert found[0] == pytest.approx(weight @ value[0, :3] / weight.sum())
    # too different, and too few: the fourth station is too far
    assert np.isnan(found[1:]).all()
    assert np.isnan(field_of(value[:, :0], distance[:0], RULES)).all()


def test_the_field_does_not_depend_on_the_order_of_stations_and_lies_between_them():
    rng = np.random.default_rng(9)
    value, distance = 420 + rng.uniform(0, 1.9, (50, 6)), rng.uniform(0, 49e3, 6)
    order = rng.permutation(6)
    found = field_of(value, distance, RULES)
    np.testing.assert_allclose(field_of(value[:, order], distance[order], RULES), found, rtol=1e-14)
    assert np.all((found >= value.min(axis=1)) & (found <= value.max(axis=1)))


def test_air_is_mixed_in_the_afternoon_in_wind_and_under_a_deep_boundary_layer():
    local = np.array(["2024-03-01T11", "2024-03-01T12", "2024-03-01T16", "2024-03-01T17"], dtype="datetime64[h]")
    assert is_mixed(local, RULES).tolist() == [False, True, True, False]
    noon = np.repeat(local[1], 4)
    wind, depth = np.array([3.0, 2.9, 5.0, np.nan]), np.array([800.0, 900.0, 799.0, 900.0])
    assert is_mixed(noon, RULES, wind, depth).tolist() == [True, False, False, False]
