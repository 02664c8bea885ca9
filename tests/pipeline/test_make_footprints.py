"""Footprints are made once: what is known by its content is not made, decoded or written again."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import weather_cases as cases

from pipeline.errors import ConfigError
from pipeline.footprints import made_footprints
from pipeline.schema import HOUR, check
from pipeline.transport import WeatherStore

TESTS = Path(__file__).resolve().parents[1]
#: receptors of hours 8 and 9 read back to hour 2 and on to hour 10
READ = 9

CHILD = """
import os, signal, sys
from pathlib import Path
import weather_cases as cases
root, folder, allowed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
flush, count = os.fsync, 0
def counted(number):
    global count
    if count == allowed:
        os.kill(os.getpid(), signal.SIGKILL)
    count += 1
    flush(number)
os.fsync = counted
cases.make(root, folder)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weather")
    cases.write_hours(folder, range(12))
    return folder


@pytest.fixture(scope="module")
def undisturbed(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    made = cases.make(root, folder)
    assert (made.computed, made.kept, made.prepared, made.failures) == (6, 0, READ, [])
    return folder


@pytest.fixture
def folder(undisturbed, tmp_path):
    """Return a folder in which everything is made."""
    return Path(shutil.copytree(undisturbed, tmp_path / "made"))


@pytest.fixture
def changed_root(root, tmp_path):
    """Return weather that a test may change."""
    return Path(shutil.copytree(root, tmp_path / "weather"))


def hour_files(folder):
    return cases.contents(folder / "footprints")


def rows(folder):
    found = [cases.rows_of(path) for path in sorted((folder / "footprints").rglob("*.nc"))]
    return {name: row for part in found for name, row in part.items()}


def test_a_second_run_makes_decodes_and_writes_nothing(root, folder):
    before = cases.stamps(folder)
    made = cases.make(root, folder)
    assert (made.computed, made.kept, made.prepared) == (0, 6, 0)
    assert cases.stamps(folder) == before


def test_particles_end_for_more_than_one_reason(undisturbed):
    reasons = np.concatenate([row["end_reason"] for row in rows(undisturbed).values()])
    assert len(np.unique(reasons)) > 1


def test_other_settings_make_all_anew_from_the_same_weather(root, folder):
    before = rows(folder)
    made = cases.make(root, folder, case=cases.settings(seed=2))
    assert (made.computed, made.kept, made.prepared) == (6, 0, 0)
    after = rows(folder)
    assert all(not np.array_equal(before[name]["footprint"], after[name]["footprint"]) for name in before)


def test_convection_is_prepared_with_the_weather(root, folder):
    made = cases.make(root, folder, case=cases.settings(convection=True))
    assert (made.computed, made.kept, made.prepared) == (6, 0, READ)


def test_a_changed_hour_of_weather_remakes_what_reads_it(changed_root, folder):
    before = rows(folder)
    cases.write_hour(changed_root, 10, change={"u": lambda v: 0.2 * v + 2.0})
    made = cases.make(changed_root, folder)
    # only releases of 9 to 10 o'clock read the weather of 10 o'clock
    assert (made.computed, made.kept, made.prepared) == (3, 3, 1)
    kept = {name: row for name, row in rows(folder).items() if name[1].endswith("T08")}
    cases.require_equal_rows(kept, {name: before[name] for name in kept})


def test_weather_written_again_is_decoded_but_nothing_is_made(changed_root, folder):
    before = hour_files(folder)
    os.utime(changed_root / "era5_05.nc", (0, 0))
    made = cases.make(changed_root, folder)
    assert (made.computed, made.kept, made.prepared) == (0, 6, 1)
    assert hour_files(folder) == before


def test_a_changed_receptor_remakes_its_own_rows(root, folder):
    before = rows(folder)
    moved = cases.receptors()
    moved["height"][moved["station"].values == "BBB"] = 61.0
    made = cases.make(root, folder, moved)
    assert (made.computed, made.kept, made.prepared) == (2, 4, 0)
    kept = {name: row for name, row in rows(folder).items() if name[0] != "BBB"}
    cases.require_equal_rows(kept, {name: before[name] for name in kept})


def test_a_late_station_adds_its_rows_and_the_file_is_that_of_all(root, undisturbed, tmp_path):
    cases.make(root, tmp_path, cases.receptors(stations=("AAA", "CCC")))
    made = cases.make(root, tmp_path)
    assert (made.computed, made.kept, made.prepared) == (2, 4, 0)
    assert hour_files(tmp_path) == hour_files(undisturbed)


@pytest.mark.parametrize("threads", [1, 2])
def test_order_of_receptors_and_threads_leave_no_mark(root, undisturbed, tmp_path, threads):
    shuffled = cases.receptors().isel(obs=[4, 0, 3, 5, 2, 1])
    cases.make(root, tmp_path, shuffled, threads=threads)
    assert hour_files(tmp_path) == hour_files(undisturbed)


def test_another_gas_does_not_take_over_the_files_name_of_the_unit(root, folder):
    case = cases.settings()
    methane = case.model_copy(update={"case": case.case.model_copy(update={"species": "ch4"})})
    made = cases.make(root, folder, case=methane)
    footprints, _ = made_footprints(made, cases.GRID, (cases.START, cases.START + 24 * HOUR))
    assert footprints.attrs["species"] == "ch4"
    check(footprints, "footprints")


def run_child(root, folder, allowed):
    command = [sys.executable, "-c", CHILD, str(root), str(folder), str(allowed)]
    path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    return subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.PIPE)


