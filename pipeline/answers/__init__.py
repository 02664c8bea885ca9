"""Questions to a store: totals of any area over any period, with how sure they are.

A store is opened at one of its versions as a `Source`; areas and periods are what people write; `query` labels the
answer.
"""

from pipeline.answers.areas import GRID, Area, RegionTable, area_of, box_of, point_of
from pipeline.answers.hours_source import HoursSource
from pipeline.answers.maps import LAYERS, layer_map, mean_maps
from pipeline.answers.periods import FREQUENCIES, Frequency, Period, parse_period
from pipeline.answers.query import NET, open_dataset, open_source, parse_as_of, query
from pipeline.answers.run_source import RunSource
from pipeline.answers.source import AreaTotals, Source, Version
from pipeline.answers.tables import COLUMNS, Language, frame, word

__all__ = [
    "COLUMNS",
    "FREQUENCIES",
    "GRID",
    "LAYERS",
    "NET",
    "Area",
    "AreaTotals",
    "Frequency",
    "HoursSource",
    "Language",
    "Period",
    "RegionTable",
    "RunSource",
    "Source",
    "Version",
    "area_of",
    "box_of",
    "frame",
    "layer_map",
    "mean_maps",
    "open_dataset",
    "open_source",
    "parse_as_of",
    "parse_period",
    "point_of",
    "query",
    "word",
]
