"""The settings of one domain and period: one TOML file, validated before anything runs.

An unknown key, a wrong type or an impossible value is refused with the path of the key and the remedy;
`tianyan config explain` prints every key.
"""

from pipeline.settings.reader import explain, input_root, read_settings
from pipeline.settings.sections import (
    BackgroundSettings,
    Box,
    Completeness,
    FluxSource,
    FootprintSettings,
    GridSettings,
    RegionSettings,
    SectorSettings,
    Settings,
    StationSettings,
    TableColumns,
)

__all__ = [
    "BackgroundSettings",
    "Box",
    "Completeness",
    "FluxSource",
    "FootprintSettings",
    "GridSettings",
    "RegionSettings",
    "SectorSettings",
    "Settings",
    "StationSettings",
    "TableColumns",
    "explain",
    "input_root",
    "read_settings",
]
