"""`tianyan ingest columns`, as a user types it."""

import sys

import pytest
from granule_files import write_oco
from ingest_cases import shared_data

from pipeline import cli

LON, LAT = [120.0, 120.5, 121.0], [30.0, 30.5, 31.0]


def command(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["tianyan", "ingest", "columns", *map(str, words)])
    try:
        cli.main()
    except SystemExit as stop:
        return stop.code or 0
    return 0


def test_the_account_says_what_the_file_is_and_what_became_of_every_sounding(tmp_path, monkeypatch, capsys):
    path = write_oco(tmp_path / "a.nc4", LON, LAT, xco2_quality_flag=[0, 1, 0])
    code = command(monkeypatch, path, "--format", "oco2-lite", "--species", "co2", "--box", "119,120.75,29,32")
    out = capsys.readouterr().out
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert ["used", "1"] in lines
    assert ["outside", "the", "area", "1"] in lines
    assert ["xco2_quality_flag", "is", "not", "0", "(flagged", "instrument)", "1"] in lines
    assert "- columns: OCO-2 Lite 11.2, xco2_x2019, on WMO CO2 X2019" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--format", "ghg-cci", "--species", "co2"), "a.nc4: the file must be a product and version with a contract"),
        (("--format", "oco2-lite", "--species", "ch4"), "oco2-lite files do not hold ch4"),
        (("--format", "oco2", "--species", "co2"), "format: Input should be"),
        (("--format", "oco2-lite", "--species", "sf6"), "the species must be declared; got 'sf6'"),
        (("--format", "oco2-lite", "--species", "co2", "--box", "120,119,29,32"), "--box: a box must be west"),
    ],
)
def test_what_cannot_be_read_is_refused_with_rule_value_and_remedy(tmp_path, monkeypatch, capsys, words, said):
    path = write_oco(tmp_path / "a.nc4", LON, LAT)
    assert command(monkeypatch, path, *words) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "Remedy: " in told


@pytest.mark.parametrize(
    ("pattern", "layout", "species", "said"),
    [
        ("hw*.nc", "tccon", "co2", "used, flagged held out"),
        ("oco2-*.nc", "oco2-lite", "co2", "OCO-2 Lite 11.2, xco2, on WMO CO2 X2007"),
        ("tropomi_ch4_2022-12-07.nc", "openmethane", "ch4", "165"),
    ],
)
def test_the_real_files_are_read(monkeypatch, capsys, pattern, layout, species, said):
    path = next((shared_data() / "columns").glob(pattern))
    assert command(monkeypatch, path, "--format", layout, "--species", species) == 0
    assert said in capsys.readouterr().out
