"""One outer step of a backward particle: mean wind, horizontal turbulence, and the footprint it leaves.

Outer step, at most OUTER s and never across an hour, backward in time (Heun's rule with the velocity at the predicted
point kept for the next step, which saves one interpolation and stays of second order):

    predict  X* = X - dt V_n        correct  X = X - dt (V_n + V*) / 2,   V_n+1 = V* at (X*, t - dt)

after the vertical moves of `kernels.langevin`. Horizontal turbulence is an Ornstein-Uhlenbeck velocity of standard
deviation sigma_u (Hanna 1982) and a long memory that stands for meandering too (HYSPLIT's HSCALE).

Footprint (Lin et al. 2003, J. Geophys. Res. 108, 4493, eq. 3): while a particle is below the dilution height d, flux of
the cell below it changes the mole fraction by  weight M / (d rho) per second,  rho the mean dry density below d.
"""

from __future__ import annotations

import math

import numpy as np

from kernels import air, langevin
from kernels.elementary import exp2
from kernels.jit import kernel
from kernels.noise import deviates
from kernels.turbulence import FRICTION_FLOOR, NEUTRAL, STABLE

#: longest outer step, s
OUTER = 60.0
#: an outer step moves at most this many weather cells
REACH = 0.75
HOUR = 3600.0
#: scale height of convective redistribution, m (HYSPLIT)
SCALE_HEIGHT = 9200.0
#: sigma_u above the boundary layer and at the top of a stable one, m s-1
HORIZONTAL_FLOOR = 0.14

# why a particle ended
TRAVELLING, TIME_UP, LEFT_GRID, LEFT_WEATHER, WEATHER_ENDED, LOST = range(6)

# entries of `options`
STEP, LID, LOWEST, DILUTION, MEMORY, NEAR_FIELD, CONVECTION_TIME, MOLAR_MASS = range(8)
OPTIONS = 8

# columns of `spread`: particles, and sums of column, row, their squares and height
SPREAD_COLUMNS = 6

# columns of a particle in float64: position in weather cells, time s, velocity, normalised horizontal turbulence,
# seconds of the outer step under way, change of mole fraction per unit flux and second m2 mol-1, release height m,
# travel time s, when it stops and when it should s, the number of outer steps, sigma_u at the ground m s-1 and the
# height mixed by convection m
X, Y, T, U, V, W, TURBULENT_U, TURBULENT_V, DT, PER_SECOND, RELEASE, AGE, STOP, WANTED, NUMBER = range(15)
SIGMA_U, CONVECTION = 15, 16
COLUMNS = 17
# sub-steps count from one; the draws of outer steps are numbered from here on, two each
OUTER_DRAWS = 0x40000000
#: -3e-4 / ln 2
_NEUTRAL_DECAY = np.float32(-3e-4 / math.log(2.0))


@kernel
def outside(place: np.ndarray, x: float, y: float, shape: tuple[int, int, int]) -> int:
    """Return TRAVELLING inside both grids, else which one a point is outside of."""
    if not (0.0 <= x < place.shape[1] - 1 and 0.0 <= y < place.shape[0] - 1):
        return LEFT_WEATHER if math.isfinite(x) and math.isfinite(y) else LOST
    column, row = air.locate(place, x, y)
    if not (0.0 <= column < shape[2] and 0.0 <= row < shape[1]):
        return LEFT_GRID
    return TRAVELLING


