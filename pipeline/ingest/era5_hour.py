"""One time of ERA5: its fields, looked for in all files of the hour, within the window that is used."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.errors import CoordinateError, FormatError
from pipeline.grid import Grid
from pipeline.ingest.era5_files import Part

#: a row or column at the border is outside the source when more than this share of it is missing
MARGIN_SHARE = 0.5
#: relative difference of a field in two files that is the rounding of float32
SAME = 1e-6

_REMEDIES = {
    "z": "fetch the geopotential of the surface (a single level)",
    "blh": 'fetch boundary_layer_height, or set boundary_layer = "richardson"',
    "ishf": "fetch instantaneous_surface_sensible_heat_flux; a flux summed over the hour before is none of an instant",
    "iews": "fetch friction_velocity (zust), or instantaneous_eastward_turbulent_surface_stress and its northward kin",
    "fsr": "fetch forecast_surface_roughness, or give the setting roughness",
}
#: sums over the hour that may stand where an instant is wanted
_SUMS = {"ishf": "sshf", "iews": "ewss"}


@dataclass(frozen=True)
class Hour:
    """The parts that hold one time, and the rows and columns of their grid that are used."""

    all_parts: list[Part]
    time: np.datetime64
    window: tuple[slice, slice] = (slice(None), slice(None))

    @cached_property
    def parts(self) -> list[Part]:
        """Those that hold the time."""
        return [part for part in self.all_parts if part.at(self.time)]

    @property
    def names(self) -> str:
        """The files, for messages."""
        return ", ".join(dict.fromkeys(part.name for part in self.parts))

    @property
    def where(self) -> str:
        """Files and time, for messages."""
        return f"{self.names} at {np.datetime_as_string(self.time, 'm')}"

    @property
    def grid(self) -> Grid:
        """The whole grid of the files."""
        return self.parts[0].frame.grid

    @property
    def pressure(self) -> np.ndarray:
        """(level,) Pa, descending, of the part that holds the temperature."""
        return self._holders("t", levels=True)[0].pressure

    def require_like(self, first: Hour) -> None:
        """Raise CoordinateError unless all parts have the first hour's grid, and those with levels its levels."""
        for part in self.parts:
            first.grid.require_match(part.frame.grid, where=part.name)
            if part.pressure.size and not np.array_equal(part.pressure, first.pressure):
                raise CoordinateError(
                    "the pressure levels must be the same in every file",
                    got=f"{part.pressure.size} levels, the first {first.pressure.size}",
                    remedy="fetch the same levels",
                    where=part.name,
                )

    def has(self, name: str, *, levels: bool = False) -> bool:
        """Return whether a part holds the field, on levels or at the surface."""
        return any(part.has(name, levels=levels) for part in self.parts)

    def read(self, name: str, *, levels: bool = False) -> np.ndarray:
        """Return (y, x) or (level, y, x) values of the window, float64.

        Raises
        ------
        FormatError
            When the field is absent, has missing values, or is another in two files.
        """
        holder, *others = self._holders(name, levels=levels)
        values = holder.read(name, self.time)[(..., *self.window)]
        for other in others:
            again = other.read(name, self.time)[(..., *self.window)]
            if again.shape != values.shape or not np.allclose(again, values, rtol=SAME, atol=0.0, equal_nan=True):
                raise FormatError(
                    f"two files of one time must hold the same {name}",
                    got=f"another in {other.name}",
                    remedy="leave one of them out",
                    where=f"{holder.name} at {np.datetime_as_string(self.time, 'm')}:{name}",
                )
        if missing := int(np.count_nonzero(~np.isfinite(values))):
            raise FormatError(
                "values must be finite",
                got=f"{missing} of {values.size} missing",
                remedy="the file may be damaged; fetch it again",
                where=f"{holder.name} at {np.datetime_as_string(self.time, 'm')}:{name}",
            )
        return values

    def inner(self) -> tuple[slice, slice]:
        """Return the rows and columns left when borders outside a regridded file's source are cut off.

        CDO leaves missing what it cannot interpolate. A border row or column is cut off while the surface pressure is
        missing in more than `MARGIN_SHARE` of it, the emptiest first.
        """
        missing = ~np.isfinite(self._holders("sp", levels=False)[0].read("sp", self.time))
        south, north, west, east = 0, missing.shape[0], 0, missing.shape[1]
        while north - south > 2 and east - west > 2:
            inner = missing[south:north, west:east]
            shares = [float(border.mean()) for border in (inner[0], inner[-1], inner[:, 0], inner[:, -1])]
            side = int(np.argmax(shares))
            if shares[side] <= MARGIN_SHARE:
                break
            south, north, west, east = south + (side == 0), north - (side == 1), west + (side == 2), east - (side == 3)
        return slice(south, north), slice(west, east)

    def _holders(self, name: str, *, levels: bool) -> list[Part]:
        """Return the parts that hold a field, of which there must be one."""
        found = [part for part in self.parts if part.has(name, levels=levels)]
        if found:
            return found
        place = "on pressure levels" if levels else "at the surface"
        total = _SUMS.get(name)
        raise FormatError(
            f"the field {name} must be present {place}",
            got=f"only {total}, summed over time" if total and self.has(total) else None,
            remedy="fetch it" if levels else _REMEDIES.get(name, "fetch it"),
            where=self.where,
        )
