"""Maps of the monthly report: the field is a PNG that holds no words but a unit, names are laid over it as text."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import BytesIO

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from pipeline.coast import draw_coast, draw_zhejiang
from pipeline.errors import shown
from pipeline.grid import Grid
from pipeline.show_maps import mark, signed

#: inches of a picture: its width, what lies under the map, and dots in an inch
_WIDTH, _UNDER, _DOTS = 4.6, 0.55, 150
#: colours of fluxes, of changes, and of sigmas, by matplotlib's names
FLUX, CHANGE, SIGMA = "RdBu_r", "PuOr_r", "YlOrBr"
#: km that a bar on a map may stand for
_BARS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_KM_PER_DEGREE = 111.2


@dataclass(frozen=True, eq=False)
class Outlines:
    """Regions that are drawn over maps.

    Parameters
    ----------
    borders : (region, y, x)
        Shares of cells; their borders are drawn.
    names
        What stands on the map, and where: x and y of the grid.
    """

    borders: np.ndarray
    names: Sequence[tuple[str, float, float]]


def map_picture(grid: Grid, field: np.ndarray, most: float, unit: str, over: Outlines, *, colours: str) -> str:
    """Return a map as SVG that holds its picture.

    Parameters
    ----------
    grid, field
        Cells, and (y, x) values.
    most
        The colours run from minus to plus this, linear up to a tenth of it; those of a sigma evenly from 0.
    unit
        Under the colour bar.
    over
        Borders and names.
    colours
        One of those above.
    """
    aspect = 1 / np.cos(np.radians(grid.y.mean())) if grid.is_geographic else 1.0
    wide, high = (float(edges[-1] - edges[0]) for edges in (grid.x_edges, grid.y_edges))
    tall = _WIDTH * high * aspect / wide
    figure = Figure(figsize=(_WIDTH, tall + _UNDER))
    share = tall / (tall + _UNDER)
    axis = figure.add_axes((0.0, 1 - share, 1.0, share))
    is_signed = colours != SIGMA
    norm = signed(most) if is_signed else Normalize(0, most)
    image = axis.pcolormesh(grid.x_edges, grid.y_edges, field, cmap=colours, norm=norm)
    axis.set(xlim=grid.x_edges[[0, -1]], ylim=grid.y_edges[[0, -1]], xticks=[], yticks=[])
    draw_coast(axis, grid)
    draw_zhejiang(axis, grid)
    for border in over.borders:
        # a contour through half of the cell's share follows the region's border
        axis.contour(grid.x, grid.y, border, levels=[0.5], colors="0.1", linewidths=0.8)
    _scale_bar(axis, grid)
    place = figure.add_axes((0.06, 0.72 * (1 - share), 0.88, 0.16 * (1 - share)))
    bar = figure.colorbar(image, cax=place, orientation="horizontal", extend="both" if is_signed else "max")
    if is_signed:
        mark(bar, most)
    bar.ax.tick_params(labelsize=8, pad=2)
    bar.set_label(unit, size=8, labelpad=1)
    stream = BytesIO()
    figure.savefig(stream, dpi=_DOTS, format="png", metadata={"Software": None})
    return _overlaid(stream.getvalue(), grid, share, tall, over)


def _overlaid(png: bytes, grid: Grid, share: float, tall: float, over: Outlines) -> str:
    """Return a picture with names over it; `share` of its height is the map, which is so many inches tall."""
    width, height = _WIDTH * 100, tall / share * 100
    texts = []
    for name, x, y in over.names:
        right = (x - grid.x_edges[0]) / (grid.x_edges[-1] - grid.x_edges[0]) * width
        down = (grid.y_edges[-1] - y) / (grid.y_edges[-1] - grid.y_edges[0]) * tall * 100
        texts.append(f'<text x="{right:.0f}" y="{down + 4:.0f}">{escape(shown(name, 40))}</text>')
    data = base64.b64encode(png).decode("ascii")
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" class="map">'
        f'<image href="data:image/png;base64,{data}" width="{width:.0f}" height="{height:.0f}"/>'
        f"{''.join(texts)}</svg>"
    )


def centre(grid: Grid, share: np.ndarray) -> tuple[float, float]:
    """Return where the name of a region stands, x and y of the grid: the middle of its cells.

    Parameters
    ----------
    grid
        Cells.
    share : (y, x)
        Of each cell inside it.
    """
    weight = share / share.sum()
    return float(weight.sum(axis=0) @ grid.x), float(weight.sum(axis=1) @ grid.y)


def _scale_bar(axis: Axes, grid: Grid) -> None:
    """Draw a bar of a round number of km, at most a quarter of the map, at its lower right."""
    wide, high = (float(edges[-1] - edges[0]) for edges in (grid.x_edges, grid.y_edges))
    per_unit = _KM_PER_DEGREE * float(np.cos(np.radians(grid.y.mean()))) if grid.is_geographic else 1e-3
    kilometres = max((km for km in _BARS if km <= 0.25 * wide * per_unit), default=_BARS[0])
    right, low = grid.x_edges[-1] - 0.04 * wide, grid.y_edges[0] + 0.04 * high
    left = right - kilometres / per_unit
    axis.plot([left, right], [low, low], color="0.1", lw=2, solid_capstyle="butt")
    axis.annotate(
        f"{kilometres} km", ((left + right) / 2, low), xytext=(0, 3), textcoords="offset points", ha="center", size=8
    )
