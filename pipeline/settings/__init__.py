"""The settings of one domain and period: one TOML file, validated before anything runs.

An unknown key, a wrong type or an impossible value is refused with the path of the key and the remedy;
`tianyan config explain` prints every key.
"""

from pipeline.settings.cycle import CycleSettings
from pipeline.settings.inversion import FluxSource, OffsetSettings, SectorSettings
from pipeline.settings.micro import Hj212Settings, NodeSettings
from pipeline.settings.mobile import MobileSettings, TrackColumns
from pipeline.settings.reader import explain, input_root, read_section, read_settings, validated
from pipeline.settings.sections import (
    MOST_CELLS,
    BackgroundSettings,
    Box,
    Completeness,
    FootprintSettings,
    GridSettings,
    RegionSettings,
    Settings,
    StationSettings,
    TableColumns,
    Window,
)
from pipeline.settings.sensors import BiasFilterSettings, CompensationSettings
from pipeline.settings.service import FetchSettings, ServiceSettings
from pipeline.settings.sinks import SinkSettings
from pipeline.settings.transport import ColumnSettings, ForecastSettings, MeteorologySettings, TransportSettings

__all__ = [
    "MOST_CELLS",
    "BackgroundSettings",
    "BiasFilterSettings",
    "Box",
    "ColumnSettings",
    "CompensationSettings",
    "Completeness",
    "CycleSettings",
    "FetchSettings",
    "FluxSource",
    "FootprintSettings",
    "ForecastSettings",
    "GridSettings",
    "Hj212Settings",
    "MeteorologySettings",
    "MobileSettings",
    "NodeSettings",
    "OffsetSettings",
    "RegionSettings",
    "SectorSettings",
    "ServiceSettings",
    "Settings",
    "SinkSettings",
    "StationSettings",
    "TableColumns",
    "TrackColumns",
    "TransportSettings",
    "Window",
    "explain",
    "input_root",
    "read_section",
    "read_settings",
    "validated",
]
