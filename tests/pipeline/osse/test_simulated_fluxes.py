"""The simulated truth and the prior that differs from it."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.grid import Grid, lambert_grid, overlap, regrid_density, regrid_total, zhejiang_regions
from pipeline.osse.activity import ACTIVITIES, WEEKEND, activity
from pipeline.osse.background import first_order, simulate_background
from pipeline.osse.biosphere import CROP, FOREST, TOWN, exchange
from pipeline.osse.landscape import Landscape, landscape
from pipeline.osse.pattern import land_fraction
from pipeline.osse.prior import DAY_PROFILE, prior_diffuse, prior_exchange, prior_points
from pipeline.osse.sources import CITIES, PLANTS, WORKS
from pipeline.osse.truth import true_fluxes
from pipeline.osse.weather import EPOCH, simulate_weather
from pipeline.osse.weather_files import weather_grid, wider
from pipeline.osse.weather_points import weather_on
from pipeline.osse.world import draw_world
from pipeline.schema import HOUR, hours_between
from pipeline.units import SECONDS_PER_DAY, SECONDS_PER_YEAR, SPECIES, tonnes_per_flux_unit

LEVELS = ("province", "city")
DAYS = np.timedelta64(24, "h")
#: a Monday to a Sunday, by the UTC day; local weekends begin at 16 UTC on Friday
WEEK = hours_between(EPOCH, EPOCH + 7 * DAYS)
DAY = WEEK[:24]


@pytest.fixture(scope="module")
def grid():
    return lambert_grid(west=118, east=123, south=27, north=31.5, spacing=9000.0)


@pytest.fixture(scope="module")
def regions(grid):
    return zhejiang_regions(LEVELS, grid)


@pytest.fixture(scope="module")
def around(grid):
    return wider(weather_grid(grid))


@pytest.fixture(scope="module")
def weather(around):
    return simulate_weather(np.append(WEEK, WEEK[-1] + HOUR), around, draw_world(1))


@pytest.fixture(scope="module")
def truth(grid, regions, weather, around):
    return true_fluxes(grid, regions, WEEK, draw_world(1), weather, around)


@pytest.fixture(scope="module")
def lonlat():
    return Grid("EPSG:4326", 117.0 + 0.1 * np.arange(71), 26.0 + 0.1 * np.arange(66))


def daily_tonnes(regions, flux):
    """Tonnes CO2 per day and region of (hour, y, x)."""
    mean = flux.mean(axis=0, dtype=np.float64)
    return regions.totals(mean) * tonnes_per_flux_unit(SPECIES["co2"]) * SECONDS_PER_DAY


def prior_annual(grid, regions, lonlat, world):
    """Mt CO2 per year and region of the inventory, brought to the domain's grid as ingest does."""
    shared = overlap(lonlat, grid)
    owners = zhejiang_regions(LEVELS, lonlat)
    density = prior_diffuse(lonlat, owners, world)
    diffuse = regrid_density(density, shared).field * SECONDS_PER_YEAR * 1e-9
    points = regrid_total(prior_points(lonlat, owners, world), shared).field * 1e-6
    return regions.totals(diffuse + points / grid.area)


def test_the_province_emits_about_eleven_hundred_kilotonnes_a_day(regions, truth):
    total = daily_tonnes(regions, truth["flux"].values[0])
    assert 1.0e6 < total[0] < 1.25e6
    # nothing of the province lies outside its cities
    assert total[1:].sum() == pytest.approx(total[0], rel=1e-3)


def test_emission_follows_the_working_week(regions, truth):
    flux = truth["flux"].values[0]
    # local days, which begin at 16 UTC
    days = [daily_tonnes(regions, flux[16 + 24 * k : 40 + 24 * k])[0] for k in range(6)]
    # Tuesday to Friday are alike, Saturday and Sunday lower
    assert np.ptp(days[:4]) < 1e-3 * days[0]
    assert 0.85 * days[0] < days[4] < 0.96 * days[0]


@pytest.mark.parametrize("name", ACTIVITIES)
def test_an_activity_has_mean_one_over_a_week_and_its_weekend(name):
    local = WEEK + 16 * HOUR  # Tuesday to Monday, local days
    found = activity(name, local)
    assert found.mean() == pytest.approx(1)
    by_day = found.reshape(7, 24).mean(axis=1)
    assert by_day[4] / by_day[0] == pytest.approx(WEEKEND[name])
    assert by_day[5] == pytest.approx(by_day[4])
    assert found.min() > 0


def test_the_inventorys_day_is_wrong():
    local = EPOCH + 16 * HOUR + HOUR * np.arange(24)
    assert np.argmax(activity("traffic", local)) == 17
    assert np.argmax(DAY_PROFILE) == 13
    assert np.mean(DAY_PROFILE) == pytest.approx(1, abs=1e-3)


