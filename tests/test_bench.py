"""`tianyan bench` runs, tiny, from frozen inputs to the line that says whether a machine keeps up. Nothing is timed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import kernels
from benchmarks.box import compare, report, verdict, world
from benchmarks.box.hour import FIRST, HELP, QUIET, STRETCH, WARM, Made
from benchmarks.box.running import Ran
from pipeline.errors import ConfigError, FormatError, InputError

STATIONS = 6


def tianyan(*words, cwd=None):
    command = [sys.executable, "-m", "pipeline.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600, cwd=cwd)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bench") / "bench"


@pytest.fixture(scope="module")
def done(folder):
    out, table = folder.parent / "a.json", folder.parent / "a.txt"
    options = ("--size", "tiny", "--stations", STATIONS, "--cores", 1, "--memory", "1500M", "--folder", folder)
    ran = tianyan("bench", *options, "--out", out, "--table", table)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout, json.loads(out.read_text(encoding="utf-8")), table.read_text(encoding="utf-8")


def test_every_step_of_the_hour_is_run_and_solved(done):
    _, found, _ = done
    assert [run["name"] for run in found["runs"]] == [FIRST, WARM, STRETCH, QUIET]
    assert found["help"]["name"] == HELP
    assert [run["trouble"] for run in [found["help"], *found["runs"]]] == [""] * 5
    made = [one["hour"] for run in found["runs"] for one in run["hours"] if one["written"]]
    assert made == [f"2024-07-15T0{hour}" for hour in (2, 3, 4, 5)]
    assert all(one["condition"] in ("full", "degraded") for run in found["runs"][:3] for one in run["hours"])
    assert {"weather", "footprints", "factor", "commit"} <= set(verdict.stages(found))


def test_the_report_says_what_was_measured_on_what(done):
    _, found, _ = done
    assert found["schema"] == report.SCHEMA
    assert found["limits"]["cores"] == 1
    assert found["limits"]["memory"] == 1500 * 2**20
    assert found["inputs"]["stations"] == STATIONS
    assert found["machine"]["cores"] >= 1
    assert all(run["peak"] < found["limits"]["memory"] for run in found["runs"])
    cases = {case["name"]: case for case in found["kernels"]["cases"]}
    assert len(cases) > 20
    assert all(case["seconds"] > 0 for case in cases.values())
    assert all(case["ratio"] > 0 for case in cases.values() if case["against"])


def test_every_kernel_module_has_a_case_or_is_part_of_one(done):
    _, found, _ = done
    parts = {"jit", "sources", "steps", "turbulence", "__init__"}  # no loops of their own: `particles` runs them
    modules = {path.stem for path in Path(kernels.__file__).parent.glob("*.py")} - parts
    assert modules == {case["name"].split(".")[0] for case in found["kernels"]["cases"] if "." in case["name"]}


def test_the_last_line_says_whether_the_machine_keeps_up(done):
    printed, found, table = done
    line = found["verdict"]["line"]
    assert line.startswith("keeps up: an hour of 6 stations at 40 km takes ")
    assert line.endswith(" of 1.5")
    assert printed.rstrip().splitlines()[-1] == line
    assert table.rstrip().splitlines()[-1] == line
    for target in found["targets"]:
        assert target["name"] in table
        # promised of the whole province alone
        assert target["met"] is None


def test_a_box_too_small_for_the_hour_is_told_in_one_line(folder, done):
    """It starts, but the hour does not fit."""
    most = 0.8 * max(run["peak"] for run in done[1]["runs"]) / 2**20
    ran = tianyan("bench", "--size", "tiny", "--stations", STATIONS, "--memory", f"{most:.0f}M", "--folder", folder)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    last = ran.stdout.rstrip().splitlines()[-1]
    assert last.startswith(
        "does not keep up: an hour of 6 stations at 40 km: first hour, nothing there: ended: it took"
    )
    assert "Traceback" not in ran.stdout + ran.stderr


def test_a_box_in_which_nothing_starts_is_refused(folder):
    ran = tianyan("bench", "--size", "tiny", "--memory", "60M", "--folder", folder)
    assert ran.returncode == 2
    assert "memory must hold at least a process that has imported what an hour needs; got '60 MiB'" in ran.stderr


@pytest.mark.parametrize("option", ["--out", "--table"])
def test_where_nothing_can_be_written_nothing_is_measured(option, tmp_path):
    ran = tianyan("bench", "--size", "tiny", "--folder", tmp_path / "bench", option, tmp_path / "no" / "a")
    assert ran.returncode == 2
    assert f"{option}: the folder of a file must be there" in ran.stderr
    assert not (tmp_path / "bench").exists()


def test_inputs_are_made_once_and_are_the_same_when_made_again(done, tmp_path):
    first = done[1]["inputs"]["digest"]
    said = []
    place, told = world.make_world(tmp_path, "tiny", STATIONS, lambda stage, *_: said.append(stage))
    assert told["digest"] == first
    assert said
    said.clear()
    assert world.make_world(tmp_path, "tiny", STATIONS, lambda stage, *_: said.append(stage)) == (place, told)
    assert not said


@pytest.mark.parametrize(("stations", "kinds"), [(113, (28, 80, 5)), (50, (12, 36, 2)), (6, (3, 3, 0))])
def test_stations_are_taken_in_proportion(stations, kinds):
    plan = world.with_stations(world.SIZES["province"].plan, stations)
    assert (plan.spectrometers, plan.micro, plan.sinks) == kinds
    assert sum(kinds) == stations


@pytest.mark.parametrize("stations", [0, 5, 114])
def test_more_stations_than_the_network_has_are_refused(stations):
    with pytest.raises(ConfigError, match="stations must lie in"):
        world.with_stations(world.SIZES["province"].plan, stations)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("all of it")
    with pytest.raises(InputError, match=r"that of an earlier bench.*thesis\.tex"):
        world.claim(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(InputError, match="must be a folder"):
        world.claim(tmp_path / "thesis.tex")


def test_an_unknown_size_is_refused():
    with pytest.raises(ConfigError, match="a size is one of province, small, tiny"):
        world.size_of("huge")


def slower(found, factor):
    """The report as if every hour and one kernel had taken longer."""
    other = json.loads(json.dumps(found))
    for run in other["runs"]:
        run["seconds"] *= factor
    other["kernels"]["cases"][0]["seconds"] *= factor
    other["targets"] = verdict.targets(other)
    return other


def test_a_report_compared_with_itself_has_no_change(done, tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(done[1]))
    ran = tianyan("bench", "compare", path, path)
    assert ran.returncode == 0, ran.stderr
    assert "beware" not in ran.stdout
    assert ran.stdout.rstrip().splitlines()[-1].startswith("0 of ")
    assert all(one.ratio == 1 and not one.beyond for one in compare.lines(done[1], done[1]))


def test_changes_beyond_the_spread_are_told_and_those_within_are_not(done):
    first = json.loads(json.dumps(done[1]))
    for case in first["kernels"]["cases"]:
        case["spread"] = 0.2
    lines = {one.name: one for one in compare.lines(first, slower(first, 1.3))}
    kernel = lines[f"kernel {first['kernels']['cases'][0]['name']}"]
    assert (round(kernel.ratio, 6), kernel.spread, kernel.beyond) == (1.3, 0.4, False)
    kernel = {one.name: one for one in compare.lines(first, slower(first, 1.5))}[kernel.name]
    assert kernel.beyond
    hour = lines["an hour, the median of the warm ones"]
    assert hour.beyond
    assert round(hour.ratio, 6) == 1.3


def test_other_machines_limits_and_inputs_are_warned_of(done):
    other = json.loads(json.dumps(done[1]))
    other["machine"]["processor"] = "another"
    other["limits"]["memory"] = None
    other["inputs"]["digest"] = "0"
    found = compare.differences(done[1], other)
    assert [line.split(":")[0] for line in found] == [
        "the machines differ in processor", "the limits differ in memory", "the inputs differ in digest",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"kind": "tianyan bench", "schema": 0}', "not json"])
def test_what_is_no_report_is_refused(text, tmp_path):
    path = tmp_path / "b.json"
    path.write_text(text)
    with pytest.raises(FormatError, match="must be") as caught:
        report.read_report(path)
    assert caught.value.where == str(path)


def given(**changed):
    """The least report that a verdict is made from."""
    hour = {"hour": "2024-07-26T03", "condition": "full", "written": True, "seconds": {}, "processor": {}}
    run = {"seconds": 20.0, "processor": 30.0, "peak": 2**31, "with_files": None, "trouble": "", "hours": [hour]}
    runs = [{"name": name} | run for name in (FIRST, WARM, STRETCH)]
    found = {
        "inputs": {"size": "province", "stations": 113, "spacing_km": 3.0}, "limits": {"cores": 2, "memory": 2**32},
        "help": run, "runs": runs,
    }  # fmt: skip
    return found | changed


def test_targets_are_judged_by_the_cores_there_are():
    by_cores = [
        {one["name"]: one for one in verdict.targets(given(limits={"cores": c, "memory": None}))} for c in (1, 2, 8)
    ]
    hour = "an hour, the slowest of the warm ones"
    assert [found[hour]["limit"] for found in by_cores] == ["<= 90", "<= 30", "<= 30"]
    assert by_cores[1][hour]["met"] is True
    assert by_cores[1]["reprocessing, real time over clock"]["value"] == 180
    assert by_cores[1]["tianyan --help"]["met"] is False
    assert by_cores[1]["first hour, nothing there"]["met"] is None


def test_a_machine_that_takes_more_than_an_hour_does_not_keep_up():
    found = given()
    assert verdict.judge(found) == {
        "keeps_up": True,
        "line": "keeps up: an hour of 113 stations at 3 km takes 20 s of 3600 (0.6 %), peak 2.0 GiB of 4.0",
    }
    found["runs"][1]["seconds"] = 3700.0
    assert verdict.judge(found)["line"].startswith("does not keep up: an hour of 113 stations at 3 km takes 3700 s")


def test_hours_that_are_the_prior_alone_are_no_hours():
    hour = {"hour": "2024-07-26T03", "condition": "prior_only", "written": True, "seconds": {}, "processor": {}}
    ran = Ran(0, 1.0, 1.0, 1, None, False, "")
    assert Made(WARM, ran, [hour], 1).trouble == "not solved, the prior alone: 2024-07-26T03"
    assert Made(WARM, ran, [], 1).trouble == "0 of 1 hour(s) were made"
    assert Made(WARM, ran, [hour | {"condition": "full"}], 1).trouble == ""
