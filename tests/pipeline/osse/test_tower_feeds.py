"""Towers of a simulated case: their files, read as ingest reads them, are the true fluxes with the errors stated."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import station_meta
from pipeline.grid import lambert_grid
from pipeline.ingest import read_sinks
from pipeline.osse.case_file import SINKS, TOWER_ERROR, TOWER_FRICTION, sink_file, write_case
from pipeline.osse.network import sites, towers
from pipeline.osse.plan import Plan
from pipeline.osse.tower_feeds import friction_at, tower_fluxes, write_towers
from pipeline.osse.truth import as_dataset
from pipeline.osse.weather import simulate_weather
from pipeline.osse.weather_files import weather_grid, wider
from pipeline.osse.world import draw_world
from pipeline.schema import HOUR, Flag, hours_between, is_used
from pipeline.settings import read_settings

GRID = lambert_grid(west=118, east=123, south=27, north=31.5, spacing=9000.0)
AROUND = wider(weather_grid(GRID))
PLAN, MATCHED = Plan(seed=1, hours=240), Plan(seed=1, hours=240, matched=True)
TIMES, OBSERVED = hours_between(*PLAN.window), hours_between(*PLAN.observed)
TOWERS = towers(PLAN.observed[0], 5)


@pytest.fixture(scope="module")
def weather():
    return simulate_weather(np.append(TIMES, TIMES[-1] + HOUR), AROUND, draw_world(1))


@pytest.fixture(scope="module")
def truth():
    """Uptake by day and respiration by night, another in each cell and hour; emissions are none of a tower's."""
    random = np.random.default_rng(2)
    shape = (TIMES.size, *GRID.shape)
    day = np.cos(2 * np.pi * (np.arange(TIMES.size) - 4) / 24)[:, None, None]
    net = np.where(day > 0, -15 * day, 4.0) + random.normal(0, 1, shape)
    return as_dataset(np.stack([random.gamma(4, 10, shape), net]), GRID, TIMES)


@pytest.fixture(scope="module")
def fluxes(truth):
    return tower_fluxes(truth, GRID, TOWERS, OBSERVED)


@pytest.fixture(scope="module")
def friction(weather):
    return friction_at(weather, AROUND, TOWERS, OBSERVED)


@pytest.fixture
def feeds(truth, weather, tmp_path):
    """A function that writes the feeds of a plan."""

    def write(plan, seed, name="case", sites=TOWERS):
        (tmp_path / name / SINKS).mkdir(parents=True)
        stream = np.random.default_rng(seed)
        write_towers(tmp_path / name, plan, sites, truth, GRID, weather, AROUND, OBSERVED, stream)
        return tmp_path / name

    return write


def read_back(folder, plan):
    """What ingest reads by the settings that name the files: of each quantity, (tower, hour)."""
    write_case(folder / "case.toml", plan, sites(plan.observed[0], spectrometers=1, micro=0), TOWERS)
    observations, _ = read_sinks(read_settings(folder / "case.toml"), folder, station_meta.load())
    table = observations[["time", "station", "value", "uncertainty", "flag"]].to_dataframe()
    assert (
        table.groupby("station")["time"].apply(lambda times: times.tolist() == list(pd.DatetimeIndex(OBSERVED))).all()
    )
    ids = [tower.id for tower in TOWERS]
    value, uncertainty, flag = (
        table.pivot(index="station", columns="time", values=name).loc[ids].to_numpy()
        for name in ("value", "uncertainty", "flag")
    )
    return value, uncertainty, flag.astype(np.uint32)


def test_a_tower_sees_the_biosphere_of_its_cell_in_its_hour(truth):
    # cells of 9 km: the disc of 1.5 km lies in one of them, or in few
    net = truth["flux"].sel(sector="biosphere", time=OBSERVED).values
    found = tower_fluxes(truth, GRID, TOWERS, OBSERVED)
    whole = 0
    for tower, seen in zip(TOWERS, found, strict=True):
        lon, lat = tower.station.lon, tower.station.lat
        around = GRID.locate(lon + np.array([0, -0.016, 0.016, 0, 0]), lat + np.array([0, 0, 0, -0.0136, 0.0136]))
        cells = net.reshape(OBSERVED.size, -1)[:, np.unique(around)]
        assert np.all(seen >= cells.min(axis=1) - 1e-5)
        assert np.all(seen <= cells.max(axis=1) + 1e-5)
        if cells.shape[1] == 1:
            whole += 1
            np.testing.assert_allclose(seen, cells[:, 0], rtol=1e-6)
    assert whole >= 2


def test_a_matched_tower_errs_by_what_the_case_states_and_no_more(feeds, fluxes):
    value, uncertainty, flag = read_back(feeds(MATCHED, 4), MATCHED)
    used = is_used(flag)
    error, flux, size = np.where(used, value - fluxes, 0), np.where(used, fluxes, 0), used.sum()
    sigma = error[used].std()
    assert abs(error[used].mean()) < 4 * sigma / np.sqrt(size)
    normal = error / np.where(used, np.hypot(uncertainty, TOWER_ERROR), 1)
    assert normal[used].std() == pytest.approx(1, abs=4 / np.sqrt(2 * size))
    # of a normal distribution, without memory and without a share of the flux that stays
    assert np.mean(normal[used] ** 4) == pytest.approx(3, abs=4 * np.sqrt(96 / size))
    assert abs(np.sum(normal[:, 1:] * normal[:, :-1])) < 4 * np.sqrt(size)
    share = (error * flux).sum(axis=1) / (flux**2).sum(axis=1)
    assert np.all(np.abs(share) < 4 * sigma / np.sqrt((flux**2).sum(axis=1)))


