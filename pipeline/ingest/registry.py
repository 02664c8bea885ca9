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


def read_rules(settings: Settings, root: Path) -> Rules:
    """Return the shipped thresholds of quality control with those of `inputs.quality_rules`.

    Raises
    ------
    RegistryError
        When a table cannot be used.
    """
    return load_own_rules([path for pattern in settings.inputs.quality_rules for path in expand(root, pattern)])


def load_own_rules(tables: Sequence[Path]) -> Rules:
    """Return the shipped thresholds with these on top.

    Raises
    ------
    RegistryError
        As `read_rules`.
    """
    try:
        return load_rules(*tables)
    except StationMetaError as error:
        raise registry_error(error) from error


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
