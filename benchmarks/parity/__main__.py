"""`python -m benchmarks.parity [DOCS]`: compare with STILT and MPTRAC, write DOCS/parity.md and its pictures."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.parity import figures, mptrac
from benchmarks.parity.page import page
from benchmarks.parity.results import compare_all

ROOT = Path(__file__).resolve().parents[2]


def write_pages(docs: Path, shared: Path) -> None:
    """Write the page and its pictures.

    Parameters
    ----------
    docs
        Folder of the page; pictures go to `parity` under it.
    shared
        Folder of real data and references.
    """
    case, found = compare_all(shared)
    parcels = mptrac.load(shared)
    result = mptrac.measure(parcels)
    pictures = docs / "parity"
    pictures.mkdir(parents=True, exist_ok=True)
    figures.footprints(case, found, pictures / "footprints.png")
    figures.hourly(case, found, pictures / "hourly.png")
    figures.spread(case, found, pictures / "spread.png")
    figures.distance(parcels, result, pictures / "mptrac.png")
    (docs / "parity.md").write_text(page(case, found, parcels, result), encoding="utf-8")


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs", ROOT.parent / "shared")
