"""What chance alone allows: intervals beside shares that were counted."""

from __future__ import annotations

import numpy as np
from scipy.stats import beta, norm


def binomial(found: int, of: int, level: float = 0.9) -> tuple[float, float]:
    """Return the central interval of a share that was counted among independent trials (Clopper and Pearson 1934).

    Examples
    --------
    >>> tuple(round(float(one), 3) for one in binomial(10, 10))
    (0.741, 1.0)
    """
    tail = (1 - level) / 2
    low = beta.ppf(tail, found, of - found + 1) if found > 0 else 0.0
    high = beta.ppf(1 - tail, found + 1, of - found) if found < of else 1.0
    return float(low), float(high)


def covered(z: np.ndarray, nominal: np.ndarray) -> np.ndarray:
    """Return the share of |z| within the central interval of each nominal level, (..., level) for z : (..., region)."""
    return (np.abs(z)[..., None] <= norm.ppf(0.5 + 0.5 * nominal)).mean(axis=-2)


def ranks(z: np.ndarray, bins: int) -> np.ndarray:
    """Return the share of z in each of `bins` equally likely classes of the standard normal: flat when z is one."""
    place = np.clip((norm.cdf(z) * bins).astype(int), 0, bins - 1)
    return np.stack([(place == one).mean(axis=-1) for one in range(bins)], axis=-1)


def drawn(correlation: list[np.ndarray], times: int, seed: int) -> np.ndarray:
    """Return what z would be were every sigma and correlation right, (times, draw * region).

    Parameters
    ----------
    correlation : (region, region) each
        Of the posterior errors of one draw; draws are independent.
    """
    random = np.random.default_rng(seed)
    parts = []
    for one in correlation:
        value, vector = np.linalg.eigh(one)
        root = vector * np.sqrt(np.clip(value, 0, None))
        parts.append(random.standard_normal((times, one.shape[0])) @ root.T)
    return np.concatenate(parts, axis=1)
