"""The weather in memory: a ring of prepared times that moves on hour by hour."""

from __future__ import annotations

import math
import os

import numpy as np

from kernels.air import SURFACE_COLUMNS
from pipeline.errors import ConfigError, TimeError
from pipeline.grid import Grid
from pipeline.transport.metric import cells_per_metre, place_on
from pipeline.transport.weather import Prepared, levels

_SECOND = np.timedelta64(1, "s")
_EPOCH = np.datetime64("1970-01-01T00:00:00", "ns")


def seconds(time: np.datetime64 | np.ndarray) -> np.ndarray:
    """Return seconds since 1970 as float64, exact to a microsecond in this century."""
    return np.asarray((time - _EPOCH) / _SECOND, dtype=np.float64)


def slots_for(span: float, step: float) -> int:
    """Return how many weather times cover any stretch of `span` seconds, wherever it begins."""
    return math.ceil(span / step) + 2


def window_bytes(weather: Grid, lid: float, slots: int) -> int:
    """Return the memory of a `WeatherWindow`: 4 (5 levels + 8) bytes per cell and weather time.

    Of each level four numbers stand in the volume, and the pressure.
    """
    return 4 * slots * weather.size * (5 * levels(lid).size + SURFACE_COLUMNS)


def require_window_memory(
    weather: Grid, lid: float, step: float, slots: int, *, copies: int = 1, available: int | None = None
) -> None:
    """Raise unless the weather that one hour's receptors read fits in memory.

    Parameters
    ----------
    weather, lid, step, slots
        As for `WeatherWindow`.
    copies
        Processes of this machine that keep one each.
    available
        Bytes; this machine's memory when not given.

    Raises
    ------
    ConfigError
        With the size of the weather, what it needs and what there is.
    """
    if available is None:
        available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    needed = copies * window_bytes(weather, lid, slots)
    if needed > available:
        each = f", in each of {copies} processes" if copies > 1 else ""
        raise ConfigError(
            "the weather that particles travel through must fit in memory",
            got=f"{weather.ny} x {weather.nx} cells, {levels(lid).size} levels, {slots} times of {step / 3600:g} h"
            f"{each}: {needed / 2**30:.1f} GiB of {available / 2**30:.1f} GiB",
            remedy="lower transport.hours or transport.top, cut the weather to the region, or use fewer processes",
            where="transport.hours",
        )


class WeatherWindow:
    """Prepared weather times in a ring: a new one takes the place of the oldest.

    Parameters
    ----------
    weather
        The weather's own grid.
    target
        The flux grid.
    lid
        Height of the lid, m above ground.
    step
        Seconds between weather times, a whole number; times are its multiples since 1970.
    slots
        Times kept.
    """

    def __init__(self, weather: Grid, target: Grid, lid: float, step: float, slots: int) -> None:
        self.weather = weather
        self.target = target
        self.step = float(step)
        self.heights = levels(lid)
        self.place = place_on(weather, target)
        per_x, per_y = cells_per_metre(target)
        #: flux cells per metre along x and y in the middle of the flux grid
        self.per_metre = (float(per_x[target.ny // 2, target.nx // 2]), float(per_y[target.ny // 2, target.nx // 2]))
        shape = (slots, *weather.shape)
        self._volume = np.zeros((*shape, self.heights.size, 4), np.float32)
        self._surface = np.zeros((*shape, SURFACE_COLUMNS), np.float32)
        self.pressure = np.zeros((*shape, self.heights.size), np.float32)
        self._held: dict[int, int] = {}

    @property
    def volume(self) -> np.ndarray:
        """Flat volume of `kernels.air`."""
        return self._volume.reshape(-1)

    @property
    def surface(self) -> np.ndarray:
        """Flat surface of `kernels.air`."""
        return self._surface.reshape(-1)

    @property
    def density(self) -> np.ndarray:
        """(slot, y, x, level) float32 dry density, kg m-3."""
        return self._volume[..., 3]

    @property
    def slots(self) -> int:
        """Times kept."""
        return int(self._volume.shape[0])

    def index(self, time: np.datetime64) -> int:
        """Return the number of a weather time.

        Raises
        ------
        TimeError
            When it is no multiple of the step.
        """
        number, rest = divmod(float(seconds(time)), self.step)
        if rest:
            raise TimeError(
                f"weather times must be multiples of {self.step / 3600:g} h since 1970",
                got=str(time),
                remedy="use weather at even hours",
                where="meteorology.time",
            )
        return int(number)

    def holds(self, index: int) -> bool:
        """Return whether a weather time is in memory."""
        return self._held.get(index % self.slots) == index

    def put(self, index: int, prepared: Prepared) -> None:
        """Put a weather time into its slot."""
        slot = index % self.slots
        self._held.pop(slot, None)
        self._volume[slot] = prepared.volume
        self._surface[slot] = prepared.surface
        self.pressure[slot] = prepared.pressure
        self._held[slot] = index

    def bounds(self, first: int, last: int) -> np.ndarray | None:
        """Return (first, last, slots) int64 of the unbroken weather up to `last`; None when it is missing."""
        if not (self.holds(last) and self.holds(last - 1)):
            return None
        begin = last
        while begin > first and self.holds(begin - 1):
            begin -= 1
        return np.array([begin, last, self.slots], dtype=np.int64)
