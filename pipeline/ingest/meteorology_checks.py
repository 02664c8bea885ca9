"""What every weather dataset must keep, whatever it was read from: finite, plausible, ascending."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from pipeline.errors import CoordinateError, FormatError, UnitError
from pipeline.schema import SCHEMAS

#: plausible ranges; advection leaves mixing ratios a little below zero
RANGES = {
    "surface_pressure": (3.0e4, 1.1e5),
    "pressure": (1.0, 1.1e5),
    "temperature": (150.0, 350.0),
    "humidity": (-1e-5, 0.1),
    "u": (-200.0, 200.0),
    "v": (-200.0, 200.0),
    "w": (-100.0, 100.0),
    "boundary_layer_height": (0.0, 1.0e4),
    "friction_velocity": (0.0, 10.0),
    "heat_flux": (-1500.0, 1500.0),
    "roughness": (1e-7, 20.0),
    "terrain": (-500.0, 9000.0),
}


def check_weather(weather: xr.Dataset, names: Sequence[str]) -> xr.Dataset:
    """Return the dataset unchanged if its numbers can carry particles.

    Parameters
    ----------
    weather
        Dataset "meteorology" of `pipeline.schema`.
    names
        The files of each time, for messages.

    Raises
    ------
    FormatError
        For missing or infinite values, or heights that do not ascend, naming field, time and file.
    UnitError
        For values outside `RANGES`.
    CoordinateError
        When fewer than two levels lie above the ground somewhere.
    """
    for key, declared in SCHEMAS["meteorology"].items():
        if declared.kind != "f":
            continue
        # a still field is told of once, with the first time
        for step in range(weather.sizes["time"] if "time" in declared.dims else 1):
            values = weather[key].values[step] if "time" in declared.dims else weather[key].values
            where = f"{names[step]} at {np.datetime_as_string(weather['time'].values[step], 'm')}:{key}"
            _check_finite(values, where)
            _check_range(key, values, where)
    # the heights last: they are wrong where the pressure or the temperature is
    for step in range(weather.sizes["time"]):
        time = np.datetime_as_string(weather["time"].values[step], "m")
        _check_heights(weather["height"].values[step], f"{names[step]} at {time}:height")
    return weather


def _check_finite(values: np.ndarray, where: str) -> None:
    missing = int(np.count_nonzero(~np.isfinite(values)))
    if missing:
        raise FormatError(
            "values must be finite",
            got=f"{missing} of {values.size} missing",
            remedy="the file may be damaged; fetch it again, or leave it out",
            where=where,
        )


def _check_range(key: str, values: np.ndarray, where: str) -> None:
    low, high = RANGES.get(key, (-np.inf, np.inf))
    worst = next((float(end) for end in (values.min(), values.max()) if not low <= end <= high), None)
    if worst is not None:
        raise UnitError(
            f"{key} must lie in [{low:g}, {high:g}] {SCHEMAS['meteorology'][key].unit}",
            got=f"{worst:.6g}",
            remedy="check the unit and the file",
            where=where,
        )


def _check_heights(height: np.ndarray, where: str) -> None:
    """Raise unless (level, y, x) heights ascend, with two levels or more above the ground everywhere."""
    rise = np.diff(height, axis=0)
    if not np.all(rise > 0):
        raise FormatError(
            "heights must ascend with the level",
            got=f"a step of {rise.min():.4g} m",
            remedy="check the order of the levels and the field",
            where=where,
        )
    above = int(np.count_nonzero(height > 0, axis=0).min())
    if above < 2:
        raise CoordinateError(
            "at least two levels must lie above the ground everywhere",
            got=above,
            remedy="use weather with more levels",
            where=where,
        )
