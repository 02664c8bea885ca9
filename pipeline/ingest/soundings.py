"""What a satellite file says of its soundings, and the arithmetic of column averages that its layouts share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from pipeline.errors import FormatError, UnitError
from pipeline.units import Species, mole_fraction_factor


@dataclass(frozen=True, eq=False)
class Soundings:
    """One file's soundings, in its order; layers run from the ground up.

    Parameters
    ----------
    time : (obs,) datetime64[ns]
        UTC.
    lon, lat : (obs,) float64
        Centres, degrees.
    value, uncertainty : (obs,) float64
        Column average and its one-sigma uncertainty, species unit.
    rejected : (obs,) bool
        What the provider's own quality says is bad.
    complete : (obs,) bool
        What has every number it needs; the others are missing.
    kernel : (obs, layer) float64
        Averaging kernel.
    edge : (obs, layer + 1) float64
        Edges of the layers as shares of the surface pressure, from 1 down.
    prior_part : (obs,) float64
        What the retrieval's prior gives of the column, sum w (1 - A) x_a, species unit.
    kernel_sum : (obs,) float64
        Share of the background the column sees, sum w A.
    scale
        Calibration scale; empty when the file does not say.
    remarks
        What was taken for granted about the file.
    """

    time: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    value: np.ndarray
    uncertainty: np.ndarray
    rejected: np.ndarray
    complete: np.ndarray
    kernel: np.ndarray
    edge: np.ndarray
    prior_part: np.ndarray
    kernel_sum: np.ndarray
    scale: str
    remarks: tuple[str, ...]


def layer_edges(pressure: np.ndarray, layers: int) -> np.ndarray:
    """Return the edges of a retrieval's layers as shares of the surface pressure, from 1 down: (obs, layers + 1).

    Parameters
    ----------
    pressure : (obs, layers + 1) or (obs, layers)
        From the ground up, any unit: the edges of layers, or the levels at which kernel and profile are given. A level
        stands for the air half way to its neighbours, the first down to the ground and the last up to no pressure:
        those layers hold just the trapezoidal weights of levels (O'Dell et al. 2012, Atmos. Meas. Tech. 5, 99, app. A).
    layers
        Number of values of the kernel.

    Examples
    --------
    >>> pressure = np.array([[1000.0, 500.0, 0.0]])
    >>> layer_edges(pressure, 2).tolist(), layer_edges(pressure, 3).tolist()
    ([[1.0, 0.5, 0.0]], [[1.0, 0.75, 0.25, 0.0]])
    """
    share = pressure / pressure[:, :1]
    if pressure.shape[1] == layers + 1:
        return np.asarray(share)
    ends = np.ones(len(share)), np.zeros(len(share))
    middles = 0.5 * (share[:, 1:] + share[:, :-1])
    return np.column_stack([ends[0], middles, ends[1]])


def prior_and_share(weight: np.ndarray, kernel: np.ndarray, profile: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (sum w (1 - A) x_a, sum w A): what of a column its prior gives, and the share of true air it sees.

    A retrieval says X = sum w (A x + (1 - A) x_a) of true air x (Connor et al. 2008, J. Geophys. Res. 113, D05305).

    Parameters
    ----------
    weight, kernel, profile : (obs, layer)
        Pressure weights w, averaging kernel A, prior profile x_a in any unit.
    """
    seen = weight * kernel
    return ((weight - seen) * profile).sum(axis=1), seen.sum(axis=1)


def upward(pressure: np.ndarray, *rows: np.ndarray) -> list[np.ndarray]:
    """Return pressures (obs, level) and values by layer turned, if need be, to run from the ground up."""
    typical = np.nanmean(pressure, axis=0) if np.isfinite(pressure).any(axis=0).all() else np.zeros(2)
    turn = slice(None, None, -1 if typical[-1] > typical[0] else 1)
    return [np.ascontiguousarray(values[:, turn]) for values in (pressure, *rows)]


def require(data: xr.Dataset, name: str, dims: int, *, layout: str, path: Path) -> np.ndarray:
    """Return a variable's numbers as float64, fills as NaN.

    Raises
    ------
    FormatError
        When the file lacks it, it has another number of dims, or not one row per sounding.
    """
    first = next(iter(data["time"].dims), None) if "time" in data.variables else None
    found = data.variables.get(name)
    if found is None or len(found.dims) != dims or found.dims[0] != first:
        raise FormatError(
            f"a file of layout {layout} must hold {name} with {dims} dims, the first that of time",
            got=sorted(map(str, data.variables)) if found is None else found.dims,
            remedy="correct columns.format, columns.files or case.species",
            where=path.name,
        )
    return np.asarray(found.values, dtype=np.float64)


def unit_factor(data: xr.Dataset, name: str, gas: Species, path: Path, *, default: str | None = None) -> float:
    """Return the factor of a mole fraction to the species' unit.

    Raises
    ------
    UnitError
        When the variable states none and there is no default, or it is no mole fraction.
    """
    unit = data[name].attrs.get("units") or default
    if not unit:
        raise UnitError(
            "a mole fraction must have a unit", remedy="add units to the file", where=f"{path.name}: {name}"
        )
    return mole_fraction_factor(str(unit), gas, where=f"{path.name}: {name}")
