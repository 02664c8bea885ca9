"""Our footprints against STILT's, on the same weather file, for three receptors.

STILT ends a particle one cell inside the weather's rim; so that both lose the same particles, we are given the weather
without its outermost cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter

from benchmarks.parity.stilt_column import HANNA, RULE, emulate, internal_levels
from kernels import steps
from pipeline.grid import Grid
from pipeline.ingest.arl_meteorology import read_arl
from pipeline.settings import MeteorologySettings, TransportSettings
from pipeline.transport import Receptor, WeatherWindow, prepare, trace_receptor
from pipeline.transport.release import start

#: the rim taken off the weather, cells
RIM = 1
HOURS = 24
PARTICLES = 16_000
#: particles of the reference
REFERENCE_PARTICLES = 2000
#: HYSPLIT's first set of internal levels: those it takes for 28 levels of weather below its top of 25 km
STILT_LEVELS = (30.0, -25.0, 5.0)
#: a spread is compared while both models keep more than this share of their particles
KEPT = 0.5
BLOCK = 6
#: the file holds no roughness length; particles feel it below the lowest level of the weather, at 28 m
_ROUGHNESS = 0.1
_FILE = "weather.arl"


@dataclass(frozen=True, eq=False)
class Run:
    """One receptor's result.

    Parameters
    ----------
    field : (hour back, y, x) float64
        Footprint, m2 s mol-1 (= ppm (umol m-2 s-1)-1).
    kept : (hour back,) float64
        Share of the particles on the way at the end of each hour.
    spread : (hour back,) float64
        sqrt(var x + var y), km; NaN without particles.
    height : (hour back,) float64
        Mean height, m.
    """

    field: np.ndarray
    kept: np.ndarray
    spread: np.ndarray
    height: np.ndarray

    @property
    def hourly(self) -> np.ndarray:
        """(hour back,) sum of the footprint."""
        return self.field.sum(axis=(1, 2))

    @property
    def total(self) -> float:
        """Sum of the footprint."""
        return float(self.field.sum())


@dataclass(frozen=True, eq=False)
class Stilt:
    """The reference and the weather it was made from.

    Parameters
    ----------
    reference
        Dataset of STILT's results.
    window
        The weather.
    bounds : (3,) int64
        Its times.
    grid
        The footprints' grid.
    """

    reference: xr.Dataset
    window: WeatherWindow
    bounds: np.ndarray
    grid: Grid

    def receptor(self, number: int) -> Receptor:
        """Return one of the three receptors."""
        one = self.reference.isel(receptor=number)
        return Receptor(
            time=one["release_time"].values[()],
            duration=0.0,
            station=str(one["receptor"].values),
            lon=float(one["receptor_lon"]),
            lat=float(one["receptor_lat"]),
            height=float(one["receptor_height"]),
        )

    def theirs(self, number: int) -> Run:
        """Return STILT's result."""
        one = self.reference.isel(receptor=number)
        spread = np.hypot(one["x_std"].values, one["y_std"].values) / 1000.0
        kept = np.nan_to_num(one["n"].values) / REFERENCE_PARTICLES
        return Run(one["footprint"].values.astype(np.float64), kept, spread, one["height_mean"].values)


def load(shared: Path, rim: int = RIM) -> Stilt:
    """Read the reference and the weather below ../shared, less `rim` cells of the weather on every side."""
    folder = shared / "reference/stilt"
    with xr.open_dataset(folder / "footprints.nc") as file:
        reference = file.load()
    meteorology = read_arl(folder / _FILE, roughness=_ROUGHNESS)
    whole = Grid.from_dataset(meteorology)
    inner = slice(rim, -rim or None)
    weather = Grid.from_centres(whole.crs, whole.x[inner], whole.y[inner])
    grid = Grid.from_centres(reference.attrs["crs"], reference["x"].values, reference["y"].values)
    lid = settings_of(1).top
    prepared = prepare(meteorology.isel(x=inner, y=inner), weather, lid)
    window = WeatherWindow(weather, grid, lid, steps.HOUR, len(prepared))
    first = window.index(meteorology["time"].values[0])
    for number, one in enumerate(prepared):
        window.put(first + number, one)
    bounds = window.bounds(first, first + len(prepared) - 1)
    assert bounds is not None
    return Stilt(reference, window, bounds, grid)


