"""Super-observations: soundings of one pass over a block of grid cells as one, with the error of their mean.

Value, kernel, pressure weight and prior part are averaged with the same weights, 1/p each of p soundings. A sounding is
X_i = c_i + integral A_i(s) x(s) ds over the share s of the surface pressure; the mean of the X_i is then the
operator of mean c and mean A, exactly, for every profile x that the block has in common.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipeline.grid import Grid

#: edges of layers are taken as the same to so many decimals of the surface pressure: 0.1 Pa
_DECIMALS = 6
_MEANS = ("lat", "value", "prior_part", "kernel_sum")


def blocks(lon: np.ndarray, lat: np.ndarray, grid: Grid, cells: int) -> np.ndarray:
    """Return the number of the block of `cells` x `cells` grid cells each place lies in, (n,) int64; all inside."""
    row, column = np.divmod(grid.locate(lon, lat), grid.nx)
    return np.asarray(row // cells * grid.nx + column // cells, dtype=np.int64)


def averaged(
    table: pd.DataFrame, kernel: np.ndarray, edge: np.ndarray, group: np.ndarray, correlation: float
) -> tuple[pd.DataFrame, list[np.ndarray], list[np.ndarray]]:
    """Return one sounding a group.

    Parameters
    ----------
    table
        Of soundings that are used: time, lon, lat, value, uncertainty, prior_part, kernel_sum, bits; other columns are
        those of the group's first.
    kernel, edge : (n, layer), (n, layer + 1)
        Averaging kernels and edges of their layers, shares of the surface pressure from 1 down.
    group : (n,) int64
        Soundings of one group are averaged.
    correlation
        r of the errors of two soundings of a group.

    Returns
    -------
    table
        A row a group; `count` is its number of soundings p, `spread` their standard deviation, and
        sigma^2 = (1 - r) sum sigma_i^2 / p^2 + r (sum sigma_i / p)^2: sigma_o^2 ((1 - r) / p + r) where all sigma are
        sigma_o (Chen et al. 2023, Atmos. Chem. Phys. 23, 5945). Their sigma_t^2 is the representation error's.
    kernels, edges
        One a group, with as many layers as its soundings' edges make together.
    """
    rows, kernels, edges = [], [], []
    for number in np.unique(group):
        members = np.flatnonzero(group == number)
        mine = table.iloc[members]
        rows.append(_mean(mine, correlation))
        one, other = _mean_kernel(kernel[members], edge[members])
        kernels.append(one)
        edges.append(other)
    return pd.DataFrame(rows).reset_index(drop=True).astype(table.dtypes.to_dict()), kernels, edges


def _mean(mine: pd.DataFrame, correlation: float) -> pd.Series:
    out = mine.iloc[0].copy()
    count = len(mine)
    for name in _MEANS:
        out[name] = mine[name].mean()
    lon = mine["lon"].to_numpy()
    out["lon"] = lon[0] + np.mean((lon - lon[0] + 180.0) % 360.0 - 180.0)
    time = mine["time"].to_numpy().astype("datetime64[s]")
    out["time"] = pd.Timestamp(
        time.min() + np.mean((time - time.min()).astype(np.int64)).round().astype("timedelta64[s]")
    )
    sigma = mine["uncertainty"].to_numpy()
    alone, common = np.sum(sigma**2) / count**2, np.mean(sigma) ** 2
    out["uncertainty"] = np.sqrt((1 - correlation) * alone + correlation * common)
    out["count"] = count
    out["spread"] = mine["value"].std(ddof=1) if count > 1 else np.nan
    out["bits"] = np.bitwise_or.reduce(mine["bits"].to_numpy(dtype=np.uint32))
    return out


def _mean_kernel(kernel: np.ndarray, edge: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of kernels that are steps between edges, and its edges from 1 down."""
    edge = np.round(edge, _DECIMALS)
    edges = np.unique(edge)[::-1]
    middle = 0.5 * (edges[1:] + edges[:-1])
    out = np.zeros(middle.size)
    for values, mine in zip(kernel, edge, strict=True):
        # above its own top a kernel goes on, as it does where particles are released
        layer = np.searchsorted(-mine, -middle, side="right") - 1
        out += values[np.clip(layer, 0, values.size - 1)]
    return out / len(kernel), edges
