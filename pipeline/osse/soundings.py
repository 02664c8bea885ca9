"""Where satellites look, and what they would see: tracks and swaths over the grid, with clouds between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import scipy.ndimage
import xarray as xr

from pipeline.grid import Grid
from pipeline.ingest import layer_edges, prior_and_share, sounding_ids
from pipeline.schema import label

_KM_PER_DEGREE = 111.2
#: tracks of a sun-synchronous orbit at 29 N that ascends at 13:30: degrees west of north, and speed over ground, km s-1
_HEADING, _GROUND_SPEED = 12.8, 6.8
#: OCO-2: one day in three; half past five UTC; footprints across a frame; their sides across and along, km
_REPEAT, _OCO2_MINUTE, _FOOTPRINTS, _OCO2_SIDES = 3, 330, 8, (1.29, 2.25)
#: one sounding is kept in this distance along the track, km, and so many a day at most
_OCO2_BIN, _OCO2_MOST = 3.0, 100
#: share of a track, and of a swath, that is clear; how far clouds hang together, km
_OCO2_CLEAR, _SWATH_CLEAR, _CLOUD = 0.5, 0.25, 25.0
#: the imager: five UTC; half width of the swath and side of a pixel, km
_SWATH_MINUTE, _SWATH_HALF, _PIXEL = 300, 130.0, 7.0
#: a pass may be early or late by this, minutes
_SWING = 15.0
#: noise of one sounding, ppm, and by how much it differs from one to another
_OCO2_SIGMA, _SWATH_SIGMA, _SIGMA_SPREAD = 0.6, 0.9, 0.15
#: soundings keep this many cells away from the edge of the grid
_MARGIN = 2
#: averaging kernels at shares of the surface pressure, rounded from an OCO-2 file of version 11, and a flatter one
_SHARE = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.95, 1.0)
_OCO2_KERNEL = (0.23, 0.35, 0.52, 0.75, 0.89, 1.01, 1.03, 0.99, 0.98)
_SWATH_KERNEL = (0.35, 0.47, 0.6, 0.8, 0.92, 1.0, 1.01, 0.98, 0.97)
#: prior profile: mole fraction at the ground, ppm, what is added above it, and its one-sigma from day to day
_PRIOR, _PRIOR_ABOVE, _PRIOR_SIGMA = 423.0, (-16.0, -13.0, -8.0, -4.0, -2.5, -2.0, -1.5, -0.3, 0.0), 0.5
#: layers of both retrievals; surface pressure and its one-sigma from place to place, hPa
_LAYERS, _SURFACE, _SURFACE_SIGMA = 20, 1000.0, 8.0


@dataclass(frozen=True, eq=False)
class Soundings:
    """Good soundings, sorted by time and place; numbers are float64 that float32 holds exactly, as files store them.

    Parameters
    ----------
    time : (n,) datetime64[ns]
        UTC, whole seconds.
    lon, lat : (n,)
        Centres, degrees.
    lon_corners, lat_corners : (n, 4)
        Of the footprints, anticlockwise seen from above.
    pressure : (n, layer) or (n, layer + 1)
        hPa, from the ground up: of the levels that kernel and profile stand at, or of the edges of their layers.
    kernel, weight, profile : (n, layer)
        Averaging kernel; pressure weights, whose sum is 1; prior profile, ppm.
    sigma : (n,)
        One-sigma noise of the column, ppm.
    """

    time: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    lon_corners: np.ndarray
    lat_corners: np.ndarray
    pressure: np.ndarray
    kernel: np.ndarray
    weight: np.ndarray
    profile: np.ndarray
    sigma: np.ndarray

    @property
    def size(self) -> int:
        """Number of soundings."""
        return self.time.size

    @property
    def surface_pressure(self) -> np.ndarray:
        """Surface pressure, hPa: (n,)."""
        out: np.ndarray = self.pressure[:, 0]
        return out

    def at(self, rows: np.ndarray) -> Soundings:
        """Return some of the soundings, by mask or index."""
        return Soundings(*(getattr(self, field.name)[rows] for field in fields(self)))


def oco2_soundings(grid: Grid, days: np.ndarray, rng: np.random.Generator) -> Soundings:
    """Return what an OCO-2-like instrument leaves of clear soundings: a narrow track every third day from the first.

    A frame has 8 footprints of 1.29 km x 2.25 km side by side; one sounding of each 3 km of the track, about a cell, is
    kept, from any of the 8, and no more than 100 a day. Neighbours closer than that share most of their errors and
    their air, and would cost a footprint each.

    Parameters
    ----------
    grid
        What the tracks cross.
    days : (day,) datetime64
        UTC days, ascending.
    """
    across, along = _OCO2_SIDES
    passes = []
    for day in days[::_REPEAT]:
        frames = np.arange(-_reach(grid), _reach(grid), _OCO2_BIN) // along
        side = (rng.integers(0, _FOOTPRINTS, frames.size) - 0.5 * (_FOOTPRINTS - 1)) * across
        clear = _smooth(frames.shape, _CLOUD / _OCO2_BIN, rng) < _OCO2_CLEAR
        passes.append(_pass(grid, day, _OCO2_MINUTE, (frames * along)[clear], side[clear], _OCO2_MOST, rng))
    place = _joined(passes)
    levels = np.linspace(1.0, 1e-4, _LAYERS)
    return _soundings(place, _OCO2_SIDES, levels, _OCO2_KERNEL, _OCO2_SIGMA, rng)


def swath_soundings(grid: Grid, days: np.ndarray, rng: np.random.Generator, most: int = 150) -> Soundings:
    """Return what a wide-swath imager leaves of clear soundings: pixels of 7 km x 7 km in a band of 260 km, every day.

    Clouds are smooth blobs over three quarters of the band; of the clear pixels, at most `most` a day are kept, drawn
    by chance.

    Parameters
    ----------
    grid
        What the swaths cross.
    days : (day,) datetime64
        UTC days, ascending.
    most
        Soundings a day.
    """
    passes = []
    for day in days:
        along, side = np.meshgrid(
            np.arange(-_reach(grid), _reach(grid), _PIXEL), np.arange(-_SWATH_HALF, _SWATH_HALF, _PIXEL), indexing="ij"
        )
        clear = _smooth(along.shape, _CLOUD / _PIXEL, rng) < _SWATH_CLEAR
        passes.append(_pass(grid, day, _SWATH_MINUTE, along[clear], side[clear], most, rng))
    edges = np.linspace(1.0, 0.0, _LAYERS + 1)
    return _soundings(_joined(passes), (_PIXEL, _PIXEL), edges, _SWATH_KERNEL, _SWATH_SIGMA, rng)


def sounding_receptors(soundings: Soundings, instrument: str, top: float) -> xr.Dataset:
    """Return the dataset "receptors" that ingest makes of the soundings' file, so that their footprints are the same.

    Parameters
    ----------
    soundings
        At least one.
    instrument, top
        `id` and `top` (m) of the case's section `columns`.
    """
    size = soundings.size
    bare = xr.Dataset(
        {
            "time": ("obs", soundings.time),
            "duration": ("obs", np.zeros(size)),
            "station": ("obs", sounding_ids(instrument, soundings.time, soundings.lon, soundings.lat)),
            "lon": ("obs", soundings.lon),
            "lat": ("obs", soundings.lat),
            "height": ("obs", np.full(size, float(top))),
            "averaging_kernel": (("obs", "layer"), soundings.kernel),
            "pressure_edge": (("obs", "layer_edge"), layer_edges(soundings.pressure, soundings.kernel.shape[1])),
        },
        attrs={"species": "co2"},
    )
    return label(bare, "receptors")


def column_of(
    soundings: Soundings, background: np.ndarray, enhancement: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return retrieved columns, ppm: X = sum w ((1 - A) x_a + A b) + H f + noise: (n,).

    Parameters
    ----------
    background : (n,)
        b, the same at all heights, ppm.
    enhancement : (n,)
        H f, ppm, H a footprint of `sounding_receptors`: kernel and weight are in it.
    """
    prior, share = prior_and_share(soundings.weight, soundings.kernel, soundings.profile)
    out: np.ndarray = prior + share * background + enhancement + rng.normal(0, 1, soundings.size) * soundings.sigma
    return out


