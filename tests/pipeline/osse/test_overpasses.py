"""What satellites see of a simulated case: fixed by its seed, within its hours, and read back as it was written."""

from dataclasses import fields

import numpy as np
import pytest
import xarray as xr

import station_meta
from pipeline.grid import lambert_grid
from pipeline.ingest import all_receptors
from pipeline.ingest.receptors import merge
from pipeline.osse.case_file import COLUMNS, SATELLITES, write_case
from pipeline.osse.network import sites
from pipeline.osse.overpasses import overpasses
from pipeline.osse.plan import Plan
from pipeline.osse.soundings import column_of
from pipeline.osse.world import draw_world
from pipeline.schema import HOUR, hours_between, is_used
from pipeline.settings import read_settings

GRID = lambert_grid(west=118, east=123, south=27, north=31.5, spacing=9000.0)
WEEK = Plan(seed=3)
HOURS = hours_between(*WEEK.observed)
#: true background, another in each hour by more than any noise, ppm
BACKGROUND = 400.0 + 0.25 * np.arange(HOURS.size)


def seen_of(plan):
    """What the satellites see of a plan, by their id."""
    return {one.id: one for one in overpasses(GRID, plan, draw_world(plan.seed, plan.draw).sounding_rng)}


def added_to(one):
    """An enhancement of each sounding that no other has, ppm."""
    return np.linspace(0, 3, one.soundings.size)


def require_equal(one, other):
    for field in fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


def read_back(folder, plan, seen):
    """What ingest reads by the settings that name the files; the stations' files are not there."""
    air = sites(plan.observed[0], spectrometers=1, micro=0)
    write_case(folder / "case.toml", plan, air, (), list(seen))
    settings = read_settings(folder / "case.toml").model_copy(update={"stations": []})
    return all_receptors(settings, folder, station_meta.load())


def by_id(dataset, names):
    """The rows of some soundings, in their order."""
    at = {str(name): row for row, name in enumerate(dataset["station"].values)}
    return dataset.isel(obs=[at[str(name)] for name in names])


@pytest.fixture(scope="module")
def week():
    return seen_of(WEEK)


@pytest.fixture(scope="module")
def written(week, tmp_path_factory):
    """A week's columns with no more than their own noise, and what ingest makes of the files."""
    folder = tmp_path_factory.mktemp("week")
    for one in week.values():
        one.write_days(folder, HOURS, BACKGROUND, added_to(one), np.random.default_rng(5))
    return folder, read_back(folder, WEEK, week)


def test_both_satellites_of_the_case_file_see_a_week(week):
    assert list(week) == list(SATELLITES)


def test_the_seed_says_when_and_where_they_look_and_the_draw_does_not(week):
    other = seen_of(Plan(seed=3, draw=8))
    for name, one in week.items():
        require_equal(one.soundings, other[name].soundings)
    moved = seen_of(Plan(seed=4))
    for name, one in week.items():
        # an id is the second and the place
        assert not set(one.receptors()["station"].values) & set(moved[name].receptors()["station"].values)


def test_soundings_lie_in_the_hours_and_well_within_the_grid():
    for seed in range(8):
        for hours in (5, 6, 29, 100):
            plan = Plan(seed=seed, hours=hours)
            start, end = plan.observed
            for one in seen_of(plan).values():
                time = one.soundings.time
                assert start <= time.min() <= time.max() < end
                row, column = np.divmod(GRID.locate(one.soundings.lon, one.soundings.lat), GRID.nx)
                assert row.min() > 1
                assert row.max() < GRID.ny - 2
                assert column.min() > 1
                assert column.max() < GRID.nx - 2


def test_a_plan_that_ends_within_a_day_sees_what_the_whole_day_does_until_then():
    parts = []
    for seed in range(8):
        whole = seen_of(Plan(seed=seed, hours=24))
        # the imager passes about 5 UTC, OCO-2 half an hour later
        for hours in (5, 6):
            part, end = seen_of(Plan(seed=seed, hours=hours)), Plan(seed=seed, hours=hours).observed[1]
            before = {name: one.soundings.time < end for name, one in whole.items()}
            assert list(part) == [name for name in whole if before[name].any()]
            for name, one in part.items():
                require_equal(one.soundings, whole[name].soundings.at(before[name]))
            parts.append(tuple(part))
    assert {(), ("IMAGER",), ("OCO2", "IMAGER")} == set(parts)


def test_a_plan_without_columns_or_without_an_overpass_has_none():
    assert seen_of(Plan(seed=3, columns=False)) == {}
    assert seen_of(Plan(seed=3, hours=4)) == {}


def test_days_have_a_file_each_the_narrow_track_every_third(written, week):
    folder, (_, _, accounts, _) = written
    days = [f"202407{day}" for day in range(15, 22)]
    names = {name: [SATELLITES[name].pattern.replace("*", day) for day in days[:: 3 if name == "OCO2" else 1]]
             for name in week}  # fmt: skip
    assert {path.name for path in (folder / COLUMNS).iterdir()} == {name for one in names.values() for name in one}
    # every fifth sounding is followed by a bad one
    rows = sum(account.rows_read for account in accounts)
    good = sum(one.soundings.size for one in week.values())
    assert good * 1.2 <= rows < good * 1.2 + len(accounts)


def test_files_give_back_the_receptors_that_footprints_were_made_for(written, week):
    _, (_, receptors, _, _) = written
    xr.testing.assert_identical(receptors, merge([one.receptors() for one in week.values()]))
    for name, one in week.items():
        assert np.all(one.receptors()["height"] == SATELLITES[name].top)


def test_columns_come_back_as_they_were_made_of_the_background_of_their_hour(written, week):
    _, (observations, _, _, _) = written
    assert is_used(observations["flag"].values).sum() == sum(one.soundings.size for one in week.values())
    for one in week.values():
        found = by_id(observations, one.receptors()["station"].values)
        hour = (one.soundings.time.astype("datetime64[h]") - HOURS[0]) // HOUR
        made = column_of(one.soundings, BACKGROUND[hour.astype(int)], added_to(one), np.random.default_rng(5))
        np.testing.assert_allclose(found["value"].values, made, rtol=1e-7)
        np.testing.assert_allclose(found["uncertainty"].values, one.soundings.sigma, rtol=1e-7)
        # less what is not air, the column is the background's share and the enhancement, but for its own noise
        modelled = found["prior_part"].values + found["kernel_sum"].values * BACKGROUND[hour.astype(int)]
        noise = (found["value"].values - modelled - added_to(one)) / one.soundings.sigma
        assert abs(noise.mean()) < 4 / np.sqrt(noise.size)
        assert noise.std() == pytest.approx(1, abs=4 / np.sqrt(2 * noise.size))


def test_an_error_beyond_the_noise_is_of_the_size_asked_for(written, week, tmp_path):
    _, (before, _, _, _) = written
    for one in week.values():
        one.write_days(tmp_path, HOURS, BACKGROUND, added_to(one), np.random.default_rng(5), more=2.0)
    after, _, _, _ = read_back(tmp_path, WEEK, week)
    for one in week.values():
        names = one.receptors()["station"].values
        # the noise is the same draw: what differs is the error asked for alone
        more = by_id(after, names)["value"].values - by_id(before, names)["value"].values
        assert abs(more.mean()) < 4 * 2 / np.sqrt(more.size)
        assert more.std() == pytest.approx(2, abs=4 * 2 / np.sqrt(2 * more.size))
        # and the file tells nothing of it
        np.testing.assert_array_equal(by_id(after, names)["uncertainty"], by_id(before, names)["uncertainty"])
