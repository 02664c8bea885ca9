"""What `tianyan ask` does: the total of any area over any hours of a finished run, printed by sector and net."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shapely
from rich.console import Console
from rich.table import Table

from pipeline.ask import Answer, Run
from pipeline.cli_times import parse_time, utc
from pipeline.errors import ConfigError
from pipeline.grid import file_area
from pipeline.schema import HOUR
from pipeline.show_tables import mass_unit, with_sigma


def ask(
    store: Path,
    *,
    region: str | None = None,
    polygon: Path | None = None,
    box: str | None = None,
    start: str | None = None,
    end: str | None = None,
    console: Console | None = None,
) -> Answer:
    """Answer for one area and print it.

    Parameters
    ----------
    store
        Zarr folder of a run with `outputs.query`.
    region, polygon, box
        The area, one of them: id of a region of the run, a file of polygons, or "W,E,S,N" in degrees.
    start, end
        Of the period, end exclusive, ISO with a zone; those of the window when not given.
    console
        Where to print; standard output when not given.

    Raises
    ------
    TianyanError
        ConfigError for words that make no question, others as `Run.posterior_of` and `file_area`.
    """
    run = Run(store)
    area = _area(region, polygon, box)
    time = run.posterior["time"].values
    period = (_hour(start, "--from", time[0]), _hour(end, "--to", time[-1] + HOUR))
    answer = run.posterior_of(area, period)
    _print(run, answer, region or (polygon.name if polygon else f"box {box}"), period, console or Console())
    return answer


def _area(region: str | None, polygon: Path | None, box: str | None) -> shapely.Geometry | str:
    """Return the area that was asked for."""
    given = {"--region": region, "--polygon": polygon, "--box": box}
    names = [name for name, value in given.items() if value is not None]
    if len(names) != 1:
        raise ConfigError(
            "one area must be asked for",
            got=" and ".join(names) or "none",
            remedy="give one of --region ID, --polygon FILE.geojson, --box W,E,S,N",
            where="ask",
        )
    if region is not None:
        return region
    if polygon is not None:
        return file_area(polygon)
    assert box is not None
    west, east, south, north = parse_box(box)
    return shapely.box(west, south, east, north)


def parse_box(text: str) -> tuple[float, float, float, float]:
    """Return west, east, south and north of a rectangle of meridians and parallels, degrees.

    Raises
    ------
    ConfigError
        When it is no such four numbers.

    Examples
    --------
    >>> parse_box("118,120,28,30")
    (118.0, 120.0, 28.0, 30.0)
    """
    try:
        west, east, south, north = (float(part) for part in text.split(","))
        fits = -360 <= west < east <= 360 and -90 <= south < north <= 90
    except ValueError:
        fits = False
    if not fits:
        raise ConfigError(
            "a box must be west, east, south, north in degrees, west before east and south before north",
            got=text,
            remedy="write it as 118,120,28,30",
            where="--box",
        )
    return west, east, south, north


def _hour(text: str | None, where: str, default: np.datetime64) -> np.datetime64:
    """Return a time that was typed, UTC."""
    if text is None:
        return default
    return utc(parse_time(text, where))


def _print(run: Run, answer: Answer, area: str, period: tuple[np.datetime64, np.datetime64], console: Console) -> None:
    gas = str(run.posterior.attrs["species"]).upper()
    pairs = [
        *zip(answer.prior, answer.prior_sigma, answer.posterior, answer.sigma, strict=True),
        (*answer.prior_net, *answer.net),
    ]
    unit, scale = mass_unit(float(np.abs(pairs).max()))
    hours = "hour" if answer.hours == 1 else "hours"
    start, end = (np.datetime_as_string(t, unit="h") for t in period)
    console.print(
        f"{area}, {start} to {end} UTC, {answer.hours} {hours}", highlight=False, markup=False, soft_wrap=True
    )
    table = Table(title=f"total, {unit} {gas}, with one sigma", title_justify="left")
    table.add_column("sector")
    for column in ("prior", "posterior"):
        table.add_column(column, justify="right")
    for name, (prior, prior_sigma, posterior, sigma) in zip((*answer.sectors, "net"), pairs, strict=True):
        table.add_row(name, with_sigma(prior, prior_sigma, scale), with_sigma(posterior, sigma, scale))
    console.print(table)
    if answer.outside > 1e-3:
        console.print(f"- {answer.outside:.1%} of the area lies outside the grid and is not counted", highlight=False)
    if answer.linearised:
        console.print(
            "- a sector is log-normal: totals are those of the published fields, sigmas of the linear solution",
            highlight=False,
        )
