"""An open file of hourly releases whose grid, unit, labels and receptor have been checked."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import xarray as xr

from pipeline import units
from pipeline.errors import ConfigError, CoordinateError, FormatError, InputError, TimeError, UnitError
from pipeline.grid.definition import Grid
from pipeline.ingest.axes import Frame, find_frame, require_domain
from pipeline.ingest.labels import require_whole_hours, start_labels
from pipeline.ingest.layouts.rows import SAME_HEIGHT, Exits
from pipeline.schema import HOUR
from pipeline.settings import FootprintSettings

_FIELD = {"name": "fp", "paris": "srr"}
_SIDES = {f"exit_{side}": f"particle_locations_{side[0]}" for side in ("north", "east", "south", "west")}


@dataclass(frozen=True)
class ReleaseFile:
    """What holds for every release of one file."""

    data: xr.Dataset
    name: str
    #: the footprint summed over time
    field: xr.DataArray
    frame: Frame
    #: from the file's unit to (mol mol-1) / (mol m-2 s-1)
    factor: float
    #: (release,) start of the release hour
    times: np.ndarray
    station: str
    #: (release,) m above ground
    height: np.ndarray

    @classmethod
    def check(cls, data: xr.Dataset, name: str, part: FootprintSettings, grid: Grid) -> ReleaseFile:
        """Check the file against the domain and the settings.

        Raises
        ------
        ConfigError
            When the timing asked for is not in this layout.
        InputError
            One of its kinds, naming the file and the variable.
        """
        variable = _FIELD[part.format]
        if part.format != "name" and part.timing != "integrated":
            raise ConfigError(
                f"format {part.format} holds no hours back",
                got=f"timing {part.timing}",
                remedy='use timing = "integrated"',
                where="footprints",
            )
        where = f"{name}: {variable}"
        field = _variable(data, variable, name)
        if "units" not in field.attrs:
            raise UnitError("a footprint must state its unit", remedy="add the attribute units", where=where)
        factor = units.footprint_factor(str(field.attrs["units"]), where=where)
        frame = find_frame(data, tuple(map(str, field.dims)), where=where, near=grid)
        require_domain(frame.grid, grid, where=where)
        times = start_labels(data, "time", where=f"{name}: time")
        require_whole_hours(times, where=f"{name}: time")
        _require_hourly(data["time"], times, f"{name}: time")
        station = _station(data.attrs.get("site"), part.station, name)
        return cls(data, name, field, frame, factor, times, station, _heights(data, part, times.size, name))

    def variable(self, name: str) -> xr.DataArray:
        """Return a variable of the file.

        Raises
        ------
        FormatError
            When there is none of that name.
        """
        return _variable(self.data, name, self.name)

    def per_release(self, name: str) -> np.ndarray:
        """Return a variable by release, (release,) float64; a single value holds for all."""
        return np.broadcast_to(np.asarray(self.variable(name).values, dtype=np.float64), self.times.shape)

    def exits(self, rows: list[int]) -> dict[int, Exits]:
        """Return the particle exits of some releases; none when the file has none.

        Raises
        ------
        FormatError
            When some sides are missing.
        UnitError
            When heights are not in metres (NAME states no unit and means metres).
        """
        present = [name for name in _SIDES.values() if name in self.data.variables]
        if not present:
            return {}
        if len(present) < len(_SIDES):
            raise FormatError(
                "particle exits need all four sides", got=present, remedy="remake the file", where=self.name
            )
        height = self.variable("height")
        if str(height.attrs.get("units", "m")) not in ("m", "metres", "meters"):
            raise UnitError("exit heights must be in m", got=height.attrs["units"], remedy="convert", where=self.name)
        sides = {}
        for key, name in _SIDES.items():
            axis = "x" if key in ("exit_north", "exit_south") else "y"
            sides[key] = self.frame.along(self.data[name].isel(time=rows), axis, ("time", "height"))
        levels = np.asarray(height.values, dtype=np.float64)
        return {
            index: Exits(levels, {key: values[place] for key, values in sides.items()})
            for place, index in enumerate(rows)
        }


def _variable(data: xr.Dataset, variable: str, name: str) -> xr.DataArray:
    if variable not in data.variables:
        raise FormatError(
            f"the file must hold {variable}",
            got=sorted(map(str, data.data_vars))[:8],
            remedy="declare the file's own format",
            where=name,
        )
    return data[variable]


def _require_hourly(axis: xr.DataArray, times: np.ndarray, where: str) -> None:
    """Raise unless each release lasts one hour: by the stated period, else by the spacing."""
    stated = str(axis.attrs.get("period", "")).strip()
    if stated:
        hourly = re.fullmatch(r"1(\.0*)? ?(h|hour)s?", stated) is not None
    else:
        hourly = times.size > 1 and bool(np.diff(times).min() == HOUR)
    if not hourly:
        raise TimeError(
            "releases must last one hour each",
            got=stated or [str(time) for time in times[:2]],
            remedy="state it in the attribute period, or remake the file",
            where=where,
        )


def _station(in_file: object, declared: str | None, name: str) -> str:
    """Return the station the file names or the settings declare; both must agree."""
    if in_file is None and declared is None:
        raise InputError("the receptor's station must be known", remedy="declare station in [[footprints]]", where=name)
    if in_file is not None and declared is not None and str(in_file).upper() != declared:
        raise InputError(
            f"the file's site must be the declared station, {declared}",
            got=in_file,
            remedy="correct [[footprints]]",
            where=name,
        )
    return declared or str(in_file).upper()


def _heights(data: xr.Dataset, part: FootprintSettings, count: int, name: str) -> np.ndarray:
    """Return the height of each release, m above ground."""
    if "release_height" in data.variables:
        heights = np.broadcast_to(np.asarray(data["release_height"].values, dtype=np.float64), (count,))
    elif match := re.match(r"([\d.]+) ?m", str(data.attrs.get("inlet_height", ""))):
        heights = np.full(count, float(match[1]))
    elif part.height is not None:
        return np.full(count, part.height)
    else:
        raise InputError("the receptor's height must be known", remedy="declare height in [[footprints]]", where=name)
    if part.height is not None and np.any(np.abs(heights - part.height) > SAME_HEIGHT):
        raise CoordinateError(
            f"the file's release height must be the declared one, {part.height:g} m",
            got=np.unique(heights).tolist(),
            remedy="correct [[footprints]]",
            where=name,
        )
    return heights
