"""A commit: versions of hours in one transaction, each unless the hour says the same already."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pipeline.errors import StoreError
from pipeline.grid.hours_journal import Record, runs
from pipeline.grid.hours_reader import HourReader
from pipeline.grid.hours_repo import Repo
from pipeline.grid.hours_version import Commit, HourVersion, digests, next_manifest, stored_values, text_of
from pipeline.grid.hours_writer import HourWriter, Row


def commit(
    repo: Repo, versions: Sequence[HourVersion], at: datetime, message: str, branch: str, expected_seq: int | None
) -> Commit:
    """Write versions of hours, all of them or none; the lock must be held.

    Parameters
    ----------
    repo
        Of the store.
    versions, at, message, branch, expected_seq
        As `HourStore.commit` has them.

    Raises
    ------
    StoreError
        When a version cannot be stored, or an hour was written since.
    """
    when = text_of(at)
    records = repo.settle()
    parent = repo.tip(branch)
    reader = HourReader(repo, parent)
    layout = reader.layout
    seq = max(record.seq for record in records) + 1
    places = [layout.index(version.hour) for version in versions]
    if len(set(places)) != len(places):
        raise StoreError("the versions of a commit must be of different hours", remedy="give each hour once")
    rows, newest = [], 0
    known = _manifests(reader, places)
    for place, version in zip(places, versions, strict=True):
        values = stored_values(version, layout)
        before = known.get(place)
        manifest = next_manifest(version, digests(values), before, parent, seq, at)
        if manifest is not None:
            if before is not None and expected_seq is not None and before["seq"] > expected_seq:
                raise StoreError(
                    "an hour must not have been written since the work on it began",
                    got=f"commit {before['seq']} after {expected_seq}",
                    remedy="begin again from what the store holds now",
                    where=str(version.hour),
                )
            rows.append(Row(place, values, manifest))
        elif before is not None:
            newest = max(newest, int(before["seq"]))
    if not rows:
        return Commit(newest or reader.seq, parent, (), False)
    session = repo.icechunk.writable_session(branch)
    writer = HourWriter(session, layout)
    writer.write(rows)
    writer.finish()
    hours = runs(layout.start + row.at for row in rows)
    done = repo.publish(session, Record(seq, "", when, branch, "commit", hours, message))
    return Commit(seq, done.snapshot, tuple(layout.hour(row.at) for row in rows), True)


def _manifests(reader: HourReader, places: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return manifests of places on the axis, read in one go where they are close."""
    out = {}
    for first, count in runs(places):
        found = reader.manifests(reader.layout.hour(first), reader.layout.hour(first + count))
        out.update({reader.layout.index(hour): manifest for hour, manifest in found.items()})
    return out
