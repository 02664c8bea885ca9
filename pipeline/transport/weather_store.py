"""Prepared weather on disk: one file an hour, so that no hour is decoded twice and old ones can go.

Beside every file stands a small one with its keys; it stays when the big one goes, so that footprints made from an hour
are still known as such. Files appear whole or not at all: written beside, flushed to disk, then renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.transport.weather import Prepared

#: changed whenever `pipeline.transport.weather` gives other numbers for the same weather
_SCHEME = 1


class WeatherStore:
    """A folder of prepared weather.

    Parameters
    ----------
    folder
        Made when it is not there.
    lid
        Height of the lid the weather was prepared for, m.
    """

    def __init__(self, folder: Path, lid: float) -> None:
        self.folder = folder
        self._told = f"{_SCHEME} {lid!r}"
        folder.mkdir(parents=True, exist_ok=True)

    def digest(self, time: np.datetime64, source: str) -> str | None:
        """Return the digest of an hour's numbers; None when it has not been prepared from this source.

        Parameters
        ----------
        source
            `pipeline.ingest.source_keys` of the time.
        """
        try:
            told = json.loads(self._path(time, "json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return str(told["digest"]) if told.get("source") == self._source(source) else None

    def get(self, time: np.datetime64, source: str) -> Prepared | None:
        """Return an hour; None when it is not there, was made from another source, or cannot be read."""
        digest = self.digest(time, source)
        if digest is None:
            return None
        try:
            with np.load(self._path(time, "npz")) as data:
                prepared = Prepared(data["volume"], data["surface"], data["pressure"])
        except (OSError, ValueError, KeyError, EOFError):
            return None
        return prepared if _digest(prepared) == digest else None

    def put(self, time: np.datetime64, source: str, prepared: Prepared) -> str:
        """Write an hour and return the digest of its numbers."""
        digest = _digest(prepared)
        told = {"source": self._source(source), "digest": digest}
        fields = {"volume": prepared.volume, "surface": prepared.surface, "pressure": prepared.pressure}
        write_whole(self._path(time, "npz"), lambda path: _save(path, fields))
        write_whole(self._path(time, "json"), lambda path: path.write_text(json.dumps(told), encoding="utf-8"))
        return digest

    def prune(self, before: np.datetime64) -> int:
        """Remove the hours before a time, but not their keys; return how many."""
        name = _name(before)
        old = [path for path in self.folder.glob("*.npz") if path.stem < name]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)

    def _source(self, source: str) -> str:
        return hashlib.sha256(f"{self._told} {source}".encode()).hexdigest()

    def _path(self, time: np.datetime64, suffix: str) -> Path:
        return self.folder / f"{_name(time)}.{suffix}"


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file so that it appears whole or not at all, also after a power cut.

    Parameters
    ----------
    path
        Where it shall stand.
    write
        Called with the path to write to.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(beside)
        with beside.open("rb+") as stream:
            os.fsync(stream.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _save(path: Path, fields: dict[str, np.ndarray]) -> None:
    """Write arrays as .npz whatever the path's suffix."""
    with path.open("wb") as stream:
        np.savez(stream, **fields)  # type: ignore[arg-type]


def _name(time: np.datetime64) -> str:
    return str(time.astype("datetime64[m]")).replace("-", "").replace(":", "")


def _digest(prepared: Prepared) -> str:
    digest = hashlib.sha256()
    for array in (prepared.volume, prepared.surface, prepared.pressure):
        digest.update(f"{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
