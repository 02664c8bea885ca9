"""Every Dataset variable that travels between stages, declared once: dims, dtype kind, unit, meaning.

`check` stands at every door: a stage calls it on what it was given and on what it returns. Times are UTC and label
the start of the hour; positive flux is upward.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
import xarray as xr

from pipeline.errors import SchemaError
from pipeline.units import species

HOUR = np.timedelta64(1, "h")
#: platform of a sounding
SATELLITE = "satellite"
#: platform of a segment of a mobile laboratory's drive
MOBILE = "mobile"


class Flag(IntFlag):
    """Quality bits of one observation (CF `flag_masks`).

    A set bit in `FAIL` means a bad measurement; one in `UNUSED` means a good one that the inversion does not use.
    """

    MISSING = 1 << 0
    SCHEMA = 1 << 1
    TIME = 1 << 2
    REGISTRY = 1 << 3
    INSTRUMENT = 1 << 4
    CALIBRATION = 1 << 5
    CALIBRATION_AGE = 1 << 6
    RANGE_FAIL = 1 << 7
    RANGE_SUSPECT = 1 << 8
    FLAT_LINE = 1 << 9
    SPIKE = 1 << 10
    RATE = 1 << 11
    HOURLY_SPREAD = 1 << 12
    INCOMPLETE = 1 << 13
    SCALE_UNCONVERTED = 1 << 14
    WET_DRY_UNKNOWN = 1 << 15
    BUDDY = 1 << 16
    LAG_SUSPECT = 1 << 17
    UNIT_SUSPECT = 1 << 18
    DUPLICATE = 1 << 19
    SUPERSEDED = 1 << 20
    ANCHOR_AGE = 1 << 21
    JUMP_RESET = 1 << 22
    LOW_TURBULENCE = 1 << 23
    GAP_FILLED = 1 << 24
    NOT_SELECTED_HOUR = 1 << 25
    NOT_SELECTED_WEATHER = 1 << 26
    INNOVATION = 1 << 27
    HELD_OUT = 1 << 28
    MANUAL_REJECT = 1 << 29
    MANUAL_ACCEPT = 1 << 30


_STRUCTURAL = (
    Flag.MISSING | Flag.SCHEMA | Flag.TIME | Flag.REGISTRY | Flag.INSTRUMENT | Flag.DUPLICATE | Flag.SUPERSEDED
)
FAIL = (
    _STRUCTURAL
    | Flag.RANGE_FAIL
    | Flag.FLAT_LINE
    | Flag.INCOMPLETE
    | Flag.WET_DRY_UNKNOWN
    | Flag.LOW_TURBULENCE
    | Flag.GAP_FILLED
    | Flag.MANUAL_REJECT
)
UNUSED = Flag.NOT_SELECTED_HOUR | Flag.NOT_SELECTED_WEATHER | Flag.INNOVATION | Flag.HELD_OUT
_BLOCKING = FAIL | UNUSED | Flag.LAG_SUSPECT | Flag.UNIT_SUSPECT


def is_used(flag: np.ndarray) -> np.ndarray:
    """Return the mask of observations the inversion uses.

    Parameters
    ----------
    flag : (obs,) uint32
        Quality bits.

    Examples
    --------
    >>> is_used(np.array([0, Flag.RANGE_SUSPECT, Flag.MISSING, Flag.HELD_OUT], dtype=np.uint32)).tolist()
    [True, True, False, False]
    """
    return (np.asarray(flag, dtype=np.uint32) & np.uint32(_BLOCKING)) == 0


def flag_names(bits: int) -> list[str]:
    """Return the names of the bits set, in words.

    Examples
    --------
    >>> flag_names(Flag.RANGE_SUSPECT | Flag.SPIKE)
    ['range suspect', 'spike']
    """
    return [str(bit.name).lower().replace("_", " ") for bit in Flag if bits & bit]


def why_unused(bits: int) -> str:
    """Return the flags that keep an observation out of the inversion, in words; empty when none does.

    Examples
    --------
    >>> why_unused(Flag.RANGE_SUSPECT | Flag.INCOMPLETE | Flag.HELD_OUT)
    'flagged incomplete, held out'
    """
    named = flag_names(int(bits) & _BLOCKING)
    return f"flagged {', '.join(named)}" if named else ""


@dataclass(frozen=True)
class Variable:
    """What one variable must look like. `unit` "gas" and "flux" stand for the species' own units."""

    dims: tuple[str, ...]
    kind: str
    unit: str
    meaning: str
    required: bool = True


