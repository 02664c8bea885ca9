"""The hours of a reprocessing on the workers of dask.distributed, of this machine or of others.

Workers have stretches of hours; inbox, spool, weather, prior and the transport folder they must see under the same
path. What they make comes back hour by hour and is committed here alone, in the order of the hours: a version whose
turn has not come waits on disk. An hour is a function of what it is told to read, so who made it, how often, and what
became of its first maker leave no mark on it.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from kernels.jit import cores
from pipeline.case import Progress
from pipeline.errors import ConfigError
from pipeline.footprints_dask import LOCAL, workers
from pipeline.inversion import memory_needed
from pipeline.service.crew import READY, Crew, Lane
from pipeline.service.place import Place
from pipeline.service.remaking import Asked, Book, Remade, ask
from pipeline.service.service import Service
from pipeline.service.waiting import Waiting
from pipeline.service.window import window_of

#: hours of a stretch: its first find little kept, so it is to be longer than a window; the last are to end together
_LEAST, _MOST = 4, 96
#: stretches per worker that may be begun beyond the hour whose turn it is
_BEYOND = 3
#: seconds to wait for a worker before the clock is looked at again
_WAIT = 0.5
#: an hour whose files went while it was read is asked for anew so often
_TRIES = 5
#: bytes of a worker before it reads anything, about: libraries, compiled kernels, the process that reads foreign files
_BASE = 3 * 2**28
#: bytes of prepared weather per cell and time, of 30 levels
_WEATHER = 632


def memory_of_worker(place: Place, cells: int, regions: int, count: int, available: int | None = None) -> int:
    """Return the bytes that each of some processes of this machine may take.

    That is twice what an hour is known to need beforehand, for what is not: satellites' soundings, files as they are
    read. It is no more than its share of the machine.

    Parameters
    ----------
    cells, regions
        Of the case.
    count
        Processes.
    available
        Bytes; this machine's memory when not given.

    Raises
    ------
    ConfigError
        When an hour does not fit into the share.
    """
    if available is None:
        available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    settings = place.lent(place.folder, 1, None).settings
    window = window_of(place.lent(place.folder, 1, None), place.service.first + np.timedelta64(366, "D")).settings
    transport = settings.transport
    weather = 0 if transport is None else _WEATHER * cells * (transport.hours + 3)
    needed = _BASE + memory_needed(window, cells, regions) + weather
    if count * needed > available:
        raise ConfigError(
            "what the workers need must fit in memory",
            got=f"{count} of {needed / 1e9:.1f} GB each on {available / 1e9:.1f} GB",
            remedy="give fewer --workers, or start some on other machines and give their scheduler's address",
            where="--workers",
        )
    return min(2 * needed, available // count)


@contextlib.contextmanager
def crew_of(service: Service, scheduler: str, count: int = 0) -> Iterator[Crew]:
    """Give the workers of a scheduler, who are to make hours of a service.

    Parameters
    ----------
    service
        Of the run.
    scheduler
        "local" for processes of this machine, of one thread each, or the address of a scheduler.
    count
        Processes, for "local"; 0 for all cores.

    Raises
    ------
    ConfigError
        For a scheduler that cannot be used, and processes that do not fit in memory.
    """
    place, domain, memory = service.place, service.domain, 0
    if scheduler != LOCAL and count:
        raise ConfigError(
            "--workers counts processes of this machine",
            got=count,
            remedy="start as many with `dask worker` as there are to be, and leave it out",
            where="--workers",
        )
    if scheduler == LOCAL:
        count = count or cores()
        memory = memory_of_worker(place, domain.grid.size, len(domain.regions.ids), count)
    with workers(scheduler, count, memory=memory, folder=place.folder / "workers") as client:
        crew = Crew(client, place)
        try:
            yield crew
        finally:
            crew.stop()


class Reprocessing:
    """Hours that a crew makes and that are entered in their order.

    Parameters
    ----------
    service, name
        Of the run, and of the reprocessing.
    hours
        UTC, ascending.
    newest
        Newest hour that is due.
    """

    def __init__(self, service: Service, name: str, hours: Sequence[np.datetime64], newest: np.datetime64) -> None:
        self._service, self._name, self._newest = service, name, newest
        self._all = len(hours)
        #: hours that are not entered, and of these not begun
        self._left, self._new = deque(hours), deque(hours)
        #: hours that are over: what was asked, and what came of it unless that waits on disk
        self._over: dict[np.datetime64, tuple[Asked | None, Remade | None]] = {}
        self._tries: dict[np.datetime64, int] = {}
        self._waiting = Waiting(service.place, name)

    def run(self, crew: Crew, book: Book, between: Callable[[], None], progress: Progress) -> None:
        """Make all of them.

        Parameters
        ----------
        between
            Called between two hours, in this thread.

        Raises
        ------
        ConfigError
            When there is nobody to make hours: what was made by then is entered.
        """
        while self._left:
            between()
            crew.look()
            for lane in list(crew.lanes):
                self._supply(crew, lane)
            # nobody waits for an hour that can be entered
            for asked, made in crew.ended(0 if self._left[0] in self._over else _WAIT):
                self._take(asked, made)
            if self._left[0] in self._over:
                self._enter(self._left[0], book)
                progress(f"{self._name} {self._all - len(self._left)}", self._all - len(self._left), self._all)
        self._waiting.clear()

    def _supply(self, crew: Crew, lane: Lane) -> None:
        """Ask for the next hours of a worker's stretch, and give it another when that is at its end."""
        most = _BEYOND * _MOST * len(crew.lanes)
        while len(lane.ready) < READY:
            if not lane.hours:
                # what waits on disk is bounded, should the hour whose turn it is take long
                if not self._new or len(self._left) - len(self._new) >= most:
                    return
                count = max(_LEAST, min(_MOST, len(self._new) // (2 * len(crew.lanes))))
                lane.hours.extend(self._new.popleft() for _ in range(min(count, len(self._new))))
            hour = lane.hours.popleft()
            asked = ask(self._service, self._name, hour, self._newest, oldest=self._left[0])
            if asked is None or self._waiting.has(asked):
                self._over[hour] = (asked, None)
            else:
                crew.give(lane, asked)

    def _take(self, asked: Asked, made: Remade | None) -> None:
        """Take in what came of an hour; it is begun anew when that is not known, or its files went meanwhile."""
        tries = self._tries[asked.hour] = self._tries.get(asked.hour, 0) + 1
        if made is None or (tries < _TRIES and not asked.known.is_there()):
            self._new.appendleft(asked.hour)
        elif asked.hour == self._left[0]:
            self._over[asked.hour] = (asked, made)
        else:
            self._waiting.put(asked, made)
            self._over[asked.hour] = (asked, None)

    def _enter(self, hour: np.datetime64, book: Book) -> None:
        """Enter the hour whose turn it is."""
        asked, made = self._over.pop(hour)
        if asked is not None and made is None:
            made = self._waiting.get(asked)
            if made is None:
                # it was damaged on disk
                self._new.appendleft(hour)
                return
        self._left.popleft()
        book.enter(hour, asked, made)
        if asked is not None:
            self._waiting.drop(asked)
            self._tries.pop(hour, None)


def reprocess_on(
    service: Service,
    name: str,
    hours: Sequence[np.datetime64],
    newest: np.datetime64,
    book: Book,
    scheduler: str,
    count: int,
    *,
    between: Callable[[], None],
    progress: Progress,
) -> None:
    """Make hours on a branch by the workers of a scheduler.

    Parameters
    ----------
    service, name, hours, newest
        As for `Reprocessing`.
    book
        Where they are entered.
    scheduler, count
        As for `crew_of`.
    between
        Called between two hours.

    Raises
    ------
    ConfigError
        As `crew_of`, and when scheduler or workers are gone: what was made by then is entered.
    """
    with crew_of(service, scheduler, count) as crew:
        Reprocessing(service, name, hours, newest).run(crew, book, between, progress)
