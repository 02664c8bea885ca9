"""Thresholds of sink stations that cannot be are refused by name."""

import pytest

from station_meta import FrictionRules, SinkRules, StationMetaError, load_rules


@pytest.mark.parametrize(
    ("table", "kind", "key", "said"),
    [
        ("sink", SinkRules, "night_radiation = 0.0", "must be positive"),
        ("sink", SinkRules, "spike_floor = -1.0", "must be positive"),
        ("sink", SinkRules, "night_elevation = 90.0", "must be an elevation"),
        ("sink", SinkRules, "spike_days = 14", "must be odd"),
        ("sink", SinkRules, "spike_fewest = 1", "must be a count"),
        ("sink", SinkRules, "spike_neighbour = 2.0", r"must lie in \[1, 2\)"),
        ("sink", SinkRules, "spike_z = 7.0", "a key must be known"),
        ("friction", FrictionRules, "season_months = 5", "must divide a year"),
        ("friction", FrictionRules, "friction_classes = 1", "must be counts"),
        ("friction", FrictionRules, "season_least = 139", "must give each of 140 classes a row"),
        ("friction", FrictionRules, "plateau = 1.1", "must be shares"),
        ("friction", FrictionRules, "correlation = 0.0", "must be shares"),
        ("friction", FrictionRules, "floor = -0.1", "must not be negative"),
        ("friction", FrictionRules, "draws = 0", "must be positive"),
    ],
)
def test_a_number_that_cannot_be_a_threshold_is_refused(tmp_path, table, kind, key, said):
    own = tmp_path / "own.toml"
    own.write_text(f"[{table}]\n{key}\n")
    with pytest.raises(StationMetaError, match=said):
        load_rules(own).table(table, kind)


def test_thresholds_are_those_of_the_papers_until_a_table_of_ones_own(tmp_path):
    sink, friction = (load_rules().table(*one) for one in (("sink", SinkRules), ("friction", FrictionRules)))
    assert (sink.spike_deviations, sink.spike_days, sink.night_radiation) == (7.0, 15, 10.0)
    assert (friction.temperature_classes, friction.friction_classes, friction.plateau) == (7, 20, 0.95)
    assert (friction.floor, friction.floor_forest, friction.season_months) == (0.01, 0.1, 3)
    own = tmp_path / "own.toml"
    own.write_text("[friction]\ndraws = 7\n")
    assert load_rules(own).table("friction", FrictionRules).draws == 7
