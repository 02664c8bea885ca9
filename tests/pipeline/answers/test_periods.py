"""Periods as people write them: what is included, what is refused, and that parts make the whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.answers import FREQUENCIES, parse_period
from pipeline.answers.periods import Period, groups, length_of
from pipeline.errors import InputError


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2024", "2024-01-01T00", "2025-01-01T00"),
        ("2024-02", "2024-02-01T00", "2024-03-01T00"),
        ("2024-02-29", "2024-02-29T00", "2024-03-01T00"),
        ("2024-07-15T06Z", "2024-07-15T06", "2024-07-15T07"),
        ("2024-07-15 06:00:00+00:00", "2024-07-15T06", "2024-07-15T07"),
        ("2024-07/2024-09", "2024-07-01T00", "2024-10-01T00"),
        ("2024-07-15/2024-07-15T06Z", "2024-07-15T00", "2024-07-15T06"),
        (" 2023 / 2024 ", "2023-01-01T00", "2025-01-01T00"),
    ],
)
def test_days_months_and_years_are_included_and_an_hour_is_where_it_ends(text, start, end):
    assert parse_period(text) == Period(np.datetime64(start, "h"), np.datetime64(end, "h"))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "of whole hours"),
        ("yesterday", "of whole hours"),
        ("2024-13", "of whole hours"),
        ("2024-02-30", "of whole hours"),
        ("2024-07-15T06", "of whole hours"),
        ("2024-07-15T06+08:00", "of whole hours"),
        ("2024-07-15T06:30Z", "of whole hours"),
        ("99999", "of whole hours"),
        ("9999", "years 1900 to 2200"),
        ("0001", "years 1900 to 2200"),
        ("2024-07-15T06Z/2024-07-15T06Z", "must end after its start"),
        ("2024-08/2024-07", "must end after its start"),
        ("2024/2025/2026", "one start and one end"),
    ],
)
def test_what_is_no_period_is_refused_with_how_to_write_one(text, rule):
    with pytest.raises(InputError, match=rule) as refused:
        parse_period(text)
    assert "2024-07-15T06Z" in refused.value.remedy


@given(
    start=st.integers(0, 60 * 8760),
    taken=st.lists(st.integers(0, 3000), min_size=1, max_size=60, unique=True),
    frequency=st.sampled_from(FREQUENCIES),
)
def test_parts_hold_every_hour_once_and_their_lengths_are_that_of_the_period(start, taken, frequency):
    first = np.datetime64("1990-01-01T00", "h") + start
    hours = first + np.sort(taken)
    starts, places = groups(hours, frequency)
    np.testing.assert_array_equal(np.concatenate(places), np.arange(hours.size))
    assert all(part.size for part in places)
    period = Period(first, first + 3001)
    lengths = length_of(starts, frequency, period)
    assert np.all(lengths >= [part.size for part in places])
    whole = np.array(groups(period.hours, frequency)[0])
    assert length_of(whole, frequency, period).sum() == period.count


def test_an_unknown_frequency_is_refused():
    with pytest.raises(InputError, match="one of hour, day, month, year, all"):
        groups(np.array(["2024-07-15T00"], "datetime64[h]"), "week")
