"""Receptors to footprints."""

from pipeline.transport.hour_file import hour_path, read_hour, row_key, settings_digest, write_hour
from pipeline.transport.plume import Plume, plume_footprints
from pipeline.transport.release import Receptor, receptors_of
from pipeline.transport.rows import footprints_dataset, join, take
from pipeline.transport.trace import REASONS, Footprint, trace_receptor
from pipeline.transport.weather import Prepared, prepare
from pipeline.transport.weather_store import WeatherStore
from pipeline.transport.window import WeatherWindow, seconds

__all__ = [
    "REASONS",
    "Footprint",
    "Plume",
    "Prepared",
    "Receptor",
    "WeatherStore",
    "WeatherWindow",
    "footprints_dataset",
    "hour_path",
    "join",
    "plume_footprints",
    "prepare",
    "read_hour",
    "receptors_of",
    "row_key",
    "seconds",
    "settings_digest",
    "take",
    "trace_receptor",
    "write_hour",
]
