"""Counter-based deviates: a pure function of (seed, receptor, particle, step), so that neither threads nor the order of
receptors change a result.

A particle's 64-bit key comes from the finaliser of SplitMix64 (Steele, Lea and Flood 2014, OOPSLA; constants of
Stafford's variant 13), applied once per part; each draw mixes the step's number with both halves of the key by a
32-bit finaliser of low bias (Wellons 2018, "prospector"; constants of Ettersperger), whose multiplications fit into
vector lanes. Box and Muller (1958) turn two words into two independent standard normal deviates.
"""

from __future__ import annotations

import math

import numpy as np

from kernels.elementary import cos_turns, log2
from kernels.jit import kernel, lane_kernel

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)

_U = np.uint32
_GOLDEN32, _OTHER32 = _U(0x9E3779B9), _U(0x85EBCA6B)
_A1, _A2 = _U(0x21F0AAAD), _U(0xD35A2D97)
_S16, _S15, _S8 = _U(16), _U(15), _U(8)
_LOW8 = _U(0xFF)
_F = np.float32
_ONE, _HALF, _QUARTER = _F(1.0), _F(0.5), _F(0.25)
_TO_24 = _F(1.0 / 16777216.0)
_TO_16 = _F(1.0 / 65536.0)
#: -2 ln u = -2 ln 2 log2 u
_RADIUS = _F(-2.0 * math.log(2.0))


@kernel
def mix(word: np.uint64) -> np.uint64:
    """Return the 64 bits scrambled: a bijection in which every input bit moves half of the output's."""
    word = (word ^ (word >> _S30)) * _M1
    word = (word ^ (word >> _S27)) * _M2
    return word ^ (word >> _S31)


@kernel
def stream_key(seed: int, receptor: int, particle: int) -> tuple[np.uint32, np.uint32]:
    """Return the two halves of the key of one particle's stream."""
    key = mix(np.uint64(seed) + _GOLDEN)
    key = mix(key ^ (np.uint64(receptor) * _GOLDEN + np.uint64(1)))
    key = mix(key ^ (np.uint64(particle) * _GOLDEN + np.uint64(2)))
    return np.uint32(key >> _S32), np.uint32(key)


@lane_kernel
def mix32(word: np.uint32) -> np.uint32:
    """Return the 32 bits scrambled."""
    # every result is cast back: integer expressions are promoted to 64 bits, which lanes cannot multiply
    word = _U(word ^ _U(word >> _S16))
    word = _U(word * _A1)
    word = _U(word ^ _U(word >> _S15))
    word = _U(word * _A2)
    return _U(word ^ _U(word >> _S15))


@lane_kernel
def deviates(high: np.uint32, low: np.uint32, step: np.uint32) -> tuple[np.float32, np.float32, np.float32]:
    """Return two standard normal deviates and one uniform in [0, 1) of one step of a stream, independent."""
    word = mix32(_U(_U(step * _GOLDEN32) + high))
    one = mix32(_U(word ^ low))
    other = mix32(_U(word + _U(low * _OTHER32) + _GOLDEN32))
    # half a unit off zero, so that the logarithm is finite; the largest deviate is 5.9
    radius = math.sqrt(_RADIUS * log2((_F(np.int32(_U(one >> _S8))) + _HALF) * _TO_24))
    angle = _F(np.int32(_U(other >> _S8))) * _TO_24
    turned = angle - _QUARTER if angle >= _QUARTER else angle + _F(0.75)
    # the lowest bytes of both words are in neither deviate
    rest = _U(_U(_U(one & _LOW8) << _S8) | _U(other & _LOW8))
    return radius * cos_turns(angle), radius * cos_turns(turned), _F(np.int32(rest)) * _TO_16
