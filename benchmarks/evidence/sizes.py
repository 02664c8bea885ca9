"""How large everything is: in full, and tiny for the tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.evidence.worlds import World
from pipeline.osse import Plan, TransportError

#: geography and weather of all worlds, and the first draw nobody looked at before the weeks were printed
SEED, FIRST = 1, 201


@dataclass(frozen=True)
class Size:
    """One size.

    Parameters
    ----------
    name
        "full" or "quick".
    week
        Entries of `Plan` that all worlds of the weeks share.
    draws
        Draws of the weeks.
    thinned
        Spectrometers of the thinner network.
    others
        With what the first draw is made again; all of `other_worlds` when empty.
    days
        Days of data whose growth is shown.
    spectrometers, micro
        Numbers of stations whose growth is shown.
    coverage
        Draws of each kind, days and cell side, km, of the coverage.
    coverage_plan
        Further entries of `Plan` there.
    coverage_folder
        Under the work folder, of the coverage's worlds.
    """

    name: str
    week: dict[str, Any]
    draws: int
    thinned: int
    others: tuple[str, ...]
    days: tuple[int, ...]
    spectrometers: tuple[int, ...]
    micro: tuple[int, ...]
    coverage: tuple[int, int, float]
    coverage_plan: dict[str, Any]
    coverage_folder: str


FULL = Size(
    "full",
    {"hours": 168, "spacing_km": 3.0, "particles": 150, "mobile": True},
    3,
    12,
    (),
    (1, 2, 4, 7),
    (1, 2, 4, 8, 16, 28),
    (0, 10, 20, 40, 80),
    (20, 2, 9.0),
    {},
    "coverage",
)
QUICK = Size(
    "quick",
    {"hours": 48, "spacing_km": 24.0, "particles": 20, "hours_back": 8, "micro": 10, "mobile": True},
    1,
    12,
    ("matched errors", "no micro sensors", "wrong transport"),
    (1, 2),
    (4, 28),
    (0, 10),
    (1, 2, 24.0),
    {"particles": 20, "hours_back": 8, "micro": 10},
    # weather and footprints of the weeks serve
    "week",
)


def real_worlds(size: Size) -> list[World]:
    """Return the worlds with errors of real priors and instruments, one a draw."""
    return [World(f"draw-{draw}", Plan(seed=SEED, draw=draw, **size.week)) for draw in range(FIRST, FIRST + size.draws)]


def other_worlds(size: Size) -> dict[str, World]:
    """Return the first draw again with one thing changed, by what is said of it."""
    changes: dict[str, dict[str, Any]] = {
        "matched errors": {"matched": True},
        "no micro sensors": {"micro": 0},
        "no columns": {"columns": False},
        "no sink towers": {"sinks": 0},
        f"{size.thinned} spectrometers of 28": {"spectrometers": size.thinned},
        "wrong transport": {"transport_error": TransportError()},
    }
    return {
        said: World(
            f"draw-{FIRST}-{said.split(' of ')[0].replace(' ', '-')}",
            Plan(seed=SEED, draw=FIRST, **(size.week | change)),
        )
        for said, change in changes.items()
        if not size.others or said in size.others
    }