def test_the_biosphere_takes_up_by_day_and_respires_by_night(regions, truth):
    net = truth["flux"].values[1]
    noon, night = net[4::24].mean(axis=0), net[17::24].mean(axis=0)  # 12-13 and 01-02 Beijing time
    assert -30 < noon.min() < -8
    assert 2 < night.max() < 8
    assert night.min() == 0
    assert regions.totals(noon)[0] < 0 < regions.totals(night)[0]
    # a July week is a sink
    assert regions.totals(net.mean(axis=0))[0] < 0


def test_exchange_is_the_vprm_formula_in_one_cell():
    one = np.ones((1, 1))
    ground = Landscape(land=one, forest=0.5 * one, crop=0.3 * one, urban=0.2 * one, height=0 * one)
    light, celsius = np.array([[600.0]], np.float32), np.array([[30.0]], np.float32)
    warm = 30 * (30 - 45)
    scale = warm / (warm - (30 - 26) ** 2)
    expected = 0.0
    for share, kind in ((0.5, FOREST), (0.3, CROP), (0.2, TOWN)):
        uptake = kind.efficiency * scale * kind.wet * kind.greenness * 600 / (1 + 600 / kind.half_light)
        expected += share * (kind.slope * 30 + kind.base - uptake)
    assert exchange(ground, light, celsius)[0, 0, 0] == pytest.approx(expected, rel=1e-5)


def test_more_light_takes_up_more_and_warmth_respires_more(grid):
    ground, cells = landscape(grid), grid.size
    warm = np.full((1, cells), 26.0, np.float32)
    dark, dim, bright = (exchange(ground, np.full((1, cells), w, np.float32), warm) for w in (0.0, 200.0, 800.0))
    on_land = ground.land > 0
    assert (dark[0] > 0)[on_land].all()
    assert (bright < dim)[0][on_land].all()
    # saturating: four times the light is less than four times the uptake
    assert (dark - bright < 4 * (dark - dim))[0][on_land].all()
    assert (exchange(ground, np.zeros((1, cells), np.float32), warm + 5) > dark)[0][on_land].all()


def test_weather_between_its_points_is_linear(grid, around):
    times = WEEK[:3]
    x, y = np.meshgrid(around.x, around.y)
    weather = simulate_weather(np.append(times, times[-1] + HOUR), around, draw_world(1))
    weather["radiation"] = (("time", "y", "x"), 1e-3 * np.stack([x + 2 * y + 1e5 * k for k in range(4)]))
    light, _ = weather_on(weather, around, grid, times)
    at_x, at_y = around.from_lonlat(*(part.ravel() for part in grid.lonlat))
    np.testing.assert_allclose(light[1], 1e-3 * (at_x + 2 * at_y + 1.5e5), rtol=1e-4, atol=0.1)


def test_land_classes_fill_the_land_and_hills_are_wooded(grid):
    ground = landscape(grid)
    np.testing.assert_allclose(ground.forest + ground.crop + ground.urban, ground.land, atol=1e-12)
    assert ground.forest[ground.height > 400].min() > 0.9
    assert ground.height.max() > 600
    # the plain of Jiaxing
    plain = grid.locate([120.75], [30.75])[0]
    assert ground.height.ravel()[plain] < 30
    assert ground.forest.ravel()[plain] < 0.1


def test_the_sea_has_no_exchange(grid, truth):
    sea = grid.locate([122.9, 122.8], [28.0, 29.0])
    inland = grid.locate([119.0, 120.0], [29.5, 28.5])
    land = land_fraction(grid).ravel()
    assert not land[sea].any()
    assert land[inland].all()
    assert not truth["flux"].values[1].reshape(WEEK.size, -1)[:, sea].any()


@pytest.mark.parametrize("seed", [1, 7, 8])
def test_the_inventory_is_wrong_in_every_city_and_by_a_quarter_for_the_province(seed):
    factor = draw_world(seed).city_factor
    total = np.array([city.total for city in CITIES])
    off = (factor * total).sum() / total.sum() - 1
    assert 0.22 <= abs(off) <= 0.28
    # two cities err against the province
    assert ((factor - 1) * off > 0).sum() == len(CITIES) - 2
    assert np.all((np.abs(factor - 1) >= 0.2) & (np.abs(factor - 1) <= 0.4))


def test_a_draw_changes_the_errors_and_not_the_province():
    first, second, other = draw_world(5), draw_world(5, 6), draw_world(6)
    np.testing.assert_array_equal(first.centres, second.centres)
    np.testing.assert_array_equal(first.phase, second.phase)
    assert first.transport_rng.random() == second.transport_rng.random()
    assert not np.array_equal(first.city_factor, second.city_factor)
    assert not np.array_equal(first.phase, other.phase)
    np.testing.assert_array_equal(draw_world(5, 5).city_factor, first.city_factor)


