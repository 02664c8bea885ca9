"""After a power cut or a fault of the disk: back to the newest that is whole, as a whole and hour by hour."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import CorruptError, StoreError
from pipeline.grid import hours_files
from pipeline.grid.hours_check import corrupt_hours
from pipeline.grid.hours_journal import Journal, Record, runs
from pipeline.grid.hours_layout import ARCHIVE, ARCHIVED, BOTH, HOT, MANIFEST, OPEN, Stored
from pipeline.grid.hours_reader import HourReader
from pipeline.grid.hours_repo import MAIN, Repo
from pipeline.grid.hours_sums import Sums
from pipeline.grid.hours_version import superseded
from pipeline.grid.hours_writer import HourWriter, Row


@dataclass(frozen=True)
class Repaired:
    """What a repair did.

    Parameters
    ----------
    snapshot
        Newest of main now.
    moved
        Whether main had to go back.
    restored
        Hours whose version was read from an earlier snapshot: nothing is lost.
    recompute
        Hours that say what an earlier version said, or nothing (`lost`): to be made again.
    lost
        Hours of which no version could be read: missing now.
    """

    snapshot: str
    moved: bool
    restored: tuple[np.datetime64, ...]
    recompute: tuple[np.datetime64, ...]
    lost: tuple[np.datetime64, ...]


def repair(path: Path, when: str, start: np.datetime64 | None = None, end: np.datetime64 | None = None) -> Repaired:
    """Bring a store back to what is whole, and hours [start, end) of it; the lock must be held.

    Raises
    ------
    CorruptError
        When no snapshot of main is whole.
    """
    Sums(path).heal()
    moved = _settle_refs(path)
    repo = Repo(path)
    reader, records = _newest_whole(repo, moved)
    tip = repo.tip(MAIN)
    if reader.snapshot != tip:
        moved = True
        repo.point(MAIN, reader.snapshot)
        repo.journal.replace([r for r in records if r.branch != MAIN or r.seq <= reader.seq])
    newest = max((r.seq for r in records), default=0)
    records = repo.settle()
    if moved:
        # no number is given twice, not even that of a commit that is gone
        records.append(Record(max(newest, records[-1].seq) + 1, reader.snapshot, when, MAIN, "repair"))
        repo.journal.append(records[-1])
    wrong = _wrong(reader, reader.layout.places(start, end))
    if not wrong:
        return Repaired(reader.snapshot, moved, (), (), ())
    return _restored(repo, reader, records, wrong, when, moved)


def _wrong(reader: HourReader, places: np.ndarray) -> dict[int, str]:
    """Return what is wrong with hours, and with those that lie in a chunk with one of them: chunks are given up whole.

    Parameters
    ----------
    reader
        Of the snapshot.
    places
        On the axis, to look at.
    """
    layout = reader.layout
    lengths = {v.chunks(group)[v.time_axis] for v in layout.variables for group in (HOT, ARCHIVE)}
    wrong, looked = corrupt_hours(reader, places), places
    found = np.array(sorted(wrong), dtype=int)
    while found.size:
        every = [np.unique(found // n)[:, None] * n + np.arange(n) for n in lengths]
        near = np.unique(np.concatenate([one.ravel() for one in every]))
        near = np.setdiff1d(near[near < layout.hours], looked)
        more, looked = corrupt_hours(reader, near), np.union1d(looked, near)
        wrong, found = {**wrong, **more}, np.array(sorted(more), dtype=int)
    return dict(sorted(wrong.items()))


def _settle_refs(path: Path) -> bool:
    """Let every branch name a snapshot that exists, without Icechunk, which does not open otherwise."""
    refs, snapshots = path / "repo" / "refs", path / "repo" / "snapshots"
    records, _ = Journal(path / "journal.jsonl").read()
    moved = False
    for folder in sorted({refs / f"branch.{MAIN}", *refs.glob("branch.*")}):
        ref = folder / "ref.json"
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            if (snapshots / json.loads(ref.read_bytes())["snapshot"]).is_file():
                continue
        name = folder.name.removeprefix("branch.")
        mine = [r for r in sorted(records, key=lambda r: -r.seq) if r.branch == name]
        found = next((r.snapshot for r in mine if (snapshots / r.snapshot).is_file()), None)
        if found is None and name == MAIN:
            # without a journal: any snapshot will do, and `_newest_whole` looks at all
            found = next((p.name for p in sorted(snapshots.glob("*")) if p.stat().st_size), None)
        if found is not None:
            hours_files.put(ref, json.dumps({"snapshot": found}).encode())
            hours_files.sync_folder(refs)
            moved = moved or name == MAIN
    return moved


def _newest_whole(repo: Repo, moved: bool) -> tuple[HourReader, list[Record]]:
    """Return a reader of the newest snapshot of main that is whole, and the journal."""
    records, whole = repo.journal.read()
    # the ref counts; one that had to be made anew, of a journal with holes, may name any snapshot
    candidates = [repo.tip(MAIN)] if whole or not moved else []
    candidates += [r.snapshot for r in sorted(records, key=lambda r: -r.seq) if r.branch == MAIN]
    tried = set()
    for snapshot in itertools.chain(candidates, _all_snapshots(repo)):
        if snapshot in tried:
            continue
        tried.add(snapshot)
        with contextlib.suppress(StoreError):
            return HourReader(repo, snapshot), records
    raise CorruptError(
        "a snapshot of main must be whole",
        got=f"{len(tried)} that are not",
        remedy="restore the folder from a copy, or make the store anew",
        where=str(repo.path),
    )


def _all_snapshots(repo: Repo) -> Iterator[str]:
    """Give every snapshot of main there is a file of, newest first."""
    found = []
    for path in (repo.folder / "snapshots").glob("*"):
        with contextlib.suppress(StoreError):
            record = repo.record(path.name)
            if record.branch == MAIN:
                found.append(record)
    yield from (record.snapshot for record in sorted(found, key=lambda r: -r.seq))


def _restored(
    repo: Repo, reader: HourReader, records: Sequence[Record], wrong: dict[int, str], when: str, moved: bool
) -> Repaired:
    """Write what can still be read of some hours."""
    seq = records[-1].seq + 1
    layout = reader.layout
    session = repo.icechunk.writable_session(MAIN)
    writer = HourWriter(session, layout)
    rows, restored, older, lost = [], [], [], []
    readers: dict[str, HourReader | None] = {reader.snapshot: reader}
    for at, words in wrong.items():
        hour = layout.hour(at)
        found = _earlier(repo, reader, records, at, readers)
        if found is None:
            lost.append(hour)
            for vector in writer.vectors.values():
                vector[at] = 0
            continue
        values, manifest, snapshot = found
        if manifest["seq"] == reader.vectors["sequence"][at]:
            restored.append(hour)
        else:
            older.append(hour)
            manifest = {
                **manifest,
                "revision": int(reader.vectors["revision"][at]) + 1,
                "seq": seq,
                "at": when,
                "revisions": [*manifest["revisions"], superseded(manifest, snapshot)],
                "restored": {"revision": manifest["revision"], "because": words},
            }
        rows.append(Row(at, values, manifest))
    for variable in (*layout.variables, Stored(MANIFEST, (), (), "str")):
        for group in (HOT, ARCHIVE):
            if (group, variable.name) != (ARCHIVE, MANIFEST):
                writer.drop(group, variable, _unreadable(writer, group, variable, sorted(wrong)))
    writer.write(rows)
    writer.finish()
    hours = runs(layout.start + at for at in wrong)
    done = repo.publish(session, Record(seq, "", when, MAIN, "repair", hours))
    return Repaired(done.snapshot, moved, tuple(restored), tuple(sorted([*older, *lost])), tuple(lost))


def _earlier(
    repo: Repo, reader: HourReader, records: Sequence[Record], at: int, readers: dict[str, HourReader | None]
) -> tuple[dict[str, np.ndarray], dict[str, Any], str] | None:
    """Return values, manifest and snapshot of the newest version of an hour that can be read."""
    hour, number = reader.layout.hour(at), reader.layout.start + at
    snapshots = []
    with contextlib.suppress(CorruptError):
        snapshots = [line["snapshot"] for line in reversed(reader.revisions(hour))]
    ordered = sorted(records, key=lambda r: r.seq)
    for before, record in zip([None, *ordered], ordered, strict=False):
        if any(first <= number < first + count for first, count in record.hours):
            # before an hour was sealed it stood in other chunks
            snapshots += [one.snapshot for one in (before, record) if one is not None]
    known = {record.snapshot: record.seq for record in records}
    for snapshot in sorted(set(snapshots), key=lambda s: (s != reader.snapshot, -known.get(s, 0))):
        if snapshot not in readers:
            readers[snapshot] = None
            with contextlib.suppress(StoreError):
                readers[snapshot] = HourReader(repo, snapshot)
        then = readers[snapshot]
        if then is None:
            continue
        # of an hour that is in both groups one may be whole
        for group in (OPEN, ARCHIVED) if then.vectors["tier"][at] == BOTH else (OPEN,):
            with contextlib.suppress(StoreError):
                manifest = then.manifest(hour)
                if manifest is not None:
                    then.verify(hour, both=group)
                    return then.values(hour, both=group), manifest, snapshot
    return None


def _unreadable(writer: HourWriter, group: str, variable: Stored, hours: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Give the chunks with some hours that cannot be read: written in part, they would have to be."""
    array = writer.array(group, variable.name)
    length = array.chunks[variable.time_axis]
    for number in sorted({at // length for at in hours}):
        counts = [-(-n // chunk) for n, chunk in zip(array.shape, array.chunks, strict=True)]
        counts[variable.time_axis] = 1
        for chunk in np.ndindex(*counts):
            place = list(chunk)
            place[variable.time_axis] = number
            key = tuple(slice(p * c, (p + 1) * c) for p, c in zip(place, array.chunks, strict=True))
            try:
                array[key]
            # a damaged file raises anything, in three libraries
            except Exception:
                yield tuple(place)
