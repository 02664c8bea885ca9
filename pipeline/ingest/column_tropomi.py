"""TROPOMI's methane: the level 2 of the Copernicus processor, and the product blended with GOSAT made from it.

Level 2 is a swath (time, scanline, ground_pixel) in groups; the blended product has its good pixels in one row, under
the same names. In both, 12 layers are equally thick in pressure, p_i = surface_pressure - i pressure_interval from the
ground, while their values stand from space down. The prior is in mol m-2 as the dry air is: their ratio is the mole
fraction, and the air of the layers over their sum is the pressure weight. The prior falls in the stratosphere, by which
the order of the layers is checked. Times are cut to whole seconds.

No granule of either has been read here: names are from the code of others that reads or writes them
(`station_meta/columns.toml`), and the tests write files by those names.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from pipeline.errors import FormatError, TimeError, UnitError
from pipeline.ingest.column_granule import Granule
from pipeline.ingest.column_levels import outside_corners
from pipeline.ingest.soundings import OUTSIDE_AREA, Area, Soundings, first_fault, prior_and_share, sounding_ids, wanted
from pipeline.units import Species, pressure_factor
from station_meta import Contract

NOT_RETRIEVED = "no column retrieved"
#: the interval is stored in single precision: twelve of them may pass the ground's pressure by so much of it
_ROUNDING = 1e-5


@dataclass(frozen=True, eq=False)
class _Pixels:
    """Some pixels of a swath: `dims` are those of a pixel, `at` the index of each along every one of them."""

    granule: Granule
    dims: tuple[str, ...]
    at: tuple[np.ndarray, ...]

    def numbers(self, what: str, deep: str = "") -> np.ndarray:
        """Return a variable at the pixels as float64, (pixel,), or (pixel, n) where it has one more dim.

        Only the lines that hold one of the pixels are read.

        Raises
        ------
        FormatError
            When its dims are not those of a pixel, with one more when `deep` says what.
        """
        found = self.granule.variable(what)
        if found.dims[: len(self.dims)] != self.dims or found.ndim != len(self.dims) + bool(deep):
            raise FormatError(
                f"{found.name} must have the dims {self.dims}{f' and {deep}' if deep else ''}",
                got=found.dims,
                remedy="correct columns.format or the file",
                where=self.granule.path.name,
            )
        return np.asarray(self._taken(found), dtype=np.float64)

    def times(self) -> np.ndarray:
        """Return the times of the pixels' lines, datetime64[ns], whole seconds."""
        texts = self._taken(self.granule.variable("time")).astype(str)
        try:
            time = np.array([text.removesuffix("Z") for text in texts.tolist()], dtype="datetime64[s]")
        except ValueError as error:
            raise TimeError(
                "times must be ISO text", got=str(error), remedy="correct the file", where=self.granule.where("time")
            ) from error
        if np.isnat(time).any():
            raise TimeError(
                "every line with a column must have a time", remedy="correct it", where=self.granule.where("time")
            )
        return time.astype("datetime64[ns]")

    def _taken(self, found: xr.DataArray) -> np.ndarray:
        places = [(dim, rows) for dim, rows in zip(self.dims, self.at, strict=True) if dim in found.dims]
        first = {dim: int(rows.min(initial=found.sizes[dim])) for dim, rows in places}
        block = found.isel({dim: slice(first[dim], int(rows.max(initial=-1)) + 1) for dim, rows in places}).values
        return np.asarray(block[tuple(rows - first[dim] for dim, rows in places)])


