"""The threshold of friction velocity: a known one is found with its range, and what it must not depend on."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import TimeError
from pipeline.ingest.friction import friction_thresholds, plateau, season_threshold
from station_meta import FrictionRules, load_rules

RULES = load_rules().table("friction", FrictionRules)
HALF = np.timedelta64(30, "m")


def nights(threshold, seed=1, *, start="2023-01-01", days=365, noise=1.0):
    """Half hours of night: respiration that grows with warmth, of which calm air carries a part."""
    random = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), 24)
    time = np.datetime64(start, "ns") + day * np.timedelta64(1, "D") + np.tile(np.arange(24), days) * HALF
    season = 9 - 10 * np.cos(2 * np.pi * (day - 20) / 365.25)
    temperature = season + 4 * np.repeat(random.normal(size=days), 24) + random.normal(size=day.size)
    friction = 0.45 * random.weibull(2, day.size)
    given_off = 4 * np.exp(0.06 * (temperature - 10))
    flux = given_off * np.minimum(1, friction / threshold) + noise * random.laplace(size=day.size) / np.sqrt(2)
    kept = random.random(day.size) > 0.3
    return time[kept], flux[kept], friction[kept], temperature[kept]


@pytest.mark.parametrize(("threshold", "noise"), [(0.25, 2.0), (0.3, 1.0), (0.35, 1.0)])
def test_a_known_threshold_is_found_and_lies_in_its_range(threshold, noise):
    inside = 0
    for seed in range(5):
        *seasons, year = friction_thresholds(*nights(threshold, seed, noise=noise), RULES, forest=True)
        assert year.value == pytest.approx(threshold, rel=0.12)
        assert year.middle == pytest.approx(threshold, rel=0.08)
        assert 0.02 < year.high - year.low < 0.3 * threshold
        assert year.draws == 1.0
        # seasons differ by noise alone, and are never above the year
        assert all(0.6 * threshold < one.middle <= year.middle for one in seasons)
        inside += year.low <= threshold <= year.high
    assert inside >= 4


def test_the_seasons_part_the_rows_and_the_year_is_the_largest_of_them():
    rows = nights(0.3)
    *seasons, year = friction_thresholds(*rows, RULES, forest=True)
    assert [one.name for one in seasons] == ["Jan to Mar", "Apr to Jun", "Jul to Sep", "Oct to Dec"]
    month = rows[0].astype("datetime64[M]").astype(int) % 12
    assert [one.rows for one in seasons] == [int((month // 3 == k).sum()) for k in range(4)]
    assert year.rows == rows[0].size
    assert year.value == max(one.value for one in seasons)
    assert all(one.low <= one.middle <= one.high for one in [*seasons, year])
    monthly = friction_thresholds(*rows, replace(RULES, season_months=1, draws=2), forest=True)
    assert [one.name for one in monthly[:2]] == ["Jan", "Feb"]


def test_the_same_rows_give_the_same_bootstrap_and_their_units_do_not_matter():
    time, flux, friction, temperature = nights(0.3)
    found = friction_thresholds(time, flux, friction, temperature, RULES, forest=True)
    assert found == friction_thresholds(time, flux, friction, temperature, RULES, forest=True)
    assert found != friction_thresholds(time, flux, friction, temperature, RULES, forest=True, seed=1)
    # powers of two are exact
    assert found == friction_thresholds(time, 4 * flux, friction, 2 * temperature, RULES, forest=True)
    double = friction_thresholds(time, flux, 2 * friction, temperature, RULES, forest=True)
    for one, two in zip(found, double, strict=True):
        assert (two.value, two.low, two.middle, two.high) == (2 * one.value, 2 * one.low, 2 * one.middle, 2 * one.high)
    # of all rows twice over the thresholds are those of the rows
    twice = [np.repeat(row, 2) for row in (time, flux, friction, temperature)]
    few = replace(RULES, draws=1)
    assert friction_thresholds(*twice, few, forest=True)[-1].value == pytest.approx(found[-1].value, rel=0.1)


def test_the_floor_is_the_least_threshold():
    rows = nights(1e-6, noise=0.01)
    for forest, floor in ((True, RULES.floor_forest), (False, RULES.floor)):
        high = replace(RULES, floor_forest=0.1, floor=0.2, draws=5)
        *_, year = friction_thresholds(*rows, replace(RULES, draws=5), forest=forest)
        # a flux that always gets up: the lowest twentieth of the nights, or the floor
        assert floor <= year.value <= max(floor, np.quantile(rows[2], 0.08))
        *_, raised = friction_thresholds(*rows, high, forest=forest)
        assert raised.low >= (0.1 if forest else 0.2)


def test_a_flux_that_grows_to_the_end_has_no_threshold():
    time, _, friction, temperature = nights(0.3)
    every = friction_thresholds(time, friction**2, friction, temperature, replace(RULES, draws=3), forest=False)
    assert np.isnan([[one.value, one.low, one.middle, one.high] for one in every]).all()
    assert [one.draws for one in every] == [0.0] * 5
    # nor has one that goes down
    assert np.isnan(plateau(-np.ones(200), np.linspace(0, 1, 200), RULES))


def test_a_class_in_which_calm_nights_are_the_cold_ones_is_left_out():
    random = np.random.default_rng(3)
    friction = random.uniform(0, 1, 2000)
    flux = np.minimum(1, friction / 0.3)
    assert season_threshold(flux, friction, random.normal(size=2000), RULES) == pytest.approx(0.3, abs=0.03)
    assert np.isnan(season_threshold(flux, friction, friction + 0.01 * random.normal(size=2000), RULES))


@pytest.mark.parametrize(
    ("days", "season", "said"),
    [
        (300, None, "takes a full year: nights 360 days apart; got '299 days'"),
        (365, (4, 6), "every season of the year takes 160 half hours of night; got '0 in Apr to Jun'"),
    ],
)
def test_less_than_a_year_is_refused(days, season, said):
    rows = nights(0.3, days=days)
    if season:
        month = rows[0].astype("datetime64[M]").astype(int) % 12 + 1
        rows = [row[(month < season[0]) | (month > season[1])] for row in rows]
    with pytest.raises(TimeError, match=said) as caught:
        friction_thresholds(*rows, RULES, forest=True, where="ABC")
    assert "set friction_least to 0.2 or 0.3, and say so" in str(caught.value)
    with pytest.raises(TimeError, match="got '0 days'"):
        friction_thresholds(*(row[:0] for row in rows), RULES, forest=True)
