"""What is done with hours that are over: consolidated and sealed by the month, and what nobody needs removed.

A month is consolidated when it ended `consolidate_days` ago and none of its hours is due: its versions become P3,
of the same numbers, and are moved to the archive. A later delivery still makes a new version of an hour, which counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import xarray as xr

from pipeline.derived import Derived
from pipeline.grid import HourReader, HourVersion, facts_of
from pipeline.service.making import P0, P1, P2, P3
from pipeline.service.service import Service

#: hours whose versions are written at once: of a province some 20 MB
_BATCH = 24
#: the store's axis is made a year longer when less than this is left of it
_ROOM, _YEAR = np.timedelta64(24 * 60, "h"), 8784
#: days after which what was derived from a file and not used is not needed: a growing file leaves some every hour
_UNUSED = 2.0


def months_over(service: Service, now: datetime) -> list[tuple[np.datetime64, np.datetime64]]:
    """Return the months [start, end) of the service that ended long enough ago to be consolidated, oldest first."""
    place = service.place
    last = np.datetime64((now - timedelta(days=place.service.consolidate_days)).replace(tzinfo=None), "M")
    months = np.arange(place.service.first.astype("datetime64[M]"), last)
    return [
        (max(month.astype("datetime64[h]"), place.service.first), (month + 1).astype("datetime64[h]"))
        for month in months
    ]


def first_open(service: Service, now: datetime) -> np.datetime64:
    """Return the first hour that is looked at for what came late: that of the first month not yet consolidated."""
    first = service.place.service.first
    over = months_over(service, now)
    if not over:
        return first
    with service.store.at() as reader:
        young = reader.hours_of(P0, P1, P2)
        made = reader.hours()
    for start, end in over:
        inside = (made >= start) & (made < end)
        # an hour that was never made keeps its month open
        if inside.sum() < int((end - start) / np.timedelta64(1, "h")) or ((young >= start) & (young < end)).any():
            return start
    return over[-1][1]


def consolidate(service: Service, now: datetime, due: Sequence[np.datetime64]) -> list[np.datetime64]:
    """Consolidate and seal the months that are over, and return their first hours; those with hours due wait.

    Parameters
    ----------
    service
        Of the run.
    now
        The time.
    due
        Hours that are due still: of a month, or of windows that reach into it.
    """
    with service.store.at() as reader:
        young = reader.hours_of(P0, P1, P2)
    lag = np.timedelta64(service.place.cycle.lag_hours, "h")
    done = []
    for start, end in months_over(service, now):
        mine = young[(young >= start) & (young < end)]
        # the window of an hour `lag` later gives the version of this month's hour
        if not mine.size or any(start <= hour < end + lag for hour in due):
            continue
        for first in range(0, mine.size, _BATCH):
            _promote(service, mine[first : first + _BATCH])
        service.store.seal(start, end, at=service.clock.wall())
        service.log.info("consolidated", month=str(start.astype("datetime64[M]")), hours=int(mine.size))
        done.append(start)
    return done


def daily(service: Service, now: datetime) -> None:
    """Do what is done once a day.

    Hours that are some days old are copied to the archive too, where series are read from; versions that were
    superseded longer ago than they are to be kept are removed, but for tags and what is being read; the store's axis is
    made longer before it ends; and what was derived from files that no window reads any more is removed.
    """
    Derived(service.place.cache).prune(_UNUSED)
    store = service.store
    with store.at() as reader:
        hours, layout = reader.hours(), reader.layout
        last = layout.hour(layout.hours - 1)
    if not hours.size:
        return
    today = hours[-1].astype("datetime64[D]").astype("datetime64[h]")
    if hours[0] < today:
        store.seal(hours[0], today, at=service.clock.wall(), keep=True)
    if hours[-1] > last - _ROOM:
        store.extend(layout.hours + _YEAR, at=service.clock.wall())
    collect(service, now)


def collect(service: Service, now: datetime) -> None:
    """Remove versions that were superseded longer ago than they are to be kept; tags and what is read stay."""
    found = service.store.collect(now - timedelta(days=service.place.service.keep_days))
    service.log.info("collected", **vars(found))


def _promote(service: Service, hours: np.ndarray) -> None:
    """Write versions of hours again as consolidated ones, with the same numbers."""
    with service.store.at() as reader:
        versions = []
        for hour in hours:
            manifest = reader.manifest(hour)
            assert manifest is not None
            versions.append(HourVersion(hour, _data(reader, hour), facts_of(manifest) | {"status": P3}))
        seq = reader.seq
    service.store.commit(versions, at=service.clock.wall(), message="consolidated", expected_seq=seq)


def _data(reader: HourReader, hour: np.datetime64) -> xr.Dataset:
    values = reader.values(hour)
    reader.verify(hour)
    return xr.Dataset({name: (reader.layout.named(name).dims, value) for name, value in values.items()})
