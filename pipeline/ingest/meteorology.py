"""The weather of a case: which hours its files hold, and the reading of a stretch of them, whatever the format."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
import xarray as xr

from pipeline.errors import CoordinateError, TimeError
from pipeline.grid import Grid
from pipeline.ingest.arl import periods
from pipeline.ingest.arl_meteorology import read_arl
from pipeline.ingest.era5 import read_era5
from pipeline.ingest.era5_files import era5_times
from pipeline.ingest.files import expand, whole
from pipeline.ingest.wrf import read_wrf, wrf_times
from pipeline.schema import HOUR, label
from pipeline.settings import MeteorologySettings

#: how the names of the modules begin that weather is read by
_READERS = ("air", "arl", "era5", "meteorology", "netcdf", "richardson", "wind", "wrf")
#: missing times named in a message
_SHOWN = 6


def weather_hours(settings: MeteorologySettings, root: Path) -> dict[np.datetime64, list[Path]]:
    """Return which files hold each time, from their indexes alone: no field is decoded.

    Parameters
    ----------
    settings
        Section [transport.meteorology].
    root
        Folder of the input paths.

    Returns
    -------
    UTC datetime64[ns], ascending, to files sorted by name. Files without a time hold for every time. Times that only
    forecasts hold are of the newest cycle, if it is not too far back.

    Raises
    ------
    InputError
        One of its kinds, for files that are absent, truncated or not of the format, and TimeError for none or for an
        ARL time in two files.
    """
    still: list[Path] = []
    hours: dict[np.datetime64, list[Path]] = {}
    for path in _files(settings, root):
        times = _file_times(settings.format, path, *_stamp(path))
        if not times:
            still.append(path)
        for time in times:
            if (path, time) not in settings.left_out:
                hours.setdefault(time, []).append(path)
    for time, paths in hours.items():
        if settings.format == "arl" and len(paths) > 1:
            raise TimeError(
                "an ARL time must be in one file",
                got=f"{_minute(time)} in {paths[0].name} and {paths[1].name}",
                remedy="leave one of them out of meteorology.files",
                where="meteorology",
            )
    hours |= {time: paths for time, (_, paths) in _forecast(settings, root).items() if time not in hours}
    if not hours:
        got = [path.name for path in still[:_SHOWN]]
        raise TimeError("the weather must hold at least one time", got=got, remedy="add files", where="meteorology")
    return {time: sorted(hours[time] + still) for time in sorted(hours)}


def forecast_leads(settings: MeteorologySettings, root: Path) -> dict[np.datetime64, int]:
    """Return the times whose weather is a forecast, UTC datetime64[ns], to hours since its cycle.

    Parameters
    ----------
    settings, root
        As `weather_hours`.

    Raises
    ------
    InputError
        As `weather_hours`.
    """
    analysed = {time for path in _files(settings, root) for time in _used_times(settings, path)}
    return {time: lead for time, (lead, _) in sorted(_forecast(settings, root).items()) if time not in analysed}


def _forecast(settings: MeteorologySettings, root: Path) -> dict[np.datetime64, tuple[int, list[Path]]]:
    """Return of each time that forecasts hold the hours since its newest cycle, and that cycle's files."""
    if settings.forecast is None:
        return {}
    found: dict[np.datetime64, tuple[int, list[Path]]] = {}
    for path in whole(root, settings.forecast.files):
        cycle = _cycle(settings.forecast.cycle, path.relative_to(root).as_posix())
        for time in _used_times(settings, path):
            lead = int((time - cycle) // HOUR)
            if not 0 <= lead <= settings.forecast.lead_most:
                continue
            best, paths = found.get(time, (lead, []))
            if lead < best:
                found[time] = lead, [path]
            elif lead == best:
                found[time] = lead, [*paths, path]
    return found


def _cycle(form: str, name: str) -> np.datetime64:
    """Return the cycle a path tells.

    Raises
    ------
    TimeError
        When it tells none.

    Examples
    --------
    >>> str(_cycle("%Y%m%d%H", "forecast/2024071506/wrfout_d01_2024-07-15_09:00:00"))[:13]
    '2024-07-15T06'
    """
    widths = {"%Y": r"\d{4}", **dict.fromkeys(("%m", "%d", "%H", "%M", "%S", "%y"), r"\d\d"), "%j": r"\d{3}"}
    pattern = re.sub(r"%.|[^%]+", lambda part: widths.get(part[0], re.escape(part[0])), form)
    place = re.search(pattern, name)
    try:
        time = datetime.strptime(place[0], form) if place else None
    except ValueError:
        time = None
    if time is None:
        raise TimeError(
            "the path of a forecast must tell its cycle",
            got=name,
            remedy=f"correct meteorology.forecast.cycle, which is {form!r}",
            where="meteorology.forecast",
        )
    return np.datetime64(time, "ns")


def file_times(settings: MeteorologySettings, path: Path) -> tuple[np.datetime64, ...]:
    """Return the times, UTC, whose weather a file holds; none for one that holds for every time.

    Raises
    ------
    InputError
        When it is truncated or not of the format.
    """
    return _file_times(settings.format, path, *_stamp(path))


def _used_times(settings: MeteorologySettings, path: Path) -> list[np.datetime64]:
    """Return the times of a file but for those it is left out at."""
    return [time for time in file_times(settings, path) if (path, time) not in settings.left_out]


def source_keys(settings: MeteorologySettings, root: Path) -> dict[np.datetime64, str]:
    """Return for every time a digest of what its weather is made from, to know without decoding what has changed.

    Parameters
    ----------
    settings, root
        As `weather_hours`.

    Returns
    -------
    Times as `weather_hours` gives them, to 64 hexadecimal digits: SHA-256 of the readers' code, the format, the
    roughness, the boundary layer, and path, size and time of change of every file that holds the time.

    Raises
    ------
    InputError
        As `weather_hours`.
    """
    hours = weather_hours(settings, root)
    told = [_readers_digest(), settings.format, settings.roughness, settings.boundary_layer]
    stamps = {
        path: (path.relative_to(root).as_posix(), *_stamp(path))
        for path in dict.fromkeys(itertools.chain(*hours.values()))
    }
    return {
        time: hashlib.sha256(json.dumps([*told, _minute(time), [stamps[path] for path in paths]]).encode()).hexdigest()
        for time, paths in hours.items()
    }


@lru_cache(maxsize=1)
def _readers_digest() -> str:
    """Return a digest of the code that weather is read by."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.name.startswith(_READERS):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def read_meteorology(
    settings: MeteorologySettings, root: Path, first: np.datetime64, last: np.datetime64
) -> xr.Dataset:
    """Read the weather from one time to another, both included, whatever the order of the files.

    Parameters
    ----------
    settings, root
        As `weather_hours`.
    first, last
        UTC; both must be among the times of `weather_hours`.

    Returns
    -------
    Dataset "meteorology" of `pipeline.schema`, at the source's own times and on its own grid. Times are evenly spaced,
    by the smallest step between any two times of the source.

    Raises
    ------
    TimeError
        For missing times, which are named.
    InputError
        Another of its kinds, naming file, time and field: see `read_wrf`, `read_era5`, `read_arl`.
    """
    hours = weather_hours(settings, root)
    start, end = (time.astype("datetime64[ns]") for time in (first, last))
    times = _wanted(hours, start, end)
    files = list(dict.fromkeys(path for time in times for path in hours[time]))
    if settings.format == "wrf":
        derive = ("boundary_layer_height",) if settings.boundary_layer == "richardson" else ()
        step = np.diff(times[:2])[0] if len(times) > 1 else HOUR
        return read_wrf(files, (start, end), roughness=settings.roughness, derive=derive, step=step)
    if settings.format == "era5":
        return read_era5(files, (start, end), roughness=settings.roughness, boundary_layer=settings.boundary_layer)
    parts = []
    for path in files:
        held = [time for time in times if path in hours[time]]
        parts.append(
            read_arl(
                path,
                (held[0], held[-1]),
                roughness=settings.roughness,
                boundary_layer=settings.boundary_layer,
            )
        )
    return _joined(parts, [path.name for path in files])


def _files(settings: MeteorologySettings, root: Path) -> list[Path]:
    """Return the files that the patterns name, each once."""
    return list(dict.fromkeys(path for pattern in settings.files for path in expand(root, pattern)))


def _stamp(path: Path) -> tuple[int, int]:
    """Return size and time of change, ns."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


@lru_cache(maxsize=65536)
def _file_times(kind: str, path: Path, *stamp: int) -> tuple[np.datetime64, ...]:  # noqa: ARG001 - part of the key
    """Return the times of a file; kept while its size and time of change stay."""
    if kind == "wrf":
        return tuple(wrf_times(path))
    if kind == "era5":
        return tuple(era5_times(path))
    # a time twice in one file is refused when the file is read
    return tuple(np.unique([period.time for period in periods(path)]))


def _wanted(hours: dict[np.datetime64, list[Path]], first: np.datetime64, last: np.datetime64) -> list[np.datetime64]:
    """Return the even row of times from first to last, all of which must be there."""
    if first > last:
        got = f"{_minute(first)} to {_minute(last)}"
        raise TimeError("the first time must not be after the last", got=got, remedy="swap them", where="meteorology")
    held = np.array(list(hours), dtype="datetime64[ns]")
    if ends := [time for time in dict.fromkeys((first, last)) if time not in hours]:
        raise _missing(ends, hours)
    if first == last:
        return [first]
    step = np.diff(held).min()
    times = np.unique(np.append(np.arange(first, last, step), last))
    inside = held[(held >= first) & (held <= last)]
    if gaps := list(np.setdiff1d(times, inside)):
        raise _missing(gaps, hours)
    if odd := list(np.setdiff1d(inside, times)):
        got = f"{_minute(odd[0])}, off the step of {step.astype('timedelta64[m]')}"
        raise TimeError("times must be evenly spaced", got=got, remedy="leave such files out", where="meteorology")
    return list(times)


def _missing(times: Sequence[np.datetime64], hours: dict[np.datetime64, list[Path]]) -> TimeError:
    held = list(hours)
    shown = ", ".join(_minute(time) for time in times[:_SHOWN])
    more = f" and {len(times) - _SHOWN} more" if len(times) > _SHOWN else ""
    return TimeError(
        f"every time must be present; the files hold {_minute(held[0])} to {_minute(held[-1])}",
        got=f"missing {shown}{more}",
        remedy="fetch these hours",
        where="meteorology",
    )


def _joined(parts: list[xr.Dataset], names: list[str]) -> xr.Dataset:
    """Return the datasets of several files as one in order of time; grid, levels and ground must be the same."""
    first = parts[0]
    grid = Grid.from_dataset(first)
    for part, name in zip(parts[1:], names[1:], strict=True):
        grid.require_match(Grid.from_dataset(part), where=name)
        # pressure levels are the same everywhere, so one column tells them
        pairs = {
            "levels": [data["pressure"].values[0, :, 0, 0] for data in (first, part)],
            "ground (SHGT)": [data["terrain"].values for data in (first, part)],
        }
        if other := [what for what, (mine, theirs) in pairs.items() if not np.array_equal(mine, theirs)]:
            rule = f"the {other[0]} must be that of {names[0]}"
            raise CoordinateError(rule, got="another", remedy="do not mix archives", where=name)
    if len(parts) == 1:
        return first
    still = [name for name in first.variables if "time" not in first[name].dims]
    coords = [name for name in still if name in first.coords]
    moving = xr.concat([part.drop_vars(still) for part in parts], "time", combine_attrs="override")
    return label(moving.sortby("time").assign(first[still].variables).set_coords(coords), "meteorology")


def _minute(time: np.datetime64) -> str:
    return str(np.datetime_as_string(time, "m"))
