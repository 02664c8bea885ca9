"""Restoring a backup: every file is read and held against the manifest's digest before anything is put in place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline.case import Progress, quiet
from pipeline.errors import CorruptError, LockedError, StoreError
from pipeline.grid import HourStore
from pipeline.grid.hours_files import put, sync, sync_folder
from pipeline.service.backup_files import Item, Manifest, copied, digest_of_file, read_manifest
from pipeline.service.lock import locked
from pipeline.service.place import Place, read_place
from pipeline.settings import input_root

#: damaged files that an error names
_SHOWN = 5


@dataclass(frozen=True)
class Restored:
    """A backup that was put in place.

    Parameters
    ----------
    files, size
        How many files it has, and bytes.
    folder
        Of the service.
    aside
        What stood there before, where it was moved.
    """

    files: int
    size: int
    folder: Path
    aside: tuple[Path, ...] = ()


def check(source: Path, *, progress: Progress = quiet) -> Manifest:
    """Read every file of a backup, and return its manifest.

    Raises
    ------
    StoreError
        When there is no backup.
    CorruptError
        When a file of it is missing, or another than was written.
    """
    manifest, damaged = _manifest(source), []
    for number, (path, item) in enumerate(manifest.files.items()):
        progress("checking", number, len(manifest.files))
        place = item.place(source, path)
        try:
            whole = digest_of_file(place) == (item.sha256, item.size)
        except FileNotFoundError:
            whole = False
        if not whole:
            damaged.append(place)
    _require_whole(damaged, source)
    return manifest


def restore(source: Path, case: Path, *, replace_old: bool = False, progress: Progress = quiet) -> Restored:
    """Put a backup in place.

    Parameters
    ----------
    source
        Folder of the backup.
    case
        Where the case file is to stand; the folders of service and inputs follow from what it says.
    replace_old
        Move aside what stands there; it is not removed.

    Raises
    ------
    StoreError
        When there is no backup, something stands in its place, or the disk does not take it.
    CorruptError
        When a file of the backup is missing, or another than was written.
    LockedError
        When a run is under way.
    """
    manifest = _manifest(source)
    place = _place(manifest, source, case)
    try:
        return _restored(manifest, source, place, replace_old, progress)
    except OSError as error:
        raise StoreError(
            "the disk must take the backup",
            got=str(error),
            remedy="look at the disk; a folder of the service that is a mount itself cannot be moved",
            where="restore",
        ) from error


def _restored(manifest: Manifest, source: Path, place: Place, replace_old: bool, progress: Progress) -> Restored:
    smalls = [
        *((place.path, path, item) for path, _, item in manifest.below("case")),
        *((place.root / name, path, item) for path, name, item in manifest.below("inputs")),
    ]
    others = {target for target, _, item in smalls if target.exists() and digest_of_file(target)[0] != item.sha256}
    full = place.folder.exists() and any(entry.name != place.lock.name for entry in place.folder.iterdir())
    if (others or full) and not replace_old:
        raise StoreError(
            "nothing else may stand where a backup is restored",
            got=", ".join(str(path) for path in [*([place.folder] if full else []), *sorted(others)][:_SHOWN]),
            remedy="give --replace: it is moved aside",
            where="restore",
        )
    contents = _contents(smalls, source)
    staging = place.folder.with_name(f".{place.folder.name}.restoring")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        _copy_service(manifest, source, staging, progress)
        if (staging / "store").exists():
            # this version of the code must be able to read it
            HourStore.open(staging / "store").at().close()
        sync(staging)
        aside = []
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        with _quiet_service(place):
            # the folder comes last: until then it can be tried again
            for target, content in contents:
                if target in others:
                    aside.append(_moved(target, stamp))
                if not target.exists():
                    put(target, content)
            if full:
                aside.append(_moved(place.folder, stamp))
            elif place.folder.exists():
                # should anything have come since, the folder is not removed
                place.lock.unlink()
                place.folder.rmdir()
            staging.rename(place.folder)
            sync_folder(place.folder.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Restored(len(manifest.files), sum(item.size for item in manifest.files.values()), place.folder, tuple(aside))


def _manifest(source: Path) -> Manifest:
    found = read_manifest(source)
    if found is None:
        raise StoreError(
            "there must be a backup", got=str(source), remedy="give the folder of `tianyan service backup`", where=""
        )
    return found


def _place(manifest: Manifest, source: Path, case: Path) -> Place:
    """Return the place the case file of a backup would have at a path."""
    ((path, _, item),) = manifest.below("case")
    kept = item.place(source, path)
    _require_whole([] if kept.is_file() and digest_of_file(kept)[0] == item.sha256 else [kept], source)
    found, case = read_place(kept), case.resolve()
    return replace(found, path=case, root=input_root(found.settings, case))


def _contents(smalls: Iterable[tuple[Path, str, Item]], source: Path) -> list[tuple[Path, bytes]]:
    """Return the case and its tables, and where they belong."""
    damaged = [
        place
        for _, path, item in smalls
        if not (place := item.place(source, path)).is_file() or digest_of_file(place)[0] != item.sha256
    ]
    _require_whole(damaged, source)
    return [(target, item.place(source, path).read_bytes()) for target, path, item in smalls]


def _copy_service(manifest: Manifest, source: Path, staging: Path, progress: Progress) -> None:
    items, damaged = list(manifest.below("service")), []
    for number, (path, name, item) in enumerate(items):
        progress("restoring", number, len(items))
        place = item.place(source, path)
        try:
            sha256, _ = copied(place, staging / name)
        except FileNotFoundError:
            damaged.append(place)
            continue
        if sha256 != item.sha256:
            damaged.append(place)
        # the next backup knows files by size and time
        os.utime(staging / name, ns=(item.mtime, item.mtime))
    _require_whole(damaged, source)


@contextmanager
def _quiet_service(place: Place) -> Iterator[None]:
    """Let no run be under way in a folder that is there."""
    if not place.folder.exists():
        yield
        return
    with locked(place.lock) as ours:
        if not ours:
            raise LockedError(
                "no run may be under way", got="one is", remedy="stop the timer, and wait for it", where="restore"
            )
        yield


def _moved(path: Path, stamp: str) -> Path:
    aside = path.with_name(f"{path.name}.before-{stamp}")
    path.rename(aside)
    return aside


def _require_whole(damaged: list[Path], source: Path) -> None:
    if damaged:
        raise CorruptError(
            "every file of a backup must be as it was written",
            got=f"{len(damaged)} that is not: {', '.join(str(path) for path in damaged[:_SHOWN])}",
            remedy="take another backup; nothing was put in place",
            where=str(source),
        )
