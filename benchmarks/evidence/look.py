"""How the pictures look: colours that colour-blind eyes tell apart (Okabe and Ito 2008), readable letters."""

from __future__ import annotations

from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

TRUTH, PRIOR, POSTERIOR, OTHER, GREEN, GREY = "#000000", "#E69F00", "#0072B2", "#CC79A7", "#009E73", "#999999"
#: of the four kinds of draws, and of other sets of lines
SERIES = (POSTERIOR, "#D55E00", GREEN, OTHER)
_RC: dict[str, Any] = {
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "legend.fontsize": 9,
}


def sheet(rows: int, columns: int, size: tuple[float, float], **options: Any) -> tuple[Figure, Any]:
    """Return a figure and its axes, (row, column) always."""
    with plt.rc_context(_RC):
        figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False, **options)
    return figure, axes


def legend(figure: Figure, axis: Axes, *, columns: int, top: bool = False) -> None:
    """Put the legend of one of the axes beside all of them."""
    place = "outside upper center" if top else "outside lower center"
    figure.legend(*axis.get_legend_handles_labels(), loc=place, ncols=columns, frameon=False, fontsize=9)


def names_on_y(axis: Axes, names: list[str]) -> None:
    """Put names beside rows, the first at the top."""
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.grid(axis="y", alpha=0.0)
