"""A map as a picture, for browsers that cannot draw it themselves."""

from __future__ import annotations

import threading
from io import BytesIO

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from pipeline.answers import layer_map
from pipeline.coast import draw_coast, draw_zhejiang
from pipeline.serve.edition import Edition
from pipeline.units import species

_DRAWING = threading.Lock()


def picture(edition: Edition, layer: str, sector: str, hour: np.datetime64) -> bytes:
    """Return a map of one hour as PNG, its colours those of the page.

    Parameters
    ----------
    edition
        The version.
    layer, sector
        Of `LAYERS`, and a name or net.
    hour
        One that has numbers.
    """
    grid = edition.source.grid
    field = layer_map(edition.source, layer, sector, np.array([hour]))
    least, most = edition.ranges()[layer][sector]
    scale = 1.0 if grid.is_geographic else 1e-3
    # no library draws in two threads at once
    with _DRAWING:
        figure = Figure(figsize=(7.2, 7.6), layout="constrained")
        axis = figure.add_subplot()
        # the page's own colours and limits
        norm, colours = Normalize(least, most), "RdBu_r" if least < 0 else "YlGnBu"
        image = axis.pcolormesh(grid.x_edges * scale, grid.y_edges * scale, field, cmap=colours, norm=norm)
        unit = species(edition.source.species).flux_unit
        figure.colorbar(image, ax=axis, orientation="horizontal", label=unit, shrink=0.8, pad=0.02)
        axis.set(xlim=grid.x_edges[[0, -1]] * scale, ylim=grid.y_edges[[0, -1]] * scale, xticks=[], yticks=[])
        draw_coast(axis, grid, scale=scale)
        draw_zhejiang(axis, grid, scale=scale)
        axis.set_aspect(1 / np.cos(np.radians(grid.y.mean())) if grid.is_geographic else 1)
        out = BytesIO()
        figure.savefig(out, format="png", dpi=110)
    return out.getvalue()
