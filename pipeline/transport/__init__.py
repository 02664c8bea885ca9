"""Receptors to footprints."""

from pipeline.transport.hour_file import hour_path, read_hour, row_key, settings_digest, write_hour, writing
from pipeline.transport.metric import cells_per_metre
from pipeline.transport.release import Receptor, receptors_of, within
from pipeline.transport.rows import footprints_dataset, join, take
from pipeline.transport.trace import REASONS, Footprint, trace_receptor
from pipeline.transport.weather import Prepared, levels, prepare
from pipeline.transport.weather_store import WeatherStore, sweep
from pipeline.transport.window import WeatherWindow, require_window_memory, seconds, slots_for, window_bytes

__all__ = [
    "REASONS",
    "Footprint",
    "Prepared",
    "Receptor",
    "WeatherStore",
    "WeatherWindow",
    "cells_per_metre",
    "footprints_dataset",
    "hour_path",
    "join",
    "levels",
    "prepare",
    "read_hour",
    "receptors_of",
    "require_window_memory",
    "row_key",
    "seconds",
    "settings_digest",
    "slots_for",
    "sweep",
    "take",
    "trace_receptor",
    "window_bytes",
    "within",
    "write_hour",
    "writing",
]