@dataclass(frozen=True, eq=False)
class _Place:
    """Where and when soundings are: seconds of UTC, degrees."""

    time: np.ndarray
    lon: np.ndarray
    lat: np.ndarray


def _reach(grid: Grid) -> float:
    """Return how far a track must go either way to cross the grid, km."""
    lat = grid.lonlat[1]
    return float(0.5 * np.ptp(lat) * _KM_PER_DEGREE / np.cos(np.radians(_HEADING))) + _PIXEL


def _smooth(shape: tuple[int, ...], width: float, rng: np.random.Generator) -> np.ndarray:
    """Return smooth noise as ranks: evenly spread over [0, 1), so that a share is below each number."""
    noise = scipy.ndimage.gaussian_filter(rng.normal(0, 1, shape), width, mode="wrap")
    ranks = np.argsort(np.argsort(noise, axis=None)).reshape(shape)
    return np.asarray(ranks / noise.size)


def _pass(
    grid: Grid,
    day: np.datetime64,
    minute: float,
    along: np.ndarray,
    side: np.ndarray,
    most: int,
    rng: np.random.Generator,
) -> _Place:
    """Return the soundings of one pass that lie well within the grid, `most` of them at most."""
    lon, lat = grid.lonlat
    west, east = np.quantile(lon, [0.2, 0.8])
    lon_0, lat_0 = rng.uniform(west, east), 0.5 * (lat.min() + lat.max())
    east_km, north_km = _turned(side, along)
    place_lat = lat_0 + north_km / _KM_PER_DEGREE
    place_lon = lon_0 + east_km / (_KM_PER_DEGREE * np.cos(np.radians(place_lat)))
    place_lon, place_lat = (values.astype(np.float32).astype(np.float64) for values in (place_lon, place_lat))
    cell = grid.locate(place_lon, place_lat)
    row, column = np.divmod(cell, grid.nx)
    inside = (row >= _MARGIN) & (row < grid.ny - _MARGIN) & (column >= _MARGIN) & (column < grid.nx - _MARGIN)
    rows = np.flatnonzero((cell >= 0) & inside)
    start = 60 * (minute + rng.uniform(-_SWING, _SWING))
    rows = np.sort(rng.choice(rows, min(most, rows.size), replace=False))
    seconds = np.round(start + along[rows] / _GROUND_SPEED).astype("timedelta64[s]")
    time = day.astype("datetime64[D]").astype("datetime64[s]") + seconds
    return _Place(time.astype("datetime64[ns]"), place_lon[rows], place_lat[rows])


