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
    # an hour of a branch may be older by its number than it is main's
    after = records[-1].seq if expected_seq is None else expected_seq
    adopted = [r for r in records if r.kind == "adopt" and r.branch == branch and r.seq > after]
    known = _manifests(reader, places)
    for place, version in zip(places, versions, strict=True):
        values = stored_values(version, layout)
        before = known.get(place)
        manifest = next_manifest(version, digests(values), before, parent, seq, at)
        if manifest is not None:
            last = 0 if before is None else max(int(before["seq"]), _newest(adopted, layout.start + place))
            if expected_seq is not None and last > expected_seq:
                raise StoreError(
                    "an hour must not have been written since the work on it began",
                    got=f"commit {last} after {expected_seq}",
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


def _newest(records: Sequence[Record], hour: int) -> int:
    """Return the number of the newest of some records that tells of an hour; 0 when none does."""
    mine = (r.seq for r in records if any(0 <= hour - first < count for first, count in r.hours))
    return max(mine, default=0)


def _manifests(reader: HourReader, places: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return manifests of places on the axis, read in one go where they are close."""
    out = {}
    for first, count in runs(places):
        found = reader.manifests(reader.layout.hour(first), reader.layout.hour(first + count))
        out.update({reader.layout.index(hour): manifest for hour, manifest in found.items()})
    return out
