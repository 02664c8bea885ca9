"""MPTRAC's parcels on real ERA5 against our interpolation and our outer step.

1000 parcels from one place, 0.9 to 3.6 km of pressure altitude, every 10 min for 2 h. MPTRAC also writes the resolved
wind at each parcel; its parcels were moved by that wind and by a random walk, so they are compared with the walk in
mind: the wind itself, the mean displacement, and the distance of each parcel beside what the walk alone gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
import xarray as xr

from kernels import air
from kernels.air import at_points
from kernels.steps import OUTER
from pipeline.grid import Grid
from pipeline.ingest.era5 import read_era5
from pipeline.transport import WeatherWindow, prepare

#: MPTRAC's log-pressure altitude: scale height km and reference pressure hPa
_SCALE_HEIGHT, _REFERENCE = 7.0, 1013.25
#: no roughness length is in the files; no parcel comes near the ground, where it would matter
_ROUGHNESS = 0.1
_LID = 12_000.0
#: columns of MPTRAC's files: altitude km, x and y m, u and v m s-1
_ALTITUDE, _X, _Y, _U, _V = 1, 2, 3, 5, 6


@dataclass(frozen=True, eq=False)
class Mptrac:
    """MPTRAC's parcels and the weather they went through.

    Parameters
    ----------
    window
        The weather.
    bounds : (3,) int64
        Its times.
    meteorology
        Dataset "meteorology".
    parcels : (time, parcel, 8) float64
        Columns of MPTRAC's files.
    start : float
        First time, s since 1970.
    step : float
        Seconds between the times of `parcels`.
    left_out : str
        The rim of the weather that lies outside its source.
    """

    window: WeatherWindow
    bounds: np.ndarray
    meteorology: xr.Dataset
    parcels: np.ndarray
    start: float
    step: float
    left_out: str

    @property
    def pressure(self) -> np.ndarray:
        """(time, parcel) Pa."""
        return 100.0 * _REFERENCE * np.exp(-self.parcels[..., _ALTITUDE] / _SCALE_HEIGHT)


def load(shared: Path) -> Mptrac:
    """Read the parcels and the weather below ../shared."""
    meteorology = read_era5(
        sorted((shared / "data/meteorology/era5_munich_20250501").glob("*.nc")), winds="grid", roughness=_ROUGHNESS
    )
    grid = Grid.from_dataset(meteorology)
    prepared = prepare(meteorology, grid, _LID)
    window = WeatherWindow(grid, grid, _LID, 3600.0, len(prepared))
    first = window.index(meteorology["time"].values[0])
    for number, one in enumerate(prepared):
        window.put(first + number, one)
    bounds = window.bounds(first, first + len(prepared) - 1)
    assert bounds is not None
    files = sorted((shared / "data/dispersion/mptrac_munich").glob("*.tab"))
    parcels = np.stack([np.loadtxt(path) for path in files])
    step = float(parcels[1, 0, 0] - parcels[0, 0, 0])
    return Mptrac(window, bounds, meteorology, parcels, first * 3600.0, step, str(meteorology.attrs["margin_left_out"]))


def cells(case: Mptrac, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return column and row of points in m, in weather cells from the first centre."""
    grid = case.window.weather
    return (x - grid.x[0]) / (grid.x[1] - grid.x[0]), (y - grid.y[0]) / (grid.y[1] - grid.y[0])


def heights_of(case: Mptrac, moment: int) -> np.ndarray:
    """Return the height above ground, m, of the pressure of each parcel at its place and time."""
    column, row = cells(case, case.parcels[moment, :, _X], case.parcels[moment, :, _Y])
    levels = case.window.heights
    points = np.empty((column.size * levels.size, 4))
    points[:, 0], points[:, 1] = np.repeat(column, levels.size), np.repeat(row, levels.size)
    points[:, 2], points[:, 3] = np.tile(levels, column.size), case.start + moment * case.step
    found = np.empty(len(points))
    at_points(case.window.pressure, levels, case.bounds, case.window.step, points, found)
    profile = np.log(found.reshape(column.size, levels.size))
    wanted = np.log(case.pressure[moment])
    return np.array([np.interp(-at, -one, levels) for at, one in zip(wanted, profile, strict=True)])


@numba.njit(error_model="numpy")
def _wind(volume, place, heights, table, bounds, step, t, x, y, z):
    """Return the production wind at a point: u, v (cells s-1), w (m s-1)."""
    before, after, share = air.time_slots(t, step, bounds[0], bounds[1], bounds[2])
    u, v, w, _ = air.wind(volume, place, heights, table, x, y, z, before, after, share, np.empty(8, np.float32))
    return u, v, w


