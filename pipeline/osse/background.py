"""The air carried into the simulated province, and the estimate of it that the case is given."""

from __future__ import annotations

import numpy as np

from pipeline.osse.world import World
from pipeline.schema import HOUR

#: ppm, about what the marine air east of the province holds in July
_MEAN = 424.0


def simulate_background(
    times: np.ndarray, world: World, *, error: float, memory: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return (true, estimated) background mole fractions by hour, ppm.

    Parameters
    ----------
    times : (time,) datetime64[ns]
        Hour starts, UTC.
    world
        Stream of the error.
    error
        One-sigma error of the estimate, ppm.
    memory
        e-folding time of the error, hours.
    """
    rng = world.background_rng
    hours = (times - times[0]) / HOUR
    phase = rng.uniform(0, 2 * np.pi, 2)
    estimate = _MEAN + 2.0 * np.sin(2 * np.pi * hours / 70 + phase[0]) + 0.5 * np.cos(2 * np.pi * hours / 24 + phase[1])
    return estimate + first_order(times.size, error, memory, rng), estimate


def first_order(count: int, sigma: float, memory: float, rng: np.random.Generator) -> np.ndarray:
    """Return a stationary series with covariance sigma^2 exp(-|k| / memory): (count,)."""
    keep = np.exp(-1 / memory)
    shocks = rng.normal(0, sigma, count)
    shocks[1:] *= np.sqrt(1 - keep**2)
    for i in range(1, count):
        shocks[i] += keep * shocks[i - 1]
    return shocks
