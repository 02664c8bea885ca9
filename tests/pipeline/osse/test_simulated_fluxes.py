"""The simulated truth and the prior that differs from it."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.grid import Grid, lambert_grid, overlap, regrid_density, regrid_total, zhejiang_regions
from pipeline.osse.pattern import at_points, land_fraction
from pipeline.osse.prior import DAY_PROFILE, prior_diffuse, prior_exchange, prior_points
from pipeline.osse.sources import CITIES, PLANTS
from pipeline.osse.truth import power_day, traffic_day, true_fluxes
from pipeline.osse.weather import simulate_background, simulate_weather
from pipeline.osse.world import draw_world
from pipeline.schema import hours_between
from pipeline.units import SECONDS_PER_DAY, SECONDS_PER_YEAR, SPECIES, tonnes_per_flux_unit

LEVELS = ("province", "city")
TIMES = hours_between(np.datetime64("2024-07-15T00"), np.datetime64("2024-07-16T00"))


@pytest.fixture(scope="module")
def grid():
    return lambert_grid(west=118, east=123, south=27, north=31.5, spacing=9000.0)


@pytest.fixture(scope="module")
def regions(grid):
    return zhejiang_regions(LEVELS, grid)


@pytest.fixture(scope="module")
def truth(grid, regions):
    return true_fluxes(grid, regions, TIMES, draw_world(1))


@pytest.fixture(scope="module")
def lonlat():
    return Grid("EPSG:4326", 117.0 + 0.1 * np.arange(71), 26.0 + 0.1 * np.arange(66))


def daily_tonnes(regions, flux):
    """Tonnes CO2 per day and region of (hour, y, x)."""
    return regions.totals(flux.mean(axis=0)) * tonnes_per_flux_unit(SPECIES["co2"]) * SECONDS_PER_DAY


def prior_annual(grid, regions, lonlat, world):
    """Mt CO2 per year and region of the inventory, brought to the domain's grid as ingest does."""
    shared = overlap(lonlat, grid)
    density = prior_diffuse(lonlat, zhejiang_regions(LEVELS, lonlat), world)
    diffuse = regrid_density(density, shared).field * SECONDS_PER_YEAR * 1e-9
    points = regrid_total(prior_points(lonlat, world), shared).field * 1e-6
    return regions.totals(diffuse + points / grid.area)


def test_the_province_emits_about_eleven_hundred_kilotonnes_a_day(regions, truth):
    total = daily_tonnes(regions, truth["flux"].values[0])
    assert 1.0e6 < total[0] < 1.2e6
    # nothing of the province lies outside its cities
    assert total[1:].sum() == pytest.approx(total[0], rel=1e-3)


def test_the_biosphere_takes_up_by_day_and_respires_by_night(regions, truth):
    net = truth["flux"].values[1]
    noon, night = 4, 17  # 12-13 and 01-02 Beijing time
    assert net[noon].min() < -5
    assert 1 < net[night].max() < 8
    assert net[night].min() == 0
    assert regions.totals(net[noon])[0] < 0 < regions.totals(net[night])[0]


def test_the_sea_has_no_exchange(grid):
    sea = grid.locate([122.9, 122.8], [28.0, 29.0])
    inland = grid.locate([119.0, 120.0], [29.5, 28.5])
    land = land_fraction(grid).ravel()
    assert not land[sea].any()
    assert land[inland].all()


def test_days_have_mean_one():
    hours = np.arange(24) + 0.5
    assert traffic_day(hours).mean() == pytest.approx(1)
    assert power_day(hours).mean() == pytest.approx(1)
    assert np.mean(DAY_PROFILE) == pytest.approx(1, abs=1e-3)
    # the inventory's day is wrong: it peaks early in the afternoon, the true one in the evening
    assert np.argmax(traffic_day(hours)) == 18
    assert np.argmax(DAY_PROFILE) == 13


