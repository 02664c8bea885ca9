"""WRF output (`wrfout`) into the contract "meteorology", on WRF's own mass points.

Formulas and constants are WRF's own (Skamarock et al. 2021, NCAR/TN-556+STR, and `share/module_model_constants.F`), so
that density and height agree with the model that made the wind. WRF's gravity is constant: its geopotential is
9.81 m s-2 times the geometric height, so dividing by it is exact and no correction with the earth's radius is due.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from pipeline.errors import ConfigError, CoordinateError, FormatError, TimeError, UnitError
from pipeline.grid.definition import Grid
from pipeline.ingest.air import moist_density
from pipeline.ingest.meteorology_checks import RANGES
from pipeline.ingest.netcdf import decode_times, open_netcdf
from pipeline.ingest.richardson import KAPPA, REFERENCE_PRESSURE, derived_height
from pipeline.ingest.wrf_grid import wrf_grid
from pipeline.schema import HOUR, SCHEMAS, label

#: m s-2
GRAVITY = 9.81
#: gas constants of dry air and of water vapour, J kg-1 K-1; the heat capacity is 3.5 R_DRY
R_DRY, R_VAPOUR = 287.0, 461.6
#: reference potential temperature, K
REFERENCE_THETA = 300.0
#: frames of one run may differ by the rounding of float32 terrain after a restart, m
TERRAIN_TOLERANCE = 0.01

_SURFACE = ("south_north", "west_east")
_MASS = ("bottom_top", *_SURFACE)
_FULL = ("bottom_top_stag", *_SURFACE)
_DIMS = {
    "XLAT": _SURFACE, "XLONG": _SURFACE, "HGT": _SURFACE, "PSFC": _SURFACE,
    "UST": _SURFACE, "HFX": _SURFACE, "PBLH": _SURFACE, "ZNT": _SURFACE,
    "T": _MASS, "P": _MASS, "PB": _MASS, "QVAPOR": _MASS,
    "PH": _FULL, "PHB": _FULL, "W": _FULL,
    "U": ("bottom_top", "south_north", "west_east_stag"),
    "V": ("bottom_top", "south_north_stag", "west_east"),
}  # fmt: skip
_REMEDIES = {
    "PBLH": 'write it, or set boundary_layer = "richardson" in [transport.meteorology]',
    "ZNT": "write it, or set roughness in [transport.meteorology]",
    "T": "write it; it could be derived from THM and QVAPOR",
    "HGT": "write it; it could be derived from the lowest PH + PHB",
}


@dataclass(frozen=True)
class _Frame:
    """One hour of a file: fields by contract name."""

    fields: dict[str, np.ndarray]
    grid: Grid
    where: str


def read_wrf(
    paths: Iterable[str | Path],
    hours: tuple[np.datetime64, np.datetime64] | None,
    *,
    roughness: float | None = None,
    derive: Collection[str] = (),
    step: np.timedelta64 = HOUR,
) -> xr.Dataset:
    """Read WRF output of every hour, whatever the order of the files.

    Parameters
    ----------
    paths
        `wrfout` files, one or more times each.
    hours
        First and last time wanted, UTC, both included: the fields are instants, so the flux hour 05:00 needs the
        fields of 05:00 and 06:00. All times when None.
    roughness
        Roughness length, m, for files without ZNT; not used where ZNT is present.
    derive
        May hold "boundary_layer_height": derived by `richardson_height` where PBLH is absent.

    step
        Time between frames, whole hours; more than one for output that was written more seldom.

    Returns
    -------
    "meteorology", float32, at the mass points. u and v are true speeds along the grid's axes, not along east and
    north; a step in x of the CRS is u times the map factor. w is the true vertical velocity, not that across the
    model's levels. The density is of air with its vapour; cloud and rain water are left out.

    Raises
    ------
    FormatError
        For a missing variable or attribute, other dims, missing values, or heights that do not ascend.
    UnitError
        For values outside `RANGES`, such as a pressure in hPa.
    TimeError
        For missing hours, a time off the whole hour, or two different frames of one hour.
    CoordinateError
        For a projection that cannot be used, an irregular grid, or frames whose grid or terrain differ.
    """
    if unknown := set(derive) - {"boundary_layer_height"}:
        remedy = 'only "boundary_layer_height" can be derived'
        raise ConfigError("a derived field must be known", got=sorted(unknown), remedy=remedy, where="derive")
    wanted = None if hours is None else _hours_of(*hours, step)
    frames: dict[np.datetime64, _Frame] = {}
    for path in paths:
        for time, frame in _frames(Path(path), wanted, roughness, derive):
            _keep(frames, time, frame)
    times = _complete(frames, wanted, step)
    return _joined([frames[time] for time in times], np.array(times))


def wrf_times(path: Path) -> np.ndarray:
    """Return the times of a file, datetime64[ns], without reading any field.

    Raises
    ------
    InputError, FormatError
        For a file that is absent, truncated or holds no times.
    TimeError
        For times that are no dates or off the whole hour.
    """
    with open_netcdf(path) as file:
        return _times(file, path.name)


def _hours_of(first: np.datetime64, last: np.datetime64, step: np.timedelta64) -> np.ndarray:
    """Return the hours from first to last, both included."""
    hours = np.arange(first.astype("datetime64[h]"), last.astype("datetime64[h]") + 1, step.astype("timedelta64[h]"))
    if hours.size == 0 or hours[0] != first or hours[-1] != last:
        got = f"{first} to {last}"
        raise TimeError("hours must be two whole hours in order", got=got, remedy="round them", where="hours")
    return hours.astype("datetime64[ns]")


def _frames(
    path: Path, wanted: np.ndarray | None, roughness: float | None, derive: Collection[str]
) -> Iterator[tuple[np.datetime64, _Frame]]:
    """Yield the wanted hours of one file."""
    with open_netcdf(path) as file:
        for full, mass in (("bottom_top_stag", _MASS[0]), ("south_north_stag", _MASS[1]), ("west_east_stag", _MASS[2])):
            # where a staggered dim is absent, its variable is missing and is named later
            if full in file.sizes and file.sizes[full] != file.sizes.get(mass, 0) + 1:
                raise FormatError(
                    f"{full} must be one longer than {mass}",
                    got=dict(file.sizes),
                    remedy="cut staggered and mass points alike, or give the whole wrfout",
                    where=path.name,
                )
        for index, time in enumerate(_times(file, path.name)):
            if wanted is None or time in wanted:
                where = f"{path.name} at {np.datetime_as_string(time, 'h')}"
                fields = _fields(file, index, where, roughness, derive)
                _check(fields, where)
                lon, lat = (_read(file, name, index, where) for name in ("XLONG", "XLAT"))
                grid = wrf_grid(lon, lat, file.attrs, where=path.name)
                yield time, _Frame({name: values.astype(np.float32) for name, values in fields.items()}, grid, where)


def _times(file: xr.Dataset, where: str) -> np.ndarray:
    """Return the times of a file, datetime64[ns], from Times or else XTIME; all on the whole hour."""
    if "Times" in file.variables:
        texts = [bytes(text).decode("ascii", "replace") for text in np.atleast_1d(file["Times"].values)]
        try:
            times = np.array([text.replace("_", "T") for text in texts], dtype="datetime64[ns]")
        except ValueError as error:
            remedy = "write YYYY-MM-DD_hh:mm:ss"
            raise TimeError("Times must be dates", got=texts[0], remedy=remedy, where=f"{where}:Times") from error
    elif "XTIME" in file.variables:
        times = np.atleast_1d(decode_times(file["XTIME"], where=f"{where}:XTIME"))
    else:
        got = sorted(map(str, file.variables))
        raise FormatError("the file must hold Times or XTIME", got=got, remedy="give a wrfout file", where=where)
    off = times[times != times.astype("datetime64[h]")]
    if off.size:
        remedy = "keep the hourly frames only"
        raise TimeError("times must be whole hours", got=str(off[0]), remedy=remedy, where=where)
    return times


def _read(file: xr.Dataset, name: str, index: int, where: str) -> np.ndarray:
    """Return one variable at one time, float64, checked for dims and missing values."""
    where = f"{where}:{name}"
    if name not in file.variables:
        remedy = _REMEDIES.get(name, "write it in the history stream; it cannot be derived")
        raise FormatError(f"the variable {name} must be present", remedy=remedy, where=where)
    if file[name].dims != ("Time", *_DIMS[name]):
        remedy = f"expected {('Time', *_DIMS[name])}"
        raise FormatError("the dims must be those of wrfout", got=file[name].dims, remedy=remedy, where=where)
    values: np.ndarray = file[name].isel(Time=index).values.astype(np.float64)
    bad = ~np.isfinite(values)
    if bad.any():
        level = f", first at level {int(np.argwhere(bad)[0][0])}" if values.ndim == 3 else ""
        remedy = "the run may have blown up; leave the file out"
        raise FormatError("values must be finite", got=f"{int(bad.sum())} missing{level}", remedy=remedy, where=where)
    return values


def _fields(
    file: xr.Dataset, index: int, where: str, roughness: float | None, derive: Collection[str]
) -> dict[str, np.ndarray]:
    """Return the fields of the contract at one time, float64."""

    def read(name: str) -> np.ndarray:
        return _read(file, name, index, where)

    terrain, vapour = read("HGT"), read("QVAPOR")
    pressure = read("P") + read("PB")
    temperature = (read("T") + REFERENCE_THETA) * (pressure / REFERENCE_PRESSURE) ** KAPPA
    humidity = vapour / (1 + vapour)
    fields = {
        "height": _middle((read("PH") + read("PHB")) / GRAVITY, 0) - terrain,
        "u": _middle(read("U"), 2),
        "v": _middle(read("V"), 1),
        "w": _middle(read("W"), 0),
        "temperature": temperature,
        "pressure": pressure,
        "humidity": humidity,
        "density": moist_density(pressure, temperature, humidity, dry=R_DRY, vapour=R_VAPOUR),
        "surface_pressure": read("PSFC"),
        "friction_velocity": read("UST"),
        "heat_flux": read("HFX"),
        "terrain": terrain,
    }
    if "ZNT" in file.variables or roughness is None:
        fields["roughness"] = read("ZNT")
    else:
        fields["roughness"] = np.full_like(terrain, roughness)
    if "PBLH" in file.variables or "boundary_layer_height" not in derive:
        fields["boundary_layer_height"] = read("PBLH")
    else:
        fields["boundary_layer_height"] = derived_height(
            fields, gravity=GRAVITY, dry=R_DRY, vapour=R_VAPOUR, where=where
        )
    return fields


def _middle(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the means of neighbours along an axis: staggered points to mass points."""
    count = values.shape[axis] - 1
    below, above = np.arange(count), np.arange(1, count + 1)
    return 0.5 * (values.take(below, axis) + values.take(above, axis))


