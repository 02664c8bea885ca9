"""Prepared weather on disk: one file an hour, so that no hour is decoded twice and old ones can go.

Beside every file stands a small one with its keys and the name of its grid; it stays when the big one goes, so that
footprints made from an hour are still known as such. Files appear whole or not at all: written beside, flushed to disk,
then renamed. What a killed process left beside is removed by the next one on that machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import GridError
from pipeline.grid import Grid
from pipeline.transport.code import code_digest
from pipeline.transport.weather import Prepared

#: ends the name of a file that is not whole yet
_PART = ".part"


class WeatherStore:
    """A folder of prepared weather.

    Parameters
    ----------
    folder
        Made when the first hour is put there.
    lid
        Height of the lid the weather is prepared for, m.
    convection
        Whether it is prepared for deep convection too.
    """

    def __init__(self, folder: Path, lid: float, *, convection: bool = False) -> None:
        self.folder = folder
        self._told = f"{code_digest()} {lid!r} {convection}"
        self._grids: dict[str, Grid] = {}

    def digest(self, time: np.datetime64, source: str) -> str | None:
        """Return the digest of an hour, its grid and its time; None when it was not prepared from this source.

        Parameters
        ----------
        source
            `pipeline.ingest.source_keys` of the time.
        """
        told = self._keys(time, source)
        return None if told is None else str(told["digest"])

    def grid(self, time: np.datetime64, source: str) -> Grid | None:
        """Return the grid an hour is on; None when it was not prepared from this source."""
        told = self._keys(time, source)
        return None if told is None else self._grids[told["grid"]]

    def get(self, time: np.datetime64, source: str) -> Prepared | None:
        """Return an hour; None when it is not there, was made from another source, or cannot be read."""
        told = self._keys(time, source)
        if told is None:
            return None
        try:
            # opened here, for NumPy leaves a file that is no archive open
            with self._path(time, "npz").open("rb") as stream, np.load(stream) as data:
                prepared = Prepared(data["volume"], data["surface"], data["pressure"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return prepared if _digest(time, told["grid"], prepared) == told["digest"] else None

    def put(self, time: np.datetime64, source: str, prepared: Prepared, grid: Grid) -> str:
        """Write an hour on its grid and return the digest of all three."""
        self.folder.mkdir(parents=True, exist_ok=True)
        on = self._put_grid(grid)
        digest = _digest(time, on, prepared)
        told = {"source": self._source(source), "digest": digest, "grid": on}
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

    def _keys(self, time: np.datetime64, source: str) -> dict[str, str] | None:
        """Return an hour's source, digest and grid, which is read too; None when it was made from another source."""
        told = _read(self._path(time, "json"), ("source", "digest", "grid"))
        if told is None or told["source"] != self._source(source):
            return None
        if told["grid"] not in self._grids:
            found = _read(self.folder / f"grid-{told['grid']}.json", ("crs", "x_edges", "y_edges"))
            try:
                grid = None if found is None else Grid(**found)
            except (GridError, TypeError, ValueError):
                return None
            if grid is None or _grid_name(grid) != told["grid"]:
                return None
            self._grids[told["grid"]] = grid
        return told

    def _put_grid(self, grid: Grid) -> str:
        """Write a grid unless it is there; return its name."""
        name = _grid_name(grid)
        if name not in self._grids:
            text = _grid_text(grid)
            write_whole(self.folder / f"grid-{name}.json", lambda path: path.write_text(text, encoding="utf-8"))
            self._grids[name] = grid
        return name

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
    beside = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}{_PART}")
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


def sweep(folder: Path) -> int:
    """Remove what killed processes of this machine left unfinished under a folder; return how many files.

    Parameters
    ----------
    folder
        With all folders in it. Files that a living process, or another machine, is writing are left alone.
    """
    removed = 0
    for path in folder.rglob(f".*{_PART}"):
        rest, _, process = path.name.removesuffix(_PART).rpartition(".")
        if rest.endswith(f".{platform.node()}") and process.isdigit() and not _lives(int(process)):
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _read(path: Path, names: tuple[str, ...]) -> dict[str, Any] | None:
    """Return a small JSON file; None when it is not there, is damaged, or has other names."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) and set(told) == set(names) else None


def _grid_text(grid: Grid) -> str:
    told = {"crs": grid.crs, "x_edges": grid.x_edges.tolist(), "y_edges": grid.y_edges.tolist()}
    return json.dumps(told)


def _grid_name(grid: Grid) -> str:
    return hashlib.sha256(_grid_text(grid).encode()).hexdigest()[:16]


def _save(path: Path, fields: dict[str, np.ndarray]) -> None:
    """Write arrays as .npz whatever the path's suffix."""
    with path.open("wb") as stream:
        np.savez(stream, **fields)  # type: ignore[arg-type]


def _name(time: np.datetime64) -> str:
    return str(time.astype("datetime64[m]")).replace("-", "").replace(":", "")


def _digest(time: np.datetime64, grid: str, prepared: Prepared) -> str:
    """Return the digest of all that particles read of an hour: when and where, besides the numbers."""
    digest = hashlib.sha256(f"{_name(time)} {grid}".encode())
    for array in (prepared.volume, prepared.surface, prepared.pressure):
        digest.update(f"{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
