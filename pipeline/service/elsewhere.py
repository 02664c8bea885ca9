"""What an hour is made from besides deliveries: weather, inventories, backgrounds, tables, all chosen by the operator.

They are read where they are. What files hold is kept by their stamps, so that a year of weather is not opened every
hour.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.errors import InputError
from pipeline.ingest import file_times, series_hours
from pipeline.ingest.files import whole
from pipeline.provenance import file_digest
from pipeline.service.names import is_utf8
from pipeline.service.passing import passes
from pipeline.settings import Settings


class Elsewhere:
    """The inputs of a case that are no deliveries.

    Parameters
    ----------
    database
        Of `open_database`.
    settings, root
        The case, and its folder of inputs.
    """

    def __init__(self, database: sqlite3.Connection, settings: Settings, root: Path) -> None:
        self._db, self._settings, self._root = database, settings, root
        self._weather: list[tuple[Path, str, int | None, int | None, str]] = []
        self._bounds = np.zeros((2, 0), np.int64)
        self._series: dict[int, str] = {}

    def weather(self, start: int, end: int) -> list[tuple[Path, str]]:
        """Return the weather files that hold a time of hours [start, end] since 1970, or any time, and their stamps."""
        inside = np.flatnonzero((self._bounds[0] <= end) & (self._bounds[1] >= start))
        return [self._weather[at][:2] for at in inside]

    def unreadable(self) -> list[str]:
        """Return a sentence for each weather file that cannot be used."""
        return [error for *_, error in self._weather if error]

    def newest(self) -> int | None:
        """Return the newest hour, since 1970, that any weather file holds."""
        return max((last for *_, last, error in self._weather if last is not None and not error), default=None)

    def static(self) -> list[tuple[Path, str]]:
        """Return every other file and the digest of its content; of a background's series the path alone counts."""
        known = {path: rest for path, *rest in self._db.execute("SELECT * FROM static")}
        found = []
        series = self._settings.background.file if self._settings.background.kind == "series" else None
        for path in self._static_files():
            if series is not None and path == self._root / series:
                found.append((path, "series"))
                continue
            name, stamp = path.relative_to(self._root).as_posix(), _stamp(path)
            held = known.get(name)
            if held is None or held[0] != stamp:
                _require_written(name)
                held = [stamp, file_digest(path)]
                self._db.execute("INSERT OR REPLACE INTO static VALUES (?, ?, ?)", (name, *held))
            found.append((path, held[1]))
        return found

    def series(self, start: int, end: int) -> list[list[object]]:
        """Return what a background series says of each hour [start, end) since 1970; nothing for other kinds."""
        return [[hour, said] for hour, said in sorted(self._series.items()) if start <= hour < end]

    def look(self) -> None:
        """See which weather there is, and what the background's series says."""
        self._weather = list(self._weather_files())
        never, always = (2**62, -(2**62)), (-(2**62), 2**62)
        spans = [
            never if error else always if first is None or last is None else (first, last)
            for *_, first, last, error in self._weather
        ]
        self._bounds = np.array(spans, dtype=np.int64).reshape(-1, 2).T
        self._series = {}
        chosen = self._settings.background
        if chosen.table is None:
            return
        for path in whole(self._root, [chosen.file]):
            try:
                self._series = series_hours(path, chosen.table)
            except InputError as error:
                # whoever reads it says so; when it is mended every hour is looked at again
                self._series = dict.fromkeys(self._series, str(error))

    def _weather_files(self) -> Iterator[tuple[Path, str, int | None, int | None, str]]:
        if self._settings.transport is None:
            return
        known = {path: rest for path, *rest in self._db.execute("SELECT * FROM weather")}
        meteorology = self._settings.transport.meteorology
        forecast = [] if meteorology.forecast is None else meteorology.forecast.files
        for path in whole(self._root, [*meteorology.files, *forecast]):
            name, stamp = path.relative_to(self._root).as_posix(), _stamp(path)
            held = known.get(name)
            if held is None or held[0] != stamp:
                first = last = None
                try:
                    _require_written(name)
                    times = np.array(file_times(meteorology, path), dtype="datetime64[h]").astype(np.int64)
                    if times.size:
                        first, last = int(times.min()), int(times.max())
                    error, lasts = "", True
                except (InputError, OSError) as fault:
                    error, lasts = str(fault), not passes(fault)
                held = [stamp, first, last, error]
                if lasts and is_utf8(name):
                    self._db.execute("INSERT OR REPLACE INTO weather VALUES (?, ?, ?, ?, ?)", (name, *held))
            yield path, *held

    def _static_files(self) -> list[Path]:
        settings = self._settings
        patterns = [
            *settings.inputs.station_tables,
            *settings.inputs.quality_rules,
            *settings.inputs.calibrations,
            *settings.inputs.calibration_logs,
            *(pattern for source in settings.footprints for pattern in source.files),
            *(source.file for sector in settings.sectors for source in sector.sources),
            *(sector.mask.file for sector in settings.sectors if sector.mask is not None),
            settings.background.file,
            *([settings.regions.file] if settings.regions.file else []),
        ]
        return whole(self._root, patterns)


def digest_of(parts: object) -> str:
    """Return the SHA-256 of what JSON makes of some lists and texts."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _require_written(name: str) -> None:
    if not is_utf8(name):
        raise InputError("a file's name must be UTF-8", got=name, remedy="rename it", where="inputs")


def _stamp(path: Path) -> str:
    """Return size and time of change: what a copy of a file keeps."""
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns}"
