"""One satellite file to soundings: one module a layout, by the contracts of `station_meta/columns.toml`.

A granule is parsed in a process of its own (`pipeline.ingest.sandbox`), which chooses the soundings of the grid too: of
a global file only those come back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

import station_meta
from pipeline.errors import UnitError
from pipeline.grid import grid_from_settings
from pipeline.ingest import column_levels, column_openmethane, column_tccon, column_tropomi
from pipeline.ingest.column_granule import Granule, open_granule
from pipeline.ingest.sandbox import read_apart
from pipeline.ingest.site import registry_error
from pipeline.ingest.soundings import Area, Soundings, box_area
from pipeline.settings import ColumnSettings, GridSettings
from pipeline.units import SPECIES, Species
from station_meta import ColumnLimits, Contract, Products, StationMetaError

READERS: dict[str, Callable[[Granule, Species, Area], Soundings]] = {
    "openmethane": column_openmethane.read,
    "oco2-lite": column_levels.read,
    "ghg-cci": column_levels.read,
    "tropomi-l2": column_tropomi.read,
    "tropomi-blended": column_tropomi.read,
    "tccon": column_tccon.read,
}
#: grid, or west, east, south, north in degrees
Where = GridSettings | tuple[float, float, float, float] | None
_WHERE: TypeAdapter[Where] = TypeAdapter(Where)
#: a typical column further than this factor from the plausible ones is a wrong unit, not odd air
_UNIT_RATIO = 10.0


@dataclass(frozen=True, eq=False)
class ColumnFile:
    """What a file holds, and the contract it keeps, with what the case says instead."""

    soundings: Soundings
    contract: Contract


def read_column_file(
    path: Path, feed: ColumnSettings, gas: Species, where: Where, *, cache: Path | None = None
) -> ColumnFile:
    """Return what a file holds; it is parsed in a process of its own.

    Parameters
    ----------
    where
        Grid, or west, east, south and north in degrees, of the soundings that are wanted; all when None.
    cache
        Folder of what files held that were read before.

    Raises
    ------
    ConfigError, InputError
        As `parse`, and of `pipeline.ingest.sandbox`.
    """
    told = _WHERE.dump_json(where).decode()
    settings = feed.model_dump_json()
    return read_apart("column", path, ColumnFile, cache=cache, settings=settings, species=gas.name, where=told)


def parse(path: Path, *, settings: str, species: str, where: str) -> ColumnFile:
    """Return what a file holds: the reader itself, told what `read_column_file` tells it.

    Raises
    ------
    ConfigError
        When no product of the layout has the gas, or the settings name a rule the product has not.
    InputError
        One of its kinds, naming file, rule, value and remedy.
    """
    products, feed, gas = read_products(), ColumnSettings.model_validate_json(settings), SPECIES[species]
    with open_granule(path, feed, gas, products) as granule:
        said = READERS[feed.format](granule, gas, _area(_WHERE.validate_json(where)))
        contract = granule.contract
    _check_unit(said.value, products.limits[gas.name], where=f"{path.name}: {contract.variant}")
    return ColumnFile(said, contract)


def read_products() -> Products:
    """Return the contracts of columns, and what is plausible.

    Raises
    ------
    RegistryError
        When they cannot be read.
    """
    try:
        return station_meta.load_products()
    except StationMetaError as error:
        raise registry_error(error) from error


def _area(where: Where) -> Area:
    if not isinstance(where, GridSettings):
        return box_area(where)
    grid = grid_from_settings(where)
    return lambda lon, lat: (grid.locate(lon.ravel(), lat.ravel()) >= 0).reshape(lon.shape)


def _check_unit(value: np.ndarray, limits: ColumnLimits, *, where: str) -> None:
    """Raise when the typical value is no column of this gas at all."""
    finite = value[np.isfinite(value)]
    low, high = limits.fail
    if finite.size and not low / _UNIT_RATIO <= np.median(finite) <= high * _UNIT_RATIO:
        raise UnitError(
            f"the typical value must be near air, {low:g} to {high:g}",
            got=float(f"{np.median(finite):.6g}"),
            remedy="the unit stated is not the unit written; correct the file",
            where=where,
        )
