"""The signal of a window from what earlier windows left, and the rest of it made now (docs/cycle.md).

A window differs from the last one by its newest rows and by late ones between the old: these are smoothed against all
rows before them, and the known rows after a late one against it alone. Every known row is smoothed once more for the
totals of the newest hour, beyond its own hours, where its maps are one map scaled. Which of two rows is smoothed is
decided by their order, and a product knows nothing of what else is computed: with or without what was kept, the numbers
are the same to the last bit.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from pipeline.inversion.problem import Problem
from pipeline.inversion.rows import Rows
from pipeline.inversion.signal_cache import Piece, SignalCache
from pipeline.inversion.signal_keys import Places, kind_name, row_names
from pipeline.inversion.solve import Signal, Told
from pipeline.inversion.sources import Asked, Run, Sources, in_threads

#: bytes of a piece, about: little is read for nothing when some of its rows have left the window
_PIECE = 2**24
#: rows whose gaps are looked for at once
_CHUNK = 256


def kept_signal(
    problem: Problem,
    folder: Path,
    start: int,
    *,
    functionals: Rows | None = None,
    threads: int = 0,
    progress: Told | None = None,
    run: Run | None = None,
) -> Signal:
    """Return what `solve.signal` returns, to the bit, from pieces in a folder; what had to be made is put there.

    Parameters
    ----------
    problem, functionals, threads, progress, run
        As for `solve.signal`.
    folder
        Of `SignalCache`.
    start
        Hour of the state's first, since 1970.
    """
    sources = Sources(problem, functionals)
    scaled = [sources.scaled(k) for k in range(len(problem.covariances))]
    names = row_names(sources, scaled, start, threads=threads)
    cache = SignalCache(folder, kind_name(sources))
    window = _Window(sources, names, problem.covariances[0].dtype)
    window.load(cache, threads)
    parts = window.gaps()
    total, done = sum(part.rows.size for part in parts) * len(scaled), 0
    make = in_threads(threads, scaled) if run is None else run
    for part in parts:
        window.clear(part)
    for k in range(len(scaled)):
        for part in parts:

            def put(at: np.ndarray, block: np.ndarray, k: int = k, part: Asked = part) -> None:
                nonlocal done
                window.add(k, part, at, block)
                done += at.size
                if progress is not None:
                    progress(done / total)

            make(sources, k, part, put)
    del scaled
    for part in parts:
        window.keep(cache, part, start)
    cache.prune(start)
    return Signal(window.system, window.totals)


class _Window:
    """K and the totals of a window while they are filled; NaN stands where nothing is known."""

    def __init__(self, sources: Sources, names: np.ndarray, dtype: np.dtype) -> None:
        m, sectors = sources.observations, len(sources.covariances)
        self.sources, self.m = sources, m
        self.rows, self.functionals = names[:m], names[m:]
        self.system = np.zeros((m, m))
        self.totals = np.empty((m, sectors, self.functionals.shape[0]), dtype)

    def load(self, cache: SignalCache, threads: int) -> None:
        """Fill in what is kept."""
        with ThreadPoolExecutor(threads or None) as pool:
            list(pool.map(self._blank, range(0, self.m, _CHUNK)))
        rows, functionals = Places(self.rows), Places(self.functionals)
        cache.visit("pairs", rows, rows, self._pairs, threads=threads)
        cache.visit("totals", rows, functionals, self._totals, threads=threads)

    def gaps(self) -> list[Asked]:
        """Return what is missing: rows of which most is, with all before them; and of the others what any lacks."""
        m = self.m
        lacking, totals = np.zeros(m, np.int64), np.zeros(m, bool)
        for at in range(0, m, _CHUNK):
            lacking[at : at + _CHUNK] = np.isnan(self.system[at : at + _CHUNK]).sum(axis=1)
            totals[at : at + _CHUNK] = np.isnan(self.totals[at : at + _CHUNK, 0]).any(axis=1)
        most = 2 * lacking > np.arange(1, m + 1)
        rest = np.flatnonzero(~most & ((lacking > 0) | totals))
        found = []
        if most.any():
            new = np.flatnonzero(most)
            found.append(Asked(new, np.arange(self.sources.rows.count), new + 1, m))
        if rest.size:
            columns, asked = np.zeros(m, bool), np.zeros(self.functionals.shape[0], bool)
            for at in range(0, rest.size, _CHUNK):
                columns |= np.isnan(self.system[rest[at : at + _CHUNK]]).any(axis=0)
                asked |= np.isnan(self.totals[rest[at : at + _CHUNK], 0]).any(axis=0)
            before = np.flatnonzero(columns)
            right = np.concatenate([before, m + np.flatnonzero(asked)])
            found.append(Asked(rest, right, np.searchsorted(before, rest, side="right"), before.size))
        return found

    def clear(self, part: Asked) -> None:
        """Set to 0 what will be summed over sectors; a row without entries stays there."""
        columns, functionals = self._split(part)
        for row, below in zip(part.rows.tolist(), part.below.tolist(), strict=True):
            self.system[row, columns[:below]] = 0.0
            self.totals[row][:, functionals] = 0.0

    def add(self, sector: int, part: Asked, at: np.ndarray, block: np.ndarray) -> None:
        """Take in the products of a block of one sector."""
        columns, functionals = self._split(part)
        for place, column in zip(at.tolist(), block.T, strict=True):
            row, below = part.rows[place], part.below[place]
            self.system[row, columns[:below]] += column[:below]
            self.totals[row, sector, functionals] = column[part.always :]

    def keep(self, cache: SignalCache, part: Asked, start: int) -> None:
        """Put away what was made, in pieces of some rows."""
        columns, functionals = self._split(part)
        for what, others, depth in (("pairs", columns, 8), ("totals", functionals, self.totals[:1, :, :1].nbytes)):
            if others.size == 0:
                continue
            step = max(1, _PIECE // (depth * others.size))
            for at in range(0, part.rows.size, step):
                chosen = slice(at, at + step)
                rows, below = part.rows[chosen], part.below[chosen]
                if what == "totals":
                    values = self.totals[np.ix_(rows, np.arange(self.totals.shape[1]), others)]
                    piece = Piece(self.rows[rows], self.functionals[others], np.full(rows.size, others.size), values)
                elif below.max() > 0:
                    width = others[: below.max()]
                    piece = Piece(self.rows[rows], self.rows[width], below, self.system[np.ix_(rows, width)])
                else:
                    continue
                cache.keep(what, start + int(self.sources.span.last[rows].max()), piece)

    def _split(self, part: Asked) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of H and the functionals that a part is multiplied with."""
        return part.right[: part.always], part.right[part.always :] - self.m

    def _blank(self, at: int) -> None:
        """Forget some rows."""
        rows = self.system[at : at + _CHUNK]
        rows[:, :at] = np.nan
        corner = rows[:, at : at + rows.shape[0]]
        corner[np.tril_indices(rows.shape[0])] = np.nan
        self.totals[at : at + _CHUNK] = np.nan

    def _pairs(self, piece: Piece, rows: np.ndarray, columns: np.ndarray) -> None:
        known = runs(columns)
        for row, upto, values in zip(rows.tolist(), piece.upto.tolist(), piece.values, strict=True):
            if row < 0:
                continue
            for first, at, count in known:
                # a pair whose rows stand the other way round now is another number
                length = min(count, upto - first, row + 1 - at)
                if length > 0:
                    self.system[row, at : at + length] = values[first : first + length]

    def _totals(self, piece: Piece, rows: np.ndarray, functionals: np.ndarray) -> None:
        for first, at, count in runs(rows):
            for from_, to, width in runs(functionals):
                values = piece.values[first : first + count, :, from_ : from_ + width]
                self.totals[at : at + count, :, to : to + width] = values


def runs(places: np.ndarray) -> list[tuple[int, int, int]]:
    """Return the stretches that stand in one piece both here and there: (first here, first there, length).

    Examples
    --------
    >>> runs(np.array([-1, 4, 5, -1, 6, 9]))
    [(1, 4, 2), (4, 6, 1), (5, 9, 1)]
    """
    here = np.flatnonzero(places >= 0)
    there = places[here]
    cut = np.flatnonzero((np.diff(here) != 1) | (np.diff(there) != 1)) + 1
    return [
        (int(h[0]), int(t[0]), h.size) for h, t in zip(np.split(here, cut), np.split(there, cut), strict=True) if h.size
    ]