def test_a_killed_run_is_taken_up_where_it_was(root, undisturbed, tmp_path):
    """Killed between writing a file and naming it: the first of all, then keys of weather, then both hour files."""
    whole = hour_files(undisturbed)
    weather = cases.contents(undisturbed / "weather", "*")
    for allowed in (0, 20, 16, 6):
        child = run_child(root, tmp_path, allowed)
        _, errors = child.communicate(timeout=120)
        assert child.returncode == -signal.SIGKILL, errors.decode()
        assert list(tmp_path.rglob(".*.part"))
        assert hour_files(tmp_path).items() <= whole.items()
        assert set(cases.contents(tmp_path / "weather", "*")) <= set(weather)
    made = cases.make(root, tmp_path)
    assert (made.computed, made.kept, made.prepared) == (3, 3, 0)
    assert hour_files(tmp_path) == whole
    assert not list(tmp_path.rglob(".*"))


def test_a_run_killed_at_any_moment_leaves_whole_files(root, undisturbed, tmp_path):
    whole = hour_files(undisturbed)
    child = run_child(root, tmp_path, 10**6)
    until = time.monotonic() + 120
    while not list((tmp_path / "weather").glob("*.json")) and time.monotonic() < until:
        time.sleep(0.01)
    child.kill()
    child.communicate()
    assert hour_files(tmp_path).items() <= whole.items()
    cases.make(root, tmp_path)
    assert hour_files(tmp_path) == whole
    assert not list(tmp_path.rglob(".*"))


def test_another_hour_decodes_one_time(root, changed_root, tmp_path):
    (changed_root / "era5_10.nc").unlink()
    (changed_root / "era5_11.nc").unlink()
    first = cases.make(changed_root, tmp_path, cases.receptors(hours=(8,)))
    assert (first.computed, first.prepared) == (3, READ - 1)
    shutil.copy2(root / "era5_10.nc", changed_root)
    second = cases.make(changed_root, tmp_path, cases.receptors(hours=(9,)))
    assert (second.computed, second.kept, second.prepared) == (3, 0, 1)
    # the weather's first time, which nobody reads, was never decoded
    assert not list((tmp_path / "weather").glob("*T0000*"))


def test_footprints_are_known_after_their_weather_is_gone(root, folder, undisturbed):
    store = WeatherStore(folder / "weather", 4000.0)
    assert store.prune(cases.START + 24 * HOUR) == READ
    assert not list((folder / "weather").glob("*.npz"))
    made = cases.make(root, folder)
    assert (made.computed, made.kept, made.prepared) == (0, 6, 0)
    # and a late station brings back the weather, under the keys it had
    (folder / "footprints/2025/05/20250501T09.nc").unlink()
    made = cases.make(root, folder)
    assert (made.computed, made.kept, made.prepared) == (3, 3, READ - 1)
    assert hour_files(folder) == hour_files(undisturbed)


def test_old_weather_goes_as_hours_move_on(root, tmp_path):
    cases.write_hours(tmp_path / "in", range(70, 77))
    shutil.copytree(root, tmp_path / "in", dirs_exist_ok=True)
    cases.make(tmp_path / "in", tmp_path, cases.receptors(hours=(8, 75)))
    # 48 hours and the travel time behind the newest receptor
    held = {path.stem for path in (tmp_path / "weather").glob("*.npz")}
    assert held == {"20250503T2200", "20250503T2300", *(f"20250504T0{hour}00" for hour in range(5))}
    assert len(list((tmp_path / "weather").glob("2025*.json"))) == 8 + 7


@pytest.mark.parametrize("damage", [b"", b"no netCDF", None])
def test_a_damaged_hour_file_is_made_anew(root, folder, undisturbed, damage):
    path = folder / "footprints/2025/05/20250501T08.nc"
    text = path.read_bytes()
    path.write_bytes(text[: len(text) // 2] if damage is None else damage)
    made = cases.make(root, folder)
    assert (made.computed, made.kept) == (3, 3)
    assert hour_files(folder) == hour_files(undisturbed)


def test_damaged_prepared_weather_is_made_anew(root, folder, undisturbed):
    for name in ("20250501T0400.npz", "20250501T0500.json"):
        path = folder / "weather" / name
        text = bytearray(path.read_bytes())
        text[len(text) // 2] ^= 1
        path.write_bytes(bytes(text))
    shutil.rmtree(folder / "footprints")
    made = cases.make(root, folder)
    assert (made.computed, made.prepared) == (6, 2)
    assert hour_files(folder) == hour_files(undisturbed)


def test_entries_outside_the_flux_hours_are_left_out_and_told(root, folder):
    made = cases.make(root, folder)
    whole, notes = made_footprints(made, cases.GRID, (cases.START, cases.START + 24 * HOUR))
    assert not [note for note in notes if "outside flux_hours" in note]
    window = (cases.START + 8 * HOUR, cases.START + 9 * HOUR)
    cut, notes = made_footprints(made, cases.GRID, window)
    check(cut, "footprints")
    inside = (whole["hour"].values >= window[0]) & (whole["hour"].values < window[1])
    assert 0 < inside.sum() < inside.size
    value = whole["footprint"].values.astype(float)
    assert f"footprints: {value[~inside].sum() / value.sum():.2%} of them lies outside flux_hours" in " ".join(notes)
    for row in range(whole.sizes["obs"]):
        mine, theirs = (slice(*data["indptr"].values[row : row + 2]) for data in (whole, cut))
        for name in ("hour", "cell", "footprint"):
            np.testing.assert_array_equal(whole[name].values[mine][inside[mine]], cut[name].values[theirs])


def test_a_case_without_transport_is_refused(root, tmp_path):
    case = cases.settings().model_copy(update={"transport": None})
    with pytest.raises(ConfigError, match=r"must have a section \[transport\]"):
        cases.make(root, tmp_path, case=case)
