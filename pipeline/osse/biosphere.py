"""Net ecosystem exchange of the simulated province: light-use efficiency and respiration, driven by the weather.

The equations are those of VPRM (Mahadevan et al. 2008, Global Biogeochem. Cycles 22, GB2005, eqs. 1-9):

    GEE = efficiency T_scale P_scale W_scale EVI light / (1 + light / half_light),  R = slope T + base

with short-wave radiation as light, in W m-2. Parameters are of the size of published ones and illustrative.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.grid import Grid
from pipeline.osse.landscape import Landscape
from pipeline.osse.pattern import KM_PER_DEGREE
from pipeline.osse.world import World

#: temperatures between which leaves work, and that at which they work best, degrees Celsius
_LEAST, _MOST, _BEST = 0.0, 45.0, 26.0
#: one-sigma share by which the index of greenness varies from place to place
_PATCHY = 0.10


@dataclass(frozen=True)
class Vegetation:
    """One land class in July.

    Parameters
    ----------
    efficiency
        umol m-2 s-1 per W m-2 of light at full greenness.
    half_light
        W m-2 at which uptake is half of what it could be.
    greenness
        Enhanced vegetation index.
    wet
        W_scale: 1 where water never lacks; leaves are grown, so P_scale is 1.
    slope, base
        Respiration: umol m-2 s-1 per degree Celsius, and umol m-2 s-1.
    """

    efficiency: float
    half_light: float
    greenness: float
    wet: float
    slope: float
    base: float


FOREST = Vegetation(efficiency=0.18, half_light=390.0, greenness=0.52, wet=0.92, slope=0.19, base=0.6)
CROP = Vegetation(efficiency=0.16, half_light=620.0, greenness=0.42, wet=1.0, slope=0.13, base=0.5)
TOWN = Vegetation(efficiency=0.14, half_light=500.0, greenness=0.16, wet=0.85, slope=0.06, base=0.2)


def exchange(
    ground: Landscape,
    light: np.ndarray,
    celsius: np.ndarray,
    *,
    green: np.ndarray | float = 1.0,
    uptake_factor: float = 1.0,
    respiration_factor: float = 1.0,
) -> np.ndarray:
    """Return net ecosystem exchange, umol m-2 s-1, positive upward: (time, y, x) float32.

    Parameters
    ----------
    ground
        Land classes; the sea exchanges nothing.
    light, celsius : (time, cell) float32
        Of `weather_on`.
    green
        Factor on the vegetation index, by cell.
    uptake_factor, respiration_factor
        1 for the truth; a model's errors otherwise.
    """
    warm = (celsius - _LEAST) * (celsius - _MOST)
    scale = np.clip(warm / (warm - (celsius - _BEST) ** 2), 0.0, None)
    net = np.zeros_like(light)
    for share, kind in ((ground.forest, FOREST), (ground.crop, CROP), (ground.urban, TOWN)):
        leaves = np.asarray(uptake_factor * kind.efficiency * kind.greenness * kind.wet * share * green, np.float32)
        soil = np.asarray(respiration_factor * share, np.float32).ravel()
        net -= leaves.ravel() * (scale * light / (1 + light / np.float32(kind.half_light)))
        net += soil * (np.float32(kind.slope) * celsius + np.float32(kind.base))
    return net.reshape(-1, *ground.land.shape)


def greenness(grid: Grid, world: World) -> np.ndarray:
    """Return how green each cell is over the mean of its class: (y, x), smooth patches that no model knows."""
    lon, lat = grid.lonlat
    east, north = lon * KM_PER_DEGREE * np.cos(np.radians(29.0)), lat * KM_PER_DEGREE
    waves = np.zeros(grid.shape)
    for angle, length, phase in world.patches:
        waves += np.cos(2 * np.pi * (east * np.cos(angle) + north * np.sin(angle)) / length + phase)
    # waves of random phase sum to a field of variance count / 2
    out: np.ndarray = 1 + _PATCHY * waves / np.sqrt(0.5 * len(world.patches))
    return out
