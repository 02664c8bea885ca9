"""Backward particles of one receptor, sixteen at a time.

Every particle goes its own way through time; a lane takes the next particle as soon as its own has ended. What a
particle does depends on its key alone, so the result does not depend on lanes, threads or the order of receptors.
"""

from __future__ import annotations

import numpy as np

from kernels import air, langevin, steps
from kernels.jit import kernel
from kernels.langevin import LANES, ROWS
from kernels.noise import deviates, stream_key


@kernel
def trace(
    weather: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    bounds: np.ndarray,
    options: np.ndarray,
    start: np.ndarray,
    travel: float,
    hour: int,
    seed: int,
    receptor: int,
    footprint: np.ndarray,
    spread: np.ndarray,
    end: np.ndarray,
) -> None:
    """Follow the particles of one receptor.

    # p = particle, b = hour back, y, x = flux grid

    weather
        volume, surface, place and heights of `kernels.air`; heights : (level,) float32, m, ascend from 0.
    bounds : (2,) int64
        First and last index of the weather times at hand.
    options : (OPTIONS,) float64
        Seconds between weather times, lid m, lowest boundary layer m, dilution share, memory of horizontal turbulence
        s, whether the near field is diluted less (1 or 0), time scale of convective mixing s (0: none), molar mass of
        dry air kg mol-1.
    start : (p, 5) float64
        Column, row (weather cells between the first and the last centre), height m, time s, weight.
    travel
        Longest travel time, s.
    hour
        Flux hour of footprint[0]; footprint[b] is of hour - b. Hours and seconds count from one origin.
    seed, receptor
        Key of the turbulence; particles are numbered by their row in `start`.
    footprint : (b, y, x) float64
        Added to: m2 s mol-1.
    spread : (b, SPREAD_COLUMNS) float64
        Added to at the end of each hour: particles, sums of column and row (flux cells), their squares, and height.
    end : (p, 5) float64
        Column, row (weather cells), height, time of each particle's end, and why (TIME_UP, ...).
    """
    state = np.zeros(ROWS * LANES, np.float32)
    body = np.zeros((LANES, steps.COLUMNS), np.float64)
    here = np.zeros(air.SURFACE_COLUMNS, np.float32)
    table = air.level_table(weather[3])
    owner = np.full(LANES, -1, np.int64)
    following = 0
    active = LANES
    for lane in range(LANES):
        following = _next(
            weather, table, bounds, options, start, travel, seed, receptor, following, lane, state, body, here,
            footprint.shape, owner, end,
        )  # fmt: skip
        if owner[lane] < 0:
            active -= 1
    while active > 0:
        langevin.sub_step(state)
        for lane in range(LANES):
            if owner[lane] < 0 or state[langevin.LEFT + lane] > 1e-3:
                continue
            weight = start[owner[lane], 4]
            why = steps.outer_step(
                weather, table, bounds, options, weight, hour, lane, state, body, here, footprint, spread
            )
            if why == steps.TRAVELLING:
                continue
            _record(body, state, lane, why, owner[lane], end)
            following = _next(
                weather, table, bounds, options, start, travel, seed, receptor, following, lane, state, body, here,
                footprint.shape, owner, end,
            )  # fmt: skip
            if owner[lane] < 0:
                active -= 1


@kernel
def _next(
    weather: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    table: np.ndarray,
    bounds: np.ndarray,
    options: np.ndarray,
    start: np.ndarray,
    travel: float,
    seed: int,
    receptor: int,
    following: int,
    lane: int,
    state: np.ndarray,
    body: np.ndarray,
    here: np.ndarray,
    shape: tuple[int, int, int],
    owner: np.ndarray,
    end: np.ndarray,
) -> int:
    """Give a lane the next particle that can travel; return the number of the one after it."""
    owner[lane] = -1
    state[langevin.LEFT + lane] = np.float32(0.0)
    while following < start.shape[0]:
        particle = following
        following += 1
        x, y, z, t = start[particle, 0], start[particle, 1], start[particle, 2], start[particle, 3]
        body[lane, steps.X], body[lane, steps.Y], body[lane, steps.T] = x, y, t
        state[langevin.Z + lane] = z
        why = steps.outside(weather[2], x, y, shape)
        if not bounds[0] * options[steps.STEP] < t <= bounds[1] * options[steps.STEP]:
            why = steps.WEATHER_ENDED
        if not 0.0 <= z <= options[steps.LID]:
            why = steps.LOST
        if why != steps.TRAVELLING:
            _record(body, state, lane, why, particle, end)
            continue
        _begin(weather, table, bounds, options, travel, seed, receptor, particle, lane, state, body, here)
        owner[lane] = particle
        break
    return following


@kernel
def _begin(
    weather: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    table: np.ndarray,
    bounds: np.ndarray,
    options: np.ndarray,
    travel: float,
    seed: int,
    receptor: int,
    particle: int,
    lane: int,
    state: np.ndarray,
    body: np.ndarray,
    here: np.ndarray,
) -> None:
    """Draw a particle's first velocities and set up its first outer step."""
    x, y, t = body[lane, steps.X], body[lane, steps.Y], body[lane, steps.T]
    z = float(state[langevin.Z + lane])
    body[lane, steps.RELEASE], body[lane, steps.AGE], body[lane, steps.NUMBER] = z, 0.0, 1.0
    body[lane, steps.WANTED] = t - travel
    body[lane, steps.STOP] = max(t - travel, bounds[0] * options[steps.STEP])
    high, low = stream_key(seed, receptor, particle)
    state[langevin.HIGH + lane] = np.uint32(high).view(np.float32)
    state[langevin.LOW + lane] = np.uint32(low).view(np.float32)
    state[langevin.COUNT + lane] = np.uint32(1).view(np.float32)
    state[langevin.LID + lane] = options[steps.LID]
    first, _, _ = deviates(high, low, np.uint32(0))
    second, third, _ = deviates(high, low, np.uint32(steps.OUTER_DRAWS))
    state[langevin.OMEGA + lane] = first
    before, after, share = air.time_slots(t, options[steps.STEP], bounds[0], bounds[1], weather[0].shape[0])
    u, v, w, slope = air.wind(weather[0], weather[3], table, x, y, z, before, after, share)
    body[lane, steps.U], body[lane, steps.V], body[lane, steps.W] = u, v, w
    air.ground(weather[1], x, y, before, after, share, here)
    steps.arm(options, lane, state, body, here, slope)
    body[lane, steps.TURBULENT_U], body[lane, steps.TURBULENT_V] = 0.70711*state[langevin.SIGMA+lane]*second, 0.70711*state[langevin.SIGMA+lane]*third


@kernel
def _record(body: np.ndarray, state: np.ndarray, lane: int, why: int, particle: int, end: np.ndarray) -> None:
    """Write where, when and why a particle ended."""
    end[particle, 0], end[particle, 1] = body[lane, steps.X], body[lane, steps.Y]
    end[particle, 2], end[particle, 3] = state[langevin.Z + lane], body[lane, steps.T]
    end[particle, 4] = why