def read(granule: Granule, gas: Species, area: Area) -> Soundings:
    """Return the soundings of an area; pixels without a column are counted, not kept.

    Raises
    ------
    FormatError, UnitError, TimeError
        Naming the variable that is not as it must be.
    """
    placed, value = granule.variable("latitude"), granule.variable("value")
    lon, lat = (np.asarray(granule.variable(w).values, np.float64).ravel() for w in ("longitude", "latitude"))
    # a pixel without a place has no column either
    inside = wanted(lon, lat, area) & np.isfinite(lat)
    retrieved = np.isfinite(np.asarray(value.values)).ravel()
    rows = np.flatnonzero(inside & retrieved)
    dims = tuple(map(str, placed.dims))
    pixels = _Pixels(granule, dims, tuple(np.unravel_index(rows, placed.shape)))
    lon, lat, time = lon[rows], lat[rows], pixels.times()
    kernel = pixels.numbers("kernel", "layer")[:, ::-1]
    granule.check_layers(kernel.shape[1])
    weight, profile = _air_and_prior(granule, gas, pixels)
    edge, falls = _edges(granule, pixels, kernel.shape[1])
    prior_part, kernel_sum = prior_and_share(weight, kernel, profile)
    rules, told = _rules(granule.contract, pixels)
    corners = (pixels.numbers(what, "corner") for what in ("longitude_corners", "latitude_corners"))
    return Soundings(
        time=time,
        lon=lon,
        lat=lat,
        value=pixels.numbers("value") * granule.factor("value", gas),
        uncertainty=granule.contract.uncertainty_factor
        * pixels.numbers("uncertainty")
        * granule.factor("uncertainty", gas),
        fault=first_fault(rows.size, [*rules, outside_corners(lon, lat, *corners)]),
        complete=told & falls & np.isfinite(prior_part) & np.isfinite(kernel_sum),
        kernel=np.ascontiguousarray(kernel),
        edge=edge,
        prior_part=prior_part,
        kernel_sum=kernel_sum,
        native=_names(pixels, time, lon, lat),
        identity=granule.identity,
        left_out={OUTSIDE_AREA: int(np.sum(~inside)), NOT_RETRIEVED: int(np.sum(inside & ~retrieved))},
    )


def _names(pixels: _Pixels, time: np.ndarray, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Return names that stay when a granule is located anew: second and pixel of a swath; of a row, its place."""
    if len(pixels.dims) == 1:
        return sounding_ids("", time, lon, lat).astype(object)
    seconds = np.datetime_as_string(time, unit="s").tolist()
    return np.array([f"{s} {p}" for s, p in zip(seconds, pixels.at[-1].tolist(), strict=True)], dtype=object)


def _air_and_prior(granule: Granule, gas: Species, pixels: _Pixels) -> tuple[np.ndarray, np.ndarray]:
    """Return (pressure weight, prior profile in the species unit) by layer from the ground up, (pixel, layer)."""
    units = {what: str(granule.variable(what).attrs.get("units")) for what in ("air", "profile")}
    if units["air"] != units["profile"]:
        raise UnitError(
            "prior and dry air of a layer must be in one unit",
            got=units,
            remedy="correct the file",
            where=granule.where("profile"),
        )
    air, prior = (pixels.numbers(what, "layer") for what in ("air", "profile"))
    with np.errstate(divide="ignore", invalid="ignore"):
        profile = prior / air / gas.mole_fraction_in_si
        weight = air / air.sum(axis=1, keepdims=True)
    known = profile[np.isfinite(profile).all(axis=1)]
    if known.size:
        granule.check_order(float(np.median(known[:, 0])), float(np.median(known[:, -1])))
    return weight[:, ::-1], profile[:, ::-1]


def _edges(granule: Granule, pixels: _Pixels, layers: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (edges of the layers as shares of the surface pressure, whether they fall from 1 to 0 or above)."""
    surface, interval = (
        pixels.numbers(what)
        * pressure_factor(str(granule.variable(what).attrs.get("units")), where=granule.where(what))
        for what in ("pressure", "interval")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        step = interval / surface
    edge = 1.0 - step[:, None] * np.arange(layers + 1)
    return np.maximum(edge, 0.0), (step > 0) & (edge[:, -1] >= -_ROUNDING)


def _rules(contract: Contract, pixels: _Pixels) -> tuple[list[tuple[np.ndarray, str]], np.ndarray]:
    """Return the rules on quality and ground as (broken, in words), and where all that they ask is known."""
    # a quality value is stored in hundredths
    quality = np.round(pixels.numbers("flag"), 6)
    surface, chi_square = pixels.numbers("surface"), pixels.numbers("chi_square")
    told = np.isfinite(quality) & np.isfinite(surface)
    bits = np.where(np.isfinite(surface), surface, 0.0).astype(np.int64)
    least = contract.quality or 0.0
    rules = [(quality < least, f"quality value below {least:g}")]
    if contract.class_bits is not None and contract.chi_square_most is not None:
        kind = bits & contract.class_bits
        rules += [(kind == number, name) for name, number in contract.excluded.items()]
        # not known to fit well is not known to be good
        poor = ~(chi_square <= contract.chi_square_most)
        rules.append(
            ((kind == contract.inland_water) & poor, f"inland water, chi square above {contract.chi_square_most:g}")
        )
    if contract.snow_bits is not None:
        rules.append(((bits & contract.snow_bits) == contract.snow, "snow or ice"))
    return rules, told
