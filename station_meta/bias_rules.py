"""Thresholds of the bias filter of cheap sensors: table `[bias_filter]` of `quality.toml`."""

from __future__ import annotations

from dataclasses import dataclass, field

from station_meta.errors import StationMetaError


@dataclass(frozen=True)
class BiasRules:
    """How a cheap sensor's bias drifts, what measures it, and what its hours are worth; ppm of CO2.

    Parameters
    ----------
    walk
        Random walk of the bias, ppm day-1/2.
    observation
        One-sigma error of sensor minus spectrometers in an hour of well-mixed air.
    gate
        An hour's innovation of more sigma is not used.
    jump, jump_days
        A day's mean innovation of more sigma speaks for a jump; so many days in a row that do are one.
    reset
        One-sigma bias after a jump, and of a sensor that was never beside a reference.
    local_hours
        Hours [from, to) of the solar day in which air may be well mixed.
    wind, boundary_layer
        Least wind, m s-1, and depth of the boundary layer, m, of well-mixed air.
    stations, distance, spread
        So many spectrometers within this distance, km, must differ by less.
    anchor_suspect, anchor_fail
        Days since the last well-mixed hour beyond which an hour is suspect, and not used.
    floor, floor_unanchored
        Least measurement sigma of an hour: with a reference near, and before the first well-mixed hour.
    floors
        The same for kinds of instrument, by a word in their name.
    """

    walk: float
    observation: float
    gate: float
    jump: float
    jump_days: int
    reset: float
    local_hours: tuple[float, float]
    wind: float
    boundary_layer: float
    stations: int
    distance: float
    spread: float
    anchor_suspect: float
    anchor_fail: float
    floor: float
    floor_unanchored: float
    floors: dict[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Raise unless the numbers can be thresholds."""
        start, end = self.local_hours
        least = min(self.walk, self.observation, self.gate, self.reset, self.distance, self.spread, self.floor)
        for good, rule, got in (
            (least > 0, "the numbers of the bias filter must be positive", least),
            (self.jump > self.gate, "jump must exceed gate", (self.jump, self.gate)),
            (self.jump_days >= 1 and self.stations >= 1, "jump_days and stations must be counts",
             (self.jump_days, self.stations)),
            (0 <= start < end <= 24, "local_hours must be hours of one day", self.local_hours),
            (0 < self.anchor_suspect <= self.anchor_fail, "anchor_fail must not come before anchor_suspect",
             (self.anchor_suspect, self.anchor_fail)),
            (self.floor_unanchored >= self.floor, "floor_unanchored must not be below floor", self.floor_unanchored),
        ):  # fmt: skip
            if not good:
                raise StationMetaError(rule, got=got, remedy="correct the thresholds")
