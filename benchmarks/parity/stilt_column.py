"""STILT's turbulence in our winds: an emulator that shows where a difference from STILT comes from.

Not a transport model to use. Mean winds, boundary layer and outer step are our own; what differs is the vertical
turbulence, as in the STILT code (Lin et al. 2003, J. Geophys. Res. 108, 4493; its routines PARDSP and STBSND):

- profiles of Hanna (1982), constant between the levels of the internal grid: the value of the level below; the lowest
  layer reaches from the ground to the second level and has the value of the first, 10 m;
- sub-steps of 0.1 T_L, w' relaxed before the move (Euler), stopped at every level and there transmitted or reflected
  (Thomson et al. 1997); a thin layer above the boundary layer; weak turbulence above it.

HYSPLIT takes its internal levels, a k^2 + b k + c, from five sets: the first that has enough of them (METLVL).
"""

# compiled code has only this generator, seeded in `emulate`
# ruff: noqa: NPY002

from __future__ import annotations

import math

import numba
import numpy as np

from kernels import air
from kernels.steps import HORIZONTAL, HORIZONTAL_FLOOR
from kernels.turbulence import regime, vertical_turbulence

_njit = numba.njit(error_model="numpy")
#: profiles: as STILT has them, or ours
HANNA, OURS = 0, 1
#: horizontal turbulence: our rule, Hanna's sigma_u, the 0.2 m/s of the 2009 code, or our rule without its floor
RULE, HANNA_U, FLOOR, NO_FLOOR = 0, 1, 2, 3
#: memory of horizontal turbulence, s
_MEMORY = 10_800.0
_STEP = 60.0
_HOUR = 3600.0
#: molar mass of air in STILT's code, kg mol-1
MOLAR_MASS = 0.02884
#: sigma_w above the boundary layer, m s-1, as STILT's output shows it, and T_L there, s
_ABOVE, _TIME_ABOVE = 0.01, 100.0


def internal_levels(a: float, b: float, c: float, top: float) -> np.ndarray:
    """Return HYSPLIT's levels a k^2 + b k + c below `top`, (level,) m."""
    k = np.arange(1.0, 200.0)
    z = a * k * k + b * k + c
    return z[z < top]


@_njit
def _hanna(z, h, friction, convective, inverse_l):
    """Return sigma_w and T_L of Hanna (1982) as STBSND codes them."""
    zeta = z / h
    if inverse_l >= 0.0:
        sigma = max(1.3 * friction * (1.0 - zeta), 1e-5)
        return sigma, (_TIME_ABOVE if zeta >= 1.0 else 0.1 * h / sigma * zeta**0.8)
    obukhov = 1.0 / inverse_l
    low = 0.96 * (3.0 * zeta - obukhov / h) ** (1.0 / 3.0)
    if zeta < 0.03:
        shape = low
    elif zeta < 0.4:
        shape = min(low, 0.763 * zeta**0.175)
    elif zeta < 0.96:
        shape = 0.722 * (1.0 - zeta) ** 0.207
    else:
        shape = 0.37
    sigma = max(convective * shape, 1e-5)
    if zeta < 0.1 and z < -obukhov:
        return sigma, 0.1 * z / (sigma * (0.55 + 0.38 * z / obukhov))
    if zeta < 0.1:
        return sigma, 0.59 * z / sigma
    return sigma, 0.15 * h / sigma * (1.0 - math.exp(-5.0 * zeta))


@_njit
def _turbulence(form, z, here, h):
    """Return sigma_w and T_L at a level."""
    if z > h:
        return _ABOVE, _TIME_ABOVE
    friction, convective, inverse_l = here[air.FRICTION], here[air.CONVECTIVE], here[air.INVERSE_L]
    if form == HANNA:
        return _hanna(z, h, float(friction), float(convective), float(inverse_l))
    f = np.float32
    kind = regime(f(h), inverse_l)
    sigma, _, time = vertical_turbulence(f(min(z, 0.9999 * h)), f(h), f(1.0 / h), friction, convective, inverse_l, kind)
    return float(sigma), float(time)


@_njit
def _profile(form, levels, here, h, foot, sigma, time):
    """Put the foot of each layer, its sigma_w and its T_L into the last three; they are one longer than `levels`."""
    top = 0
    while levels[top] < h:
        top += 1
    n = 0
    for k in range(levels.size):
        if k == top + 1:
            # the thin layer has the turbulence of the level above it
            foot[n] = levels[top] + 0.05 * (levels[k] - levels[top])
            sigma[n], time[n] = _turbulence(form, levels[k], here, h)
            n += 1
        foot[n] = levels[k]
        sigma[n], time[n] = _turbulence(form, levels[k], here, h)
        n += 1


@_njit
def _cross(k, z, speed, foot, sigma, slope):
    """Return (layer, height, w') of a particle that has come to the edge of layer k."""
    if speed > 0.0:
        z = foot[k + 1]
        if k + 2 == foot.size:
            return k, z, -speed
        other = k + 1
    else:
        if k == 0:
            return k, 0.0, -speed
        z = foot[k]
        other = k - 1
    ratio = sigma[other] / sigma[k]
    if np.random.random() <= ratio * math.exp(slope * (foot[other] - foot[k])):
        return other, z, speed * ratio
    return k, z, -speed


