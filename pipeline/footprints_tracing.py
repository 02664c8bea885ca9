"""Who traces the receptors of an hour: threads of this process, or the workers of a scheduler."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from pipeline.footprints_dask import LOCAL, Task, trace_on, workers
from pipeline.footprints_weather import CaseWeather
from pipeline.transport import Footprint, Receptor, WeatherWindow, require_window_memory, trace_receptor

#: a receptor and the unbroken weather times it reads
Job = tuple[Receptor, list[np.datetime64]]


class Threads:
    """Traces receptors in threads of this process, which share one window of weather."""

    def __init__(self, weather: CaseWeather, slots: int, pool: ThreadPoolExecutor) -> None:
        self.weather, self.slots, self.pool = weather, slots, pool
        self.window: WeatherWindow | None = None

    def __call__(self, jobs: Sequence[Job]) -> list[Footprint] | None:
        """Return the footprints of receptors, in their order; None when weather is no longer what it was."""
        weather, settings = self.weather, self.weather.settings
        if self.window is None:
            shape = (weather.step, self.slots)
            require_window_memory(weather.weather_grid, settings.top, *shape)
            self.window = WeatherWindow(weather.weather_grid, weather.grid, settings.top, *shape)
        window = self.window
        for time in sorted({time for _, times in jobs for time in times}):
            index = window.index(time)
            if window.holds(index):
                continue
            found = weather.fetch(time)
            if found is None:
                return None
            window.put(index, found)

        def trace(job: Job) -> Footprint:
            receptor, times = job
            bounds = window.bounds(window.index(times[0]), window.index(times[-1]))
            assert bounds is not None
            return trace_receptor(receptor, window, bounds, settings)

        return list(self.pool.map(trace, jobs))


class Workers:
    """Traces receptors on the workers of a scheduler, which is called when there is something to trace."""

    def __init__(
        self, weather: CaseWeather, slots: int, scheduler: str, count: int, stack: contextlib.ExitStack
    ) -> None:
        self.weather, self.slots, self.scheduler, self.count, self.stack = weather, slots, scheduler, count, stack
        self.client: Any = None
        self.task: Task | None = None
        self.ready: set[np.datetime64] = set()

    def __call__(self, jobs: Sequence[Job]) -> list[Footprint] | None:
        """As `Threads`."""
        weather, settings = self.weather, self.weather.settings
        wanted = sorted({time for _, times in jobs for time in times})
        for time in wanted:
            if time not in self.ready and weather.fetch(time) is None:
                return None
            self.ready.add(time)
        if self.task is None:
            copies = self.count if self.scheduler == LOCAL else 1
            grids, shape = (weather.weather_grid, weather.grid), (weather.step, self.slots)
            require_window_memory(weather.weather_grid, settings.top, *shape, copies=copies)
            self.task = Task(uuid.uuid4().hex, weather.store.folder.resolve(), *grids, *shape, settings)
            self.client = self.stack.enter_context(workers(self.scheduler, self.count))
        stretches = [(receptor, (times[0], times[-1])) for receptor, times in jobs]
        known = {time: (weather.sources[time], weather.digest(time)) for time in wanted}
        return trace_on(self.client, self.task, stretches, known)