@pytest.mark.parametrize("seed", [1, 7])
def test_the_inventory_is_wrong_by_20_to_40_percent_in_every_city(seed):
    error = draw_world(seed).city_factor - 1
    assert np.all((np.abs(error) >= 0.2) & (np.abs(error) <= 0.4))
    assert (error > 0).sum() in (5, 6)


def test_region_totals_of_the_inventory_carry_the_city_errors(grid, regions, lonlat, truth):
    world = draw_world(1)
    true = daily_tonnes(regions, truth["flux"].values[0]) * 365.2425e-6
    ratio = prior_annual(grid, regions, lonlat, world) / true
    # cells and borders smear a coastal or a small city's error, never its sign
    assert np.corrcoef(ratio[1:], world.city_factor)[0, 1] > 0.9
    np.testing.assert_array_equal(np.sign(ratio[1:] - 1), np.sign(world.city_factor - 1))
    assert np.median(np.abs(ratio[1:] - 1)) == pytest.approx(0.3, abs=0.1)


def test_a_plant_the_inventory_does_not_know_changes_no_total(lonlat):
    shares = zhejiang_regions(LEVELS, lonlat)
    totals = []
    for missing in (0, 4, 10):
        world = replace(draw_world(1), missing=missing, displaced=np.array([1, 2]))
        diffuse = prior_diffuse(lonlat, shares, world) * lonlat.area * SECONDS_PER_YEAR * 1e-3
        totals.append(diffuse.sum() + prior_points(lonlat, world).sum())
    np.testing.assert_allclose(totals, totals[0], rtol=1e-9)


def test_one_plant_is_missing_and_two_stand_in_the_city_centre(lonlat):
    world = draw_world(1)
    points = prior_points(lonlat, world).ravel()
    assert world.missing not in world.displaced
    for i, plant in enumerate(PLANTS):
        city = next(c for c in CITIES if c.id == plant.city)
        here, centre = (lonlat.locate([p.lon], [p.lat])[0] for p in (plant, city))
        if i == world.missing or i in world.displaced:
            assert points[here] == 0
        else:
            assert points[here] > 0
        if i in world.displaced:
            assert points[centre] >= 0.6 * plant.total * 1e6


def test_the_modelled_exchange_differs_but_has_the_right_size(grid, regions, truth):
    coarse = Grid("EPSG:4326", 117.0 + 0.25 * np.arange(29), 26.0 + 0.25 * np.arange(27))
    model = regrid_density(prior_exchange(coarse, TIMES) * 1e6, overlap(coarse, grid)).field
    true = truth["flux"].values[1]
    bias, spread = (model - true).mean(), (model - true).std()
    assert 0.2 < bias < 2
    assert 0.5 < spread < 3


def test_point_sources_keep_their_sum(grid):
    field = at_points(grid, [120.0, 120.0, 121.5], [29.0, 29.0, 29.9], [1.0, 2.0, 4.0])
    assert field.sum() == 7
    assert sorted(field[field > 0]) == [3, 4]


def test_the_wind_blows_and_the_boundary_layer_has_a_day():
    air = simulate_weather(TIMES, draw_world(1))
    assert np.hypot(air["u"], air["v"]).min() > 0.5
    height = air["boundary_layer_height"].values
    assert height.min() == 300
    assert 1400 < height.max() <= 1500
    assert 4 <= int(height.argmax()) <= 6  # 12 to 15 Beijing time
    heat = air["heat_flux"].values
    # the ground warms the air half an hour before the layer grows, and cools while it still stands
    assert (heat[height == 300] < 30).all()
    assert heat.min() == -8
    assert 3 <= int(heat.argmax()) <= 5
    assert 200 < heat.max() <= 250


def test_the_background_error_has_the_stated_size():
    times = hours_between(np.datetime64("2024-01-01"), np.datetime64("2024-07-01"))
    true, estimate = simulate_background(times, draw_world(1), error=0.8, memory=8.0)
    error = true - estimate
    assert error.std() == pytest.approx(0.8, rel=0.1)
    assert np.corrcoef(error[8:], error[:-8])[0, 1] == pytest.approx(np.exp(-1), abs=0.1)
