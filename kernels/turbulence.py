"""Turbulence profiles of the boundary layer: standard deviation of vertical velocity, its gradient, and time scale.

Hanna (1982) in the form of Stohl et al. (2005, Atmos. Chem. Phys. 5, 2461, eqs. 6-20), whose unstable sigma_w is
smooth and has an analytic gradient. z above ground, h boundary-layer height, L Obukhov length, zeta = z / h:

    neutral  (h / |L| < 1)  sigma = 1.3 u* exp(-2e-4 z / u*)                T = 0.5 z / (sigma (1 + 1.5e-3 z / u*))
    unstable (L < 0)        sigma^2 = 1.2 w*^2 (1 - 0.9 zeta) zeta^(2/3) + (1.8 - 1.4 zeta) u*^2
                            T = 0.1 z / (sigma (0.55 - 0.38 z / |L|)) below |L|, 0.59 z / sigma below 0.1 h,
                                0.15 h / sigma (1 - exp(-5 zeta)) above
    stable   (L > 0)        sigma = 1.3 u* (1 - zeta)                       T = 0.1 h / sigma zeta^0.8
"""

from __future__ import annotations

import math

from kernels.jit import kernel

#: sigma_w never falls below this, m s-1: at the top of a stable layer the formula reaches zero
SIGMA_FLOOR = 0.01
#: the Lagrangian time scale never falls below this, s; the well-mixed state does not depend on it
TIME_FLOOR = 10.0
#: above the boundary layer: weak, constant turbulence (transport.md 1.3)
SIGMA_ABOVE = 0.1
TIME_ABOVE = 100.0


@kernel
def vertical_turbulence(
    z: float, h: float, friction_velocity: float, convective_velocity: float, obukhov: float
) -> tuple[float, float, float]:
    """Return (sigma_w m s-1, d sigma_w / dz s-1, T_Lw s) at height z.

    `convective_velocity` is w*, used when the layer is unstable; `obukhov` is L, m, negative when unstable.
    """
    if z >= h:
        return SIGMA_ABOVE, 0.0, TIME_ABOVE
    zeta = z / h
    if h < abs(obukhov):
        raw = 1.3 * friction_velocity * math.exp(-2e-4 * z / friction_velocity)
        slope = -2.6e-4 * math.exp(-2e-4 * z / friction_velocity)
        sigma = max(raw, SIGMA_FLOOR)
        time = 0.5 * z / (sigma * (1.0 + 1.5e-3 * z / friction_velocity))
    elif obukhov < 0.0:
        # below a thousandth of h the cube root's slope has no bound; the layer there is thinner than a sub-step
        low = max(zeta, 1e-3)
        root = low ** (1.0 / 3.0)
        convective = convective_velocity * convective_velocity
        shear = friction_velocity * friction_velocity
        raw = math.sqrt(1.2 * convective * (1.0 - 0.9 * low) * root * root + (1.8 - 1.4 * low) * shear)
        slope = 0.5 / (raw * h) * (convective * (0.8 / root - 1.8 * root * root) - 1.4 * shear)
        if zeta < low:
            slope = 0.0
        sigma = max(raw, SIGMA_FLOOR)
        if z < -obukhov:
            time = 0.1 * z / (sigma * (0.55 + 0.38 * z / obukhov))
        elif zeta < 0.1:
            time = 0.59 * z / sigma
        else:
            time = 0.15 * h / sigma * (1.0 - math.exp(-5.0 * zeta))
    else:
        raw = 1.3 * friction_velocity * (1.0 - zeta)
        slope = -1.3 * friction_velocity / h
        sigma = max(raw, SIGMA_FLOOR)
        time = 0.1 * h / sigma * zeta**0.8
    if raw < SIGMA_FLOOR:
        slope = 0.0
    return sigma, slope, max(time, TIME_FLOOR)
