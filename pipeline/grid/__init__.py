"""The grid value, conservative regridding, regions, and the store.

Everything about where a number is and over which area it counts.
"""

from pipeline.grid.definition import Grid, equal_area, lambert_grid

__all__ = ["Grid", "equal_area", "lambert_grid"]
