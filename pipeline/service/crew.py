"""The workers of dask.distributed that make hours: who is there, what each has to do next, and what came of it.

Each worker has one hour under way, and the next few are ready here, so that the one ends and the other begins without
anybody's waiting. An hour whose worker dies goes to another, by dask's own rule; one whose workers die again and again
is told as failed. A worker keeps what neighbouring hours share in a folder of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import itertools
import queue
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kernels.jit import set_threads
from pipeline.errors import ConfigError, SolverError
from pipeline.service import making
from pipeline.service.making import Domain
from pipeline.service.place import Place
from pipeline.service.remaking import Asked, Remade, remake

#: hours that are ready for a worker while it has one under way
READY = 2
#: seconds between two looks at who is there; between two tries to replace processes; to wait for a worker when none is
_LOOK, _REPLACE, _PATIENCE = 2.0, 15.0, 600.0
#: seconds for a result to come over
_FETCH = 5.0
#: kernels of one process run for one hour at a time
_alone = threading.Lock()


@dataclass(frozen=True)
class Task:
    """What a worker needs to know of a run.

    Parameters
    ----------
    run
        Name of the run, another every time.
    place
        The case.
    """

    run: str
    place: Place


@dataclass(eq=False)
class Lane:
    """What one worker has to do.

    Parameters
    ----------
    hours
        Of its stretch, not yet asked for.
    ready
        Hours to begin when the one under way has ended.
    worker
        Address of who had the last one, and is to have the next.
    under_way
        What a worker has now, and dask's future of it.
    deaths
        How often the hour under way was left without a worker.
    """

    hours: deque[np.datetime64] = field(default_factory=deque)
    ready: deque[Asked] = field(default_factory=deque)
    worker: str = ""
    under_way: tuple[Asked, Any] | None = None
    deaths: int = 0

    @property
    def is_idle(self) -> bool:
        """Whether it has nothing to do at all."""
        return not self.hours and not self.ready and self.under_way is None


class Crew:
    """The workers of a client.

    Parameters
    ----------
    client
        Of `pipeline.footprints_dask.workers`.
    place
        The case.
    """

    def __init__(self, client: Any, place: Place) -> None:
        self._client, self._task = client, Task(uuid.uuid4().hex, place)
        #: one of each worker
        self.lanes: list[Lane] = []
        self._there: list[str] = []
        self._looked = self._replaced = 0.0
        self._seen = time.monotonic()
        #: processes of this machine that are to be there; 0 when somebody else sees to them
        self._count = len(client.cluster.worker_spec) if getattr(client, "cluster", None) is not None else 0
        self._number = itertools.count()
        # the client calls back in threads of its own
        self._lock = threading.RLock()
        self._ended: queue.SimpleQueue[tuple[Asked, Any]] = queue.SimpleQueue()
        self._is_over = False

    def look(self) -> None:
        """See who is there: each has a lane, and lanes whose worker is gone get another.

        Raises
        ------
        ConfigError
            When the scheduler is gone, or has had no worker for long.
        """
        now = time.monotonic()
        if now - self._looked < _LOOK:
            return
        self._looked = now
        try:
            there = sorted(self._client.nthreads())
        except (OSError, TimeoutError, ValueError, RuntimeError) as error:
            raise ConfigError(
                "the scheduler must answer while hours are made",
                got=str(error) or type(error).__name__,
                remedy="start it again, and call the same once more: what is committed stays",
                where="--scheduler",
            ) from error
        if there:
            self._seen = now
        elif now - self._seen > _PATIENCE:
            raise ConfigError(
                "the scheduler must have workers",
                got=f"none for {_PATIENCE:g} s",
                remedy="start some with `dask worker`, and call the same once more: what is committed stays",
                where="--scheduler",
            )
        if len(there) < self._count and now - self._replaced > _REPLACE:
            self._replaced = now
            self._client.cluster.loop.add_callback(_replace, self._client.cluster, self._count)
        self._keep_up(there)

    def _keep_up(self, there: list[str]) -> None:
        """Let there be a lane a worker, and no hour that waits for a worker that is gone."""
        lost = [lane for lane in self.lanes if lane.under_way is not None and lane.worker not in there]
        # dask moves an hour to another worker, but not while there is none: it waits for the first one then
        held = {key: worker for worker, keys in self._client.processing().items() for key in keys} if lost else {}
        with self._lock:
            self._there = there
            for lane in lost:
                if lane.under_way is not None and there:
                    self._move(lane, held)
            self.lanes = [lane for at, lane in enumerate(self.lanes) if at < len(there) or not lane.is_idle]
            self.lanes += [Lane() for _ in range(len(there) - len(self.lanes))]

    def give(self, lane: Lane, asked: Asked) -> None:
        """Let a worker make an hour when it has made those before it."""
        with self._lock:
            lane.ready.append(asked)
            if lane.under_way is None:
                self._begin(lane)

    def ended(self, seconds: float) -> Iterator[tuple[Asked, Remade | None]]:
        """Give what hours that have ended came to; None of one that nobody knows the end of.

        Parameters
        ----------
        seconds
            To wait for the first.
        """
        arrived = []
        with contextlib.suppress(queue.Empty):
            arrived.append(self._ended.get(timeout=seconds) if seconds else self._ended.get_nowait())
            while True:
                arrived.append(self._ended.get_nowait())
        for asked, future in arrived:
            try:
                made = self._made(asked, future)
            except TimeoutError:
                # asked for again next time: who is waited for may have to be replaced first
                self._ended.put((asked, future))
            else:
                yield asked, made

    def stop(self) -> None:
        """Let go of what is under way."""
        with self._lock:
            self._is_over = True
            self._client.cancel([lane.under_way[1] for lane in self.lanes if lane.under_way is not None], force=True)

    def _begin(self, lane: Lane) -> None:
        """Hand a lane's next hour to its worker, or to another when that is gone."""
        if self._is_over or not lane.ready:
            return
        asked = lane.ready.popleft()
        if lane.worker not in self._there:
            taken = [other.worker for other in self.lanes]
            lane.worker = min(self._there, key=taken.count, default="")
        future = self._client.submit(
            make_hour,
            self._task,
            asked,
            key=f"hour-{self._task.run}-{asked.hour}-{next(self._number)}",
            pure=False,
            workers=[lane.worker] if lane.worker else None,
            allow_other_workers=bool(lane.worker),
        )
        lane.under_way = asked, future
        future.add_done_callback(lambda done: self._over(lane, asked, done))

    def _over(self, lane: Lane, asked: Asked, future: Any) -> None:
        with self._lock:
            if lane.under_way is None or lane.under_way[1] is not future:
                # it was moved
                return
            lane.under_way, lane.deaths = None, 0
            self._begin(lane)
        self._ended.put((asked, future))

    def _move(self, lane: Lane, held: dict[str, str]) -> None:
        """Begin an hour again whose worker is gone, unless another has it."""
        assert lane.under_way is not None
        asked, future = lane.under_way
        if future.status != "pending" or future.key in held:
            lane.worker = held.get(future.key, "")
            return
        lane.under_way = None
        self._client.cancel([future], force=True)
        lane.deaths += 1
        if lane.deaths > _most_deaths():
            lane.deaths = 0
            self._ended.put((asked, None))
        else:
            lane.ready.appendleft(asked)
        self._begin(lane)

    def _made(self, asked: Asked, future: Any) -> Remade | None:
        """Return what an hour came to; raise TimeoutError when that is not here soon."""
        if future is None:
            return _deadly(asked)
        try:
            return future.result(timeout=_FETCH)
        except importlib.import_module("distributed").KilledWorker:
            return _deadly(asked)
        except TimeoutError:
            if future.status == "finished":
                raise
            # it was on a worker that is gone
            return None
        except (asyncio.CancelledError, OSError):
            # its scheduler or the worker that held the result went away
            return None


