"""An open file of columns and the contract it keeps: which product and version it is, and its checked variables.

A file that keeps no contract of its layout is refused: another version may store another thing under the same name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pipeline.errors import ConfigError, FormatError, UnitError
from pipeline.ingest.netcdf import open_netcdf
from pipeline.ingest.soundings import Identity
from pipeline.settings import ColumnSettings
from pipeline.units import Species, mole_fraction_factor
from station_meta import Contract, Products

#: key of `Contract.match` that stands for the file's name
_FILE = "file"


@dataclass(frozen=True, eq=False)
class Granule:
    """An open file.

    Parameters
    ----------
    path
        The file.
    contract
        What it keeps, with what the case says instead.
    identity
        Which product, version and edition it is.
    groups
        Its groups by path; "" is the root.
    """

    path: Path
    contract: Contract
    identity: Identity
    groups: Mapping[str, xr.Dataset]

    def has(self, what: str) -> bool:
        """Return whether the contract names such a variable."""
        return what in self.contract.variables

    def where(self, what: str) -> str:
        """Return the place of a variable, for messages."""
        return f"{self.path.name}: {self.contract.variables[what]}"

    def variable(self, what: str) -> xr.DataArray:
        """Return what the contract names so; fills are NaN, values are not yet read.

        Raises
        ------
        FormatError
            When the file lacks it.
        """
        group, _, name = self.contract.variables[what].rpartition("/")
        data = self.groups.get(group)
        if data is None or name not in data.variables:
            raise FormatError(
                f"a file of {self.identity} must hold {self.contract.variables[what]}",
                got=f"no group {group}" if data is None else sorted(map(str, data.variables)),
                remedy="fetch it again, or correct columns.format, columns.files or case.species",
                where=self.path.name,
            )
        return data[name]

    def numbers(self, what: str, dims: int) -> np.ndarray:
        """Return a variable of a flat layout as float64, fills as NaN; one row a sounding.

        Raises
        ------
        FormatError
            When it has another number of dims, or its first is not that of time.
        """
        found = self.variable(what)
        first = self.variable("time").dims[:1]
        if len(found.dims) != dims or found.dims[:1] != first:
            raise FormatError(
                f"{found.name} must have {dims} dims, the first that of time",
                got=found.dims,
                remedy="correct columns.format or the file",
                where=self.path.name,
            )
        return np.asarray(found.values, dtype=np.float64)

    def factor(self, what: str, gas: Species, *, default: str | None = None) -> float:
        """Return the factor of a mole fraction to the species' unit.

        Raises
        ------
        UnitError
            When the variable states no unit and there is no default, or it is no mole fraction.
        """
        unit = self.variable(what).attrs.get("units") or default
        if not unit:
            raise UnitError("a mole fraction must have a unit", remedy="add units to the file", where=self.where(what))
        return mole_fraction_factor(str(unit), gas, where=self.where(what))

    def check_layers(self, layers: int) -> None:
        """Raise unless the kernel has as many values as the contract says."""
        if self.contract.layers not in (None, layers):
            raise FormatError(
                f"the kernel of {self.identity} must have {self.contract.layers} values",
                got=layers,
                remedy="this is another product or version, which needs a contract of its own",
                where=self.where("kernel"),
            )

    def check_order(self, first: float, last: float) -> None:
        """Raise unless levels run as the contract says.

        Parameters
        ----------
        first, last
            Of something that grows towards the ground.
        """
        if (self.contract.order == "down" and first > last) or (self.contract.order == "up" and first < last):
            said = {"down": "from space to the surface", "up": "from the surface to space"}[self.contract.order]
            raise FormatError(
                f"the levels of {self.identity} must run {said}",
                got="the other way",
                remedy="whether its kernel was turned too cannot be told; fetch the file again",
                where=self.path.name,
            )


@contextmanager
def open_granule(path: Path, feed: ColumnSettings, gas: Species, products: Products) -> Iterator[Granule]:
    """Open a file of columns as what it says it is.

    Raises
    ------
    ConfigError
        When no product of the layout has the gas, or the settings name a rule the product has not.
    FormatError
        When the file is no netCDF, keeps no contract, lacks a variable, or stores its flag in another type.
    """
    known = products.of(feed.format, gas.name)
    if not known:
        raise ConfigError(
            f"{feed.format} files do not hold {gas.name}",
            got=gas.name,
            remedy="correct columns.format or case.species",
            where=feed.id,
        )
    with ExitStack() as stack:
        root = stack.enter_context(open_netcdf(path))
        contract, identity = _known_by(root, path, known)
        names = {name.rpartition("/")[0] for name in contract.variables.values()}
        groups = {"": root}
        for name in sorted(names - {""}):
            groups[name] = stack.enter_context(open_netcdf(path, group=name))
        granule = Granule(path, _with_settings(contract, feed), identity, groups)
        for what in contract.variables:
            granule.variable(what)
        _check_flag(granule)
        yield granule


def _known_by(root: xr.Dataset, path: Path, known: Mapping[str, Contract]) -> tuple[Contract, Identity]:
    """Return the first contract a file keeps, and what the file says it is."""
    for contract in known.values():
        texts = {key: path.name if key == _FILE else str(root.attrs.get(key, "")) for key in contract.match}
        found = [re.search(pattern, texts[key]) for key, pattern in contract.match.items()]
        if all(found) and (not contract.has or contract.has in root.variables):
            return contract, _identity(contract, [match for match in found if match is not None], path)
    told = {key for contract in known.values() for key in contract.match}
    got = {key: path.name if key == _FILE else root.attrs.get(key) for key in sorted(told)}
    raise FormatError(
        f"the file must be a product and version with a contract: {', '.join(known)}",
        got={key: str(value)[:60] for key, value in got.items() if value is not None},
        remedy="correct columns.format, or declare a contract of that version in station_meta/columns.toml",
        where=path.name,
    )


def _identity(contract: Contract, found: list[re.Match[str]], path: Path) -> Identity:
    said: dict[str, list[str]] = {"version": [], "issue": [], "created": []}
    for match in found:
        for group, text in match.groupdict().items():
            said[group].append(text or "")
    issue = [part for text in said["issue"] for part in re.findall(r"\d+|[A-Za-z]+", text)]
    # numbers compare as numbers: 10 comes after 9
    order = [(int(part), "") if part.isdigit() else (0, part) for part in issue]
    if contract.created_format:
        order.append((0, _created(said["created"][0], contract.created_format, path)))
    return Identity(contract.product, "".join(said["version"]), contract.variant, contract.scale, tuple(order))


def _created(text: str, form: str, path: Path) -> str:
    try:
        return datetime.strptime(text, form).isoformat()
    except ValueError as error:
        raise FormatError(
            f"the date of making must be readable as {form}", got=text, remedy="correct the file", where=path.name
        ) from error


def _with_settings(contract: Contract, feed: ColumnSettings) -> Contract:
    """Return the contract with the rules of the case in place of its own."""
    asked: dict[str, Any] = {
        name: value
        for name in ("quality", "uncertainty_factor", "superobs_correlation", "chi_square_most")
        if (value := getattr(feed, name)) is not None
    }
    if feed.excluded_surfaces is not None:
        names = {number: name for name, number in contract.excluded.items()}
        asked["excluded"] = {names.get(number, f"class {number}"): number for number in feed.excluded_surfaces}
    for key, own, said in (
        ("quality", contract.quality, "has no quality value, but a flag"),
        ("chi_square_most", contract.chi_square_most, "has no chi square"),
        ("excluded", contract.class_bits, "has no classes of the surface"),
    ):
        if key in asked and own is None:
            raise ConfigError(
                "a rule must be one the product has",
                got=f"{contract.product} {said}",
                remedy=f"remove {'excluded_surfaces' if key == 'excluded' else key}",
                where=f"columns {feed.id}",
            )
    return replace(contract, **asked)


def _check_flag(granule: Granule) -> None:
    """Raise unless the flag is stored as the contract says: another type is another meaning."""
    kinds = granule.contract.flag_type.split()
    if not kinds or not granule.has("flag"):
        return
    found = granule.variable("flag")
    stored = str(np.dtype(found.encoding.get("dtype", found.dtype)))
    if stored not in kinds:
        raise FormatError(
            f"the flag of {granule.identity} must be stored as {' or '.join(kinds)}",
            got=stored,
            remedy="this is another product or version, which needs a contract of its own",
            where=granule.where("flag"),
        )
