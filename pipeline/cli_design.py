"""`tianyan design`: what a station at each of some places would add to a case's network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def design(
    case: Path,
    *,
    candidates: Annotated[
        Path | None, Parameter(help="CSV with columns id, longitude, latitude, height_m, class, and optionally name")
    ] = None,
    spacing_km: Annotated[float | None, Parameter(help="candidates every so many km over the regions, instead")] = None,
    height: Annotated[float, Parameter(help="inlet of candidates of --spacing-km, m above ground")] = 50.0,
    kind: Annotated[
        Literal["precise", "provincial", "regional", "city", "micro"],
        Parameter(name="--class", help="class of candidates of --spacing-km"),
    ] = "precise",
    choose: Annotated[int, Parameter(help="how many are chosen one after the other")] = 5,
    regions: Annotated[str, Parameter(help="level whose sigmas are the score: city, county, province, file, box")] = (
        "city"
    ),
    sector: Annotated[str, Parameter(help="sector of the totals, or net")] = "net",
    start: Annotated[str | None, Parameter(name="--from", help="first hour, with zone: 2024-07-15T00Z")] = None,
    end: Annotated[str | None, Parameter(name="--to", help="end, exclusive, with zone")] = None,
    empty: Annotated[bool, Parameter(negative=(), help="as if the case had no station yet")] = False,
    data: Annotated[Path | None, Parameter(help="input folder, instead of inputs.root of the case")] = None,
    store: Annotated[
        Path | None, Parameter(help="folder of the footprints, instead of design in the case's transport folder")
    ] = None,
    output: Annotated[Path | None, Parameter(name=("--output", "-o"), help="write everything: .json, or .csv")] = None,
    picture: Annotated[Path | None, Parameter(help="PNG to write: a map, and the sigmas of regions")] = None,
    full: Annotated[bool, Parameter(negative=(), help="list all candidates")] = False,
) -> None:
    """Rank places for another station by how much they would lower the uncertainty of regional totals.

    No observation is needed, for sigma does not depend on values: every used hour of the case's station feeds is taken
    to report, and so is every used hour of a candidate, whose errors and hours are those of the case's feeds of its
    class. Footprints are traced in the case's own weather and kept, so that a second call is quick. For example:

    `tianyan design week/case.toml --candidates sites.csv --choose 5 --picture map.png`

    `tianyan design week/case.toml --spacing-km 30 --height 50 --class micro --to 2024-07-17T00Z -o design.json`

    A file of candidates:

    `id,longitude,latitude,height_m,class,name`

    `A1,120.21,30.25,50,precise,Hangzhou east`

    The score is the share by which the sum of sigmas of all regions of the level falls. The first table tells each
    region's sigma before and after, the second ranks candidates alone, the third chooses one after the other: each the
    best beside those before it. Sigmas are those of the errors the case states (docs/design.md).

    Parameters
    ----------
    case
        The case's TOML file; it has a section [transport].
    """
    from rich.console import Console

    from pipeline.cli_progress import Bar
    from pipeline.cli_times import parse_time
    from pipeline.design import design as design_of
    from pipeline.design_case import place_of
    from pipeline.design_file import require_design_format, write_design
    from pipeline.design_sites import raster, read_sites
    from pipeline.show_design import draw_design, print_design

    _require_possible(candidates, spacing_km, choose)
    if output is not None:
        require_design_format(output)
    began, ended = (None if t is None else parse_time(t, n) for t, n in ((start, "--from"), (end, "--to")))
    with Bar() as progress:
        progress("regions", 0, 0)
        place = place_of(case, root=data, level=regions, start=began, end=ended)
        sites = (
            read_sites(candidates, place.grid)
            if candidates is not None
            else raster(place.grid, place.regions, 1000 * (spacing_km or 0.0), height, kind)
        )
        found = design_of(place, sites, choose=choose, sector=sector, empty=empty, store=store, progress=progress)
    print_design(found, Console(), full=full)
    if output is not None:
        write_design(found, output)
        print(f"design:  {output}")
    if picture is not None:
        draw_design(found, picture)
        print(f"picture: {picture}")


def _require_possible(candidates: Path | None, spacing_km: float | None, choose: int) -> None:
    """Raise ConfigError unless there is one kind of candidates, and one of them to be chosen."""
    from pipeline.errors import ConfigError

    if (candidates is None) == (spacing_km is None):
        raise ConfigError(
            "candidates are either listed or a raster",
            got="both" if candidates else "neither",
            remedy="give --candidates FILE or --spacing-km KM",
            where="design",
        )
    if choose < 1:
        raise ConfigError("one must be chosen at least", got=choose, remedy="give 1 or more", where="--choose")
