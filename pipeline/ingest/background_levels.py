"""The pressure of a lon-lat field's levels: an axis, hybrid coefficients with surface pressure, or a variable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from pipeline.errors import CoordinateError, UnitError
from pipeline.ingest.background_axes import is_time
from pipeline.units import is_pressure, pressure_factor

#: names of a pressure that varies in space, unless its standard_name says so
_PRESSURES = {"pressure", "pres"}
#: names of hybrid coefficients (of p0 or in a pressure unit; of surface pressure) at levels or at their edges
_HYBRID = (("hyam", "hybm"), ("hyai", "hybi"), ("ap", "bp"), ("ap", "b"), ("a", "b"))
_SURFACE = {"ps", "psurf", "sp", "aps"}
_REFERENCE = ("P0", "p0")

#: returns a variable's values at one step as (vertical dim, y, x), or (y, x) where it has no vertical dim
Take = Callable[[str], np.ndarray]


@dataclass(frozen=True)
class Levels:
    """How to get the pressure of every level, Pa: offset + share * factor * the values of `name`.

    offset, share : (edge or level, 1, 1)
        Pa, and pure numbers.
    name
        Variable of the surface or of the levels' pressure; None for a pressure axis.
    factor
        From its unit to Pa.
    between
        Whether these are the edges of the levels: a level is then at the mean of its two.
    """

    offset: np.ndarray
    share: np.ndarray
    name: str | None
    factor: float
    between: bool

    def pressure(self, take: Take) -> np.ndarray:
        """Return the pressure at the middle of every level, Pa, (level, y, x), in the file's order."""
        found = self.offset if self.name is None else self.offset + self.share * (self.factor * take(self.name))
        return 0.5 * (found[:-1] + found[1:]) if self.between else found


def find_levels(data: xr.Dataset, level_dim: str, plane: tuple[str, str], *, where: str) -> Levels:
    """Return how the levels along `level_dim` get their pressure.

    A pressure variable is taken before hybrid coefficients, and those before an axis, since files with either often
    have an axis of nominal pressures too.

    Parameters
    ----------
    data
        The file.
    level_dim
        The field's vertical dim.
    plane
        Its horizontal dims.
    where
        File and variable, for messages.

    Raises
    ------
    CoordinateError
        When the file holds none of the three.
    UnitError
        When a pressure or a coefficient has no unit that is one.
    """
    levels = (
        _variable(data, level_dim, plane, where) or _hybrid(data, level_dim, plane, where) or _axis(data, level_dim)
    )
    if levels is None:
        axis = data[level_dim].attrs if level_dim in data.variables else {}
        raise CoordinateError(
            "the levels must be pressures, hybrid levels with surface pressure, or have a pressure variable",
            got={level_dim: axis.get("units", "no units")},
            remedy=f"add the unit hPa or Pa; hyam, hybm (or ap, b) and ps; or a variable {min(_PRESSURES)}",
            where=where,
        )
    return levels


def _variable(data: xr.Dataset, level_dim: str, plane: tuple[str, str], where: str) -> Levels | None:
    """Return levels whose pressure is a variable in space, at their middles or their edges."""
    for name in map(str, data.variables):
        found = data[name]
        known = name.lower() in _PRESSURES or found.attrs.get("standard_name") == "air_pressure"
        if not known or not set(plane) <= set(found.dims):
            continue
        between = _between(data, level_dim, plane, found.dims)
        if between is not None:
            one = np.ones((1, 1, 1))
            return Levels(0.0 * one, one, name, _factor(found, where), between)
    return None


def _hybrid(data: xr.Dataset, level_dim: str, plane: tuple[str, str], where: str) -> Levels | None:
    """Return levels at a + b * surface pressure."""
    surface = [
        str(name)
        for name in data.variables
        if str(name).lower() in _SURFACE or data[name].attrs.get("standard_name") == "surface_air_pressure"
    ]
    surface = [name for name in surface if set(plane) <= set(data[name].dims)]
    for pair in _HYBRID:
        if not surface or any(name not in data.variables or data[name].ndim != 1 for name in pair):
            continue
        between = _between(data, level_dim, plane, data[pair[0]].dims)
        if between is not None:
            offset = data[pair[0]].values * _offset_factor(data, pair[0], where)
            a, b = (np.asarray(v, dtype=np.float64)[:, None, None] for v in (offset, data[pair[1]].values))
            return Levels(a, b, surface[0], _factor(data[surface[0]], where), between)
    return None


def _axis(data: xr.Dataset, level_dim: str) -> Levels | None:
    """Return levels of one pressure everywhere."""
    if level_dim not in data.variables or not is_pressure(str(data[level_dim].attrs.get("units", ""))):
        return None
    found = np.asarray(data[level_dim].values, dtype=np.float64) * pressure_factor(str(data[level_dim].attrs["units"]))
    return Levels(found[:, None, None], np.zeros((1, 1, 1)), None, 1.0, False)


def _between(data: xr.Dataset, level_dim: str, plane: tuple[str, str], dims: tuple[object, ...]) -> bool | None:
    """Return whether a variable lies on the edges of the levels (True), on the levels (False), or on neither."""
    if level_dim in dims:
        return False
    rest = [str(dim) for dim in dims if dim not in plane and not is_time(data, str(dim))]
    # the edges are a dim of their own, one longer
    return True if [data.sizes[dim] for dim in rest] == [data.sizes[level_dim] + 1] else None


def _factor(found: xr.DataArray, where: str) -> float:
    return pressure_factor(str(found.attrs.get("units", "none")), where=f"{where}: {found.name}")


def _offset_factor(data: xr.Dataset, name: str, where: str) -> float:
    """Return the factor to Pa of the hybrid offset: its own unit's, or the reference pressure."""
    unit = str(data[name].attrs.get("units", ""))
    if is_pressure(unit):
        return pressure_factor(unit)
    for reference in _REFERENCE:
        if reference in data.variables and data[reference].ndim == 0:
            return float(data[reference]) * _factor(data[reference], where)
    raise UnitError(
        "a hybrid offset must have a unit of pressure, or a reference pressure P0",
        got=unit or None,
        remedy="add the attribute units, or the variable P0",
        where=f"{where}: {name}",
    )
