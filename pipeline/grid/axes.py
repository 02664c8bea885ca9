"""Axes as files give them: cell centres, ascending or descending."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.errors import CoordinateError

#: centres are taken as regular within this share of a cell (float32 coordinates of 1e7 m or 180 degrees)
REGULAR = 2e-3


def edges_of(centres: Any, axis: str) -> np.ndarray:
    """Return the ascending edges of evenly spaced centres.

    Raises
    ------
    CoordinateError
        For fewer than two centres or uneven steps, with the size of the worst.
    """
    values = np.asarray(centres, dtype=np.float64)
    if values.ndim != 1 or values.size < 2:
        raise CoordinateError(
            "an axis needs at least two centres in one row",
            got=values.shape,
            remedy="give edges instead",
            where=f"grid.{axis}",
        )
    if values[0] > values[-1]:
        values = values[::-1]
    step = (values[-1] - values[0]) / (values.size - 1)
    worst = float(np.max(np.abs(np.diff(values) - step))) if np.isfinite(step) else np.inf
    if not (step > 0 and worst <= REGULAR * step):
        raise CoordinateError(
            "centres must be evenly spaced",
            got=f"steps off by {worst:.4g} of {step:.6g}",
            remedy="give edges, or fill the missing rows",
            where=f"grid.{axis}",
        )
    return values[0] + step * (np.arange(values.size + 1) - 0.5)


def ascending(field: np.ndarray, x: Any, y: Any) -> np.ndarray:
    """Return a field in the order of `Grid.from_centres(crs, x, y)`.

    Parameters
    ----------
    field : (..., y, x)
        As the file holds it.
    x, y
        The file's centres; the field's rows are turned where y descends, its columns where x descends.

    Returns
    -------
    (..., y, x): a view of `field`

    Examples
    --------
    >>> ascending(np.array([[1, 2], [3, 4]]), x=[0.5, 1.5], y=[1.5, 0.5]).tolist()
    [[3, 4], [1, 2]]
    """
    rows = slice(None, None, -1 if y[0] > y[-1] else 1)
    columns = slice(None, None, -1 if x[0] > x[-1] else 1)
    return field[..., rows, columns]