def _check(fields: dict[str, np.ndarray], where: str) -> None:
    """Raise unless the heights ascend from the ground and every field is plausible."""
    lowest = float(np.diff(fields["height"], axis=0, prepend=0.0).min())
    if lowest <= 0:
        raise FormatError(
            "heights must ascend from the ground",
            got=f"a step of {lowest:.3g} m",
            remedy="check PH, PHB and HGT",
            where=f"{where}:height",
        )
    # the pressure first: all that is derived from it would be wrong too
    ground = {"pressure at the lowest level": (fields["pressure"][0], RANGES["surface_pressure"])}
    checks = ground | {name: (fields[name], bounds) for name, bounds in RANGES.items()}
    for name, (values, (low, high)) in checks.items():
        worst = next((float(end) for end in (values.min(), values.max()) if not low <= end <= high), None)
        if worst is not None:
            variable = name.split()[0]
            rule = f"{name} must lie in [{low:g}, {high:g}] {SCHEMAS['meteorology'][variable].unit}"
            raise UnitError(rule, got=f"{worst:.6g}", remedy="check the unit and the run", where=f"{where}:{variable}")


def _keep(frames: dict[np.datetime64, _Frame], time: np.datetime64, frame: _Frame) -> None:
    """Add a frame, after comparing it with one of the same hour and with the grid of the first."""
    if frames:
        first = next(iter(frames.values()))
        first.grid.require_match(frame.grid, where=frame.where)
        off = float(np.max(np.abs(first.fields["terrain"] - frame.fields["terrain"])))
        if off > TERRAIN_TOLERANCE:
            rule, got = f"the terrain must be that of {first.where}", f"differs by up to {off:.3g} m"
            raise CoordinateError(rule, got=got, remedy="do not mix runs", where=f"{frame.where}:HGT")
    if time in frames:
        held = frames[time]
        unequal = [name for name in frame.fields if not np.array_equal(held.fields[name], frame.fields[name])]
        if unequal:
            rule = f"two frames of one hour must be identical ({held.where})"
            raise TimeError(rule, got=unequal, remedy="do not mix runs", where=frame.where)
        return
    frames[time] = frame


