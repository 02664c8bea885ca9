"""Two answers beside each other: two versions of a store, two stores, or a posterior and its inventory (the prior)."""

from __future__ import annotations

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


@dataclass(frozen=True, eq=False)
class Compared:
    """What two operands say of one period.

    Parameters
    ----------
    table
        A row for each region and sector both have: a, a_std, b, b_std, difference (b - a), all t, and sigmas: the
        difference over the root of the summed squares, which takes their errors as independent.
    maps
        a, b and difference over sector, y and x: mean fluxes.
    names
        Of a and b.
    """

    table: pd.DataFrame
    maps: xr.Dataset
    names: tuple[str, str]


def compare(a: Operand, b: Operand, period: str | Period | None = None, level: str | None = None) -> Compared:
    """Compare two operands over the hours of a period that both have.

    Parameters
    ----------
    a, b
        Of `Operand.of`.
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
            sources.append(open_source(one.store, version=one.version))
        return _compared(sources[0], sources[1], (a, b), period, level)
    finally:
        for source in sources:
            source.close()


def _compared(
    one: Source, two: Source, operands: tuple[Operand, Operand], period: str | Period | None, level: str | None
) -> Compared:
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
    maps = [mean_maps(source, span, sigma=False).isel(time=0) for source in (one, two)]
    sectors = [name for name in maps[0]["sector"].values if name in maps[1]["sector"].values]
    fields = [found[f"flux_{operand.which}"].sel(sector=sectors) for found, operand in zip(maps, operands, strict=True)]
    told = xr.Dataset(
        {"a": fields[0], "b": fields[1], "difference": fields[1] - fields[0]},
        coords={**one.grid.coordinates(), "sector": sectors},
        attrs=maps[0].attrs,
    )
    told["difference"].attrs["units"] = fields[0].attrs["units"]
    names = (str(operands[0]), str(operands[1]))
    return Compared(_table(one, two, operands, span, level, sectors), told, names)


def _table(
    one: Source, two: Source, operands: tuple[Operand, Operand], span: Period, level: str | None, sectors: list[str]
) -> pd.DataFrame:
    ids = [name for name in one.regions.ids if name in two.regions.ids]
    if level is not None:
        wanted = {one.regions.ids[at] for at in one.regions.at_level(level)}
        ids = [name for name in ids if name in wanted]
    else:
        ids = ids[:1]
    if not ids:
        return pd.DataFrame()
    areas = [[area_of(name, source.regions) for name in ids] for source in (one, two)]
    answers = [query(source, asked, span, sector=sectors) for source, asked in zip((one, two), areas, strict=True)]
    rows = []
    for r, name in enumerate(ids):
        for s, sector in enumerate(sectors):
            row: dict[str, object] = {
                "region": name,
                "region_name": str(answers[0]["region_name"].values[r]),
                "region_name_en": str(answers[0]["region_name_en"].values[r]),
                "sector": sector,
            }
            told = []
            for letter, answer, operand in zip("ab", answers, operands, strict=True):
                cell = answer.isel(region=r, sector=s, time=0)
                told.append((float(cell[operand.which]), float(cell[f"{operand.which}_std"])))
                row |= {letter: told[-1][0], f"{letter}_std": told[-1][1]}
            difference, spread = told[1][0] - told[0][0], float(np.hypot(told[0][1], told[1][1]))
            rows.append(row | {"difference": difference, "sigmas": difference / spread if spread > 0 else np.nan})
    return pd.DataFrame(rows)