@numba.njit(error_model="numpy")
def _follow(volume, place, heights, bounds, step, outer, count, t0, state):
    """Move parcels (parcel, 3: column, row, height) forward by `count` outer steps as `kernels.steps` does.

    One that leaves the weather becomes NaN.
    """
    table = air.level_table(heights)
    for p in range(state.shape[0]):
        x, y, z = state[p, 0], state[p, 1], state[p, 2]
        u, v, w = _wind(volume, place, heights, table, bounds, step, t0, x, y, z)
        for number in range(count):
            t = t0 + (number + 1) * outer
            guess_x, guess_y, guess_z = x + outer * u, y + outer * v, abs(z + outer * w)
            if not (0.0 <= guess_x < place.shape[1] - 1 and 0.0 <= guess_y < place.shape[0] - 1):
                x = y = z = np.nan
                break
            u2, v2, w2 = _wind(volume, place, heights, table, bounds, step, t, guess_x, guess_y, guess_z)
            x, y, z = x + 0.5 * outer * (u + u2), y + 0.5 * outer * (v + v2), abs(z + 0.5 * outer * (w + w2))
            u, v, w = u2, v2, w2
        state[p, 0], state[p, 1], state[p, 2] = x, y, z


def follow(case: Mptrac, moment: int, moments: int, state: np.ndarray, outer: float = OUTER) -> np.ndarray:
    """Return parcels (parcel, 3) after some of MPTRAC's output steps of resolved motion from `moment` on."""
    out = state.copy()
    window = case.window
    _follow(
        window.volume, window.place, window.heights, case.bounds, window.step, outer,
        round(moments * case.step / outer), case.start + moment * case.step, out,
    )  # fmt: skip
    return out


def metres(case: Mptrac, state: np.ndarray) -> np.ndarray:
    """Return x and y, m, of columns and rows (..., 2)."""
    grid = case.window.weather
    origin = np.array([grid.x[0], grid.y[0]])
    return origin + state * np.array([grid.x[1] - grid.x[0], grid.y[1] - grid.y[0]])


def starts(case: Mptrac, moment: int) -> np.ndarray:
    """Return MPTRAC's parcels at one of its times as (parcel, 3) column, row and height."""
    column, row = cells(case, case.parcels[moment, :, _X], case.parcels[moment, :, _Y])
    return np.stack([column, row, heights_of(case, moment)], axis=-1)


def trajectories(case: Mptrac) -> np.ndarray:
    """Return (time, parcel, 2) x and y, m, from MPTRAC's first positions on, moved by the resolved wind alone."""
    out = [starts(case, 0)]
    for moment in range(len(case.parcels) - 1):
        out.append(follow(case, moment, 1, out[-1]))
    return metres(case, np.stack(out)[..., :2])


def production_wind(case: Mptrac) -> np.ndarray:
    """Return our u and v, m s-1, at MPTRAC's own positions: (2, time, parcel)."""
    window = case.window
    out = np.empty((2, *case.parcels.shape[:2]))
    table = air.level_table(window.heights)
    for moment in range(len(case.parcels)):
        t = case.start + moment * case.step
        for p, (x, y, z) in enumerate(starts(case, moment)):
            u, v, _ = _wind(window.volume, window.place, window.heights, table, case.bounds, window.step, t, x, y, z)
            out[:, moment, p] = np.array([u, v]) / window.place[int(y), int(x), 2:4]
    return out


def pressure_wind(case: Mptrac) -> np.ndarray:
    """Return u and v, m s-1, at MPTRAC's positions as MPTRAC interpolates: linear in x, y, time and pressure."""
    level = case.meteorology["pressure"].values[0, :, 0, 0].astype(np.float64)
    fields = np.stack([case.meteorology[name].values for name in "uv"]).astype(np.float64)
    out = np.empty((2, *case.parcels.shape[:2]))
    for moment in range(len(case.parcels)):
        before, share = divmod(moment * case.step / case.window.step, 1.0)
        later = min(int(before) + 1, fields.shape[1] - 1)
        field = (1.0 - share) * fields[:, int(before)] + share * fields[:, later]
        column, row = cells(case, case.parcels[moment, :, _X], case.parcels[moment, :, _Y])
        # pressure falls with the level's number
        lower = np.searchsorted(-level, -case.pressure[moment], side="right") - 1
        upper = (level[lower] - case.pressure[moment]) / (level[lower] - level[lower + 1])
        x, y = column.astype(int), row.astype(int)
        total = np.zeros((2, column.size))
        for corner in range(8):
            i, j, k = corner & 1, corner >> 1 & 1, corner >> 2
            weight = np.abs(1 - i - (column - x)) * np.abs(1 - j - (row - y)) * np.abs(1 - k - upper)
            total += weight * field[:, lower + k, y + j, x + i]
        out[:, moment] = total
    return out


