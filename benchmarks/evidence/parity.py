"""Our transport beside STILT and MPTRAC: the page of `benchmarks.parity`, and digests of what it was made from."""

from __future__ import annotations

import re

from benchmarks.evidence.desk import Desk
from benchmarks.parity import figures, mptrac
from benchmarks.parity.__main__ import write_pages

NEEDS = (
    "reference/stilt/footprints.nc",
    "reference/stilt/weather.arl",
    "data/meteorology/era5_munich_20250501",
    "data/dispersion/mptrac_munich",
)
_CAPTIONS = {
    "footprints": "Total footprints of three receptors, STILT above, ours below.",
    "hourly": "Totals by hour back, over STILT's.",
    "spread": "Spread of the particles by hour back.",
    "mptrac": "Distance from MPTRAC's parcels, of each and of their mean.",
}


def make(desk: Desk) -> None:
    """Make the piece: the page stands beside the folder of the evidence, its pictures beneath."""
    docs = desk.folder.parent
    if desk.size.name == "quick":
        # STILT's part takes minutes, and has tests of its own
        parcels = mptrac.load(desk.shared)
        (docs / "parity").mkdir(parents=True, exist_ok=True)
        figures.distance(parcels, mptrac.measure(parcels), docs / "parity" / "mptrac.png")
        shown = ["mptrac"]
    else:
        write_pages(docs, desk.shared)
        shown = list(_CAPTIONS)
        desk.keep("../parity.md")
        desk.record.tables.append(("../parity.md", "all figures, and why they differ"))
        _quote(desk, (docs / "parity.md").read_text(encoding="utf-8"))
    desk.record.steps.append("python -m benchmarks.parity")
    for name in shown:
        desk.keep(f"../parity/{name}.png")
        desk.record.pictures.append((f"../parity/{name}.png", _CAPTIONS[name]))


def _quote(desk: Desk, page: str) -> None:
    """Put the page's two tables of tolerances into the index."""
    for name, text in re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL):
        table = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
        if table is not None:
            desk.record.shown.append(f"**{name}**:\n\n{table[0].strip()}")