# dtype kinds: f float, i signed or unsigned integer, M datetime64, T text
SCHEMAS: dict[str, dict[str, Variable]] = {
    "observations": {
        "time": Variable(("obs",), "M", "", "start of the averaging interval, UTC"),
        "value": Variable(("obs",), "f", "gas", "dry-air mole fraction, mean over the interval"),
        "uncertainty": Variable(("obs",), "f", "gas", "one-sigma measurement uncertainty of the mean"),
        "spread": Variable(("obs",), "f", "gas", "standard deviation of the samples within the interval"),
        "count": Variable(("obs",), "i", "1", "samples behind the mean"),
        "flag": Variable(("obs",), "i", "1", "quality bits, see pipeline.schema.Flag"),
        "station": Variable(("obs",), "T", "", "station id of station_meta"),
        "platform": Variable(("obs",), "T", "", "station class: provincial, regional, city, micro, sink, mobile, ..."),
        "lon": Variable(("obs",), "f", "degrees_east", "longitude of the inlet"),
        "lat": Variable(("obs",), "f", "degrees_north", "latitude of the inlet"),
        "height": Variable(("obs",), "f", "m", "height of the inlet above ground"),
        "scale": Variable(("obs",), "T", "", "calibration scale"),
        "prior_part": Variable(
            ("obs",),
            "f",
            "gas",
            "part of a column that its retrieval's prior gives, sum w (1 - A) x_a; 0 for a point",
            required=False,
        ),
        "kernel_sum": Variable(
            ("obs",), "f", "1", "share of the background a column sees, sum w A; 1 for a point", required=False
        ),
        "enhancement": Variable(("obs",), "f", "gas", "what a segment is above its road's background", required=False),
        "bias": Variable(("obs",), "f", "gas", "bias of the sensor, taken off the value", required=False),
        "offset_sigma": Variable(
            ("obs",), "f", "gas", "one-sigma error of that bias; NaN: the settings' offset", required=False
        ),
        "track": Variable(("obs",), "i", "1", "strip of an instrument's pass; -1 for a point", required=False),
        "along": Variable(("obs",), "f", "km", "distance along that strip; 0 for a point", required=False),
        "anchor_age": Variable(("obs",), "f", "h", "time since the sensor agreed with a reference", required=False),
    },
    "flux_observations": {
        "time": Variable(("obs",), "M", "", "start of the hour, UTC"),
        "value": Variable(("obs",), "f", "flux", "flux measured at a tower, hourly mean, positive upward"),
        "uncertainty": Variable(("obs",), "f", "flux", "one-sigma measurement uncertainty of the mean"),
        "flag": Variable(("obs",), "i", "1", "quality bits, see pipeline.schema.Flag"),
        "station": Variable(("obs",), "T", "", "station id of station_meta"),
        "platform": Variable(("obs",), "T", "", "station class: sink"),
        "lon": Variable(("obs",), "f", "degrees_east", "longitude of the tower"),
        "lat": Variable(("obs",), "f", "degrees_north", "latitude of the tower"),
        "height": Variable(("obs",), "f", "m", "height of the instruments above ground"),
        "radius": Variable(("obs",), "f", "m", "radius of the tower's footprint, taken as even"),
        "sector": Variable(("obs",), "T", "", "sector whose flux is measured"),
    },
    "footprints": {
        "time": Variable(("obs",), "M", "", "start of the receptor's averaging hour, UTC"),
        "station": Variable(("obs",), "T", "", "receptor's station id"),
        "lon": Variable(("obs",), "f", "degrees_east", "receptor longitude"),
        "lat": Variable(("obs",), "f", "degrees_north", "receptor latitude"),
        "height": Variable(("obs",), "f", "m", "receptor height above ground"),
        "indptr": Variable(("row_edge",), "i", "1", "row i holds entries indptr[i] to indptr[i+1]"),
        "hour": Variable(("entry",), "M", "", "start of the flux hour, UTC"),
        "cell": Variable(("entry",), "i", "1", "flat cell index, y * nx + x"),
        "footprint": Variable(
            ("entry",), "f", "footprint", "change of mole fraction per unit flux of that cell and hour"
        ),
        "exit_north": Variable(
            ("obs", "exit_height", "x"), "f", "1", "share of particles leaving north", required=False
        ),
        "exit_east": Variable(("obs", "exit_height", "y"), "f", "1", "share of particles leaving east", required=False),
        "exit_south": Variable(
            ("obs", "exit_height", "x"), "f", "1", "share of particles leaving south", required=False
        ),
        "exit_west": Variable(("obs", "exit_height", "y"), "f", "1", "share of particles leaving west", required=False),
        "end_lon": Variable(("obs", "particle"), "f", "degrees_east", "longitude of a particle's end", required=False),
        "end_lat": Variable(("obs", "particle"), "f", "degrees_north", "latitude of a particle's end", required=False),
        "end_height": Variable(
            ("obs", "particle"), "f", "m", "height above ground of a particle's end", required=False
        ),
        "end_pressure": Variable(("obs", "particle"), "f", "Pa", "air pressure at a particle's end", required=False),
        "end_age": Variable(
            ("obs", "particle"),
            "f",
            "s",
            "time from a particle's end to the receptor's hour start; negative after it",
            required=False,
        ),
        "end_weight": Variable(
            ("obs", "particle"), "f", "1", "share of the receptor's air a particle stands for", required=False
        ),
        "end_reason": Variable(
            ("obs", "particle"), "i", "1", "why a particle ended, see flag_meanings", required=False
        ),
        "truncated_share": Variable(
            ("obs",), "f", "1", "share of the integral left out to keep the footprint sparse", required=False
        ),
    },
    "receptors": {
        "time": Variable(("obs",), "M", "", "start of the release, UTC; particles leave evenly over `duration`"),
        "duration": Variable(("obs",), "f", "s", "length of the release; 0 for an instant"),
        "station": Variable(("obs",), "T", "", "station id, or id of the sounding"),
        "lon": Variable(("obs",), "f", "degrees_east", "longitude of the inlet or of the sounding's centre"),
        "lat": Variable(("obs",), "f", "degrees_north", "latitude of the inlet or of the sounding's centre"),
        "height": Variable(("obs",), "f", "m", "height of the inlet above ground; top of the release for a column"),
        "averaging_kernel": Variable(
            ("obs", "layer"), "f", "1", "averaging kernel by layer; NaN rows are points, not columns", required=False
        ),
        "pressure_edge": Variable(
            ("obs", "layer_edge"), "f", "1", "layer edges as shares of surface pressure, from 1 down", required=False
        ),
    },
    "background": {
        "time": Variable(("obs",), "M", "", "start of the receptor's averaging hour, UTC"),
        "station": Variable(("obs",), "T", "", "receptor's station id"),
        "background": Variable(("obs",), "f", "gas", "mole fraction carried in from outside the grid"),
        "background_spread": Variable(
            ("obs",), "f", "gas", "standard deviation of it over the particles", required=False
        ),
        "exit_share": Variable(("obs",), "f", "1", "share of particles the mean rests on, before normalisation"),
    },
    "meteorology": {
        "time": Variable(("time",), "M", "", "valid time of the instantaneous fields, UTC"),
        "height": Variable(
            ("time", "level", "y", "x"),
            "f",
            "m",
            "height of the level above ground, ascending; a level below ground is negative and not used",
        ),
        "u": Variable(("time", "level", "y", "x"), "f", "m s-1", "wind along the grid's x"),
        "v": Variable(("time", "level", "y", "x"), "f", "m s-1", "wind along the grid's y"),
        "w": Variable(("time", "level", "y", "x"), "f", "m s-1", "vertical velocity, positive upward"),
        "temperature": Variable(("time", "level", "y", "x"), "f", "K", "air temperature"),
        "pressure": Variable(("time", "level", "y", "x"), "f", "Pa", "air pressure"),
        "humidity": Variable(("time", "level", "y", "x"), "f", "kg kg-1", "specific humidity"),
        "density": Variable(("time", "level", "y", "x"), "f", "kg m-3", "density of moist air"),
        "surface_pressure": Variable(("time", "y", "x"), "f", "Pa", "air pressure at the ground"),
        "boundary_layer_height": Variable(("time", "y", "x"), "f", "m", "boundary-layer height above ground"),
        "friction_velocity": Variable(("time", "y", "x"), "f", "m s-1", "friction velocity"),
        "heat_flux": Variable(("time", "y", "x"), "f", "W m-2", "sensible heat flux, positive upward"),
        "roughness": Variable(("time", "y", "x"), "f", "m", "aerodynamic roughness length"),
        "terrain": Variable(("y", "x"), "f", "m", "height of the ground above sea"),
    },
    "fluxes": {
        "flux": Variable(("sector", "time", "y", "x"), "f", "flux", "surface flux, hourly mean, positive upward"),
        "flux_std": Variable(("sector", "time", "y", "x"), "f", "flux", "one-sigma error of the prior flux"),
        "time": Variable(("time",), "M", "", "start of the hour, UTC"),
        "sector": Variable(("sector",), "T", "", "sector name"),
    },
}

