"""The case.toml of a simulated case."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.osse.drives import LAG
from pipeline.osse.network import Site
from pipeline.osse.plan import Plan
from pipeline.osse.prior import DAY_PROFILE
from pipeline.osse.station_files import FILL, NORMAL
from pipeline.osse.weather import ZONE

#: paths under the case's folder
WEATHER, WEATHER_TRUE = "weather", "weather_true"
TRANSPORT, TRANSPORT_TRUE = "transport", "transport_true"
STATIONS, SINKS, COLUMNS, MOBILE, LATE = "stations", "sinks", "columns", "mobile", "late"
DIFFUSE = "fluxes/inventory_diffuse.nc"
POINTS = "fluxes/inventory_points.tif"
EXCHANGE = "fluxes/exchange.nc"
LAND = "fluxes/land.nc"
BACKGROUND = "background/background.csv"
TRUTH = "truth.nc"
#: which hours of which stations were harmed on purpose
FAULTS = "faults.csv"
#: and what those stations would have reported without
SOUND = "sound.nc"
STORE = "posterior.zarr"

#: west, east, south, north: Zhejiang and what lies upwind of it
BOX = (118.0, 123.0, 27.0, 31.5)
#: stated error of the background, ppm, and its memory, hours; it is wrong by just that
BACKGROUND_ERROR = (0.8, 8.0)
#: one-sigma error of comparing an hour of a class of stations with a 3 km cell, ppm; of the micro sensors' drift, ppm,
#: and its memory, hours; of a tower's hour with the cells around it, umol m-2 s-1
REPRESENTATION = {"provincial": 1.5, "regional": 1.5, "city": 2.5, "micro": 4.0}
OFFSET = (3.0, 240.0)
#: local hours whose air is used: at night a shallow layer holds what few cells emit, and the prior's pattern is wrong
#: there; and the error that comes with the enhancement
LOCAL_HOURS, ENHANCEMENT_ERROR = (10, 18), 0.15
MOBILE_ERROR = 4.0
TOWER_ERROR, TOWER_RADIUS, TOWER_FRICTION = 2.0, 1.5, 0.15


@dataclass(frozen=True)
class Satellite:
    """One section `columns`.

    Parameters
    ----------
    format, pattern
        Of its files; one file a day in place of the star.
    top
        Particles leave up to here, m.
    representation
        One-sigma error of comparing a column with the model, ppm.
    """

    format: str
    pattern: str
    top: float
    representation: float


SATELLITES = {
    "OCO2": Satellite("oco2-lite", "oco2_LtCO2_*_B11.nc4", 4000.0, 0.4),
    "IMAGER": Satellite("ghg-cci", "imager_XCO2_*.nc", 4000.0, 0.4),
}


@dataclass(frozen=True)
class PriorError:
    """What the inversion is told about the errors of one sector's prior.

    Parameters
    ----------
    share
        Of the prior flux.
    floor
        umol m-2 s-1.
    length, hours
        Memory in space, km, and in time, hours.
    wide
        A longer distance, km, and its share of the variance.
    daily
        Width of the tie to the hour of day, hours; none when None.
    """

    share: float
    floor: float
    length: float
    hours: float
    wide: tuple[float, float]
    daily: float | None = None


#: both err over the whole province and from place to place. A floor of several units lets a plant stand where the
#: inventory has nothing; a tower's stand is not the forest of its county
PRIOR_ERRORS = {
    "anthropogenic": PriorError(share=0.8, floor=3.0, length=8.0, hours=240.0, wide=(150.0, 0.08)),
    "biosphere": PriorError(share=0.5, floor=1.0, length=10.0, hours=168.0, wide=(300.0, 0.6), daily=6.0),
}


def station_file(site: Site) -> str:
    """Return the path of a site's feed under the case's folder."""
    return f"{STATIONS}/{site.id.lower()}." + (
        "hourly.csv" if site.is_micro else f"picarro.1minute.{site.height:g}m.dat"
    )


def mobile_file(site: Site) -> str:
    """Return the path of a laboratory's track under the case's folder."""
    return f"{MOBILE}/{site.id.lower()}.track.csv"


def sink_file(site: Site) -> str:
    """Return the path of a tower's feed under the case's folder."""
    return f"{SINKS}/{site.id.lower()}.halfhourly.csv"


def write_case(
    path: Path,
    plan: Plan,
    air: Sequence[Site],
    sinks: Sequence[Site] = (),
    satellites: Sequence[str] = (),
    laboratories: Sequence[Site] = (),
) -> None:
    """Write the settings of the case.

    Parameters
    ----------
    path
        File to write.
    plan
        What the case holds.
    air, sinks
        Sites with a feed of air, and towers.
    satellites
        Those of `SATELLITES` that see something.
    laboratories
        Those that drive.
    """
    parts = [
        "# A simulated case: every number in its inputs is invented. truth.nc holds the fluxes they were made from.",
        _section(
            "case",
            name="zhejiang-simulated",
            title="CO2 over a simulated Zhejiang",
            species="co2",
            flux_hours=_window(plan.window),
            observation_hours=_window(plan.observed),
        ),
        _section("grid", box=BOX, spacing=1000.0 * plan.spacing_km),
        _section("regions", zhejiang=["province", "city", "county"]),
        *(_station(site, plan) for site in air),
        *(_sink(site) for site in sinks),
        *(_columns(name) for name in satellites),
        *(_mobile(site) for site in laboratories),
        _section(
            "transport",
            meteorology={"format": "wrf", "files": [f"{WEATHER}/wrfout_d01_*"]},
            folder=TRANSPORT,
            hours=plan.hours_back,
            particles=plan.particles,
        ),
        *_sectors(),
        _background(),
        _section("outputs", store=STORE),
    ]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _station(site: Site, plan: Plan) -> str:
    """Return a feed; a matched one states just the errors that are drawn."""
    entry: dict[str, Any] = {
        "id": site.id,
        "format": "table" if site.is_micro else "gcwerks",
        "files": [station_file(site)],
        "height": site.height,
        "representation_error": REPRESENTATION[site.station.station_class],
        "local_hours": list(LOCAL_HOURS),
    }
    if not plan.matched:
        entry["enhancement_error"] = ENHANCEMENT_ERROR
    if site.is_micro:
        sigma, hours = OFFSET
        entry["offset"] = {"sigma": sigma, "hours": hours}
        entry["completeness"] = {"expected": 1, "minimum": 1}
        entry["air"] = "dry"
        entry["table"] = {
            "time": "time",
            "value": "co2_ppm",
            "unit": "ppm",
            "time_format": "%Y-%m-%d %H:%M:%S",
            "fill_values": [FILL],
            "valid_flags": {"status": [NORMAL]},
            **({"environment": {"humidity": "rh_percent"}} if "humid" in plan.faults else {}),
        }
    return _section("stations", array=True, **entry)


def _columns(name: str) -> str:
    satellite = SATELLITES[name]
    return _section(
        "columns",
        array=True,
        id=name,
        format=satellite.format,
        files=[f"{COLUMNS}/{satellite.pattern}"],
        top=satellite.top,
        # the simulated noise is just what the files state
        uncertainty_factor=1.0,
        representation_error=satellite.representation,
        # where its files do not say
        scale="WMO CO2 X2019",
    )


def _mobile(site: Site) -> str:
    return _section(
        "mobile",
        array=True,
        id=site.id,
        files=[mobile_file(site)],
        height=site.height,
        lag=LAG,
        box=BOX,
        representation_error=MOBILE_ERROR,
        columns={
            "time": ["time"],
            "time_format": "%Y-%m-%d %H:%M:%S",
            "lon": "lon",
            "lat": "lat",
            "value": "co2_ppm",
            "unit": "ppm",
            "fix": "fix",
            "fix_valid": ["1"],
            "speed": "speed_kmh",
            "co": "co_ppb",
        },
    )


def _sink(site: Site) -> str:
    return _section(
        "sinks",
        array=True,
        id=site.id,
        format="fluxnet",
        files=[sink_file(site)],
        height=site.height,
        variable="NEE",
        quality="NEE_QC",
        accepted=[0],
        uncertainty="NEE_RANDUNC",
        friction_least=TOWER_FRICTION,
        radius=TOWER_RADIUS,
        sector="biosphere",
        representation_error=TOWER_ERROR,
    )


def _sectors() -> list[str]:
    """Return the two sectors: an inventory in two files, and a biosphere model."""
    human = [
        {
            "file": DIFFUSE,
            "format": "netcdf",
            "variable": "emi_co2",
            "profile": list(DAY_PROFILE),
            "profile_zone": ZONE,
        },
        {"file": POINTS, "format": "geotiff", "unit": "t cell-1 year-1"},
    ]
    exchange = [{"file": EXCHANGE, "format": "netcdf", "variable": "nee", "time": "hourly"}]
    land = {"file": LAND, "format": "netcdf", "variable": "land"}
    parts = []
    for name, sources in (("anthropogenic", human), ("biosphere", exchange)):
        error = PRIOR_ERRORS[name]
        parts.append(
            _section(
                "sectors",
                array=True,
                name=name,
                sigma_fraction=error.share,
                sigma_floor=error.floor,
                length=error.length,
                wide=dict(zip(("length", "share"), error.wide, strict=True)),
                hours=error.hours,
                **({} if error.daily is None else {"daily": error.daily}),
                mask=land,
                sources=sources,
            )
        )
    return parts


def _background() -> str:
    sigma, hours = BACKGROUND_ERROR
    return _section(
        "background",
        kind="series",
        file=BACKGROUND,
        sigma=sigma,
        hours=hours,
        table={"time": "time", "value": "co2_ppm", "unit": "ppm"},
    )


def _window(bounds: tuple[np.datetime64, np.datetime64]) -> dict[str, Any]:
    return {
        name: _Bare(f"{bound.astype('datetime64[s]')}Z") for name, bound in zip(("start", "end"), bounds, strict=True)
    }


class _Bare(str):
    """Text that TOML writes without quotes: a time."""


def _section(name: str, /, *, array: bool = False, **entries: Any) -> str:
    head = f"[[{name}]]" if array else f"[{name}]"
    return "\n".join([head, *(f"{key} = {_value(value)}" for key, value in entries.items())])


def _value(value: Any) -> str:
    """Return a TOML value: inline tables and arrays, so that one section is one block."""
    if isinstance(value, _Bare):
        return value
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_value(entry)}" for key, entry in value.items()) + " }"
    if isinstance(value, list | tuple):
        # tables one a line: a TOML array may break anywhere
        apart = ",\n  " if value and isinstance(value[0], Mapping) else ", "
        return "[" + apart.join(_value(entry) for entry in value) + "]"
    # JSON's text, numbers and booleans are TOML's
    return json.dumps(value, ensure_ascii=False)
