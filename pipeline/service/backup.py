"""Backup of a service: everything that cannot be made again, as it was at one moment between two runs.

Copied are the case file, its tables, and the folder of the service but for caches, logs and locks. Most of it is copied
while runs go on: files of store and spool are written once. Then the locks of service and store are held, and what is
new since is copied: refs of the store, the journal, the database. The manifest comes last.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline._version import __version__
from pipeline.case import Progress, quiet
from pipeline.errors import InputError, LockedError, StoreError
from pipeline.grid.hours_files import locked as store_locked
from pipeline.grid.hours_files import sync
from pipeline.ingest.files import whole
from pipeline.service.backup_files import (
    Item,
    Manifest,
    copied,
    digest_of_file,
    prune,
    read_manifest,
    write_manifest,
)
from pipeline.service.lock import locked
from pipeline.service.place import Place

#: seconds a backup waits for the run under way
PATIENCE = 3600.0
#: a file changed so short before it was copied may have changed since, with the same time; nanoseconds
_RACY = 2_000_000_000
#: of the service's folder, what can be made again or means nothing elsewhere
_LEFT_OUT = {
    "cache", "view", "waiting", "workers", "run.lock", "service.db", "service.db-wal", "service.db-shm",
    "store/lock", "store/leases", "quiet.json", "health.json", "metrics.prom", "status.html",
}  # fmt: skip
_UNDER_WAY = (".partial", ".damaged", ".taking")
_LOG = "service.log"
_LOCK = "backup.lock"
_DATABASE = "service/service.db"


@dataclass(frozen=True)
class Backup:
    """A backup that was made.

    Parameters
    ----------
    files, size
        How many files it has, and bytes.
    copied, copied_size
        Those that were new or changed.
    """

    files: int
    size: int
    copied: int
    copied_size: int


def back_up(place: Place, target: Path, *, progress: Progress = quiet, patience: float = PATIENCE) -> Backup:
    """Copy a service into a folder, which holds its last backup or is empty.

    Parameters
    ----------
    patience
        Seconds to wait for a run under way.

    Raises
    ------
    StoreError
        When the folder cannot hold the backup, or a file of the service cannot be read; the backup before stands.
    LockedError
        When a run, or another backup into the folder, does not end.
    """
    target = target.resolve()
    _require_apart(place, target)
    try:
        target.mkdir(parents=True, exist_ok=True)
        _require_ours(target)
        with locked(target / _LOCK) as ours:
            if not ours:
                raise LockedError(
                    "one backup at a time", got="another is under way", remedy="wait for it", where=str(target)
                )
            return _Copying(place, target, progress).done(patience)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            "everything of the service must be readable, and there must be room for it",
            got=str(error),
            remedy="look at both disks; the backup before stands",
            where="backup",
        ) from error


class _Copying:
    """One backup under way."""

    def __init__(self, place: Place, target: Path, progress: Progress) -> None:
        self._place, self._target, self._progress = place, target, progress
        self._before = read_manifest(target)
        self._number = 1 if self._before is None else self._before.number + 1
        self._began = time.time_ns()
        if self._before is not None and (self._before.case, self._before.start) != _names(place):
            raise StoreError(
                "a folder holds backups of one service",
                got=f"one of {self._before.case} from {self._before.start} on",
                remedy="give another folder",
                where=str(target),
            )

    def done(self, patience: float) -> Backup:
        """Copy all, and write the manifest."""
        place = self._place
        known = {} if self._before is None else self._before.files
        # what is written once; what it misses or sees half, the second look gets whole
        first = self._copied(known, 0 if self._before is None else self._before.began, calm=False)
        with locked(place.lock, patience) as ours:
            if not ours:
                raise LockedError(
                    "no run may be under way", got=f"one for {patience:g} s", remedy="wait for it", where="backup"
                )
            if not place.store.exists():
                files = self._all(first)
            else:
                with store_locked(place.store / "lock", patience):
                    files = self._all(first)
        case, start = _names(place)
        manifest = Manifest(self._number, case, start, self._began, __version__, files)
        sync(self._target)
        write_manifest(self._target, manifest)
        prune(self._target, manifest)
        new = [item for item in files.values() if item.number == self._number]
        return Backup(len(files), sum(i.size for i in files.values()), len(new), sum(i.size for i in new))

    def _all(self, known: dict[str, Item]) -> dict[str, Item]:
        files = self._copied(known, self._began, calm=True)
        database = self._database()
        return files if database is None else files | {_DATABASE: database}

    def _copied(self, known: dict[str, Item], looked: int, *, calm: bool) -> dict[str, Item]:
        """Return all files but the database, those copied that are not known as they are.

        Parameters
        ----------
        known
            Copied before.
        looked
            When that began, nanoseconds since 1970.
        calm
            Whether nothing changes under way.
        """
        out = {}
        sources = list(_sources(self._place))
        for number, (path, source) in enumerate(sources):
            self._progress("copying", number, len(sources))
            try:
                item = self._known(known.get(path), path, source, looked) or self._item(path, source)
            except FileNotFoundError:
                if calm:
                    raise
                continue
            if item is None and calm:
                raise StoreError(
                    "a file must not change while it is copied",
                    got=str(source),
                    remedy="end what writes there, and try again",
                    where="backup",
                )
            if item is not None:
                out[path] = item
        return out

    def _known(self, item: Item | None, path: str, source: Path, looked: int) -> Item | None:
        """Return an item that is still what the source is."""
        if item is None:
            return None
        found, kept = source.stat(), item.place(self._target, path)
        same = (found.st_size, found.st_mtime_ns) == (item.size, item.mtime) and item.mtime < looked - _RACY
        return item if same and kept.is_file() and kept.stat().st_size == item.size else None

    def _item(self, path: str, source: Path) -> Item | None:
        """Copy a file; None when it changed under way."""
        found = source.stat()
        item = Item(self._number, found.st_size, found.st_mtime_ns, "")
        target = item.place(self._target, path)
        # a backup that did not come to its end may have left it
        left = target.is_file() and target.stat().st_size == found.st_size and digest_of_file(target)[0]
        if left and digest_of_file(source)[0] == left:
            sha256, read = left, found
        else:
            sha256, read = copied(source, target)
        after = source.stat()
        if not _stamp(found) == _stamp(read) == _stamp(after):
            return None
        return replace(item, sha256=sha256)

    def _database(self) -> Item | None:
        """Copy the database as one state; None when there is none, or it is damaged: it is made again."""
        source = self._place.database
        if not source.exists():
            return None
        target = Item(self._number, 0, 0, "").place(self._target, _DATABASE)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        ours, theirs = sqlite3.connect(source), sqlite3.connect(target)
        try:
            ours.backup(theirs)
            # one file that is all of it
            theirs.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            target.unlink(missing_ok=True)
            return None
        finally:
            ours.close()
            theirs.close()
        sha256, size = digest_of_file(target)
        return Item(self._number, size, time.time_ns(), sha256)


def _sources(place: Place) -> Iterator[tuple[str, Path]]:
    """Give path in the backup, and place, of everything that is copied as files."""
    yield f"case/{place.path.name}", place.path
    inputs = place.settings.inputs
    patterns = [*inputs.station_tables, *inputs.quality_rules, *inputs.calibrations, *inputs.calibration_logs]
    patterns += [place.settings.regions.file] if place.settings.regions.file else []
    for path in whole(place.root, patterns):
        yield f"inputs/{path.relative_to(place.root).as_posix()}", path
    left_out = {place.folder / name for name in _LEFT_OUT}
    transport = place.settings.transport
    if transport is not None:
        left_out.add((place.path.parent / transport.folder).resolve())
    for path in _files(place.folder, left_out):
        yield f"service/{path.relative_to(place.folder).as_posix()}", path


def _files(folder: Path, left_out: set[Path], depth: int = 0) -> Iterator[Path]:
    """Give the files below a folder by name; a link to a folder is followed at the top alone."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        path = Path(entry.path)
        if path in left_out or (depth == 0 and entry.name.startswith(_LOG)):
            continue
        if entry.is_dir(follow_symlinks=depth == 0):
            yield from _files(path, left_out, depth + 1)
        elif entry.is_file(follow_symlinks=False):
            if not entry.name.endswith(_UNDER_WAY):
                yield path
        else:
            raise InputError(
                "the folder of a service must hold files and folders",
                got=str(path),
                remedy="take the link away, or put the file there",
                where="backup",
            )


def _require_apart(place: Place, target: Path) -> None:
    if not place.folder.is_dir():
        raise StoreError(
            "there must be a service to back up",
            got=str(place.folder),
            remedy="run `tianyan run-due` first",
            where="backup",
        )
    if target.is_relative_to(place.folder) or place.folder.is_relative_to(target):
        raise StoreError(
            "a backup and its service must lie apart",
            got=str(target),
            remedy="give a folder on another disk",
            where="backup",
        )


def _require_ours(target: Path) -> None:
    """Raise when a folder holds anything, and no backup."""
    if any(target.iterdir()) and not (target / _LOCK).exists():
        raise StoreError(
            "a backup goes into a folder of its own", got=str(target), remedy="give a new folder", where="backup"
        )


def _names(place: Place) -> tuple[str, str]:
    return place.path.name, str(place.service.first)


def _stamp(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ino
