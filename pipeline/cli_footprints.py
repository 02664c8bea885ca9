"""What `tianyan footprints` does: the footprints of a case's receptors between two times, and their account."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import xarray as xr

from pipeline.case import domain_grid, station_weather, transport_folder
from pipeline.cli_times import parse_time, utc
from pipeline.errors import InputError
from pipeline.footprints import Made, make_footprints, told_of_ends
from pipeline.ingest import all_receptors, read_registry
from pipeline.settings import Settings, Window, input_root, read_settings, validated
from pipeline.show_footprint import choose, draw_footprint

#: failures that are printed one by one
_TOLD = 10
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Outcome:
    """What one call made.

    Parameters
    ----------
    made
        Of `pipeline.footprints`.
    receptors
        How many were asked for.
    notes
        Of reading the observations.
    folder
        Where footprints and prepared weather stand.
    window
        Receptors' times, [start, end).
    seconds
        Wall time of making, without reading the observations.
    """

    made: Made
    receptors: int
    notes: list[str]
    folder: Path
    window: tuple[np.datetime64, np.datetime64]
    seconds: float


def make(
    case: Path,
    start: str | None,
    end: str | None,
    *,
    data: Path | None,
    threads: int | None,
    scheduler: str | None,
    progress: Progress,
) -> Outcome:
    """Make the footprints of a case's receptors in [start, end) that are not there.

    Parameters
    ----------
    case
        The TOML file.
    start, end
        Whole hours, ISO with zone; those of the case's observation_hours when not given.
    data
        Folder of the inputs, when it is not the one the file names.
    threads
        Receptors traced at once; solver.threads of the case when not given.
    scheduler
        Address of a dask scheduler, or "local".

    Raises
    ------
    TianyanError
        Any of `pipeline.errors`; InputError when there is no receptor, or none that can have a footprint.
    """
    settings = _between(read_settings(case), start, end)
    folder = transport_folder(settings, case)
    root = input_root(settings, case) if data is None else data.resolve()
    grid = domain_grid(settings)
    progress("observations", 0, 0)
    around = station_weather(settings, grid, root, case)
    _, receptors, _, notes = all_receptors(settings, root, read_registry(settings, root), around)
    window = settings.case.observation_hours.bounds
    time = receptors["time"].values
    receptors = receptors.isel(obs=np.flatnonzero((time >= window[0]) & (time < window[1])))
    count = receptors.sizes["obs"]
    if count == 0:
        raise InputError(
            "there must be receptors",
            got=f"none in {window[0]} to {window[1]}",
            remedy="check --from and --to against the files of stations and columns",
            where=case.name,
        )
    workers = settings.solver.threads if threads is None else threads
    began = perf_counter()
    made = make_footprints(
        settings, grid, receptors, root, folder, threads=workers, scheduler=scheduler, progress=progress
    )
    outcome = Outcome(made, count, notes, folder, window, perf_counter() - began)
    if not made.paths:
        raise InputError(
            "at least one receptor must have a footprint",
            got="; ".join(made.failures[:3]),
            remedy="check that weather and grid cover the receptors",
            where="transport",
        )
    return outcome


def account(outcome: Outcome) -> list[str]:
    """Return what was made, kept and not made, in lines for people."""
    made = outcome.made
    start, end = (str(time.astype("datetime64[m]")).replace("T", " ") for time in outcome.window)
    rate = f"{made.computed / outcome.seconds:.3g} receptors per second" if made.computed else "nothing to make"
    lines = [
        f"footprints of {outcome.receptors} receptor(s), {start} to {end} UTC",
        f"made {made.computed}, already there {made.kept}, failed {len(made.failures)}; "
        f"weather times prepared {made.prepared}",
        *(f"- {sentence}" for sentence in made.failures[:_TOLD]),
    ]
    if len(made.failures) > _TOLD:
        lines.append(f"- and {len(made.failures) - _TOLD} more")
    return [
        *lines,
        *told_of_ends(_written(made)),
        *made.shortage,
        *(f"note: {note}" for note in outcome.notes),
        f"took {outcome.seconds:.1f} s, {rate}",
        f"footprints: {os.path.relpath(outcome.folder / 'footprints')} ({len(made.paths)} hour file(s))",
    ]


def draw(
    case: Path, *, station: str | None, time: str | None, picture: Path | None, age: bool
) -> tuple[Path, list[str]]:
    """Draw one footprint of a case and return the picture's path and what to tell.

    Parameters
    ----------
    case
        The TOML file.
    station, time
        As `pipeline.show_footprint.choose`; the time as it was typed.
    picture
        PNG to write; in the transport folder when not given.
    age
        Draw contours of the plume's age.

    Raises
    ------
    TianyanError
        Any of `pipeline.errors`; InputError when there is no such footprint.
    """
    settings = read_settings(case)
    folder, grid = transport_folder(settings, case), domain_grid(settings)
    at = None if time is None else utc(parse_time(time, "--time"))
    chosen = choose(folder, grid, station=station, time=at)
    name = str(chosen.row["station"].values[0])
    hour = str(chosen.row["time"].values[0].astype("datetime64[h]"))
    path = picture or folder / "pictures" / f"{name}_{hour.replace('-', '')}.png"
    instruments = {column.id for column in settings.columns}
    notes = draw_footprint(chosen.row, grid, path, column=name.split("-", maxsplit=1)[0] in instruments, age=age)
    if chosen.others:
        more = f" and {len(chosen.others) - _TOLD} more" if len(chosen.others) > _TOLD else ""
        notes.append(f"also at {hour}: {', '.join(chosen.others[:_TOLD])}{more}")
    return path, [f"footprint of {name} at {hour}", *notes]


def _between(settings: Settings, start: str | None, end: str | None) -> Settings:
    """Return the settings with other observation hours: receptors may lie outside the fluxes' hours."""
    given = settings.case.observation_hours
    hours = {
        "start": given.start if start is None else parse_time(start, "--from"),
        "end": given.end if end is None else parse_time(end, "--to"),
    }
    window = validated(Window, hours, where="--from, --to")
    return settings.model_copy(update={"case": settings.case.model_copy(update={"observation_hours": window})})


def _written(made: Made) -> Iterator[xr.Dataset]:
    """Give the hour files one by one."""
    for path in made.paths:
        with xr.open_dataset(path, engine="netcdf4") as dataset:
            yield dataset
