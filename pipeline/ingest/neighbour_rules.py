"""Thresholds of comparisons with neighbours, read from their table and refused when the numbers cannot be."""

from __future__ import annotations

from pipeline.errors import RegistryError
from pipeline.ingest.neighbours import NeighbourRules
from pipeline.ingest.registry import rules_table
from station_meta import Rules

_HOURS_OF_A_DAY = 24


def neighbour_rules(rules: Rules) -> NeighbourRules:
    """Return the thresholds of comparisons.

    Raises
    ------
    RegistryError
        When they cannot be used.
    """
    found = rules_table(rules, "neighbours", NeighbourRules)
    (start, end), least = found.mixed, found.mixed_least
    shares = (found.lag_share, found.lag_gain, found.lag_correlation)
    ratios = [pair for of_gas in found.units.values() for pair in of_gas.values()]
    for good, rule, got in (
        (found.radius > 0, "radius must be positive", found.radius),
        (found.fewest >= 1, "fewest must be a count", found.fewest),
        (0 <= start < end <= _HOURS_OF_A_DAY, "mixed must be hours of one day", found.mixed),
        (1 <= least <= end - start, "mixed_least must be a count of mixed hours", least),
        (found.lag_days >= 1, "lag_days must be a count", found.lag_days),
        (found.lag_most >= 1, "lag_most must be a count", found.lag_most),
        (min(shares) > 0 and max(shares) <= 1, "lag_share, lag_gain and lag_correlation must be shares", shares),
        (found.unit_hours >= 1, "unit_hours must be a count", found.unit_hours),
        (1 <= found.unit_least <= found.unit_hours, "unit_least must be a count of unit_hours", found.unit_least),
        (all(0 < low < high for low, high in ratios), "units must be ratios that rise", found.units),
    ):
        if not good:
            raise RegistryError(rule, got=got, remedy="correct the thresholds", where=f"{rules.where} [neighbours]")
    return found
