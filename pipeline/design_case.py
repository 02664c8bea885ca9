"""The problem of a network that is only planned: case, footprints, operator and errors, and the memory it takes."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import scipy.sparse
import xarray as xr

from pipeline.case import Progress, domain_grid, transport_folder
from pipeline.errors import ConfigError
from pipeline.footprints import made_footprints, make_footprints
from pipeline.grid import Grid, Regions, make_regions
from pipeline.ingest import read_fluxes
from pipeline.ingest.receptors import station_receptors
from pipeline.inversion import Assembled, Rows, assemble, region_weights, rows_of
from pipeline.inversion.memory import plan, window_of
from pipeline.schema import HOUR, label
from pipeline.settings import Settings, Window, input_root, read_settings, validated
from pipeline.transport import hour_path
from pipeline.units import species

_DOUBLE, _GIB = 8, 2**30


@dataclass(frozen=True, eq=False)
class Place:
    """A case, its regions and its network, before candidates are known.

    Parameters
    ----------
    settings
        With the hours that are asked for.
    path, root
        The case file, and the folder of its inputs.
    grid, regions
        Of the case; the regions those that are told of.
    scored
        (region,) bool: those whose sigmas are the score.
    """

    settings: Settings
    path: Path
    root: Path
    grid: Grid
    regions: Regions
    scored: np.ndarray


def place_of(
    path: Path,
    *,
    root: Path | None = None,
    level: str = "city",
    start: datetime | None = None,
    end: datetime | None = None,
) -> Place:
    """Return a case as a design looks at it.

    Parameters
    ----------
    path
        The TOML file.
    root
        Folder of the inputs, when it is not the one the file names.
    level
        Regions whose sigmas are the score; the province is told as well where the case has it.
    start, end
        Whole hours; the case's observation_hours when not given. Flux hours begin as long before as the case's do.

    Raises
    ------
    TianyanError
        Any of `pipeline.errors`; ConfigError when the case has no region of the level, or no section [transport].
    """
    settings = read_settings(path)
    transport_folder(settings, path)
    given, flux = settings.case.observation_hours, settings.case.flux_hours
    asked = {"start": given.start if start is None else start, "end": given.end if end is None else end}
    hours = validated(Window, asked, where="--from, --to")
    around = {"start": hours.start - (given.start - flux.start), "end": hours.end}
    changed = {"observation_hours": hours, "flux_hours": validated(Window, around, where="--from, --to")}
    settings = settings.model_copy(update={"case": settings.case.model_copy(update=changed)})
    root = input_root(settings, path) if root is None else root.resolve()
    grid = domain_grid(settings)
    regions = make_regions(settings.regions, grid, root)
    if level not in regions.levels:
        raise ConfigError(
            "the case must have regions of the level whose sigmas are the score",
            got=level,
            remedy=f"use --regions with one of {', '.join(dict.fromkeys(regions.levels)) or 'none'}, or add them to "
            "the section regions",
            where=path.name,
        )
    told = [i for i, name in enumerate(regions.levels) if name in (level, "province")]
    regions = _taken(regions, told)
    return Place(settings, path, root, grid, regions, np.array(regions.levels) == level)


def require_design_memory(
    settings: Settings, grid: Grid, observations: int, sites: int, *, available: int | None = None
) -> int:
    """Return about how many bytes a design takes at its peak.

    Parameters
    ----------
    settings, grid
        Of the case.
    observations
        Of network and candidates.
    sites
        Candidates.
    available
        Bytes; `solver.memory_limit`, or this machine's memory, when not given.

    Raises
    ------
    ConfigError
        When there is less.
    """
    if available is None:
        limit = settings.solver.memory_limit
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        available = machine if limit is None else int(limit * _GIB)
    window = window_of(settings, grid.size, 0, observations=observations)
    # no member is drawn; two matrices more than K and its factor: the candidates' share of it, before and after
    parts = plan(replace(window, members=0, batch=0, chain=False))
    needed = sum(parts.values()) + 2 * _DOUBLE * observations**2
    if needed > available:
        raise ConfigError(
            "the design must fit in memory",
            got=f"{window.hours} hours x {window.cells} cells x {window.sectors} sectors, {observations} observations "
            f"of network and {sites} candidates: about {needed / 1e9:.1f} GB of {available / 1e9:.1f} GB",
            remedy="give fewer candidates, fewer hours (--from, --to), or raise solver.memory_limit",
            where="design",
        )
    return needed


def planned_problem(
    place: Place, settings: Settings, observed: xr.Dataset, store: Path | None, progress: Progress
) -> tuple[Assembled, list[str]]:
    """Return the problem of planned observations, and notes."""
    receptors = station_receptors(observed)
    folder = _folder(place, store, np.unique(receptors["time"].values.astype("datetime64[h]")))
    made = make_footprints(
        settings, place.grid, receptors, place.root, folder, threads=settings.solver.threads, progress=progress
    )
    footprints, notes = made_footprints(made, place.grid, settings.case.flux_hours.bounds)
    progress("prior fluxes", 0, 0)
    fluxes, flux_notes = read_fluxes(settings, place.grid, place.root)
    size = footprints.sizes["obs"]
    columns = {"time": footprints["time"].values, "station": footprints["station"].values}
    # how much air brings from outside is of no concern, how uncertain that is stands in the settings
    bare = xr.Dataset(
        {n: ("obs", v) for n, v in (columns | {"background": np.zeros(size), "exit_share": np.ones(size)}).items()},
        attrs={"species": settings.case.species},
    )
    progress("problem", 0, 0)
    assembled = assemble(settings, place.grid, observed, footprints, label(bare, "background"), fluxes)
    return assembled, [*notes, *flux_notes]


def _folder(place: Place, store: Path | None, hours: np.ndarray) -> Path:
    """Return the folder of a design's footprints, with the case's own weather, and begun with its own footprints.

    They stand apart because an hour's file holds what was asked for last: a run of the case would drop the candidates'.
    """
    case = transport_folder(place.settings, place.path)
    folder = (case / "design" if store is None else store).resolve()
    weather = case / "weather"
    weather.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "weather").exists():
        (folder / "weather").symlink_to(weather)
    for hour in hours:
        there, here = (hour_path(base / "footprints", hour) for base in (case, folder))
        if there.exists() and not here.exists():
            here.parent.mkdir(parents=True, exist_ok=True)
            try:
                # hours' files are replaced, never changed
                os.link(there, here)
            except OSError:
                with contextlib.suppress(FileNotFoundError):
                    shutil.copy2(there, here)
    return folder


def period_functionals(place: Place) -> Rows:
    """Return the regions' totals over the hours that are asked for, as rows over (hour, cell)."""
    start, end = place.settings.case.observation_hours.bounds
    first, last = place.settings.case.flux_hours.bounds
    time = np.arange(first, last, HOUR)
    mask = ((time >= start) & (time < end)).astype(float)
    weights = region_weights(place.regions, species(place.settings.case.species))
    dtype = np.float32 if place.settings.solver.precision == "single" else np.float64
    return rows_of(
        scipy.sparse.csr_array(scipy.sparse.kron(mask[None], weights, format="csr")).astype(dtype), time.size
    )


def _taken(regions: Regions, kept: list[int]) -> Regions:
    """Return some of the regions."""
    ids, names, english, levels = (
        tuple(texts[i] for i in kept) for texts in (regions.ids, regions.names, regions.names_en, regions.levels)
    )
    shares = scipy.sparse.csr_array(regions.fractions[kept])
    outside, areas = regions.outside_share[kept], regions.areas[kept]
    return Regions(regions.grid, ids, names, english, levels, shares, areas, outside, regions.repaired)
