"""Versions whose turn to be committed has not come: on disk, so that they take no memory and outlive their process.

A file is known by all that its version follows from. One that is cut off, damaged, or of other inputs is as if it had
never been.
"""

from __future__ import annotations

import json
import shutil
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pipeline._version import __version__
from pipeline.service.elsewhere import digest_of
from pipeline.service.making import Version
from pipeline.service.place import Place
from pipeline.service.remaking import Asked, Remade


class Waiting:
    """The versions of a reprocessing that wait.

    Parameters
    ----------
    place
        The case; nothing is made of it before the first version comes.
    name
        Of the reprocessing.
    """

    def __init__(self, place: Place, name: str) -> None:
        self.folder = place.waiting / name

    def put(self, asked: Asked, made: Remade) -> None:
        """Put what became of an hour away."""
        self.folder.mkdir(parents=True, exist_ok=True)
        told: dict[str, Any] = {"error": made.error, "seconds": made.seconds}
        arrays: dict[str, np.ndarray] = {}
        if made.version is not None:
            data = made.version.data
            told["manifest"] = made.version.manifest
            told["dims"] = {str(name): list(map(str, values.dims)) for name, values in data.data_vars.items()}
            arrays = {str(name): values.values for name, values in data.data_vars.items()}

        path = self._path(asked)
        # not flushed to disk: what a power cut leaves of it fails its checksum
        with path.with_suffix(".part").open("wb") as stream:
            np.savez(stream, told=np.frombuffer(json.dumps(told).encode(), np.uint8), **arrays)  # type: ignore[arg-type]
        path.with_suffix(".part").replace(path)

    def has(self, asked: Asked) -> bool:
        """Return whether there is something to get."""
        return self._path(asked).exists()

    def get(self, asked: Asked) -> Remade | None:
        """Return what became of an hour, if that is what is asked now."""
        try:
            with self._path(asked).open("rb") as stream, np.load(stream) as found:
                told = json.loads(found["told"].tobytes())
                dims = told.get("dims", {})
                data = xr.Dataset({name: (tuple(dims[name]), found[name]) for name in dims})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
            self.drop(asked)
            return None
        version = Version(asked.hour, data, told["manifest"]) if "manifest" in told else None
        return Remade(version, told["error"], told["seconds"])

    def drop(self, asked: Asked) -> None:
        """Remove what became of an hour."""
        self._path(asked).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, asked: Asked) -> Path:
        told = [asked.name, str(asked.hour), str(asked.newest), asked.signature, asked.key, __version__]
        return self.folder / f"{asked.hour}-{digest_of(told)[:16]}.npz"
