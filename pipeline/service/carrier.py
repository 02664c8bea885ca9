"""The weather of a window: which of its hours are carried by a forecast, and which by nothing."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from pipeline.cycle import hours_window
from pipeline.errors import InputError
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
    """

    times: np.ndarray
    leads: dict[np.datetime64, int]
    given: bool = True

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


def carrier_of(settings: Settings, root: Path) -> Carrier:
    """Return the weather of a window's folder.

    Parameters
    ----------
    settings
        Of the window.
    root
        Its folder.
    """
    nothing = np.zeros(0, "datetime64[ns]")
    if settings.transport is None:
        return Carrier(nothing, {}, given=False)
    meteorology = settings.transport.meteorology
    try:
        times = np.array(sorted(weather_hours(meteorology, root)), dtype="datetime64[ns]")
        return Carrier(times, forecast_leads(meteorology, root))
    except InputError:
        return Carrier(nothing, {})


def with_forecasts(settings: Settings, carrier: Carrier) -> Settings:
    """Return a window's settings with the hours that a forecast carries."""
    start, end = settings.case.observation_hours.bounds
    windows = [hours_window(hour, hour + HOUR) for hour in np.arange(start, end, HOUR) if carrier.lead(hour)]
    return settings.model_copy(update={"case": settings.case.model_copy(update={"forecast_hours": windows})})
