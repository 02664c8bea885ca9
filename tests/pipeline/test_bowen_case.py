"""The real case of columns as it is written: its settings, its prior, and an outcome for every sounding."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.case import domain_grid
from pipeline.case_inputs import input_files
from pipeline.ingest import all_receptors, read_fluxes, read_registry
from pipeline.ingest.rows import OUTSIDE
from pipeline.settings import input_root, read_settings
from pipeline.units import SECONDS_PER_YEAR, SPECIES, tonnes_per_flux_unit

CASE = Path(__file__).resolve().parents[2] / "workflows" / "bowen.toml"
needs_data = pytest.mark.skipif(
    not (CASE.parents[2] / "shared" / "data").is_dir(),
    reason="needs ../shared/data",
)


@pytest.fixture
def case():
    settings = read_settings(CASE)
    return settings, input_root(settings, CASE), domain_grid(settings)


def test_the_case_is_valid_and_asks_for_the_hours_of_its_weather(case):
    settings, _, grid = case
    assert grid.shape == (10, 10)
    assert len(settings.sectors) == 12
    start, end = settings.case.observation_hours.bounds
    assert (start, end) == (np.datetime64("2022-12-07T00"), np.datetime64("2022-12-08T00"))
    assert settings.background.kind == "field"


@needs_data
def test_provenance_covers_soundings_weather_and_prior(case):
    settings, root, _ = case
    names = {path.relative_to(root).as_posix() for path in input_files(settings, root)}
    assert {name.split("/")[0] for name in names} == {"columns", "meteorology", "fluxes"}
    assert sum(name.startswith("meteorology/") for name in names) == 25
    assert sum(name.startswith("columns/") for name in names) == 2


@needs_data
def test_the_prior_lies_on_the_domain_and_its_sectors_make_its_total(case):
    settings, root, grid = case
    fluxes, notes = read_fluxes(settings, grid, root)
    assert all("0 t outside" in note for note in notes)
    year = tonnes_per_flux_unit(SPECIES["ch4"]) * SECONDS_PER_YEAR
    total = float((fluxes["flux"].values.sum(axis=0).mean(axis=0) * grid.area).sum()) * year
    assert total == pytest.approx(216e3, rel=1e-3)  # t per year; the file's own sum with cells of 100 km2 is 208e3


@needs_data
def test_soundings_without_weather_stand_in_the_account(case):
    settings, root, _ = case
    observations, _, accounts, notes = all_receptors(settings, root, read_registry(settings, root))
    assert observations.sizes["obs"] == 165
    assert [told.rows for told in accounts] == [{"used": 165}, {OUTSIDE: 73}]
    assert any("no prior profile" in note for note in notes)
