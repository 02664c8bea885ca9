"""H Q H^T of one sector, and its derivatives by the logarithms of its correlation's time and length.

With Q = D (T (x) S) D, as in `pipeline.inversion.cross`: the rows are gathered into maps, each hour weighted by T or by

    dT / d log tau = T |dt| / tau,

and smoothed by S, with the tangent dS / d log L at their side (`kernels.tangent`). Outside a row's own hours
T(t, s) = T(t, e) T(e, s), e the nearer end of them: one map serves all those hours, by the product rule.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from kernels import lanes, tangent
from kernels.jit import cores
from pipeline.inversion.covariance import Covariance
from pipeline.inversion.nested import separable_parts
from pipeline.inversion.rows import Rows

#: hours further off than this share of correlation add nothing in float64, nor does their derivative
_NOTHING = 1e-19


#: smooths a map in place, and makes its tangent when one is given
Smooth = Callable[[np.ndarray, np.ndarray | None], None]


@dataclass(frozen=True, eq=False)
class Slopes:
    """H Q H^T of one sector and its derivatives.

    Parameters
    ----------
    signal, by_hours : (m, m) float64
        H Q H^T, and its derivative by the logarithm of the e-folding time.
    by_length : (m, m) float64 or None
        Derivative by the logarithm of the length, of both together where there are two; None for a correlation that is
        not separable.
    """

    signal: np.ndarray
    by_hours: np.ndarray
    by_length: np.ndarray | None


def slopes(rows: Rows, covariance: Covariance, *, threads: int = 0) -> Slopes:
    """Return H Q H^T of one sector and its derivatives.

    Parameters
    ----------
    rows
        H D of the sector (`Rows.scaled`), in the covariance's precision; quickest when sorted by time.
    covariance
        The sector's; its T and S are used, its D is in the rows.
    threads
        Blocks of rows at once; 0 for all cores.
    """
    m = rows.count
    count = 3 if separable_parts(covariance.spatial) else 2
    out = np.zeros((count, m, m))
    hourly, smooth = _hourly(covariance), _smoother(covariance)
    held = threading.local()

    def run(members: np.ndarray) -> None:
        if not hasattr(held, "maps"):
            held.maps = np.empty((count, *covariance.shape[1:], lanes.LANES), covariance.dtype)
        block = _Block(rows, hourly, smooth, members, held.maps, np.zeros((count, m, lanes.LANES)))
        block.run(covariance.temporal.decays)
        # blocks own other rows: no two threads write the same
        out[:, members] = block.out[..., : members.size].transpose(0, 2, 1)

    with ThreadPoolExecutor(threads or cores()) as pool:
        list(pool.map(run, _blocks(rows)))
    for matrix in out:
        lower = np.tril(matrix)
        matrix[:] = lower + np.tril(lower, -1).T
    return Slopes(out[0], out[1], out[2] if count == 3 else None)


def _blocks(rows: Rows) -> Iterator[np.ndarray]:
    """Yield rows with entries, `LANES` at a time; the last first, which take longest."""
    full = np.flatnonzero(np.diff(rows.row_start) > 0)
    for at in reversed(range(0, full.size, lanes.LANES)):
        yield full[at : at + lanes.LANES]


def _hourly(covariance: Covariance) -> np.ndarray:
    """Return T and dT / d log tau, (2, hours, hours) float64."""
    temporal = covariance.temporal
    lag = np.abs(np.arange(temporal.count)[:, None] - np.arange(temporal.count)[None, :])
    return np.stack([temporal.matrix, temporal.matrix * lag / temporal.hours])


def _smoother(covariance: Covariance) -> Smooth:
    """Return what smooths a map, and makes the tangent at its side when there is one, in place."""
    spatial = covariance.spatial
    make = tangent.tangent_coefficients
    dtype = covariance.dtype
    parts = [
        (share, make(part.steps_y).astype(dtype), make(part.steps_x).astype(dtype))
        for share, part in separable_parts(spatial)
    ]

    def smooth(field: np.ndarray, slope: np.ndarray | None) -> None:
        if slope is None:
            spatial.smooth(field)
            return
        given = field.copy()
        field[:] = 0
        slope[:] = 0
        for share, along_y, along_x in parts:
            one, by = given.copy(), np.zeros_like(given)
            tangent.smooth_x(one, by, along_x)
            tangent.smooth_y(one.reshape(one.shape[0], -1), by.reshape(one.shape[0], -1), along_y)
            field += share * one
            slope += share * by

    return smooth


@dataclass(frozen=True, eq=False)
class _Block:
    """Some rows against all rows up to the last of them.

    `maps` and `out` hold, in this order: the plain product, that of dT / d log tau, that of dS / d log L where there
    is one.
    """

    rows: Rows
    hourly: np.ndarray
    smooth: Smooth
    members: np.ndarray
    maps: np.ndarray
    out: np.ndarray

    def run(self, decays: bool) -> None:
        """Go through all hours: the rows' own, and those before and after."""
        hours = self.rows.hours
        first, last = 0, hours - 1
        if decays:
            begins, ends = self.rows.span
            first, last = int(begins[self.members].min()), int(ends[self.members].max())
        for t in range(first, last + 1):
            self.fill(t)
            self.gather(t, t)
            if t == first:
                for before in range(first):
                    self.gather(before, first)
        for after in range(last + 1, hours):
            self.gather(after, last)

    def fill(self, t: int) -> None:
        """Make the maps of one hour."""
        rows = self.rows
        for which in (0, 1):
            weight = self.hourly[which, t].astype(self.maps.dtype)
            flat = self.maps[which].reshape(-1, lanes.LANES)
            lanes.scatter(flat, self.members, rows.row_start, rows.hour, rows.start, rows.cell, rows.value, weight)
        self.smooth(self.maps[0], self.maps[2] if len(self.maps) == 3 else None)
        self.smooth(self.maps[1], None)

    def gather(self, t: int, source: int) -> None:
        """Add the products of hour t with the maps of an hour: its own, or the nearest that the rows reach."""
        scale, slope = self.hourly[:, t, source].tolist()
        rows = self.rows
        segments = rows.segments_of(t, int(self.members[-1]) + 1)
        if scale < _NOTHING or not segments.size:
            return
        # d (T(t, e) T(e, s)) = dT(t, e) T(e, s) + T(t, e) dT(e, s): the second is in the maps
        parts = [(k, k, scale) for k in range(len(self.maps))] + ([(1, 0, slope)] if slope else [])
        for to, source_map, weight in parts:
            flat = self.maps[source_map].reshape(-1, lanes.LANES)
            lanes.gather(flat, self.out[to], segments, rows.row, rows.start, rows.cell, rows.value, weight)
