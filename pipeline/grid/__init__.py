"""The grid value, conservative regridding, regions, and the store.

Everything about where a number is and over which area it counts.
"""

from pipeline.grid.axes import ascending
from pipeline.grid.build import grid_from_settings, lambert_grid, make_regions
from pipeline.grid.definition import Grid
from pipeline.grid.hours import HourStore
from pipeline.grid.hours_reader import HourReader
from pipeline.grid.hours_repo import MAIN
from pipeline.grid.hours_version import Commit, HourVersion, facts_of
from pipeline.grid.overlap import Overlap, overlap
from pipeline.grid.region_files import file_area, file_regions
from pipeline.grid.regions import Regions, box_regions, regions_from_polygons
from pipeline.grid.regrid import Regridded, regrid_density, regrid_total
from pipeline.grid.store import open_kept, open_store, require_writable, write_store
from pipeline.grid.zhejiang import read_division, zhejiang_divisions, zhejiang_regions

__all__ = [
    "MAIN",
    "Commit",
    "Grid",
    "HourReader",
    "HourStore",
    "HourVersion",
    "Overlap",
    "Regions",
    "Regridded",
    "ascending",
    "box_regions",
    "facts_of",
    "file_area",
    "file_regions",
    "grid_from_settings",
    "lambert_grid",
    "make_regions",
    "open_kept",
    "open_store",
    "overlap",
    "read_division",
    "regions_from_polygons",
    "regrid_density",
    "regrid_total",
    "require_writable",
    "write_store",
    "zhejiang_divisions",
    "zhejiang_regions",
]
