"""Spreading a backward footprint over flux hours: bins of hours back, and shares of an integrated footprint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.errors import TimeError


@dataclass(frozen=True)
class Bins:
    """Bins of hours back from the receptor's hour t.

    A bin of width w starting at j holds the flux hours t - j, ..., t - j - (w - 1). The last one holds what the file
    does not resolve in time; it is spread evenly over `residual_hours` hours from its start on.
    """

    #: (bin,) hours back at which each bin starts
    start: np.ndarray
    residual_hours: int

    @classmethod
    def from_file(cls, start: np.ndarray, residual_hours: int, *, where: str) -> Bins:
        """Make bins from a file's axis of hours back.

        Raises
        ------
        TimeError
            Unless it starts at 0 and has even steps of whole hours.
        """
        steps = np.unique(np.diff(start))
        if start.size < 2 or start[0] != 0 or steps.size != 1 or steps[0] < 1 or steps[0] % 1:
            raise TimeError(
                "hours back must start at 0 and step evenly by whole hours",
                got=start[:4].tolist(),
                remedy="remake the file with hourly bins",
                where=where,
            )
        return cls(start.astype(np.int64), residual_hours)

    @property
    def width(self) -> int:
        """Hours in a resolved bin."""
        return int(self.start[1] - self.start[0])

    @property
    def lags(self) -> np.ndarray:
        """(lag,) all hours back that any bin reaches."""
        return np.arange(int(self.start[-1]) + self.residual_hours)

    @property
    def spread(self) -> np.ndarray:
        """(bin, lag) float64 share of each bin in each flux hour; rows sum to one."""
        matrix = np.zeros((self.start.size, self.lags.size))
        for index, first in enumerate(self.start):
            hours = self.residual_hours if index == self.start.size - 1 else self.width
            matrix[index, first : first + hours] = 1.0 / hours
        return matrix


def time_shares(resolved: np.ndarray) -> np.ndarray | None:
    """Return how each cell's footprint is shared between bins.

    Parameters
    ----------
    resolved : (cell, bin) float64
        Time-resolved footprint; negative values count as zero.

    Returns
    -------
    (cell, bin) float64, each row summing to one; a cell without positive values has the shares of all cells together.
    None when no cell has any.
    """
    clipped = np.clip(resolved, 0.0, None)
    by_cell = clipped.sum(axis=1, keepdims=True)
    total = clipped.sum(axis=0)
    if not total.sum() > 0:
        return None
    with np.errstate(invalid="ignore"):
        return np.where(by_cell > 0, clipped / by_cell, total / total.sum())
