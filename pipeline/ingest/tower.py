"""What the registry and the tables of thresholds say of a tower."""

from __future__ import annotations

import numpy as np
import pandas as pd

import station_meta
from pipeline.errors import RegistryError
from pipeline.ingest.quality import rules_of
from pipeline.ingest.site import registry_error
from station_meta import QualityRules, Rules, SinkRules, Station, StationMetaError

#: name and class under which thresholds of net exchange stand, umol m-2 s-1
_NET, _SINK = "nee", "sink"


def tower_facts(station: str, registry: pd.DataFrame, ends: tuple[np.datetime64, np.datetime64]) -> Station:
    """Return the registry's facts about a tower, the same at both ends of a time.

    Raises
    ------
    RegistryError
        When it has none, or the tower was moved in between.
    """
    try:
        first, then = (station_meta.find(registry, station, when) for when in ends)
    except StationMetaError as error:
        raise registry_error(error) from error
    if (first.lon, first.lat, first.zone) != (then.lon, then.lat, then.zone):
        raise RegistryError(
            "a tower must stay in its place and zone over the hours read",
            got="two periods of the station table",
            remedy="choose hours within one",
            where=f"sink {station}",
        )
    return first


def tower_rules(rules: Rules, station: str) -> tuple[QualityRules, SinkRules]:
    """Return the thresholds of a tower.

    Raises
    ------
    RegistryError
        When they cannot be used.
    """
    try:
        return rules_of(rules, _NET, _SINK, station, where=f"sink {station}"), rules.table("sink", SinkRules)
    except StationMetaError as error:
        raise registry_error(error) from error
