"""`tianyan compare`: two versions, two stores, or a posterior and its inventory, as a table and a map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pipeline.cli_query import Language, Output, When, screen

if TYPE_CHECKING:
    import pandas as pd


def compare(
    a: str,
    b: str,
    *,
    period: When = None,
    level: Annotated[str | None, Parameter(help="regions of the table; the first region alone when not given")] = None,
    sector: Annotated[str, Parameter(help="sector of the picture")] = "net",
    picture: Annotated[Path | None, Parameter(help="PNG to write: maps of both and of b - a")] = None,
    output: Output = None,
    language: Language = "en",
) -> None:
    """Tell what two answers say of the same hours: a, b and b - a, by region and sector, and draw their maps.

    A and B are STORE, STORE@VERSION (a release's name or a snapshot's id) or either with #prior: the inventory that the
    posterior began with. For example:

    `tianyan compare live/service#prior live/service --level city --picture change.png`

    `tianyan compare live/service@main-120 live/service --period 2024-07`

    Parameters
    ----------
    a, b
        What to compare.
    """
    from pipeline.answers.compare import Operand
    from pipeline.answers.compare import compare as compared
    from pipeline.answers.export import require_format, write_frame
    from pipeline.show_maps import draw_compared

    if output is not None:
        require_format(output, tables=True)
    found = compared(Operand.of(a), Operand.of(b), period, level)
    if output is not None:
        write_frame(found.table, output)
    if picture is not None:
        draw_compared(found, sector, picture)
    _print(found.table, found.names, str(found.maps.attrs["period"]), str(found.maps.attrs["species"]), language)
    for kind, path in (("rows", output), ("picture", picture)):
        if path is not None:
            print(f"{kind}: {path}")


def _print(table: pd.DataFrame, names: tuple[str, str], period: str, gas: str, language: Language) -> None:
    from rich.table import Table

    from pipeline.answers import word
    from pipeline.show_tables import mass_unit, with_sigma

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
            with_sigma(row["a"], row["a_std"], scale),
            with_sigma(row["b"], row["b_std"], scale),
            f"{row['difference'] / scale:.3g}",
            f"{row['sigmas']:.2f}",
        )
    console.print(shown)
    console.print(
        "- sigmas: b - a over the root of both variances, as if their errors were independent", highlight=False
    )
