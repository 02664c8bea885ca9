"""The footprints of a case: which are needed, which are there, and the making of the rest, hour by hour.

A footprint is known by its content: receptor, weather, settings. What is there is not made again, so a run that was
stopped goes on where it was, and a run over the same hours does nothing. Every hour is written as soon as it is made.

Memory does not grow with the period. It is that of the weather that one hour's receptors read, in every process that
traces: 4 (5 levels + 8) bytes per weather cell and time, for `hours` + 2 hours of times and two more; and 8 bytes per
flux cell and hour back for every receptor traced at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
import xarray as xr

from kernels.jit import set_threads
from pipeline.errors import ConfigError, InputError, StoreError
from pipeline.footprints_tracing import Job, Threads, Workers
from pipeline.footprints_weather import CaseWeather
from pipeline.grid import Grid
from pipeline.settings import Settings
from pipeline.transport import (
    Footprint,
    Receptor,
    footprints_dataset,
    hour_path,
    join,
    read_hour,
    receptors_of,
    row_key,
    settings_digest,
    slots_for,
    sweep,
    take,
    write_hour,
    writing,
)
from pipeline.units import SECONDS_PER_HOUR

#: footprints that other processes wrote over are made again so often
_TRIES = 5

#: called with (stage, done, of)
Progress = Callable[[str, int, int], None]


@dataclass
class Made:
    """What `make_footprints` did.

    Parameters
    ----------
    paths, keys
        The hour files that hold footprints of the receptors asked for, by time, and of each the keys of their rows.
    again
        Does the same again: another process may have written other receptors' rows since.
    computed, kept
        Footprints made now, and found there.
    failures
        One sentence per receptor that could not have a footprint.
    prepared
        Weather times decoded now.
    weather
        One sentence per weather time that could not be used.
    short
        Receptors with less weather behind them than their particles may travel.
    """

    paths: list[Path] = field(default_factory=list)
    keys: list[list[str]] = field(default_factory=list)
    again: Callable[[], Made] | None = None
    computed: int = 0
    kept: int = 0
    failures: list[str] = field(default_factory=list)
    prepared: int = 0
    weather: list[str] = field(default_factory=list)
    short: int = 0

    @property
    def shortage(self) -> list[str]:
        """What a reader should know of weather that was missing, in sentences."""
        short = [f"{self.short} receptor(s) have less weather behind them than particles may travel"]
        return [*(short if self.short else []), *self.weather]


def make_footprints(
    settings: Settings,
    grid: Grid,
    receptors: xr.Dataset,
    root: Path,
    folder: Path,
    *,
    threads: int = 0,
    scheduler: str | None = None,
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
        Dataset "receptors" of `pipeline.schema`, in any order.
    root
        Folder of the input paths.
    folder
        Where footprints and prepared weather stand. An hour's file holds the receptors asked for last.
    threads
        Receptors traced at once; 0 means one per core.
    scheduler
        Who traces: None for threads of this process, "local" for as many processes of one thread, otherwise the
        address of a dask.distributed scheduler, whose workers must see `folder` under the same path. The result is the
        same, to the bit.

    Raises
    ------
    ConfigError
        For a case without [transport], weather that does not fit in memory, or a scheduler that cannot be used.
    TianyanError
        One of its kinds, when the weather's files cannot be indexed. A weather time that cannot be read is like one
        that is missing, and a receptor that cannot be traced is counted: neither stops the others.
    """
    if settings.transport is None:
        raise ConfigError("the case must have a section [transport]", remedy="see `tianyan config explain`")
    sweep(folder)
    weather = CaseWeather(settings.transport, grid, root, folder / "weather")
    rows = sorted(receptors_of(receptors), key=lambda r: (r.time, r.station, r.height, r.digest))
    longest = max((row.duration for row in rows), default=0.0)
    # receptors of one hour begin within it
    slots = slots_for((settings.transport.hours + 1) * SECONDS_PER_HOUR + longest, weather.step)
    count = set_threads(threads)
    with contextlib.ExitStack() as stack:
        trace: Threads | Workers
        if scheduler is None:
            trace = Threads(weather, slots, stack.enter_context(ThreadPoolExecutor(count)))
        else:
            trace = Workers(weather, slots, scheduler, count, stack)
        run = _Run(weather, trace, grid, settings.case.species, folder / "footprints")
        done = 0
        for hour, group in groupby(rows, key=lambda r: r.time.astype("datetime64[h]")):
            progress("footprints", done, len(rows))
            asked = list(group)
            path = hour_path(run.folder, hour)
            if keys := _hour(run, asked, path):
                run.made.paths.append(path)
                run.made.keys.append(keys)
            weather.prune(hour.astype("datetime64[ns]"))
            done += len(asked)
        progress("footprints", done, len(rows))
    run.made.prepared, run.made.weather = weather.prepared, list(weather.told())
    run.made.again = partial(
        make_footprints,
        settings,
        grid,
        receptors,
        root,
        folder,
        threads=threads,
        scheduler=scheduler,
        progress=progress,
    )
    return run.made


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
    StoreError
        When other processes keep writing other rows over them.
    """
    for _ in range(_TRIES):
        parts = [_rows(path, keys, grid) for path, keys in zip(made.paths, made.keys, strict=True)]
        if all(part is not None for part in parts) or made.again is None:
            break
        made = made.again()
    else:
        raise StoreError(
            "footprints must be readable after they were made",
            got=f"others in their place, {_TRIES} times",
            remedy="let no other run use the folder meanwhile, and check the disk",
            where="transport.folder",
        )
    found = [part for part in parts if part is not None]
    if not found:
        raise InputError(
            "at least one receptor must have a footprint",
            got="; ".join([*made.failures[:3], *made.weather[:3]]) or "no receptors",
            remedy="check that weather and grid cover the observations, and that some are selected (hours of the day)",
            where="transport",
        )
    footprints = join(found)
    notes = [f"footprints: {sentence}" for sentence in _told(made, footprints)]
    hour = footprints["hour"].values
    inside = (hour >= window[0]) & (hour < window[1])
    if inside.all():
        return footprints, notes
    value = footprints["footprint"].values.astype(np.float64)
    share = value[~inside].sum() / value.sum()
    notes.append(f"footprints: {share:.2%} of them lies outside flux_hours and was left out")
    # entries kept before each one, and after the last
    before = np.concatenate([[0], np.cumsum(inside)]).astype(np.int64)
    indptr = footprints["indptr"]
    footprints = footprints.drop_dims("row_edge").isel(entry=np.flatnonzero(inside))
    footprints["indptr"] = ("row_edge", before[indptr.values], indptr.attrs)
    return footprints, notes


def _rows(path: Path, keys: list[str], grid: Grid) -> xr.Dataset | None:
    """Return some rows of an hour's file; None when any is not there."""
    there = read_hour(path, grid)
    found = _keys_of(there)
    if there is None or found == keys:
        return there
    row = {key: at for at, key in enumerate(found)}
    return take(there, np.array([row[key] for key in keys])) if all(key in row for key in keys) else None


