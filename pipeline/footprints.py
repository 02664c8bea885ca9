"""The footprints of a case: which are needed, which are there, and the making of the rest, hour by hour.

A footprint is known by its content: receptor, weather, settings. What is there is not made again, so a run that was
stopped goes on where it was, and a run over the same hours does nothing. Every hour is written as soon as it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
import xarray as xr

from kernels.jit import set_threads
from pipeline.errors import ConfigError, InputError
from pipeline.grid import Grid
from pipeline.ingest import read_meteorology, source_keys
from pipeline.schema import HOUR
from pipeline.settings import Settings, TransportSettings
from pipeline.transport import (
    Footprint,
    Receptor,
    WeatherStore,
    WeatherWindow,
    footprints_dataset,
    hour_path,
    join,
    prepare,
    read_hour,
    receptors_of,
    row_key,
    seconds,
    settings_digest,
    take,
    trace_receptor,
    write_hour,
)
from pipeline.units import SECONDS_PER_HOUR

#: called with (stage, done, of)
Progress = Callable[[str, int, int], None]
#: prepared weather is kept this long behind the newest hour asked for, besides the travel time
_KEPT = np.timedelta64(48, "h")


@dataclass
class Made:
    """What `make_footprints` did.

    Parameters
    ----------
    paths
        The hour files that hold footprints of the receptors asked for, by time.
    computed, kept
        Footprints made now, and found there.
    failures
        One sentence per receptor that could not have a footprint.
    prepared
        Weather times decoded now.
    """

    paths: list[Path] = field(default_factory=list)
    computed: int = 0
    kept: int = 0
    failures: list[str] = field(default_factory=list)
    prepared: int = 0


def make_footprints(
    settings: Settings,
    grid: Grid,
    receptors: xr.Dataset,
    root: Path,
    folder: Path,
    *,
    threads: int = 0,
    progress: Progress,
) -> Made:
    """Make every footprint that is needed and not there.

    Parameters
    ----------
    settings
        The case; it has a section [transport].
    grid
        The flux grid.
    receptors
        Dataset "receptors" of `pipeline.schema`.
    root
        Folder of the input paths.
    folder
        Where footprints and prepared weather stand.
    threads
        Receptors traced at once; 0 means one per core.

    Raises
    ------
    TianyanError
        One of its kinds, when the weather cannot be used. A receptor that cannot be traced is counted, not raised.
    """
    transport = settings.transport
    assert transport is not None
    weather = _Weather(transport, grid, root, folder / "weather")
    digest = settings_digest(transport, grid)
    rows = receptors_of(receptors)
    made = Made()
    hours = [(hour, list(group)) for hour, group in groupby(rows, key=lambda r: r.time.astype("datetime64[h]"))]
    with ThreadPoolExecutor(set_threads(threads)) as pool:
        done = 0
        for hour, group in hours:
            progress("footprints", done, len(rows))
            path = hour_path(folder / "footprints", hour)
            dataset = _hour(group, path, weather, digest, transport, grid, settings.case.species, pool, made)
            if dataset is not None:
                made.paths.append(path)
            weather.prune(hour.astype("datetime64[ns]"))
            done += len(group)
    made.prepared = weather.prepared
    return made


def made_footprints(
    made: Made, grid: Grid, window: tuple[np.datetime64, np.datetime64]
) -> tuple[xr.Dataset, list[str]]:
    """Return the footprints that were made, without their entries outside the flux hours, and notes.

    Parameters
    ----------
    made
        Of `make_footprints`.
    grid
        The flux grid.
    window
        Flux hours [start, end).

    Raises
    ------
    InputError
        When there is none.
    """
    parts = [part for part in (read_hour(path, grid) for path in made.paths) if part is not None]
    if not parts:
        raise InputError(
            "at least one receptor must have a footprint",
            got="; ".join(made.failures[:3]) or "no receptors",
            remedy="check that weather and grid cover the observations",
            where="transport",
        )
    footprints = join(parts)
    value, hour = footprints["footprint"].values, footprints["hour"].values
    outside = (hour < window[0]) | (hour >= window[1])
    notes = [f"footprints: {sentence}" for sentence in _told(made, footprints)]
    if outside.any():
        share = float(value[outside].sum() / value.sum())
        notes.append(f"footprints: {share:.2%} of them lies outside flux_hours and was left out")
        count = np.add.reduceat(np.append(~outside, False), footprints["indptr"].values[:-1])
        count[np.diff(footprints["indptr"].values) == 0] = 0
        footprints = footprints.drop_dims("row_edge").isel(entry=np.flatnonzero(~outside)).assign(
            indptr=("row_edge", np.concatenate([[0], np.cumsum(count)]).astype(np.int64), footprints["indptr"].attrs)
        )  # fmt: skip
    return footprints, notes


def _told(made: Made, footprints: xr.Dataset) -> Iterator[str]:
    """Give what a reader should know of the particles' ends and of what is missing."""
    reason = footprints["end_reason"].values
    names = str(footprints["end_reason"].attrs["flag_meanings"]).split()
    shares = [(name.replace("_", " "), float(np.mean(reason == code))) for code, name in enumerate(names)]
    yield "particles ended: " + ", ".join(f"{share:.1%} {name}" for name, share in shares if share)
    truncated = footprints["truncated_share"].values
    yield f"at most {truncated.max():.2g} of a footprint was left out to keep it sparse"
    if made.failures:
        yield f"{len(made.failures)} receptor(s) have none: " + "; ".join(made.failures[:3])


