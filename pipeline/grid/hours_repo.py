"""The Icechunk repository under a store of hours: snapshots, the refs that name them, and the sums of their files.

Icechunk 1 as it lies on a disk: `chunks`, `manifests` (which chunk file is where), `snapshots` (which manifests an
array has, and all metadata), `transactions`, and `refs/branch.NAME/ref.json`. Every file but a ref is written once,
under a random name. Its commits are safe neither from a second committer nor from a power cut (it does not fsync), and
its manifests and snapshots have no checksum. Therefore: one committer by a lock; a snapshot is written aside (`flush`),
its files' sums beside it, all of it synced, and only then is the ref replaced.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import icechunk

from pipeline.errors import CorruptError, StoreError
from pipeline.grid import hours_files
from pipeline.grid.hours_journal import Journal, Record, record_of
from pipeline.grid.hours_layout import configuration
from pipeline.grid.hours_sums import Sums

# it warns at every open that two may not commit at once; they cannot
icechunk.set_logs_filter("error")
MAIN = "main"
#: begins the names of branches that retention makes for what is being read, while it runs
PINNED = "pinned-"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Repo:
    """A repository and what lies beside it.

    Parameters
    ----------
    path
        Folder of the store: `repo`, `sums`, `copies`, `leases`, `journal.jsonl`, `lock`.
    create
        Make it.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        self.folder = path / "repo"
        self.journal = Journal(path / "journal.jsonl")
        self.sums = Sums(path)
        if not create:
            self.tip(MAIN)
        storage = icechunk.local_filesystem_storage(str(self.folder))
        make = icechunk.Repository.create if create else icechunk.Repository.open
        with _corrupt("the repository", self.folder):
            self.icechunk = make(storage, config=configuration())

    # refs

    def tip(self, branch: str) -> str:
        """Return the snapshot a branch points to.

        Raises
        ------
        StoreError
            When there is no such branch.
        CorruptError
            When its ref is damaged.
        """
        path = self._ref(branch)
        if branch != MAIN and not path.exists():
            raise StoreError("the branch must exist", got=branch, remedy="make it with `branch`", where=str(self.path))
        try:
            found = json.loads(path.read_bytes())["snapshot"]
            if not (self.folder / "snapshots" / str(found)).is_file():
                raise ValueError(f"there is no snapshot {found}")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptError(
                "a branch must name a snapshot", got=str(error), remedy="run `repair`", where=str(path)
            ) from error
        return str(found)

    def point(self, branch: str, snapshot: str) -> None:
        """Let a branch point to a snapshot; after a power cut it points to that or to the one before."""
        hours_files.put(self._ref(branch), json.dumps({"snapshot": snapshot}).encode())
        hours_files.sync_folder(self.folder / "refs")

    def branches(self, *, pinned: bool = False) -> list[str]:
        """Return the names of all branches; of those that hold what is being read, if `pinned`."""
        found = [path.parent.name for path in (self.folder / "refs").glob("branch.*/ref.json")]
        names = [name.removeprefix("branch.") for name in found]
        return sorted(name for name in names if name.startswith(PINNED) == pinned)

    def refs(self) -> list[dict[str, str]]:
        """Return every branch and tag, as `history` takes it."""
        branches = [*self.branches(), *self.branches(pinned=True)]
        return [{"branch": name} for name in branches] + [{"tag": name} for name in sorted(self.icechunk.list_tags())]

    def drop(self, branch: str) -> None:
        """Remove a branch's ref."""
        path = self._ref(branch)
        path.unlink(missing_ok=True)
        if path.parent.exists():
            # what a kill left half written
            for left in path.parent.iterdir():
                left.unlink()
            path.parent.rmdir()
        hours_files.sync_folder(self.folder / "refs")

    def tag(self, name: str, snapshot: str) -> str:
        """Name a snapshot for ever; return its id.

        Raises
        ------
        StoreError
            When the name stands for another.
        """
        if name in self.icechunk.list_tags():
            if self.tagged(name) == snapshot:
                return snapshot
            raise StoreError("a tag never moves", got=name, remedy="give another name", where=str(self.path))
        self.require_name(name)
        hours_files.put(self.folder / "refs" / f"tag.{name}" / "ref.json", json.dumps({"snapshot": snapshot}).encode())
        hours_files.sync_folder(self.folder / "refs")
        return snapshot

    def tagged(self, name: str) -> str:
        """Return the snapshot a tag names.

        Raises
        ------
        StoreError
            When there is no such tag.
        """
        try:
            return str(self.icechunk.lookup_tag(name))
        except icechunk.IcechunkError as error:
            raise StoreError(
                "the tag must exist", got=name, remedy="make it with `tag`", where=str(self.path)
            ) from error

    def require_name(self, name: str) -> None:
        """Raise unless a tag or a branch may be called so.

        Raises
        ------
        StoreError
            When not.
        """
        if not _NAME.fullmatch(name) or name.startswith(PINNED):
            raise StoreError("a name must be letters, digits, - and _, at most 64", got=name, remedy="rename it")

    def _ref(self, branch: str) -> Path:
        return self.folder / "refs" / f"branch.{branch}" / "ref.json"

    # snapshots

    def record(self, snapshot: str) -> Record:
        """Return what a snapshot's commit says of itself."""
        # Icechunk remembers those that retention has removed since
        if not (self.folder / "snapshots" / snapshot).exists():
            raise StoreError(
                "the snapshot must be kept", got=snapshot, remedy="ask for a newer one", where=str(self.path)
            )
        try:
            info = self.icechunk.lookup_snapshot(snapshot)
        except icechunk.IcechunkError as error:
            raise CorruptError(
                "a snapshot must be readable", got=str(error), remedy="run `repair`", where=snapshot
            ) from error
        found = record_of(info.id, dict(info.metadata), info.message)
        if found is None:
            raise StoreError("the snapshot must be one of the store's", got=snapshot, remedy="ask for a newer one")
        return found

    def history(self, **ref: str) -> Iterator[Record]:
        """Give the commits of a branch, tag or snapshot, newest first."""
        with _corrupt("the history", self.folder):
            for info in self.icechunk.ancestry(**ref):
                found = record_of(info.id, dict(info.metadata), info.message)
                if found is not None:
                    yield found

    def publish(self, session: icechunk.Session, record: Record) -> Record:
        """Write a session's changes as a snapshot, and let its branch point to it.

        Parameters
        ----------
        session
            Writable, with changes.
        record
            Of the commit; its snapshot is not known yet.

        Returns
        -------
        Record
            With the snapshot.
        """
        parent = session.snapshot_id
        snapshot = session.flush(record.message or record.kind, metadata=record.metadata)
        names = self._files_of(snapshot)
        if record.kind == "create":
            names += [f"chunks/{chunk.name}" for chunk in (self.folder / "chunks").glob("*")]
            # Icechunk's own, with which every history begins
            self.sums.add(parent, "", [f"snapshots/{parent}"])
        self.sums.add(snapshot, parent, names)
        hours_files.sync(self.path)
        done = Record(**{**record.__dict__, "snapshot": snapshot})
        self.point(record.branch, snapshot)
        self.journal.append(done)
        return done

    # the journal, settled with the refs

    def settle(self) -> list[Record]:
        """Return the journal's lines in their order, after what a kill or damage left out of it was added.

        The lock must be held.
        """
        records, whole = self.journal.read()
        if not whole:
            records = self._rebuilt(records)
            self.journal.replace(records)
            return records
        known = {record.snapshot for record in records}
        missing = []
        for branch in self.branches():
            if self.tip(branch) in known:
                continue
            for record in self.history(branch=branch):
                if record.snapshot in known:
                    break
                missing.append(record)
        for record in sorted(missing, key=lambda r: r.seq):
            self.journal.append(record)
            records.append(record)
        return sorted(records, key=lambda r: r.seq)

    def records(self) -> list[Record]:
        """Return the journal's lines, with those it lacks, and change nothing."""
        records, whole = self.journal.read()
        tips: set[str] = set()
        # of a branch whose ref is damaged the journal is all there is
        with contextlib.suppress(CorruptError):
            tips = {self.tip(branch) for branch in self.branches()}
        if whole and tips <= {record.snapshot for record in records}:
            return sorted(records, key=lambda r: r.seq)
        return self._rebuilt(records)

    def _rebuilt(self, records: list[Record]) -> list[Record]:
        found = {(record.seq, record.snapshot): record for record in records}
        for ref in self.refs():
            # as far back as it can be read
            with contextlib.suppress(CorruptError):
                for record in self.history(**ref):
                    found.setdefault((record.seq, record.snapshot), record)
        return [found[key] for key in sorted(found)]

    def _files_of(self, snapshot: str) -> list[str]:
        """Return the files that say where a snapshot's chunks are: itself and its manifests."""
        told: dict[str, Any] = json.loads(self.icechunk.inspect_snapshot(snapshot, pretty=False))
        return [f"snapshots/{snapshot}", *(f"manifests/{one['id']}" for one in told["manifests"])]


