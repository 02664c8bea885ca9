"""`tianyan footprints` and `tianyan footprints show`, as a user types them."""

import re
from pathlib import Path

import footprint_files as files
import numpy as np
import pytest
import xarray as xr
from command_line import command

from pipeline.case import domain_grid
from pipeline.footprints import Made
from pipeline.schema import HOUR, label
from pipeline.settings import read_settings

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"


@pytest.fixture
def case(tmp_path):
    return files.write_case(tmp_path, files.GRIDS["lonlat"])


@pytest.fixture
def grid(case):
    return domain_grid(read_settings(case))


def receptors(times):
    rows = [(time, *files.STATIONS["AAA"]) for time in times]
    lon, lat, height = (np.array([row[column] for row in rows]) for column in (1, 2, 3))
    return label(
        xr.Dataset(
            {
                "time": ("obs", np.array([row[0] for row in rows])),
                "duration": ("obs", np.full(len(rows), 3600.0)),
                "station": ("obs", np.full(len(rows), "AAA")),
                "lon": ("obs", lon), "lat": ("obs", lat), "height": ("obs", height),
            },
            attrs={"species": "ch4"},
        ),
        "receptors",
    )  # fmt: skip


@pytest.fixture
def maker(monkeypatch):
    """Stand for observations of 24 hours and for the particle model; keep what it was asked for."""
    asked = {}

    def observed(settings, root, registry, around):
        assert around is None  # the case selects no hours by the weather
        asked["window"] = settings.case.observation_hours.bounds
        asked["root"] = root
        return None, receptors([np.datetime64("2024-07-15", "ns") + n * HOUR for n in range(24)]), [], ["a note"]

    def make_footprints(settings, grid, wanted, root, folder, *, progress, **options):
        times = wanted["time"].values
        asked.update(options, times=times)
        failures = [f"AAA at {time}: no weather" for time in times[3:]]
        paths = files.write_footprints(folder, grid, times[:3], ["AAA"])
        return Made(paths=paths, computed=2, kept=1, failures=failures, prepared=7)

    monkeypatch.setattr("pipeline.cli_footprints.all_receptors", observed)
    monkeypatch.setattr("pipeline.cli_footprints.make_footprints", make_footprints)
    return asked


def test_the_account_says_what_was_made_kept_and_not_made(case, maker, monkeypatch, capsys):
    assert command(monkeypatch, "footprints", case) == 0
    printed = capsys.readouterr().out
    assert "footprints of 24 receptor(s), 2024-07-15 00:00 to 2024-07-16 00:00 UTC" in printed
    assert "made 2, already there 1, failed 21; weather times prepared 7" in printed
    assert printed.count("no weather") == 10
    assert "- and 11 more" in printed
    assert "particles ended: 66.7% time up, 33.3% left the grid" in printed
    assert "note: a note" in printed
    assert re.search(r"took \d+\.\d s, \S+ receptors per second", printed)
    assert re.search(r"transport/footprints \(3 hour file\(s\)\)", printed)
    assert maker["threads"] == 0


def test_times_threads_data_and_scheduler_reach_the_model(case, maker, tmp_path, monkeypatch, capsys):
    words = ("--from", "2024-07-15T10+08:00", "--to", "2024-07-15T06Z", "--threads", "3", "--scheduler", "local")
    assert command(monkeypatch, "footprints", case, *words, "--data", tmp_path / "elsewhere") == 0
    assert "15 02:00 to 2024-07-15 06:00 UTC" in capsys.readouterr().out
    start, end = np.datetime64("2024-07-15T02"), np.datetime64("2024-07-15T06")
    assert maker["window"] == (start, end)
    assert (maker["times"][0], maker["times"][-1]) == (start, end - HOUR)
    assert (maker["threads"], maker["scheduler"]) == (3, "local")
    assert maker["root"] == tmp_path / "elsewhere"


def test_a_period_outside_the_fluxes_hours_may_be_asked_for(case, maker, monkeypatch, capsys):
    assert command(monkeypatch, "footprints", case, "--from", "2024-07-01T00Z", "--to", "2024-07-02T00Z") == 2
    assert "there must be receptors; got 'none in 2024-07-01" in capsys.readouterr().err
    assert maker["window"][0] == np.datetime64("2024-07-01")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--from", "2024-07-15T00"),
            r"--from: a time must have a zone; got '2024-07-15T00'\. Remedy: end it with Z\.",
        ),
        (("--to", "2024-07-15"), r"--to: a time must have a zone; .*end it with Z: 2024-07-15T00Z"),
        (("--from", "yesterday"), r"--from: a time must be ISO, with a zone; got 'yesterday'"),
        (("--from", "2024-07-15T00:30Z"), r"start must be a whole hour of UTC; got 2024-07-15T00:30"),
        (("--from", "2024-07-17T00Z"), r"end must be after start"),
    ],
    ids=["naive", "day", "words", "half hour", "reversed"],
)
def test_a_time_that_cannot_be_used_is_refused(words, message, case, maker, monkeypatch, capsys):
    assert command(monkeypatch, "footprints", case, *words) == 2
    assert re.search(message, capsys.readouterr().err)
    assert "times" not in maker


