"""Which hours a delivered file tells something about, and a digest of what it says of each.

The hourly service asks this once for every file: so it knows which hours a late or revised file touches, and which
files a window must read, without reading any again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.derived import content_digest
from pipeline.ingest.calibrations import Calibration
from pipeline.ingest.column_file import read_column_file
from pipeline.ingest.drive import read_drive
from pipeline.ingest.feeds import calibrations_of
from pipeline.ingest.kept_rows import KeptRows
from pipeline.ingest.registry import read_registry, read_rules
from pipeline.ingest.rows import read_rows
from pipeline.ingest.sinks import facts_of, tower_rows
from pipeline.settings import ColumnSettings, MobileSettings, Settings, SinkSettings, StationSettings
from pipeline.units import SPECIES
from station_meta import Rules

#: of the rows of a station's and of a tower's file, what makes a difference to their hour
_STATION_ROW = ("time", "value", "spread", "uncertainty", "count", "reason", "bits", "scale")
_TOWER_ROW = ("time", "value", "stated", "friction", "night", "reason", "bits", "share")


@dataclass(frozen=True)
class Source:
    """One feed of a case.

    Parameters
    ----------
    name
        Unique within the case: its kind, id and height.
    settings
        Its section.
    """

    name: str
    settings: StationSettings | SinkSettings | ColumnSettings | MobileSettings

    @property
    def patterns(self) -> list[str]:
        """Paths or glob patterns of its files under inputs.root."""
        return self.settings.files


def sources_of(settings: Settings) -> list[Source]:
    """Return the feeds of a case, in the order of the settings."""
    return [
        *(Source(f"stations/{one.id}/{one.height:g}", one) for one in settings.stations),
        *(Source(f"columns/{one.id}", one) for one in settings.columns),
        *(Source(f"mobile/{one.id}", one) for one in settings.mobile),
        *(Source(f"sinks/{one.id}", one) for one in settings.sinks),
    ]


class Contents:
    """Reads delivered files of a case for what they tell of each hour.

    Parameters
    ----------
    settings
        The case.
    root
        Folder of its station tables, thresholds and calibrations.
    cache
        Folder where the rows of stations' files are kept for the windows that read them.
    """

    def __init__(self, settings: Settings, root: Path, *, cache: Path | None = None) -> None:
        self.settings, self.gas = settings, SPECIES[settings.case.species]
        self.registry: pd.DataFrame = read_registry(settings, root)
        self.rules: Rules = read_rules(settings, root, self.registry)
        self.calibrations: Sequence[Calibration] = calibrations_of(settings, root)
        self._cache, self._kept = cache, KeptRows(cache, self.registry, self.rules)

    def hours(self, path: Path, name: str, source: Source) -> dict[int, str]:
        """Return what a file says of each hour.

        Parameters
        ----------
        path, name
            The file, and what messages call it.
        source
            The feed it is of.

        Returns
        -------
        Hours since 1970 (UTC) to a digest: of the hour's rows, for stations and towers, whose files grow; of the whole
        file, for other kinds. Rows without a time count for no hour.

        Raises
        ------
        InputError
            When the file cannot be used.
        """
        feed = source.settings
        if isinstance(feed, StationSettings):
            return self._of_station(path, name, feed)
        if isinstance(feed, SinkSettings):
            window = self.settings.case.observation_hours.bounds
            facts = facts_of(feed, self.gas, self.registry, window)
            return _by_hour(tower_rows(path, name, feed, facts, self.rules)[1], _TOWER_ROW)
        if isinstance(feed, ColumnSettings):
            found = read_column_file(path, feed, self.gas, self.settings.grid, cache=self._cache)
            return _whole(path, found.soundings.time)
        drive = read_drive([path], feed, self.gas, self.registry, self.rules, root=path.parent)
        return _whole(path, drive.samples["time"].to_numpy())

    def _of_station(self, path: Path, name: str, feed: StationSettings) -> dict[int, str]:
        mine = [one for one in self.calibrations if (one.station, one.species) == (feed.id, self.gas.name)]
        table = read_rows([path], [name], feed, self.gas, self.registry, self.rules, mine, None, self._kept).table
        return _by_hour(table, _STATION_ROW)


def _by_hour(table: pd.DataFrame, names: Sequence[str]) -> dict[int, str]:
    """Return for each hour of a table sorted by time a digest of some of its columns."""
    table = table[table["time"].notna()].sort_values("time", kind="stable")
    columns = [_bytes_of(table[key]) for key in names]
    hour = table["time"].to_numpy().astype("datetime64[h]").astype(np.int64)
    found = {}
    first = np.flatnonzero(np.diff(hour, prepend=np.int64(-(2**62))))
    for start, end in zip(first, [*first[1:], hour.size], strict=True):
        digest = hashlib.sha256()
        for column in columns:
            digest.update(column(int(start), int(end)))
        found[int(hour[start])] = digest.hexdigest()
    return found


def _bytes_of(column: pd.Series) -> Callable[[int, int], bytes]:
    """Return what gives the bytes of some rows of a column."""
    # anything but numbers: the array of a dtype of pandas holds addresses, which are others in every process
    if not isinstance(column.dtype, np.dtype) or column.dtype == object:
        texts = [str(text) for text in column]
        return lambda start, end: "\x1f".join(texts[start:end]).encode() + b"\0"
    values = column.to_numpy()
    return lambda start, end: np.ascontiguousarray(values[start:end]).tobytes()


def _whole(path: Path, time: np.ndarray) -> dict[int, str]:
    """Return the digest of a file for every hour it has rows of."""
    digest = content_digest(path)
    known = time[~np.isnat(time)].astype("datetime64[h]").astype(np.int64)
    return {int(hour): digest for hour in np.unique(known)}
