"""What every footprint layout gives: rows of one receptor and hour, and an account of what was left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from pipeline.errors import CoordinateError
from pipeline.grid.definition import Grid
from pipeline.ingest.axes import distance
from pipeline.ingest.site import registry_error
from pipeline.schema import HOUR
from pipeline.settings import Settings
from station_meta import StationMetaError, find

#: a release farther than this from the registry's position is another place (m)
SAME_SITE = 500.0
#: heights closer than this are one inlet (m); file names round them
SAME_HEIGHT = 0.05


@dataclass(frozen=True)
class Exits:
    """Shares of particles leaving through each side of the grid, by height."""

    #: (exit_height,) m above ground
    height: np.ndarray
    #: north, south: (exit_height, nx); east, west: (exit_height, ny)
    sides: dict[str, np.ndarray]


@dataclass(frozen=True)
class Row:
    """The footprint of one receptor and hour, in (mol mol-1) / (mol m-2 s-1)."""

    time: np.datetime64
    station: str
    lon: float
    lat: float
    height: float
    #: (entry,) datetime64[ns], start of the flux hour
    hour: np.ndarray
    #: (entry,) flat cell index
    cell: np.ndarray
    #: (entry,) float64
    value: np.ndarray
    exits: Exits | None = None


@dataclass
class Account:
    """Counts of what was left out or changed, as plain sentences."""

    counts: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)

    def count(self, sentence: str, number: int = 1) -> None:
        """Add to the count of a sentence such as "rows with missing values were left out"."""
        if number:
            self.counts[sentence] += int(number)

    def remark(self, sentence: str) -> None:
        """Add a sentence once."""
        if sentence not in self.remarks:
            self.remarks.append(sentence)

    def sentences(self) -> list[str]:
        """Return remarks and counted sentences, in the order they came."""
        return self.remarks + [f"footprints: {number} {sentence}" for sentence, number in self.counts.items()]


class Receptors:
    """The stations of a case, looked up in the registry by id or by position."""

    def __init__(self, settings: Settings, registry: pd.DataFrame) -> None:
        self.inlets = [(station.id, station.height) for station in settings.stations]
        self.registry = registry
        # periods of the registry begin at midnight, so a place holds for a day
        self.places: dict[tuple[str, np.datetime64], tuple[float, float]] = {}

    def wanted(self, station: str, height: float) -> bool:
        """Return whether the case uses this station and inlet."""
        return any(name == station and abs(height - own) <= SAME_HEIGHT for name, own in self.inlets)

    def position(self, station: str, when: np.datetime64) -> tuple[float, float]:
        """Return the registry's longitude and latitude.

        Raises
        ------
        RegistryError
            When the station or the period is unknown.
        """
        day = when.astype("datetime64[D]")
        if (station, day) not in self.places:
            try:
                facts = find(self.registry, station, day)
            except StationMetaError as error:
                raise registry_error(error) from error
            self.places[station, day] = facts.lon, facts.lat
        return self.places[station, day]

    def require_site(self, station: str, lon: float, lat: float, when: np.datetime64, *, where: str) -> None:
        """Raise unless a release lies at the station's position.

        Raises
        ------
        CoordinateError
            With the distance.
        """
        away = float(distance(*self.position(station, when), lon, lat))
        if not away <= SAME_SITE:  # NaN where it is no place on Earth
            raise CoordinateError(
                f"the release must lie within {SAME_SITE:.0f} m of {station}",
                got=f"{lon:.5f}, {lat:.5f}: {away:.0f} m away",
                remedy="correct the station, or the file (lon and lat swapped?)",
                where=where,
            )

    def at(self, lon: float, lat: float, height: float, when: np.datetime64) -> str | None:
        """Return the case's station at a position and height, or None."""
        for name, own in self.inlets:
            if abs(own - height) <= SAME_HEIGHT and distance(*self.position(name, when), lon, lat) <= SAME_SITE:
                return name
        return None


def entries(time: np.datetime64, lags: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the non-zero entries of one row.

    Parameters
    ----------
    time
        Receptor hour.
    lags : (lag,) int
        Flux hours before it.
    values : (lag, cell) float64

    Returns
    -------
    hour, cell, value: by hour, latest first, then by cell
    """
    lag, cell = np.nonzero(values)
    return time - lags[lag] * HOUR, cell.astype(np.int32), values[lag, cell]


def flat(values: np.ndarray, grid: Grid) -> np.ndarray:
    """Return (..., y, x) as (..., cell)."""
    return values.reshape(*values.shape[:-2], grid.size)
