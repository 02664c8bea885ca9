"""The demo: one simulated day of the province."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.case import Progress, quiet
from pipeline.osse.make import make_case
from pipeline.osse.plan import Plan

#: of the demo: a day within minutes on two cores
DEMO: dict[str, Any] = {"hours": 24, "hours_back": 18, "particles": 120}


def make_demo(folder: Path, *, seed: int, progress: Progress = quiet, **options: Any) -> Path:
    """Write the inputs of one simulated day and return its case.toml.

    Parameters
    ----------
    folder
        As for `make_case`.
    seed
        Seed of everything drawn by chance.
    progress
        As for `make_case`.
    options
        Other entries of `Plan`, instead of the demo's.
    """
    path, _ = make_case(folder, Plan(seed=seed, **(DEMO | options)), progress=progress)
    return path