def _hour(
    group: Sequence[Receptor],
    path: Path,
    weather: _Weather,
    digest: bytes,
    settings: TransportSettings,
    grid: Grid,
    species: str,
    pool: ThreadPoolExecutor,
    made: Made,
) -> xr.Dataset | None:
    """Bring one hour's file up to date and return its footprints; None when no receptor can have one."""
    able, keys = [], []
    for receptor in group:
        why, times = weather.times_of(receptor)
        if why:
            made.failures.append(f"{receptor.station} at {receptor.time.astype('datetime64[s]')}: {why}")
            continue
        able.append((receptor, times))
        keys.append(row_key(receptor, digest, [weather.digest(time) for time in times]))
    if not able:
        return None
    there = read_hour(path, grid)
    held = {} if there is None else {str(key): row for row, key in enumerate(there["key"].values)}
    wanted = [place for place, key in enumerate(keys) if key not in held]
    made.kept += len(keys) - len(wanted)
    if there is not None and not wanted and len(held) == len(keys):
        return there
    parts = []
    kept = [held[key] for key in keys if key in held]
    if there is not None and kept:
        parts.append(take(there, np.array(kept)))
    if wanted:
        traced = _trace([able[place] for place in wanted], weather, settings, pool)
        dataset = footprints_dataset(traced, grid, species)
        dataset["key"] = ("obs", np.array([keys[place] for place in wanted]))
        parts.append(dataset)
        made.computed += len(wanted)
    dataset = join(parts)
    order = {key: row for row, key in enumerate(map(str, dataset["key"].values))}
    dataset = take(dataset, np.array([order[key] for key in keys]))
    write_hour(path, dataset)
    return dataset


def _trace(
    jobs: Sequence[tuple[Receptor, Sequence[np.datetime64]]],
    weather: _Weather,
    settings: TransportSettings,
    pool: ThreadPoolExecutor,
) -> list[Footprint]:
    """Return the footprints of receptors, in their order."""
    for time in sorted({time for _, times in jobs for time in times}):
        weather.load(time)
    bounds = [weather.bounds(times) for _, times in jobs]
    window = weather.window
    return list(pool.map(lambda job, at: trace_receptor(job[0], window, at, settings), jobs, bounds))


