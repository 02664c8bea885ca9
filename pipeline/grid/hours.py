"""The versioned store of hours: one committed version of every hour, with all that came before it.

It is an Icechunk repository (transactional Zarr v3) that plain xarray reads. A commit is whole or has not been; readers
have a snapshot each; what an hour said before can be read until retention removes it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pipeline.errors import StoreError
from pipeline.grid import hours_layout as layouts
from pipeline.grid.hours_branch import adopt, branch
from pipeline.grid.hours_check import corrupt_hours
from pipeline.grid.hours_collect import Collected, collect
from pipeline.grid.hours_commit import commit
from pipeline.grid.hours_files import PATIENCE, Lease, gate, put
from pipeline.grid.hours_journal import Record, newest_at
from pipeline.grid.hours_reader import HourReader
from pipeline.grid.hours_repair import Repaired, repair
from pipeline.grid.hours_repo import MAIN, Repo, writing
from pipeline.grid.hours_seal import extend, seal
from pipeline.grid.hours_version import Commit, HourVersion, text_of

_MARK = "store.json"
_MARKED = b'{"layout": %d}\n' % layouts.LAYOUT
_OURS = {"lock", "repo", "sums", "copies", "journal.jsonl"}


class HourStore:
    """A store of hours in a folder; `create` and `open` make it.

    Parameters
    ----------
    repo
        Its repository.
    """

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self.path = repo.path

    @classmethod
    def create(
        cls,
        path: Path,
        template: xr.Dataset,
        *,
        start: np.datetime64,
        hours: int = layouts.HOURS,
        attrs: Mapping[str, Any] | None = None,
    ) -> HourStore:
        """Make a store.

        Parameters
        ----------
        path
            Its folder, which must not exist or be empty.
        template
            Variables of one hour (float, without time) with their coordinates and attributes.
        start
            First hour of the axis, UTC.
        hours
            Hours of the axis; they cost nothing until they are written.
        attrs
            Of the Dataset that readers open.

        Raises
        ------
        StoreError
            When something stands there, or the template cannot be stored.
        """
        layout = layouts.layout_of(template, start, hours)
        path.mkdir(parents=True, exist_ok=True)
        with writing(path):
            # what is there without a mark is what a kill left of this
            if (path / _MARK).exists() or {p.name for p in path.iterdir()} - _OURS:
                raise StoreError(
                    "a store is made in a folder of its own",
                    got=str(path),
                    remedy="open it, or give another path",
                )
            for name in ("repo", "sums", "copies"):
                shutil.rmtree(path / name, ignore_errors=True)
            repo = Repo(path, create=True)
            session = repo.icechunk.writable_session(MAIN)
            layouts.write_empty(session.store, template, layout, attrs or {})
            at = text_of(datetime.fromisoformat("1970-01-01T00:00:00+00:00"))
            repo.publish(session, Record(0, "", at, MAIN, "create"))
            put(path / _MARK, _MARKED)
        return cls(repo)

    @staticmethod
    def is_there(path: Path) -> bool:
        """Return whether a store was made in a folder; half of one that a kill left is none."""
        return (path / _MARK).is_file()

    @classmethod
    def open(cls, path: Path) -> HourStore:
        """Open a store.

        Raises
        ------
        StoreError
            When there is none, or one of another layout.
        """
        if not (path / _MARK).is_file() or not (path / "repo").is_dir():
            raise StoreError(
                "there must be a store of hours", got=str(path), remedy="give its folder, or create one", where="store"
            )
        layouts.require_layout((path / _MARK).read_bytes(), str(path))
        return cls(Repo(path))

    def require_template(self, template: xr.Dataset) -> None:
        """Raise unless the store was made with this template.

        Raises
        ------
        StoreError
            With the first thing that differs.
        """
        with self.at() as reader:
            layouts.require_template(reader.layout, template, str(self.path))

    def at(
        self,
        as_of: datetime | None = None,
        *,
        snapshot: str | None = None,
        tag: str | None = None,
        branch: str = MAIN,
    ) -> HourReader:
        """Return a reader of one snapshot: the newest, or another.

        Parameters
        ----------
        as_of
            What the branch said at that time.
        snapshot
            By its id.
        tag
            By its name.
        branch
            Whose newest.

        Raises
        ------
        StoreError
            When there is none, or it is no longer kept.
        CorruptError
            When it cannot be read.
        """
        with gate(self.path / "leases"):
            if snapshot is None:
                snapshot = self.snapshot_of(as_of, tag, branch)
            lease = Lease(self.path / "leases", snapshot)
            try:
                return HourReader(self._repo, snapshot, lease)
            except BaseException:
                lease.close()
                raise

    def read_revision(self, hour: np.datetime64, revision: int) -> dict[str, np.ndarray]:
        """Return the values of a version of an hour, verified.

        Raises
        ------
        StoreError
            When the hour has no such version, or it is no longer kept.
        """
        with self.at() as reader:
            for line in reader.revisions(hour):
                if line["revision"] == revision:
                    with self.at(snapshot=line["snapshot"]) as then:
                        then.verify(hour)
                        return then.values(hour)
        raise StoreError(
            "the hour must have the version", got=revision, remedy="ask for one of `revisions`", where=str(hour)
        )

    def commit(
        self,
        versions: Sequence[HourVersion],
        *,
        at: datetime,
        message: str = "",
        branch: str = MAIN,
        expected_seq: int | None = None,
        patience: float = PATIENCE,
    ) -> Commit:
        """Write versions of hours, all of them or none.

        An hour whose version says the same already (values, status, condition and key) is not written: a commit whose
        answer was lost can be made again.

        Parameters
        ----------
        versions
            Of different hours.
        at
            The time, with a zone.
        message
            For people.
        branch
            Which.
        expected_seq
            `seq` of the reader that the work began with: if an hour was written since, nothing is.
        patience
            Seconds to wait for another committer.

        Raises
        ------
        StoreError
            When a version cannot be stored, or an hour was written since.
        LockedError
            When another process commits.
        """
        with writing(self.path, patience):
            return commit(self._repo, versions, at, message, branch, expected_seq)

    def tag(self, name: str) -> str:
        """Name the newest snapshot of main, for ever; return its id.

        Raises
        ------
        StoreError
            When the name is taken or cannot be one.
        """
        with writing(self.path):
            return self._repo.tag(name, self._repo.tip(MAIN))

    def seal(
        self, start: np.datetime64, end: np.datetime64, *, at: datetime, branch: str = MAIN, keep: bool = False
    ) -> Commit:
        """Bring hours [start, end) to the archive; what they say stays, to the bit.

        A later version of one is hot, and counts.

        Parameters
        ----------
        start, end
            UTC.
        at
            The time.
        branch
            Which.
        keep
            Leave them hot too: hours that are not final, once a day. Maps are read hot then, series from the archive:
            a chunk for each hour of a month is half a second.
        """
        with writing(self.path):
            return seal(self._repo, start, end, text_of(at), branch, keep=keep)

    def extend(self, hours: int, *, at: datetime) -> Commit:
        """Make the axis of main so many hours long.

        Raises
        ------
        StoreError
            When it would become shorter.
        """
        with writing(self.path):
            return extend(self._repo, hours, text_of(at))

    def branch(self, name: str, *, at: datetime) -> str:
        """Make a branch at the newest snapshot of main; return its first snapshot.

        Raises
        ------
        StoreError
            When there is one, or the name cannot be one.
        """
        with writing(self.path):
            return branch(self._repo, name, text_of(at))

    def branches(self) -> list[str]:
        """Return the names of the branches beside main."""
        return sorted(set(self._repo.branches()) - {MAIN})

    def adopt(self, name: str, *, at: datetime) -> Commit:
        """Let main be what a branch says, after the caller's checks; the old end of main is tagged.

        Hours that main wrote since the branch began and the branch did not are carried over.

        Raises
        ------
        StoreError
            When there is no such branch.
        """
        with writing(self.path):
            return adopt(self._repo, name, text_of(at))

    def collect(self, older_than: datetime) -> Collected:
        """Remove what was superseded before a time and nobody needs: no branch, no tag, no living reader."""
        text_of(older_than)
        with writing(self.path):
            return collect(self._repo, older_than)

    def check(self, start: np.datetime64 | None = None, end: np.datetime64 | None = None) -> dict[np.datetime64, str]:
        """Return what is wrong with each hour of main that is not as it was written; nothing when all is well.

        Parameters
        ----------
        start, end
            Hours to look at: all by default, and all values are read (a year of 3 km maps of a province in minutes).

        Raises
        ------
        CorruptError
            When main cannot be read at all.
        """
        with self.at() as reader:
            found = corrupt_hours(reader, reader.layout.places(start, end))
            return {reader.layout.hour(at): words for at, words in found.items()}

    @classmethod
    def repair(
        cls, path: Path, *, at: datetime, start: np.datetime64 | None = None, end: np.datetime64 | None = None
    ) -> Repaired:
        """Bring the store in a folder back to what is whole, after a power cut or a fault of the disk.

        Parameters
        ----------
        path
            Of the store.
        at
            The time.
        start, end
            Hours to look at, as `check` does. A power cut damages none (it may cost a branch its ref, or retention a
            snapshot that it wrote anew); a disk may damage any.

        Raises
        ------
        CorruptError
            When nothing is whole.
        """
        with writing(path):
            done = repair(path, text_of(at), start, end)
            put(path / _MARK, _MARKED)
        return done

    def snapshot_of(self, as_of: datetime | None = None, tag: str | None = None, branch: str = MAIN) -> str:
        """Return the snapshot that `at` would read: a branch's newest when nothing else is given.

        Raises
        ------
        StoreError
            When there is none.
        """
        if tag is not None:
            return self._repo.tagged(tag)
        if as_of is None:
            return self._repo.tip(branch)
        text_of(as_of)
        record = newest_at(self._repo.records(), branch, as_of)
        if record is None:
            raise StoreError(
                "a commit at or before that time must be kept", got=str(as_of), remedy="ask for a later time"
            )
        return record.snapshot

    def records(self) -> list[Record]:
        """Return what the journal says of every commit, oldest first; of some, the snapshot is no longer kept."""
        return self._repo.records()

    def tags(self) -> dict[str, str]:
        """Return the snapshot of each tag."""
        return {ref["tag"]: self._repo.tagged(ref["tag"]) for ref in self._repo.refs() if "tag" in ref}
