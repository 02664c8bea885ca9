"""Receptors traced by the workers of dask.distributed: in processes of this machine, or on others.

Weather does not travel: a worker reads what it needs from the folder of prepared weather, which it must see under the
same path, and keeps it while the run lasts. A footprint depends on receptor, weather and settings alone, so who traced
it leaves no mark on it.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kernels.jit import set_threads
from pipeline.errors import ConfigError, InputError
from pipeline.grid import Grid
from pipeline.settings import TransportSettings
from pipeline.transport import Footprint, Receptor, WeatherStore, WeatherWindow, trace_receptor

#: batches per thread of the workers: enough for all to end together, few enough that handing over costs nothing
_BATCHES = 4
#: scheduler that stands for processes of this machine
LOCAL = "local"
#: dask's setting of whether workers note where they are
_PROFILE = "distributed.worker.profile.enabled"
#: seconds to wait for a scheduler's answer
_PATIENCE = 30

#: a receptor and the first and last of the unbroken weather times it reads
Job = tuple[Receptor, tuple[np.datetime64, np.datetime64]]


@dataclass(frozen=True, eq=False)
class Task:
    """What a worker needs to know of a run.

    Parameters
    ----------
    run
        Name of the run, another every time.
    folder
        Folder of prepared weather.
    weather, target
        The weather's own grid, and the flux grid.
    step, slots
        Of `WeatherWindow`.
    settings
        Section [transport].
    """

    run: str
    folder: Path
    weather: Grid
    target: Grid
    step: float
    slots: int
    settings: TransportSettings


@contextlib.contextmanager
def workers(scheduler: str, threads: int, *, memory: int = 0, folder: Path | None = None) -> Iterator[Any]:
    """Give a client of dask.distributed.

    Parameters
    ----------
    scheduler
        "local" for processes of this machine, or the address of a scheduler.
    threads
        Processes of one thread each, for "local".
    memory, folder
        Bytes of each of these, which is started anew when it takes more, 0 for no limit; and where they keep what is
        theirs alone.

    Raises
    ------
    ConfigError
        When distributed is not installed, or no scheduler answers.
    """
    try:
        distributed = importlib.import_module("distributed")
    except ImportError as error:
        raise ConfigError(
            "--scheduler needs the package distributed",
            got=scheduler,
            remedy='pip install "carbon-tianyan[scale]"',
        ) from error
    with contextlib.ExitStack() as stack:
        if scheduler == LOCAL:
            # a worker would look a hundred times a second where it is, and keep that of its last thousand seconds
            stack.enter_context(importlib.import_module("dask").config.set({_PROFILE: False}))
            # where there is no limit the weather is refused beforehand if it does not fit
            cluster = distributed.LocalCluster(
                n_workers=threads,
                threads_per_worker=1,
                memory_limit=memory,
                local_directory=None if folder is None else str(folder),
                dashboard_address=":0",
            )
            stack.enter_context(cluster)
        try:
            client = distributed.Client(cluster if scheduler == LOCAL else scheduler, timeout=_PATIENCE)
        except (OSError, TimeoutError, ValueError) as error:
            raise ConfigError(
                "the scheduler must answer",
                got=scheduler,
                remedy="start it with `dask scheduler`, and give its address, tcp://HOST:8786",
                where="--scheduler",
            ) from error
        yield stack.enter_context(client)


def threads_of(client: Any) -> int:
    """Return the threads of a client's workers.

    Raises
    ------
    ConfigError
        When there are no workers.
    """
    threads = sum(client.nthreads().values())
    if not threads:
        raise ConfigError(
            "the scheduler must have workers", remedy="start some with `dask worker`", where="--scheduler"
        )
    return int(threads)


def trace_on(
    client: Any, task: Task, jobs: Sequence[Job], weather: Mapping[np.datetime64, tuple[str, str]]
) -> list[Footprint]:
    """Return the footprints of receptors, in their order.

    Parameters
    ----------
    client
        Of `workers`.
    weather
        The times that any of the receptors reads, to source and digest in the store.

    Raises
    ------
    ConfigError
        When there are no workers.
    InputError
        When a worker cannot read the prepared weather.
    """
    size = math.ceil(len(jobs) / (_BATCHES * threads_of(client)))
    batches = [jobs[at : at + size] for at in range(0, len(jobs), size)]
    # told once to every worker, not with every batch
    shared = client.scatter((task, dict(weather)), broadcast=True, hash=False)
    done = client.gather([client.submit(trace_batch, shared, batch, pure=False) for batch in batches])
    out: list[Footprint] = []
    for made in done:
        if not isinstance(made, list):
            raise InputError(
                "every worker must be able to read the prepared weather",
                got=str(np.datetime_as_string(made, "m")),
                remedy="put transport.folder where all workers see it under the same path",
                where=str(task.folder),
            )
        out += made
    return out


def trace_batch(
    shared: tuple[Task, Mapping[np.datetime64, tuple[str, str]]], jobs: Sequence[Job]
) -> list[Footprint] | np.datetime64:
    """Return the footprints of some receptors, or the first weather time that cannot be read here."""
    set_threads(1)
    task, weather = shared
    window, missing = _held.window(task, weather, [times for _, times in jobs])
    if missing is not None:
        return missing
    out = []
    for receptor, (first, last) in jobs:
        bounds = window.bounds(window.index(first), window.index(last))
        assert bounds is not None
        out.append(trace_receptor(receptor, window, bounds, task.settings))
    return out


class _Held:
    """The weather that a worker keeps: that of the latest run.

    Hours follow one another, so the batches of one hour alone share it, and none takes away what another reads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run = ""
        self._window: WeatherWindow | None = None

    def window(
        self,
        task: Task,
        weather: Mapping[np.datetime64, tuple[str, str]],
        stretches: Sequence[tuple[np.datetime64, np.datetime64]],
    ) -> tuple[WeatherWindow, np.datetime64 | None]:
        """Return a window that holds the times of `weather` in some stretches, and the first one that it cannot."""
        with self._lock:
            if self._window is None or self._run != task.run:
                self._window = WeatherWindow(task.weather, task.target, task.settings.top, task.step, task.slots)
                self._run = task.run
            store = WeatherStore(task.folder, task.settings.top, convection=task.settings.convection)
            for time, (source, digest) in weather.items():
                index = self._window.index(time)
                if self._window.holds(index) or not any(first <= time <= last for first, last in stretches):
                    continue
                found = store.get(time, source) if store.digest(time, source) == digest else None
                if found is None:
                    return self._window, time
                self._window.put(index, found)
            return self._window, None


_held = _Held()
