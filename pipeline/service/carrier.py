"""The weather of a window: which of its hours are carried by a forecast, and which by nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from pipeline.cycle import hours_window
from pipeline.errors import ConfigError, GridError, InputError
from pipeline.footprints_weather import CaseWeather
from pipeline.grid import Grid
from pipeline.ingest import forecast_leads, weather_hours
from pipeline.schema import HOUR
from pipeline.settings import Settings


@dataclass(frozen=True, eq=False)
class Carrier:
    """The weather that a window can read.

    Parameters
    ----------
    times : (n,) datetime64[ns]
        There, ascending.
    leads
        Times of a forecast, to hours since its cycle.
    given
        Whether the case has weather of its own at all; footprints made elsewhere bring theirs.
    damaged
        Times that a file holds but cannot be used for, to why: of `sound_weather`.
    """

    times: np.ndarray
    leads: dict[np.datetime64, int]
    given: bool = True
    damaged: dict[np.datetime64, str] = field(default_factory=dict)

    def lead(self, hour: np.datetime64) -> int:
        """Return hours since the cycle of the forecast that carries an hour; 0 when none does."""
        start = hour.astype("datetime64[ns]")
        around = [pair for pair in pairwise(self.times) if pair[0] < start + HOUR and pair[1] > start]
        return max((self.leads.get(time, 0) for pair in around for time in pair), default=0)

    def has(self, hour: np.datetime64) -> bool:
        """Return whether an hour has weather from its beginning to its end."""
        if not self.given:
            return True
        if self.times.size < 2:
            return False
        start = hour.astype("datetime64[ns]")
        step = np.diff(self.times)
        stretches = np.split(self.times, np.flatnonzero(step > step.min()) + 1)
        return any(part[0] <= start and part[-1] >= start + HOUR for part in stretches)

    def lacks(self, hour: np.datetime64) -> str:
        """Return in words what is wrong with the weather of an hour that has none."""
        start = hour.astype("datetime64[ns]")
        why = [reason for time, reason in self.damaged.items() if start <= time <= start + HOUR]
        return f"the weather of the hour cannot be used: {why[0]}" if why else "the weather of the hour is missing"


def carrier_of(settings: Settings, root: Path) -> Carrier:
    """Return the weather of a window's folder.

    Parameters
    ----------
    settings
        Of the window.
    root
        Its folder.
    """
    return _carrier(settings, root, {})


def sound_weather(
    settings: Settings, root: Path, folder: Path, grid: Grid, hours: tuple[int, int]
) -> tuple[Settings, Carrier]:
    """Return a window's settings without the weather that cannot carry particles, and what is left.

    A time that cannot be read, keeps no physical check, or lies on another grid than most is as if it were not there:
    the newest forecast that is sound takes its place.

    Parameters
    ----------
    settings
        Of the window.
    root
        Its folder.
    folder
        Where prepared weather stands.
    grid
        The flux grid.
    hours
        First and last hour, since 1970, of the weather it may read.
    """
    damaged: dict[np.datetime64, str] = {}
    transport = settings.transport
    while transport is not None:
        try:
            found = _damage(CaseWeather(transport, grid, root, folder), hours)
            files = weather_hours(transport.meteorology, root)
        except (InputError, ConfigError):
            # there is no weather: whoever wants to read it says so
            break
        if not found:
            break
        damaged = found | damaged
        gone = {(path, time) for time in found for path in files[time]}
        meteorology = transport.meteorology.leaving_out(transport.meteorology.left_out | gone)
        transport = transport.model_copy(update={"meteorology": meteorology})
    settings = settings.model_copy(update={"transport": transport})
    return settings, _carrier(settings, root, damaged)


def _damage(weather: CaseWeather, hours: tuple[int, int]) -> dict[np.datetime64, str]:
    """Return the times of some hours that cannot be used, to why."""
    damaged: dict[np.datetime64, str] = {}
    grids: dict[np.datetime64, Grid | None] = {}
    first, last = (np.datetime64(hour, "h") for hour in hours)
    for time in (time for time in weather.sources if first <= time <= last):
        try:
            grids[time] = weather.grid_of(time)
        except (InputError, GridError) as error:
            damaged[time] = str(error)
    usual = max(Counter(grids.values()).items(), key=lambda one: one[1], default=(None, 0))[0]
    odd = "it lies on another grid than most"
    return dict(sorted({**damaged, **{time: odd for time, found in grids.items() if found != usual}}.items()))


def _carrier(settings: Settings, root: Path, damaged: dict[np.datetime64, str]) -> Carrier:
    nothing = np.zeros(0, "datetime64[ns]")
    if settings.transport is None:
        return Carrier(nothing, {}, given=False)
    meteorology = settings.transport.meteorology
    try:
        times = np.array(sorted(weather_hours(meteorology, root)), dtype="datetime64[ns]")
        return Carrier(times, forecast_leads(meteorology, root), damaged=damaged)
    except InputError:
        return Carrier(nothing, {}, damaged=damaged)


def with_forecasts(settings: Settings, carrier: Carrier) -> Settings:
    """Return a window's settings with the hours that a forecast carries."""
    start, end = settings.case.observation_hours.bounds
    windows = [hours_window(hour, hour + HOUR) for hour in np.arange(start, end, HOUR) if carrier.lead(hour)]
    return settings.model_copy(update={"case": settings.case.model_copy(update={"forecast_hours": windows})})