_KINDS = {"f": "f", "i": "iu", "M": "M", "T": "UOT"}


def check(dataset: xr.Dataset, name: str) -> xr.Dataset:
    """Return the dataset unchanged if it keeps the contract `name`.

    Parameters
    ----------
    dataset
        What is passed through the door.
    name
        Key of `SCHEMAS`.

    Raises
    ------
    SchemaError
        For a missing variable, other dims, another dtype kind, or another unit. Every message names the variable.
    """
    for key, declared in SCHEMAS[name].items():
        where = f"{name}.{key}"
        if key not in dataset.variables:
            if declared.required:
                raise SchemaError(
                    "the variable must be present",
                    got=sorted(map(str, dataset.variables)),
                    remedy=declared.meaning,
                    where=where,
                )
            continue
        found = dataset[key]
        if found.dims != declared.dims:
            raise SchemaError("the dims must match", got=found.dims, remedy=f"use {declared.dims}", where=where)
        # pandas' string dtype reports kind "O"; numpy's StringDType reports "T"
        if found.dtype.kind not in _KINDS[declared.kind]:
            raise SchemaError(
                "the dtype kind must match",
                got=str(found.dtype),
                remedy=f"use kind {declared.kind}",
                where=where,
            )
        _check_unit(found, declared, dataset, where)
    if name == "observations" and "species" not in dataset.attrs:
        raise SchemaError("the species must be stated", remedy='set attrs["species"]', where=name)
    return dataset


