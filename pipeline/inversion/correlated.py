"""Errors that observations share: the background's, a sensor's slowly drifting offset, a retrieval's along a track.

Between two observations of one group the covariance is sigma_i sigma_j exp(-|t_i - t_j| / tau), between groups none: a
first-order Markov process a group (B and S of docs/method.md). Products and draws are exact recursions in
O(m) (`kernels.exponential`); the matrix is added to K a tile at a time and never held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from kernels import exponential

#: rows of a tile: 16 MB of float64 against 8 000 observations
_TILE = 256


@dataclass(frozen=True, eq=False)
class CorrelatedError:
    """One kind of shared error.

    Parameters
    ----------
    name
        What it is: background, offset, retrieval.
    sigma : (m,) float64
        Standard deviation at each observation, unit of the observation; 0 where it has no part in it.
    hours : (m,) float64
        Where each observation stands on the axis of the error: time, hours; along a satellite's track, km.
    group : (m,) int64
        Observations of one group share the error.
    e_folding
        Over which the error fades, in the unit of that axis.
    """

    name: str
    sigma: np.ndarray
    hours: np.ndarray
    group: np.ndarray
    e_folding: float

    def take(self, kept: np.ndarray) -> CorrelatedError:
        """Return the error of some observations only."""
        return replace(self, sigma=self.sigma[kept], hours=self.hours[kept], group=self.group[kept])

    def apply(self, vector: np.ndarray) -> np.ndarray:
        """Return C v for v : (m,)."""
        order, decay, gain = self._chain
        swept = (self.sigma * vector)[order].reshape(1, -1, 1)
        exponential.backward_serial(swept, decay, gain)
        exponential.forward_serial(swept, decay, gain)
        return self._back(swept)

    def draw(self, random: np.random.Generator) -> np.ndarray:
        """Return a draw of N(0, C), (m,)."""
        order, decay, gain = self._chain
        swept = random.standard_normal(order.size).reshape(1, -1, 1)
        exponential.forward_serial(swept, decay, gain)
        return self._back(swept)

    def add_to(self, system: np.ndarray) -> None:
        """Add C to the lower triangle of K, (m, m); what stands above the diagonal may change."""
        for rows, columns, tile in self.tiles():
            if rows[-1] - rows[0] + 1 == rows.size and columns[-1] - columns[0] + 1 == columns.size:
                system[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] += tile
            else:
                system[np.ix_(rows, columns)] += tile

    def trace_with(self, symmetric: np.ndarray) -> float:
        """Return tr(C M) for a symmetric M : (m, m) of which the lower triangle is read."""
        total = 0.0
        for rows, columns, tile in self.tiles():
            # pairs below the diagonal stand for both halves, the tile reaches up to its own last row
            below = np.where(columns[None, :] < rows[:, None], 2.0, (columns[None, :] == rows[:, None]).astype(float))
            total += float(np.sum(below * tile * symmetric[np.ix_(rows, columns)]))
        return total

    def tiles(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield (rows, columns, C of them): every pair of a group with column <= row, and some above the diagonal."""
        for members in self._groups:
            for at in range(0, members.size, _TILE):
                rows, columns = members[at : at + _TILE], members[: at + _TILE]
                lag = np.abs(self.hours[rows][:, None] - self.hours[columns][None, :])
                tile = np.exp(-lag / self.e_folding)
                yield rows, columns, tile * self.sigma[rows][:, None] * self.sigma[columns][None, :]

    @cached_property
    def _groups(self) -> list[np.ndarray]:
        """The observations of each group that have a part in it, ascending."""
        part = np.flatnonzero(self.sigma > 0)
        order = part[np.argsort(self.group[part], kind="stable")]
        return np.split(order, np.flatnonzero(np.diff(self.group[order])) + 1) if order.size else []

    @cached_property
    def _chain(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(order by group, then time; decay and gain of each step, which starts anew with each group)."""
        order = np.lexsort((self.hours, self.group))
        step = np.diff(self.hours[order]) / self.e_folding
        step[np.diff(self.group[order]) != 0] = np.inf
        return order, *exponential.coefficients(step)

    def _back(self, swept: np.ndarray) -> np.ndarray:
        out = np.empty(self.sigma.size)
        out[self._chain[0]] = swept.ravel()
        return out * self.sigma
