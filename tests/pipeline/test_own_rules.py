"""Thresholds of one's own are those of every command that judges files, as they are of a case."""

import sys

import numpy as np
import pytest
from station_files import gcwerks, minutes, registry
from track_files import BOX, COLUMNS, drive, write

from pipeline import cli


def section(path):
    keys = {"id": "VAN", "height": 3, "lag": 0, "box": list(BOX), "representation_error": 5.0}
    lines = [f"{key} = {value!r}" for part in (keys, COLUMNS) for key, value in part.items()]
    path.write_text("\n".join([*lines[: len(keys)], "[columns]", *lines[len(keys) :]]))
    return path


def told(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["tianyan", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    said = capsys.readouterr()
    return left.value.code or 0, said.out + said.err


@pytest.fixture
def own(tmp_path):
    """Return what writes a table of thresholds."""

    def write_rules(text):
        path = tmp_path / "own.toml"
        path.write_text(text)
        return path

    return write_rules


def test_of_station_files_and_their_report(tmp_path, own, monkeypatch, capsys):
    registry(tmp_path, station_class="city")
    path = gcwerks(tmp_path / "a.1minute.dat", minutes("2024-07-01T00:00:30", 60), 420 + np.sin(np.arange(60.0)))
    of = ["--height", 50, "--table", tmp_path / "table.csv"]
    ours = ["--rules", own("[stations.ABC.co2]\nsuspect = [395.0, 410.0]\n")]
    words = ["ingest", "stations", path, "--station", "ABC", "--species", "co2", *of]
    assert "range suspect" not in told(monkeypatch, capsys, *words)[1]
    assert "used, flagged range suspect" in told(monkeypatch, capsys, *words, *ours)[1]
    words = ["qc", "report", "ABC", path, *of, "--picture", tmp_path / "a.png"]
    assert "outside 395 to 800 ppm" in told(monkeypatch, capsys, *words)[1]
    assert "outside 395 to 410 ppm" in told(monkeypatch, capsys, *words, *ours)[1]
    code, said = told(monkeypatch, capsys, *words, "--rules", own("[stations.ABX.co2]\nrate = 1.0\n"))
    assert code == 2
    assert "own.toml [stations.ABX]: the station must be in the table; got 'ABX'" in said


def test_of_drives(tmp_path, own, monkeypatch, capsys):
    registry(tmp_path, id="VAN", station_class="mobile", uncertainty="co2:0.5;ch4:5")
    path = write(tmp_path / "a.csv", drive(95))
    words = ["ingest", "mobile", path, "--section", section(tmp_path / "s.toml"), "--species", "co2"]
    words += ["--table", tmp_path / "table.csv"]
    few, many = (
        told(monkeypatch, capsys, *words, *more)[1]
        for more in ([], ["--rules", own("[mobile]\nsegment_metres = 50.0\n")])
    )
    assert few != many
    code, said = told(monkeypatch, capsys, *words, "--rules", own("[mobile]\nbackground_percentile = 500.0\n"))
    assert code == 2
    assert "own.toml [mobile]: background_percentile must be at most 100" in said


def test_of_the_friction_of_a_tower(tmp_path, own, monkeypatch, capsys):
    registry(tmp_path, station_class="sink", inlets="50", hour_label="end")
    begin = np.datetime64("2024-06-30T20", "m") + 30 * np.arange(16)
    rows = [f"{a},{b},4.0,0.5,15" for a, b in zip(*(_stamps(begin + step) for step in (0, 30)), strict=True)]
    (tmp_path / "a.csv").write_text("\n".join(["TIMESTAMP_START,TIMESTAMP_END,NEE,USTAR,TA", *rows]) + "\n")
    words = ["qc", "ustar", "ABC", tmp_path / "a.csv", "--table", tmp_path / "table.csv"]
    assert "360" in told(monkeypatch, capsys, *words)[1]
    assert "4000" in told(monkeypatch, capsys, *words, "--rules", own("[friction]\ndays = 4000.0\n"))[1]


def _stamps(time):
    return [str(t).replace("-", "").replace("T", "").replace(":", "") for t in time]
