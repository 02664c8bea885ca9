"""Times as people type them; a light module, for commands that must answer at once."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from pipeline.errors import ConfigError


def parse_time(text: str, where: str) -> datetime:
    """Return a time that was typed.

    Raises
    ------
    ConfigError
        When it is no ISO time, or has no zone.

    Examples
    --------
    >>> parse_time("2022-12-07T00Z", "--from").isoformat()
    '2022-12-07T00:00:00+00:00'
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            "a time must be ISO, with a zone", got=text, remedy="write it as 2022-12-07T00Z", where=where
        ) from error
    if time.tzinfo is None:
        remedy = "end it with Z" if "T" in text or " " in text else f"give the hour and end it with Z: {text}T00Z"
        raise ConfigError("a time must have a zone", got=text, remedy=remedy, where=where)
    return time


def utc(time: datetime) -> np.datetime64:
    """Return a time with a zone as UTC datetime64[ns].

    Examples
    --------
    >>> str(utc(parse_time("2022-12-07T08+08:00", "--from")))[:16]
    '2022-12-07T00:00'
    """
    return np.datetime64(time.astimezone(UTC).replace(tzinfo=None), "ns")
