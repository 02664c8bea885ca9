"""The stations of the simulated case, taken from the illustrative network of `station_meta`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.osse.sources import CITIES
from station_meta import ZHEJIANG_ILLUSTRATIVE, Station, find, load

#: classes measured by laser spectrometers
SPECTROMETERS = ("provincial", "regional", "city")
#: cities without a city station: the first micro sensors are taken there
_THIN = ("330300", "331000", "330700", "330800", "330600", "330400", "330500", "330900")


@dataclass(frozen=True)
class Site:
    """One inlet, or one tower, that delivers a feed."""

    station: Station
    #: m above ground
    height: float

    @property
    def id(self) -> str:
        """Station id."""
        return self.station.id

    @property
    def is_micro(self) -> bool:
        """Whether the sensor is a low-cost one."""
        return self.station.station_class == "micro"


def sites(when: np.datetime64, *, spectrometers: int, micro: int) -> list[Site]:
    """Return the sites that measure air at a time, highest inlet of each station.

    Parameters
    ----------
    when
        A time within the case, UTC.
    spectrometers
        How many provincial, regional and city stations, in the order of the table.
    micro
        How many micro sensors: first the nearest to the centre of each city that has no city station, then the rest in
        the order of the table.
    """
    table = load(ZHEJIANG_ILLUSTRATIVE)
    fixed = table.loc[table["station_class"].isin(SPECTROMETERS), "id"]
    return _found(table, [*fixed[:spectrometers], *_micro(table)[:micro]], when)


def towers(when: np.datetime64, count: int) -> list[Site]:
    """Return the first so many sink stations in use at a time."""
    table = load(ZHEJIANG_ILLUSTRATIVE)
    return _found(table, list(table.loc[table["station_class"] == "sink", "id"])[:count], when)


def laboratory(when: np.datetime64) -> Site:
    """Return the mobile laboratory at its base."""
    table = load(ZHEJIANG_ILLUSTRATIVE)
    return _found(table, list(table.loc[table["station_class"] == "mobile", "id"])[:1], when)[0]


def _found(table: pd.DataFrame, ids: list[str], when: np.datetime64) -> list[Site]:
    found = [find(table, name, when) for name in ids]
    return [Site(station, max(station.inlets)) for station in found]


def _micro(table: pd.DataFrame) -> list[str]:
    """Return the micro sensors, the nearest to the centre of each city in `_THIN` first."""
    sensors = table[table["station_class"] == "micro"]
    centres = {city.id: city for city in CITIES}
    first = []
    for name in _THIN:
        city = centres[name]
        east = (sensors["lon"] - city.lon) * np.cos(np.radians(city.lat))
        distance = np.hypot(east, sensors["lat"] - city.lat).to_numpy()
        first.append(str(sensors["id"].iloc[int(np.argmin(distance))]))
    return [*first, *(str(name) for name in sensors["id"] if name not in first)]
