"""Contracts of column products, one per product and version: `columns.toml`.

A contract says by which attributes a file is known, which variables it must hold, and what of it is used by default.
Numbers are in the species' own unit: ppm for CO2, ppb for CH4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from station_meta.errors import StationMetaError
from station_meta.typed import read_toml, typed

#: the shipped contracts, with the source of each
COLUMN_PRODUCTS = Path(__file__).with_name("columns.toml")

_ALWAYS = ("value", "uncertainty", "kernel", "longitude", "latitude", "time")
_LEVELS = ("profile", "pressure", "weight")
_SWATH = ("flag", "profile", "air", "pressure", "interval", "surface", "chi_square")
#: layout -> what a contract of it must name, beyond `_ALWAYS`
LAYOUTS: dict[str, tuple[str, ...]] = {
    "openmethane": ("flag",),
    "oco2-lite": _LEVELS,
    "ghg-cci": (*_LEVELS, "flag"),
    "tropomi-l2": _SWATH,
    "tropomi-blended": _SWATH,
    "tccon": (*_LEVELS, "water", "surface_pressure"),
}
#: and what it may name besides
_OPTIONAL = ("flag", "id", "longitude_corners", "latitude_corners", "warn_level")


@dataclass(frozen=True)
class ColumnLimits:
    """Plausible columns of a gas.

    Parameters
    ----------
    fail, suspect
        (low, high): outside is RANGE_FAIL, RANGE_SUSPECT.
    """

    fail: tuple[float, float]
    suspect: tuple[float, float]

    def __post_init__(self) -> None:
        """Raise unless the bounds nest."""
        ends = (self.fail[0], self.suspect[0], self.suspect[1], self.fail[1])
        _require(list(ends) == sorted(set(ends)), "suspect must lie within fail, and both rise", ends)


@dataclass(frozen=True)
class Passes:
    """When two soundings of one instrument are of one pass: no `gap_minutes` without a sounding between them."""

    gap_minutes: float

    def __post_init__(self) -> None:
        """Raise unless the gap is positive."""
        _require(self.gap_minutes > 0, "gap_minutes must be positive", self.gap_minutes)


@dataclass(frozen=True)
class Contract:
    """What a granule of one product and version must look like, and what of it is used.

    Parameters
    ----------
    format
        Its layout, a key of `LAYOUTS`.
    source
        Where the layout was seen, or that it is from memory.
    product
        What versions and variants are of; those of one product are never mixed.
    species
        The gas.
    match
        Attribute of the file, or "file" for its name -> regular expression. Groups `version`, `issue`, `created`.
    variables
        What -> the variable's name, with its groups.
    has
        A variable that must be there for the contract to be the file's; none when empty.
    created_format
        Of the group `created`, as strptime reads it.
    scale
        Calibration scale; empty when there is none stated.
    layers
        Values of the kernel; any number when None.
    order
        How levels run in the file: down (space first), up, or any, which the numbers tell.
    flag_type
        Types the flag may be stored as, by space; any when empty.
    quality
        Least quality value of a layout that has one; None where a flag of 0 is good.
    warn_level_most
        Greatest warn level that is used; None for no such rule.
    uncertainty_factor
        On the file's uncertainty.
    superobs_correlation
        Correlation of the errors of two soundings that are averaged.
    class_bits, excluded, inland_water, chi_square_most
        Bits of the surface classification that hold the class; classes that are not used, by name; the class that is
        used only where the fit's chi square is not above the last.
    snow_bits, snow
        Bits of the classification, and their value over snow or ice, which is not used.
    held_out
        Compared with, never assimilated.
    """

    format: str
    source: str
    product: str
    species: str
    match: dict[str, str] = field(hash=False)
    variables: dict[str, str] = field(hash=False)
    superobs_correlation: float
    has: str = ""
    created_format: str = ""
    scale: str = ""
    layers: int | None = None
    order: Literal["down", "up", "any"] = "any"
    flag_type: str = ""
    quality: float | None = None
    warn_level_most: int | None = None
    uncertainty_factor: float = 1.0
    class_bits: int | None = None
    excluded: dict[str, int] = field(default_factory=dict, hash=False)
    inland_water: int | None = None
    chi_square_most: float | None = None
    snow_bits: int | None = None
    snow: int | None = None
    held_out: bool = False

    def __post_init__(self) -> None:
        """Raise unless a file can be known by it and read by it."""
        _require(self.format in LAYOUTS, f"format must be one of {', '.join(LAYOUTS)}", self.format)
        needed = (*_ALWAYS, *LAYOUTS[self.format])
        lacking = [name for name in needed if name not in self.variables]
        _require(not lacking, "variables must name all that the layout needs", f"no {', '.join(lacking)}")
        spare = [name for name in self.variables if name not in (*needed, *_OPTIONAL)]
        _require(not spare, "variables must name what the layout has", ", ".join(spare))
        groups = [group for pattern in self.match.values() for group in _groups(pattern)]
        _require(set(groups) <= {"version", "issue", "created"}, "groups must be version, issue or created", groups)
        _require(not self.match or groups.count("version") == 1, "match must have the group version once", groups)
        _require(groups.count("created") == bool(self.created_format), "created and created_format go together", groups)
        _require(self.layers is None or self.layers > 1, "layers must be at least 2", self.layers)
        _require(self.uncertainty_factor > 0, "uncertainty_factor must be positive", self.uncertainty_factor)
        _require(
            0 <= self.superobs_correlation <= 1, "superobs_correlation must lie in 0 to 1", self.superobs_correlation
        )
        for name in (("class_bits", "inland_water", "chi_square_most"), ("snow_bits", "snow")):
            given = [getattr(self, key) is not None for key in name]
            _require(all(given) or not any(given), f"{', '.join(name)} go together", given)

    @property
    def variant(self) -> str:
        """The variable of the column, without its groups."""
        return self.variables["value"].rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Products:
    """What `columns.toml` says.

    Parameters
    ----------
    contracts
        By name, in the order in which they are tried.
    limits
        By species.
    passes
        What one pass is.
    """

    contracts: Mapping[str, Contract]
    limits: Mapping[str, ColumnLimits]
    passes: Passes

    def of(self, layout: str, species: str) -> dict[str, Contract]:
        """Return the contracts of a layout and species, in the order in which they are tried."""
        return {
            name: contract
            for name, contract in self.contracts.items()
            if (contract.format, contract.species) == (layout, species)
        }


def load_products(path: str | Path = COLUMN_PRODUCTS) -> Products:
    """Return the contracts of a file.

    Raises
    ------
    StationMetaError
        When the file cannot be read, or naming the first key that cannot be used.
    """
    path = Path(path)
    tables = read_toml(path, "the table of products")
    unknown = sorted(set(tables) - {"limits", "passes", "contracts"})
    lacking = sorted({"limits", "passes", "contracts"} - set(tables))
    if unknown or lacking:
        raise StationMetaError(
            "the tables must be limits, passes and contracts",
            got=sorted(tables),
            remedy=f"add {', '.join(lacking)}" if lacking else f"remove {', '.join(unknown)}",
            where=path.name,
        )
    raw = tables["contracts"]
    return Products(
        {name: _made(Contract, _with_like(raw, name, path), f"{path.name} [contracts.{name}]") for name in raw},
        {gas: _made(ColumnLimits, table, f"{path.name} [limits.{gas}]") for gas, table in tables["limits"].items()},
        _made(Passes, tables["passes"], f"{path.name} [passes]"),
    )


def _with_like(raw: Mapping[str, Any], name: str, path: Path, seen: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a contract's keys over those of the one it is like; the names of variables key by key."""
    table = dict(raw[name])
    other = table.pop("like", None)
    if other is None:
        return table
    if other not in raw or other in (*seen, name):
        raise StationMetaError(
            "like must name another contract, not in a circle",
            got=other,
            remedy=f"use one of {', '.join(key for key in raw if key != name)}",
            where=f"{path.name} [contracts.{name}]",
        )
    below = _with_like(raw, other, path, (*seen, name))
    variables = {**below.get("variables", {}), **table.get("variables", {})}
    return {**below, **table, "variables": variables}


def _made(cls: Any, table: Mapping[str, Any], where: str) -> Any:
    try:
        return typed(cls, table, where=where)
    except StationMetaError as error:
        if error.where:
            raise
        raise StationMetaError(error.rule, got=error.got, remedy=error.remedy, where=where) from error


def _groups(pattern: str) -> list[str]:
    try:
        return list(re.compile(pattern).groupindex)
    except re.error as error:
        raise StationMetaError(
            "match must be regular expressions", got=pattern, remedy=f"correct it: {error}"
        ) from error


def _require(good: bool, rule: str, got: object) -> None:
    if not good:
        raise StationMetaError(rule, got=got, remedy="correct it")
