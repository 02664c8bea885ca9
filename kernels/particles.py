"""Backward particles of one receptor, sixteen at a time.

Every particle goes its own way through time; a lane takes the next particle as soon as its own has ended. What a
particle does depends on its key alone, so the result does not depend on lanes, threads or the order of receptors.
"""

from __future__ import annotations

import numpy as np

from kernels import air, langevin, steps
from kernels.jit import kernel, part_kernel
from kernels.langevin import LANES, ROWS
from kernels.noise import deviates, stream_key


@kernel
def trace(
    volume: np.ndarray,
    surface: np.ndarray,
    place: np.ndarray,
    heights: np.ndarray,
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

    volume, surface, place, heights
        See `kernels.air`, the first two flat; heights : (level,) float32, m, ascend from 0.
    bounds : (3,) int64
        First and last index of the weather times at hand, and the number of slots.
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
    # a lane that never gets a particle is computed along: ones keep it finite
    state = np.ones(ROWS * LANES, np.float32)
    body = np.zeros((LANES, steps.COLUMNS), np.float64)
    here = np.zeros(air.SURFACE_COLUMNS, np.float32)
    table = air.level_table(heights)
    owner = np.full(LANES, -1, np.int64)
    following = 0
    active = LANES
    for lane in range(LANES):
        following = _next(
            volume, surface, place, heights, table, bounds, options, start, travel, seed, receptor, following,
            lane, state, body, here, footprint.shape, owner, end,
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
                volume, surface, place, heights, table, bounds, options, weight, hour, lane, state, body, here,
                footprint, spread,
            )  # fmt: skip
            if why == steps.TRAVELLING:
                continue
            _record(body, state, lane, why, owner[lane], end)
            following = _next(
                volume, surface, place, heights, table, bounds, options, start, travel, seed, receptor, following,
                lane, state, body, here, footprint.shape, owner, end,
            )  # fmt: skip
            if owner[lane] < 0:
                active -= 1


@part_kernel
def _next(
    volume: np.ndarray,
    surface: np.ndarray,
    place: np.ndarray,
    heights: np.ndarray,
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
        body[lane, steps.T] = t
        state[langevin.Z + lane] = z
        why = steps.put(place, x, y, shape, lane, body)
        if not bounds[0] * options[steps.STEP] < t <= bounds[1] * options[steps.STEP]:
            why = steps.WEATHER_ENDED
        if not 0.0 <= z <= options[steps.LID]:
            why = steps.LOST
        if why != steps.TRAVELLING:
            _record(body, state, lane, why, particle, end)
            continue
        _begin(
            volume, surface, place, heights, table, bounds, options, travel, seed, receptor, particle, lane, state,
            body, here,
        )  # fmt: skip
        owner[lane] = particle
        break
    return following


@part_kernel
def _begin(
    volume: np.ndarray,
    surface: np.ndarray,
    place: np.ndarray,
    heights: np.ndarray,
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
    body[lane, steps.RELEASE], body[lane, steps.AGE], body[lane, steps.NUMBER] = z, 0.0, 0.0
    body[lane, steps.RENEWED], body[lane, steps.PLUME] = 0.0, 0.0
    body[lane, steps.WANTED] = t - travel
    body[lane, steps.STOP] = max(t - travel, bounds[0] * options[steps.STEP])
    high, low = stream_key(seed, receptor, particle)
    state[langevin.HIGH + lane] = np.uint32(high).view(np.float32)
    state[langevin.LOW + lane] = np.uint32(low).view(np.float32)
    state[langevin.COUNT + lane] = np.uint32(1).view(np.float32)
    state[langevin.LID + lane] = options[steps.LID]
    first, _, _ = deviates(high, low, np.uint32(0))
    state[langevin.OMEGA + lane] = first
    before, after, share = air.time_slots(t, options[steps.STEP], bounds[0], bounds[1], bounds[2])
    u, v, w, slope = air.wind(volume, place, heights, table, x, y, z, before, after, share, here)
    body[lane, steps.U], body[lane, steps.V], body[lane, steps.W] = u, v, w
    steps.renew(surface, place, bounds, options, lane, state, body, here)
    steps.arm(options, lane, state, body, slope)


@part_kernel
def _record(body: np.ndarray, state: np.ndarray, lane: int, why: int, particle: int, end: np.ndarray) -> None:
    """Write where, when and why a particle ended."""
    end[particle, 0], end[particle, 1] = body[lane, steps.X], body[lane, steps.Y]
    end[particle, 2], end[particle, 3] = state[langevin.Z + lane], body[lane, steps.T]
    end[particle, 4] = why