@kernel
def arm(options: np.ndarray, lane: int, state: np.ndarray, body: np.ndarray, here: np.ndarray, slope: float) -> None:
    """Set up the next outer step of a lane: its length, the layer the particle is in, and the dilution height."""
    t = body[lane, T]
    fastest = max(abs(body[lane, U]), abs(body[lane, V]), 1e-12)
    # back to the hour before, which is a whole hour away on the hour itself
    to_hour = t - HOUR * (math.ceil(t / HOUR) - 1.0)
    dt = min(OUTER, to_hour, REACH / fastest, t - body[lane, STOP])
    body[lane, DT] = dt
    state[langevin.LEFT + lane] = dt
    state[langevin.BELOW + lane] = np.float32(0.0)
    h = max(here[air.LAYER], np.float32(options[LOWEST]))
    friction = max(here[air.FRICTION], FRICTION_FLOOR)
    langevin.set_layer(state, lane, h, friction, here[air.CONVECTIVE], here[air.INVERSE_L], np.float32(slope))
    if body[lane, AGE] == 0.0:
        langevin.set_turbulence(state, lane)
    depth = options[DILUTION] * h
    if options[NEAR_FIELD] > 0.0:
        depth = min(depth, _plume_top(body[lane, RELEASE], body[lane, AGE] + 0.5 * dt, lane, state))
    state[langevin.DILUTION + lane] = depth
    # dry density falls exponentially: its mean below d is that at d / 2
    mass = depth * here[air.DENSITY] * math.exp(0.5 * depth * here[air.DENSITY_SLOPE])
    body[lane, PER_SECOND] = options[MOLAR_MASS] / mass
    body[lane, SIGMA_U], body[lane, CONVECTION] = here[air.HORIZONTAL], here[air.CONVECTION]


@kernel
def _plume_top(release: float, age: float, lane: int, state: np.ndarray) -> float:
    """Return the height the plume reaches after `age` s: Taylor (1921) with the particle's own sigma_w and T_L.

    After Fasoli et al. (2018, Geosci. Model Dev. 11, 2813, eq. 6), less its dimensional slips (transport.md 1.6).
    """
    sigma, time = state[langevin.SIGMA + lane], state[langevin.TIME + lane]
    s = age / time
    return max(release, 1.0) + sigma * time * math.sqrt(max(2.0 * (s - 1.0 + math.exp(-s)), 0.0))


@kernel
def _horizontal_sigma(lane: int, state: np.ndarray, at_ground: float) -> float:
    """Return sigma_u, m s-1, at the particle (Hanna 1982)."""
    return max(0.70711 * state[langevin.SIGMA + lane], HORIZONTAL_FLOOR)


@kernel
def _turbulent(
    place: np.ndarray, options: np.ndarray, lane: int, state: np.ndarray, body: np.ndarray
) -> tuple[float, float]:
    """Return the turbulent way of an outer step along x and y, weather cells, and mix by convection if asked."""
    dt = body[lane, DT]
    number = np.uint32(OUTER_DRAWS + 2 * int(body[lane, NUMBER]))
    body[lane, NUMBER] += 1.0
    high, low = np.float32(state[langevin.HIGH + lane]), np.float32(state[langevin.LOW + lane])
    first, second, uniform = deviates(high.view(np.uint32), low.view(np.uint32), number)
    if options[CONVECTION_TIME] > 0.0:
        top = min(body[lane, CONVECTION], options[LID])
        if state[langevin.Z + lane] < top and uniform < dt / options[CONVECTION_TIME]:
            _, _, where = deviates(high.view(np.uint32), low.view(np.uint32), np.uint32(number + np.uint32(1)))
            share = 1.0 - math.exp(-top / SCALE_HEIGHT)
            state[langevin.Z + lane] = -SCALE_HEIGHT * math.log(1.0 - where * share)
    keep = math.exp(-dt / options[MEMORY])
    gain = math.sqrt(1.0 - keep * keep) * _horizontal_sigma(lane, state, body[lane, SIGMA_U])
    body[lane, TURBULENT_U] = keep * body[lane, TURBULENT_U] + gain * first
    body[lane, TURBULENT_V] = keep * body[lane, TURBULENT_V] + gain * second
    x, y = int(body[lane, X]), int(body[lane, Y])
    return dt * body[lane, TURBULENT_U] * place[y, x, 2], dt * body[lane, TURBULENT_V] * place[y, x, 3]


@kernel
def _inside(z: float, lid: float) -> float:
    """Return the height reflected at the ground and the lid."""
    z = abs(z)
    return min(max(2.0 * lid - z, 0.0), lid) if z > lid else z


