"""The command that reads a drive: it accounts for every row and draws the road."""

import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from station_files import registry
from track_files import BOX, COLUMNS, drive, write

from pipeline import cli
from pipeline.drives import read_tracks
from pipeline.errors import ConfigError

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "stations"
LICOR = """
id = "GLASGOW_CAR"
height = 2
lag = 0
box = [-5.0, -3.5, 55.5, 56.2]
value_means = "enhancement"
zone = "Europe/London"
representation_error = 5.0
[columns]
time = ["DATE", "TIME"]
time_format = "%d/%m/%Y %H:%M:%S"
lon = "LON"
lat = "LAT"
value = "Methane_Enhancement_Over_Background(ppb)"
unit = "ppb"
"""


def section(path, **changes):
    keys = {"id": "VAN", "height": 3, "lag": 0, "box": list(BOX), "representation_error": 5.0} | changes
    lines = [f"{key} = {value!r}" for key, value in keys.items()]
    columns = [f"{key} = {value!r}" for key, value in COLUMNS.items()]
    path.write_text("\n".join([*lines, "[columns]", *columns]), encoding="utf-8")
    return path


def table(folder, **changes):
    facts = {"id": "VAN", "station_class": "mobile", "uncertainty": "co2:0.5;ch4:5"} | changes
    registry(folder, **facts)
    return folder / "table.csv"


def command(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["tianyan", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code


def test_a_drive_is_told_and_drawn(tmp_path, monkeypatch, capsys):
    columns = drive(300, speed=50.0)
    columns["co2"][100:110] += 60
    columns["lat"][200] = 35.0
    path = write(tmp_path / "a.csv", columns)
    picture = tmp_path / "out" / "a.png"
    words = ["ingest", "mobile", path, "--section", section(tmp_path / "s.toml"), "--species", "co2"]
    code = command(monkeypatch, *words, "--table", table(tmp_path), "--picture", picture)
    told = capsys.readouterr().out
    assert code == 0
    assert "position outside the box" in told
    assert "hours flagged held out" in told
    pixels = matplotlib.image.imread(picture)
    # the plume is the yellow end of the colours, and on the road
    yellow = (pixels[..., 0] > 0.9) & (pixels[..., 1] > 0.8) & (pixels[..., 2] < 0.3)
    assert yellow[:, : pixels.shape[1] // 2].sum() > 20


def test_a_section_that_is_none_is_one_paragraph(tmp_path, monkeypatch, capsys):
    path = write(tmp_path / "a.csv", drive(10))
    bad = tmp_path / "s.toml"
    bad.write_text("id = VAN")
    code = command(monkeypatch, "ingest", "mobile", path, "--section", bad, "--species", "co2")
    assert code == 2
    assert "tianyan: s.toml: the section must be TOML in UTF-8" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="lagg: unknown key; did you mean lag"):
        read_tracks([path], section(tmp_path / "t.toml", lagg=1), "co2", [])


@pytest.mark.skipif(not FOLDER.is_dir(), reason="needs ../shared/data")
def test_the_real_track_is_drawn(tmp_path, monkeypatch, capsys):
    (tmp_path / "s.toml").write_text(LICOR)
    facts = table(tmp_path, id="GLASGOW_CAR", station_class="external", scale="co2:unknown;ch4:unknown")
    words = ["ingest", "mobile", FOLDER / "glasgow_licor_sample.txt", "--section", tmp_path / "s.toml"]
    code = command(monkeypatch, *words, "--species", "ch4", "--table", facts, "--picture", tmp_path / "a.png")
    told = capsys.readouterr().out
    assert code == 0
    assert "values are above a background of the provider's: range is not tested" in told
    assert np.ptp(matplotlib.image.imread(tmp_path / "a.png")) > 0
