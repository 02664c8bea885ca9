"""Turbulence profiles of the boundary layer: standard deviation of vertical velocity, its gradient, and time scale.

Hanna (1982) in the form of Stohl et al. (2005, Atmos. Chem. Phys. 5, 2461, eqs. 6-20), whose unstable sigma_w is
smooth and has an analytic gradient. z above ground, h boundary-layer height, L Obukhov length, zeta = z / h:

    neutral  (h / |L| < 1)  sigma = 1.3 u* exp(-2e-4 z / u*)                T = 0.5 z / (sigma (1 + 1.5e-3 z / u*))
    unstable (L < 0)        sigma^2 = 1.2 w*^2 (1 - 0.9 zeta) zeta^(2/3) + (1.8 - 1.4 zeta) u*^2
                            T = 0.1 z / (sigma (0.55 - 0.38 z / |L|)) below |L|, 0.59 z / sigma below 0.1 h,
                                0.15 h / sigma (1 - exp(-5 zeta)) above
    stable   (L > 0)        sigma = 1.3 u* (1 - zeta)                       T = 0.1 h / sigma zeta^0.8

The three are evaluated together without a branch, in float32, so that particles of different regimes share a vector.
"""

from __future__ import annotations

import math

import numpy as np

from kernels.elementary import exp2, log2
from kernels.jit import lane_kernel

_F = np.float32
#: sigma_w never falls below this, m s-1: at the top of a stable layer the formula reaches zero
SIGMA_FLOOR = _F(0.01)
#: the Lagrangian time scale never falls below this, s; the well-mixed state does not depend on it
TIME_FLOOR = _F(10.0)
#: above the boundary layer: weak, constant turbulence, for Hanna's formulas end there
SIGMA_ABOVE = _F(0.1)
TIME_ABOVE = _F(100.0)
#: friction velocity never falls below this, m s-1
FRICTION_FLOOR = _F(0.01)

#: the regime of a layer
NEUTRAL, UNSTABLE, STABLE = _F(0.0), _F(1.0), _F(2.0)

_ZERO, _ONE, _HALF = _F(0.0), _F(1.0), _F(0.5)
_LOG2_E = _F(1.0 / math.log(2.0))
_THIRD = _F(1.0 / 3.0)
#: below a thousandth of h the cube root's slope has no bound; the layer there is thinner than a sub-step
_LOWEST_ZETA = _F(1e-3)


@lane_kernel
def regime(h: np.float32, inverse_obukhov: np.float32) -> np.float32:
    """Return NEUTRAL, UNSTABLE or STABLE for a layer of height h, m, and 1 / L, m-1."""
    if h * abs(inverse_obukhov) < _ONE:
        return NEUTRAL
    return UNSTABLE if inverse_obukhov < _ZERO else STABLE


@lane_kernel
def vertical_turbulence(
    z: np.float32,
    h: np.float32,
    inverse_h: np.float32,
    friction: np.float32,
    convective: np.float32,
    inverse_obukhov: np.float32,
    kind: np.float32,
) -> tuple[np.float32, np.float32, np.float32]:
    """Return (sigma_w m s-1, d sigma_w / dz s-1, T_Lw s) at height z.

    `friction` is u*, `convective` w*, used when the layer is unstable; `kind` is the layer's `regime`.
    """
    unstable = kind == UNSTABLE
    stable = kind == STABLE
    zeta = z * inverse_h
    low = max(zeta, _LOWEST_ZETA)
    power = exp2(log2(low) * (_THIRD if unstable else _F(0.8)))
    over_friction = _ONE / friction
    decay = exp2((_F(-5.0) * inverse_h if unstable else _F(-2e-4) * over_friction) * _LOG2_E * z)
    buoyant, shear = convective * convective, friction * friction
    square = _F(1.2) * buoyant * (_ONE - _F(0.9) * low) * power * power + (_F(1.8) - _F(1.4) * low) * shear
    raw_unstable = _F(math.sqrt(max(square, _F(1e-8))))
    bend = buoyant * (_F(0.8) / power - _F(1.8) * power * power) - _F(1.4) * shear
    slope_unstable = _HALF * inverse_h * bend / raw_unstable if zeta >= low else _ZERO
    mechanical = _F(1.3) * friction
    raw_other = mechanical * (_ONE - zeta) if stable else mechanical * decay
    slope_other = -mechanical * inverse_h if stable else _F(-2.6e-4) * decay
    raw = raw_unstable if unstable else raw_other
    slope = slope_unstable if unstable else slope_other
    sigma = max(raw, SIGMA_FLOOR)
    slope = slope if raw > SIGMA_FLOOR else _ZERO
    # T_L = length / (sigma * correction)
    near = z * abs(inverse_obukhov) < _ONE
    length_unstable = _F(0.1) * z if near else (_F(0.59) * z if zeta < _F(0.1) else _F(0.15) * h * (_ONE - decay))
    length_other = _F(0.1) * h * power if stable else _HALF * z
    length = length_unstable if unstable else length_other
    correct_unstable = _F(0.55) + _F(0.38) * z * inverse_obukhov if near else _ONE
    correct_other = _ONE if stable else _ONE + _F(1.5e-3) * z * over_friction
    correct = correct_unstable if unstable else correct_other
    time = max(length / (sigma * correct), TIME_FLOOR)
    above = z >= h
    return (
        SIGMA_ABOVE if above else sigma,
        _ZERO if above else slope,
        TIME_ABOVE if above else time,
    )


@lane_kernel
def sigma_at_top(h: np.float32, friction: np.float32, convective: np.float32, kind: np.float32) -> np.float32:
    """Return sigma_w, m s-1, just below the layer's top: `vertical_turbulence` at zeta = 1."""
    if kind == UNSTABLE:
        raw = _F(math.sqrt(_F(0.12) * convective * convective + _F(0.4) * friction * friction))
    elif kind == STABLE:
        raw = _ZERO
    else:
        raw = _F(1.3) * friction * exp2(_F(-2e-4) * _LOG2_E * h / friction)
    return max(raw, SIGMA_FLOOR)