def _told(made: Made, footprints: xr.Dataset) -> Iterator[str]:
    """Give what a reader should know of the particles' ends and of what is missing."""
    yield from told_of_ends([footprints])
    if made.failures:
        yield f"{len(made.failures)} receptor(s) have none: " + "; ".join(made.failures[:3])
    yield from made.shortage


def told_of_ends(parts: Iterable[xr.Dataset]) -> list[str]:
    """Return why particles ended and what was left out, in sentences.

    Parameters
    ----------
    parts
        Datasets "footprints" with `end_reason`; each is read when its turn comes, for all may not fit in memory.
    """
    counts: dict[str, int] = {}
    truncated = 0.0
    for part in parts:
        codes = np.bincount(part["end_reason"].values.ravel())
        names = str(part["end_reason"].attrs["flag_meanings"]).split()
        for name, count in zip(names, codes, strict=False):
            counts[name] = counts.get(name, 0) + int(count)
        truncated = max(truncated, float(part["truncated_share"].max()))
    total = sum(counts.values())
    shares = ", ".join(f"{n / total:.1%} {name.replace('_', ' ')}" for name, n in counts.items() if n)
    return [f"particles ended: {shares}", f"at most {truncated:.2g} of a footprint was left out to keep it sparse"]


@dataclass
class _Run:
    """What every hour of a run shares."""

    weather: CaseWeather
    trace: Callable[[Sequence[Job]], list[Footprint] | None]
    grid: Grid
    species: str
    folder: Path
    made: Made = field(default_factory=Made)

    def __post_init__(self) -> None:
        self.digest = settings_digest(self.weather.settings, self.grid)

    @property
    def is_shared(self) -> bool:
        """Whether other processes make footprints of the same hours."""
        return self.weather.settings.oldest is not None

    def is_enough(self, there: xr.Dataset | None, keys: Sequence[str]) -> bool:
        """Return whether a file has just the rows asked for; where others ask for theirs, whether it has these."""
        found = _keys_of(there)
        return set(keys) <= set(found) if self.is_shared else found == keys

    def asked(self, group: Sequence[Receptor], path: Path) -> tuple[list[Job], list[str], list[str], xr.Dataset | None]:
        """Return what `able` does, and what of an hour is there."""
        there = read_hour(path, self.grid)
        if there is not None and there.attrs["species"] != self.species:
            there = None
        return *self.able(group), there

    def able(self, group: Sequence[Receptor]) -> tuple[list[Job], list[str], list[str]]:
        """Return the receptors that can have a footprint, the keys of these, and why the others cannot."""
        jobs, keys, failures = [], [], []
        for receptor in group:
            why, times = self.weather.times_of(receptor)
            if why:
                failures.append(f"{receptor.station} at {receptor.time.astype('datetime64[s]')}: {why}")
                continue
            jobs.append((receptor, times))
            keys.append(row_key(receptor, self.digest, [self.weather.digest(time) for time in times]))
        return jobs, keys, failures