def _turned(side: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (east, north) of offsets to the right of a track and along it."""
    heading = np.radians(-_HEADING)
    return side * np.cos(heading) + along * np.sin(heading), along * np.cos(heading) - side * np.sin(heading)


def _joined(passes: Sequence[_Place]) -> _Place:
    """Return passes as one, in the order of `ingest`: by time, then by id."""
    time, lon, lat = (np.concatenate([getattr(one, name) for one in passes]) for name in ("time", "lon", "lat"))
    order = np.lexsort((sounding_ids("", time, lon, lat), time))
    return _Place(time[order], lon[order], lat[order])


def _soundings(
    place: _Place,
    sides: tuple[float, float],
    shares: np.ndarray,
    kernel: tuple[float, ...],
    sigma: float,
    rng: np.random.Generator,
) -> Soundings:
    """Return soundings at places whose pressures are `shares` of the surface's."""
    size = place.time.size
    lon_corners, lat_corners = _corners(place, sides)
    surface = rng.normal(_SURFACE, _SURFACE_SIGMA, size)
    pressure = _stored(surface[:, None] * shares)
    edge = layer_edges(pressure, _LAYERS)
    middle = shares if shares.size == _LAYERS else 0.5 * (shares[1:] + shares[:-1])
    # a retrieval's prior changes from day to day, not from one sounding to the next
    days, day = np.unique(place.time.astype("datetime64[D]"), return_inverse=True)
    ground = rng.normal(_PRIOR, _PRIOR_SIGMA, days.size)[day]
    return Soundings(
        place.time,
        place.lon,
        place.lat,
        lon_corners,
        lat_corners,
        pressure,
        _stored(np.tile(np.interp(middle, _SHARE, kernel), (size, 1))),
        _stored(edge[:, :-1] - edge[:, 1:]),
        _stored(ground[:, None] + np.interp(middle, _SHARE, _PRIOR_ABOVE)),
        _stored(sigma * rng.uniform(1 - _SIGMA_SPREAD, 1 + _SIGMA_SPREAD, size)),
    )


def _corners(place: _Place, sides: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return (lon, lat) of footprints of these sides across and along the track, degrees: (n, 4) each."""
    right, ahead = 0.5 * sides[0] * np.array([-1.0, 1, 1, -1]), 0.5 * sides[1] * np.array([-1.0, -1, 1, 1])
    east, north = _turned(right, ahead)
    lat = place.lat[:, None] + north / _KM_PER_DEGREE
    lon = place.lon[:, None] + east / (_KM_PER_DEGREE * np.cos(np.radians(lat)))
    return _stored(lon), _stored(lat)


def _stored(values: np.ndarray) -> np.ndarray:
    """Return values as a file of float32 gives them back."""
    return np.asarray(values.astype(np.float32).astype(np.float64))
