"""Regions as arrays, kept by what they follow from: to cut a province's hundred polygons by cells takes seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from pipeline.derived import Derived, code_digest, digest_of
from pipeline.grid.definition import Grid
from pipeline.grid.overlap import arrays_of, matrix_of
from pipeline.grid.regions import Regions

_TEXTS = ("ids", "names", "names_en", "levels", "repaired")
_NUMBERS = ("areas", "outside_share")


def kept_regions(cache: Path | None, told: object, grid: Grid, make: Callable[[], Regions]) -> Regions:
    """Return regions, from a folder where they were made before; they are as if made now.

    Parameters
    ----------
    cache
        The folder; None keeps nothing.
    told
        Everything they follow from beside the grid, the code and the packages that hold boundaries, as JSON takes it.
    grid
        The grid their fractions are for.
    make
        Makes them.
    """
    if cache is None:
        return make()
    key = digest_of(code_digest(Path(__file__).parent), told, grid.crs, grid.x_edges, grid.y_edges)
    return _unpacked(Derived(cache).of("regions", key, lambda: _packed(make())), grid)


def _packed(regions: Regions) -> dict[str, np.ndarray]:
    texts = {name: np.array(getattr(regions, name), dtype=np.str_) for name in _TEXTS}
    return texts | {name: getattr(regions, name) for name in _NUMBERS} | arrays_of(regions.fractions)


def _unpacked(arrays: Mapping[str, np.ndarray], grid: Grid) -> Regions:
    texts = {name: tuple(str(text) for text in arrays[name]) for name in _TEXTS}
    fractions = matrix_of(arrays, (len(texts["ids"]), grid.size))
    return Regions(grid=grid, fractions=fractions, **texts, **{name: arrays[name] for name in _NUMBERS})  # type: ignore[arg-type]
