"""What the layouts of background fields share: particle ends, bilinear corners, and steps put in order of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import xarray as xr

from pipeline.errors import CoordinateError, InputError, TimeError, UnitError
from pipeline.units import Species, mole_fraction_factor


@dataclass(frozen=True)
class Ends:
    """Where and when particles end: (n,) arrays in degrees, m above ground, Pa, and UTC."""

    lon: np.ndarray
    lat: np.ndarray
    height: np.ndarray
    pressure: np.ndarray
    time: np.ndarray


@dataclass(frozen=True)
class Corners:
    """The cells a value is made of: (m, n) flat cell indices and their weights, which sum to 1 over m."""

    cell: np.ndarray
    weight: np.ndarray


class Field(Protocol):
    """A field that can be sampled, whatever the layout of its files."""

    @property
    def times(self) -> np.ndarray | None:
        """(steps,) UTC, ascending; None for a field that holds for all times."""

    @property
    def notes(self) -> list[str]:
        """Sentences for the output."""

    def place(self, ends: Ends) -> Corners:
        """Return the cells round each end."""

    def target(self, ends: Ends) -> np.ndarray:
        """Return (n,) each end's vertical coordinate, ascending with height."""

    def read(self, step: int, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mole fractions, in the species' unit, and vertical coordinates: (level, cell), ascending."""


@dataclass(frozen=True)
class Lattice:
    """Cell centres along two ascending axes; `period` is 360 where x is a longitude.

    A value holds at its centre and is linear between centres. In the outer half of an outermost cell it is constant.
    """

    x: np.ndarray
    y: np.ndarray
    period: float | None = None

    @property
    def is_cyclic(self) -> bool:
        """Whether the last column is followed by the first."""
        if self.period is None:
            return False
        # one column missing would leave a gap of two steps
        return bool(self.x[0] + self.period - self.x[-1] < 1.5 * np.diff(self.x).max())

    def place(self, x: np.ndarray, y: np.ndarray) -> tuple[Corners, np.ndarray]:
        """Return the four corners of each point, and (n,) whether it lies outside the cells."""
        axis = self.x
        if self.period is not None:
            start = axis[0] if self.is_cyclic else axis[0] - 0.5 * (axis[1] - axis[0])
            x = x - self.period * np.floor((x - start) / self.period)
        if self.period is not None and self.is_cyclic and axis[-1] < axis[0] + self.period:
            axis = np.append(axis, axis[0] + self.period)
        column, across, beside = _bracket(axis, x)
        row, up, beyond = _bracket(self.y, y)
        right = (column + 1) % self.x.size
        cell = np.stack([r * self.x.size + c for r in (row, row + 1) for c in (column, right)])
        weight = np.stack([v * u for v in (1.0 - up, up) for u in (1.0 - across, across)])
        return Corners(cell, weight), beside | beyond


def _bracket(axis: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (n,) the centre at or below each point, the share of the way to the next, and whether it is outside."""
    low = np.clip(np.searchsorted(axis, points, side="right") - 1, 0, axis.size - 2)
    share = np.clip((points - axis[low]) / (axis[low + 1] - axis[low]), 0.0, 1.0)
    edges = axis[0] - 0.5 * (axis[1] - axis[0]), axis[-1] + 0.5 * (axis[-1] - axis[-2])
    return low, share, (points < edges[0]) | (points > edges[1])


def require_inside(outside: np.ndarray, ends: Ends, extent: str, *, where: str) -> None:
    """Raise unless no end is outside.

    Raises
    ------
    CoordinateError
        Naming the first that is.
    """
    if outside.any():
        first = int(np.argmax(outside))
        raise CoordinateError(
            "every particle must end inside the field",
            got=f"an end at {ends.lon[first]:.3f} E, {ends.lat[first]:.3f} N; the field covers {extent}",
            remedy="give a field that covers them; nothing is extrapolated",
            where=where,
        )


def line_up(
    times: Sequence[np.ndarray | None], names: Sequence[str]
) -> tuple[np.ndarray | None, list[tuple[int, int]]]:
    """Return the steps of all files in order of time.

    Parameters
    ----------
    times
        Per file its times, or None where it has no time axis.
    names
        The files' names, for messages.

    Returns
    -------
    times : (steps,) datetime64[ns], or None when the one file has none
    steps
        Of each, the file and the index in it.

    Raises
    ------
    TimeError
        When several files are given and one has no times, or a time occurs twice.
    """
    if len(times) == 1 and times[0] is None:
        return None, [(0, 0)]
    known = []
    for found, name in zip(times, names, strict=True):
        if found is None:
            raise TimeError(
                "each of several files must have times",
                got=f"{len(names)} files",
                remedy="give one file, or add a time axis",
                where=name,
            )
        known.append(found)
    every = np.concatenate(known)
    steps = [(part, step) for part, found in enumerate(known) for step in range(found.size)]
    order = np.argsort(every, kind="stable")
    every = every[order]
    twice = np.flatnonzero(np.diff(every) == np.timedelta64(0))
    if twice.size:
        parts = [names[steps[order[twice[0] + k]][0]] for k in (0, 1)]
        raise TimeError(
            "a time must occur once", got=str(every[twice[0]]), remedy="leave one out", where=" and ".join(parts)
        )
    return every, [steps[index] for index in order]


def is_time(data: xr.Dataset, dim: str) -> bool:
    """Return whether a dim is time: by its name, or by a coordinate that counts since a date."""
    return dim == "time" or (dim in data.variables and " since " in str(data[dim].attrs.get("units", "")))


def factor_of(field: xr.DataArray, declared: str | None, gas: Species, *, where: str) -> float:
    """Return the factor to the species' unit from the file's own unit, or else from the declared one.

    Raises
    ------
    UnitError
        When there is none, or it is no mole fraction.
    """
    unit = str(field.attrs.get("units", "")).strip() or declared
    if unit is None:
        raise UnitError("the field must have a unit", remedy="declare background.unit", where=where)
    return mole_fraction_factor(unit, gas, where=where)


def require_variable(data: xr.Dataset, variable: str, *, where: str) -> xr.DataArray:
    """Return a variable of a file.

    Raises
    ------
    InputError
        Listing what the file has.
    """
    if variable not in data.variables:
        raise InputError(
            f"the variable {variable} must be in the file",
            got=sorted(map(str, data.data_vars)),
            remedy="correct background.variable",
            where=where,
        )
    return data[variable]


def require_complete(values: np.ndarray, *, where: str) -> np.ndarray:
    """Return the values as given.

    Raises
    ------
    InputError
        When some are missing, with their number.
    """
    if not np.isfinite(values).all():
        raise InputError(
            "the field must have no missing values where particles end",
            got=f"{int((~np.isfinite(values)).sum())} missing",
            remedy="fill them in the file",
            where=where,
        )
    return values
