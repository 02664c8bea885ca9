"""Footprints of an analytic plume: Gaussian puffs carried backward by a time-varying, horizontally uniform wind.

A stand-in with a closed form, for simulated cases and as a reference for the particle model; it has no terrain, no
shear and no vertical structure. All mass is taken as mixed through the dilution layer, so that over an unbounded
grid the footprint sums to (travel time) x (molar mass of air) / (density x layer depth).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy.special import ndtr

from pipeline.errors import InputError, TimeError
from pipeline.grid import Grid
from pipeline.schema import HOUR, label
from pipeline.units import MOLAR_MASS_AIR, SECONDS_PER_HOUR


@dataclass(frozen=True)
class Plume:
    """How a puff spreads and how deep it is mixed.

    Parameters
    ----------
    sigma_start
        Standard deviation of the puff at the receptor, m.
    sigma_velocity
        Standard deviation of the unresolved horizontal velocity, m s-1.
    time_scale
        Lagrangian time scale of that velocity, s.
    reach
        The Gaussian is cut at this many standard deviations and renormalised, so a puff covers a finite area.
    dilution_fraction, dilution_floor
        The dilution layer is this share of the boundary-layer height, and at least this many m deep.
    air_density
        Mean density in the dilution layer, kg m-3.
    hours
        Longest travel time, whole hours back from the receptor's hour.
    steps
        Puffs per hour, both in travel time and in release time.
    """

    sigma_start: float = 2000.0
    sigma_velocity: float = 0.7
    time_scale: float = 3 * SECONDS_PER_HOUR
    reach: float = 3.0
    dilution_fraction: float = 0.5
    dilution_floor: float = 100.0
    air_density: float = 1.15
    hours: int = 18
    steps: int = 6

    def sigma(self, travel_time: np.ndarray) -> np.ndarray:
        """Return the puff's standard deviation, m, after a travel time, s (Taylor 1921, eq. 18, plus the start)."""
        s = travel_time / self.time_scale
        return np.sqrt(self.sigma_start**2 + 2 * (self.sigma_velocity * self.time_scale) ** 2 * (s + np.expm1(-s)))

    def dilution_height(self, boundary_layer_height: np.ndarray) -> np.ndarray:
        """Return the depth, m, through which surface fluxes are mixed."""
        return np.maximum(self.dilution_fraction * boundary_layer_height, self.dilution_floor)

    def per_second(self, boundary_layer_height: np.ndarray) -> np.ndarray:
        """Return the change of mole fraction per unit flux and second over the source, m2 mol-1 (science.md 5)."""
        return MOLAR_MASS_AIR / (self.air_density * self.dilution_height(boundary_layer_height))


@dataclass(frozen=True)
class _Puffs:
    """The puffs that reach one receptor hour, in the receptor's frame; each array is (hour back, puff)."""

    east: np.ndarray
    north: np.ndarray
    sigma: np.ndarray
    #: residence time of one puff, s, averaged over the releases
    seconds: np.ndarray


def plume_footprints(receptors: xr.Dataset, weather: xr.Dataset, grid: Grid, plume: Plume) -> xr.Dataset:
    """Return the footprints of receptor hours.

    Parameters
    ----------
    receptors : Dataset over obs
        time (start of the averaging hour, UTC), station, lon, lat, height.
    weather : Dataset over time, hourly and unbroken
        u, v (m s-1, along x and y of the grid) and boundary_layer_height (m).
    grid
        Projected grid in m.
    plume
        Spread and mixing.

    Returns
    -------
    Dataset "footprints" of `pipeline.schema`. Flux hours before the first weather hour carry no footprint.

    Raises
    ------
    InputError
        When the grid is not in metres.
    TimeError
        When the weather has gaps or does not cover a receptor hour.
    """
    if grid.is_geographic:
        raise InputError("a plume needs a projected grid in m", got=grid.crs, remedy="give a box and a spacing")
    times = _weather_hours(weather)
    x, y = grid.from_lonlat(receptors["lon"].values, receptors["lat"].values)
    hours, cells, values, counts = [], [], [], []
    known: dict[np.datetime64, tuple[_Puffs, np.ndarray, np.ndarray]] = {}
    for row, time in enumerate(receptors["time"].values):
        if time not in known:
            known[time] = _path(time, times, weather, plume)
        puffs, back, per_second = known[time]
        layers = per_second[:, None] * _spread(puffs, float(x[row]), float(y[row]), grid, plume.reach)
        layer, cell = np.nonzero(layers)
        hours.append(back[layer])
        cells.append(cell.astype(np.int32))
        values.append(layers[layer, cell].astype(np.float32))
        counts.append(layer.size)
    return _footprints(receptors, np.array(counts), hours, cells, values)


