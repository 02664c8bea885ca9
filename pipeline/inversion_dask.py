"""Blocks of K and members of the ensemble made by the workers of dask.distributed, on this machine or on others.

The problem, with H's rows and sigma, is told once to every worker. A block of K comes back as soon as it is made and is
added where it belongs, so that no second K stands anywhere. The factor stays here; of a member only what it adds to the
observations, its weights and its fields travel. A block depends on its rows alone and a member on its number, so who
made them leaves no mark on them: the bytes are those of threads, on processors of one kind.
"""

from __future__ import annotations

import contextlib
import importlib
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernels.jit import cores, set_threads
from pipeline.footprints_dask import LOCAL, threads_of, workers
from pipeline.inversion import (
    BATCH,
    Asked,
    Draw,
    Put,
    Run,
    Solution,
    Sources,
    Work,
    blocks_of,
    draw,
    in_threads,
    members,
)

#: blocks under way per thread of the workers: one is made while the next one's order arrives
_AHEAD = 2
#: parallel kernels of one process run one at a time: Numba's own pool does not take two at once
_alone = threading.Lock()


@dataclass(frozen=True)
class Team:
    """Who makes the parts of an inversion.

    Parameters
    ----------
    run
        Makes blocks of K.
    draw
        Makes members.
    """

    run: Run
    draw: Draw


def processes_here(scheduler: str | None, threads: int = 0) -> int:
    """Return the processes of this machine that `team` tells the problem; those behind an address see to themselves."""
    return (threads or cores()) if scheduler == LOCAL else 0


@contextlib.contextmanager
def team(scheduler: str | None, threads: int = 0) -> Iterator[Team]:
    """Give who makes blocks and members.

    Parameters
    ----------
    scheduler
        None for threads of this process, "local" for as many processes of one thread, otherwise the address of a
        dask.distributed scheduler. The numbers are the same, to the bit.
    threads
        Threads, or processes for "local"; 0 for all cores.

    Raises
    ------
    ConfigError
        For a scheduler that cannot be used.
    """
    if scheduler is None:
        yield Team(in_threads(threads), members)
        return
    with workers(scheduler, threads or cores()) as client:
        made = _Workers(client)
        yield Team(made.run, made.draw)


class _Workers:
    """The workers of a client, and what they were told last."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.ahead = _AHEAD * threads_of(client)
        self._told: tuple[Sources, Any] | None = None

    def run(self, sources: Sources, sector: int, asked: Asked, put: Put) -> None:
        """Make blocks; a `Run`."""
        told = self._tell(sources)
        # the rows asked for are told once, too
        shared = self.client.scatter((uuid.uuid4().hex, sector, asked), broadcast=True, hash=False)
        for at, block in self._streamed(_block, (told, shared), blocks_of(sources.span_of(asked))):
            put(at, block)

    def draw(self, solution: Solution, count: int, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield members in their order; a `Draw`."""
        told = self._tell_problem(solution)
        submit = self.client.submit

        def begin(start: int) -> list[Any]:
            return [submit(_draw, told, seed, j, pure=False) for j in range(start, min(start + BATCH, count))]

        # the next batch is drawn while this one's updates are made
        drawn = begin(0)
        for start in range(0, count, BATCH):
            seen = self.client.gather([submit(_seen, one, pure=False) for one in drawn])
            weights = solution.factor.solve(np.stack(seen, axis=1)).T
            updated = [submit(_update, told, one, w, pure=False) for one, w in zip(drawn, weights, strict=True)]
            drawn = begin(start + BATCH)
            for at in range(len(updated)):
                yield updated[at].result()
                # what is done with leaves the workers' memory
                updated[at] = None

    def _tell(self, sources: Sources) -> Any:
        if self._told is None or self._told[0] is not sources:
            # what was told before goes first: it is as large
            self._told = None
            self._told = (sources, self.client.scatter(sources, broadcast=True, hash=False))
        return self._told[1]

    def _tell_problem(self, solution: Solution) -> Any:
        if self._told is not None and self._told[0].problem is solution.problem:
            return self._told[1]
        return self._tell(Sources(solution.problem))

    def _streamed(self, function: Any, shared: tuple[Any, ...], items: list[Any]) -> Iterator[tuple[Any, Any]]:
        """Yield (item, what the function made of it) as they come, few under way at once."""
        distributed = importlib.import_module("distributed")
        waiting = iter(items)
        item_of: dict[str, Any] = {}

        def submitted() -> Iterator[Any]:
            for item in waiting:
                future = self.client.submit(function, *shared, item, pure=False)
                item_of[future.key] = item
                yield future

        more = submitted()
        done = distributed.as_completed([future for _, future in zip(range(self.ahead), more, strict=False)])
        for future in done:
            yield item_of.pop(future.key), future.result()
            future.release()
            following = next(more, None)
            if following is not None:
                done.add(following)


def _block(sources: Sources, shared: tuple[str, int, Asked], at: np.ndarray) -> np.ndarray:
    return _held.work(sources, *shared).block(at)


def _draw(sources: Sources, seed: int, j: int) -> tuple[np.ndarray, np.ndarray]:
    with _alone:
        set_threads(1)
        _held.forget()
        return draw(sources.problem, seed, j)


def _seen(drawn: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    return drawn[1]


def _update(
    sources: Sources, drawn: tuple[np.ndarray, np.ndarray], weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    with _alone:
        set_threads(1)
        update = sources.problem.correction(weights)
        return drawn[0] - update, update


class _Held:
    """The rows times D that a worker keeps: those of the part that was asked for last."""

    def __init__(self) -> None:
        self._part = ""
        self._work: Work | None = None

    def forget(self) -> None:
        """Let go of them."""
        self._work = None

    def work(self, sources: Sources, part: str, sector: int, asked: Asked) -> Work:
        """Return what blocks of a part are made from."""
        with _alone:
            set_threads(1)
            if self._work is None or self._part != part:
                # the one before goes first: two would not be needed at once
                self._work = None
                self._work, self._part = sources.work(sector, asked), part
            return self._work


_held = _Held()
