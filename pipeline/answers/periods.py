"""Periods as people write them, and their parts: hours, days, months, years. All UTC, hours labelled by their start."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from pipeline.errors import InputError

Frequency = Literal["hour", "day", "month", "year", "all"]
FREQUENCIES: tuple[str, ...] = get_args(Frequency)
_HOUR = np.timedelta64(1, "h")
#: of numpy
_UNITS = {"hour": "h", "day": "D", "month": "M", "year": "Y"}
#: what numpy's hours can be written with four digits of a year
_FIRST, _LAST = np.datetime64("1900-01-01T00", "h"), np.datetime64("2200-01-01T00", "h")
_PATTERNS = (
    (re.compile(r"\d{4}"), "Y"),
    (re.compile(r"\d{4}-\d{2}"), "M"),
    (re.compile(r"\d{4}-\d{2}-\d{2}"), "D"),
    (re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}(:00(:00)?)?(Z|\+00:00)"), "h"),
)
_REMEDY = (
    "write a year, a month, a day or an hour (2024, 2024-07, 2024-07-15, 2024-07-15T06Z), or two of them with a slash: "
    "days, months and years at the end are included, an hour is where it ends"
)


@dataclass(frozen=True)
class Period:
    """Whole hours [start, end), UTC.

    Parameters
    ----------
    start, end
        datetime64[h].
    """

    start: np.datetime64
    end: np.datetime64

    @property
    def hours(self) -> np.ndarray:
        """Every hour, datetime64[h]."""
        return np.arange(self.start, self.end, _HOUR)

    @property
    def count(self) -> int:
        """Number of hours."""
        return int((self.end - self.start) / _HOUR)

    def within(self, hours: np.ndarray) -> np.ndarray:
        """Return those of some hours that lie in the period."""
        return hours[(hours >= self.start) & (hours < self.end)]

    def __str__(self) -> str:
        return f"{self.start}Z/{self.end}Z"


def parse_period(text: str) -> Period:
    """Return a period that was written.

    Raises
    ------
    InputError
        When it is none, or is empty.

    Examples
    --------
    >>> str(parse_period("2024-07"))
    '2024-07-01T00Z/2024-08-01T00Z'
    >>> str(parse_period("2024-07-15T06Z/2024-07-15"))
    '2024-07-15T06Z/2024-07-16T00Z'
    >>> str(parse_period("2024-07-15T06Z/2024-07-15T07Z"))
    '2024-07-15T06Z/2024-07-15T07Z'
    """
    parts = [part.strip() for part in text.split("/")]
    if len(parts) > 2:
        raise InputError("a period has one start and one end", got=text, remedy=_REMEDY, where="period")
    first, last = _span(parts[0], text), _span(parts[-1], text)
    # an hour at the end is where it ends: [06Z, 07Z) is one hour
    end = last[0] if len(parts) == 2 and last[2] == "h" else last[1]
    return checked(Period(first[0], end), text)


def checked(period: Period, told: str) -> Period:
    """Return a period that is not empty and lies in years there can be.

    Raises
    ------
    InputError
        For another.
    """
    if period.end <= period.start:
        raise InputError("a period must end after its start", got=told, remedy=_REMEDY, where="period")
    if period.start < _FIRST or period.end > _LAST:
        raise InputError(
            f"a period must lie in the years {str(_FIRST)[:4]} to {str(_LAST)[:4]}",
            got=told,
            remedy=_REMEDY,
            where="period",
        )
    return period


def groups(hours: np.ndarray, frequency: Frequency) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the parts of hours: the start of each, and the places of its hours.

    Parameters
    ----------
    hours : (n,) datetime64[h]
        Ascending.
    frequency
        One of hour, day, month, year (of UTC), or all.

    Returns
    -------
    (part,) datetime64[h], and for each part the places of its hours; parts without an hour are left out.

    Examples
    --------
    >>> starts, places = groups(np.array(["2024-07-31T23", "2024-08-01T00", "2024-08-01T01"], "datetime64[h]"), "month")
    >>> starts.astype(str).tolist(), [p.tolist() for p in places]
    (['2024-07-01T00', '2024-08-01T00'], [[0], [1, 2]])
    """
    require_frequency(frequency)
    if hours.size == 0:
        return hours.astype("datetime64[h]"), []
    if frequency == "all":
        return hours[:1].astype("datetime64[h]"), [np.arange(hours.size)]
    label = hours.astype(f"datetime64[{_UNITS[frequency]}]")
    starts, first = np.unique(label, return_index=True)
    return starts.astype("datetime64[h]"), np.split(np.arange(hours.size), first[1:])


def ends_of(starts: np.ndarray, frequency: Frequency) -> np.ndarray:
    """Return the ends of hours, days, months or years that start then: (part,) datetime64[h]."""
    return (starts.astype(f"datetime64[{_UNITS[frequency]}]") + 1).astype("datetime64[h]")


def length_of(starts: np.ndarray, frequency: Frequency, period: Period) -> np.ndarray:
    """Return how many hours of a period each of its parts has, made or not: (part,) int64.

    Parameters
    ----------
    starts
        Of `groups`.
    frequency
        As there.
    period
        That was asked for.
    """
    if frequency == "all":
        return np.full(starts.size, period.count)
    inside = np.minimum(ends_of(starts, frequency), period.end) - np.maximum(starts, period.start)
    return np.asarray(inside / _HOUR, dtype=np.int64)


def require_frequency(frequency: str) -> None:
    """Raise unless totals can be made that often.

    Raises
    ------
    InputError
        For a word that is none of `FREQUENCIES`.
    """
    if frequency not in FREQUENCIES:
        raise InputError(
            "a frequency must be known", got=frequency, remedy=f"one of {', '.join(FREQUENCIES)}", where="frequency"
        )


def _span(part: str, whole: str) -> tuple[np.datetime64, np.datetime64, str]:
    """Return start and end of what one word names, and its unit."""
    for pattern, unit in _PATTERNS:
        if pattern.fullmatch(part):
            bare = part.replace(" ", "T")
            bare = bare[:13] if unit == "h" else bare
            try:
                start: np.datetime64 = np.datetime64(bare, unit)  # type: ignore[call-overload]
            except ValueError:
                break
            return start.astype("datetime64[h]"), (start + 1).astype("datetime64[h]"), unit
    raise InputError("a period must be of whole hours, in UTC", got=whole, remedy=_REMEDY, where="period")
