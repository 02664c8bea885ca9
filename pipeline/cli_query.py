"""`tianyan query`: totals of areas over periods, as a table for people or a file for programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    import xarray as xr
    from rich.console import Console

    from pipeline.answers import Source

Region = Annotated[
    list[str] | None, Parameter(negative=(), help="id or name of a region, in Chinese or English; may be given again")
]
Level = Annotated[str | None, Parameter(help="all regions of a level: province, city or county")]
Polygon = Annotated[Path | None, Parameter(help="file of polygons, for example GeoJSON")]
Point = Annotated[str | None, Parameter(help="longitude,latitude of a cell in degrees: 120.15,30.25")]
Box = Annotated[str | None, Parameter(help="west,east,south,north in degrees: 118,120,28,30")]
When = Annotated[
    str | None,
    Parameter(name=("--period", "-p"), help="2024, 2024-07, 2024-07-15, 2024-07-15T06Z, or two of them: A/B (UTC)"),
]
Sectors = Annotated[
    list[str] | None, Parameter(negative=(), help="a sector, or net; all when not given; may be given again")
]
Version = Annotated[str | None, Parameter(help="a release's name or a snapshot's id, of a store of hours")]
AsOf = Annotated[str | None, Parameter(help="what the store said then: 2024-08-01T00:00Z")]
Language = Annotated[Literal["en", "zh"], Parameter(help="language of the table")]
Output = Annotated[Path | None, Parameter(name=("--output", "-o"), help="write .csv, .parquet, .json or .nc")]
#: rows of a table on a screen, and letters of a line where there is none
_ROWS, _WIDE = 400, 160


def query(
    store: Path,
    *,
    region: Region = None,
    level: Level = None,
    polygon: Polygon = None,
    box: Box = None,
    point: Point = None,
    period: When = None,
    freq: Annotated[
        Literal["hour", "day", "month", "year", "all"], Parameter(help="a total for each of them (UTC)")
    ] = "all",
    sector: Sectors = None,
    version: Version = None,
    as_of: AsOf = None,
    language: Language = "en",
    output: Output = None,
) -> None:
    """Tell the total of any area over any period: prior, posterior and sigma, by sector and net.

    The store is that of a run (exact for any polygon and hours of its window, with outputs.query) or of the hourly
    service (exact for a region and an hour; sums and polygons have an upper estimate of sigma, docs/query.md). For
    example:

    `tianyan query live/service --region 杭州 --period 2024-07 --freq day`

    `tianyan query week-output/posterior.zarr --box 120,121,30,31 --period 2024-07-15/2024-07-16`

    `tianyan query live/service --level city --freq month --output totals.parquet`

    Without an area, that of the whole grid is told; without a period, all hours of the store.

    Parameters
    ----------
    store
        Folder of the store.
    """
    from pipeline.answers import open_source
    from pipeline.answers import query as answer_of
    from pipeline.answers.export import require_format, write_table

    if output is not None:
        require_format(output)
    source = open_source(store, version=version, as_of=as_of)
    try:
        areas = areas_asked(source, region, level, polygon, box, point)
        answer = answer_of(source, areas, period, sector=sector, freq=freq)
    finally:
        source.close()
    if output is None:
        print_answer(answer, language)
    else:
        print(f"{write_table(answer, output)} rows: {output}")


def areas_asked(
    source: Source,
    region: list[str] | None,
    level: str | None,
    polygon: Path | None,
    box: str | None,
    point: str | None,
) -> list[Any]:
    """Return the areas that words of the command line name.

    Raises
    ------
    TianyanError
        When several kinds are given, or one is not known.
    """
    from pipeline.answers import GRID, area_of, box_of, point_of
    from pipeline.errors import ConfigError

    given = {"--region": region, "--level": level, "--polygon": polygon, "--box": box, "--point": point}
    names = [name for name, value in given.items() if value]
    if len(names) > 1:
        raise ConfigError(
            "areas are named in one way",
            got=" and ".join(names),
            remedy="give one of --region, --level, --polygon FILE.geojson, --box W,E,S,N, --point LON,LAT",
            where="query",
        )
    if region:
        return [area_of(name, source.regions) for name in region]
    if level:
        return [area_of(source.regions.ids[at], source.regions) for at in source.regions.at_level(level)]
    if polygon is not None:
        return [area_of(polygon, source.regions)]
    if box is not None:
        return [area_of(box_of(box, "--box"), source.regions)]
    if point is not None:
        return [area_of(point_of(point, "--point"), source.regions)]
    return [GRID]


def print_answer(answer: xr.Dataset, language: Literal["en", "zh"], console: Console | None = None) -> None:
    """Print an answer as a table."""
    import numpy as np
    from rich.table import Table

    from pipeline.answers import word
    from pipeline.show_tables import mass_unit, with_sigma

    console = console or screen()
    gas = str(answer.attrs["species"]).upper()
    unit, scale = mass_unit(float(np.nanmax(np.abs(answer["posterior"].values), initial=0.0)))
    title = f"{word('total', language)}, {unit} {gas}, {word('with one sigma', language)}"
    # one region stands in the title: a terminal has 80 letters
    alone, several = answer.sizes["region"] == 1, answer.sizes["time"] > 1
    if alone:
        title = f"{_name(answer.isel(region=0), language)}: {title}"
    table = Table(title=title, title_justify="left")
    for column in (*([] if alone else ["region"]), "sector", *(["time"] if several else [])):
        table.add_column(word(column, language))
    for column in ("prior", "posterior", "data_share"):
        table.add_column(word(column, language), justify="right")
    rows = 0
    for r in range(answer.sizes["region"]):
        one = answer.isel(region=r)
        for t in range(answer.sizes["time"]):
            for s, sector in enumerate(answer["sector"].values):
                rows += 1
                if rows > _ROWS:
                    continue
                part = one.isel(time=t, sector=s)
                when = [f"{np.datetime_as_string(part['time'].values, unit='h')}Z"] if several else []
                upper = "" if bool(part["exact"]) else "≤"
                totals = [
                    with_sigma(part[which], part[f"{which}_std"], scale).replace("±", f"±{mark}")
                    for which, mark in (("prior", upper), ("posterior", upper))
                ]
                share = f"{float(part['data_share']):.0%}"
                region = [] if alone else [_name(one, language)]
                table.add_row(*region, word(str(sector), language), *when, *totals, share)
    console.print(table)
    for note in _notes(answer, rows, language):
        console.print(f"- {note}", highlight=False, soft_wrap=True)


def screen() -> Console:
    """Return a console whose tables are not cut where no terminal has a width."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=_WIDE)