@kernel
def outer_step(
    weather: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    table: np.ndarray,
    bounds: np.ndarray,
    options: np.ndarray,
    weight: float,
    hour: int,
    lane: int,
    state: np.ndarray,
    body: np.ndarray,
    here: np.ndarray,
    footprint: np.ndarray,
    spread: np.ndarray,
) -> int:
    """Finish a lane's outer step and arm the next; return TRAVELLING or why the particle ended."""
    volume, surface, place, heights = weather
    dt = body[lane, DT]
    t = body[lane, T] - dt
    x, y = body[lane, X], body[lane, Y]
    u, v, w = body[lane, U], body[lane, V], body[lane, W]
    turbulent_x, turbulent_y = _turbulent(place, options, lane, state, body)
    z = float(state[langevin.Z + lane])
    guess_x, guess_y = x - dt * u + turbulent_x, y - dt * v + turbulent_y
    body[lane, T] = t
    if not (0.0 <= guess_x < place.shape[1] - 1 and 0.0 <= guess_y < place.shape[0] - 1):
        body[lane, X], body[lane, Y] = guess_x, guess_y
        return outside(place, guess_x, guess_y, footprint.shape)
    before, after, share = air.time_slots(t, options[STEP], bounds[0], bounds[1], volume.shape[0])
    guess_z = _inside(z - dt * w, options[LID])
    u2, v2, w2, slope = air.wind(volume, heights, table, guess_x, guess_y, guess_z, before, after, share)
    new_x, new_y = x - 0.5 * dt * (u + u2) + turbulent_x, y - 0.5 * dt * (v + v2) + turbulent_y
    _deposit(place, 0.5 * (x + new_x), 0.5 * (y + new_y), t + 0.5 * dt, weight, hour, lane, state, body, footprint)
    body[lane, X], body[lane, Y] = new_x, new_y
    body[lane, U], body[lane, V], body[lane, W] = u2, v2, w2
    body[lane, AGE] += dt
    state[langevin.Z + lane] = _inside(z - 0.5 * dt * (w + w2), options[LID])
    why = outside(place, new_x, new_y, footprint.shape)
    if why != TRAVELLING:
        return why
    _tally(place, hour, lane, state, body, spread)
    if t <= body[lane, STOP] + 1e-6:
        return WEATHER_ENDED if body[lane, STOP] > body[lane, WANTED] + 1e-6 else TIME_UP
    air.ground(surface, new_x, new_y, before, after, share, here)
    arm(options, lane, state, body, here, slope)
    return TRAVELLING


@kernel
def _deposit(
    place: np.ndarray,
    x: float,
    y: float,
    t: float,
    weight: float,
    hour: int,
    lane: int,
    state: np.ndarray,
    body: np.ndarray,
    footprint: np.ndarray,
) -> None:
    """Add the outer step's time below the dilution height to the cell at its middle."""
    seconds = state[langevin.BELOW + lane]
    if seconds <= 0.0:
        return
    column, row = air.locate(place, x, y)
    back = hour - math.floor(t / HOUR)
    if 0.0 <= column < footprint.shape[2] and 0.0 <= row < footprint.shape[1] and 0 <= back < footprint.shape[0]:
        footprint[back, int(row), int(column)] += weight * seconds * body[lane, PER_SECOND]


@kernel
def _tally(place: np.ndarray, hour: int, lane: int, state: np.ndarray, body: np.ndarray, spread: np.ndarray) -> None:
    """Count a particle that stands on a whole hour."""
    number = body[lane, T] / HOUR
    back = hour - math.floor(number + 0.5)
    if abs(number - math.floor(number + 0.5)) > 1e-9 or not 0 <= back < spread.shape[0]:
        return
    column, row = air.locate(place, body[lane, X], body[lane, Y])
    spread[back, 0] += 1.0
    spread[back, 1] += column
    spread[back, 2] += row
    spread[back, 3] += column * column
    spread[back, 4] += row * row
    spread[back, 5] += state[langevin.Z + lane]
