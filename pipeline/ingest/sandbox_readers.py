"""The readers that a process of `pipeline.ingest.sandbox` may be asked for, by name: those of stations and columns."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from pipeline.ingest import column_file, rows
from pipeline.ingest.formats.samples import Samples
from pipeline.ingest.hdf5 import check_structure
from pipeline.ingest.netcdf import check_file
from pipeline.ingest.signatures import HDF5
from pipeline.settings import StationSettings
from pipeline.units import SPECIES, Species


def _station(
    reader: Callable[[Path, StationSettings, Species], Samples], path: Path, *, settings: str, species: str
) -> Samples:
    _look_at(path)
    return reader(path, StationSettings.model_validate_json(settings), SPECIES[species])


def _column(path: Path, **told: str) -> column_file.ColumnFile:
    _look_at(path)
    return column_file.parse(path, **told)


def _look_at(path: Path) -> None:
    """Raise when the structure of a file, if it is HDF5, has no place in an observation file."""
    with path.open("rb") as stream:
        is_hdf5 = stream.read(len(HDF5)) == HDF5
    if is_hdf5:
        check_file(path)
        check_structure(path)


READERS: dict[str, Callable[..., object]] = {
    "column": _column,
    **{f"station {name}": partial(_station, reader) for name, reader in rows.READERS.items()},
}
