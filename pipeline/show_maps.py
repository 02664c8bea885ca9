"""Maps with coast and a colour bar; and those of two answers and their difference."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import AsinhNorm, Normalize

from pipeline.answers.compare import Compared
from pipeline.coast import draw_coast, draw_zhejiang
from pipeline.grid import Grid

#: of a scale about zero, where its bar has numbers
_MARKS = (-0.9, -0.3, -0.1, 0, 0.1, 0.3, 0.9)


def draw_compared(found: Compared, sector: str, path: Path) -> None:
    """Write a PNG: a, b and their difference of one sector.

    Parameters
    ----------
    found
        Of `pipeline.answers.compare.compare`.
    sector
        Name, or net.
    path
        The file.
    """
    maps = found.maps.sel(sector=sector)
    grid = Grid.from_dataset(found.maps)
    unit = str(maps["difference"].attrs["units"])
    figure, axes = plt.subplots(1, 3, figsize=(14, 5.6), layout="constrained", sharey=True)
    most = most_of(maps["a"], maps["b"])
    for axis, name, title, limit, colours in (
        (axes[0], "a", found.names[0], most, "RdBu_r"),
        (axes[1], "b", found.names[1], most, "RdBu_r"),
        (axes[2], "difference", "difference", most_of(maps["difference"]), "PuOr_r"),
    ):
        draw_map(axis, grid, maps[name].values, title=title, norm=signed(limit), colours=colours, unit=unit)
        draw_zhejiang(axis, grid, scale=scale_of(grid))
    figure.suptitle(f"{sector}, mean of {found.maps.attrs['period']}")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_map(
    axis: Axes, grid: Grid, field: np.ndarray, *, title: str, norm: Normalize, colours: str, unit: str
) -> None:
    """Draw one map with its coast; the axis is in `scale_of` the grid's x and y.

    Parameters
    ----------
    axis
        To draw on.
    grid, field
        Cells, and (y, x) values.
    title
        Above it.
    norm
        Of the colours; the bar of a `signed` one is marked.
    colours
        Of matplotlib.
    unit
        Beside the colour bar.
    """
    scale = scale_of(grid)
    image = axis.pcolormesh(grid.x_edges * scale, grid.y_edges * scale, field, cmap=colours, norm=norm)
    bar = axis.figure.colorbar(image, ax=axis, orientation="horizontal", label=unit, shrink=0.9)
    if isinstance(norm, AsinhNorm):
        mark(bar, float(norm.vmax or 0.0))
    axis.set(xlim=grid.x_edges[[0, -1]] * scale, ylim=grid.y_edges[[0, -1]] * scale)
    draw_coast(axis, grid, scale=scale)
    axis.set_title(title)
    axis.set_xlabel("longitude" if grid.is_geographic else "x, km")
    # a degree of longitude is shorter than one of latitude
    axis.set_aspect(1 / np.cos(np.radians(grid.y.mean())) if grid.is_geographic else 1)


def scale_of(grid: Grid) -> float:
    """Return what a map's axis has of a unit of the grid: degrees as they are, km of metres."""
    return 1.0 if grid.is_geographic else 1e-3


def signed(most: float) -> Normalize:
    """Return a scale about zero, linear up to a tenth of `most`: city cores and countryside both show."""
    return AsinhNorm(linear_width=most / 10, vmin=-most, vmax=most)


def mark(bar: Colorbar, most: float) -> None:
    """Put the numbers of a scale about zero beside its colour bar, which lies flat."""
    bar.set_ticks([share * most for share in _MARKS], minor=False)
    bar.set_ticks([], minor=True)
    numbers = [share * most for share in _MARKS]
    bar.ax.set_xticklabels([f"{number:.2g}" if abs(number) < 100 else f"{number:.0f}" for number in numbers])


def most_of(*fields: xr.DataArray) -> float:
    """Return what nearly all values stay below."""
    return float(np.quantile(np.abs(np.stack([field.values for field in fields])), 0.98)) or 1.0
