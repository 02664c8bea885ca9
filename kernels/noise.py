"""Counter-based normal deviates: a pure function of (seed, receptor, particle, step), so that neither threads nor the
order of receptors change a result.

The counter is mixed by the finaliser of SplitMix64 (Steele, Lea and Flood 2014, OOPSLA; constants of Stafford's
variant 13), applied once per part of the key; two 32-bit halves give two uniforms, and Box and Muller (1958) two
independent standard normal deviates.
"""

from __future__ import annotations

import math

import numpy as np

from kernels.jit import kernel

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_TO_UNIT = 1.0 / 4294967296.0


@kernel
def mix(word: np.uint64) -> np.uint64:
    """Return the 64 bits scrambled: a bijection in which every input bit moves half of the output's."""
    word = (word ^ (word >> _S30)) * _M1
    word = (word ^ (word >> _S27)) * _M2
    return word ^ (word >> _S31)


@kernel
def stream_key(seed: int, receptor: int, particle: int) -> np.uint64:
    """Return the key of one particle's stream."""
    key = mix(np.uint64(seed) + _GOLDEN)
    key = mix(key ^ (np.uint64(receptor) * _GOLDEN + np.uint64(1)))
    return mix(key ^ (np.uint64(particle) * _GOLDEN + np.uint64(2)))


@kernel
def normal_pair(key: np.uint64, step: int) -> tuple[float, float]:
    """Return two independent standard normal deviates of one step of a stream."""
    bits = mix(key + _GOLDEN * np.uint64(step))
    # half a unit off zero, so that the logarithm is finite; the largest deviate is 6.7
    u = (float(bits >> _S32) + 0.5) * _TO_UNIT
    v = float(bits & _LOW) * _TO_UNIT
    radius = math.sqrt(-2.0 * math.log(u))
    angle = 2.0 * math.pi * v
    return radius * math.cos(angle), radius * math.sin(angle)


@kernel
def fill_normals(seed: int, receptor: int, particle: int, out: np.ndarray) -> None:
    """Fill out : (step, 2) with the first deviates of one stream."""
    key = stream_key(seed, receptor, particle)
    for step in range(out.shape[0]):
        out[step, 0], out[step, 1] = normal_pair(key, step)
