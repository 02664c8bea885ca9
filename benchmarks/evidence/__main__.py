"""`python -m benchmarks.evidence FOLDER [--quick] [--again] [--work FOLDER] [PIECE ...]`: rebuild what it shows."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.evidence.rebuild import PIECES, rebuild
from benchmarks.evidence.record import ROOT
from benchmarks.evidence.sizes import FULL, QUICK


def main(given: list[str]) -> None:
    """Rebuild what is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evidence", description=__doc__)
    parser.add_argument("folder", type=Path, help="where figures, tables and the index go: docs/evidence")
    parser.add_argument("pieces", nargs="*", metavar="PIECE", help=f"all of: {', '.join(one.name for one in PIECES)}")
    parser.add_argument("--quick", action="store_true", help="everything tiny: only tries that it runs")
    parser.add_argument("--again", action="store_true", help="make pieces that stand too")
    parser.add_argument("--work", type=Path, default=Path("evidence-output"), help="simulated worlds; gigabytes")
    asked = parser.parse_intermixed_args(given)
    rebuild(
        asked.folder.resolve(),
        asked.work.resolve() / ("quick" if asked.quick else "full"),
        QUICK if asked.quick else FULL,
        asked.pieces,
        shared=ROOT.parent / "shared",
        again=asked.again,
        tell=lambda line: print(line, flush=True),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
