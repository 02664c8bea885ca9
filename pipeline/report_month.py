"""What a monthly report tells, read from one version of a store."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.answers import NET, HoursSource, Period, RunSource, Source, mean_maps, parse_period, query
from pipeline.answers.ledger import ledger
from pipeline.answers.query import some_hours
from pipeline.answers.upper import MOST_NUMBERS
from pipeline.errors import InputError

_HOUR = np.timedelta64(1, "h")
#: regions whose names stand on maps, at most
_NAMED = 20


@dataclass(frozen=True, eq=False)
class Month:
    """A month of a store.

    Parameters
    ----------
    source
        Opened, at one of its versions.
    text
        The month, 2024-07.
    span
        Its hours, UTC.
    hours : (n,) datetime64[h]
        Those that have numbers.
    rows
        The ledger of all regions.
    level
        That of the largest region, or province.
    largest
        Id of the largest region of that level.
    maps
        Of `mean_maps`, one part; without sigmas when they are too many.
    days
        Of `query`: net of the largest region by day.
    facts
        Of each hour, as `Source.facts`.
    origin
        What is known of how the version was made: case, at, code.
    """

    source: Source
    text: str
    span: Period
    hours: np.ndarray
    rows: pd.DataFrame
    level: str
    largest: str
    maps: xr.Dataset
    days: xr.Dataset
    facts: list[dict[str, Any]]
    origin: dict[str, str]

    @property
    def levels(self) -> list[str]:
        """Those of the store's regions, that of the largest first."""
        return [self.level, *(one for one in dict.fromkeys(self.source.regions.levels) if one != self.level)]

    @property
    def missing(self) -> int:
        """Hours of the month that have no numbers."""
        return self.span.count - self.hours.size

    @property
    def exact(self) -> bool:
        """Whether sigmas of totals are those of the inversion."""
        return bool((self.rows["sigma_kind"] == "exact").all())

    def named(self) -> list[int]:
        """Return the places of the regions whose names stand on maps: those of the first level below, if they are few.

        Of a store with one level, of that.
        """
        below = self.levels[1] if len(self.levels) > 1 else self.level
        places = self.source.regions.at_level(below)
        return places if len(places) <= _NAMED else []


def month_of(text: str) -> Period:
    """Return a month, UTC.

    Raises
    ------
    InputError
        When it is none.

    Examples
    --------
    >>> str(month_of("2024-07"))
    '2024-07-01T00Z/2024-08-01T00Z'
    """
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
        raise InputError("a month must be a year and a month", got=text, remedy="write it as 2024-07", where="--month")
    return parse_period(text)


def read_month(source: Source, text: str) -> Month:
    """Return what a report of a month tells.

    Parameters
    ----------
    source
        Of `open_source`.
    text
        The month, 2024-07, UTC.

    Raises
    ------
    InputError
        When it is no month, or one in which the store has no numbers; or the store has no regions.
    """
    span = month_of(text)
    hours = some_hours(source, span)
    regions = source.regions
    if not regions.ids:
        raise InputError(
            "a report needs regions", got="none in the store", remedy="name some in the case: [regions]", where="report"
        )
    level = "province" if "province" in regions.levels else regions.levels[int(np.argmax(regions.areas))]
    largest = regions.ids[max(regions.at_level(level), key=lambda at: regions.areas[at])]
    sigma = hours.size * source.grid.size <= MOST_NUMBERS
    return Month(
        source,
        text,
        span,
        hours,
        ledger(source, "all", span),
        level,
        largest,
        mean_maps(source, span, sigma=sigma).isel(time=0),
        query(source, largest, span, sector=NET, freq="day").isel(region=0, sector=0),
        source.facts(hours),
        _origin(source, hours),
    )


def _origin(source: Source, hours: np.ndarray) -> dict[str, str]:
    """Return what a store says of how its hours were made."""
    if isinstance(source, HoursSource):
        manifests = source.reader.manifests(hours[0], hours[-1] + _HOUR).values()
        made = sorted({str(one["code"]) for one in manifests if "code" in one})
        return {
            "commit": str(source.version.facts["commit"]),
            "at": f"{max(one['at'] for one in manifests)[:16].replace('T', ' ')} UTC",
            "code": ", ".join(f"tianyan {one}" for one in made),
        }
    assert isinstance(source, RunSource)
    told = source.posterior.attrs
    code = json.loads(told.get("provenance", "{}")).get("code", {}).get("carbon-tianyan", "")
    return {"case": str(told.get("title", "")), "code": f"tianyan {code}" if code else ""}