@contextlib.contextmanager
def _corrupt(what: str, where: Path) -> Iterator[None]:
    """Turn what Icechunk says of damaged files into our error."""
    try:
        yield
    except icechunk.IcechunkError as error:
        raise CorruptError(
            f"{what} must be readable", got=str(error), remedy="run `repair`", where=str(where)
        ) from error


@contextlib.contextmanager
def writing(path: Path, patience: float = hours_files.PATIENCE) -> Iterator[None]:
    """Be the one that changes a store.

    Parameters
    ----------
    path
        Of the store.
    patience
        Seconds to wait for another.

    Raises
    ------
    LockedError
        When another process is at it.
    OSError
        When the disk is full, read-only or broken: nothing has changed then.
    CorruptError
        When what a change builds on cannot be read.
    StoreError
        When other machines may share the file system.
    """
    hours_files.require_local(path)
    with hours_files.locked(path / "lock", patience):
        try:
            yield
        except (icechunk.IcechunkError, ValueError, RuntimeError) as error:
            told = str(error)
            code = re.search(r"\(os error (\d+)\)", told)
            if code is not None and int(code[1]) != errno.ENOENT:
                raise OSError(int(code[1]), os.strerror(int(code[1])), str(path)) from error
            # Zarr's words of a checksum and numcodecs' of a packed chunk, which have no type of their own
            if isinstance(error, icechunk.IcechunkError) or "checksum" in told or "blosc" in told.lower():
                raise CorruptError(
                    "what is written to must be readable", got=told, remedy="run `repair`", where=str(path)
                ) from error
            raise
