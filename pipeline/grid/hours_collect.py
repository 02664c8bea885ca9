"""Retention: what no branch, tag or reader needs any more goes, and its disk with it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import icechunk

from pipeline.errors import CorruptError
from pipeline.grid import hours_files
from pipeline.grid.hours_files import leased, locked
from pipeline.grid.hours_journal import Record
from pipeline.grid.hours_repo import MAIN, PINNED, Repo


@dataclass(frozen=True)
class Collected:
    """What retention removed.

    Parameters
    ----------
    snapshots, manifests, chunks
        Files of each kind.
    bytes
        Of them all.
    orphans
        Files that a kill left half written.
    """

    snapshots: int
    manifests: int
    chunks: int
    bytes: int
    orphans: int


def collect(repo: Repo, older_than: datetime) -> Collected:
    """Remove every snapshot that was superseded before a time, and all that only it needs.

    What a branch, a tag or a living reader points to stays, and so does the last snapshot before that time: what the
    store said at any time since can be read. The lock must be held.

    Parameters
    ----------
    repo
        Of the store.
    older_than
        By the clock of the commits, with a zone.
    """
    try:
        with locked(repo.path / "leases" / "gate"):
            _expire(repo, older_than, leased(repo.path / "leases"))
        # from here on readers may open again: what they can find is not touched
        found = repo.icechunk.garbage_collect(datetime.now(UTC) + timedelta(hours=1))
    except icechunk.IcechunkError as error:
        raise CorruptError(
            "the history must be readable", got=str(error), remedy="run `repair`", where=str(repo.path)
        ) from error
    finally:
        _unpin(repo)
    size = found.bytes_deleted + repo.sums.keep()
    return Collected(found.snapshots_deleted, found.manifests_deleted, found.chunks_deleted, size, _swept(repo.path))


def _expire(repo: Repo, older_than: datetime, pinned: set[str]) -> None:
    """Take what goes out of the history and the journal; the gate must be held."""
    records = repo.settle()
    _unpin(repo)
    # Icechunk expires by its own clock: by that of the first snapshot that stays
    written = [repo.icechunk.lookup_snapshot(s).written_at for s in _staying(repo, records, older_than)]
    # a reader's snapshot stays as long as a branch points to it
    for number, snapshot in enumerate(sorted(pinned)):
        if (repo.folder / "snapshots" / snapshot).exists():
            repo.point(f"{PINNED}{number}", snapshot)
    # the oldest snapshot that stays is rewritten, without its parent; there is a copy of what it was
    repo.icechunk.expire_snapshots(min(written))
    hours_files.sync(repo.path)
    repo.sums.renew()
    kept = {record.snapshot for ref in repo.refs() for record in repo.history(**ref)}
    repo.journal.replace([r for r in records if r.snapshot in kept or r is records[-1]])


def _unpin(repo: Repo) -> None:
    for name in repo.branches(pinned=True):
        repo.drop(name)


def _staying(repo: Repo, records: Sequence[Record], older_than: datetime) -> list[str]:
    """Return the snapshots that stay by their age; the tips of other branches stay anyway."""
    out = [repo.tip(MAIN)]
    for branch in {record.branch for record in records}:
        mine = [record for record in records if record.branch == branch]
        latest = list(itertools.accumulate((datetime.fromisoformat(r.at) for r in mine), max))
        first = next((i for i, moment in enumerate(latest) if moment >= older_than), len(mine))
        out += [record.snapshot for record in mine[max(0, first - (branch == MAIN)) :]]
    return [snapshot for snapshot in out if (repo.folder / "snapshots" / snapshot).exists()]


def _swept(folder: Path) -> int:
    """Remove what a kill left half written: our own, and Icechunk's, whose name goes on after a #."""
    left = [path for path in folder.rglob("*") if path.is_file() and ("#" in path.name or path.suffix == ".partial")]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)
