"""The stations of the simulated case, taken from the illustrative network of `station_meta`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.errors import InputError
from pipeline.osse.sources import CITIES
from station_meta import ZHEJIANG_ILLUSTRATIVE, Station, find, load

#: classes measured by laser spectrometers
_SPECTROMETERS = ("provincial", "regional", "city")
#: cities without a city station: the first micro sensors are taken there
_THIN = ("330300", "331000", "330700", "330800", "330600", "330400", "330500", "330900")


@dataclass(frozen=True)
class Site:
    """One inlet that delivers a feed."""

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
    """Return the sites in use at a time, highest inlet of each station.

    Parameters
    ----------
    when
        A time within the case, UTC.
    spectrometers
        How many provincial, regional and city stations, in the order of the table.
    micro
        How many micro sensors: the nearest to the centre of each city that has no city station.

    Raises
    ------
    InputError
        When more are asked for than there are.
    """
    table = load(ZHEJIANG_ILLUSTRATIVE)
    fixed = table[table["station_class"].isin(_SPECTROMETERS)]
    for name, asked, most in (("spectrometers", spectrometers, len(fixed)), ("micro", micro, len(_THIN))):
        if not 0 <= asked <= most:
            raise InputError(f"{name} must lie in [0, {most}]", got=asked, remedy="ask for fewer", where=name)
    ids = [*fixed["id"][:spectrometers], *_central_micro(table)[:micro]]
    found = [find(table, name, when) for name in ids]
    return [Site(station, max(station.inlets)) for station in found]


def _central_micro(table: pd.DataFrame) -> list[str]:
    """Return the micro sensor nearest to the centre of each city in `_THIN`."""
    sensors = table[table["station_class"] == "micro"]
    centres = {city.id: city for city in CITIES}
    nearest = []
    for name in _THIN:
        city = centres[name]
        east = (sensors["lon"] - city.lon) * np.cos(np.radians(city.lat))
        distance = np.hypot(east, sensors["lat"] - city.lat).to_numpy()
        nearest.append(str(sensors["id"].iloc[int(np.argmin(distance))]))
    return nearest
