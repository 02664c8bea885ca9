"""Deliveries as they came: taken from the inbox whole or not at all, kept by path and sequence, never changed.

`spool/PATH/000001-SHA256` is the first version of PATH. The database is an index of this folder, and is made again from
it. Of a file that grows only the last version is kept: the earlier ones are its beginnings.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import FormatError
from pipeline.grid.hours_files import sync_folder

_BLOCK = 1 << 20
#: a delivery larger than this is refused
_LARGEST = 2 << 30
_ASIDE = ".taking"
#: another file, a link or nothing is there by now
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@dataclass(frozen=True)
class Stamp:
    """What the file system says of a file."""

    size: int
    mtime: int
    inode: int


def stamp_of(path: Path) -> Stamp | None:
    """Return the stamp of a regular file; None for anything else, a link too: it may point anywhere."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ino) if stat.S_ISREG(found.st_mode) else None


@dataclass(frozen=True)
class Spool:
    """The folder of deliveries.

    Parameters
    ----------
    folder
        Where; made when it is missing.
    """

    folder: Path

    def place(self, path: str, sequence: int, sha256: str) -> Path:
        """Return where a version stands."""
        return self.folder / path / f"{sequence:06d}-{sha256}"

    def versions(self) -> Iterator[tuple[str, int, str]]:
        """Yield path, sequence and digest of everything that is there, by path and sequence."""
        for found in sorted(self.folder.rglob("[0-9]*-*")):
            if version := self._version(found):
                yield found.parent.relative_to(self.folder).as_posix(), *version

    @staticmethod
    def _version(found: Path) -> tuple[int, str] | None:
        number, _, digest = found.name.partition("-")
        return (int(number), digest) if found.is_file() and number.isdigit() and len(digest) == 64 else None

    def take(self, source: Path, path: str, stamp: Stamp, sequence: int, before: Path | None) -> Taken | None:
        """Copy a file from the inbox as the next version of its path.

        Parameters
        ----------
        source, path
            The file, and its path under the inbox.
        stamp
            What it was when it was looked at.
        sequence
            Of this version.
        before
            The version before it, if it is kept.

        Returns
        -------
        What was taken; None when the file changed under way, or is gone.

        Raises
        ------
        FormatError
            When it is larger than a delivery may be, or the system does not let us read it.
        """
        if stamp.size > _LARGEST:
            raise FormatError(
                f"a delivery may have {_LARGEST >> 30} GiB", got=stamp.size, remedy="split it", where=path
            )
        home = self.folder / path
        home.mkdir(parents=True, exist_ok=True)
        aside = home / _ASIDE
        digest, grows = hashlib.sha256(), _Prefix(before)
        try:
            # a link put in the file's place since is not followed
            ours = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in _GONE:
                return None
            raise _unreadable(path, error) from error
        with os.fdopen(ours, "rb") as reader, grows, aside.open("wb") as writer:
            for block in _blocks(reader, path):
                digest.update(block)
                grows.see(block)
                writer.write(block)
            writer.flush()
            os.fsync(writer.fileno())
            now = os.fstat(reader.fileno())
        if Stamp(now.st_size, now.st_mtime_ns, now.st_ino) != stamp:
            aside.unlink()
            return None
        sha256 = digest.hexdigest()
        os.replace(aside, self.place(path, sequence, sha256))
        sync_folder(home)
        return Taken(path, sequence, sha256, stamp.size, grows.whole)

    def since(self, path: str, sequence: int) -> list[tuple[int, str]]:
        """Return sequence and digest of the versions of a path after one: what was taken and not written down."""
        found = (self._version(entry) for entry in (self.folder / path).glob("[0-9]*-*"))
        return sorted(one for one in found if one is not None and one[0] > sequence)

    def grows(self, path: str, before: tuple[int, str], after: tuple[int, str]) -> bool:
        """Return whether a version of a path begins with all of another; both are kept."""
        with self.place(path, *after).open("rb") as reader, _Prefix(self.place(path, *before)) as prefix:
            while block := reader.read(_BLOCK):
                prefix.see(block)
        return prefix.whole

    def is_whole(self, path: str, sequence: int, sha256: str) -> bool:
        """Return whether a version is what its name says; a disk may damage it."""
        try:
            with self.place(path, sequence, sha256).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == sha256
        except OSError:
            return False

    def mend(self, source: Path, path: str, sequence: int, sha256: str, size: int) -> bool:
        """Put a version back from a file of the inbox that begins with it; return whether that does."""
        home = self.folder / path
        home.mkdir(parents=True, exist_ok=True)
        aside, digest, left = home / _ASIDE, hashlib.sha256(), size
        try:
            ours = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return False
        with os.fdopen(ours, "rb") as reader, aside.open("wb") as writer:
            while block := reader.read(min(left, _BLOCK)):
                digest.update(block)
                writer.write(block)
                left -= len(block)
            writer.flush()
            os.fsync(writer.fileno())
        if digest.hexdigest() != sha256:
            aside.unlink()
            return False
        os.replace(aside, self.place(path, sequence, sha256))
        sync_folder(home)
        return True

    def renumber(self, path: str, sequence: int, new: int, sha256: str) -> None:
        """Put a version in the place of another that holds, or held, the same."""
        os.replace(self.place(path, sequence, sha256), self.place(path, new, sha256))

    def drop(self, path: str, sequence: int, sha256: str) -> None:
        """Remove a version that the next one begins with."""
        self.place(path, sequence, sha256).unlink(missing_ok=True)


@dataclass(frozen=True)
class Taken:
    """A version that was taken: where it is from, what it holds, and whether it begins with the one before."""

    path: str
    sequence: int
    sha256: str
    size: int
    grown: bool


def _blocks(reader: BinaryIO, path: str) -> Iterator[bytes]:
    """Give a delivery block by block; what cannot be read of it is its own fault, not that of our disk."""
    try:
        while block := reader.read(_BLOCK):
            yield block
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: OSError) -> FormatError:
    return FormatError(
        "a delivery must be readable", got=error.strerror, remedy="let the user of the service read it", where=path
    )


class _Prefix:
    """Tells whether what is seen begins with a file, block by block."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._same = path is not None

    def __enter__(self) -> _Prefix:
        if self._path is not None:
            try:
                self._file = self._path.open("rb")
            except OSError:
                self._same = False
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            # something of it that was not seen
            self._same = self._same and not self._file.read(1)
            self._file.close()

    def see(self, block: bytes) -> None:
        """Compare the next block."""
        if self._same and self._file is not None:
            known = self._file.read(len(block))
            self._same = block.startswith(known)

    @property
    def whole(self) -> bool:
        """Whether all of the file was seen first."""
        return self._same
