"""Thresholds of quality control, by class of station, species and site: `quality.toml`, and tables of one's own.

A file holds tables `[classes.CLASS.SPECIES]`, `[stations.ID.SPECIES]`, which replace some keys of a class for one
station, `[like]`, which says whose thresholds a class has but for its own, and tables for what is not a station's, by
name. Files loaded later replace keys of earlier ones. Numbers are in the species' own unit: ppm for CO2, ppb for CH4
and CO.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from station_meta.errors import StationMetaError
from station_meta.fields import CLASSES
from station_meta.typed import read_toml, typed

T = TypeVar("T")

#: thresholds of the classes of the network, with their sources
QUALITY = Path(__file__).with_name("quality.toml")


@dataclass(frozen=True)
class QualityRules:
    """Thresholds of one species at one class of station, or at one station.

    Parameters
    ----------
    fail, suspect
        (low, high): outside is RANGE_FAIL, RANGE_SUSPECT.
    flat_minutes, flat_tolerance, flat_samples
        FLAT_LINE where the samples of that long, at least so many of them, differ by no more.
    spike
        "sd" (El Yazidi 2018) with `spike_alpha`, "hampel" with `spike_alpha` standard deviations in `spike_minutes`, or
        "none".
    spike_gap
        Minutes without a sample after which "sd" takes the next one as no spike.
    spike_longest
        Minutes after which "sd" takes a rise as air that has changed.
    spike_floor
        Least standard deviation the spike test assumes: the noise of the instrument.
    spike_sigma
        Standard deviation "sd" takes while a station has fewer than `spike_history` samples in the week before.
    spike_history
        Samples of a week that give trustworthy quartiles.
    spike_kept
        Whether a spike is a local signal that stays in the hourly mean, only flagged.
    spike_hour
        SPIKE where an hourly sample exceeds the hours before and after by more; it is taken out. None: no such test.
    spread
        HOURLY_SPREAD where the samples of an hour deviate by more: that hour is not selected. None: no such test.
    rate
        RATE where hourly means of neighbouring hours differ by more. None: no such test.
    buddy
        (factor, least): BUDDY in mixed hours where an hour is further from its neighbours' median than both the factor
        times their median deviation and the least. None: no such test.
    apart
        The same of a day's median: BUDDY and INSTRUMENT on a whole day whose mixed hours lie that far from the
        neighbours', a sensor that jumped. None: no such test.
    hours
        [from, to) of the solar day in which an hour is selected, over midnight where from is the later. None: all, for
        a mountain or a tall tower.
    wind, mixing
        Least wind at 10 m, m s-1, and depth of the boundary layer, m, of an hour that is selected. None: any.
    environment
        Bounds by name of what the instrument reports of itself and its surroundings: outside is INSTRUMENT.
    target
        (good, inflated, fail): a target gas off by more than good adds that to sigma, by more than inflated is
        CALIBRATION, by more than fail is not used. None: no such test.
    calibration_age
        (suspect, fail): days since the last calibration beyond which an hour is CALIBRATION_AGE, and not used. None: no
        such test.
    slope
        (low, high): a two-point check of another slope is not used. None: no such test.
    """

    fail: tuple[float, float]
    suspect: tuple[float, float]
    flat_minutes: float
    flat_tolerance: float
    flat_samples: int = 4
    spike: Literal["sd", "hampel", "none"] = "none"
    spike_alpha: float = 1.0
    spike_minutes: float = 120.0
    spike_gap: float = 10.0
    spike_longest: float = 360.0
    spike_floor: float = 0.0
    spike_sigma: float = 0.0
    spike_history: int = 60
    spike_kept: bool = False
    spike_hour: float | None = None
    spread: float | None = None
    rate: float | None = None
    buddy: tuple[float, float] | None = None
    apart: tuple[float, float] | None = None
    hours: tuple[float, float] | None = None
    wind: float | None = None
    mixing: float | None = None
    environment: dict[str, tuple[float, float]] = field(default_factory=dict, hash=False)
    target: tuple[float, float, float] | None = None
    calibration_age: tuple[float, float] | None = None
    slope: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """Raise unless the numbers can be thresholds."""
        pairs = {"fail": self.fail, "suspect": self.suspect, **self.environment}
        for name, (low, high) in pairs.items():
            _require(low < high, f"{name} must rise", (low, high))
        low, high = self.suspect
        _require(
            low == -float("inf") or low >= self.fail[0], "suspect must begin within fail", (self.fail, self.suspect)
        )
        _require(
            high == float("inf") or high <= self.fail[1], "suspect must end within fail", (self.fail, self.suspect)
        )
        _require(self.flat_minutes > 0 and self.flat_tolerance >= 0 and self.flat_samples > 1, "a flat line must last",
                 (self.flat_minutes, self.flat_tolerance, self.flat_samples))  # fmt: skip
        if self.spike != "none":
            least = min(self.spike_alpha, self.spike_minutes, self.spike_gap, self.spike_longest, self.spike_floor)
            _require(least > 0, "the numbers of a spike test must be positive", least)
        if self.spike == "sd":
            _require(
                self.spike_sigma >= self.spike_floor, "spike_sigma must not be below spike_floor", self.spike_sigma
            )
        for name in ("spike_hour", "spread", "rate", "wind", "mixing"):
            value = getattr(self, name)
            _require(value is None or value > 0, f"{name} must be positive", value)
        for name in ("buddy", "apart"):
            pair = getattr(self, name)
            _require(pair is None or min(pair) > 0, f"{name} must be positive", pair)
        for name in ("target", "calibration_age", "slope"):
            steps = getattr(self, name) or (1.0,)
            _require(min(steps) > 0 and list(steps) == sorted(steps), f"{name} must be positive and rise", steps)
        _require(
            self.hours is None or (self.hours[0] != self.hours[1] and min(self.hours) >= 0 and max(self.hours) <= 24),
            "hours must be two different hours of 0 to 24",
            self.hours,
        )


@dataclass(frozen=True)
class Rules:
    """All thresholds of one or more files.

    Parameters
    ----------
    where
        The files, for messages.
    tables
        Their tables, merged.
    """

    where: str
    tables: Mapping[str, Any]

    def of(self, species: str, station_class: str, station: str | None = None) -> QualityRules:
        """Return the thresholds of a species at a class of station, or of one station of that class.

        Raises
        ------
        StationMetaError
            When none are declared for the class, or the two tables together cannot be used.
        """
        shared = self._of_class(species, station_class)
        if not shared:
            known = self.classes_of(species)
            raise StationMetaError(
                f"quality thresholds of {species} must be declared for the class",
                got=station_class,
                remedy=f"add [classes.{station_class}.{species}] in a file of your own; there are {', '.join(known)}",
                where=self.where,
            )
        own = self.tables.get("stations", {}).get(station, {}).get(species, {})
        where = f"{self.where} [classes.{station_class}.{species}]"
        return _placed(QualityRules, {**shared, **own}, f"{where}, [stations.{station}.{species}]" if own else where)

    def classes_of(self, species: str) -> list[str]:
        """Return the classes with thresholds of a species."""
        return [name for name in CLASSES if self._of_class(species, name)]

    @property
    def stations(self) -> tuple[str, ...]:
        """The stations with thresholds of their own."""
        return tuple(self.tables.get("stations", {}))

    def _of_class(self, species: str, station_class: str) -> dict[str, Any]:
        """Return the keys of a class: those of the one it is like, and its own on top; none when there are none."""
        classes = self.tables.get("classes", {})
        names = (self.tables.get("like", {}).get(station_class, ""), station_class)
        return {key: value for name in names for key, value in classes.get(name, {}).get(species, {}).items()}

    def table(self, name: str, cls: type[T]) -> T:
        """Return a table that is not a station's, as a dataclass.

        Raises
        ------
        StationMetaError
            When it is not there or cannot be used.
        """
        if name not in self.tables:
            raise StationMetaError("the table must be there", got=name, remedy=f"add [{name}] to it", where=self.where)
        return _placed(cls, self.tables[name], f"{self.where} [{name}]")


def load_rules(*paths: str | Path) -> Rules:
    """Return the shipped thresholds, with those of files of one's own on top.

    Raises
    ------
    StationMetaError
        When a file cannot be read, has a table the shipped one has not, names a class that is not one, or thresholds
        cannot be used: those of a station, with its class or, that not being known here, with any.
    """
    merged = read_toml(QUALITY, "a table of thresholds")
    known, names = (*merged, "stations"), [QUALITY.name]
    for path in map(Path, paths):
        own = read_toml(path, "a table of thresholds")
        _require_tables(own, known, path.name)
        merged = _merged(merged, own)
        names.append(path.name)
    rules = Rules(", ".join(names), merged)
    classes, like = merged.get("classes", {}), merged.get("like", {})
    for name in (*classes, *like, *like.values()):
        if name not in CLASSES:
            raise StationMetaError(
                "the class must be known", got=name, remedy=f"use one of {', '.join(CLASSES)}", where=rules.where
            )
    for station_class, table in classes.items():
        for species in table:
            rules.of(species, station_class)
    for station, table in merged.get("stations", {}).items():
        for species in table:
            _require(bool(rules.classes_of(species)), f"thresholds of {station} must be of a known species", species)
            _require_some_class(rules, species, station)
    return rules


def _require_tables(own: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Raise unless a file's tables are ones that something reads: all else would be read by nobody."""
    for name, table in own.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            remedy = f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
            raise StationMetaError("a table must be known", got=name, remedy=remedy, where=where)
        depth = 2 if name in ("classes", "stations") else 0
        _require_nested(table, depth, f"{where} [{name}]")


