"""A station file without a case: its format recognised, and the feed that reads it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import xarray as xr
from pydantic import ValidationError

from pipeline.errors import ConfigError, FormatError, RegistryError
from pipeline.ingest.account import Account
from pipeline.ingest.formats.text import read_lines
from pipeline.ingest.site import registry_rows
from pipeline.ingest.stations import read_station
from pipeline.settings import Completeness, StationSettings
from pipeline.units import Species
from station_meta import Rules

_SIGNATURES = ((b"CDF", "obspack"), (b"\x89HDF", "obspack"))


def inspect(
    path: Path,
    gas: Species,
    registry: pd.DataFrame,
    *,
    station: str,
    height: float | None = None,
    format: str | None = None,
    completeness: Completeness | None = None,
    rules: Rules | None = None,
) -> tuple[xr.Dataset, Account]:
    """Return what `read_station` makes of a file without a settings file.

    Parameters
    ----------
    station, height
        Station id, and inlet height above ground in m; the station's only inlet when not given.
    format
        Recognised from the first lines when not given.
    completeness
        Samples an hour needs; the default of the settings when not given.
    rules
        Thresholds; the shipped ones when not given.

    Raises
    ------
    ConfigError
        For arguments that could not stand in a settings file.
    """
    feed = feed_of(path, registry, station=station, height=height, format=format, completeness=completeness)
    return read_station(path, feed, gas, registry, rules=rules)


def feed_of(
    path: Path,
    registry: pd.DataFrame,
    *,
    station: str,
    height: float | None = None,
    format: str | None = None,
    completeness: Completeness | None = None,
) -> StationSettings:
    """Return the feed that reads a file which describes itself; arguments as `inspect`.

    Raises
    ------
    ConfigError
        For arguments that could not stand in a settings file.
    """
    declared = {
        "id": station,
        "format": format or sniff(path),
        "files": [path.name],
        "height": _only_inlet(registry, station) if height is None else height,
        "completeness": completeness or Completeness(),
        "representation_error": 0.0,
    }
    try:
        return StationSettings.model_validate(declared)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            f"{'.'.join(map(str, first['loc'])) or 'format'}: {first['msg']}",
            got=first["input"] if first["loc"] else declared["format"],
            remedy="correct it; a table needs a settings file that declares its columns",
        ) from error


def sniff(path: Path) -> str:
    """Return the format of a station file by its first lines.

    Raises
    ------
    FormatError
        When they are of no format that describes itself.
    """
    if path.is_file():
        with path.open("rb") as stream:
            head = stream.read(4)
        for start, name in _SIGNATURES:
            if head.startswith(start):
                return name
    lines = [*read_lines(path), "", "", ""]
    if lines[0].startswith("Created:") and lines[2].split()[:2] == ["date", "time"]:
        return "gcwerks"
    if lines[0].startswith("# TITLE"):
        return "icos-atc"
    if lines[0].startswith("REM"):
        return "wdcgg"
    if "#Site" in lines[0] and "SamplingHeight" in lines[0]:
        return "icos-csv"
    raise FormatError(
        "the format must be recognised by its first lines",
        got=lines[0][:60],
        remedy="give the format; a table needs a settings file that declares its columns",
        where=path.name,
    )


def _only_inlet(registry: pd.DataFrame, station: str) -> float:
    """Return the height of a station with one inlet."""
    texts = set(registry_rows(registry, station)["inlets"].astype(str))
    heights = {part.strip() for text in texts for part in text.split(";") if part.strip()}
    if len(heights) != 1:
        raise RegistryError(
            "height must be given where a station has not one inlet",
            got=sorted(heights, key=float),
            remedy="give height, in m",
            where=f"station {station}",
        )
    return float(heights.pop())
