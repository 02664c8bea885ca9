"""Thresholds come from tables, and every mistake in one is named with its place, rule, value and remedy."""

import pytest

import station_meta
from station_meta import StationMetaError, load_rules

GOOD = "fail = [300.0, 900.0]\nsuspect = [350.0, 800.0]\nflat_minutes = 10.0\nflat_tolerance = 0.1\n"


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("species", ["co2", "ch4", "co"])
def test_every_class_of_spectrometers_has_thresholds_of_every_gas(species):
    rules = load_rules()
    for name in ("provincial", "regional", "city", "background", "external"):
        assert rules.of(species, name).fail[0] > 0


def test_a_class_that_is_like_another_has_its_thresholds_but_for_its_own(tmp_path):
    own = load_rules(write(tmp_path / "own.toml", "[classes.external.co2]\nrate = 44.0\n"))
    assert own.of("co2", "external").rate == 44.0
    assert own.of("co2", "external").spike_alpha == own.of("co2", "regional").spike_alpha
    assert own.of("co2", "regional").rate == load_rules().of("co2", "regional").rate


def test_a_station_has_the_thresholds_of_its_class_but_for_its_own(tmp_path):
    own = load_rules(write(tmp_path / "own.toml", "[stations.ZJ_R01.co2]\nsuspect = [395.0, 900.0]\n"))
    assert own.of("co2", "regional", "ZJ_R01").suspect == (395.0, 900.0)
    assert own.of("co2", "regional", "ZJ_R02") == own.of("co2", "regional")


def test_a_later_file_replaces_single_keys_of_an_earlier_one(tmp_path):
    one = write(tmp_path / "one.toml", "[classes.city.co2]\nspread = 9.0\nrate = 90.0\n")
    two = write(tmp_path / "two.toml", '[classes.city.co2]\nspread = "none"\n')
    found = load_rules(one, two).of("co2", "city")
    assert (found.spread, found.rate) == (None, 90.0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[classes.city.co2]\nspraed = 1.0\n", "did you mean spread"),
        ("[classes.town.co2]\nrate = 1.0\n", "the class must be known"),
        ('[like]\ncity = "town"\n', "the class must be known"),
        ("[classes.city.co2]\nfail = [900.0, 300.0]\n", "fail must rise"),
        ("[classes.city.co2]\nfail = [900.0]\n", "2 numbers in brackets"),
        ("[classes.city.co2]\nsuspect = [1.0, 800.0]\n", "suspect must begin within fail"),
        ("[classes.city.co2]\nsuspect = [395.0, 8000.0]\n", "suspect must end within fail"),
        ("[classes.city.co2]\nrate = -1.0\n", "rate must be positive"),
        ("[classes.city.co2]\nrate = nan\n", "a finite number"),
        ("[classes.city.co2]\nrate = true\n", "a finite number"),
        ('[classes.city.co2]\nspike = "median"\n', "one of sd, hampel, none"),
        ('[classes.city.co2]\nspike_kept = "yes"\n', "true or false"),
        ("[classes.city.co2]\nflat_samples = 2.5\n", "a whole number"),
        ("[classes.city.co2]\nenvironment = { rh = 85.0 }\n", "2 numbers in brackets"),
        ("[classes.city.co2]\nspike_sigma = 0.01\n", "spike_sigma must not be below spike_floor"),
        ("[classes.micro.co2]\nspike_minutes = 0.0\n", "a spike test must be positive"),
        (f"[classes.micro.n2o]\n{GOOD.replace('flat_minutes = 10.0', '')}", "add flat_minutes"),
        ("[stations.ZJ_R01.xenon]\nrate = 1.0\n", "must be of a known species"),
        ("[classes.city.co2\n", "must be TOML"),
    ],
)
def test_a_mistake_is_named(tmp_path, text, said):
    with pytest.raises(StationMetaError, match=said) as caught:
        load_rules(write(tmp_path / "own.toml", text))
    assert "Remedy" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[neighbors]\nradius = 1.0\n", r"own\.toml: a table must be known; got 'neighbors'.*did you mean neighbours"),
        ("[class.city.co2]\nrate = 1.0\n", "got 'class'.*did you mean classes"),
        ("[weather]\nrate = 1.0\n", "got 'weather'.*known here: like, classes, .*stations"),
        ("rate = 1.0\n", "got 'rate'"),
        ("[stations.ABC.co2]\nfale = [1.0, 2.0]\n", r"\[stations\.ABC\.co2\].*got 'fale'.*did you mean fail"),
        ("[stations.ABC.co2]\nrate = -1.0\n", r"\[stations\.ABC\.co2\]: rate must be positive"),
        ("[stations.ABC.co2]\nrate = true\n", r"\[stations\.ABC\.co2\] rate: the value must be a finite number"),
        ("[stations.ABC]\nrate = 1.0\n", r"\[stations\] ABC rate: a table must be there; got 1.0"),
        ("[classes]\ncity = 1.0\n", r"\[classes\] city: a table must be there; got 1.0"),
        ("mobile = 1.0\n", r"\[mobile\]: a table must be there; got 1.0"),
    ],
)
def test_what_nobody_would_read_is_refused(tmp_path, text, said):
    with pytest.raises(StationMetaError, match=said) as caught:
        load_rules(write(tmp_path / "own.toml", text))
    assert "Remedy" in str(caught.value)


def test_thresholds_of_a_station_need_fit_one_class_alone_for_its_own_is_not_known_here(tmp_path):
    # within fail of a micro station, not of the others
    own = load_rules(write(tmp_path / "own.toml", "[stations.ABC.co2]\nsuspect = [360.0, 4000.0]\n"))
    assert own.of("co2", "micro", "ABC").suspect == (360.0, 4000.0)
    with pytest.raises(StationMetaError, match="suspect must begin within fail"):
        own.of("co2", "city", "ABC")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StationMetaError, match="must be readable"):
        load_rules(tmp_path / "none.toml")


def test_a_class_without_thresholds_is_refused_with_those_that_have_some():
    with pytest.raises(StationMetaError, match=r"add \[classes.micro.co\].*regional"):
        load_rules().of("co", "micro")


def test_a_table_is_read_as_its_dataclass(tmp_path):
    rules = load_rules(write(tmp_path / "own.toml", "[sink]\nspike_days = 17\n"))
    assert rules.table("sink", station_meta.SinkRules).spike_days == 17
    with pytest.raises(StationMetaError, match="the table must be there"):
        rules.table("even", station_meta.QualityRules)
    rules = load_rules(write(tmp_path / "own.toml", "[sink]\nspike_days = 16\n"))
    with pytest.raises(StationMetaError, match=r"own\.toml \[sink\]: spike_days must be odd; got 16"):
        rules.table("sink", station_meta.SinkRules)
