"""The gate of CI: no kernel may lose what makes it fast. `python -m benchmarks.gate`; exit code 1 when one has.

Only ratios within one run: a kernel against plain loops or a library, its traffic against the streaming triad, the
factor of K against a matrix product. Sides are called in turn in one process, in seconds of the processor, and each
side's best counts; what falls short is measured again, for other work on the machine seldom spoils it twice. The least
ratios are a third to a half of what a quiet machine shows: a kernel whose loops no longer vectorise, or that runs as
Python, is slower by more than that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.box import kernels
from benchmarks.box.case import Case
from benchmarks.box.kernels import Measured

#: times that a case which falls short is measured, and rounds of each
ATTEMPTS, ROUNDS = 4, 5


@dataclass(frozen=True)
class Least:
    """What a case must reach.

    Parameters
    ----------
    ratio
        Times faster than its plain side.
    of_triad, of_blas
        Share of the triad's bandwidth, and of the matrix product's operations.
    """

    ratio: float = 0.0
    of_triad: float = 0.0
    of_blas: float = 0.0

    def shortfalls(self, found: Measured) -> list[str]:
        """Return in words what is not reached."""
        asked = (
            ("times faster than " + found.against, found.ratio, self.ratio),
            ("of the triad's bandwidth", found.of_triad, self.of_triad),
            ("of the matrix product's rate", found.of_blas, self.of_blas),
        )
        return [f"{found.name}: {got:.2f} {what}, at least {least:g}" for what, got, least in asked if got < least]


LEAST = {
    "exponential.forward": Least(ratio=5.0, of_triad=0.3),
    "exponential.backward": Least(ratio=4.5, of_triad=0.3),
    "lanes.smooth_x": Least(ratio=3.2, of_triad=0.6),
    "lanes.smooth_y": Least(ratio=5.5, of_triad=0.6),
    "lanes.scatter": Least(ratio=2.0),
    "lanes.gather": Least(ratio=1.4, of_triad=0.2),
    "tangent.smooth_x": Least(ratio=4.5, of_triad=0.7),
    "tangent.smooth_y": Least(ratio=3.0, of_triad=0.3),
    "sparse.project": Least(ratio=0.3, of_triad=0.1),
    "sparse.spread": Least(ratio=1.2, of_triad=0.2),
    "sparse.scale": Least(ratio=0.7, of_triad=0.15),
    "covariance times a field": Least(ratio=40.0),
    "factor of K": Least(ratio=0.4, of_blas=0.2),
    "quality.far_from_median": Least(ratio=5.0),
    "quality.rises": Least(of_triad=0.2),
    "noise.deviates": Least(ratio=6.0),
    "elementary.exp2, log2": Least(ratio=5.0),
    "langevin.sub_step": Least(ratio=3.5),
    "heights.to_heights": Least(ratio=10.0),
    "air.at_points": Least(ratio=1.4),
    "smoothing.smooth": Least(ratio=15.0),
    "smoothing.largest": Least(ratio=60.0, of_triad=0.15),
}


def judge(cases: Iterable[Case]) -> tuple[list[Measured], list[str]]:
    """Measure cases; return what came of each at last, and in words what falls short each time."""
    machine = kernels.peaks("full")
    found, short = [], []
    with kernels.one_core():
        for case in cases:
            missing: list[str] = []
            for _ in range(ATTEMPTS):
                measured = kernels.measure(case, machine, ROUNDS)
                missing = LEAST[case.name].shortfalls(measured)
                if not missing:
                    break
            found.append(measured)
            short += missing
    return found, short


def gated() -> list[Case]:
    """Return the cases that have to reach something."""
    return [case for case in kernels.cases("full") if case.name in LEAST]


def main() -> int:
    """Print every case beside what it must reach; return the exit code."""
    found, short = judge(gated())
    print(f"{'kernel':<28}{'times faster':>14}{'least':>7}{'of triad':>10}{'least':>7}{'of product':>12}{'least':>7}")
    for one in found:
        least = LEAST[one.name]
        pairs = ((one.ratio, least.ratio, 14), (one.of_triad, least.of_triad, 10), (one.of_blas, least.of_blas, 12))
        print(
            f"{one.name:<28}"
            + "".join(f"{got:>{w}.2f}{need:>7g}" if need else " " * (w + 7) for got, need, w in pairs).rstrip()
        )
    for line in short:
        print(f"falls short: {line}")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
