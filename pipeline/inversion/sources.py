"""What K is made from, and which part of it is asked for: all that whoever makes its blocks must be told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.inversion.covariance import Covariance
from pipeline.inversion.cross import Put, Span, Work, run_blocks
from pipeline.inversion.problem import Problem
from pipeline.inversion.rows import Rows, stacked


@dataclass(frozen=True, eq=False)
class Sources:
    """The rows of H, those of totals below them, and the covariances.

    Parameters
    ----------
    rows
        m rows of H, then one per functional.
    observations
        m.
    covariances
        One per sector.
    share : (sector, row) or None
        How much each row sees of each sector; 1 when not given.
    span
        Hours of each row of H.
    """

    rows: Rows
    observations: int
    covariances: tuple[Covariance, ...]
    share: np.ndarray | None
    span: Span

    def scaled(self, sector: int) -> Rows:
        """Return the rows times D of a sector."""
        return self.rows.scaled(self.covariances[sector].sigma, None if self.share is None else self.share[sector])

    def work(self, sector: int, asked: Asked, scaled: Rows | None = None) -> Work:
        """Return the products that are asked for of one sector.

        Parameters
        ----------
        scaled
            The rows times D, where they are there already.
        """
        left = self.scaled(sector) if scaled is None else scaled
        right = left if asked.right.size == left.count else left.take(asked.right)
        span = Span(self.span.first[asked.rows], self.span.last[asked.rows])
        return Work(left, right, self.covariances[sector], asked.rows, span, asked.below, asked.always)


@dataclass(frozen=True, eq=False)
class Asked:
    """A part of H Q H^T and H Q a^T.

    Parameters
    ----------
    rows : (k,) int64
        Rows of H whose products are asked for; ascending.
    right : (r,) int64
        Rows of H and functionals to be multiplied with; ascending.
    below : (k,) int64
        Places of `right` from this one on are not needed for a row.
    always
        Places of `right` from this one on are needed all the same.
    """

    rows: np.ndarray
    right: np.ndarray
    below: np.ndarray
    always: int


#: makes what is asked for of one sector and hands it over: (sources, sector, asked, put); `put` is called with places
#: in `asked.rows` and their products with every one of `asked.right`, (right, k) float64, from one thread at a time
Run = Callable[[Sources, int, Asked, Put], None]


def sources_of(problem: Problem, functionals: Rows | None = None) -> Sources:
    """Return what the signal of a problem is made from.

    Parameters
    ----------
    functionals
        Totals, rows over (hour, cell).
    """
    rows, share = problem.rows, problem.share
    span = problem.span if problem.span is not None else Span(*rows.span)
    if functionals is not None:
        rows = stacked(rows, functionals)
        if share is not None:
            share = np.concatenate([share, np.ones((share.shape[0], functionals.count))], axis=1)
    return Sources(rows, problem.value.size, problem.covariances, share, span)


def in_threads(threads: int, scaled: Sequence[Rows] | None = None) -> Run:
    """Return what makes blocks in threads of this process.

    Parameters
    ----------
    threads
        Blocks at once; 0 for all cores.
    scaled
        Rows times D, one `Rows` per sector, where they are there already.
    """

    def run(sources: Sources, sector: int, asked: Asked, put: Put) -> None:
        work = sources.work(sector, asked, None if scaled is None else scaled[sector])
        run_blocks(work, put, threads=threads)

    return run
