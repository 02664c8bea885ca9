"""`tianyan query` and `import pipeline as ty`: what people read, what programs get, and errors with a remedy."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import query_stores as stores
import xarray as xr
from command_line import command

import pipeline as ty
from pipeline.answers import COLUMNS, query


@pytest.fixture(scope="module")
def hours(run, tmp_path_factory):
    # a service's folder, whose store is service/store
    folder = tmp_path_factory.mktemp("case") / "service"
    folder.mkdir()
    stores.hours_of(run, folder)
    return folder.parent


def rows_of(printed):
    return [[c.strip() for c in line.split("│")[1:-1]] for line in printed.splitlines() if line.startswith("│")]


def test_the_command_prints_every_sector_and_the_net(run, monkeypatch, capsys):
    period = "2024-07-15T00Z"
    assert command(monkeypatch, "query", run.store, "--region", "EAST", "--period", period) == 0
    printed = capsys.readouterr().out
    answer = query(run.store, "EAST", period).isel(region=0, time=0)
    rows = rows_of(printed)
    assert [row[0] for row in rows] == ["anthropogenic", "biosphere", "net"]
    assert float(rows[2][2].split("±")[1]) * (1e3 if "kt" in printed else 1) == pytest.approx(
        float(answer["posterior_std"][-1]), rel=1e-2
    )
    assert "2024-07-15T00Z/2024-07-15T01Z: 1 hours, 0 without numbers" in printed
    assert answer.attrs["version"] in printed


def test_an_upper_estimate_is_marked_as_one_and_an_exact_sigma_is_not(hours, monkeypatch, capsys):
    for period, marked in (("2024-07-15T00Z", False), ("2024-07-15", True)):
        assert command(monkeypatch, "query", hours, "--region", "EAST", "--period", period) == 0
        printed = capsys.readouterr().out
        assert ("±≤" in printed) == marked
        assert ("upper estimate" in printed) == marked


def test_chinese_words_are_chinese(hours, monkeypatch, capsys):
    assert command(monkeypatch, "query", hours, "--region", "EAST", "--language", "zh", "--freq", "day") == 0
    printed = capsys.readouterr().out
    for word in ("部门", "人为源", "净通量", "后验", "上界估计", "版本"):
        assert word in printed


def test_files_of_every_kind_say_the_same(hours, tmp_path, monkeypatch, capsys):
    words = ("query", hours, "--level", "box", "--period", "2024-07-15", "--freq", "day")
    for ending in ("csv", "json", "parquet", "nc"):
        assert command(monkeypatch, *words, "--output", tmp_path / f"a.{ending}") == 0
        assert "9 rows" in capsys.readouterr().out
    parquet = pd.read_parquet(tmp_path / "a.parquet")
    assert tuple(parquet.columns) == COLUMNS
    table = pd.read_csv(tmp_path / "a.csv")
    rows = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    for name in ("prior", "posterior", "posterior_std", "data_share"):
        np.testing.assert_allclose(table[name], parquet[name], rtol=1e-12)
        np.testing.assert_allclose([row[name] for row in rows], parquet[name], rtol=1e-12)
    assert rows[0]["time"] == "2024-07-15T00:00:00Z"
    assert parquet["time"].dt.tz is not None
    with xr.open_dataset(tmp_path / "a.nc") as found:
        np.testing.assert_allclose(found["posterior"].values.ravel(), parquet["posterior"], rtol=1e-12)
        assert found["posterior"].attrs["units"] == "t"


def test_text_that_a_spreadsheet_would_compute_is_quoted(run):
    from pipeline.answers.export import csv_text
    from pipeline.answers.tables import frame

    answer = query(run.store, "EAST")
    answer = answer.assign_coords(region_name=("region", np.array(['=HYPERLINK("http://x")'], dtype=object)))
    told = csv_text(frame(answer))
    assert "'=HYPERLINK" in told
    # numbers below zero stay numbers
    assert not any(cell.startswith("'-") for line in told.splitlines() for cell in line.split(","))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--region", "MARS"], "the region must be one of the store's; got 'MARS'"),
        (["--region", "EAST", "--box", "118,119,28,29"], "areas are named in one way; got '--region and --box'"),
        (["--box", "118,119,28"], "--box: a box must be west, east, south, north"),
        (["--level", "planet"], "the level must be one of the store's"),
        (["--region", "EAST", "--period", "soon"], "a period must be of whole hours"),
        (["--region", "EAST", "--period", "2019"], "the period must have an hour with numbers"),
        (["--region", "EAST", "--sector", "traffic"], "the sector must be one of the store's; got 'traffic'"),
        (["--region", "EAST", "--output", "a.xlsx"], "the file's ending says what is written"),
        (["--region", "EAST", "--as-of", "2024-07-15"], "a time must have a zone"),
    ],
)
def test_a_bad_question_ends_with_2_and_a_remedy(hours, monkeypatch, capsys, words, text):
    assert command(monkeypatch, "query", hours, *words) == 2
    told = capsys.readouterr().err
    assert text in told
    assert "Remedy: " in told


def test_the_package_opens_and_asks(run, hours):
    for store in (run.store, hours):
        opened = ty.open(store)
        assert opened["flux_posterior"].dims == ("sector", "time", "y", "x")
        np.testing.assert_allclose(
            opened["flux_posterior"].sel(time="2024-07-15T03").values,
            run.result["flux_posterior"].sel(time="2024-07-15T03").values,
            rtol=2.0**-12,
        )
        assert ty.query(store, "EAST", "2024-07-15").attrs["version"] == opened.attrs["version"]
    assert ty.open(hours, "2024-07-15T03Z/2024-07-15T05Z").sizes["time"] == 2
    assert {"open", "query"} <= set(dir(ty))
    with pytest.raises(AttributeError):
        _ = ty.nothing


def test_importing_the_package_loads_nothing_heavy():
    code = "import sys, pipeline; print(sorted({'numpy', 'xarray', 'numba', 'scipy'} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_maps_and_the_ledger_are_written_by_commands(hours, tmp_path, monkeypatch, capsys):
    words = ("--period", "2024-07-15")
    assert command(monkeypatch, "export", hours, tmp_path / "day.tif", *words) == 0
    assert "1 map(s) of 3 sector(s), 24 hours" in capsys.readouterr().out
    assert (tmp_path / "day.tif").stat().st_size > 1000
    assert command(monkeypatch, "export", hours, tmp_path / "day.doc", *words) == 2
    assert "the file's ending says what is written" in capsys.readouterr().err
    assert command(monkeypatch, "ledger", hours, "--level", "box", *words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("schema,region,region_name,")
    assert len(lines) == 1 + 9
    assert command(monkeypatch, "ledger", hours, "--level", "box", *words, "-o", tmp_path / "a.parquet") == 0
    assert len(pd.read_parquet(tmp_path / "a.parquet")) == 9
    capsys.readouterr()
    assert command(monkeypatch, "ledger", "--schema") == 0
    assert json.loads(capsys.readouterr().out)["title"] == "regional ledger"
    assert command(monkeypatch, "ledger") == 2


def test_a_reader_that_has_enough_is_no_error(hours):
    command_line = [sys.executable, "-m", "pipeline.cli", "query", str(hours), "--region", "EAST", "--freq", "hour"]
    with subprocess.Popen(command_line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        told = process.stderr.read().decode()
    assert "Traceback" not in told
    assert "BrokenPipe" not in told
