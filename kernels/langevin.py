"""Vertical motion of particles in inhomogeneous turbulence: the Langevin equation with drift and density correction.

For the normalised velocity omega = w' / sigma_w (Thomson 1987, J. Fluid Mech. 180, 529; density term of Stohl and
Thomson 1999, Boundary-Layer Meteorol. 90, 155):

    d omega = -omega / T_L dt + (d sigma_w / dz + sigma_w d ln rho / dz) dt + sqrt(2 / T_L) dW,   dz = sigma_w omega dt

stepped by the midpoint rule: half a step in height with the last sigma_w, the exact Ornstein-Uhlenbeck update with the
coefficients there, half a step in height with the new sigma_w. A sub-step is 0.2 T_L, 0.08 T_L in a stable layer. The
ground and the lid reflect. At the boundary-layer top, where sigma_w jumps, a particle crosses with probability
min(1, rho_2 sigma_2 / (rho_1 sigma_1)) and is reflected otherwise (Thomson et al. 1997, Atmos. Environ. 31, 1): what is
well mixed stays so on both sides.

Sixteen particles advance together, each by its own sub-step: `state` is one flat float32 array of ROWS rows of LANES
numbers, since separate arrays would have to be proven distinct before the loop may vectorise. Its rows are numbered
below.
"""

from __future__ import annotations

import math

import numpy as np

from kernels.elementary import exp2
from kernels.jit import lane_kernel
from kernels.noise import deviates
from kernels.turbulence import SIGMA_ABOVE, STABLE, regime, sigma_at_top, vertical_turbulence

LANES = 16
# what a sub-step changes: height m, omega, time left s, sigma_w and T_L of the last sub-step, its number (bits of a
# uint32), and the time spent below the dilution height, s
Z, OMEGA, LEFT, SIGMA, TIME, COUNT, BELOW = (row * LANES for row in range(7))
# what it reads: the stream's key (bits of two uint32), the layer, d ln rho / dz m-1, dilution height and lid m, share
# of T_L, and at the layer's top the lesser sigma_w of both sides, and the lower side's over the upper one's
HIGH, LOW, H, INVERSE_H, FRICTION, CONVECTIVE, INVERSE_L, KIND = (row * LANES for row in range(7, 15))
DENSITY_SLOPE, DILUTION, LID, SHARE, UPWARD, DOWNWARD = (row * LANES for row in range(15, 21))
ROWS = 21

_F = np.float32
#: shortest sub-step, s: bounds the work of a particle that lies at the ground
SHORTEST = _F(1.0)
#: a sub-step as a share of T_L
SHARE_DEFAULT, SHARE_STABLE = _F(0.2), _F(0.08)

_ZERO, _ONE, _TWO, _HALF = _F(0.0), _F(1.0), _F(2.0), _F(0.5)
_LOG2_E = _F(1.0 / math.log(2.0))
_NEXT = np.uint32(1)


@lane_kernel
def set_layer(
    state: np.ndarray,
    lane: int,
    h: np.float32,
    friction: np.float32,
    convective: np.float32,
    inverse_obukhov: np.float32,
) -> None:
    """Put the layer a particle is in into its lane of `state`."""
    inverse_h = _ONE / h
    kind = regime(h, inverse_obukhov)
    below = sigma_at_top(h, friction, convective, kind)
    state[H + lane] = h
    state[INVERSE_H + lane] = inverse_h
    state[FRICTION + lane] = friction
    state[CONVECTIVE + lane] = convective
    state[INVERSE_L + lane] = inverse_obukhov
    state[KIND + lane] = kind
    state[SHARE + lane] = SHARE_STABLE if kind == STABLE else SHARE_DEFAULT
    state[UPWARD + lane] = min(SIGMA_ABOVE, below)
    state[DOWNWARD + lane] = below / SIGMA_ABOVE


