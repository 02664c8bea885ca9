"""The store read through: what a disk has damaged since it was written, and the way back from it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline.grid import HourStore
from pipeline.service.service import Service

_HOUR = np.timedelta64(1, "h")


def checked(service: Service, days: int | None) -> tuple[int, Mapping[np.datetime64, str]]:
    """Return how many hours of the store were read, and what is wrong with those that are not as they were written.

    Parameters
    ----------
    service
        Of the run.
    days
        The newest so many; all when not given.

    Raises
    ------
    CorruptError
        When the store cannot be read at all.
    """
    with service.store.at() as reader:
        hours = reader.hours()
    if not hours.size:
        return 0, {}
    first = hours[0] if days is None else max(hours[0], hours[-1] - np.timedelta64(24 * days - 1, "h"))
    return int((hours >= first).sum()), service.store.check(first, hours[-1] + _HOUR)


def repaired(service: Service, wrong: Mapping[np.datetime64, str]) -> list[str]:
    """Bring hours back to what is whole, and return what was done, in sentences."""
    first, last = min(wrong), max(wrong)
    done = HourStore.repair(service.place.store, at=service.clock.wall(), start=first, end=last + _HOUR)
    service.follow_store()
    told = [f"{len(done.restored)} hour(s) read from an earlier snapshot: nothing is lost"] if done.restored else []
    for hours, what in ((done.recompute, "made again by the next run"), (done.lost, "missing until then")):
        if hours:
            told.append(f"{len(hours)} hour(s) to be {what}: {', '.join(map(str, hours[:10]))}")
    service.log.warn("store repaired", restored=len(done.restored), recompute=[str(hour) for hour in done.recompute])
    return told
