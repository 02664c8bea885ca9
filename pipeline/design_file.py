"""A design as a file for other programs: JSON with everything, or CSV with a row for each candidate and region."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.answers.export import csv_text, require_ending
from pipeline.design import Design

ENDINGS = (".json", ".csv")
SCORE = "share by which the sum of the scored regions' sigmas falls below that with the network of now"


def require_design_format(path: Path) -> None:
    """Raise ConfigError unless a design can be written to a file of this name."""
    require_ending(path, path.suffix.lower(), ENDINGS)


def write_design(design: Design, path: Path) -> None:
    """Write a design; the ending of the name says how.

    Parameters
    ----------
    design
        Of `pipeline.design`.
    path
        Ends with .json or .csv.

    Raises
    ------
    ConfigError
        As `require_design_format`.
    """
    require_design_format(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() == ".json":
        text = json.dumps(document(design), ensure_ascii=False, allow_nan=False, indent=1) + "\n"
    else:
        text = csv_text(frame(design))
    path.write_text(text, encoding="utf-8")


def document(design: Design) -> dict[str, Any]:
    """Return everything a design knows: regions, candidates by rank, and the sequence."""
    place, regions = design.place, design.place.regions
    start, end = (f"{str(time)[:16]}Z" for time in place.settings.case.observation_hours.bounds)
    score, step = design.score(design.single), {at: n + 1 for n, at in enumerate(design.chosen)}
    return {
        "case": place.settings.case.name,
        "species": place.settings.case.species,
        "sector": design.sector,
        "from": start,
        "to": end,
        "sigma_unit": "t",
        "score": SCORE,
        "notes": list(design.notes),
        "regions": [
            {
                "id": regions.ids[i],
                "name": regions.names[i],
                "level": regions.levels[i],
                "scored": bool(place.scored[i]),
                "sigma_prior": float(design.prior[i]),
                "sigma_now": float(design.now[i]),
            }
            for i in range(len(regions.ids))
        ],
        "candidates": [
            {
                "rank": rank + 1,
                "score": float(score[at]),
                "step": step.get(at),
                **_place(design, at),
                "hours": int(design.hours[at]),
                "sigma": dict(zip(regions.ids, design.single[at].tolist(), strict=True)),
            }
            for rank, at in enumerate(design.ranked)
        ],
        "sequence": [
            {
                "step": n + 1,
                "id": design.sites[at].id,
                "score": float(design.score(design.sequence[n])),
                "sigma": dict(zip(regions.ids, design.sequence[n].tolist(), strict=True)),
            }
            for n, at in enumerate(design.chosen)
        ],
    }


def frame(design: Design) -> pd.DataFrame:
    """Return a row for each candidate and region, and then for each step of the sequence and region.

    `kind` is single (that candidate beside the network of now; `place` is its rank) or sequence (with those chosen
    before it; `place` is the step). Sigmas are tonnes over the period.
    """
    score = design.score(design.single)
    ranked = [("single", n, at, design.single[at], score[at]) for n, at in enumerate(design.ranked)]
    steps = design.score(design.sequence)
    chosen = [("sequence", n, at, design.sequence[n], steps[n]) for n, at in enumerate(design.chosen)]
    regions = design.place.regions
    rows = [
        {
            "kind": kind,
            "place": n + 1,
            **_place(design, at),
            "score": value,
            "region": regions.ids[i],
            "region_name": regions.names[i],
            "sigma_prior": design.prior[i],
            "sigma_now": design.now[i],
            "sigma": sigma[i],
            "reduction": reduction(design.now, sigma)[i],
        }
        for kind, n, at, sigma, value in [*ranked, *chosen]
        for i in range(len(regions.ids))
    ]
    return pd.DataFrame(rows)


def reduction(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return the share by which sigmas fall, 0 where there is none."""
    out: np.ndarray = np.divide(before - after, before, out=np.zeros_like(after), where=before > 0)
    return out


def _place(design: Design, at: int) -> dict[str, Any]:
    site = design.sites[at]
    return {
        "id": site.id,
        "name": site.name,
        "longitude": site.lon,
        "latitude": site.lat,
        "height_m": site.height,
        "class": site.kind,
    }