def _complete(
    frames: dict[np.datetime64, _Frame], wanted: np.ndarray | None, step: np.timedelta64
) -> list[np.datetime64]:
    """Return the hours in order, none missing."""
    if wanted is None and not frames:
        raise TimeError("there must be at least one hour", got="none", remedy="check the paths", where="paths")
    hours = np.arange(min(frames), max(frames) + step, step) if wanted is None else wanted
    missing = [str(np.datetime_as_string(hour, "h")) for hour in hours if hour not in frames]
    if missing:
        shown = ", ".join(missing[:6]) + (f" and {len(missing) - 6} more" if len(missing) > 6 else "")
        raise TimeError("every hour must be present", got=f"missing {shown}", remedy="fetch these hours", where="paths")
    return list(hours)


def _joined(frames: list[_Frame], times: np.ndarray) -> xr.Dataset:
    """Return the frames as one labelled dataset; each frame's fields are given up on the way, to hold them once."""
    terrain = frames[0].fields["terrain"]
    data: dict[str, tuple[tuple[str, ...], np.ndarray]] = {"terrain": (("y", "x"), terrain)}
    for name, declared in SCHEMAS["meteorology"].items():
        if name not in ("time", "terrain"):
            data[name] = (declared.dims, np.stack([frame.fields.pop(name) for frame in frames]))
    coords = {"time": times.astype("datetime64[ns]")} | frames[0].grid.coordinates()
    return label(xr.Dataset(data, coords=coords), "meteorology")
