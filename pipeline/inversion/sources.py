"""What K is made from, and which part of it is asked for: all that whoever makes its blocks must be told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

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
    problem
        The window.
    functionals
        Totals, rows over (hour, cell).
    """

    problem: Problem
    functionals: Rows | None = None

    @property
    def observations(self) -> int:
        """Rows of H; what stands below them are functionals."""
        return self.problem.value.size

    @property
    def covariances(self) -> tuple[Covariance, ...]:
        """One per sector."""
        return self.problem.covariances

    @cached_property
    def rows(self) -> Rows:
        """All rows."""
        return self.problem.rows if self.functionals is None else stacked(self.problem.rows, self.functionals)

    @cached_property
    def span(self) -> Span:
        """Hours of each row of H."""
        return Span(*self.problem.rows.span) if self.problem.span is None else self.problem.span

    def __getstate__(self) -> dict[str, object]:
        """Return what another process must be told: what it can make itself does not travel."""
        return {"problem": self.problem, "functionals": self.functionals}

    def scaled(self, sector: int) -> Rows:
        """Return the rows times D of a sector."""
        share = self.problem.share
        if share is not None:
            share = np.concatenate([share[sector], np.ones(self.rows.count - self.observations)])
        return self.rows.scaled(self.covariances[sector].sigma, share)

    def work(self, sector: int, asked: Asked, scaled: Rows | None = None) -> Work:
        """Return the products that are asked for of one sector.

        Parameters
        ----------
        scaled
            The rows times D, where they are there already.
        """
        left = self.scaled(sector) if scaled is None else scaled
        right = left if asked.right.size == left.count else left.take(asked.right)
        covariance = self.covariances[sector]
        return Work(left, right, covariance, asked.rows, self.span_of(asked), asked.below, asked.always)

    def span_of(self, asked: Asked) -> Span:
        """Return the hours of the rows that are asked for."""
        return Span(self.span.first[asked.rows], self.span.last[asked.rows])


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
