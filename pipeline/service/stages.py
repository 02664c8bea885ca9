"""How long each stage of an hour took."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pipeline.case import Progress


@dataclass
class Stages:
    """Seconds that each stage of an hour took.

    Parameters
    ----------
    seconds
        By stage, in the order they were entered.
    processor
        Of all cores, this process's and those of children that have ended: more than `seconds` where several work.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    processor: dict[str, float] = field(default_factory=dict)
    _now: tuple[str, float, float] | None = None

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what is done inside, but for stages that begin there."""
        self._turn(name)
        try:
            yield
        finally:
            self._turn("")

    def watching(self, progress: Progress) -> Progress:
        """Return what reports progress as it is, and counts each stage it is told of until the next one begins."""

        def told(stage: str, done: int, of: int) -> None:
            self._turn(stage)
            progress(stage, done, of)

        return told

    def _turn(self, name: str) -> None:
        now, used = time.monotonic(), _used()
        if self._now is not None:
            before, since, used_before = self._now
            self.seconds[before] = round(self.seconds.get(before, 0.0) + now - since, 3)
            self.processor[before] = round(self.processor.get(before, 0.0) + used - used_before, 3)
        self._now = (name, now, used) if name else None


def _used() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
