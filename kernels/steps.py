"""One outer step of a backward particle: mean wind, horizontal turbulence, and the footprint it leaves.

Outer step, at most OUTER s and never across an hour, backward in time (Heun's rule with the velocity at the predicted
point kept for the next step, which saves one interpolation and stays of second order):

    predict  X* = X - dt V_n        correct  X = X - dt (V_n + V*) / 2,   V_n+1 = V* at (X*, t - dt)

after the vertical moves of `kernels.langevin`. Horizontal turbulence is an Ornstein-Uhlenbeck velocity of standard
deviation sigma_w / sqrt(2) and a long memory that stands for meandering too, as in HYSPLIT (HSCALE).

Footprint (Lin et al. 2003, J. Geophys. Res. 108, 4493, eq. 3): while a particle is below the dilution height d, flux of
the cell below it changes the mole fraction by  weight M / (d rho) per second,  rho the mean dry density below d.
"""

from __future__ import annotations

import math

import numpy as np

from kernels import air, langevin
from kernels.elementary import exp2
from kernels.jit import part_kernel
from kernels.noise import deviates
from kernels.turbulence import FRICTION_FLOOR

#: longest outer step, s
OUTER = 60.0
#: the layer, its turbulence and the horizontal velocity are renewed every so many outer steps
RENEW = 3
#: an outer step moves at most this many weather cells
REACH = 0.75
HOUR = 3600.0
#: scale height of convective redistribution, m (HYSPLIT)
SCALE_HEIGHT = 9200.0
#: horizontal turbulence along x and along y as a share of sigma_w: u'2 + v'2 = w'2 (HYSPLIT)
HORIZONTAL = 0.5**0.5
#: and at least this, m s-1: HYSPLIT's smallest mixing coefficient, 432 m2 s-1, over its memory, 10800 s, halved
HORIZONTAL_FLOOR = (0.5 * 432.0 / 10_800.0) ** 0.5

# why a particle ended
TRAVELLING, TIME_UP, LEFT_GRID, LEFT_WEATHER, WEATHER_ENDED, LOST = range(6)

# entries of `options`
STEP, LID, LOWEST, DILUTION, MEMORY, NEAR_FIELD, CONVECTION_TIME, MOLAR_MASS = range(8)
OPTIONS = 8

# columns of `spread`: particles, and sums of column, row, their squares and height
SPREAD_COLUMNS = 6

# columns of a particle in float64: position in weather cells, time s, velocity, horizontal turbulence m s-1, seconds of
# the outer step under way, change of mole fraction per unit flux and second m2 mol-1, release height m, travel time s,
# when it stops and when it should s, the number of outer steps, when its turbulence was renewed s, dry density at the
# ground kg m-3 and half its d ln rho / dz m-1, the position on the flux grid, and
# the variance of the plume's depth m2
X, Y, T, U, V, W, TURBULENT_U, TURBULENT_V, DT, PER_SECOND, RELEASE, AGE, STOP, WANTED, NUMBER = range(15)
RENEWED, DENSITY, HALF_SLOPE, COLUMN, ROW, PLUME = range(15, 21)
COLUMNS = 21
# sub-steps count from one; the draws of outer steps are numbered from here on, two each
OUTER_DRAWS = 0x40000000
_F = np.float32
_LOG2_E = _F(1.0 / math.log(2.0))


@part_kernel
def put(place: np.ndarray, x: float, y: float, shape: tuple[int, int, int], lane: int, body: np.ndarray) -> int:
    """Put a particle at a point; return TRAVELLING inside both grids, else which one it has left."""
    body[lane, X], body[lane, Y] = x, y
    if not (0.0 <= x < place.shape[1] - 1 and 0.0 <= y < place.shape[0] - 1):
        return LEFT_WEATHER if math.isfinite(x) and math.isfinite(y) else LOST
    column, row = air.locate(place, x, y)
    body[lane, COLUMN], body[lane, ROW] = column, row
    if not (0.0 <= column < shape[2] and 0.0 <= row < shape[1]):
        return LEFT_GRID
    return TRAVELLING