def _length(vectors: np.ndarray) -> np.ndarray:
    """Return the length along the last axis."""
    return np.hypot(vectors[..., 0], vectors[..., 1])


def _walk(case: Mptrac, theirs: np.ndarray) -> np.ndarray:
    """Return what the parcels did in each output step beside our resolved motion: (step, parcel, 2) m."""
    moments = range(len(theirs) - 1)
    return np.stack([theirs[at + 1] - metres(case, follow(case, at, 1, starts(case, at))[:, :2]) for at in moments])


@dataclass(frozen=True)
class Result:
    """What the comparison gives; distances in m, (time,) where an array.

    Parameters
    ----------
    apart, went
        Median distance between our parcel and MPTRAC's, and median distance MPTRAC's have gone.
    mean_apart, mean_went, mean_error
        The same of the mean position, and the standard error of its distance by the random walk.
    twins
        Median distance, over the square root of 2, of MPTRAC's parcels that started side by side (within 1 m).
    pairs
        How many such pairs.
    step_bias, step_error, step_length
        Mean displacement in one output step beside ours, its standard error, and the median displacement.
    diffusivity
        Of the walk, m2 s-1, from its variance in one output step.
    production, pressure
        Median distance between ours and MPTRAC's own resolved wind over its speed: our interpolation, and one linear in
        pressure.
    halved
        Largest distance that halving our outer step makes.
    outside
        Parcels that left the weather.
    speed
        Median speed of the resolved wind, m s-1.
    """

    apart: np.ndarray
    went: np.ndarray
    mean_apart: np.ndarray
    mean_went: np.ndarray
    mean_error: float
    twins: np.ndarray
    pairs: int
    step_bias: float
    step_error: float
    step_length: float
    diffusivity: float
    production: float
    pressure: float
    halved: float
    outside: int
    speed: float


def measure(case: Mptrac) -> Result:
    """Compare."""
    theirs = case.parcels[..., [_X, _Y]]
    path = trajectories(case)
    gone = theirs - theirs[0]
    walk = _walk(case, theirs)
    variance = float(np.mean((walk - walk.mean(axis=1, keepdims=True)) ** 2))
    duration = case.step * (len(theirs) - 1)
    diffusivity = variance / (2.0 * case.step)
    order = np.argsort(case.parcels[0, :, _ALTITUDE])
    close = np.diff(case.parcels[0, order, _ALTITUDE]) < 1e-3
    side_by_side = theirs[:, order[1:][close]] - theirs[:, order[:-1][close]]
    wind = np.moveaxis(case.parcels[..., [_U, _V]], -1, 0)
    ends = [follow(case, 0, len(theirs) - 1, starts(case, 0), outer)[:, :2] for outer in (OUTER, 0.5 * OUTER)]

    def against(ours: np.ndarray) -> float:
        return float(np.median(np.hypot(*(ours - wind)) / np.hypot(*wind)))

    return Result(
        apart=np.median(_length(path - theirs), axis=1),
        went=np.median(_length(gone), axis=1),
        mean_apart=_length((path - theirs).mean(axis=1)),
        mean_went=_length(gone.mean(axis=1)),
        mean_error=float(np.sqrt(4.0 * diffusivity * duration / theirs.shape[1])),
        twins=np.median(_length(side_by_side), axis=1) / np.sqrt(2.0),
        pairs=int(close.sum()),
        step_bias=float(_length(walk.mean(axis=(0, 1)))),
        step_error=float(np.sqrt(2.0 * variance / (walk.shape[0] * walk.shape[1]))),
        step_length=float(np.median(_length(np.diff(theirs, axis=0)))),
        diffusivity=diffusivity,
        production=against(production_wind(case)),
        pressure=against(pressure_wind(case)),
        halved=float(_length(metres(case, ends[0]) - metres(case, ends[1])).max()),
        outside=int((~np.isfinite(path[-1, :, 0])).sum()),
        speed=float(np.median(np.hypot(*wind))),
    )