def _most_deaths() -> int:
    """Return how many workers may die of an hour; with one more it is given up."""
    return int(importlib.import_module("dask").config.get("distributed.scheduler.allowed-failures", 3))


def _deadly(asked: Asked) -> Remade:
    """Return what an hour comes to whose workers die again and again."""
    told = SolverError(
        "the process that makes an hour must outlive it",
        got=f"about {_most_deaths() + 1} workers that died of it",
        remedy="look into the workers' logs, give them more memory (fewer --workers), and call the same again",
        where=str(asked.hour),
    )
    return Remade(None, str(told))


def _replace(cluster: Any, count: int) -> None:
    """Start processes in place of those that nobody watches over any more.

    Who watches over a process starts it again when it dies, but gives up when that dies too before it is ready, or is
    not ready soon.
    """
    for name, one in list(cluster.workers.items()):
        if one.status.name in ("closed", "failed"):
            del cluster.workers[name]
    cluster.scale(count)


def make_hour(task: Task, asked: Asked) -> Remade:
    """Make an hour in a worker."""
    with _alone:
        place, domain = _held.of(task)
        set_threads(place.settings.solver.threads)
        return remake(place, domain, asked)


class _Held:
    """The case that a worker makes hours of: that of the latest run."""

    def __init__(self) -> None:
        self._run = ""
        self._of: tuple[Place, Domain] | None = None

    def of(self, task: Task) -> tuple[Place, Domain]:
        """Return the case as this worker has it, and its domain."""
        if self._of is None or self._run != task.run:
            worker = importlib.import_module("distributed").get_worker()
            limit = worker.memory_manager.memory_limit
            mine = Path(worker.local_directory) / "hours", worker.state.nthreads
            place = task.place.lent(*mine, limit or None)
            # the case's own hours, which no window is of, need not fit
            self._of, self._run = (place, making.domain_of(task.place.lent(*mine, None))), task.run
        return self._of


_held = _Held()
