"""Elementary functions of float32 as short polynomials, so that loops over lanes vectorise.

Without them every call would go to a scalar library routine. Bits of a float32 are read and written as integers, so
none of them branches. Relative errors, checked by tests against float64: exp2 1e-7, log2 3e-7 (absolute), cosine
3e-7 (absolute).
"""

from __future__ import annotations

import numpy as np

from kernels.jit import lane_kernel

_F = np.float32
_I = np.int32
#: adding 1.5 * 2^23 rounds a float32 to a whole number that then stands in its lowest bits
_ROUND, _ROUND_BITS = _F(12582912.0), _I(0x4B400000)
_BIAS, _MANTISSA_BITS = _I(127), _I(23)
_SQRT_HALF_BITS = _I(0x3F3504F3)
_MANTISSA = _I(0x007FFFFF)
_ONE, _HALF, _QUARTER = _F(1.0), _F(0.5), _F(0.25)
_LOWEST = _F(-126.0)

# minimax on [-1/2, 1/2] (degree 6)
_E6, _E5, _E4 = _F(1.5353362e-4), _F(1.33988e-3), _F(9.61844e-3)
_E3, _E2, _E1 = _F(5.550332e-2), _F(2.4022651e-1), _F(6.9314718e-1)
# log2((1 + s) / (1 - s)) = 2 / ln 2 (s + s^3 / 3 + s^5 / 5 + ...)
_L1, _L3, _L5, _L7, _L9 = (_F(2.0 / (np.log(2.0) * n)) for n in (1, 3, 5, 7, 9))
# cos(2 pi q) = sum of (-1)^n (2 pi q)^2n / (2n)!, on [-1/4, 1/4]
_C2, _C4, _C6, _C8, _C10, _C12 = (
    _F(value) for value in (-19.739208802, 64.939394023, -85.456817206, 60.244641372, -26.426256783, 7.9035363714)
)


@lane_kernel
def exp2(x: np.float32) -> np.float32:
    """Return 2^x; below -126 that of -126, which is zero for every use here."""
    x = max(x, _LOWEST)
    shifted = _F(x + _ROUND)
    whole = _I(shifted.view(np.int32) - _ROUND_BITS)
    r = x - (shifted - _ROUND)
    p = _E6
    p = p * r + _E5
    p = p * r + _E4
    p = p * r + _E3
    p = p * r + _E2
    p = p * r + _E1
    p = p * r + _ONE
    return p * _I(_I(whole + _BIAS) << _MANTISSA_BITS).view(np.float32)


@lane_kernel
def log2(x: np.float32) -> np.float32:
    """Return the logarithm to base 2 of a positive normal number."""
    bits = _I(_F(x).view(np.int32) - _SQRT_HALF_BITS)
    exponent = _I(bits >> _MANTISSA_BITS)
    m = _I(_I(bits & _MANTISSA) + _SQRT_HALF_BITS).view(np.float32)
    s = (m - _ONE) / (m + _ONE)
    q = s * s
    p = _L9
    p = p * q + _L7
    p = p * q + _L5
    p = p * q + _L3
    p = p * q + _L1
    return p * s + _F(exponent)


@lane_kernel
def cos_turns(v: np.float32) -> np.float32:
    """Return the cosine of v turns, v in [0, 1]."""
    # cos(2 pi v) = sin(2 pi (1/4 - t)) with t = |v - 1/2| - 1/2 folded into one half turn
    q = abs(v - _HALF) - _QUARTER
    return sin_quarter(q)


@lane_kernel
def sin_quarter(q: np.float32) -> np.float32:
    """Return the sine of q turns, q in [-1/4, 1/4], as the cosine of what is left to a quarter."""
    r = _QUARTER - abs(q)
    s = r * r
    p = _C12
    p = p * s + _C10
    p = p * s + _C8
    p = p * s + _C6
    p = p * s + _C4
    p = p * s + _C2
    value = p * s + _ONE
    return value if q >= _F(0.0) else -value
