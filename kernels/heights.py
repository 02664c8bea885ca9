"""Fields of a weather column brought to fixed heights above ground."""

from __future__ import annotations

import math

import numpy as np

from kernels.jit import kernel


@kernel
def to_heights(
    source: np.ndarray,
    roughness: np.ndarray,
    fields: np.ndarray,
    ground: np.ndarray,
    targets: np.ndarray,
    out: np.ndarray,
) -> None:
    """Interpolate every column linearly in height.

    # l = level, k = target level, f = field

    source : (l, y, x) float32
        Heights above ground, ascending, m; those below ground are not used.
    roughness : (y, x) float32
        Roughness length z0, m.
    fields : (f, l, y, x) float32
        u, v, and then fields that are linear down to the ground.
    ground : (f, y, x) float32
        Their values there; those of u and v are not read.
    targets : (k,) float32
        Heights above ground wanted, from 0 up, m.
    out : (y, x, k, f) float32
        Result. Below the lowest level u and v follow the neutral logarithmic profile ln(1 + z / z0), zero at the
        ground; above the highest level everything keeps its value.
    """
    count, rows, columns = source.shape
    for y in range(rows):
        for x in range(columns):
            first = 0
            while first < count - 1 and source[first, y, x] <= 0.0:
                first += 1
            lowest = source[first, y, x]
            z0 = roughness[y, x]
            # one level below the highest at most, so that the one above exists
            level = min(first, count - 2)
            for k in range(targets.size):
                z = targets[k]
                if z < lowest:
                    shear = math.log1p(z / z0) / math.log1p(lowest / z0)
                    share = z / lowest
                    for f in range(fields.shape[0]):
                        first_value = fields[f, first, y, x]
                        if f < 2:
                            out[y, x, k, f] = first_value * shear
                        else:
                            out[y, x, k, f] = (1.0 - share) * ground[f, y, x] + share * first_value
                    continue
                while level < count - 2 and source[level + 1, y, x] <= z:
                    level += 1
                low, high = source[level, y, x], source[level + 1, y, x]
                share = min(max((z - low) / (high - low), 0.0), 1.0)
                for f in range(fields.shape[0]):
                    out[y, x, k, f] = (1.0 - share) * fields[f, level, y, x] + share * fields[f, level + 1, y, x]
