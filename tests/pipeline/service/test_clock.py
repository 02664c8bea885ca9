"""A clock that jumps publishes nothing that has not been, and is told."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.service.clock import SYSTEM, Reading, trusted

NOON = datetime(2024, 7, 15, 12, tzinfo=UTC)


HOUR = timedelta(hours=1)
LAST = Reading(NOON, 0.0, "boot")


def after(hours, ahead=timedelta(0), **changes):
    """Clocks so many hours after noon, the wall clock so far ahead."""
    return Reading(NOON + hours * HOUR + ahead, hours * 3600.0, "boot", **changes)


@pytest.mark.parametrize("jump", [timedelta(hours=8), timedelta(hours=-2), timedelta(days=5000)])
def test_a_jump_is_told_and_time_never_runs_ahead_of_the_running_clock(jump):
    trust = trusted(after(1, jump), LAST)
    assert trust.jump == jump.total_seconds()
    assert trust.time <= NOON + HOUR


@pytest.mark.parametrize("jump", [timedelta(hours=8), timedelta(hours=-2)])
def test_a_clock_that_stays_where_it_jumped_to_is_believed_after_a_day_and_not_before(jump):
    last, told = LAST, []
    for hours in range(1, 30):
        trust = trusted(after(hours, jump), Reading.of(last.written()))
        told.append(abs(trust.jump) > 0)
        believed = trust.time == NOON + hours * HOUR + jump
        assert believed if jump < timedelta(0) else believed == (hours > 25)
        last = trust.clocks
    assert told == [True] * 26 + [False] * 3


@pytest.mark.parametrize("jump", [timedelta(hours=8), timedelta(hours=-2)])
def test_a_clock_that_is_set_right_is_believed_at_once(jump):
    wrong = trusted(after(1, jump), LAST)
    right = trusted(after(2), wrong.clocks)
    assert (right.time, right.jump) == (NOON + 2 * HOUR, 0.0)
    # and what was wrong is forgotten
    assert right.clocks.jumped is None


def test_a_clock_a_time_service_keeps_is_believed_and_its_jump_told_once():
    first = trusted(after(1, 8 * HOUR, synchronised=True), LAST)
    assert (first.time, first.jump) == (NOON + 9 * HOUR, 8 * 3600.0)
    second = trusted(after(2, 8 * HOUR, synchronised=True), first.clocks)
    assert (second.time, second.jump) == (NOON + 10 * HOUR, 0.0)


def test_a_clock_that_is_a_little_off_is_believed():
    off = after(1, timedelta(seconds=30))
    trust = trusted(off, LAST)
    assert (trust.time, trust.jump) == (off.wall, 0.0)


@pytest.mark.parametrize("last", [None, Reading(NOON, 9e9, "other boot"), Reading(NOON, 9e9, "boot")])
def test_after_a_new_start_of_the_machine_there_is_nothing_to_compare_with(last):
    later = Reading(NOON + timedelta(days=3), 10.0, "boot")
    trust = trusted(later, last)
    assert (trust.time, trust.jump) == (later.wall, 0.0)


def test_the_systems_clocks_can_be_read():
    one, two = SYSTEM.read(), SYSTEM.read()
    assert two.running >= one.running
    assert one.wall.tzinfo is not None
