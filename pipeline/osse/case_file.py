"""The case.toml of a simulated case."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.osse.instruments import INSTRUMENTS
from pipeline.osse.network import Site
from pipeline.osse.prior import DAY_PROFILE
from pipeline.osse.station_files import FILL, NORMAL
from pipeline.osse.weather import ZONE

#: paths under the case's folder
WEATHER = "weather"
TRANSPORT = "transport"
STATIONS = "stations"
DIFFUSE = "fluxes/inventory_diffuse.nc"
POINTS = "fluxes/inventory_power_plants.tif"
EXCHANGE = "fluxes/exchange.nc"
BACKGROUND = "background/background.csv"
TRUTH = "truth.nc"
STORE = "posterior.zarr"

#: west, east, south, north: Zhejiang and what lies upwind of it
BOX = (118.0, 123.0, 27.0, 31.5)
#: longest travel time back, hours, and particles of a receptor: the demo is to end within minutes
HOURS_BACK, PARTICLES = 18, 300
#: stated error of the background, ppm, and its memory, hours; it is wrong by just that
BACKGROUND_ERROR = (0.8, 8.0)
#: what the inversion is told about the errors of the prior: share, floor (umol m-2 s-1), km, hours; chosen so that
#: reduced chi2 and the left-out stations' errors are near one over seeds 1-4
_PRIOR_ERRORS: dict[str, tuple[float, float, float, float]] = {
    "anthropogenic": (0.8, 1.0, 15.0, 48.0),
    "biosphere": (0.3, 1.5, 200.0, 6.0),
}


def station_file(site: Site) -> str:
    """Return the path of a site's feed under the case's folder."""
    return f"{STATIONS}/{site.id.lower()}." + (
        "hourly.csv" if site.is_micro else f"picarro.1minute.{site.height:g}m.dat"
    )


def write_case(
    path: Path,
    chosen: Sequence[Site],
    *,
    flux_hours: tuple[np.datetime64, np.datetime64],
    observation_hours: tuple[np.datetime64, np.datetime64],
    spacing: float,
) -> None:
    """Write the settings of the case.

    Parameters
    ----------
    path
        File to write.
    chosen
        Sites with a feed.
    flux_hours, observation_hours
        Start and end (exclusive), UTC.
    spacing
        Cell side, m.
    """
    parts = [
        "# A simulated case: every number in its inputs is invented. truth.nc holds the fluxes they were made from.",
        _section(
            "case",
            name="zhejiang-simulated",
            title="CO2 over a simulated Zhejiang",
            species="co2",
            flux_hours=_window(flux_hours),
            observation_hours=_window(observation_hours),
        ),
        _section("grid", box=BOX, spacing=spacing),
        _section("regions", zhejiang=["province", "city"]),
        *(_station(site) for site in chosen),
        _section(
            "transport",
            meteorology={"format": "wrf", "files": [f"{WEATHER}/wrfout_d01_*"]},
            folder=TRANSPORT,
            hours=HOURS_BACK,
            particles=PARTICLES,
        ),
        *_sectors(),
        _background(),
        _section("outputs", store=STORE),
    ]
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _station(site: Site) -> str:
    kind = INSTRUMENTS[site.station.station_class]
    entry: dict[str, Any] = {
        "id": site.id,
        "format": "table" if site.is_micro else "gcwerks",
        "files": [station_file(site)],
        "height": site.height,
        "representation_error": round(float(np.hypot(kind.hour_noise, kind.offset)), 2),
    }
    if site.is_micro:
        entry["completeness"] = {"expected": 1, "minimum": 1}
        entry["table"] = {
            "time": "time",
            "value": "co2_ppm",
            "unit": "ppm",
            "time_format": "%Y-%m-%d %H:%M:%S",
            "fill_values": [FILL],
            "valid_flags": {"status": [NORMAL]},
        }
    return _section("stations", array=True, **entry)


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
    parts = []
    for name, sources in (("anthropogenic", human), ("biosphere", exchange)):
        share, floor, length, hours = _PRIOR_ERRORS[name]
        parts.append(
            _section(
                "sectors",
                array=True,
                name=name,
                sigma_fraction=share,
                sigma_floor=floor,
                length=length,
                hours=hours,
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