def test_of_a_matched_case_calm_air_is_all_that_stays_out(feeds, friction):
    folder = feeds(MATCHED, 4)
    _, _, flag = read_back(folder, MATCHED)
    calm = np.round(friction, 3) < TOWER_FRICTION
    assert 10 < calm.sum() < 0.1 * calm.size
    np.testing.assert_array_equal(is_used(flag), ~calm)
    assert set(np.unique(flag)) == {0, int(Flag.LOW_TURBULENCE) | int(Flag.INCOMPLETE)}
    for tower in TOWERS:
        table = pd.read_csv(folder / sink_file(tower))
        assert set(table["NEE_QC"]) == {0}
        assert table["NEE"].min() > -100


def test_another_towers_stand_takes_up_another_share_of_what_its_cells_do(feeds, fluxes):
    shares = []
    for seed in range(8):
        value, _, flag = read_back(feeds(PLAN, seed, str(seed)), PLAN)
        used = is_used(flag)
        away = np.where(used, value - fluxes, 0)
        shares.append((away * fluxes).sum(axis=1) / np.where(used, fluxes**2, 0).sum(axis=1))
        left = away - shares[-1][:, None] * fluxes
        # what is left has the size that the file tells
        assert left[used].std() < 3
    # forty shares tell their standard deviation to 11 %
    assert np.std(shares) == pytest.approx(0.15, rel=0.4)
    assert abs(np.mean(shares)) < 4 * 0.15 / np.sqrt(40)


def test_what_is_used_errs_by_the_stand_and_by_the_error_the_file_tells(feeds, fluxes):
    value, uncertainty, flag = read_back(feeds(PLAN, 5), PLAN)
    used = is_used(flag)
    for at in range(len(TOWERS)):
        mine = used[at]
        flux, seen = fluxes[at, mine], value[at, mine]
        weight = 1 / uncertainty[at, mine] ** 2
        share = (weight * flux * (seen - flux)).sum() / (weight * flux**2).sum()
        normal = (seen - (1 + share) * flux) / uncertainty[at, mine]
        # half of a sum of two of Laplace's distribution: its fourth moment is 4.5
        assert normal.std() == pytest.approx(1, abs=4 * np.sqrt(3.5 / (4 * normal.size)))


def test_only_hours_that_were_measured_whole_in_moving_air_are_used(feeds):
    folder = feeds(PLAN, 6)
    _, _, flag = read_back(folder, PLAN)
    for at, tower in enumerate(TOWERS):
        table = pd.read_csv(folder / sink_file(tower))
        assert len(table) == 2 * OBSERVED.size
        measured = (table["NEE_QC"] == 0) & (table["USTAR"] >= TOWER_FRICTION)
        filled = table["NEE_QC"].isin([1, 2, 3])
        gone = table["NEE"] < -9000
        assert measured.mean() > 0.6
        assert filled.mean() > 0.03
        halves = {name: rows.to_numpy().reshape(-1, 2) for name, rows in
                  {"measured": measured, "filled": filled, "gone": gone}.items()}  # fmt: skip
        np.testing.assert_array_equal(is_used(flag[at]), halves["measured"].all(axis=1))
        np.testing.assert_array_equal((flag[at] & int(Flag.GAP_FILLED)) > 0, halves["filled"].any(axis=1))
        np.testing.assert_array_equal((flag[at] & int(Flag.MISSING)) > 0, halves["gone"].all(axis=1))


def test_of_what_the_ground_gives_off_in_calm_air_a_share_is_seen(feeds, fluxes, friction):
    seen, told = [], []
    for seed in range(6):
        folder = feeds(PLAN, seed, str(seed))
        for at, tower in enumerate(TOWERS):
            table = pd.read_csv(folder / sink_file(tower))
            flux, moving = np.repeat(fluxes[at], 2), np.repeat(friction[at], 2) / TOWER_FRICTION
            rows = (table["NEE_QC"] == 0).to_numpy() & (flux > 3)
            seen.append((table["NEE"].to_numpy() / flux)[rows])
            told.append(moving[rows])
    share, moving = np.concatenate(seen), np.concatenate(told)
    calm = moving < 1
    assert calm.sum() > 150
    assert moving[calm].mean() < 0.7
    # the noise of a half hour is half of such a flux
    assert share[calm].mean() == pytest.approx(moving[calm].mean(), abs=4 * 0.5 / np.sqrt(calm.sum()))
    assert share[~calm].mean() == pytest.approx(1, abs=0.1)


def test_without_heat_friction_is_a_fixed_share_of_the_wind(weather):
    # the log law of neutral air
    still = weather.assign(heat_flux=xr.zeros_like(weather["heat_flux"]))
    faster = still.assign(low=2 * still["low"], slope=2 * still["slope"])
    one, two = (friction_at(given, AROUND, TOWERS, OBSERVED) for given in (still, faster))
    assert one.shape == (len(TOWERS), OBSERVED.size)
    # similarity takes calm air to be of 0.4 m s-1
    moving = one > 0.1
    assert moving.mean() > 0.9
    np.testing.assert_allclose(two[moving], 2 * one[moving], rtol=1e-9)


def test_the_seed_fixes_the_files_and_a_tower_does_not_feel_the_others(feeds):
    def contents(folder):
        return {path.name: path.read_bytes() for path in (folder / SINKS).iterdir()}

    all_five, again, other = (contents(feeds(PLAN, seed, name)) for seed, name in ((3, "a"), (3, "b"), (4, "c")))
    assert all_five == again
    assert not set(all_five.values()) & set(other.values())
    two = contents(feeds(PLAN, 3, "d", TOWERS[:2]))
    assert two == {name: all_five[name] for name in two}
    assert len(two) == 2
    assert contents(feeds(PLAN, 3, "e", [])) == {}
