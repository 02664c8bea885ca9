"""Facts about stations: one row per station and validity period, with sources.

Two tables are shipped: `known.csv`, public facts about real stations, and `zhejiang_illustrative.csv`, a made-up
network with the blue book's counts. `load` reads and checks tables, `find` looks one station up at one time.
"""

from station_meta.bias_rules import BiasRules
from station_meta.checks import Limits, Problem, check
from station_meta.errors import StationMetaError
from station_meta.fields import CLASSES, COLUMNS, HOUR_LABELS, NETWORK_CLASSES, PRECISE_CLASSES
from station_meta.products import COLUMN_PRODUCTS, ColumnLimits, Contract, Products, load_products
from station_meta.rules import QUALITY, QualityRules, Rules, load_rules
from station_meta.sink_rules import FrictionRules, SinkRules
from station_meta.station import Station, every_period, find, network_counts, periods_of
from station_meta.table import KNOWN, ZHEJIANG_ILLUSTRATIVE, load

__all__ = [
    "CLASSES",
    "COLUMNS",
    "COLUMN_PRODUCTS",
    "HOUR_LABELS",
    "KNOWN",
    "NETWORK_CLASSES",
    "PRECISE_CLASSES",
    "QUALITY",
    "ZHEJIANG_ILLUSTRATIVE",
    "BiasRules",
    "ColumnLimits",
    "Contract",
    "FrictionRules",
    "Limits",
    "Problem",
    "Products",
    "QualityRules",
    "Rules",
    "SinkRules",
    "Station",
    "StationMetaError",
    "check",
    "every_period",
    "find",
    "load",
    "load_products",
    "load_rules",
    "network_counts",
    "periods_of",
]
