"""One station at one time, looked up in a table."""

from __future__ import annotations

import difflib
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from station_meta import fields
from station_meta.errors import StationMetaError


@dataclass(frozen=True)
class Station:
    """Facts about a station that hold over one period.

    `lon` and `lat` are degrees, `ground_height` is metres above sea, `inlets` are metres above ground;
    `uncertainty` is one sigma in the species' own unit (ppm for CO2, ppb for CH4 and CO). What is not known is None,
    or absent from the dict: `scale_of` and `uncertainty_of` refuse it with the remedy.
    """

    id: str
    name_zh: str
    name_en: str
    station_class: str
    lon: float
    lat: float
    ground_height: float | None
    inlets: tuple[float, ...]
    species: tuple[str, ...]
    instrument: str
    scale: dict[str, str] = field(hash=False)
    zone: str | None
    hour_label: str | None
    uncertainty: dict[str, float] = field(hash=False)
    #: first moment of the period and first moment after it, UTC; None where open
    valid_from: datetime | None
    valid_to: datetime | None
    illustrative: bool
    source: str

    def scale_of(self, species: str) -> str:
        """Return the calibration scale of a species.

        Raises
        ------
        StationMetaError
            When the station does not measure it, or its scale is not known.
        """
        if species not in self.scale:
            raise self._unknown(species, "scale")
        return self.scale[species]

    def uncertainty_of(self, species: str) -> float:
        """Return the default one-sigma measurement error of a species, in the species' own unit.

        Raises
        ------
        StationMetaError
            When the station does not measure it, or no default is given.
        """
        if species not in self.uncertainty:
            raise self._unknown(species, "uncertainty")
        return self.uncertainty[species]

    def _unknown(self, species: str, column: str) -> StationMetaError:
        return StationMetaError(
            f"the {column} of a species must be known before it is used",
            got=species,
            remedy=f"add it to column {column} of the station table, with its source",
            where=f"station {self.id} ({', '.join(self.species)})",
        )


def find(frame: pd.DataFrame, station: str, when: datetime | np.datetime64 | str) -> Station:
    """Return the facts about a station at a time.

    Parameters
    ----------
    frame
        Table of `load`.
    station
        Station id.
    when
        UTC when it carries no zone.

    Raises
    ------
    StationMetaError
        When the id is not in the table (near names are suggested), or no period covers the time.
    """
    moment = pd.Timestamp(when)
    if pd.isna(moment):
        raise StationMetaError(
            "the time must be known", got=str(when), remedy="give a time", where=f"station {station}"
        )
    if moment.tzinfo is not None:
        moment = moment.tz_convert("UTC").tz_localize(None)
    rows = periods_of(frame, station)
    open_start, open_end = rows["valid_from"].isna(), rows["valid_to"].isna()
    covering = rows[(open_start | (rows["valid_from"] <= moment)) & (open_end | (moment < rows["valid_to"]))]
    if len(covering) != 1:
        periods = "; ".join(
            f"{fields.cell(start) or 'open'} to {fields.cell(end) or 'open'}"
            for start, end in zip(rows["valid_from"], rows["valid_to"], strict=True)
        )
        raise StationMetaError(
            f"one period of the station must cover the time; {len(covering)} of [{periods}] do",
            got=moment.isoformat(),
            remedy="add a row for that time to the station table, with its source",
            where=f"station {station}",
        )
    return _station(covering.iloc[0].to_dict())


def periods_of(frame: pd.DataFrame, station: str) -> pd.DataFrame:
    """Return the rows of one station.

    Raises
    ------
    StationMetaError
        When the id is not in the table; near names are suggested.
    """
    mine = frame["id"] == station
    # a table of one station, as whoever asks often has, is not copied
    rows = frame if mine.all() else frame[mine]
    if rows.empty:
        raise StationMetaError("the station must be in the table", got=station, remedy=_suggestion(frame, station))
    return rows


def every_period(frame: pd.DataFrame, station: str) -> tuple[Station, ...]:
    """Return the facts about a station, one for each of its periods, as the table has them.

    Raises
    ------
    StationMetaError
        As `periods_of`.
    """
    return tuple(_station(row.to_dict()) for _, row in periods_of(frame, station).iterrows())


def network_counts(frame: pd.DataFrame) -> dict[str, int]:
    """Return how many stations each class has; a station with several periods counts once.

    Returns
    -------
    dict
        Every class of `CLASSES`, in that order.
    """
    counts = frame.groupby("station_class")["id"].nunique()
    return {name: int(counts.get(name, 0)) for name in fields.CLASSES}


def _station(row: dict[Hashable, Any]) -> Station:
    text = {str(name): fields.cell(value) for name, value in row.items()}
    scale = fields.by_species(text["scale"])
    return Station(
        id=text["id"],
        name_zh=text["name_zh"],
        name_en=text["name_en"],
        station_class=text["station_class"],
        lon=float(text["lon"]),
        lat=float(text["lat"]),
        ground_height=float(text["ground_height"]) if text["ground_height"] else None,
        inlets=fields.heights(text["inlets"]),
        species=fields.items(text["species"]),
        instrument=text["instrument"],
        scale={species: name for species, name in scale.items() if name != fields.UNKNOWN},
        zone=text["zone"] or None,
        hour_label=text["hour_label"] or None,
        uncertainty=fields.sigmas(text["uncertainty"]),
        valid_from=_midnight(text["valid_from"]),
        valid_to=_midnight(text["valid_to"]),
        illustrative=text["illustrative"] == "true",
        source=text["source"],
    )


def _midnight(text: str) -> datetime | None:
    day = fields.day(text)
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC)


def _suggestion(frame: pd.DataFrame, station: str) -> str:
    """Return what the wanted id may have been: ids near it in spelling, or whose English name is near."""
    wanted = station.casefold()
    ids = {str(name).casefold(): str(name) for name in frame["id"]}
    names = {str(row.name_en).casefold(): str(row.id) for row in frame.itertuples()}
    near = [ids[key] for key in difflib.get_close_matches(wanted, ids, n=3)]
    near += [names[key] for key in difflib.get_close_matches(wanted, names, n=3) if names[key] not in near]
    return f"use {' or '.join(near)} if that is meant" if near else "add it to a station table and load that"
