"""The inversion of a window for the few of its hours that are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from pipeline.case import AssembledCase, Progress, inverted, quiet, region_notes, solved
from pipeline.errors import shown
from pipeline.grid import Grid, Regions
from pipeline.inversion import constraint_notes, functionals_of_hours, posterior_of_hours, require_memory
from pipeline.settings import Settings
from pipeline.units import species


def solve_hours(
    settings: Settings,
    grid: Grid,
    regions: Regions,
    given: AssembledCase,
    hours: np.ndarray,
    *,
    cache: Path,
    progress: Progress = quiet,
) -> xr.Dataset:
    """Return the posterior of some hours of a window, with notes as an attribute.

    Parameters
    ----------
    settings
        Of the window.
    grid, regions
        Of the case.
    given
        Its problem.
    hours : (n,) datetime64
        Hours of the window, ascending.
    cache
        Folder of what windows share.

    Returns
    -------
    Of `posterior_of_hours`, and `degraded` of each hour. With log-normal sectors it is a whole result, which their
    members make of the whole window anyway.

    Raises
    ------
    SolverError, ConfigError
        When the window has no trustworthy answer, or not enough memory.
    """
    if any(sector.distribution == "lognormal" for sector in settings.sectors):
        return inverted(settings, grid, regions, given, progress, cache=cache)[0]
    gas, problem = species(settings.case.species), given.assembled.problem
    require_memory(
        settings, grid.size, len(regions.ids), observations=problem.value.size, entries=problem.footprint.nnz
    )
    at = np.flatnonzero(np.isin(given.time, hours.astype("datetime64[ns]")))
    functionals = functionals_of_hours(regions, gas, at, given.time.size, problem.covariances[0].dtype)
    kept = (cache, int(given.time[0].astype("datetime64[h]").astype(np.int64)))
    given, solution, _ = solved(settings, given, functionals, progress, kept=kept)
    result = posterior_of_hours(
        settings,
        regions,
        given.observations,
        given.time,
        given.assembled,
        solution,
        at,
        towers=given.towers,
        functionals=functionals,
        progress=progress,
    )
    degraded = np.isin(given.time[at].astype("datetime64[h]"), given.degraded)
    notes = [*region_notes(regions), *given.notes, *constraint_notes(solution, gas)]
    result.attrs["notes"] = "\n".join(shown(note, len(note)) for note in notes)
    return result.assign(degraded=("time", degraded))
