"""Stations as a map shows them: where they stand, and what became of their measurement of an hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.answers import RunSource, Source
from pipeline.errors import InputError, TianyanError
from pipeline.ingest import load_registry, read_registry
from pipeline.schema import is_single, why_unused
from pipeline.service.health import gather, health
from pipeline.service.place import Place, read_place
from pipeline.units import species

_SHOWN = ("value", "error", "prior", "posterior")


@dataclass(frozen=True)
class Station:
    """A station of the network.

    Parameters
    ----------
    id, name, name_en, kind
        As the registry has them; `kind` is its class.
    lon, lat
        Degrees.
    """

    id: str
    name: str
    name_en: str
    kind: str
    lon: float
    lat: float


class Network:
    """The stations of a case, and the state of its service.

    Parameters
    ----------
    case
        The case's TOML file; None where only the store is known: stations are then those of the shipped registry, or of
        the run.
    """

    def __init__(self, case: Path | None) -> None:
        self.place: Place | None = read_place(case) if case is not None else None

    @cached_property
    def _registry(self) -> dict[str, Station]:
        table = load_registry([]) if self.place is None else read_registry(self.place.settings, self.place.root)
        return {str(row["id"]): _station(row) for _, row in table.iterrows()}

    @cached_property
    def _feeds(self) -> list[str]:
        """Ids of the stations whose files the case reads."""
        if self.place is None:
            return []
        settings = self.place.settings
        return [*(one.id for one in settings.stations), *(one.id for one in settings.sinks)]

    def stations(self, source: Source) -> dict[str, Station]:
        """Return the stations of a store by id, those whose place is known."""
        if isinstance(source, RunSource):
            return _of_run(source, self._registry)
        if self._feeds:
            return {name: self._registry[name] for name in self._feeds if name in self._registry}
        seen = source.stations(source.hours[-24:])
        names = sorted({key.split("/")[0] for hour in seen for key in hour})
        return {name: self._registry[name] for name in names if name in self._registry}

    def of_hour(self, source: Source, hour: np.datetime64) -> list[dict[str, Any]]:
        """Return every station with its state in an hour: used, flagged, silent, or unknown.

        A station of several inlets is told by the one that was used, else by its first. A sink station's hour is not
        kept by name: its state is unknown, as that of all is in an hour without numbers.
        """
        stations = self.stations(source).values()
        if hour not in source.hours:
            return [{**_of_hour(one, []), "state": "unknown"} for one in stations]
        measured: dict[str, list[tuple[str, dict[str, float | None]]]] = {}
        for key, numbers in source.stations(np.array([hour]))[0].items():
            name, _, height = key.partition("/")
            measured.setdefault(name, []).append((height, numbers))
        return [_of_hour(one, measured.get(one.id, [])) for one in stations]

    def series(self, source: Source, name: str, hours: np.ndarray) -> dict[str, Any]:
        """Return what one station measured in hours, and what the models say of it.

        Raises
        ------
        InputError
            For a station that the store does not know.
        """
        if name not in self.stations(source):
            raise InputError(
                "the station must be one of the network", got=name, remedy="/api/stations lists them", where="station"
            )
        rows: list[tuple[np.datetime64, dict[str, float | None]]] = []
        for hour, told in zip(hours, source.stations(hours), strict=True):
            mine = [(key, numbers) for key, numbers in told.items() if key.partition("/")[0] == name]
            if mine:
                rows.append((hour, _best(mine)[1]))
        return {
            "id": name,
            "unit": species(source.species).mole_fraction_unit,
            "time": [f"{hour}:00Z" for hour, _ in rows],
            **{field: [numbers.get(field) for _, numbers in rows] for field in _SHOWN},
            "used": [not _why(numbers) for _, numbers in rows],
        }

    def health(self, now: datetime) -> dict[str, Any] | None:
        """Return the state of the service at a time; None where no case is known, or it cannot be told."""
        if self.place is None:
            return None
        try:
            found = health(gather(self.place, now))
        except (TianyanError, OSError) as error:
            return {"state": "unknown", "alarms": [], "why": type(error).__name__}
        told = [
            {"name": one.name, "level": one.level, "zh": one.zh, "text": f"{one.meaning}: {one.detail}"}
            for one in found.alarms
        ]
        return {"state": found.state, "alarms": told}


def _station(row: pd.Series) -> Station:
    name, zh, en, kind = (str(row[part]) for part in ("id", "name_zh", "name_en", "station_class"))
    return Station(name, zh, en, kind, float(row["lon"]), float(row["lat"]))


def _of_run(source: RunSource, known: dict[str, Station]) -> dict[str, Station]:
    """Return the stations whose measurements a run took, where these were made."""
    told = source.posterior
    alone = is_single(told["obs_platform"].values.astype(str))
    names, first = np.unique(told["obs_station"].values[~alone].astype(str), return_index=True)
    found = {}
    for name, row in zip(names.tolist(), np.flatnonzero(~alone)[first], strict=True):
        kind, lon, lat = (told[f"obs_{part}"].values[row] for part in ("platform", "lon", "lat"))
        named = known.get(name)
        found[name] = Station(
            name, named.name if named else "", named.name_en if named else "", str(kind), float(lon), float(lat)
        )
    return found


def _of_hour(one: Station, measured: list[tuple[str, dict[str, float | None]]]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": one.id, "name": one.name, "name_en": one.name_en, "class": one.kind, "lon": one.lon, "lat": one.lat,
        "state": "unknown" if one.kind == "sink" else "silent", "why": "", "height": None,
        **dict.fromkeys(_SHOWN),
    }  # fmt: skip
    if measured:
        height, numbers = _best(measured)
        why = _why(numbers)
        told |= {name: numbers.get(name) for name in _SHOWN}
        told |= {"state": "flagged" if why else "used", "why": why, "height": float(height.rpartition("/")[2])}
    return told


def _best(measured: list[tuple[str, dict[str, float | None]]]) -> tuple[str, dict[str, float | None]]:
    """Return the inlet that was used; the first when none was."""
    return next((one for one in measured if not _why(one[1])), measured[0])


def _why(numbers: dict[str, float | None]) -> str:
    return why_unused(int(numbers.get("flag") or 0))
