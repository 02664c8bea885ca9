"""What a satellite file says of its soundings, and the arithmetic of column averages that its layouts share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

#: which of places (lon, lat), degrees, are wanted: (n,) bool
Area = Callable[[np.ndarray, np.ndarray], np.ndarray]
OUTSIDE_AREA = "outside the area"


@dataclass(frozen=True)
class Identity:
    """Which product, version and variant a granule is of, and which edition.

    Parameters
    ----------
    product, version, variant
        Of a `station_meta` contract; the variant is the variable the column is read from.
    scale
        Calibration scale; empty when none is stated.
    issue
        Of two editions of one granule the one with the greater is the later.
    """

    product: str
    version: str
    variant: str
    scale: str
    issue: tuple[tuple[int, str], ...] = ()

    def __str__(self) -> str:
        """Return it as a reader says it."""
        return f"{self.product} {self.version or 'of no stated version'}, {self.variant}"


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
    fault : (obs,) object
        Which rule of the product a sounding does not keep; empty for a good one.
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
    native : (obs,) object
        The product's own name of each sounding, the same in every edition.
    identity
        Product, version, variant, scale, edition.
    left_out
        Soundings of the file that are not here, by reason.
    remarks
        What was taken for granted about the file.
    """

    time: np.ndarray
    lon: np.ndarray
    lat: np.ndarray
    value: np.ndarray
    uncertainty: np.ndarray
    fault: np.ndarray
    complete: np.ndarray
    kernel: np.ndarray
    edge: np.ndarray
    prior_part: np.ndarray
    kernel_sum: np.ndarray
    native: np.ndarray
    identity: Identity
    left_out: dict[str, int]
    remarks: tuple[str, ...] = ()


def sounding_ids(instrument: str, time: np.ndarray, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Return an id of each sounding from what it is: instrument, second of UTC, latitude and longitude to 0.001 degree.

    Parameters
    ----------
    instrument
        `columns.id` of the settings, which has no hyphen: it is what stands before the first one.
    time : (obs,) datetime64
        UTC.
    lon, lat : (obs,) float64
        Centres, degrees; whole turns of longitude make no difference.

    Examples
    --------
    >>> time = np.array(["2022-12-07T03:44:25"], dtype="datetime64[ns]")
    >>> sounding_ids("TROPOMI", time, np.array([148.6319]), np.array([-23.6792])).tolist()
    ['TROPOMI-20221207T034425-23.679+148.632']
    """
    # adding zero turns -0.0 into 0.0, which prints with the other sign
    east = (np.round(lon, 3) + 180.0) % 360.0 - 180.0 + 0.0
    north = np.round(lat, 3) + 0.0
    second = [text.replace("-", "").replace(":", "") for text in np.datetime_as_string(time, unit="s").tolist()]
    parts = zip(second, north, east, strict=True)
    return np.array([f"{instrument}-{s}{y:+07.3f}{x:+08.3f}" for s, y, x in parts], dtype=np.str_)


def box_area(box: tuple[float, float, float, float] | None) -> Area:
    """Return the area of a rectangle of west, east, south and north, degrees; the globe when None.

    Examples
    --------
    >>> box_area((170.0, 190.0, -10.0, 10.0))(np.array([175.0, -175.0, 0.0]), np.zeros(3)).tolist()
    [True, True, False]
    """
    west, east, south, north = box or (-180.0, 180.0, -90.0, 90.0)
    return lambda lon, lat: ((lon - west) % 360.0 <= east - west) & (lat >= south) & (lat <= north)


def wanted(lon: np.ndarray, lat: np.ndarray, area: Area) -> np.ndarray:
    """Return the soundings to read, (n,) bool: those of the area, and those without a place, which are told of."""
    placed = (np.abs(lat) <= 90.0) & (lon >= -180.0) & (lon <= 360.0)
    return ~placed | area(np.where(placed, lon, 0.0), np.where(placed, lat, 0.0))


def first_fault(size: int, rules: Sequence[tuple[np.ndarray, str]]) -> np.ndarray:
    """Return for each sounding the first rule it does not keep, (size,) object; empty where it keeps all.

    Parameters
    ----------
    rules
        (broken : (size,) bool, in words).
    """
    fault = np.full(size, "", dtype=object)
    for broken, words in rules:
        fault[broken & (fault == "")] = words
    return fault


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
