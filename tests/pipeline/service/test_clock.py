"""A clock that jumps publishes nothing that has not been, and is told."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.service.clock import SYSTEM, Reading, trusted

NOON = datetime(2024, 7, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize("jump", [timedelta(hours=8), timedelta(hours=-2), timedelta(days=5000)])
def test_a_jump_is_told_and_time_never_runs_ahead_of_the_running_clock(jump):
    now, skew = trusted(Reading(NOON + timedelta(hours=1) + jump, 3600.0, "boot"), Reading(NOON, 0.0, "boot"))
    assert skew == jump.total_seconds()
    assert now <= NOON + timedelta(hours=1)


def test_a_clock_that_is_a_little_off_is_believed():
    now, skew = trusted(Reading(NOON + timedelta(seconds=3630), 3600.0, "boot"), Reading(NOON, 0.0, "boot"))
    assert (now, skew) == (NOON + timedelta(seconds=3630), 0.0)


@pytest.mark.parametrize("last", [None, Reading(NOON, 9e9, "other boot"), Reading(NOON, 9e9, "boot")])
def test_after_a_new_start_of_the_machine_there_is_nothing_to_compare_with(last):
    later = Reading(NOON + timedelta(days=3), 10.0, "boot")
    assert trusted(later, last) == (later.wall, 0.0)


def test_the_systems_clocks_can_be_read():
    one, two = SYSTEM.read(), SYSTEM.read()
    assert two.running >= one.running
    assert one.wall.tzinfo is not None