def test_no_footprint_at_all_is_an_error(case, maker, monkeypatch, capsys):
    nothing = Made(failures=["AAA at 2024-07-15T00:00:00: there is no weather"])
    monkeypatch.setattr("pipeline.cli_footprints.make_footprints", lambda *_, **__: nothing)
    assert command(monkeypatch, "footprints", case) == 2
    assert "at least one receptor must have a footprint; got 'AAA at 2024" in capsys.readouterr().err


def test_a_case_without_transport_is_refused(maker, monkeypatch, capsys):
    assert command(monkeypatch, "footprints", ROOT / "workflows" / "tacolneston.toml") == 2
    assert "the case must have a section [transport]" in capsys.readouterr().err


def test_show_before_there_is_any_footprint_says_what_to_run(case, monkeypatch, capsys):
    assert command(monkeypatch, "footprints", "show", case) == 2
    printed = capsys.readouterr().err
    assert "there must be a footprint to draw" in printed
    assert "run `tianyan footprints CASE.toml` first" in printed


def test_show_after_the_grid_changed_says_so(case, monkeypatch, capsys):
    files.write_footprints(case.parent / "transport", files.GRIDS["lambert"])
    assert command(monkeypatch, "footprints", "show", case) == 2
    assert "1 file(s) there are of another grid or damaged" in capsys.readouterr().err


def test_show_draws_the_first_and_lists_the_others(case, grid, monkeypatch, capsys):
    files.write_footprints(case.parent / "transport", grid)
    assert command(monkeypatch, "footprints", "show", case) == 0
    printed = capsys.readouterr().out
    assert "footprint of AAA at 2024-07-15T03" in printed
    assert "also at 2024-07-15T03: TROPOMI-20240715T034425+29.700+121.000" in printed
    assert (case.parent / "transport" / "pictures" / "AAA_20240715T03.png").stat().st_size > 30_000


def test_show_draws_what_was_asked_for_where_it_was_asked_for(case, grid, tmp_path, monkeypatch, capsys):
    files.write_footprints(case.parent / "transport", grid, [files.TIME, files.TIME + HOUR])
    words = ("--station", "TROPOMI", "--time", "2024-07-15T04:44Z", "--picture", tmp_path / "a.png", "--age")
    assert command(monkeypatch, "footprints", "show", case, *words) == 0
    printed = capsys.readouterr().out
    assert "footprint of TROPOMI-20240715T034425+29.700+121.000 at 2024-07-15T04" in printed
    assert "also" not in printed
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert command(monkeypatch, "footprints", "show", case, "--time", "2024-07-15T04:44") == 2
    assert "--time: a time must have a zone" in capsys.readouterr().err


def test_help_teaches_by_example(monkeypatch, capsys):
    assert command(monkeypatch, "footprints", "--help") == 0
    printed = capsys.readouterr().out
    for word in ("workflows/bowen.toml", "--from 2022-12-07T00Z", "show", "--threads"):
        assert word in printed


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
def test_real_columns_and_weather_give_footprints_once(tmp_path, monkeypatch, capsys):
    text = (ROOT / "workflows" / "bowen.toml").read_text(encoding="utf-8")
    case = tmp_path / "bowen.toml"
    case.write_text(text.replace("hours = 24\n\n[transport.m", "hours = 2\nparticles = 40\n\n[transport.m"))
    words = ("footprints", case, "--data", DATA, "--from", "2022-12-07T03Z", "--to", "2022-12-07T04Z")
    assert command(monkeypatch, *words) == 0
    assert "made 165, already there 0, failed 0; weather times prepared" in capsys.readouterr().out
    assert command(monkeypatch, *words) == 0
    printed = capsys.readouterr().out
    assert "made 0, already there 165, failed 0; weather times prepared 0" in printed
    assert "nothing to make" in printed
    assert command(monkeypatch, "footprints", "show", case, "--picture", tmp_path / "a.png") == 0
    assert "and 154 more" in capsys.readouterr().out
