"""`tianyan compare`: two versions, two stores, a posterior and its prior, or an inventory file: a table and a map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from pipeline.cli_query import Language, Output, When, screen

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.answers.compare import Inventory
    from pipeline.grid import Grid
    from pipeline.settings import FluxSource

#: formats of an inventory file, by its ending
_FORMATS = {".nc": "netcdf", ".nc4": "netcdf", ".tif": "geotiff", ".tiff": "geotiff"}


def compare(
    a: str,
    b: str,
    *,
    period: When = None,
    level: Annotated[str | None, Parameter(help="regions of the table; the first region alone when not given")] = None,
    sector: Annotated[
        str | None, Parameter(help="sector of the picture, net when not given; of an inventory file: which it is of")
    ] = None,
    picture: Annotated[Path | None, Parameter(help="PNG to write: maps of both and of b - a")] = None,
    output: Output = None,
    language: Language = "en",
    variable: Annotated[str | None, Parameter(help="variable of an inventory file (netCDF)")] = None,
    unit: Annotated[str | None, Parameter(help="unit of an inventory file that states none (GeoTIFF)")] = None,
    missing: Annotated[
        Literal["refuse", "zero"], Parameter(help="what missing values of an inventory file mean")
    ] = "refuse",
    negative: Annotated[
        Literal["refuse", "allow"] | None, Parameter(help="whether an inventory file may be negative (uptake)")
    ] = None,
) -> None:
    """Tell what two answers say of the same hours: a, b and b - a, by region and sector, and draw their maps.

    A and B are STORE, STORE@VERSION (a release's name or a snapshot's id) or either with #prior: the inventory that the
    posterior began with. One of them may be an inventory file, netCDF or GeoTIFF, of the sector that --sector tells: it
    is put on the store's grid, its mass kept, and is the same in every hour unless it has times. For example:

    `tianyan compare live/service#prior live/service --level city --picture change.png`

    `tianyan compare live/service@main-120 live/service --period 2024-07`

    `tianyan compare cities.tif live/service --sector anthropogenic --unit "t cell-1 year-1" --level city`

    Parameters
    ----------
    a, b
        What to compare.
    """
    from pipeline.answers.compare import Operand
    from pipeline.answers.compare import compare as compared
    from pipeline.answers.export import require_format, write_frame
    from pipeline.errors import ConfigError
    from pipeline.show_maps import draw_compared

    if output is not None:
        require_format(output, tables=True)
    notes: list[str] = []
    told = {"variable": variable, "unit": unit, "missing": missing, "negative": negative}
    if (variable or unit or negative or missing != "refuse") and not any(Path(text).is_file() for text in (a, b)):
        raise ConfigError(
            "--variable, --unit, --missing and --negative tell of an inventory file",
            got=f"{a} and {b}",
            remedy="name a file that is there, or leave them out",
            where="compare",
        )
    sides = [
        _inventory(Path(text), sector, told, notes) if Path(text).is_file() else Operand.of(text) for text in (a, b)
    ]
    found = compared(sides[0], sides[1], period, level)
    if output is not None:
        write_frame(found.table, output)
    if picture is not None:
        draw_compared(found, sector or "net", picture)
    _print(found.table, found.names, str(found.maps.attrs["period"]), str(found.maps.attrs["species"]), language)
    for note in notes:
        screen().print(f"- {note}", highlight=False, markup=False, soft_wrap=True)
    for kind, path in (("rows", output), ("picture", picture)):
        if path is not None:
            print(f"{kind}: {path}")


def _inventory(path: Path, sector: str | None, told: dict[str, str | None], notes: list[str]) -> Inventory:
    """Return a side that is read from an inventory file.

    Parameters
    ----------
    path
        The file.
    sector
        Which it is of.
    told
        Keys of a source of a case.
    notes
        Gets a sentence when the file is read.

    Raises
    ------
    ConfigError
        When its ending is not known, or what it does not state itself is not told.
    """
    from pipeline.answers.compare import Inventory
    from pipeline.errors import ConfigError
    from pipeline.ingest import read_inventory
    from pipeline.settings import FluxSource, validated
    from pipeline.units import species

    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ConfigError(
            "an inventory file is netCDF or GeoTIFF", got=path.name, remedy="end it with .nc or .tif, or convert it"
        )
    if sector is None:
        raise ConfigError(
            "an inventory file must be of one of the store's sectors, or net", remedy="give --sector", where=path.name
        )
    if kind == "geotiff" and told["unit"] is None:
        remedy = 'give --unit, for example "t cell-1 year-1" or "kg m-2 s-1"'
        raise ConfigError("a GeoTIFF states no unit", remedy=remedy, where=path.name)
    # without a name the reader says what names there are
    named = {**told, "variable": told["variable"] or ""}
    source: FluxSource = validated(FluxSource, {"file": path.name, "format": kind, **named}, where=path.name)

    def mean(grid: Grid, gas: str, hours: np.ndarray) -> np.ndarray:
        flux, note = read_inventory(path, sector, source, hours.astype("datetime64[ns]"), grid, species(gas))
        notes.append(note)
        return flux

    return Inventory(path.name, sector, mean)


def _print(table: pd.DataFrame, names: tuple[str, str], period: str, gas: str, language: Language) -> None:
    from rich.table import Table

    from pipeline.answers import word
    from pipeline.show_tables import mass_unit

    console = screen()
    if not len(table):
        console.print("no region is in both: the map alone can be compared", highlight=False)
        return
    unit, scale = mass_unit(float(table[["a", "b"]].abs().max().max()))
    shown = Table(title=f"{word('total', language)}, {unit} {gas.upper()}, {period}", title_justify="left")
    for column in (word("region", language), word("sector", language)):
        shown.add_column(column, no_wrap=True)
    for column in (f"a: {names[0]}", f"b: {names[1]}", "b - a", "sigmas"):
        shown.add_column(column, justify="right")
    for row in table.to_dict("records"):
        name = row["region_name"] if language == "zh" else row["region_name_en"] or row["region_name"]
        shown.add_row(
            name,
            word(str(row["sector"]), language),
            *(_total(row, letter, scale) for letter in "ab"),
            f"{row['difference'] / scale:.3g}",
            f"{row['sigmas']:.2f}",
        )
    console.print(shown)
    over = "the root of both variances, as if their errors were independent"
    if table[["a_std", "b_std"]].isna().any(axis=None):
        over = "the sigma of the store: an inventory file states none"
    console.print(f"- sigmas: b - a over {over}", highlight=False)


def _total(row: dict[Any, Any], letter: str, scale: float) -> str:
    """Return a total with its sigma, or, where none is stated, with the digits of the other side's."""
    import numpy as np

    from pipeline.show_tables import rounded, with_sigma

    sigma, other = row[f"{letter}_std"], row[f"{'ab'.replace(letter, '')}_std"]
    return rounded(row[letter], other, scale) if np.isnan(sigma) else with_sigma(row[letter], sigma, scale)
