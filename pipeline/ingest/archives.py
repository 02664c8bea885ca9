"""Archives of station files, unpacked as far as that does no harm: plain files with plain names, within limits.

An archive that holds anything else is refused whole, with nothing left of it. Python's own `extractall` is not used:
what it writes is decided by the archive, and its filter for that was got round more than once (CVE-2025-4517). Here
members are streamed into a folder of our own making, which is renamed file by file when all of them have passed.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import GzipFile
from pathlib import Path
from typing import IO, cast

from pipeline.errors import FormatError, InputError
from pipeline.ingest.signatures import HEAD, foreign_kind

MOST_MEMBERS = 1000
#: unpacked bytes, and how many times the archive's; below the third any ratio is harmless
MOST_BYTES, MOST_RATIO, FREE_BYTES = 2 << 30, 100, 1 << 20
#: what may be read at once: a directory of a thousand members, or a header, has less
_MOST_READ = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=@-]{0,127}")
_ZIP, _GZIP = b"PK\x03\x04", b"\x1f\x8b"
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, OverflowError,
           NotImplementedError, RuntimeError)  # fmt: skip


def unpack_archive(archive: Path, folder: Path) -> list[Path]:
    """Unpack a zip, tar or tar.gz into a folder, and return the files, by name.

    Parameters
    ----------
    folder
        Made when it is not there; what is in it stays.

    Raises
    ------
    InputError
        When there is no such archive, or the folder holds a file of one of the names.
    FormatError
        When it is another kind of file, broken, or holds what it may not: a folder, a link or a device, a name with a
        path or odd letters, two names that are one where letters have no case, an archive; or too much.
    """
    if not archive.is_file():
        raise InputError("the archive must exist", got=str(archive), remedy="check the path")
    folder.mkdir(parents=True, exist_ok=True)
    there = {path.name.casefold() for path in folder.iterdir()}
    # hidden, so that no pattern finds what is not whole
    spool = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder))
    try:
        names = _spooled(archive, spool)
        again = [name for name in names if name.casefold() in there]
        if again:
            raise InputError(
                "unpacking must not replace a file", got=again[:5], remedy="choose an empty folder", where=archive.name
            )
        for name in names:
            os.replace(spool / name, folder / name)
    finally:
        shutil.rmtree(spool)
    return [folder / name for name in sorted(names)]


def _spooled(archive: Path, spool: Path) -> list[str]:
    """Write the members into the spool and return their names."""
    seen: dict[str, str] = {}
    left = min(MOST_BYTES, max(FREE_BYTES, MOST_RATIO * archive.stat().st_size))
    try:
        with _members(archive) as members:
            for name, kind, source in members:
                if len(seen) == MOST_MEMBERS:
                    raise _refused(f"an archive must hold at most {MOST_MEMBERS} files", "more", archive)
                _check_member(name, kind, seen, archive)
                seen[name.casefold()] = name
                left = _copied(source, spool / name, left, archive)
    except _BROKEN as error:
        raise FormatError(
            "the archive must be whole zip, tar or tar.gz", got=str(error), remedy="fetch it again", where=archive.name
        ) from error
    if not seen:
        raise _refused("an archive must hold a file", "none", archive)
    return list(seen.values())


def _check_member(name: str, kind: str, seen: dict[str, str], archive: Path) -> None:
    if kind != "file":
        raise _refused("an archive must hold plain files only", f"{name}: {kind}", archive)
    if not _NAME.fullmatch(name):
        raise _refused("names in an archive must be plain: letters, digits, and . _ + = @ -", name, archive)
    other = seen.get(name.casefold())
    if other is not None:
        raise _refused("names in an archive must differ by more than case", f"{other} and {name}", archive)


def _copied(source: IO[bytes], target: Path, left: int, archive: Path) -> int:
    """Write a member as it comes, and return how many bytes may still follow."""
    start = b""
    with target.open("xb") as out:
        while data := source.read(1 << 16):
            left -= len(data)
            if left < 0:
                rule = f"an archive must unpack to at most {MOST_BYTES >> 30} GB and {MOST_RATIO} times its size"
                raise _refused(rule, "more", archive)
            start = start or data[:HEAD]
            out.write(data)
    kind = foreign_kind(start)
    if kind:
        raise _refused("an archive must hold data files only", f"{target.name}: {kind[0]}", archive)
    return left


Members = Iterator[tuple[str, str, IO[bytes]]]


@contextmanager
def _members(archive: Path) -> Iterator[Members]:
    """Open an archive as pairs of name and kind ("file", or what else it is) with what it holds."""
    with archive.open("rb") as stream:
        start = stream.read(4)
        stream.seek(0)
        if start == _ZIP:
            with zipfile.ZipFile(_Bounded(stream)) as packed:
                yield _of_zip(packed)
        else:
            plain = GzipFile(fileobj=stream) if start.startswith(_GZIP) else stream
            with tarfile.open(fileobj=cast(IO[bytes], _Bounded(plain)), mode="r:") as packed:
                yield _of_tar(packed)


def _of_zip(packed: zipfile.ZipFile) -> Members:
    for info in packed.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        if info.is_dir():
            yield info.filename, "a folder", io.BytesIO()
        elif kind not in (0, stat.S_IFREG):
            yield info.filename, "a link or a device", io.BytesIO()
        elif info.flag_bits & 1:
            yield info.filename, "encrypted", io.BytesIO()
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            yield info.filename, "packed in another way than deflate", io.BytesIO()
        else:
            with packed.open(info) as source:
                yield info.orig_filename, "file", source


def _of_tar(packed: tarfile.TarFile) -> Members:
    for member in packed:
        # a sparse file is a plain one that says of itself how large it is
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.issparse():
            yield member.name, "a folder" if member.isdir() else "a link, a device or a file with holes", io.BytesIO()
        else:
            source = packed.extractfile(member)
            assert source is not None
            yield member.name, "file", source
    _check_end(packed)


def _check_end(packed: tarfile.TarFile) -> None:
    """Raise unless a tar ends where its members do; the library takes any broken header for the end."""
    stream = packed.fileobj
    assert stream is not None
    stream.seek(packed.offset)
    # to the last byte: the checksum of gzip stands behind it
    rest = stream.read(-1)
    if len(rest) < tarfile.BLOCKSIZE or rest.strip(b"\0"):
        raise tarfile.ReadError("no end of archive where its last file ends")


class _Bounded(io.RawIOBase):
    """A stream of which little is read at once: the libraries read a directory or a header whole, however large."""

    def __init__(self, stream: IO[bytes] | GzipFile) -> None:
        self._stream = stream

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that it can be moved in."""
        return True

    def read(self, size: int | None = -1) -> bytes:
        """Return so many bytes."""
        if size is None or size > _MOST_READ:
            raise ValueError("a header or a directory of the archive is larger than any true one")
        data = self._stream.read(_MOST_READ + 1 if size < 0 else size)
        if len(data) > _MOST_READ:
            raise ValueError("a header or a directory of the archive is larger than any true one")
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move, and return the place."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._stream.tell()


def _refused(rule: str, got: str, archive: Path) -> FormatError:
    return FormatError(
        rule, got=got, remedy="unpack it yourself where that does no harm, and look at it", where=archive.name
    )
