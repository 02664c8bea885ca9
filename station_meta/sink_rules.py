"""Thresholds of sink stations beyond those of any station: tables `[sink]` and `[friction]` of `quality.toml`."""

from __future__ import annotations

from dataclasses import dataclass

from station_meta.errors import StationMetaError


@dataclass(frozen=True)
class SinkRules:
    """What is night at a tower, and what is a spike of its flux.

    Parameters
    ----------
    night_radiation
        Incoming shortwave radiation below which it is night, W m-2.
    night_elevation
        The sun's elevation below which it is night where no radiation is told, degrees.
    spike_deviations
        SPIKE where a double difference is further from the median than so many robust standard deviations.
    spike_days
        Days about each day whose double differences give the median and the deviation; odd.
    spike_fewest
        Double differences of day or of night in those days below which none of that day is tested.
    spike_floor
        Least robust standard deviation assumed, umol m-2 s-1.
    spike_neighbour
        A value whose neighbour's double difference is of the other sign and so many times as large is none itself.
    """

    night_radiation: float
    night_elevation: float
    spike_deviations: float
    spike_days: int
    spike_fewest: int
    spike_floor: float
    spike_neighbour: float

    def __post_init__(self) -> None:
        """Raise unless the numbers can be thresholds."""
        least = min(self.night_radiation, self.spike_deviations, self.spike_floor)
        _require(least > 0, "the thresholds of sink stations must be positive", least)
        _require(-90 < self.night_elevation < 90, "night_elevation must be an elevation", self.night_elevation)
        _require(self.spike_days > 0 and self.spike_days % 2 == 1, "spike_days must be odd", self.spike_days)
        _require(self.spike_fewest > 1, "spike_fewest must be a count", self.spike_fewest)
        # a lone spike's own double difference is twice that of its neighbours
        _require(1 <= self.spike_neighbour < 2, "spike_neighbour must lie in [1, 2)", self.spike_neighbour)


@dataclass(frozen=True)
class FrictionRules:
    """The moving-point test for the least friction velocity of a tower (Papale et al. 2006).

    Parameters
    ----------
    days
        From the first night to the last that a year takes at least.
    season_months
        Months of a season; they divide the year.
    season_least
        Half hours of night a season takes at least.
    temperature_classes, friction_classes
        Of a season's rows, and of a temperature class's rows.
    correlation
        Of temperature and friction velocity, from which on a temperature class is left out.
    plateau
        Share of the mean flux above a class that its own reaches where the plateau begins.
    floor, floor_forest
        Least threshold, m s-1.
    draws
        Of the bootstrap.
    """

    days: float
    season_months: int
    season_least: int
    temperature_classes: int
    friction_classes: int
    correlation: float
    plateau: float
    floor: float
    floor_forest: float
    draws: int

    def __post_init__(self) -> None:
        """Raise unless the numbers can be thresholds."""
        months, classes = self.season_months, (self.temperature_classes, self.friction_classes)
        _require(months > 0 and 12 % months == 0, "season_months must divide a year", months)
        _require(classes[0] > 0 and classes[1] > 1, "the classes must be counts", classes)
        rows = classes[0] * classes[1]
        _require(self.season_least >= rows, f"season_least must give each of {rows} classes a row", self.season_least)
        _require(0 < self.correlation <= 1 and 0 < self.plateau <= 1, "correlation and plateau must be shares",
                 (self.correlation, self.plateau))  # fmt: skip
        _require(min(self.floor, self.floor_forest) >= 0, "the floors must not be negative",
                 (self.floor, self.floor_forest))  # fmt: skip
        _require(self.days > 0 and self.draws > 0, "days and draws must be positive", (self.days, self.draws))


def _require(good: bool, rule: str, got: object) -> None:
    if not good:
        raise StationMetaError(rule, got=got, remedy="correct the thresholds")