def _require_nested(table: object, depth: int, where: str) -> None:
    """Raise unless tables hold tables so deep: `[stations.ID.SPECIES]` holds keys, and `[stations.ID]` none."""
    if not isinstance(table, dict):
        raise StationMetaError("a table must be there", got=table, remedy="write its keys below its name", where=where)
    for name, inner in table.items() if depth else ():
        _require_nested(inner, depth - 1, f"{where} {name}")


def _require_some_class(rules: Rules, species: str, station: str) -> None:
    """Raise unless a station's own thresholds can be used with those of one class at least."""
    faults = []
    for name in rules.classes_of(species):
        try:
            rules.of(species, name, station)
        except StationMetaError as error:
            faults.append(error)
        else:
            return
    raise faults[0]


def _placed(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    """Return a table as a dataclass; numbers that cannot be are told with their place, too."""
    try:
        return typed(cls, table, where=where)
    except StationMetaError as error:
        if error.where:
            raise
        raise StationMetaError(error.rule, got=error.got, remedy=error.remedy, where=where) from error


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Return two nested tables as one; where both have a value, the second's."""
    out = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = _merged(out[key], value) if both else value
    return out


def _require(good: bool, rule: str, got: object) -> None:
    if not good:
        raise StationMetaError(rule, got=got, remedy="correct the thresholds")