def _weather_hours(weather: xr.Dataset) -> np.ndarray:
    """Return the weather's hours, or raise when they are not consecutive."""
    times = weather["time"].values
    if times.size == 0 or np.any(np.diff(times) != HOUR):
        raise TimeError(
            "weather must be hourly without gaps",
            got=f"{times.size} times",
            remedy="fill the missing hours",
            where="weather.time",
        )
    return times


def _path(
    time: np.datetime64, times: np.ndarray, weather: xr.Dataset, plume: Plume
) -> tuple[_Puffs, np.ndarray, np.ndarray]:
    """Return the puffs of one receptor hour, the flux hours they stand for, and the dilution of those hours."""
    last = int(np.searchsorted(times, time))
    if last >= times.size or times[last] != time:
        raise TimeError(
            "the weather must cover every receptor hour",
            got=str(time),
            remedy=f"weather runs from {times[0]} to {times[-1]}",
            where="receptors.time",
        )
    first = max(0, last - plume.hours)
    used = slice(first, last + 1)
    u, v = (weather[name].values[used].astype(np.float64) for name in ("u", "v"))
    # latest flux hour first: hour 0 back is the receptor's own
    per_second = plume.per_second(weather["boundary_layer_height"].values[used].astype(np.float64))
    return _puffs(u, v, plume), times[used][::-1], per_second[::-1]


def _puffs(u: np.ndarray, v: np.ndarray, plume: Plume) -> _Puffs:
    """Return the puffs of one receptor hour, the last of the given hours.

    Each hour is cut into `steps` slots. A release stands in the middle of every slot of the last hour; the puff of a
    slot stands in its middle, except in the release's own slot, of which only the older half lies upwind:

        hour back      1           0
        slot      |  o  |  o  |  o  |  o *|      o puff, * release (middle of its slot)
    """
    steps, hours = plume.steps, u.size
    slot = SECONDS_PER_HOUR / steps
    edges = slot * np.arange(hours * steps + 1)
    middle = edges[:-1] + slot / 2
    release = middle[-steps:, None]
    own = middle[None, :] == release
    at = np.where(own, middle - slot / 4, middle)
    travel = release - at
    seconds = np.where(travel > 0, np.where(own, slot / 2, slot), 0.0) / steps
    hour_edges = SECONDS_PER_HOUR * np.arange(hours + 1)
    shifts = []
    for wind in (u, v):
        moved = np.concatenate([[0.0], np.cumsum(wind * SECONDS_PER_HOUR)])
        shifts.append(np.interp(at, hour_edges, moved) - np.interp(release, hour_edges, moved))
    sigma = plume.sigma(np.maximum(travel, 0.0))
    return _Puffs(*(_by_hour(field, hours, steps) for field in (*shifts, sigma, seconds)))


def _by_hour(field: np.ndarray, hours: int, steps: int) -> np.ndarray:
    """Turn (release, slot) into (hour back, puff)."""
    return field.reshape(steps, hours, steps).transpose(1, 0, 2).reshape(hours, -1)[::-1]


def _spread(puffs: _Puffs, x: float, y: float, grid: Grid, reach: float) -> np.ndarray:
    """Return the residence time in each cell, s: (hour back, cell). Shares of a puff are exact integrals."""
    along_x = _shares(grid.x_edges, x + puffs.east, puffs.sigma, reach)
    along_y = _shares(grid.y_edges, y + puffs.north, puffs.sigma, reach)
    weighted = along_y * puffs.seconds[..., None]
    return np.matmul(weighted.transpose(0, 2, 1), along_x).reshape(weighted.shape[0], grid.size)


def _shares(edges: np.ndarray, centre: np.ndarray, sigma: np.ndarray, reach: float) -> np.ndarray:
    """Return the share of a cut Gaussian between consecutive edges: (..., edges - 1)."""
    z = np.clip((edges - centre[..., None]) / sigma[..., None], -reach, reach)
    return np.diff(ndtr(z), axis=-1) / (ndtr(reach) - ndtr(-reach))


def _footprints(
    receptors: xr.Dataset,
    counts: np.ndarray,
    hours: list[np.ndarray],
    cells: list[np.ndarray],
    values: list[np.ndarray],
) -> xr.Dataset:
    """Return the labelled sparse dataset."""
    dataset = receptors[["time", "station", "lon", "lat", "height"]].reset_coords().copy()
    for name in ("lon", "lat", "height"):
        dataset[name] = dataset[name].astype(np.float64)
    dataset["indptr"] = ("row_edge", np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))
    dataset["hour"] = ("entry", np.concatenate(hours))
    dataset["cell"] = ("entry", np.concatenate(cells))
    dataset["footprint"] = ("entry", np.concatenate(values))
    # the number of a footprint is the same for every gas; the simulated case is CO2's
    dataset.attrs["species"] = receptors.attrs["species"]
    return label(dataset, "footprints")
