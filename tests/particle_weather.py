"""Analytic weather as the particle kernels read it, and a run of them on it."""

from dataclasses import dataclass

import numpy as np
from tests_layers import LAYERS

from kernels import air, particles, steps

LID = 3000.0
MOLAR_MASS = 0.02897
HEIGHTS = np.array(
    [0, 5, 20, 50, 100, 165, 250, 360, 510, 700, 930, 1200, 1540, 1960, 2480, LID], dtype=np.float32
)  # fmt: skip


def still(x, y, z, t):
    """No wind, and air of constant density."""
    return 0.0, 0.0, 0.0, 1.2


def volume(flow, shape, hours, heights=HEIGHTS):
    """Return (time, y, x, level, 4) float32 of flow(x, y, z, t) -> (u, v, w, density), every hour from 0."""
    t, y, x, z = np.meshgrid(
        3600.0 * np.arange(hours + 1), np.arange(shape[0]), np.arange(shape[1]), heights.astype(float), indexing="ij"
    )
    out = np.empty((*t.shape, 4), np.float32)
    for column, values in enumerate(flow(x, y, z, t)):
        out[..., column] = values
    return out


def surface(shape, hours, layer=LAYERS["neutral"], density=1.2, slope=0.0):
    """Return (time, y, x, SURFACE_COLUMNS) float32 of one layer, or of one of every hour."""
    out = np.zeros((hours + 1, *shape, air.SURFACE_COLUMNS), np.float32)
    layers = np.broadcast_to(np.asarray(layer, dtype=float), (hours + 1, 4))
    h, friction, convective, obukhov = (values[:, None, None] for values in layers.T)
    columns = (h, friction, convective, 1 / obukhov, density, slope)
    for column, values in enumerate(columns):
        out[..., column] = values
    return out


def place(shape, metre=0.0):
    """Return (y, x, 4): flux cells are weather cells, around their centres; `metre` in cells, 0: no random motion."""
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    return np.stack([x + 0.5, y + 0.5, np.full(shape, metre), np.full(shape, metre)], axis=-1)


def options(**changed):
    """Return the options of `kernels.particles`; entries by lower-case name."""
    given = {"step": 3600.0, "lid": LID, "lowest": 1.0, "dilution": 0.5, "memory": 10_800.0, "near_field": 0.0,
             "convection_time": 0.0, "molar_mass": MOLAR_MASS, **changed}  # fmt: skip
    out = np.zeros(steps.OPTIONS)
    for name, value in given.items():
        out[getattr(steps, name.upper())] = value
    return out


@dataclass
class Weather:
    """What `particles.trace` reads; its times begin with hour 0."""

    volume: np.ndarray
    surface: np.ndarray
    place: np.ndarray
    heights: np.ndarray
    bounds: np.ndarray
    options: np.ndarray


def weather(flow=still, shape=(8, 10), hours=3, *, layer=LAYERS["neutral"], slope=0.0, metre=0.0, **changed):
    """Return weather of an analytic flow in which nothing moves at random horizontally unless `metre` is given."""
    heights = changed.pop("heights", HEIGHTS)
    return Weather(
        volume(flow, shape, hours, heights),
        surface(shape, hours, layer, slope=slope),
        place(shape, metre),
        heights,
        np.array([0, hours, hours + 1]),
        options(**changed),
    )


def releases(count, x, y, z, t, weight=None):
    """Return (count, 5) releases; the weights add to one."""
    out = np.empty((count, 5))
    for column, values in enumerate((x, y, z, t, 1 / count if weight is None else weight)):
        out[:, column] = values
    return out


@dataclass
class Run:
    """What `particles.trace` writes."""

    footprint: np.ndarray
    spread: np.ndarray
    end: np.ndarray

    @property
    def arrays(self):
        return self.footprint, self.spread, self.end


def trace(air_flow, start, travel, *, hour=None, seed=1, receptor=1, bins=6, shape=None, into=None):
    """Follow the particles of `start` for `travel` s; `shape` of the flux grid is the weather's by default.

    The footprint is added to `into`, if given.
    """
    if hour is None:
        hour = int(np.ceil(start[:, 3].max() / 3600)) - 1
    run = Run(
        np.zeros((bins, *(shape or air_flow.place.shape[:2]))) if into is None else into,
        np.zeros((bins, steps.SPREAD_COLUMNS)),
        np.full((start.shape[0], 5), -1.0),
    )
    particles.trace(
        air_flow.volume.reshape(-1), air_flow.surface.reshape(-1), air_flow.place, air_flow.heights, air_flow.bounds,
        air_flow.options, start, float(travel), hour, seed, receptor, *run.arrays,
    )  # fmt: skip
    return run
