"""The friction velocity below which a tower's night-time flux is too low, from a year of it: moving-point test.

In calm nights what the ground gives off leaves by other ways than past the instruments. Above a threshold the flux no
longer depends on the friction velocity; that plateau is looked for in classes of like season and temperature.

# r = row, a half hour of night; d = bootstrap draw
"""

from __future__ import annotations

from calendar import month_abbr
from dataclasses import dataclass

import numpy as np

from pipeline.errors import TimeError
from station_meta import FrictionRules

#: what to do without a threshold of the tower's own
BEFORE_A_YEAR = "set friction_least to 0.2 or 0.3, and say so"

_DAY = np.timedelta64(1, "D")
_MONTHS = 12
#: of the draws: the range and the middle that are told
_RANGE = (0.05, 0.50, 0.95)


@dataclass(frozen=True)
class Threshold:
    """A threshold of friction velocity, m s-1; NaN where no temperature class shows a plateau.

    Parameters
    ----------
    name
        Of the season, by its first and last month, or the year.
    rows
        Half hours of night it is told from.
    value
        Of the rows themselves.
    low, middle, high
        5, 50 and 95 % of the bootstrap.
    draws
        Share of the draws that have a threshold.
    """

    name: str
    rows: int
    value: float
    low: float
    middle: float
    high: float
    draws: float


def friction_thresholds(
    time: np.ndarray,
    flux: np.ndarray,
    friction: np.ndarray,
    temperature: np.ndarray,
    rules: FrictionRules,
    *,
    forest: bool,
    seed: int = 0,
    where: str = "",
) -> list[Threshold]:
    """Return the threshold of each season, and last that of the year: the largest of them, but the floor at least.

    A season holds its months of every year. The bootstrap draws each season's rows with replacement.

    Parameters
    ----------
    time : (r,) datetime64[ns]
    flux : (r,) float64
        Of carbon dioxide, positive upward, any unit.
    friction : (r,) float64
        m s-1.
    temperature : (r,) float64
        Of the air, any unit.
    rules
        Thresholds of the test.
    forest
        Whether the floor is that of forests.
    seed
        Of the bootstrap.
    where
        The tower, for messages.

    Raises
    ------
    TimeError
        When the rows are of less than a year, or a season has too few.

    References
    ----------
    Papale et al. 2006, doi:10.5194/bg-3-571-2006.
    """
    seasons = _seasons(time, rules, where)
    rng = np.random.default_rng(seed)
    found = np.empty((len(seasons), rules.draws + 1))
    for one, (_, rows) in enumerate(seasons):
        for draw in range(rules.draws + 1):
            # the first is the rows themselves
            chosen = rows if draw == 0 else rows[rng.integers(0, rows.size, rows.size)]
            found[one, draw] = season_threshold(flux[chosen], friction[chosen], temperature[chosen], rules)
    floor = rules.floor_forest if forest else rules.floor
    # of NaN and a number, both maxima give: the number
    year = np.fmax.reduce(found, axis=0)
    told = [*(name for name, _ in seasons), "year"]
    sizes = [*(rows.size for _, rows in seasons), time.size]
    every = np.maximum(np.concatenate([found, year[None]]), floor)
    return [_told(name, size, row) for name, size, row in zip(told, sizes, every, strict=True)]


def season_threshold(flux: np.ndarray, friction: np.ndarray, temperature: np.ndarray, rules: FrictionRules) -> float:
    """Return the median threshold of a season's temperature classes, m s-1; NaN when none has one.

    These are of equal numbers of rows. One in which temperature and friction velocity go together is left out: there
    the flux may grow for the warmth.

    Parameters
    ----------
    flux, friction, temperature : (r,) float64
        As `friction_thresholds`; at least one row for each class of each class.
    """
    classes = np.array_split(np.argsort(temperature, kind="stable"), rules.temperature_classes)
    apart = [rows for rows in classes if abs(_correlation(temperature[rows], friction[rows])) < rules.correlation]
    found = np.array([plateau(flux[rows], friction[rows], rules) for rows in apart])
    known = found[np.isfinite(found)]
    return float(np.median(known)) if known.size else np.nan


def plateau(flux: np.ndarray, friction: np.ndarray, rules: FrictionRules) -> float:
    """Return the mean friction velocity of the lowest class from which on the flux grows no more; NaN where none is.

    Classes are of equal numbers of rows. The mean flux of that one is at least the share `rules.plateau` of the mean of
    all above it. Where no flux goes up above a class, the class tells nothing.

    Parameters
    ----------
    flux, friction : (r,) float64
        At least `rules.friction_classes` of them.

    Examples
    --------
    >>> from station_meta import load_rules
    >>> rules = load_rules().table("friction", FrictionRules)
    >>> friction = np.linspace(0.0, 1.0, 2001)
    >>> round(plateau(np.minimum(1.0, friction / 0.32), friction, rules), 2)
    0.32
    """
    order = np.argsort(friction, kind="stable")
    edges = np.linspace(0, order.size, rules.friction_classes + 1).astype(int)
    below = np.concatenate([[0.0], np.cumsum(flux[order])])
    mean = np.diff(below[edges]) / np.diff(edges)
    above = (below[-1] - below[edges[1:-1]]) / (order.size - edges[1:-1])
    good = np.flatnonzero((above > 0) & (mean[:-1] >= rules.plateau * above))
    return float(friction[order[edges[good[0]] : edges[good[0] + 1]]].mean()) if good.size else np.nan


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return the correlation of two rows of numbers; 0 where one does not vary."""
    one, other = one - one.mean(), other - other.mean()
    size = np.sqrt((one @ one) * (other @ other))
    return float(one @ other / size) if size > 0 else 0.0


def _seasons(time: np.ndarray, rules: FrictionRules, where: str) -> list[tuple[str, np.ndarray]]:
    """Return the name and the rows of each season.

    Raises
    ------
    TimeError
        As `friction_thresholds`.
    """
    span = (time.max() - time.min()) / _DAY if time.size else 0.0
    if span < rules.days:
        raise TimeError(
            f"a threshold of friction velocity takes a full year: nights {rules.days:g} days apart",
            got=f"{span:.0f} days",
            remedy=f"add files, and until there are some, {BEFORE_A_YEAR}",
            where=where,
        )
    month = time.astype("datetime64[M]").astype(np.int64) % _MONTHS
    seasons = []
    for first in range(0, _MONTHS, rules.season_months):
        name = " to ".join(month_abbr[1 + first + k] for k in sorted({0, rules.season_months - 1}))
        rows = np.flatnonzero(month // rules.season_months == first // rules.season_months)
        if rows.size < rules.season_least:
            raise TimeError(
                f"every season of the year takes {rules.season_least} half hours of night",
                got=f"{rows.size} in {name}",
                remedy=f"add files, and until there are some, {BEFORE_A_YEAR}",
                where=where,
            )
        seasons.append((name, rows))
    return seasons


def _told(name: str, rows: int, found: np.ndarray) -> Threshold:
    """Return a threshold of the rows themselves, first, and of the draws, (1 + d,)."""
    known = found[1:][np.isfinite(found[1:])]
    low, middle, high = np.quantile(known, _RANGE) if known.size else (np.nan,) * len(_RANGE)
    return Threshold(name, rows, float(found[0]), float(low), float(middle), float(high), known.size / (found.size - 1))