@_njit
def _vertical(z, omega, foot, sigma, time, slope, depth):
    """Return (height, w' / sigma_w, s below `depth`) after one step."""
    k = 0
    while k + 2 < foot.size and foot[k + 1] <= z:
        k += 1
    speed = sigma[k] * omega
    left, below = _STEP, 0.0
    while left > 1e-9:
        d = min(left, 0.1 * time[k])
        keep = math.exp(-d / time[k])
        speed = keep * speed + math.sqrt(1.0 - keep * keep) * sigma[k] * np.random.normal()
        edge = foot[k + 1] if speed > 0.0 else (foot[k] if k > 0 else 0.0)
        distance = abs(edge - z)
        if distance >= abs(speed) * d:
            z += speed * d
        else:
            d = distance / abs(speed)
            k, z, speed = _cross(k, z, speed, foot, sigma, slope)
        if z < depth:
            below += d
        left -= d
    return z, speed / sigma[k], below


@_njit
def _sigma_u(rule, z, h, here, sigma_w):
    """Return the standard deviation of u' and of v'."""
    if rule == RULE:
        return max(HORIZONTAL * sigma_w, HORIZONTAL_FLOOR)
    if rule == NO_FLOOR:
        return HORIZONTAL * sigma_w
    if rule == FLOOR or z > h:
        return 0.2 if rule == FLOOR else HORIZONTAL_FLOOR
    friction, inverse_l = float(here[air.FRICTION]), float(here[air.INVERSE_L])
    if inverse_l < 0.0:
        return friction * (12.0 - 0.5 * h * inverse_l) ** (1.0 / 3.0)
    return max(2.0 * friction * (1.0 - z / h), HORIZONTAL_FLOOR)


@_njit
def _inside(place, x, y):
    """Return whether a point lies between the weather's outermost centres."""
    return 0.0 <= x < place.shape[1] - 1 and 0.0 <= y < place.shape[0] - 1


@_njit
def emulate(
    volume, surface, place, heights, bounds, interval, start, travel, hour,
    lowest, levels, form, rule, seed, field, tally,
):  # fmt: skip
    """Follow particles back; arrays and outputs as `kernels.particles.trace`, `tally` its `spread`.

    `levels` (level,) m, ascending from the first above ground; `form` HANNA or OURS; `rule` RULE,
    HANNA_U, FLOOR or NO_FLOOR.
    """
    np.random.seed(seed)
    table = air.level_table(heights)
    here = np.zeros(air.SURFACE_COLUMNS, np.float32)
    scratch = np.zeros(8, np.float32)
    foot, sigma, time = np.zeros(levels.size + 1), np.zeros(levels.size + 1), np.zeros(levels.size + 1)
    # a step's share of the horizontal memory; a new particle has none
    hold = math.exp(-_STEP / _MEMORY)
    for p in range(start.shape[0]):
        x, y, z, t = start[p, 0], start[p, 1], start[p, 2], start[p, 3]
        omega, side_u, side_v, keep, stop = 0.0, 0.0, 0.0, 0.0, start[p, 3] - travel
        while t > stop + 1e-6:
            before, after, share = air.time_slots(t, interval, bounds[0], bounds[1], bounds[2])
            u, v, w, _ = air.wind(volume, place, heights, table, x, y, z, before, after, share, scratch)
            air.ground(surface, place, x, y, before, after, share, here)
            h = max(float(here[air.LAYER]), lowest)
            slope, depth, from_z = float(here[air.DENSITY_SLOPE]), 0.5 * h, z
            _profile(form, levels, here, h, foot, sigma, time)
            z, omega, below = _vertical(z, omega, foot, sigma, time, slope, depth)
            spread = _sigma_u(rule, from_z, h, here, _turbulence(form, max(from_z, levels[0]), here, h)[0])
            gain = math.sqrt(1.0 - keep * keep) * spread
            side_u, side_v = keep * side_u + gain * np.random.normal(), keep * side_v + gain * np.random.normal()
            keep = hold
            dx, dy = _STEP * side_u * place[int(y), int(x), 2], _STEP * side_v * place[int(y), int(x), 3]
            t -= _STEP
            guess_x, guess_y = x - _STEP * u + dx, y - _STEP * v + dy
            if not _inside(place, guess_x, guess_y):
                break
            before, after, share = air.time_slots(t, interval, bounds[0], bounds[1], bounds[2])
            u2, v2, w2, _ = air.wind(
                volume, place, heights, table, guess_x, guess_y, abs(z - _STEP * w), before, after, share, scratch
            )
            new_x, new_y = x - 0.5 * _STEP * (u + u2) + dx, y - 0.5 * _STEP * (v + v2) + dy
            z = abs(z - 0.5 * _STEP * (w + w2))
            if not _inside(place, new_x, new_y):
                break
            column, row = air.locate(place, new_x, new_y)
            middle = air.locate(place, 0.5 * (x + new_x), 0.5 * (y + new_y))
            x, y = new_x, new_y
            if not (0.0 <= column < field.shape[2] and 0.0 <= row < field.shape[1]):
                break
            back = hour - math.floor((t + 0.5 * _STEP) / _HOUR)
            dry = float(here[air.DENSITY]) * math.exp(0.5 * slope * depth)
            field[back, int(middle[1]), int(middle[0])] += start[p, 4] * below * MOLAR_MASS / (depth * dry)
            if abs(t / _HOUR - round(t / _HOUR)) < 1e-9:
                tally[back] += np.array([1.0, column, row, column * column, row * row, z])
