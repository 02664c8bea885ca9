"""One kernel and what it is held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One kernel at one size.

    Parameters
    ----------
    name
        Module and function.
    against
        What the plain side is, for people; empty when there is none.
    ours
        Calls the kernel once, on one thread.
    plain
        The same arithmetic otherwise.
    bytes
        Least traffic of `ours`: what it must read and write once; 0 where that is not what counts.
    flops
        Operations of `ours`; 0 where a matrix product is no measure of them.
    part
        Share of the work of `ours` that `plain` does, where all of it would take too long.
    """

    name: str
    against: str
    ours: Callable[[], object]
    plain: Callable[[], object] | None = None
    bytes: float = 0.0
    flops: float = 0.0
    part: float = 1.0
