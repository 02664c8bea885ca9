"""The readers that a process of `pipeline.ingest.sandbox` may be asked for, by name: those of stations and columns."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.ingest import columns, rows
from pipeline.ingest.hdf5 import check_structure
from pipeline.ingest.netcdf import check_file
from pipeline.ingest.signatures import HDF5
from pipeline.settings import ColumnSettings, StationSettings
from pipeline.units import SPECIES, Species


def _read(
    reader: Callable[[Path, Any, Species], object],
    section: type[StationSettings] | type[ColumnSettings],
    path: Path,
    *,
    settings: str,
    species: str,
) -> object:
    """Return what a reader makes of a file; the structure of HDF5 is looked at before."""
    with path.open("rb") as stream:
        is_hdf5 = stream.read(len(HDF5)) == HDF5
    if is_hdf5:
        check_file(path)
        check_structure(path)
    return reader(path, section.model_validate_json(settings), SPECIES[species])


READERS = {f"station {name}": partial(_read, reader, StationSettings) for name, reader in rows.READERS.items()} | {
    f"column {name}": partial(_read, reader, ColumnSettings) for name, reader in columns.READERS.items()
}
