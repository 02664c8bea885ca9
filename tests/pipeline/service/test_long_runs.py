"""A long run holds up no new hour; hours a store lost are made again; a run that could not begin is told."""

import json
from datetime import timedelta

import pytest
import service_stub as stub

from pipeline.errors import InputError
from pipeline.grid import HourStore
from pipeline.service.reprocessing import release, reprocess
from pipeline.service.runs import make_all
from pipeline.service.window import last_hour

HOURS = [stub.FIRST + number * stub.HOUR for number in range(6)]


@pytest.fixture
def case(tmp_path):
    with stub.stubbed():
        yield stub.make_place(tmp_path)


def deliver(case, hours, variant=0):
    for station in stub.STATIONS:
        rows = [(hour, variant) for hour in range(hours)]
        stub.deliver(case, f"{station.lower()}/{station}.csv", stub.text_of(station, *rows))


@pytest.mark.parametrize("how", ["backfill", "reprocess"])
def test_an_hour_that_becomes_due_during_a_long_run_goes_before_what_is_left(case, monkeypatch, how):
    clocks = stub.Clocks(5)
    deliver(case, 6)
    assert stub.due(case, clocks).made
    made, windows = stub.making.versions, []

    def slow(place, domain, prepared, *rest, **more):
        windows.append(prepared.hour)
        clocks.pass_by(minutes=25)
        deliver(case, 7)
        return made(place, domain, prepared, *rest, **more)

    monkeypatch.setattr(stub.making, "versions", slow)
    with stub.run(case, clocks, how) as (service, outcome):
        service.look()
        if how == "backfill":
            make_all(service, HOURS, outcome, force=True)
        else:
            reprocess(service, "R1", HOURS, outcome)
        assert outcome.failed == {}
    new = stub.FIRST + 6 * stub.HOUR
    assert new in outcome.made
    assert set(HOURS) <= {*outcome.made, *outcome.same}
    # the clock reached it after the third
    assert windows.index(new) == 3
    with HourStore.open(case.parent / "service" / "store").at() as reader:
        # with the data of then, and not the prior
        assert reader.manifest(new)["rows"]


def ended(case, hour):
    """Status of an hour, and the last hour of the window it was made from."""
    with HourStore.open(case.parent / "service" / "store").at() as reader:
        manifest = reader.manifest(hour)
    return manifest["status"], last_hour(manifest)


def written(path):
    return path.stat().st_mtime_ns


def test_hours_that_a_repair_took_back_are_made_again(case):
    clocks = stub.Clocks(5)
    deliver(case, 6)
    stub.due(case, clocks)
    deliver(case, 6, variant=1)
    clocks.pass_by(minutes=5)
    assert stub.due(case, clocks).made
    store = case.parent / "service" / "store"

    def rows():
        with HourStore.open(store).at() as reader:
            return {str(hour): reader.manifest(hour)["rows"] for hour in reader.hours()}

    before = rows()
    *_, third, second, newest = sorted((store / "repo" / "snapshots").iterdir(), key=written)
    # the newest commit is gone, and of the one before it a chunk
    for path in store.rglob(f"{newest.name}*"):
        path.unlink()
    next(
        path for path in (store / "repo" / "chunks").iterdir() if written(third) < written(path) < written(second)
    ).unlink()
    clocks.pass_by(minutes=5)
    while (outcome := stub.due(case, clocks)).made:
        assert outcome.failed == {}
    assert rows() == before
    assert set(before) == {str(hour) for hour in HOURS}


def test_an_hour_whose_lag_ends_before_its_reprocessing_is_released_gets_the_later_window_after_it(case):
    clocks = stub.Clocks(0)
    deliver(case, 6)
    stub.due(case, clocks)
    with stub.run(case, clocks, "reprocess") as (service, outcome):
        service.look()
        reprocess(service, "R1", HOURS[:1], outcome)
        assert outcome.made == [HOURS[0]]
    clocks.pass_by(hours=stub.LAG)
    stub.due(case, clocks)
    assert ended(case, HOURS[0]) == ("P2", HOURS[0] + stub.LAG * stub.HOUR)
    with stub.run(case, clocks, "release") as (service, _):
        release(service, "R1")
    clocks.pass_by(minutes=5)
    stub.due(case, clocks)
    assert ended(case, HOURS[0]) == ("R1", HOURS[0] + stub.LAG * stub.HOUR)


def test_a_reprocessing_under_a_clock_that_was_set_back_keeps_the_later_window(case):
    clocks = stub.Clocks(0)
    deliver(case, 6)
    stub.due(case, clocks)
    clocks.pass_by(hours=stub.LAG)
    stub.due(case, clocks)
    clocks.boot = "another"
    clocks.wall -= timedelta(hours=stub.LAG)
    with stub.run(case, clocks, "reprocess") as (service, outcome):
        service.look()
        reprocess(service, "R1", HOURS[:1], outcome)
        assert outcome.failed == {}
        release(service, "R1")
    assert ended(case, HOURS[0]) == ("R1", HOURS[0] + stub.LAG * stub.HOUR)


def test_a_run_whose_database_cannot_be_opened_tells_so_and_the_page_is_red(case, monkeypatch):
    clocks = stub.Clocks(5)
    deliver(case, 6)
    stub.due(case, clocks)
    service = case.parent / "service"
    for path in service.glob("service.db*"):
        path.unlink()
    (service / "service.db").mkdir()
    (service / "service.db" / "kept").touch()
    (service / "health.json").unlink()
    with pytest.raises(InputError, match="database must be writable"):
        stub.due(case, clocks)
    told = json.loads((service / "health.json").read_text())
    assert told["state"] != "green"
    assert "database" in " ".join(alarm["name"] + alarm["detail"] for alarm in told["alarms"])