def _check_unit(found: xr.DataArray, declared: Variable, dataset: xr.Dataset, where: str) -> None:
    """Raise unless the variable's `units` attribute is the declared one (text and times carry none)."""
    if declared.kind in "MT":
        return
    expected = unit_of(declared, dataset, where)
    if found.attrs.get("units") != expected:
        raise SchemaError(
            "the unit must match",
            got=found.attrs.get("units"),
            remedy=f"convert to {expected!r}",
            where=where,
        )


def unit_of(declared: Variable, dataset: xr.Dataset, where: str = "") -> str:
    """Return the unit a variable has for the dataset's species."""
    if declared.unit not in ("gas", "flux", "footprint"):
        return declared.unit
    if "species" not in dataset.attrs:
        raise SchemaError("the species must be stated", remedy='set attrs["species"]', where=where)
    gas = species(str(dataset.attrs["species"]))
    return {"gas": gas.mole_fraction_unit, "flux": gas.flux_unit, "footprint": gas.footprint_unit}[declared.unit]


def label(dataset: xr.Dataset, name: str) -> xr.Dataset:
    """Return a copy in which every declared variable carries its unit and meaning, then checked.

    A stage builds a bare Dataset, sets `attrs["species"]`, and calls this once: units stand in one place.
    """
    out = dataset.copy()
    for key, declared in SCHEMAS[name].items():
        if key not in out.variables:
            continue
        attrs = {"long_name": declared.meaning}
        if declared.kind not in "MT":
            attrs["units"] = unit_of(declared, dataset, f"{name}.{key}")
        out[key].attrs.update(attrs)
    if name in ("observations", "flux_observations"):
        out["flag"].attrs.update(
            flag_masks=np.array([int(bit) for bit in Flag], dtype=np.uint32),
            flag_meanings=" ".join(str(bit.name).lower() for bit in Flag),
        )
    return check(out, name)


def instruments(station: np.ndarray, platform: np.ndarray) -> np.ndarray:
    """Return what made each observation: the instrument of a sounding, the laboratory of a segment, or the station.

    The id of a sounding starts with its instrument's, that of a segment with its laboratory's, which have no hyphen.

    Parameters
    ----------
    station, platform : (obs,) text
        As in "observations".

    Examples
    --------
    >>> instruments(np.array(["TROPOMI-20221207T034425-23.575+149.063", "ZJ-1"]), np.array(["satellite", "city"]))
    array(['TROPOMI', 'ZJ-1'], dtype='<U38')
    """
    station = np.asarray(station).astype(str)
    whose = np.array([name.split("-", maxsplit=1)[0] for name in station.tolist()], dtype=station.dtype)
    return np.where(is_single(platform), whose, station)


def is_single(platform: np.ndarray) -> np.ndarray:
    """Return the mask of observations with an id of their own, soundings and segments: no series of one place."""
    return np.isin(np.asarray(platform).astype(str), (SATELLITE, MOBILE))


def hours_between(start: np.datetime64, end: np.datetime64) -> np.ndarray:
    """Return the hour starts in [start, end), datetime64[ns].

    Examples
    --------
    >>> len(hours_between(np.datetime64("2014-07-01T00"), np.datetime64("2014-07-02T00")))
    24
    """
    return np.arange(start.astype("datetime64[h]"), end.astype("datetime64[h]")).astype("datetime64[ns]")
