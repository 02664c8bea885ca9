"""Where and when the particles of a receptor start, and what each stands for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import xarray as xr

from kernels.air import at_points
from pipeline.grid import Grid
from pipeline.transport.window import WeatherWindow, seconds

#: standard gravity, m s-2
_GRAVITY = 9.80665


@dataclass(frozen=True, eq=False)
class Receptor:
    """One row of the dataset "receptors".

    Parameters
    ----------
    time
        Start of the release, UTC.
    duration
        Its length, s.
    station
        Station id, or id of the sounding.
    lon, lat
        Degrees.
    height
        Height of the inlet, or top of a column's release, m above ground.
    kernel : (layer,) float64 or None
        Averaging kernel of a column, from the ground up.
    edges : (layer + 1,) float64 or None
        Its layers' edges as shares of the surface pressure, from 1 down.
    """

    time: np.datetime64
    duration: float
    station: str
    lon: float
    lat: float
    height: float
    kernel: np.ndarray | None = None
    edges: np.ndarray | None = None

    @property
    def digest(self) -> bytes:
        """Digest of everything above: a receptor's name wherever it stands."""
        parts = [
            str(self.time.astype("datetime64[ns]")),
            self.station,
            *(f"{value!r}" for value in (self.duration, self.lon, self.lat, self.height)),
        ]
        digest = hashlib.sha256("\n".join(parts).encode())
        for array in (self.kernel, self.edges):
            digest.update(b"-" if array is None else np.ascontiguousarray(array, dtype=np.float64).tobytes())
        return digest.digest()

    @property
    def number(self) -> int:
        """First 63 bits of the digest: the receptor's part of the particles' random key."""
        return int.from_bytes(self.digest[:8], "big") >> 1


def receptors_of(dataset: xr.Dataset) -> list[Receptor]:
    """Return the rows of a dataset "receptors"."""
    names = ("time", "duration", "station", "lon", "lat", "height")
    layered = ("averaging_kernel", "pressure_edge") if "averaging_kernel" in dataset else ()
    column = {name: dataset[name].values for name in (*names, *layered)}
    out = []
    for row in range(dataset.sizes["obs"]):
        kernel = edges = None
        if layered:
            kept = np.isfinite(column["averaging_kernel"][row])
            if kept.any():
                kernel = column["averaging_kernel"][row][kept].astype(np.float64)
                edges = column["pressure_edge"][row][: kernel.size + 1].astype(np.float64)
        time, duration, station, lon, lat, height = (column[name][row] for name in names)
        out.append(Receptor(time, float(duration), str(station), float(lon), float(lat), float(height), kernel, edges))
    return out


def position(receptor: Receptor, weather: Grid) -> tuple[float, float]:
    """Return where a receptor lies on the weather's grid: column and row, in cells from the first centre."""
    x, y = weather.from_lonlat(receptor.lon, receptor.lat)
    if weather.is_geographic:
        middle = 0.5 * (weather.x_edges[0] + weather.x_edges[-1])
        x = middle + (x - middle + 180.0) % 360.0 - 180.0
    column = (float(x) - weather.x[0]) / (weather.x[1] - weather.x[0])
    row = (float(y) - weather.y[0]) / (weather.y[1] - weather.y[0])
    return float(column), float(row)


def within(receptor: Receptor, weather: Grid) -> bool:
    """Return whether a receptor lies between the weather's outermost centres, where there are winds."""
    column, row = position(receptor, weather)
    return 0.0 <= column < weather.nx - 1 and 0.0 <= row < weather.ny - 1


def start(receptor: Receptor, window: WeatherWindow, bounds: np.ndarray, count: int) -> np.ndarray:
    """Return (count, 5) float64 for `kernels.particles`: column, row, height m, time s, weight.

    Particles of a point leave evenly over its duration, and share its air evenly. Those of a column stand evenly
    between the ground and its top; each has the weight of its slab in the dry column times the averaging kernel there
    (Wu et al. 2018, Geosci. Model Dev. 11, 4843, eqs. 2-4): the weights sum to the column's share below the top.
    """
    out = np.empty((count, 5))
    out[:, 0], out[:, 1] = position(receptor, window.weather)
    rank = (np.arange(count) + 0.5) / count
    out[:, 2] = receptor.height
    out[:, 3] = seconds(receptor.time) + receptor.duration * rank
    out[:, 4] = 1.0 / count
    if receptor.kernel is not None and receptor.edges is not None:
        out[:, 2] = receptor.height * rank
        out[:, 4] = _column_weights(receptor, window, bounds, out)
    return out


def _column_weights(receptor: Receptor, window: WeatherWindow, bounds: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the share of the dry column that each particle stands for, times the averaging kernel there."""
    count = points.shape[0]
    density, pressure, whole = np.empty(count), np.empty(count), np.empty(window.heights.size)
    at_points(window.density, window.heights, bounds, window.step, points, density)
    at_points(window.pressure, window.heights, bounds, window.step, points, pressure)
    column = np.repeat(points[:1], window.heights.size, axis=0)
    column[:, 2] = window.heights
    at_points(window.density, window.heights, bounds, window.step, column, whole)
    ends = np.empty(window.heights.size)
    at_points(window.pressure, window.heights, bounds, window.step, column, ends)
    # dry air to the lid, and all that lies above it, which holds no water worth counting
    depth = np.diff(window.heights.astype(np.float64))
    mass = float(np.sum(0.5 * (whole[1:] + whole[:-1]) * depth) + ends[-1] / _GRAVITY)
    assert receptor.kernel is not None
    assert receptor.edges is not None
    level = pressure / ends[0]
    layer = np.clip(np.searchsorted(-receptor.edges, -level, side="right") - 1, 0, receptor.kernel.size - 1)
    return density * (receptor.height / count) / mass * receptor.kernel[layer]
