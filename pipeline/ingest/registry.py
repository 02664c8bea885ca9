"""The station registry of a case: the shipped tables and the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import pandas as pd

import station_meta
from pipeline.ingest.files import expand
from pipeline.ingest.site import registry_error
from pipeline.settings import Settings
from station_meta import Rules, StationMetaError, load_rules

T = TypeVar("T")


def read_registry(settings: Settings, root: Path) -> pd.DataFrame:
    """Return the shipped station tables with those of `inputs.station_tables`.

    Raises
    ------
    RegistryError
        With every fault of the tables: a missing scale, overlapping periods, swapped coordinates.
    """
    return load_registry([path for pattern in settings.inputs.station_tables for path in expand(root, pattern)])


def read_rules(settings: Settings, root: Path, registry: pd.DataFrame) -> Rules:
    """Return the shipped thresholds of quality control with those of `inputs.quality_rules`.

    Raises
    ------
    RegistryError
        When a table cannot be used, or is one of a station that the registry does not know.
    """
    tables = [path for pattern in settings.inputs.quality_rules for path in expand(root, pattern)]
    return load_own_rules(tables, registry)


def load_own_rules(tables: Sequence[Path], registry: pd.DataFrame | None = None) -> Rules:
    """Return the shipped thresholds with these on top; without a registry, those of any station.

    Raises
    ------
    RegistryError
        As `read_rules`.
    """
    try:
        rules = load_rules(*tables)
        if registry is not None:
            for station in rules.stations:
                _require_known(rules, station, registry)
    except StationMetaError as error:
        raise registry_error(error) from error
    return rules


def _require_known(rules: Rules, station: str, registry: pd.DataFrame) -> None:
    """Raise unless a station with thresholds of its own is in the registry."""
    try:
        station_meta.periods_of(registry, station)
    except StationMetaError as error:
        place = f"{rules.where} [stations.{station}]"
        raise StationMetaError(error.rule, got=error.got, remedy=error.remedy, where=place) from error


def unused_thresholds(settings: Settings, rules: Rules) -> list[str]:
    """Return a sentence on stations with thresholds of their own of which the case has no feed, if there are any."""
    feeds = [feed.id for feed in settings.stations]
    feeds += [feed.id for feed in settings.mobile] + [feed.id for feed in settings.sinks]
    other = [station for station in rules.stations if station not in feeds]
    return [f"thresholds of {', '.join(other)} are used by no feed of the case"] if other else []


def rules_table(rules: Rules, name: str, cls: type[T]) -> T:
    """Return thresholds that are no single station's, by the name of their table.

    Raises
    ------
    RegistryError
        When they cannot be used.
    """
    try:
        return rules.table(name, cls)
    except StationMetaError as error:
        raise registry_error(error) from error


def load_registry(tables: Sequence[Path]) -> pd.DataFrame:
    """Return the shipped station tables with these.

    Raises
    ------
    RegistryError
        As `read_registry`.
    """
    try:
        return station_meta.load(station_meta.KNOWN, station_meta.ZHEJIANG_ILLUSTRATIVE, *tables)
    except StationMetaError as error:
        raise registry_error(error) from error
