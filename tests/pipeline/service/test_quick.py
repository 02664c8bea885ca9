"""A run that has nothing to do says so only when that is so."""

import os
from datetime import timedelta

import pytest
from service_stub import FIRST, HOUR, READY, Clocks, deliver, due, make_place, moment, run, stubbed, text_of

from pipeline.errors import InputError
from pipeline.service import making
from pipeline.service.quick import fingerprint, is_quiet
from pipeline.service.runs import make_all


@pytest.fixture(autouse=True)
def _stub():
    with stubbed():
        yield


def begun(hour, minutes=0):
    """When an hour of the service began."""
    return moment(hour) + timedelta(minutes=minutes - READY)


def later(clocks, **span):
    """Clocks of a machine that was off."""
    clocks.pass_by(**span)
    clocks.boot += "+"


def test_what_comes_in_a_linked_folder_or_by_a_link_is_seen(tmp_path):
    case, clocks = make_place(tmp_path / "case"), Clocks(2)
    disk = tmp_path / "disk"
    (disk / "deep").mkdir(parents=True)
    (disk / "up").symlink_to(disk)
    (tmp_path / "case/inbox/aaa").symlink_to(disk)
    linked = tmp_path / "weather.nc"
    linked.write_text("one")
    (tmp_path / "case/inbox/weather.nc").symlink_to(linked)
    due(case, clocks)
    assert is_quiet(case, clocks.wall)
    (disk / "deep/a.csv").write_text(text_of("AAA", (1, 0)))
    assert not is_quiet(case, clocks.wall)
    assert due(case, clocks).looked.taken == 1
    assert is_quiet(case, clocks.wall)
    linked.write_text("two and more")
    assert not is_quiet(case, clocks.wall)


def test_a_folder_that_cannot_be_looked_into_and_a_file_that_is_gone_stop_no_run(tmp_path, monkeypatch):
    case, clocks = make_place(tmp_path), Clocks(1)
    closed = tmp_path / "inbox/lost+found"
    closed.mkdir()
    (tmp_path / "inbox/gone").symlink_to("nowhere")
    real = os.scandir

    def scandir(folder):
        if str(folder) == str(closed):
            raise PermissionError(13, "Permission denied", str(folder))
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    assert len(due(case, clocks).made) == 2
    assert is_quiet(case, clocks.wall)
    assert fingerprint(case) == fingerprint(case)


def test_only_a_whole_hour_that_was_looked_at_is_unchanged(tmp_path):
    case, clocks = make_place(tmp_path, "quiet_seconds = 0\nconsolidate_days = 1\ncatch_up = 99"), Clocks(30)
    due(case, clocks)
    late = deliver(case, "aaa/late.csv", text_of("AAA", (1, 0)))
    later(clocks, hours=1)
    due(case, clocks)
    # of a month that is consolidated: taken, and not made
    assert late.exists()
    with run(case, clocks) as (service, _):
        service.look()
        assert not service.is_made(FIRST + HOUR, service.ledger.entry(FIRST + HOUR))
    due(case, clocks)
    assert not is_quiet(case, clocks.wall, begun(1))
    assert is_quiet(case, clocks.wall, begun(20))
    assert not is_quiet(case, clocks.wall, begun(20, minutes=30))


def test_what_another_command_left_undone_is_not_quiet(tmp_path, monkeypatch):
    case, clocks = make_place(tmp_path), Clocks(3)
    due(case, clocks)
    assert is_quiet(case, clocks.wall)
    with monkeypatch.context() as patched:
        patched.setattr(making, "prepare", refusing(FIRST + 3 * HOUR))
        with run(case, clocks, "hour") as (service, outcome):
            outcome.looked = service.look()
            make_all(service, [FIRST + 3 * HOUR], outcome, force=True)
    assert list(outcome.failed) == [FIRST + 3 * HOUR]
    assert not is_quiet(case, clocks.wall)
    assert not is_quiet(case, clocks.wall, begun(3))


def test_a_month_with_an_hour_that_waits_for_its_next_try_is_not_consolidated(tmp_path, monkeypatch):
    settings = "quiet_seconds = 0\nconsolidate_days = 1\ncatch_up = 99"
    case = make_place(tmp_path, settings)
    case.write_text(case.read_text("utf-8").replace("retry_minutes = 0.001", "retry_minutes = 60"), "utf-8")
    clocks = Clocks(28)
    due(case, clocks)
    deliver(case, "aaa/late.csv", text_of("AAA", (3, 0)))
    with monkeypatch.context() as patched:
        patched.setattr(making, "prepare", refusing(FIRST + 3 * HOUR))
        assert list(due(case, clocks).failed) == [FIRST + 3 * HOUR]
    # the month may be consolidated now, and the hour still waits
    later(clocks, minutes=55)
    assert clocks.wall < moment(29)
    due(case, clocks)
    later(clocks, hours=2)
    assert FIRST + 3 * HOUR in due(case, clocks).made
    due(case, clocks)
    assert is_quiet(case, clocks.wall)


def refusing(hour):
    """`making.prepare` that cannot make one hour."""
    real = making.prepare

    def prepare(place, domain, window, *rest, **more):
        if window.hour == hour:
            raise InputError("an hour must be whole", got="a test", remedy="none")
        return real(place, domain, window, *rest, **more)

    return prepare
