"""`tianyan export` and `tianyan ledger`: maps and regional accounts as files for other programs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from pipeline.cli_query import AsOf, Sectors, Version, When


def export(
    store: Path,
    output: Path,
    *,
    period: When = None,
    freq: Annotated[
        Literal["hour", "day", "month", "year", "all"], Parameter(help="a map of the mean of each of them (UTC)")
    ] = "all",
    sector: Sectors = None,
    sigma: Annotated[bool, Parameter(help="with the sigmas")] = True,
    version: Version = None,
    as_of: AsOf = None,
) -> None:
    """Write maps of mean fluxes: prior, posterior, change and sigmas of each cell.

    The ending of the file says how: .nc is CF netCDF, .tif a cloud-optimised GeoTIFF (one mean of the period, a band
    for each variable and sector), .csv and .parquet have a row a cell. For example:

    `tianyan export live/service july.tif --period 2024-07`

    `tianyan export live/service hours.nc --period 2024-07-15 --freq hour`

    Parameters
    ----------
    store
        Folder of the store: of the hourly service, or of a run.
    output
        File to write.
    """
    from pipeline.answers import mean_maps
    from pipeline.answers.export import require_map_format, write_maps

    require_map_format(output)
    maps = mean_maps(store, period, freq=freq, sector=sector, sigma=sigma, version=version, as_of=as_of)
    write_maps(maps, output)
    count, parts = maps.sizes["sector"], maps.sizes["time"]
    print(f"{parts} map(s) of {count} sector(s), {int(maps['hours'].sum())} hours: {output}")


def ledger(
    store: Path | None = None,
    *,
    level: Annotated[str, Parameter(help="regions: province, city, county, file, box, or all")] = "city",
    period: When = None,
    freq: Annotated[Literal["day", "month", "year"], Parameter(help="length of a period")] = "month",
    output: Annotated[
        Path | None, Parameter(name=("--output", "-o"), help="write .parquet, .csv or .json; else CSV is printed")
    ] = None,
    schema: Annotated[bool, Parameter(negative=(), help="print the JSON Schema of the ledger and end")] = False,
    version: Version = None,
    as_of: AsOf = None,
) -> None:
    """Tell the regional ledger: emission, uptake, net and sigma of every region, sector and period.

    Columns are the same for ever within a version of the schema (`--schema`), for other systems to take in; what they
    mean stands in docs/query.md. For example:

    `tianyan ledger live/service --level city --freq month --output ledger.parquet`

    Parameters
    ----------
    store
        Folder of the store: of the hourly service, or of a run.
    """
    import json

    from pipeline.answers.ledger import ledger as ledger_of
    from pipeline.answers.ledger import require_ledger_format, write_ledger
    from pipeline.answers.ledger import schema as schema_of
    from pipeline.errors import ConfigError

    if schema:
        print(json.dumps(schema_of(), ensure_ascii=False, indent=1))
        return
    if store is None:
        raise ConfigError("a store must be given", got="none", remedy="give the folder of one", where="ledger")
    if output is not None:
        require_ledger_format(output)
    table = ledger_of(store, level, period, freq=freq, version=version, as_of=as_of)
    if output is None:
        table.to_csv(sys.stdout, index=False, lineterminator="\n")
    else:
        write_ledger(table, output)
        print(f"{len(table)} rows: {output}")
