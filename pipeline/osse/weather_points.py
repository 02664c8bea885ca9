"""The simulated weather at places between its own points, as means over hours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse
import xarray as xr

from pipeline.grid import Grid

#: K at 0 degrees Celsius
FREEZING = 273.15


def weather_on(weather: xr.Dataset, of: Grid, grid: Grid, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (light W m-2, temperature degrees Celsius) as means over hours, (time, cell) float32.

    Parameters
    ----------
    weather
        Of `simulate_weather` on `of`: instants at the ends of every hour.
    grid
        Where they are wanted; between the weather's points they are interpolated linearly.
    times : (time,) datetime64[ns]
        Hour starts, UTC.
    """
    lon, lat = grid.lonlat
    matrix = _bilinear(of, lon.ravel(), lat.ravel()).astype(np.float32)
    at = np.searchsorted(weather["time"].values, times)
    found = []
    for name, least in (("radiation", 0.0), ("temperature", FREEZING)):
        values = weather[name].values.reshape(weather.sizes["time"], -1).astype(np.float32)
        means = 0.5 * (values[at] + values[at + 1]) - np.float32(least)
        found.append(np.ascontiguousarray((matrix @ means.T).T))
    return found[0], found[1]


def weather_at(
    weather: xr.Dataset, of: Grid, lon: Sequence[float], lat: Sequence[float], times: np.ndarray, name: str
) -> np.ndarray:
    """Return one field at places, in its own unit: (place, time).

    Parameters
    ----------
    weather, of, times
        As for `weather_on`.
    lon, lat
        Of the places, degrees.
    name
        Of the field.
    """
    matrix = _bilinear(of, np.asarray(lon, dtype=np.float64), np.asarray(lat, dtype=np.float64))
    at = np.searchsorted(weather["time"].values, times)
    values = matrix @ weather[name].values.reshape(weather.sizes["time"], -1).T
    means: np.ndarray = 0.5 * (values[:, at] + values[:, at + 1])
    return means


def _bilinear(of: Grid, lon: np.ndarray, lat: np.ndarray) -> scipy.sparse.csr_array:
    """Return the weights of `of`'s centres at places, (place, cell); beyond the edge, the edge's."""
    x, y = of.from_lonlat(lon, lat)
    column, right = _between(of.x, np.asarray(x))
    row, up = _between(of.y, np.asarray(y))
    rows = np.tile(np.arange(lon.size), 4)
    corners = np.concatenate([(row + j) * of.nx + column + i for j in (0, 1) for i in (0, 1)])
    weights = np.concatenate([wy * wx for wy in (1 - up, up) for wx in (1 - right, right)])
    return scipy.sparse.csr_array((weights, (rows, corners)), shape=(lon.size, of.size))


def _between(centres: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (index of the centre before each place, share of the way to the next)."""
    along = np.clip((places - centres[0]) / (centres[1] - centres[0]), 0.0, centres.size - 1.0)
    index = np.minimum(along.astype(np.int64), centres.size - 2)
    return index, along - index
