"""Foreign files in, checked Datasets out: one kind of source a file."""

from pipeline.ingest import account, quarantine, sandbox
from pipeline.ingest.background import read_background
from pipeline.ingest.columns import inspect_columns
from pipeline.ingest.contents import Contents, Source, sources_of
from pipeline.ingest.files import expand
from pipeline.ingest.footprints import read_footprints
from pipeline.ingest.inspection import inspect
from pipeline.ingest.inventories import read_fluxes, read_inventory, require_fluxes
from pipeline.ingest.meteorology import file_times, forecast_leads, read_meteorology, source_keys, weather_hours
from pipeline.ingest.receptors import all_receptors
from pipeline.ingest.registry import load_registry, read_registry
from pipeline.ingest.series import series_hours
from pipeline.ingest.sinks import random_error, read_sinks
from pipeline.ingest.soundings import layer_edges, prior_and_share, sounding_ids
from pipeline.ingest.stations import read_station, read_stations
from pipeline.ingest.versions import versions_told

__all__ = [
    "Contents",
    "Source",
    "account",
    "all_receptors",
    "expand",
    "file_times",
    "forecast_leads",
    "inspect",
    "inspect_columns",
    "layer_edges",
    "load_registry",
    "prior_and_share",
    "quarantine",
    "random_error",
    "read_background",
    "read_fluxes",
    "read_footprints",
    "read_inventory",
    "read_meteorology",
    "read_registry",
    "read_sinks",
    "read_station",
    "read_stations",
    "require_fluxes",
    "sandbox",
    "series_hours",
    "sounding_ids",
    "source_keys",
    "sources_of",
    "versions_told",
    "weather_hours",
]
