"""Hours that are final move to the archive: blocks of many hours and few cells, quick to read along time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import zarr

from pipeline.errors import StoreError
from pipeline.grid.hours_journal import Record, runs
from pipeline.grid.hours_layout import ARCHIVE, ARCHIVED, BOTH, HOT, MANIFEST, OPEN, VECTORS, Layout, Stored
from pipeline.grid.hours_reader import HourReader
from pipeline.grid.hours_repo import MAIN, Repo
from pipeline.grid.hours_version import Commit
from pipeline.grid.hours_writer import HourWriter


def seal(repo: Repo, start: np.datetime64, end: np.datetime64, when: str, branch: str, *, keep: bool) -> Commit:
    """Bring the versions of hours [start, end) to the archive; their numbers, manifests and digests stay.

    The lock must be held.

    Parameters
    ----------
    repo
        Of the store.
    start, end
        UTC.
    when
        The time, ISO 8601.
    branch
        Which.
    keep
        Leave them in the hot group too.
    """
    seq = repo.settle()[-1].seq + 1
    parent = repo.tip(branch)
    reader = HourReader(repo, parent)
    layout = reader.layout
    first, last = layout.index(start), layout.index(end - np.timedelta64(1, "h")) + 1
    tier = np.where(reader.vectors["state"] > 0, reader.vectors["tier"], ARCHIVED)
    new = first + np.flatnonzero(tier[first:last] == OPEN)
    moved = first + np.flatnonzero(tier[first:last] != ARCHIVED)
    if not (new if keep else moved).size:
        return Commit(reader.seq, parent, (), False)
    open_ = tier == OPEN
    open_[new] = False
    session = repo.icechunk.writable_session(branch)
    writer = HourWriter(session, layout)
    writer.vectors["tier"][moved] = BOTH if keep else ARCHIVED
    needed = writer.vectors["tier"] != ARCHIVED
    for variable in layout.variables:
        array = writer.array(ARCHIVE, variable.name)
        everything = tuple(slice(None) for _ in variable.dims)
        for low, high in _blocks(layout, variable, new):
            places = np.arange(low, high)
            values = reader.read(variable, places, everything)
            # of the hours of a block that stay open nothing is copied
            values[variable.with_time(everything, np.flatnonzero(open_[low:high]))] = np.nan
            array[variable.with_time(everything, slice(low, high))] = values
        if not keep:
            writer.drop(HOT, variable, _hot_chunks(variable, moved, needed & (reader.vectors["state"] > 0)))
    writer.finish()
    hours = runs((layout.start + moved).tolist())
    done = repo.publish(session, Record(seq, "", when, branch, "seal", hours))
    return Commit(seq, done.snapshot, tuple(layout.hour(at) for at in moved), True)


def _blocks(layout: Layout, variable: Stored, hours: np.ndarray) -> Iterator[tuple[int, int]]:
    """Give first place and the one after the last of the archive's blocks that some hours lie in."""
    length = variable.chunks(ARCHIVE)[variable.time_axis]
    for number in np.unique(hours // length).tolist():
        yield number * length, min((number + 1) * length, layout.hours)


def _hot_chunks(variable: Stored, moved: np.ndarray, needed: np.ndarray) -> Iterator[tuple[int, ...]]:
    """Give the hot chunks that no hour needs any more."""
    length = variable.chunks(HOT)[variable.time_axis]
    for number in np.unique(moved // length).tolist():
        if not needed[number * length : (number + 1) * length].any():
            sectors = range(variable.shape[0]) if variable.is_field else (0,)
            for sector in sectors:
                chunk = [0] * (len(variable.dims) + 1)
                chunk[0] = sector
                chunk[variable.time_axis] = number
                yield tuple(chunk)


def extend(repo: Repo, hours: int, when: str) -> Commit:
    """Make the axis of main longer. The lock must be held.

    Raises
    ------
    StoreError
        When it would become shorter.
    """
    seq = repo.settle()[-1].seq + 1
    parent = repo.tip(MAIN)
    reader = HourReader(repo, parent)
    if hours < reader.layout.hours:
        raise StoreError(
            "an axis only grows", got=hours, remedy=f"give {reader.layout.hours} hours or more", where=str(repo.path)
        )
    if hours == reader.layout.hours:
        return Commit(reader.seq, parent, (), False)
    session = repo.icechunk.writable_session(MAIN)
    resize(session.store, reader.layout, hours)
    done = repo.publish(session, Record(seq, "", when, MAIN, "extend"))
    return Commit(seq, done.snapshot, (), True)


def resize(store: Any, layout: Layout, hours: int) -> None:
    """Make every array of a session's store as long as an axis of so many hours."""
    for name in (HOT, ARCHIVE):
        group: Any = zarr.open_group(store, path=name, mode="r+")
        for variable in layout.variables:
            group[variable.name].resize(variable.with_time(variable.shape, hours))
        for vector in ("time", *((*VECTORS, MANIFEST) if name == HOT else ())):
            group[vector].resize((hours,))
        group["time"][layout.hours :] = layout.start + np.arange(layout.hours, hours)
