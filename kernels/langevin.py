"""Vertical motion of a particle in inhomogeneous turbulence: the Langevin equation with drift and density correction.

For the normalised velocity omega = w' / sigma_w (Thomson 1987, J. Fluid Mech. 180, 529; density term of Stohl and
Thomson 1999, Boundary-Layer Meteorol. 90, 155):

    d omega = -omega / T_L dt + (d sigma_w / dz + sigma_w d ln rho / dz) dt + sqrt(2 / T_L) dW,   dz = sigma_w omega dt

stepped by the midpoint rule: half a step in height, the exact Ornstein-Uhlenbeck update with the coefficients there,
half a step in height. The ground reflects. At the boundary-layer top, where sigma_w jumps, a particle crosses with
probability min(1, rho_2 sigma_2 / (rho_1 sigma_1)) and is reflected otherwise (Thomson et al. 1997, Atmos. Environ.
31, 1): what is well mixed stays so on both sides.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from kernels.jit import kernel, parallel_kernel
from kernels.noise import normal_pair, stream_key
from kernels.turbulence import vertical_turbulence

#: shortest sub-step, s: bounds the work of a particle that lies at the ground
SHORTEST = 1.0


@kernel
def half_move(z: float, omega: float, sigma: float, half: float) -> tuple[float, float]:
    """Move for half a sub-step; the ground reflects."""
    z = z + sigma * omega * half
    if z < 0.0:
        return -z, -omega
    return z, omega


@kernel
def vertical_step(
    z: float,
    omega: float,
    h: float,
    friction_velocity: float,
    convective_velocity: float,
    obukhov: float,
    log_density_slope: float,
    longest: float,
    fraction: float,
    deviate: float,
    uniform: float,
) -> tuple[float, float, float]:
    """Advance one sub-step; return (z m, omega, seconds taken).

    `log_density_slope` is d ln rho / dz, m-1; the sub-step is `fraction` of T_L at the start, at most `longest` s.
    `deviate` is a standard normal, `uniform` in [0, 1) decides a crossing of the layer's top.
    """
    sigma, _, time = vertical_turbulence(z, h, friction_velocity, convective_velocity, obukhov)
    step = min(longest, max(fraction * time, SHORTEST))
    inside = z < h
    z, omega = half_move(z, omega, sigma, 0.5 * step)
    if (z < h) != inside:
        z, omega = cross(z, omega, h, friction_velocity, convective_velocity, obukhov, uniform)
        inside = z < h
    sigma, slope, time = vertical_turbulence(z, h, friction_velocity, convective_velocity, obukhov)
    keep = math.exp(-step / time)
    drift = slope + sigma * log_density_slope
    omega = keep * omega + math.sqrt(1.0 - keep * keep) * deviate + (1.0 - keep) * time * drift
    z, omega = half_move(z, omega, sigma, 0.5 * step)
    if (z < h) != inside:
        # the first half's uniform, turned by half: a particle seldom crosses twice in one sub-step
        turned = uniform + 0.5 if uniform < 0.5 else uniform - 0.5
        z, omega = cross(z, omega, h, friction_velocity, convective_velocity, obukhov, turned)
    return z, omega, step


@kernel
def cross(
    z: float,
    omega: float,
    h: float,
    friction_velocity: float,
    convective_velocity: float,
    obukhov: float,
    uniform: float,
) -> tuple[float, float]:
    """Let a particle that stepped over the layer's top pass, or reflect it there; return (z, omega)."""
    below, _, _ = vertical_turbulence(h * (1.0 - 1e-9), h, friction_velocity, convective_velocity, obukhov)
    above, _, _ = vertical_turbulence(h, h, friction_velocity, convective_velocity, obukhov)
    upward = z >= h
    ratio = above / below if upward else below / above
    if uniform < ratio:
        # the rest of the way is made at the other side's speed; omega, being normalised, stays
        return h + (z - h) * ratio, omega
    return 2.0 * h - z, -omega


def _mix_column(
    z: np.ndarray,
    omega: np.ndarray,
    seconds: float,
    top: float,
    layer: np.ndarray,
    fraction: float,
    seed: int,
) -> None:
    """Advance a column of particles in place for `seconds`.

    # p = particle    (p), (p) -> (p), (p)

    `layer` holds h, u*, w*, L and d ln rho / dz; the column's top reflects.
    """
    h, friction, convective, obukhov, slope = layer[0], layer[1], layer[2], layer[3], layer[4]
    for p in prange(z.shape[0]):
        key = stream_key(seed, 0, p)
        remaining = seconds
        height = z[p]
        velocity = omega[p]
        count = 0
        while remaining > 1e-9:
            deviate, other = normal_pair(key, count)
            count += 1
            # the second deviate's rank is the uniform
            uniform = 0.5 * math.erfc(other / math.sqrt(2.0))
            height, velocity, taken = vertical_step(
                height, velocity, h, friction, convective, obukhov, slope, remaining, fraction, deviate, uniform
            )
            if height > top:
                height, velocity = 2.0 * top - height, -velocity
            remaining -= taken
        z[p] = height
        omega[p] = velocity


mix_column_serial = kernel(_mix_column)
mix_column = parallel_kernel(_mix_column)
