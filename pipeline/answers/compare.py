"""Two answers beside each other: two versions of a store, two stores, a posterior and its prior, or an inventory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.answers.areas import area_of
from pipeline.answers.maps import mean_maps
from pipeline.answers.periods import Period
from pipeline.answers.query import open_source, period_of, query
from pipeline.answers.source import Source
from pipeline.errors import InputError
from pipeline.grid import Grid
from pipeline.units import SECONDS_PER_HOUR, species, tonnes_per_flux_unit

#: of an operand: the prior instead of the posterior
_PRIOR = "#prior"


@dataclass(frozen=True)
class Operand:
    """One side of a comparison.

    Parameters
    ----------
    store
        Folder of a store.
    version
        A snapshot or release of it; the newest when not given.
    which
        "posterior", or "prior".
    """

    store: Path
    version: str | None = None
    which: str = "posterior"

    @classmethod
    def of(cls, text: str) -> Operand:
        """Return what STORE, STORE@VERSION or STORE#prior names.

        Examples
        --------
        >>> Operand.of("live/service@R1#prior")
        Operand(store=PosixPath('live/service'), version='R1', which='prior')
        """
        which = "prior" if text.endswith(_PRIOR) else "posterior"
        rest = text.removesuffix(_PRIOR)
        path, at, version = rest.rpartition("@")
        return cls(Path(path), version, which) if at and path else cls(Path(rest), None, which)

    def __str__(self) -> str:
        version = f"@{self.version}" if self.version else ""
        return f"{self.store.name}{version} {self.which}"


@dataclass(frozen=True)
class Inventory:
    """One side of a comparison that is no store: the fluxes of one sector, which state no sigma.

    Parameters
    ----------
    name
        What it is called.
    sector
        Which of the other side's sectors it is, or net.
    mean
        Of a grid, a gas and hours (datetime64[h]): the mean flux, (y, x) in the gas's flux unit, positive upward.
    """

    name: str
    sector: str
    mean: Callable[[Grid, str, np.ndarray], np.ndarray]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class Compared:
    """What two operands say of one period.

    Parameters
    ----------
    table
        A row for each region and sector both have: a, a_std, b, b_std, difference (b - a), all t, and sigmas: the
        difference over the root of the summed squares, which takes their errors as independent. A side that states no
        sigma has NaN there, and does not count in the root.
    maps
        a, b and difference over sector, y and x: mean fluxes.
    names
        Of a and b.
    """

    table: pd.DataFrame
    maps: xr.Dataset
    names: tuple[str, str]


def compare(
    a: Operand | Inventory, b: Operand | Inventory, period: str | Period | None = None, level: str | None = None
) -> Compared:
    """Compare two operands over the hours of a period that both have.

    Parameters
    ----------
    a, b
        Of `Operand.of`; one may be an inventory, which has all hours.
    period
        As for `query`; all hours that both have when not given.
    level
        Of the regions; the first region alone when not given.

    Raises
    ------
    InputError, StoreError
        As `query`; and when grids or gases differ, or no hour, region or sector is common.
    """
    sources: list[Source] = []
    try:
        for one in (a, b):
            if isinstance(one, Operand):
                sources.append(open_source(one.store, version=one.version))
        if not sources:
            raise InputError(
                "one of the two must be a store",
                got=f"{a} and {b}",
                remedy="give the folder of one: it has the grid",
                where="compare",
            )
        return _compared(sources[0], sources[-1], (a, b), period, level)
    finally:
        for source in sources:
            source.close()


def _compared(
    one: Source,
    two: Source,
    operands: tuple[Operand | Inventory, Operand | Inventory],
    period: str | Period | None,
    level: str | None,
) -> Compared:
    span = _common(one, two, period)
    stated = next((operand.sector for operand in operands if isinstance(operand, Inventory)), None)
    fields = [_field(operand, source, span, stated) for operand, source in zip(operands, (one, two), strict=True)]
    sectors = [name for name in fields[0]["sector"].values if name in fields[1]["sector"].values]
    fields = [field.sel(sector=sectors) for field in fields]
    unit = {"units": species(one.species).flux_unit}
    told = xr.Dataset(
        {"a": fields[0], "b": fields[1], "difference": fields[1] - fields[0]},
        coords={**one.grid.coordinates(), "sector": sectors},
        attrs={"species": one.species, "period": str(span)},
    )
    for name in told:
        told[name].attrs.update(unit)
    names = (str(operands[0]), str(operands[1]))
    return Compared(_table((one, two), operands, span, level, told), told, names)


def _common(one: Source, two: Source, period: str | Period | None) -> Period:
    """Return the span of the hours that two stores of one gas and grid have.

    Raises
    ------
    InputError
        When gas or grid differ, there is no such hour, or one alone has some of them.
    """
    same_grid = one.grid.crs == two.grid.crs and one.grid.shape == two.grid.shape
    if one.species != two.species or not same_grid or not np.array_equal(one.grid.x_edges, two.grid.x_edges):
        raise InputError(
            "what is compared must be of one gas and one grid",
            got=f"{one.species} on {one.grid.shape} and {two.species} on {two.grid.shape}",
            remedy="run them on one grid",
            where="compare",
        )
    common = np.intersect1d(one.hours, two.hours)
    if period is not None:
        common = period_of(one, period).within(common)
    if common.size == 0:
        raise InputError(
            "both must have an hour of the period",
            got=f"{one.hours[0]}Z to {one.hours[-1]}Z and {two.hours[0]}Z to {two.hours[-1]}Z"
            if one.hours.size and two.hours.size
            else "none",
            remedy="ask for another period",
            where="compare",
        )
    span = Period(common[0], common[-1] + np.timedelta64(1, "h"))
    missing = np.setxor1d(span.within(one.hours), span.within(two.hours))
    if missing.size:
        raise InputError(
            "both must have the same hours of the period",
            got=f"{missing.size} of {span.count} are in one alone, {missing[0]}Z first",
            remedy="ask for a period without them",
            where="compare",
        )
    return span


def _field(operand: Operand | Inventory, source: Source, span: Period, sector: str | None) -> xr.DataArray:
    """Return the mean flux of a side, (sector, y, x): of one sector, or of all."""
    if isinstance(operand, Operand):
        maps = mean_maps(source, span, sector=sector, sigma=False).isel(time=0)
        return maps[f"flux_{operand.which}"].drop_vars("time")
    flux = operand.mean(source.grid, source.species, span.within(source.hours))
    coords = {"sector": np.array([operand.sector], dtype=object), "y": source.grid.y, "x": source.grid.x}
    return xr.DataArray(flux[None], dims=("sector", "y", "x"), coords=coords)


def _table(
    sources: tuple[Source, Source],
    operands: tuple[Operand | Inventory, Operand | Inventory],
    span: Period,
    level: str | None,
    maps: xr.Dataset,
) -> pd.DataFrame:
    regions = sources[0].regions
    places = regions.at_level(level) if level is not None else range(len(regions.ids))
    ids = [regions.ids[at] for at in places if regions.ids[at] in sources[1].regions.ids]
    if level is None:
        ids = ids[:1]
    if not ids:
        return pd.DataFrame()
    sides = [
        _totals(operand, source, ids, span, maps[letter])
        for letter, operand, source in zip("ab", operands, sources, strict=True)
    ]
    rows = []
    for r, name in enumerate(ids):
        at = regions.ids.index(name)
        for s, sector in enumerate(maps["sector"].values):
            row: dict[str, object] = {
                "region": name,
                "region_name": regions.names[at],
                "region_name_en": regions.names_en[at],
                "sector": sector,
            }
            (a, a_std), (b, b_std) = (side[r, s] for side in sides)
            row |= {"a": a, "a_std": a_std, "b": b, "b_std": b_std}
            # of a side that states no sigma, that of the other is what is known
            spread = float(np.sqrt(np.nansum([a_std**2, b_std**2])))
            rows.append(row | {"difference": b - a, "sigmas": (b - a) / spread if spread > 0 else np.nan})
    return pd.DataFrame(rows)


def _totals(
    operand: Operand | Inventory, source: Source, ids: list[str], span: Period, field: xr.DataArray
) -> np.ndarray:
    """Return total and sigma of regions and sectors, t: (region, sector, 2); sigma is NaN where none is stated."""
    if isinstance(operand, Operand):
        areas = [area_of(name, source.regions) for name in ids]
        answer = query(source, areas, span, sector=list(field["sector"].values)).isel(time=0)
        return np.stack([answer[operand.which].values, answer[f"{operand.which}_std"].values], axis=-1)
    hours = span.within(source.hours).size
    tonnes = tonnes_per_flux_unit(species(source.species)) * SECONDS_PER_HOUR * hours
    shares = source.fractions()[[source.regions.ids.index(name) for name in ids]]
    totals = shares @ (field.values * source.grid.area).reshape(field.sizes["sector"], -1).T * tonnes
    return np.stack([totals, np.full_like(totals, np.nan)], axis=-1)
