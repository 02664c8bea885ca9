"""Correlation over several distances at once: a weighted sum of correlations (nested structures of geostatistics).

An inventory's error is both that of one plant and that of a whole city. One length must choose; a sum of a short and a
wide correlation, both on the same standard deviation, holds either (Chiles and Delfiner 2012, Geostatistics, 2.5).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.errors import SolverError
from pipeline.inversion.spatial import Separable, Spatial


@dataclass(frozen=True, eq=False)
class Nested:
    """C = sum_j share_j C_j, with the root [sqrt(share_1) F_1, sqrt(share_2) F_2, ...].

    Parameters
    ----------
    parts
        C_j, on the same maps.
    shares
        Of the variance; they sum to 1.
    """

    parts: tuple[Spatial, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.parts) != len(self.shares) or min(self.shares) <= 0 or abs(sum(self.shares) - 1) > 1e-12:
            raise SolverError(
                "shares of the variance must be positive, one a part, and sum to 1",
                got=self.shares,
                remedy="check sectors.wide.share",
                where="covariance",
            )

    @property
    def white_shape(self) -> tuple[int, int]:
        """One line with what each part is applied to, one after the other."""
        return 1, sum(self._sizes)

    @property
    def _sizes(self) -> list[int]:
        return [int(np.prod(part.white_shape)) for part in self.parts]

    def apply(self, field: np.ndarray) -> np.ndarray:
        """Return C v; see `Spatial`."""
        parts = zip(self.parts, self.shares, strict=True)
        return _sum((share, part.apply(field.copy())) for part, share in parts)

    def root(self, white: np.ndarray) -> np.ndarray:
        """Return F w; see `Spatial`."""
        lines = np.split(white.reshape(white.shape[0], -1), np.cumsum(self._sizes)[:-1], axis=1)
        # parts work in place: what they are given must be whole
        parts = zip(self.parts, self.shares, map(np.ascontiguousarray, lines), strict=True)
        return _sum((math.sqrt(share), part.root(line.reshape(-1, *part.white_shape))) for part, share, line in parts)

    def root_adjoint(self, field: np.ndarray) -> np.ndarray:
        """Return F^T v; see `Spatial`."""
        lines = [
            math.sqrt(share) * part.root_adjoint(field.copy()).reshape(field.shape[0], -1)
            for part, share in zip(self.parts, self.shares, strict=True)
        ]
        return np.concatenate(lines, axis=1).reshape(-1, *self.white_shape)

    def smooth(self, field: np.ndarray) -> None:
        """Apply C to maps with lanes; see `Spatial`."""
        total = np.zeros_like(field)
        for part, share in zip(self.parts, self.shares, strict=True):
            smoothed = field.copy()
            part.smooth(smoothed)
            smoothed *= share
            total += smoothed
        field[:] = total


def _sum(terms: Iterable[tuple[float, np.ndarray]]) -> np.ndarray:
    """Return the sum of factor * field, in the memory of the first."""
    total = None
    for factor, field in terms:
        np.multiply(field, factor, out=field)
        total = field if total is None else np.add(total, field, out=total)
    assert total is not None
    return total


def separable_parts(spatial: Spatial) -> list[tuple[float, Separable]]:
    """Return (share, part) of a separable correlation or a sum of such; nothing for any other."""
    if isinstance(spatial, Separable):
        return [(1.0, spatial)]
    if isinstance(spatial, Nested):
        parts = zip(spatial.shares, spatial.parts, strict=True)
        separable = [(share, part) for share, part in parts if isinstance(part, Separable)]
        return separable if len(separable) == len(spatial.parts) else []
    return []