def settings_of(particles: int, seed: int = 1) -> TransportSettings:
    """Return our settings that stand for the reference's."""
    return TransportSettings(
        meteorology=MeteorologySettings(format="arl", files=[_FILE], roughness=_ROUGHNESS),
        folder="transport", hours=HOURS, particles=particles, seed=seed,
        near_field=False, smoothing=0.0, truncation=0.0, lowest_layer=150.0,
    )  # fmt: skip


def _run(case: Stilt, field: np.ndarray, tally: np.ndarray, particles: int) -> Run:
    """Return a result from the kernel's sums."""
    tally = tally[:HOURS]
    with np.errstate(invalid="ignore"):
        mean = tally[:, 1:] / tally[:, :1]
        variance = mean[:, 2] - mean[:, 0] ** 2 + mean[:, 3] - mean[:, 1] ** 2
        spread = np.sqrt(np.maximum(variance, 0.0)) * (case.grid.x[1] - case.grid.x[0]) / 1000.0
    return Run(field[:HOURS], tally[:, 0] / particles, spread, mean[:, 4])


def ours(case: Stilt, number: int, particles: int = PARTICLES, seed: int = 1) -> Run:
    """Return our own result."""
    receptor = case.receptor(number)
    made = trace_receptor(receptor, case.window, case.bounds, settings_of(particles, seed))
    field = np.zeros((HOURS + 1, case.grid.ny * case.grid.nx))
    back = (receptor.time - made.hour) // np.timedelta64(1, "h") - 1
    np.add.at(field, (back, made.cell), made.value)
    return _run(case, field.reshape(HOURS + 1, *case.grid.shape), made.spread, particles)


def emulated(
    case: Stilt,
    number: int,
    levels: np.ndarray | None = None,
    *,
    form: int = HANNA,
    rule: int = RULE,
    particles: int = PARTICLES,
    hours: int = HOURS,
    seed: int = 1,
) -> Run:
    """Return the emulator's result; `levels` are STILT's when None."""
    window = case.window
    settings = settings_of(particles)
    first = start(case.receptor(number), window, case.bounds, particles)
    last_hour = int(np.ceil(first[0, 3] / steps.HOUR)) - 1
    field = np.zeros((HOURS + 1, *case.grid.shape))
    tally = np.zeros((HOURS + 1, steps.SPREAD_COLUMNS))
    emulate(
        window.volume, window.surface, window.place, window.heights, case.bounds, window.step, first,
        hours * steps.HOUR, last_hour, settings.lowest_layer,
        internal_levels(*STILT_LEVELS, settings.top) if levels is None else levels, form, rule, seed, field, tally,
    )  # fmt: skip
    return _run(case, field, tally, particles)


def correlation(case: Stilt, number: int, one: np.ndarray, other: np.ndarray) -> float:
    """Return r of two maps (y, x) smoothed over 2 cells, without the 5 x 5 cells round the receptor."""
    receptor = case.receptor(number)
    x, y = case.grid.from_lonlat(receptor.lon, receptor.lat)
    column = int(np.searchsorted(case.grid.x_edges, x)) - 1
    row = int(np.searchsorted(case.grid.y_edges, y)) - 1
    away = np.ones(case.grid.shape, dtype=bool)
    away[row - 2 : row + 3, column - 2 : column + 3] = False
    return float(np.corrcoef(gaussian_filter(one, 2.0)[away], gaussian_filter(other, 2.0)[away])[0, 1])


def spread_ratios(run: Run, reference: Run) -> np.ndarray:
    """Return mean spread over the reference's of each block of six hours; NaN once either has lost half."""
    out = np.full(HOURS // BLOCK, np.nan)
    for block in range(out.size):
        hours = slice(block * BLOCK, (block + 1) * BLOCK)
        if min(run.kept[hours].min(), reference.kept[hours].min()) > KEPT:
            out[block] = run.spread[hours].mean() / reference.spread[hours].mean()
    return out


def runs_of_reference_size(case: Stilt, number: int, runs: int = 20) -> np.ndarray:
    """Return (run, hour) hourly totals of our model with the reference's number of particles."""
    return np.stack([ours(case, number, REFERENCE_PARTICLES, seed=1000 + run).hourly for run in range(runs)])


def relative_noise(runs: np.ndarray) -> np.ndarray:
    """Return the relative standard deviation along the first axis."""
    with np.errstate(invalid="ignore"):
        return runs.std(axis=0, ddof=1) / runs.mean(axis=0)