class _Weather:
    """The weather of a run: its times, its store on disk and its window in memory."""

    def __init__(self, settings: TransportSettings, grid: Grid, root: Path, folder: Path) -> None:
        self.settings, self.root = settings, root
        self.sources = source_keys(settings.meteorology, root)
        self.times = np.array(list(self.sources), dtype="datetime64[ns]")
        if self.times.size < 2:
            raise ConfigError(
                "the weather must hold two times",
                got=self.times.size,
                remedy="give more files",
                where="transport.meteorology",
            )
        self.step = float(np.diff(self.times).min() / np.timedelta64(1, "s"))
        self.store = WeatherStore(folder, settings.top)
        self.prepared = 0
        self._digests: dict[np.datetime64, str] = {}
        first = self._read(self.times[0])
        self.weather_grid = Grid.from_dataset(first)
        # a receptor's hours, its own hour, and the times at both ends
        slots = int((settings.hours + 2) * SECONDS_PER_HOUR // self.step) + 3
        self.window = WeatherWindow(self.weather_grid, grid, settings.top, self.step, slots)
        self.grid = grid

    def times_of(self, receptor: Receptor) -> tuple[str, list[np.datetime64]]:
        """Return why a receptor cannot have a footprint, or "" and the unbroken weather times it reads."""
        if not 0.0 <= receptor.height <= self.settings.top:
            return f"its height, {receptor.height:g} m, is not between the ground and the lid", []
        for name, grid in (("flux grid", self.grid), ("weather", self.weather_grid)):
            if grid.locate(receptor.lon, receptor.lat)[0] < 0:
                return f"it lies outside the {name}, at {receptor.lon:.3f} E {receptor.lat:.3f} N", []
        step = np.timedelta64(int(self.step), "s")
        start = float(seconds(receptor.time))
        last = int(np.ceil((start + receptor.duration) / self.step))
        first = int(np.floor((start - self.settings.hours * SECONDS_PER_HOUR) / self.step))
        epoch = np.datetime64(0, "ns")
        times: list[np.datetime64] = []
        for index in range(last, first - 1, -1):
            time = epoch + index * step
            if time not in self.sources:
                break
            times.append(time)
        if len(times) < 2:
            missing = (epoch + (last - len(times)) * step).astype("datetime64[m]")
            return f"there is no weather at {missing}", []
        return "", times[::-1]

    def digest(self, time: np.datetime64) -> str:
        """Return the digest of a time's numbers, preparing it when it never was."""
        if time not in self._digests:
            found = self.store.digest(time, self.sources[time])
            self._digests[time] = found if found is not None else self._prepare(time)
        return self._digests[time]

    def load(self, time: np.datetime64) -> None:
        """Bring a time into the window."""
        index = self.window.index(time)
        if self.window.holds(index):
            return
        found = self.store.get(time, self.sources[time])
        if found is None:
            self._digests[time] = self._prepare(time)
            found = self.store.get(time, self.sources[time])
        if found is None:
            raise InputError(
                "prepared weather must be readable after it was written",
                got=str(time),
                remedy="check the disk",
                where=str(self.store.folder),
            )
        self.window.put(index, found)

    def bounds(self, times: Sequence[np.datetime64]) -> np.ndarray:
        """Return the bounds of times that are in the window."""
        return np.array([self.window.index(times[0]), self.window.index(times[-1]), self.window.slots], dtype=np.int64)

    def prune(self, hour: np.datetime64) -> None:
        """Drop prepared weather that no receptor from this hour on will read soon."""
        self.store.prune(hour - self.settings.hours * HOUR - _KEPT)

    def _prepare(self, time: np.datetime64) -> str:
        dataset = self._read(time)
        if Grid.from_dataset(dataset) != self.weather_grid:
            raise InputError(
                "all weather must be on one grid",
                got=f"another at {time.astype('datetime64[m]')}",
                remedy="leave out the files of the other grid",
                where="transport.meteorology",
            )
        self.prepared += 1
        return self.store.put(time, self.sources[time], prepare(dataset, self.weather_grid, self.settings.top)[0])

    def _read(self, time: np.datetime64) -> xr.Dataset:
        return read_meteorology(self.settings.meteorology, self.root, time, time)
