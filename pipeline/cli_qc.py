"""`tianyan qc`: what quality control found at a station. Heavy libraries are imported inside the commands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

qc = App(
    name="qc",
    help=(
        "See what quality control found at a station: every test, its threshold, what it flagged, and a picture.\n\n"
        "Of a case, where neighbours are compared too, or of files by themselves:\n\n"
        "`tianyan qc report ZJ_C01 week/case.toml`\n\n"
        "`tianyan qc report TAC tac.picarro.1minute.100m.dat --height 100 --expected 18 --minimum 12`\n\n"
        "`tianyan qc report ZJ_M001 sensor.csv --section feed.toml`\n\n"
        "Of a tower that measures fluxes, the least friction velocity from a year of its files:\n\n"
        "`tianyan qc ustar SE_HTM SE-Htm_2017.csv --flux FC_PI_1_1_1 --friction USTAR_1_1_1 --temperature TA_1_1_1 "
        "--radiation SW_IN_1_1_1 --forest`"
    ),
)


@qc.command
def report(
    station: str,
    *sources: Path,
    species: Annotated[str, Parameter(help="gas, for files: co2, ch4 or co")] = "co2",
    height: Annotated[float | None, Parameter(help="inlet, m; the only one when not given")] = None,
    format: Annotated[str | None, Parameter(help="file format; recognised from the header when not given")] = None,
    expected: Annotated[int, Parameter(help="samples a full hour has, for files")] = 60,
    minimum: Annotated[int, Parameter(help="fewer samples than this and the hour is flagged incomplete")] = 45,
    table: Annotated[Path | None, Parameter(help="station table of your own, for files")] = None,
    rules: Annotated[Path | None, Parameter(help="thresholds of your own (docs/quality.md), for files")] = None,
    section: Annotated[
        Path | None,
        Parameter(help="TOML file of the keys of one section [[stations]], without id and files, for files"),
    ] = None,
    data: Annotated[Path | None, Parameter(help="input folder of the case, instead of inputs.root")] = None,
    picture: Annotated[Path | None, Parameter(help="PNG to write; STATION-qc.png when not given")] = None,
) -> None:
    """Print the account of every test and draw the series with its flags.

    Parameters
    ----------
    station
        Station id, of a sink station too where there is a case.
    sources
        A case's TOML file, or files of the station.
    """
    from rich.console import Console

    from pipeline.qc import report_of_case, report_of_files, require_sources
    from pipeline.quality_report import print_report
    from pipeline.settings import Completeness, validated
    from pipeline.show_quality import draw_quality

    require_sources(sources)
    if sources and sources[0].suffix == ".toml":
        found = report_of_case(station, sources[0], height=height, root=data)
    else:
        completeness = validated(Completeness, {"expected": expected, "minimum": minimum})
        tables = [table] if table else []
        found = report_of_files(
            station, sources, species, height=height, format=format, completeness=completeness, tables=tables,
            section=section, rules=[rules] if rules else [],
        )  # fmt: skip
    path = picture or Path(f"{station}-qc.png")
    print_report(found, Console(width=130))
    draw_quality(found, path)
    print(f"picture: {os.path.relpath(path)}")


@qc.command
def ustar(
    station: str,
    *files: Path,
    flux: Annotated[str, Parameter(help="column of the flux, as measured")] = "NEE",
    friction: Annotated[str, Parameter(help="column of the friction velocity, m s-1")] = "USTAR",
    temperature: Annotated[str, Parameter(help="column of the air temperature")] = "TA",
    radiation: Annotated[
        str | None, Parameter(help="column of incoming shortwave radiation, W m-2; the sun's elevation when not given")
    ] = None,
    quality: Annotated[
        str | None, Parameter(help="column of the flux's quality flag, 0 best; all is measured when not given")
    ] = None,
    forest: Annotated[bool, Parameter(negative=(), help="the tower stands in a forest, whose least is higher")] = False,
    table: Annotated[Path | None, Parameter(help="station table of your own")] = None,
    rules: Annotated[Path | None, Parameter(help="thresholds of your own (docs/quality.md)")] = None,
) -> None:
    """Print the friction velocity below which a tower's fluxes are too low, by season and with its range.

    Parameters
    ----------
    station
        Station id.
    files
        Its half-hourly files, together of a year at least.
    """
    from rich.console import Console

    from pipeline.ingest.formats.fluxnet import FluxColumns
    from pipeline.qc_friction import friction_of_files, print_friction

    columns = FluxColumns(flux, quality, friction, temperature=temperature, radiation=radiation)
    found = friction_of_files(
        station, files, columns, forest=forest, tables=[table] if table else [], rules=[rules] if rules else []
    )
    print_friction(found, Console(width=130))
