"""The fixed-lag cycle: every hour is solved from a window of its own with the static prior (docs/cycle.md).

Nothing of an earlier posterior is fed back, so that an hour is a function of the case file and the inputs that are
there when it is solved: it may be repeated, solved before or after its neighbours, or on another machine, and comes out
the same. What neighbouring windows share is kept in a folder (`pipeline.inversion.kept_signal`); it changes no number.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import xarray as xr

from kernels.jit import set_threads
from pipeline.case import Progress, invert, quiet
from pipeline.errors import ConfigError, TimeError
from pipeline.inversion import Solution
from pipeline.schema import HOUR
from pipeline.settings import CycleSettings, Settings, Window

#: what a time of a window is, by whether a later window may still change it
PROVISIONAL, FINAL = "provisional", "final"
#: days: the week before a UTC day, and the day
_JUDGED_BY = 8


def solve_hour(
    settings: Settings,
    path: Path,
    root: Path,
    hour: np.datetime64,
    *,
    cache: Path | None = None,
    scheduler: str | None = None,
    progress: Progress = quiet,
) -> tuple[xr.Dataset, Solution]:
    """Return the posterior Dataset of the window that ends with an hour, and its solution.

    Parameters
    ----------
    settings
        The case, with a section [cycle]. Of its hours only the lead counts: how many hours of fluxes come before the
        first observation's.
    path
        The case's file: its own paths are relative to it, and provenance keeps it.
    root
        Folder of the inputs.
    hour
        The newest hour, UTC, of observations and of fluxes.
    cache
        Folder of what windows share; nothing is kept when not given.
    scheduler
        As for `pipeline.case.run_case`.

    Returns
    -------
    result
        As of a run, and `status` of each time: provisional for the newest `cycle.lag_hours`, final before.
    solution
        For `pipeline.inversion.pack`.

    Raises
    ------
    TianyanError
        As of a run, and ConfigError or TimeError for a window that cannot be.
    """
    set_threads(settings.solver.threads)
    window = window_settings(settings, hour)
    result, solution = invert(window, path, root, progress, cache=cache, scheduler=scheduler)
    return with_status(result, cycle_of(settings)), solution


def window_settings(settings: Settings, hour: np.datetime64, first: np.datetime64 | None = None) -> Settings:
    """Return the settings of the window that ends with an hour.

    Parameters
    ----------
    settings
        The case, with a section [cycle].
    hour
        The newest hour of the window, UTC.
    first
        The earliest hour an observation may be of: windows that would begin before are shorter.

    Raises
    ------
    ConfigError
        When the case has no section [cycle], or its window ends before its first observation.
    TimeError
        When the hour is not whole.
    """
    cycle, case = cycle_of(settings), settings.case
    if hour.astype("datetime64[h]") != hour:
        raise TimeError(
            "an hour to solve must be whole", got=str(hour), remedy="give it as 2024-07-15T06", where="hour"
        )
    lead = case.observation_hours.bounds[0] - case.flux_hours.bounds[0]
    end = hour.astype("datetime64[ns]") + HOUR
    start = end - cycle.window_hours * HOUR
    if first is not None:
        start = max(start, first.astype("datetime64[ns]") - lead)
    if start + lead >= end:
        raise ConfigError(
            "a window must reach beyond the hours before its first observation",
            got=f"{cycle.window_hours} hours of which {lead // HOUR} come before observation_hours",
            remedy="lengthen cycle.window_hours, or begin flux_hours later",
            where="cycle.window_hours",
        )
    hours = {
        "flux_hours": hours_window(start, end),
        "observation_hours": hours_window(start + lead, end),
        "known_hours": hours_window(start + lead - looked_back(settings) * HOUR, end),
    }
    return settings.model_copy(update={"case": case.model_copy(update=hours)})


def looked_back(settings: Settings) -> int:
    """Return how many hours before its first observation a window's files are looked at.

    A day is judged by the week before it, and so are the days that the bias filter learns from.
    """
    learned = 0 if settings.bias_filter is None else settings.bias_filter.history
    return 24 * (_JUDGED_BY + learned)


def with_status(result: xr.Dataset, cycle: CycleSettings) -> xr.Dataset:
    """Return the Dataset of a window with the status of its times."""
    time = result["time"].values
    status = np.where(time > time[-1] - cycle.lag_hours * HOUR, PROVISIONAL, FINAL).astype(object)
    meaning = f"{FINAL}: {cycle.lag_hours} hours old or more; {PROVISIONAL}: later hours may still change it"
    return result.assign(status=("time", status, {"long_name": meaning}))


def cycle_of(settings: Settings) -> CycleSettings:
    """Return the section [cycle] of a case.

    Raises
    ------
    ConfigError
        When it has none.
    """
    if settings.cycle is None:
        raise ConfigError(
            "the case must have a section [cycle]", remedy="see `tianyan config explain`", where=settings.case.name
        )
    return settings.cycle


def hours_window(start: np.datetime64, end: np.datetime64) -> Window:
    """Return hours [start, end), UTC, as settings hold them."""
    first, last = (
        datetime.fromisoformat(str(np.datetime_as_string(t, unit="s"))).replace(tzinfo=UTC) for t in (start, end)
    )
    return Window(start=first, end=last)
