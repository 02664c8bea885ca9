"""Reprocessing on a branch: many hours are written aside, looked at, and become what the store says in one step."""

from __future__ import annotations

from typing import Any

import numpy as np
import zarr

from pipeline.errors import StoreError
from pipeline.grid.hours_journal import Record, runs
from pipeline.grid.hours_reader import HourReader
from pipeline.grid.hours_repo import MAIN, Repo
from pipeline.grid.hours_seal import resize
from pipeline.grid.hours_version import Commit, superseded
from pipeline.grid.hours_writer import HourWriter, Row

#: hours that are carried over together
_AT_ONCE = 24


def branch(repo: Repo, name: str, when: str) -> str:
    """Make a branch at the newest snapshot of main; return its first snapshot. The lock must be held.

    Raises
    ------
    StoreError
        When there is one of that name.
    """
    repo.require_name(name)
    if name in repo.branches():
        raise StoreError("a branch must be new", got=name, remedy="give another name", where=str(repo.path))
    seq = repo.settle()[-1].seq + 1
    session = repo.icechunk.writable_session(MAIN)
    # where it began stands in the branch itself: the snapshot it began at may expire before it is adopted
    zarr.open_group(session.store, mode="r+").attrs.update(branch=name, base=seq)
    return repo.publish(session, Record(seq, "", when, name, "branch")).snapshot


def adopt(repo: Repo, name: str, when: str) -> Commit:
    """Let main be what a branch is, and what main was since and the branch did not write; the lock must be held.

    The old end of main is tagged `main-SEQ`. A crash leaves main as it was or adopted; adopting again ends what is left
    to do.

    Raises
    ------
    StoreError
        When there is no such branch.
    """
    records = repo.settle()
    old, tip = repo.tip(MAIN), repo.tip(name)
    if any(record.snapshot == tip for record in repo.history(branch=MAIN)):
        repo.drop(name)
        return Commit(repo.record(old).seq, old, (), False)
    seq = records[-1].seq + 1
    now, new = HourReader(repo, old), HourReader(repo, tip)
    base = _base(new)
    session = repo.icechunk.writable_session(name)
    if now.layout.hours > new.layout.hours:
        resize(session.store, new.layout, now.layout.hours)
    zarr.open_group(session.store, mode="r+").attrs.update(branch=MAIN, base=seq)
    writer = HourWriter(session, now.layout if now.layout.hours > new.layout.hours else new.layout)
    both, carried, rewritten = [], [], np.flatnonzero(new.vectors["sequence"] > base).tolist()
    places = set(rewritten)
    for at in np.flatnonzero(now.vectors["sequence"] > base).tolist():
        hour = now.layout.hour(at)
        manifest = now.manifest(hour)
        assert manifest is not None
        if at < new.layout.hours and new.vectors["sequence"][at] > base:
            mine = new.manifest(hour)
            assert mine is not None
            both.append(Row(at, {}, _merged(mine, manifest, base, old)))
        else:
            carried.append(Row(at, now.values(hour), manifest))
            places.add(at)
            # no more in memory than a day
            if len(carried) == _AT_ONCE:
                writer.write(carried)
                carried = []
    writer.write(carried)
    writer.write_manifests(both)
    writer.finish()
    repo.tag(f"{MAIN}-{now.seq}", old)
    done = repo.publish(session, Record(seq, "", when, MAIN, "adopt", runs(now.layout.start + p for p in places), name))
    repo.drop(name)
    return Commit(seq, done.snapshot, tuple(new.layout.hour(at) for at in rewritten), True)


def _base(reader: HourReader) -> int:
    root: Any = zarr.open_group(reader.store, mode="r")
    return int(root.attrs["base"])


def _merged(mine: dict[str, Any], theirs: dict[str, Any], base: int, old: str) -> dict[str, Any]:
    """Return a branch's manifest of an hour with the versions that main has had since the branch began."""
    since = [line for line in (*theirs["revisions"], superseded(theirs, old)) if line["seq"] > base]
    lines = sorted([*mine["revisions"], *since], key=lambda line: int(line["seq"]))
    revisions = [{**line, "revision": number + 1} for number, line in enumerate(lines)]
    return {**mine, "revisions": revisions, "revision": len(revisions) + 1}
