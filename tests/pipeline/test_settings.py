"""Settings: every mistake is refused at the start, with the path of its key."""

import re
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.settings import TableColumns, explain, input_root, read_settings, validated

TACOLNESTON = Path(__file__).resolve().parents[2] / "workflows" / "tacolneston.toml"


@pytest.fixture
def edited(tmp_path):
    def edit(old, new):
        text = TACOLNESTON.read_text(encoding="utf-8")
        assert old in text
        path = tmp_path / "case.toml"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return path

    return edit


def test_the_shipped_case_is_valid_and_its_paths_are_relative_to_it():
    settings = read_settings(TACOLNESTON)
    assert settings.case.species == "co2"
    assert [sector.name for sector in settings.sectors] == ["anthropogenic", "biosphere"]
    assert settings.case.observation_hours.bounds[0] == np.datetime64("2014-07-01T00")
    assert input_root(settings, TACOLNESTON).name == "data"


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("height = 100", "hieght = 100", r"stations\[0\].hieght: unknown key; did you mean height\?"),
        ("height = 100", 'height = "tall"', r"stations\[0\].height: .*valid number.*got 'tall'"),
        ("height = 100", "height = -3", r"stations\[0\].height: .*greater than or equal to 0; got -3"),
        ('species = "co2"', 'species = "sf6"', r"case.species: .*'co2', 'ch4' or 'co'; got 'sf6'"),
        ("sigma_fraction = 0.5\nsigma_floor = 0.05", "sigma_fraction = 0\nsigma_floor = 0", "could not be corrected"),
        ("sigma_floor = 0.05", "wide = { length = 1, share = 0.5 }", "wide.length must exceed length"),
        ("sigma_floor = 0.05", "wide = { length = 999, share = 1 }", "less than 1"),
        ("count = 12", "count = 1", r"grid.x.count: .*greater than or equal to 2; got 1"),
        ("start = 2014-06-29T18:00:00Z", "start = 2014-06-29T18:00:00", r"flux_hours.start: .*timezone"),
        ("start = 2014-06-29T18:00:00Z", "start = 2014-06-29T18:30:00Z", "start must be a whole hour"),
        ("start = 2014-06-29T18:00:00Z", "start = 2014-07-02T00:00:00Z", "observation_hours must lie inside"),
        ("end = 2014-07-04T01:00:00Z }\nobs", "end = 2014-06-01T01:00:00Z }\nobs", "end must be after start"),
        ('id = "TAC"', 'id = "../../etc"', r"stations\[0\].id: .*pattern"),
        ("minimum = 14", "minimum = 19", "minimum 19 must not exceed expected 18"),
        ('reason = "', '# reason = "', "needs a reason"),
        ('format = "gcwerks"', 'format = "table"', "format table and the section table go together"),
        ('name = "biosphere"', 'name = "anthropogenic"', "sectors must be named once; anthropogenic is not"),
        ("[grid]", "[grid]\nspacing = 3000\nbox = [118, 123, 27, 31]", "give either crs, x and y, or box and spacing"),
        ('store = "', 'store = 3 # "', r"outputs.store: .*string; got 3"),
        ("variable = \"flux\"\ntime", "time", "format netcdf needs variable"),
        ("start = 2014-06-29T18:00:00Z", "start = 2014-06-29T18:00:00+05:30", "start must be a whole hour of UTC"),
        ("end = 2014-07-04T01:00:00Z }\nobs", "end = 2914-07-04T01:00:00Z }\nobs", "years 1900 to 2200; got 2914"),
        ("first = -0.396", "first = nan", r"grid.x.first: .*finite number; got nan"),
        ("count = 12", "count = 1000000", r"grid.x.count: .*less than or equal to 100000; got 1000000"),
        ("[grid]", "[grid]\nspacing = 3000", "give either crs, x and y, or box and spacing"),
        ("[grid]", "[grid]\nmargin = 3000", "margin goes with box and spacing"),
        ("scale = 8.0", "scale = inf", r"sectors\[1\].sources\[1\].scale: .*finite number; got inf"),
        ('"daylight"', "[nan]", r"sources\[1\].profile.*finite number; got nan"),
        ('id = "EASTANGLIA"', 'id = "WINDOW"', "regions.boxes must be named once; WINDOW is not"),
        ("[0.1, 1.8, 51.9, 53.0]", "[0.1, 1.8, 53.0, 51.9]", r"regions.boxes\[1\]: box must be west < east"),
        ("height = 100\n", "height = 100\nlocal_hours = [12, 40]\n", "two different hours of 0 to 24"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_with_the_path_of_its_key(edited, old, new, text):
    with pytest.raises(ConfigError) as caught:
        read_settings(edited(old, new))
    assert re.search(text, str(caught.value)), str(caught.value)
    assert "tianyan config explain" in str(caught.value)


def test_an_encoding_nobody_knows_is_refused():
    with pytest.raises(ConfigError, match="encoding must be one Python knows; got 'gb-what'"):
        validated(TableColumns, {"time": "t", "value": "v", "unit": "ppm", "encoding": "gb-what"})


def test_all_mistakes_of_a_file_come_in_one_message(edited):
    path = edited("height = 100", "hieght = 100")
    path.write_text(path.read_text().replace("members = 64", "members = 1"))
    with pytest.raises(ConfigError, match=r"3 setting\(s\)") as caught:
        read_settings(path)
    assert "solver.members" in str(caught.value)
    assert "stations[0].height: required, and missing" in str(caught.value)


def test_a_file_that_is_missing_or_is_not_toml_is_named(tmp_path):
    with pytest.raises(ConfigError, match="must exist"):
        read_settings(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[case\n")
    with pytest.raises(ConfigError, match="must be readable"):
        read_settings(tmp_path)
    with pytest.raises(ConfigError, match=r"bad.toml: the file must be TOML"):
        read_settings(tmp_path / "bad.toml")
    (tmp_path / "gbk.toml").write_bytes("# 天眼".encode("gb18030"))
    with pytest.raises(ConfigError, match="UTF-8"):
        read_settings(tmp_path / "gbk.toml")


def test_every_key_is_explained_in_words():
    rows = explain()
    assert len(rows) > 60
    assert all(meaning for _, _, _, meaning in rows)
    keys = [key for key, *_ in rows]
    assert len(keys) == len(set(keys))
    assert "sectors[].sources[].unit" in keys


def test_settings_cannot_be_changed_after_reading():
    settings = read_settings(TACOLNESTON)
    with pytest.raises(ValueError, match="frozen"):
        settings.solver.members = 3