@part_kernel
def renew(
    surface: np.ndarray,
    place: np.ndarray,
    bounds: np.ndarray,
    options: np.ndarray,
    lane: int,
    state: np.ndarray,
    body: np.ndarray,
    here: np.ndarray,
) -> None:
    """Bring the layer a particle is in and its turbulence up to date."""
    before, after, share = air.time_slots(body[lane, T], options[STEP], bounds[0], bounds[1], bounds[2])
    air.ground(surface, place, body[lane, X], body[lane, Y], before, after, share, here)
    h = max(here[air.LAYER], np.float32(options[LOWEST]))
    friction = max(here[air.FRICTION], FRICTION_FLOOR)
    inside = state[langevin.Z + lane] < state[langevin.H + lane]
    langevin.set_layer(state, lane, h, friction, here[air.CONVECTIVE], here[air.INVERSE_L])
    # a particle the layer's top has passed goes on with the turbulence of the side it is on now
    if body[lane, AGE] == 0.0 or inside != (state[langevin.Z + lane] < h):
        langevin.set_turbulence(state, lane)
    # dry density falls exponentially: its mean below the dilution height d is that at d / 2
    body[lane, DENSITY], body[lane, HALF_SLOPE] = here[air.DENSITY], 0.5 * here[air.DENSITY_SLOPE]
    _turbulent(options, here[air.CONVECTION], lane, state, body)


@part_kernel
def arm(options: np.ndarray, lane: int, state: np.ndarray, body: np.ndarray, slope: float) -> None:
    """Set up the next outer step of a lane: its length, the density's slope, and the dilution height."""
    t = body[lane, T]
    fastest = max(abs(body[lane, U]), abs(body[lane, V]), 1e-12)
    # back to the hour before, which is a whole hour away on the hour itself
    to_hour = t - HOUR * (math.ceil(t / HOUR) - 1.0)
    dt = min(OUTER, to_hour, REACH / fastest, t - body[lane, STOP])
    body[lane, DT] = dt
    body[lane, NUMBER] += 1.0
    state[langevin.LEFT + lane] = dt
    state[langevin.BELOW + lane] = _F(0.0)
    state[langevin.DENSITY_SLOPE + lane] = slope
    depth = options[DILUTION] * state[langevin.H + lane]
    if options[NEAR_FIELD] > 0.0 and body[lane, PLUME] < depth * depth:
        depth = min(depth, _grow_plume(body[lane, AGE], dt, lane, state, body))
    state[langevin.DILUTION + lane] = depth
    mass = depth * body[lane, DENSITY] * exp2(_F(depth * body[lane, HALF_SLOPE]) * _LOG2_E)
    body[lane, PER_SECOND] = options[MOLAR_MASS] / mass


@part_kernel
def _grow_plume(age: float, dt: float, lane: int, state: np.ndarray, body: np.ndarray) -> float:
    """Let the plume grow over an outer step; return the height of its top at the step's middle, m above ground.

    d (sigma_z^2) / dt = 2 sigma_w^2 T_L (1 - exp(-t / T_L)), Taylor (1921, Proc. Lond. Math. Soc. 20, 196, eq. 18) with
    what the particle meets on its way; after Fasoli et al. (2018, Geosci. Model Dev. 11, 2813, eq. 6), less its
    dimensional slips. It never falls.
    """
    sigma, time = state[langevin.SIGMA + lane], state[langevin.TIME + lane]
    scale = 2.0 * sigma * sigma * time
    old, half = exp2(_F(-age) / time * _LOG2_E), exp2(_F(-0.5 * dt) / time * _LOG2_E)
    middle = body[lane, PLUME] + max(scale * (0.5 * dt - time * old * (_F(1.0) - half)), 0.0)
    body[lane, PLUME] += max(scale * (dt - time * old * (_F(1.0) - half * half)), 0.0)
    return max(body[lane, RELEASE], 1.0) + math.sqrt(middle)


@part_kernel
def _turbulent(options: np.ndarray, top: float, lane: int, state: np.ndarray, body: np.ndarray) -> None:
    """Renew the horizontal turbulent velocity after the time since it was last; mix by convection if asked."""
    number = np.uint32(OUTER_DRAWS + 2 * int(body[lane, NUMBER]))
    high, low = _F(state[langevin.HIGH + lane]), _F(state[langevin.LOW + lane])
    first, second, uniform = deviates(high.view(np.uint32), low.view(np.uint32), number)
    passed = body[lane, AGE] - body[lane, RENEWED]
    body[lane, RENEWED] = body[lane, AGE]
    top = min(top, options[LID])
    mixes = options[CONVECTION_TIME] > 0.0 and uniform * options[CONVECTION_TIME] < passed
    if mixes and state[langevin.Z + lane] < top:
        _, _, where = deviates(high.view(np.uint32), low.view(np.uint32), np.uint32(number + np.uint32(1)))
        share = 1.0 - math.exp(-top / SCALE_HEIGHT)
        state[langevin.Z + lane] = -SCALE_HEIGHT * math.log(1.0 - where * share)
        # the wind follows one step later
        langevin.set_turbulence(state, lane)
    # a new particle has forgotten everything
    keep = exp2(_F(-passed / options[MEMORY]) * _LOG2_E) if passed > 0.0 else _F(0.0)
    gain = math.sqrt(1.0 - keep * keep) * max(HORIZONTAL * state[langevin.SIGMA + lane], HORIZONTAL_FLOOR)
    body[lane, TURBULENT_U] = keep * body[lane, TURBULENT_U] + gain * first
    body[lane, TURBULENT_V] = keep * body[lane, TURBULENT_V] + gain * second


