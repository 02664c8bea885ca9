"""Conservative regridding: densities keep the area mean, totals keep the sum; mass outside the target is reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.errors import GridError
from pipeline.grid.overlap import Overlap


@dataclass(frozen=True, eq=False)
class Regridded:
    """A field on the target grid, and what fell outside it.

    Parameters
    ----------
    field : (..., y, x) float64
        The field's own unit.
    outside : (...) float64
        Sum over the part of the source outside the target: the field's unit times m2 for a density, the field's
        unit for totals.
    """

    field: np.ndarray
    outside: np.ndarray


def regrid_density(field: Any, overlap: Overlap) -> Regridded:
    """Regrid a quantity per area (kg m-2 s-1) to the area mean of each target cell.

    Keeps the integral over area: sum(field * source.area) = sum(result * target.area) + outside. A constant stays
    constant where `overlap.coverage` is 1; uncovered parts of a cell count as zero.

    Parameters
    ----------
    field : (..., y, x)
        On `overlap.source`, per m2.

    Returns
    -------
    Regridded: `field` (..., y, x) in the same unit, `outside` (...) in that unit times m2

    Raises
    ------
    GridError
        When the shape is not the source's, or values are missing.
    """
    return _apply(field, overlap, np.ones(overlap.source.size), 1.0 / overlap.target.area.ravel())


def regrid_total(field: Any, overlap: Overlap) -> Regridded:
    """Regrid a quantity per cell (t per cell and year), split by area.

    Keeps the sum: sum(field) = sum(result) + outside.

    Parameters
    ----------
    field : (..., y, x)
        On `overlap.source`, per cell.

    Returns
    -------
    Regridded: `field` (..., y, x) and `outside` (...), both in the same unit

    Raises
    ------
    GridError
        When the shape is not the source's, or values are missing.
    """
    return _apply(field, overlap, 1.0 / overlap.source.area.ravel(), np.ones(overlap.target.size))


def _apply(field: Any, overlap: Overlap, before: np.ndarray, after: np.ndarray) -> Regridded:
    """Return after * (area @ (before * field)) and what of it fell outside, over leading dimensions."""
    values = _checked(field, overlap)
    leading = values.shape[:-2]
    density = values.reshape(-1, overlap.source.size) * before
    inside = (overlap.area @ density.T).T * after
    outside = density @ (overlap.outside_share * overlap.source.area).ravel()
    return Regridded(inside.reshape(*leading, *overlap.target.shape), outside.reshape(leading))


def _checked(field: Any, overlap: Overlap) -> np.ndarray:
    """Return the field as float64, without missing values and of the source's shape."""
    # np.asarray would drop the mask of a masked array and let its fill values through
    values = np.ma.filled(np.ma.asarray(field, dtype=np.float64), np.nan)
    if values.shape[-2:] != overlap.source.shape:
        raise GridError(
            "the field must be on the source grid",
            got=values.shape,
            remedy=f"its last two axes must be (y, x) = {overlap.source.shape}",
            where="regrid",
        )
    missing = int(np.count_nonzero(~np.isfinite(values)))
    if missing:
        raise GridError(
            "every source value must be finite",
            got=f"{missing} of {values.size} values missing",
            remedy="decide what missing means there (zero over sea, for example) and fill it first",
            where="regrid",
        )
    return values
