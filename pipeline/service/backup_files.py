"""What a backup is on its disk: folders of plain files, one for each time, and the manifest that says which count.

`000012/service/spool/...` was new or changed when the twelfth backup was made. A file that is named by a manifest is
never written again, so the manifest before stands until the next one has replaced it; then what no longer counts is
removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.errors import CorruptError, StoreError
from pipeline.grid.hours_files import put

#: of the manifest
FORMAT = 1
_NAME = "manifest.json"
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Item:
    """A file of a backup.

    Parameters
    ----------
    number
        Of the backup that copied it.
    size, mtime
        Bytes, and nanoseconds since 1970, of what was copied.
    sha256
        Of its content.
    """

    number: int
    size: int
    mtime: int
    sha256: str

    def place(self, folder: Path, path: str) -> Path:
        """Return where a path of the manifest stands in the backup's folder."""
        return folder / f"{self.number:06d}" / path


@dataclass(frozen=True)
class Manifest:
    """What a backup holds.

    Parameters
    ----------
    number
        Backups made into this folder, with this one.
    case
        Name of the case file.
    start
        First hour of the service.
    began
        When the copying began, nanoseconds since 1970.
    code
        Version that made it.
    files
        By path: `case/NAME`, `inputs/...` below the folder of inputs, `service/...` below that of the service.
    """

    number: int
    case: str
    start: str
    began: int
    code: str
    files: dict[str, Item]

    def below(self, top: str) -> Iterator[tuple[str, str, Item]]:
        """Give whole path, path below a top folder, and item of all files in it."""
        for path, item in self.files.items():
            if path.startswith(f"{top}/"):
                yield path, path.removeprefix(f"{top}/"), item


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a folder of backups; None when there is none.

    Raises
    ------
    CorruptError
        When it is not what was written.
    StoreError
        When a later version of this code wrote it.
    """
    path = folder / _NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    check, _, text = content.partition(b"\n")
    if hashlib.sha256(text).hexdigest().encode() != check:
        raise CorruptError(
            "the manifest of a backup must be as it was written", remedy="take another backup", where=str(path)
        )
    said: dict[str, Any] = json.loads(text)
    if said.pop("format") != FORMAT:
        raise StoreError(
            f"a backup must have format {FORMAT}", remedy="restore it with the version that made it", where=str(path)
        )
    files = {name: Item(*item) for name, item in said.pop("files").items()}
    for name in files:
        # it may have come from elsewhere
        if name.startswith("/") or ".." in PurePosixPath(name).parts:
            raise CorruptError("paths of a backup must stay inside", got=name, remedy="take another", where=str(path))
    return Manifest(**said, files=files)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest; after a power cut it is this one or the one before."""
    said = asdict(manifest) | {
        "format": FORMAT,
        "files": {name: [i.number, i.size, i.mtime, i.sha256] for name, i in sorted(manifest.files.items())},
    }
    text = json.dumps(said, separators=(",", ":")).encode()
    put(folder / _NAME, hashlib.sha256(text).hexdigest().encode() + b"\n" + text)


def prune(folder: Path, manifest: Manifest) -> None:
    """Remove what a manifest does not name."""
    kept = {item.place(folder, path) for path, item in manifest.files.items()}
    for top in sorted(folder.glob("[0-9][0-9][0-9][0-9][0-9][0-9]")):
        for place, folders, names in os.walk(top, topdown=False):
            here = Path(place)
            for name in names:
                if here / name not in kept:
                    (here / name).unlink()
            for name in folders:
                with suppress(OSError):
                    (here / name).rmdir()
        with suppress(OSError):
            top.rmdir()


def digest_of_file(path: Path) -> tuple[str, int]:
    """Return SHA-256 and bytes of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def copied(source: Path, target: Path) -> tuple[str, os.stat_result]:
    """Copy a file, whole under its name or not at all, not yet on the disk; return its SHA-256, and what it was."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f"{target.name}.partial")
    digest = hashlib.sha256()
    try:
        with source.open("rb") as reader, aside.open("wb") as writer:
            found = os.fstat(reader.fileno())
            # deliveries may hold passwords; not every file system has modes
            with suppress(OSError):
                os.fchmod(writer.fileno(), stat.S_IMODE(found.st_mode))
            while block := reader.read(_BLOCK):
                digest.update(block)
                writer.write(block)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    return digest.hexdigest(), found