def _name(one: xr.Dataset, language: Literal["en", "zh"]) -> str:
    chinese, english = str(one["region_name"].values), str(one["region_name_en"].values)
    return (english if language == "en" else chinese) or chinese


def _notes(answer: xr.Dataset, rows: int, language: Literal["en", "zh"]) -> list[str]:
    """Return what a reader must know beside the numbers."""
    english = language == "en"
    notes = []
    hours, missing = int(answer["hours"].sum()), int(answer["hours_missing"].sum())
    period = answer.attrs["period"]
    notes.append(
        f"{period}: {hours} hours, {missing} without numbers, which are not counted"
        if english
        else f"{period}：{hours} 小时，另有 {missing} 小时无结果，未计入"
    )
    if not bool(answer["exact"].all()):
        notes.append(
            "≤: sigma is an upper estimate, with the prior's correlations (docs/query.md)"
            if english
            else "≤：标准差为上界估计，采用先验的误差相关 (docs/query.md)"
        )
    if answer.attrs["linearised"]:
        notes.append(
            "a sector is log-normal: totals are those of the published fields, sigmas of the linear solution"
            if english
            else "有对数正态部门：总量取自发布的场，标准差取自线性解"
        )
    for name, share in zip(answer["region"].values, answer["outside"].values, strict=True):
        if share > 1e-3:
            notes.append(
                f"{share:.1%} of {name} lies outside the grid and is not counted"
                if english
                else f"{name} 有 {share:.1%} 位于网格之外，未计入"
            )
    if rows > _ROWS:
        more = rows - _ROWS
        notes.append(
            f"{more} more rows: --output FILE.csv has all" if english else f"还有 {more} 行：用 --output 写出全部"
        )
    notes.append(f"version {answer.attrs['version']}" if english else f"版本 {answer.attrs['version']}")
    return notes
