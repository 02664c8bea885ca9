"""What may be asked, parameter by parameter: everything else is refused before a store is touched."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, NoReturn, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.answers import GRID, LAYERS, Area, Frequency, RegionTable, Source, area_of, box_of, point_of
from pipeline.answers.periods import Period, parse_period
from pipeline.answers.query import chosen_sectors, some_hours
from pipeline.errors import InputError

#: letters of a name, of a time, and of a polygon
_NAME, _TIME, _POLYGON = 128, 64, 4096
_HOUR = np.timedelta64(1, "h")
Layer = Literal["flux_prior", "flux_posterior", "flux_change", "flux_prior_std", "flux_posterior_std"]
assert get_args(Layer) == LAYERS
Sectors = Annotated[
    list[Annotated[str, Field(max_length=_NAME)]] | None,
    Field(max_length=16, description="a sector, or net; all when not given; may be given again"),
]
When = Annotated[
    str | None,
    Field(
        max_length=_TIME,
        description="2024, 2024-07, 2024-07-15, 2024-07-15T06Z, or two of them with a slash (UTC); all hours if none",
        examples=["2024-07-15"],
    ),
]
Hour = Annotated[
    str | None,
    Field(
        max_length=_TIME, description="an hour, UTC: 2024-07-15T05Z; the newest if none", examples=["2024-07-15T05Z"]
    ),
]


class Versioned(BaseModel):
    """What every question has: the version it is put to, the newest if none."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[
        str | None,
        Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="id of a snapshot, or name of a release; else the newest"),
    ] = None
    as_of: Annotated[str | None, Field(max_length=_TIME, description="what the store said then: 2024-08-01T00:00Z")] = (
        None
    )


class HourQuestion(Versioned):
    """One hour."""

    hour: Hour = None

    def of(self, source: Source) -> np.datetime64:
        """Return the hour that was asked for, one that has numbers.

        Raises
        ------
        InputError
            When it is none, or has none.
        """
        return _require_hours(source)[-1] if self.hour is None else some_hours(source, self.span(self.hour))[0]

    def any_of(self, source: Source) -> np.datetime64:
        """Return the hour that was asked for, with or without numbers, of those between the first and the last.

        Raises
        ------
        InputError
            When it is none, or lies outside.
        """
        hours = _require_hours(source)
        if self.hour is None:
            return hours[-1]
        found = self.span(self.hour).start
        return found if hours[0] <= found <= hours[-1] else self.of(source)

    @staticmethod
    def span(told: str) -> Period:
        """Return one hour that was written.

        Raises
        ------
        InputError
            When it is none, or several.
        """
        span = parse_period(told)
        if span.count != 1:
            raise InputError("one hour is asked for", got=told, remedy="write it as 2024-07-15T05Z", where="hour")
        return span


class PictureQuestion(HourQuestion):
    """A rendered map."""

    layer: Layer = "flux_posterior"
    sector: Annotated[str, Field(max_length=_NAME)] = "net"


class PeriodQuestion(Versioned):
    """The hours of a period."""

    period: When = None

    def of(self, source: Source) -> np.ndarray:
        """Return the hours of the period that have numbers.

        Raises
        ------
        InputError
            When there is none.
        """
        return _require_hours(source) if self.period is None else some_hours(source, parse_period(self.period))


class SeriesQuestion(PeriodQuestion):
    """Totals of one area."""

    region: Annotated[str | None, Field(max_length=_NAME, description="id or name of a region, Chinese or English")] = (
        None
    )
    point: Annotated[str | None, Field(max_length=_NAME, description="the cell of longitude,latitude, degrees")] = None
    box: Annotated[str | None, Field(max_length=_NAME, description="west,east,south,north, degrees")] = None
    polygon: Annotated[str | None, Field(max_length=_POLYGON, description="GeoJSON geometry, WGS84")] = None
    freq: Frequency = "hour"
    sector: Sectors = None
    format: Literal["json", "csv", "parquet", "nc"] = "json"

    def area(self, regions: RegionTable) -> Area:
        """Return the area that was asked for; the grid when none was.

        Raises
        ------
        InputError
            When several are given, or one is none.
        """
        given = {name: getattr(self, name) for name in ("region", "point", "box", "polygon")}
        named = [name for name, value in given.items() if value is not None]
        if len(named) > 1:
            raise InputError("an area is named once", got=" and ".join(named), remedy="give one of them", where="area")
        if self.region is not None:
            return area_of(self.region, regions)
        if self.point is not None:
            return area_of(point_of(self.point), regions)
        if self.box is not None:
            return area_of(box_of(self.box), regions)
        if self.polygon is not None:
            return area_of(_parsed(self.polygon), regions)
        return GRID

    def sectors(self, source: Source) -> list[str]:
        """Return the sectors that were asked for."""
        return chosen_sectors(source, self.sector)


class MapsQuestion(PeriodQuestion):
    """Maps of a period as a file."""

    freq: Frequency = "all"
    sector: Sectors = None
    format: Literal["nc", "tif", "csv", "parquet"] = "nc"


class LedgerQuestion(PeriodQuestion):
    """The regional ledger."""

    level: Annotated[str, Field(max_length=_NAME, description="province, city, county, file, box, or all")] = "city"
    freq: Literal["day", "month", "year"] = "month"
    format: Literal["json", "csv", "parquet"] = "json"


class LevelQuestion(Versioned):
    """The regions of a level."""

    level: Annotated[str, Field(max_length=_NAME)] = "city"


def _require_hours(source: Source) -> np.ndarray:
    if source.hours.size == 0:
        raise InputError("the store must have an hour", got="none", remedy="run `tianyan run-due` first", where="store")
    return source.hours


def _parsed(text: str) -> dict[str, Any]:
    """Return GeoJSON that was sent."""
    try:
        found = json.loads(text, parse_constant=_no_number)
        if not isinstance(found, dict):
            raise ValueError("it is no object")
    except (ValueError, RecursionError) as error:
        raise InputError(
            "a polygon must be GeoJSON (RFC 7946)",
            got=f"{type(error).__name__}: {error}",
            remedy='send {"type":"Polygon","coordinates":[[[120,30],[121,30],[121,31],[120,30]]]}',
            where="polygon",
        ) from error
    return found


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
