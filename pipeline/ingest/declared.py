"""What settings and station table say of a feed, checked before a file of it is opened.

A file that cannot be used is set aside, and the run goes on; what no file could put right is the case's, and stops it.
"""

from __future__ import annotations

import pandas as pd

import station_meta
from pipeline.errors import ConfigError, RegistryError, TimeError, UnitError
from pipeline.ingest.clock import zone_of
from pipeline.ingest.quality import rules_of
from pipeline.ingest.site import fitting_periods, registry_error
from pipeline.schema import MOBILE
from pipeline.settings import MobileSettings, StationSettings
from pipeline.units import SPECIES, Species, mole_fraction_factor
from station_meta import Rules, Station, StationMetaError


def require_station(feed: StationSettings, gas: Species, registry: pd.DataFrame, rules: Rules) -> None:
    """Raise unless a station's feed can be read, whatever its files hold.

    A column that the settings name and a file has not is not looked for here: a provider's new heading or a web page
    in place of the file lacks it as well, and one provider must not stop a network.

    Raises
    ------
    ConfigError
        When unit or zone of the settings are none.
    RegistryError
        When the station is unknown, the inlet or the species is not the station's at any time, or thresholds are not
        declared for its class.
    """
    where = f"station {feed.id}"
    for section, declared in (("table", feed.table), ("hj212", feed.hj212)):
        if declared is not None:
            _require_unit(declared.unit, gas, where=f"{where}: {section}.unit")
    _require_zone(feed.zone, where)
    fitting = fitting_periods(feed, gas, registry)
    for name in dict.fromkeys(feed.quality_class or station.station_class for station in fitting):
        rules_of(rules, gas.name, name, feed.id, where=where)


def require_laboratory(feed: MobileSettings, gas: Species, registry: pd.DataFrame, rules: Rules) -> None:
    """Raise unless a mobile laboratory's tracks can be read, whatever they hold.

    Raises
    ------
    ConfigError
        When a unit or the zone of the settings are none.
    RegistryError
        When the laboratory is unknown, its zone, uncertainty or scale is known in none of its periods, or thresholds
        are not declared.
    """
    where = f"mobile {feed.id}"
    _require_unit(feed.columns.unit, gas, where=f"{where}: columns.unit")
    if feed.columns.co is not None:
        _require_unit(feed.columns.co_unit, SPECIES["co"], where=f"{where}: columns.co_unit")
    _require_zone(feed.zone, where)
    if feed.value_means == "mole fraction":
        rules_of(rules, gas.name, MOBILE, feed.id, where=where)
    try:
        faults = [_unknown(station, feed, gas) for station in station_meta.every_period(registry, feed.id)]
    except StationMetaError as error:
        raise registry_error(error) from error
    if faults[-1] is not None and all(faults):
        raise faults[-1]


def _unknown(station: Station, feed: MobileSettings, gas: Species) -> RegistryError | None:
    """Return what of a laboratory is not known in that period, if anything."""
    try:
        station.uncertainty_of(gas.name)
        if feed.value_means == "mole fraction":
            station.scale_of(gas.name)
    except StationMetaError as error:
        return registry_error(error)
    return None if feed.zone or station.zone else zone_unknown(feed, where=f"mobile {feed.id}")


def zone_unknown(feed: MobileSettings, *, where: str) -> RegistryError:
    """Return the error of tracks whose zone nobody says."""
    return RegistryError(
        "the zone of a track's labels must be known",
        got="neither settings nor station table say",
        remedy=f"set zone of {feed.id} in the settings",
        where=where,
    )


def _require_unit(unit: str, gas: Species, *, where: str) -> None:
    try:
        mole_fraction_factor(unit, gas)
    except UnitError as error:
        raise ConfigError(error.rule, got=error.got, remedy=error.remedy, where=where) from error


def _require_zone(zone: str | None, where: str) -> None:
    if zone is None:
        return
    try:
        zone_of(zone)
    except TimeError as error:
        raise ConfigError(error.rule, got=error.got, remedy=error.remedy, where=f"{where}: zone") from error