@part_kernel
def _inside(z: float, lid: float) -> float:
    """Return the height reflected at the ground and the lid."""
    z = abs(z)
    return min(max(2.0 * lid - z, 0.0), lid) if z > lid else z


@part_kernel
def outer_step(
    volume: np.ndarray,
    surface: np.ndarray,
    place: np.ndarray,
    heights: np.ndarray,
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
    dt = body[lane, DT]
    t = body[lane, T] - dt
    x, y = body[lane, X], body[lane, Y]
    u, v, w = body[lane, U], body[lane, V], body[lane, W]
    turbulent_x = dt * body[lane, TURBULENT_U] * place[int(y), int(x), 2]
    turbulent_y = dt * body[lane, TURBULENT_V] * place[int(y), int(x), 3]
    z = float(state[langevin.Z + lane])
    guess_x, guess_y = x - dt * u + turbulent_x, y - dt * v + turbulent_y
    body[lane, T] = t
    if not (0.0 <= guess_x < place.shape[1] - 1 and 0.0 <= guess_y < place.shape[0] - 1):
        return put(place, guess_x, guess_y, footprint.shape, lane, body)
    before, after, share = air.time_slots(t, options[STEP], bounds[0], bounds[1], bounds[2])
    guess_z = _inside(z - dt * w, options[LID])
    u2, v2, w2, slope = air.wind(volume, place, heights, table, guess_x, guess_y, guess_z, before, after, share, here)
    new_x, new_y = x - 0.5 * dt * (u + u2) + turbulent_x, y - 0.5 * dt * (v + v2) + turbulent_y
    column, row = body[lane, COLUMN], body[lane, ROW]
    why = put(place, new_x, new_y, footprint.shape, lane, body)
    if why <= LEFT_GRID:
        middle = 0.5 * (column + body[lane, COLUMN]), 0.5 * (row + body[lane, ROW])
        _deposit(middle, t + 0.5 * dt, weight, hour, lane, state, body, footprint)
    body[lane, U], body[lane, V], body[lane, W] = u2, v2, w2
    body[lane, AGE] += dt
    state[langevin.Z + lane] = _inside(z - 0.5 * dt * (w + w2), options[LID])
    if why != TRAVELLING:
        return why
    _tally(hour, lane, state, body, spread)
    if t <= body[lane, STOP] + 1e-6:
        return WEATHER_ENDED if body[lane, STOP] > body[lane, WANTED] + 1e-6 else TIME_UP
    if int(body[lane, NUMBER]) % RENEW == 0:
        renew(surface, place, bounds, options, lane, state, body, here)
    arm(options, lane, state, body, slope)
    return TRAVELLING


@part_kernel
def _deposit(
    at: tuple[float, float],
    t: float,
    weight: float,
    hour: int,
    lane: int,
    state: np.ndarray,
    body: np.ndarray,
    footprint: np.ndarray,
) -> None:
    """Add the outer step's time below the dilution height to the cell at its middle."""
    column, row = at
    back = hour - math.floor(t / HOUR)
    if 0.0 <= column < footprint.shape[2] and 0.0 <= row < footprint.shape[1] and 0 <= back < footprint.shape[0]:
        footprint[back, int(row), int(column)] += weight * state[langevin.BELOW + lane] * body[lane, PER_SECOND]


@part_kernel
def _tally(hour: int, lane: int, state: np.ndarray, body: np.ndarray, spread: np.ndarray) -> None:
    """Count a particle that stands on a whole hour."""
    number = math.floor(body[lane, T] / HOUR + 0.5)
    back = hour - number
    if abs(body[lane, T] - number * HOUR) > 1e-6 or not 0 <= back < spread.shape[0]:
        return
    column, row = body[lane, COLUMN], body[lane, ROW]
    spread[back, 0] += 1.0
    spread[back, 1] += column
    spread[back, 2] += row
    spread[back, 3] += column * column
    spread[back, 4] += row * row
    spread[back, 5] += state[langevin.Z + lane]
