"""A version that is open, and what is made of it once."""

from __future__ import annotations

import threading
from functools import cached_property
from typing import Any

import numpy as np
import pyproj

from pipeline.answers import LAYERS, NET, Source, layer_map
from pipeline.serve.quiet import quiet
from pipeline.serve.view import MapView

#: share of the cells whose values the colours span
_SPAN = 0.98
#: what is left of the first places of a number: limits people read
_ROUND = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


class Edition:
    """A version, with its maps as Zarr and the limits of its colours.

    Parameters
    ----------
    source
        That was opened; closed with this.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self._making = threading.Lock()

    def close(self) -> None:
        """Let go of the version."""
        self.source.close()

    @property
    def sectors(self) -> list[str]:
        """Names of the sectors, net last."""
        return [*self.source.sectors, NET]

    @property
    def view(self) -> MapView:
        """Its maps as Zarr."""
        with self._making:
            return self._view

    def ranges(self) -> dict[str, dict[str, list[float]]]:
        """Return the limits of the colours of each layer and sector, the same for every hour: flux unit."""
        with self._making:
            return self._ranges

    @cached_property
    def _view(self) -> MapView:
        return MapView(self.source)

    @cached_property
    def _ranges(self) -> dict[str, dict[str, list[float]]]:
        hours = self.source.hours
        # an hour near noon in China and one of the night, of the newest: fluxes differ most between them
        some = np.unique(np.array([_newest(hours, hour) for hour in (5, 18)])) if hours.size else hours
        found: dict[str, dict[str, list[float]]] = {}
        for layer in LAYERS:
            found[layer] = {}
            for sector in self.sectors:
                maps = [layer_map(self.source, layer, sector, np.array([hour])) for hour in some]
                most = _rounded(float(np.quantile(np.abs(np.stack(maps)), _SPAN)) if maps else 1.0)
                found[layer][sector] = [0.0 if layer.endswith("_std") else -most, most]
        return found


def proj4(source: Source) -> str:
    """Return the grid's projection as PROJ's text: the grid is stored so, unless it is named by a code."""
    text = source.grid.crs
    if text.lstrip().startswith("+proj"):
        return text
    # it warns that names are lost; a browser needs none
    with quiet():
        return str(pyproj.CRS(text).to_proj4())


def metadata(edition: Edition) -> dict[str, Any]:
    """Return what a map needs to know of a version's axes: grid and hours."""
    source = edition.source
    grid = source.grid
    x, y = np.meshgrid(grid.x_edges, grid.y_edges)
    lon, lat = grid.to_lonlat(x, y)
    first, axis = edition.view.first, edition.view.axis
    return {
        "grid": {
            "proj4": proj4(source),
            "bounds": [
                float(grid.x_edges[0]),
                float(grid.y_edges[0]),
                float(grid.x_edges[-1]),
                float(grid.y_edges[-1]),
            ],
            "nx": grid.nx,
            "ny": grid.ny,
            "lonlat_bounds": [float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())],
        },
        "hours": {"first": f"{first}Z" if axis else None, "axis": axis, "missing": edition.view.missing()},
    }


def _newest(hours: np.ndarray, hour_of_day: int) -> np.datetime64:
    """Return the newest hour of some hour of the day (UTC); the newest where there is none."""
    found = hours[hours.astype(np.int64) % 24 == hour_of_day]
    return (found if found.size else hours)[-1]


def _rounded(value: float) -> float:
    """Return the next number that people read easily.

    Examples
    --------
    >>> _rounded(7.3), _rounded(0.0123), _rounded(0.0)
    (8.0, 0.015, 1.0)
    """
    if not value > 0:
        return 1.0
    power = float(10.0 ** np.floor(np.log10(value)))
    return float(f"{next(one for one in _ROUND if one * power >= value * (1 - 1e-9)) * power:.3g}")