@lane_kernel
def set_turbulence(state: np.ndarray, lane: int) -> None:
    """Put sigma_w and T_L at the particle's height into its lane, for its first sub-step."""
    sigma, _, time = vertical_turbulence(
        state[Z + lane], state[H + lane], state[INVERSE_H + lane], state[FRICTION + lane],
        state[CONVECTIVE + lane], state[INVERSE_L + lane], state[KIND + lane],
    )  # fmt: skip
    state[SIGMA + lane] = sigma
    state[TIME + lane] = time


@lane_kernel
def half_move(
    z: np.float32,
    omega: np.float32,
    way: np.float32,
    h: np.float32,
    sigma: np.float32,
    upward: np.float32,
    downward: np.float32,
    uniform: np.float32,
) -> tuple[np.float32, np.float32]:
    """Move by `way` m at `sigma`; the ground reflects, the layer's top lets pass by chance (UPWARD, DOWNWARD).

    Below the top sigma_w varies: with the one the particle moves at, whatever it is, the flux upward is the downward
    one to the last digit; with the one at the top a layer of 200 m lost 2 % of its air.
    """
    to = z + way
    turned = to < _ZERO
    to = -to if turned else to
    crossed = (z < h) != (to < h)
    inverse = _ONE / sigma
    ratio = SIGMA_ABOVE * inverse if z < h else downward
    passed = uniform < (upward * inverse if z < h else downward)
    # beyond the top the rest of the way is made at the other side's speed; omega, being normalised, stays
    beyond = h + (to - h) * ratio if passed else abs(_TWO * h - to)
    back = turned != (crossed and not passed)
    return beyond if crossed else to, -omega if back else omega


@lane_kernel
def sub_step(state: np.ndarray) -> None:
    """Advance every lane by its own sub-step, at most by its time left; a lane without any stays as it is."""
    for i in range(LANES):
        z, omega, left = state[Z + i], state[OMEGA + i], state[LEFT + i]
        sigma, time = state[SIGMA + i], state[TIME + i]
        h, upward, downward, lid = state[H + i], state[UPWARD + i], state[DOWNWARD + i], state[LID + i]
        step = min(left, max(state[SHARE + i] * time, SHORTEST))
        half = _HALF * step
        number = _F(state[COUNT + i]).view(np.uint32)
        normal, _, uniform = deviates(_F(state[HIGH + i]).view(np.uint32), _F(state[LOW + i]).view(np.uint32), number)
        z, omega = half_move(z, omega, sigma * omega * half, h, sigma, upward, downward, uniform)
        sigma, slope, time = vertical_turbulence(
            z, h, state[INVERSE_H + i], state[FRICTION + i], state[CONVECTIVE + i], state[INVERSE_L + i],
            state[KIND + i],
        )  # fmt: skip
        keep = exp2(-step / time * _LOG2_E)
        drift = slope + sigma * state[DENSITY_SLOPE + i]
        omega = keep * omega + math.sqrt(_ONE - keep * keep) * normal + (_ONE - keep) * time * drift
        below = step if z < state[DILUTION + i] else _ZERO
        # the first half's uniform, turned by half: a particle seldom crosses twice in one sub-step
        uniform = uniform + _HALF if uniform < _HALF else uniform - _HALF
        inside = z < h
        z, omega = half_move(z, omega, sigma * omega * half, h, sigma, upward, downward, uniform)
        # the next sub-step starts on the side the particle is on now
        beside = SIGMA_ABOVE * downward if z < h else SIGMA_ABOVE
        sigma = sigma if (z < h) == inside else beside
        high = z > lid
        state[Z + i] = _TWO * lid - z if high else z
        state[OMEGA + i] = -omega if high else omega
        state[LEFT + i] = left - step
        state[SIGMA + i] = sigma
        state[TIME + i] = time
        state[COUNT + i] = np.uint32(number + _NEXT).view(np.float32)
        state[BELOW + i] += below