def _hour(run: _Run, group: Sequence[Receptor], path: Path) -> list[str]:
    """Bring one hour's file up to date; return the keys of the receptors that have a footprint in it."""
    jobs, keys, failures, there = run.asked(group, path)
    if not run.is_enough(there, keys):
        with writing(run.folder, group[0].time):
            # another process may have made it meanwhile
            jobs, keys, failures, there = run.asked(group, path)
            if keys and not run.is_enough(there, keys):
                jobs, keys, failures = _update(run, group, path, there)
    run.made.kept += sum(key in set(_keys_of(there)) for key in keys)
    run.made.failures += failures
    run.made.short += sum(run.weather.is_short(*job) for job in jobs)
    return keys


def _keys_of(there: xr.Dataset | None) -> list[str]:
    return [] if there is None else [str(key) for key in there["key"].values]


def _update(
    run: _Run, group: Sequence[Receptor], path: Path, there: xr.Dataset | None
) -> tuple[list[Job], list[str], list[str]]:
    """Trace what an hour's file lacks and write it; return what `_Run.able` does, of the weather that was used."""
    row = {key: at for at, key in enumerate(_keys_of(there))}
    traced: list[Footprint] | None = None
    # weather that had to be made again, and came out otherwise, changes the keys of what reads it
    while traced is None:
        jobs, keys, failures = run.able(group)
        wanted = [at for at, key in enumerate(keys) if key not in row]
        traced = run.trace([jobs[at] for at in wanted]) if wanted else []
    run.made.computed += len(wanted)
    # rows that others ask for at the same time stay
    others = [key for key in row if key not in keys] if run.is_shared else []
    kept = [row[key] for key in [*keys, *others] if key in row]
    parts = [take(there, np.array(kept))] if there is not None and kept else []
    if wanted:
        parts.append(footprints_dataset(traced, run.grid, run.species))
        parts[-1]["key"] = ("obs", np.array([keys[at] for at in wanted]))
    if parts:
        dataset = join(parts)
        order = {str(key): at for at, key in enumerate(dataset["key"].values)}
        write_hour(path, take(dataset, np.array([order[key] for key in [*keys, *others]])))
    return jobs, keys, failures