def test_region_totals_of_the_inventory_carry_the_city_errors(grid, regions, lonlat, truth):
    world = draw_world(1)
    true = daily_tonnes(regions, truth["flux"].values[0]) * 365.2425e-6
    ratio = prior_annual(grid, regions, lonlat, world) / true
    # cells of 9 km smear the total of a city of islands, and of one whose plants stand at the coast
    assert np.median(np.abs(ratio[1:] / world.city_factor - 1)) < 0.08
    assert abs(ratio[0] - 1) == pytest.approx(0.25, abs=0.1)


def test_points_the_inventory_does_not_know_change_no_total(lonlat):
    shares = zhejiang_regions(LEVELS, lonlat)
    totals = []
    for missing, works in ((0, [0, 1]), (4, [2, 3]), (10, [4, 5])):
        world = replace(
            draw_world(1), missing=np.array([missing]), displaced=np.array([1, 2]), missing_works=np.array(works)
        )
        diffuse = prior_diffuse(lonlat, shares, world) * lonlat.area * SECONDS_PER_YEAR * 1e-3
        totals.append(diffuse.sum() + prior_points(lonlat, shares, world).sum())
    np.testing.assert_allclose(totals, totals[0], rtol=1e-9)


def test_no_stack_of_the_register_stands_in_the_sea_or_in_another_city(lonlat):
    shares = zhejiang_regions(LEVELS, lonlat)
    known = replace(
        draw_world(1), missing=np.array([], int), displaced=np.array([], int), missing_works=np.array([], int)
    )
    points = prior_points(lonlat, shares, known)
    province = shares.fractions.toarray()[0].reshape(lonlat.shape)
    assert points[province == 0].sum() == 0
    cities = {
        c.id: f * sum(p.total for p in (*PLANTS, *WORKS) if p.city == c.id)
        for c, f in zip(CITIES, known.city_factor, strict=True)
    }
    assert points.sum() == pytest.approx(1e6 * sum(cities.values()))


def test_points_are_missing_and_two_stand_in_the_city_centre(lonlat):
    world, shares = draw_world(1), zhejiang_regions(LEVELS, lonlat)
    assert not set(world.missing) & set(world.displaced)
    # what the register adds when one more plant is known, or stands where it does
    everything = replace(world, missing=np.array([], int), displaced=np.array([], int), missing_works=np.array([], int))
    factor = {c.id: f for c, f in zip(CITIES, world.city_factor, strict=True)}
    for i, plant in enumerate(PLANTS):
        known, unknown = everything, replace(everything, missing=np.array([i]))
        without = prior_points(lonlat, shares, known) - prior_points(lonlat, shares, unknown)
        assert without.sum() == pytest.approx(factor[plant.city] * plant.total * 1e6)
        lon, lat = (axis.ravel()[without.argmax()] for axis in lonlat.lonlat)
        # on its side of the shore, in cells of 0.1 degree
        assert np.hypot(lon - plant.lon, lat - plant.lat) < 0.15
    astray = replace(everything, displaced=world.displaced)
    moved = prior_points(lonlat, shares, astray) - prior_points(lonlat, shares, everything)
    assert moved.sum() == pytest.approx(0, abs=1e-3)
    for i in world.displaced:
        city = next(c for c in CITIES if c.id == PLANTS[i].city)
        assert moved.ravel()[lonlat.locate([city.lon], [city.lat])[0]] > 0
        assert moved.ravel()[lonlat.locate([PLANTS[i].lon], [PLANTS[i].lat])[0]] < 0


def test_the_modelled_exchange_differs_but_has_the_right_size(grid, weather, around, truth):
    coarse = Grid("EPSG:4326", 117.0 + 0.25 * np.arange(29), 26.0 + 0.25 * np.arange(27))
    modelled = prior_exchange(coarse, WEEK, draw_world(1), weather, around) * 1e6
    model = regrid_density(modelled, overlap(coarse, grid)).field
    true = truth["flux"].values[1]
    error = model - true
    assert 0.5 < error.std() < 4
    assert np.corrcoef(model.ravel(), true.ravel())[0, 1] > 0.85
    # uptake and respiration err together: the sum of a week is off by much more than either
    assert 0.1 < abs(error.mean() / true.mean()) < 1.5


def test_the_background_error_has_the_stated_size():
    times = hours_between(np.datetime64("2024-01-01"), np.datetime64("2024-07-01"))
    true, estimate = simulate_background(times, draw_world(1), error=0.8, memory=8.0)
    error = true - estimate
    assert error.std() == pytest.approx(0.8, rel=0.1)
    assert np.corrcoef(error[8:], error[:-8])[0, 1] == pytest.approx(np.exp(-1), abs=0.1)


def test_a_first_order_series_is_stationary_from_its_first_value():
    rng = np.random.default_rng(3)
    runs = np.stack([first_order(30, 2.0, 10.0, rng) for _ in range(4000)])
    np.testing.assert_allclose(runs.std(axis=0), 2.0, rtol=0.05)
    assert np.corrcoef(runs[:, 5], runs[:, 15])[0, 1] == pytest.approx(np.exp(-1), abs=0.05)
